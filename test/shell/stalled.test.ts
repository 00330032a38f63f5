/** Git needs a person first: until then a losing bot is stopped flat, a crash is proved flat, and nothing is started or committed. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld, stretch } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const MINUTES = 40;
const PUMP = 'PUMP-USD';
const AMZN = 'AMZN-USD';
let w: FleetWorld;
let ada: string;
let daemon: ReturnType<FleetWorld['launch']> | null = null;

/** pump has lost for a while, amzn has crashed with a position, mon does well. */
beforeEach(async () => {
  w = await fleetWorld(undefined, { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  ada = join(w.dir, 'ada');
  w.behave(PUMP, { clockOffsetS: -(MINUTES + 2) * 60 });
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  await w.git(['clone', '--quiet', w.remote, ada], w.dir);
  const start = Number(w.journalOf(PUMP)?.events[0]?.['ts']);
  const lines = stretch(start + 1, MINUTES, -2);
  w.tell(PUMP, ...lines);
  await until(() => (w.journalOf(PUMP)?.events.length ?? 0) > lines.length, 'the journal');
  w.behave(PUMP, {});
  w.setBook(PUMP, { position: '0.5' });
  w.setBook(AMZN, { position: '0.3' });
  w.tell(AMZN, 'die');
  await until(async () => (await w.pidOf('amzn')) === null, 'amzn is dead', 20_000);
});
afterEach(async () => {
  daemon?.kill('SIGTERM');
  await daemon;
  daemon = null;
  await w.end();
});

const gitAll = async (at: string, ...commands: string[][]) => {
  for (const args of commands) await w.git(args, at);
};
const spec = (of: string) => w.git(['show', `HEAD:fleet/${of}.yaml`]);
const running = async () => (await w.copies()).map((c) => c.instance).sort();
const positions = () => [w.book(PUMP)?.position, w.book(AMZN)?.position];
const revisions = async () => [
  await w.git(['rev-parse', 'main']),
  await w.git(['--git-dir', w.remote, 'rev-parse', 'main'], w.dir),
];
const lasts = async () => {
  const end = await w.cli('status', '--json');
  const { items } = JSON.parse(end.out) as { items: { name: string; lifecycle: string }[] };
  return Object.fromEntries(items.map((i) => [i.name, i.lifecycle]));
};

const TROUBLES = [
  {
    name: 'the remote was rewritten',
    code: 6,
    says: 'its history was rewritten',
    // The commit that was amended is none of mmfleet's any more.
    audit: 8,
    comes: async () =>
      gitAll(ada, ['commit', '--quiet', '--amend', '-m', 'another past'], ['push', '--quiet', '--force']),
    goes: async () => gitAll(w.ops, ['fetch', '--quiet', 'origin'], ['reset', '--quiet', '--keep', 'origin/main']),
  },
  {
    name: 'an edit stands in the way of what was pushed',
    code: 6,
    says: 'fleet/mon.yaml',
    audit: 0,
    comes: async () => {
      const text = await spec('mon');
      w.put('../ada/fleet/mon.yaml', `${text}\n# pushed\n`);
      await gitAll(ada, ['commit', '--quiet', '-am', 'mon: looked at'], ['push', '--quiet']);
      w.put('fleet/mon.yaml', `${text}\n# only here\n`);
    },
    goes: async () => gitAll(w.ops, ['checkout', '--quiet', '--', 'fleet/mon.yaml']),
  },
  {
    name: 'a merge is in progress',
    code: 6,
    says: 'a merge is in progress',
    audit: 0,
    comes: async () => {
      await gitAll(w.ops, ['switch', '--quiet', '-c', 'side', 'HEAD~1']);
      w.put('fleet/notes.md', 'beside\n');
      await w.commit('beside', false);
      await gitAll(w.ops, ['switch', '--quiet', 'main'], ['merge', '--quiet', '--no-commit', '--no-ff', 'side']);
    },
    goes: async () => gitAll(w.ops, ['merge', '--abort']),
  },
  {
    name: 'another branch is checked out',
    code: 4,
    says: 'is on branch trial',
    audit: 0,
    comes: async () => gitAll(w.ops, ['switch', '--quiet', '-c', 'trial']),
    goes: async () => gitAll(w.ops, ['switch', '--quiet', 'main']),
  },
];

test.each(TROUBLES)('$name: what loses money ends flat, what does well runs on', async (trouble) => {
  await trouble.comes();
  const [before, mon] = [await revisions(), await w.pidOf('mon')];
  for (let n = 0; n < 2; n += 1) {
    const end = await w.cli('reconcile', '--once');
    expect([n === 0 ? end.code : 0, end.err]).toEqual([
      n === 0 ? trouble.code : 0,
      expect.stringContaining(trouble.says),
    ]);
    expect([await running(), positions(), await w.pidOf('mon'), await revisions()]).toEqual([
      ['mon'],
      ['0', '0'],
      mon,
      before,
    ]);
  }
  expect(await lasts()).toMatchObject({ mon: 'running' });
  await trouble.goes();
  await until(async () => (await w.cli('reconcile', '--once')).code === 0 && (await running()).length === 3, 'all run');
  const log = await w.remoteLog();
  expect(log.filter((s) => s.startsWith('tune(pump)'))).toHaveLength(1);
  for (const name of ['amzn', 'pump'])
    expect(log.filter((s) => s.startsWith(`converge(${name})`)).length).toBeGreaterThan(1);
  expect([await w.pidOf('mon'), w.signals(PUMP).length]).toEqual([mon, 1]);
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: trouble.audit });
});

