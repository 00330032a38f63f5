/** A step is due and may not be made: somebody only wants to look, the remote is away, the instance is suspended. */
import { existsSync, renameSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld, stretch } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const MINUTES = 40;
const PUMP = 'PUMP-USD';
let w: FleetWorld;
let daemon: ReturnType<FleetWorld['launch']> | null = null;

beforeAll(async () => {
  const two = [
    { name: 'mon', market: 'MON-USD' },
    { name: 'pump', market: PUMP },
  ];
  w = await fleetWorld(two, { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  await autonomy('observe');
  w.behave(PUMP, { clockOffsetS: -2 * (MINUTES + 2) * 60 });
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  await lose();
  w.behave(PUMP, { clockOffsetS: -(MINUTES + 2) * 60 });
});
afterEach(async () => {
  if (existsSync(away())) renameSync(away(), w.remote);
  daemon?.kill('SIGTERM');
  await daemon;
  daemon = null;
});
afterAll(() => w.end());

async function lose() {
  const start = Number(w.journalOf(PUMP)?.events[0]?.['ts']);
  const lines = stretch(start + 1, MINUTES, -2);
  w.tell(PUMP, ...lines);
  await until(() => (w.journalOf(PUMP)?.events.length ?? 0) > lines.length, 'the journal');
}

const away = () => `${w.remote}.away`;
const spec = (more: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: pump }
spec:
  market: ${PUMP}
  baseEnv: env/pump/.env.pump
${more}`;
async function autonomy(word: string) {
  w.put('fleet/pump.yaml', spec(`  autonomy: ${word}\n`));
  await w.commit(`pump: ${word}`);
}

type Item = { name: string; action: string; reason: string; message: string };
const plan = async () =>
  (JSON.parse((await w.cli('plan', '--json')).out) as { items: Item[] }).items.find((i) => i.name === 'pump');
const head = async () => (await w.git(['rev-parse', 'HEAD'])).trim();
const running = async () => Object.fromEntries((await w.copies()).map((c) => [c.instance, c.iter]));
const branches = async (at: string) => w.git(['--git-dir', at, 'for-each-ref', 'refs/heads'], w.dir);
const pids = async () => [await w.pidOf('mon'), await w.pidOf('pump')];

test('observe: the step is shown, and neither git nor a process is touched, however often it looks', async () => {
  const seen = async () => [
    await pids(),
    await branches(w.remote),
    await branches(`${w.ops}/.git`),
    await w.git(['status', '--porcelain']),
  ];
  const before = await seen();
  for (let n = 0; n < 2; n += 1) expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect(await seen()).toEqual(before);
  expect(w.signals(PUMP)).toEqual([]);
  const wanted = await plan();
  expect(wanted).toMatchObject({ action: 'none', reason: 'observe-only' });
  expect(wanted?.message).toMatch(/^would tune: /);
  expect((await w.cli('why', 'pump')).out).toContain('would tune: Signal burst');
});

test('a remote that is away: what is fetched converges, the losing bot is stopped flat, and nothing is tuned', async () => {
  await autonomy('apply');
  expect(await plan()).toMatchObject({ action: 'tune' }); // and has seen that this commit is on the remote
  const [before, mon] = [await head(), await w.pidOf('mon')];
  w.setBook(PUMP, { position: '0.5' });
  renameSync(w.remote, away());
  w.tell('MON-USD', 'die');
  await until(async () => (await w.pidOf('mon')) === null, 'mon is dead', 20_000);
  expect((await w.cli('reconcile', '--once')).err).toContain('origin');
  expect(await running()).toEqual({ mon: null });
  expect(await w.pidOf('mon')).not.toBe(mon);
  expect(w.book(PUMP)?.position).toBe('0');
  const wanted = await plan();
  expect([wanted?.reason, wanted?.message]).toEqual(['git-away', expect.stringContaining('would tune')]);
  // Looking again starts it neither on the old env nor on a new one.
  await w.cli('reconcile', '--once');
  expect(await running()).toEqual({ mon: null });
  expect(await w.git(['log', '--format=%s', `${before}..HEAD`])).not.toContain('tune(');
  expect(await w.git(['ls-tree', '-r', '--name-only', 'HEAD', 'fleet/env'])).not.toContain('.iter');
});

test('when it answers again the step is made once, it runs, and every receipt is there', async () => {
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect(await running()).toEqual({ mon: null, pump: 1 });
  const log = await w.remoteLog();
  expect(log.filter((s) => s.startsWith('tune(pump)'))).toHaveLength(1);
  const starts = { mon: 2, pump: 2 };
  for (const [name, n] of Object.entries(starts)) {
    const lines = (await w.git(['show', `HEAD:fleet/receipts/${name}.jsonl`])).trim().split('\n');
    const told = log.filter((s) => s.startsWith(`converge(${name})`));
    expect([new Set(lines).size, told.length]).toEqual([lines.length, lines.length]);
    expect(lines.length).toBeGreaterThanOrEqual(n);
  }
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: 0 });
});

test('a comment in the base env makes an iter and restarts nothing, and what runs on is still watched', async () => {
  const before = await pids();
  const path = 'fleet/env/pump/.env.pump';
  w.put(path, `${await w.git(['show', `HEAD:${path}`])}\n# looked at\n`);
  await w.commit('pump: a comment');
  await lose();
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  const log = await w.remoteLog();
  expect(log.filter((s) => /^(tune|rebase)\(pump\)/.test(s)).slice(0, 2)).toEqual([
    expect.stringMatching(/^tune\(pump\): iter003 /),
    expect.stringMatching(/^rebase\(pump\): iter002 /),
  ]);
  expect(await running()).toEqual({ mon: null, pump: 3 });
  expect((await pids())[0]).toBe(before[0]);
  expect(w.signals(PUMP)).toHaveLength(2); // for the two steps alone
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: 0 });
});

test('suspended until a time: nothing is done before, and the daemon acts after it without a commit', async () => {
  const end = new Date(Math.ceil((Date.now() + 12_000) / 1000) * 1000);
  const at = end.toISOString().replace('.000', '');
  expect((await w.cli('suspend', 'pump', '--reason', 'maintenance', '--until', at)).code).toBe(0);
  const before = await head();
  w.tell(PUMP, 'die');
  await until(async () => (await w.pidOf('pump')) === null, 'pump is dead', 20_000);
  daemon = w.launch('reconcile', '--watch');
  await until(async () => (await w.pidOf('pump')) !== null, 'pump runs again', 60_000);
  const copy = (await w.copies()).find((c) => c.instance === 'pump');
  expect(copy?.startedAtMs).toBeGreaterThanOrEqual(end.getTime() - 1000); // start times are those of the kernel's clock
  expect(await w.git(['show', 'HEAD:fleet/pump.yaml'])).toContain(at);
  await until(async () => (await head()) !== before, 'its receipt', 30_000);
  expect((await w.git(['log', '--format=%s', `${before}..HEAD`])).trim()).toMatch(
    /^converge\(pump\): iter003 -> iter003/,
  );
});