test('an edit of its own files that nobody committed keeps a losing bot from a step, and not from its stop', async () => {
  const path = 'fleet/env/pump/.env.pump.iter001';
  w.put(path, 'MM_MARKET_NAME=PUMP-USD\n');
  w.put('fleet/env/amzn/.env.amzn.iter001', 'MM_MARKET_NAME=AMZN-USD\n');
  for (let n = 0; n < 2; n += 1) {
    const end = await w.cli('reconcile', '--once');
    expect([end.code, end.out]).toEqual([
      5,
      expect.stringContaining(`${path} has uncommitted edits: commit or restore it`),
    ]);
    expect([await running(), positions()]).toEqual([['mon'], ['0', '0']]);
  }
  expect((await w.remoteLog()).filter((s) => s.startsWith('tune('))).toEqual([]);
  await w.git(['clean', '--quiet', '--force', 'fleet/env']);
  await until(async () => (await w.cli('reconcile', '--once')).code === 0 && (await running()).length === 3, 'all run');
  expect((await w.remoteLog()).filter((s) => s.startsWith('tune(pump)'))).toHaveLength(1);
});

test('the daemon does the same, says once what is in the way, and when it is over', async () => {
  daemon = w.launch('reconcile', '--watch');
  let said = '';
  daemon.stderr?.on('data', (more: Buffer) => {
    said += more.toString('utf8');
  });
  const lines = (msg: string) => said.split('\n').filter((line) => line.includes(msg));
  // It has begun its work on a clone that is in order.
  await until(() => lines('"msg":"pass"').length > 0, 'a pass', 60_000);
  await until(async () => (await running()).length === 3, 'all run', 60_000);
  const [rewritten] = TROUBLES;
  await gitAll(ada, ['pull', '--quiet']);
  await rewritten?.comes();
  await until(() => lines('its history was rewritten').length > 0, 'it says so', 30_000);
  w.setBook(AMZN, { position: '-0.2' });
  w.tell(AMZN, 'die');
  await until(() => w.book(AMZN)?.position === '0', 'amzn is flat', 60_000);
  const passes = lines('"msg":"pass"').length;
  await until(() => lines('"msg":"pass"').length > passes + 3, 'it goes on', 60_000);
  expect([await running(), lines('its history was rewritten').length]).toEqual([['mon', 'pump'], 1]);
  await rewritten?.goes();
  await until(async () => (await running()).length === 3, 'all run again', 60_000);
  expect(lines('"msg":"over"')).toEqual([expect.stringContaining('git-diverged')]);
});
