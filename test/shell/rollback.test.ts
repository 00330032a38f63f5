/** The ways back: a revert of the newest step, of an older one, `rollback`, and an iter edited by hand; with the real CLI. */
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld, type Run, stretch } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const MINUTES = 40;
let w: FleetWorld;
let ada: string;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'pump', market: 'PUMP-USD' }], { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  ada = join(w.dir, 'ada');
  await w.git(['clone', '--quiet', w.remote, ada], w.dir);
  ago(125);
  await w.cli('reconcile', '--once');
  await lose();
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
});
afterAll(() => w.end());

/** The bot's clock from now on: each of its runs that is fed begins after the one before ended. */
const ago = (minutes: number) => w.behave('PUMP-USD', { clockOffsetS: -minutes * 60 });

/** The running bot writes forty minutes of losing fills. */
async function lose() {
  const events = w.journalOf('PUMP-USD')?.events ?? [];
  const start = Number(events[0]?.['ts']);
  const lines = stretch(start + 1, MINUTES, -2);
  w.tell('PUMP-USD', ...lines);
  await until(() => (w.journalOf('PUMP-USD')?.events.length ?? 0) > lines.length, 'the journal');
}

/** A person's clone, brought up to date, then one change pushed. */
async function asAda(...commands: string[][]) {
  await w.git(['pull', '--quiet', '--rebase'], ada);
  for (const args of commands) await w.git(args, ada);
  await w.git(['push', '--quiet'], ada);
}

const commitOf = async (subject: string) =>
  (await w.git(['log', '-1', '--format=%H', '--grep', subject, '--fixed-strings'])).trim();
const running = async () => (await w.copies()).map((c) => c.iter);
const plan = async () => (JSON.parse((await w.cli('plan', '--json')).out) as { items: Item[] }).items[0];
type Item = { action: string; reason: string; message: string; changes: { key: string; to: string }[] };
const shown = async (rev: string) => (await w.git(['show', rev])).trim();

test('a revert of the newest step runs its parent again, and the step is not tried again', async () => {
  expect(await running()).toEqual([1]);
  ago(83);
  await asAda(['revert', '--no-edit', await commitOf('tune(pump): iter001')]);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect(await running()).toEqual([null]);
  expect(w.journalOf('PUMP-USD')?.events[0]).toMatchObject({ config: { spread_multiplier: '1.2' } });

  await lose();
  const wanted = await plan();
  expect(wanted).toMatchObject({ action: 'tune' });
  expect(wanted?.changes.map((c) => c.key)).not.toContain('MM_SPREAD_MULTIPLIER');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect((await w.remoteLog()).filter((s) => s.startsWith('tune(pump)'))[0]).toMatch(/^tune\(pump\): iter002 /);
  expect(await running()).toEqual([2]);
});

test('rollback to a reverted iter makes a new one with its values, by the person who asked', async () => {
  const run = await w.cli('rollback', 'pump', '--to', 'iter001', '--reason', 'the wider one was right');
  expect(run).toMatchObject({ code: 0 });
  const subject = (await w.remoteLog()).find((s) => s.startsWith('rollback(pump)'));
  expect(subject).toMatch(/^rollback\(pump\): iter003 with the values of iter001, .*MM_SPREAD_MULTIPLIER 1\.2 -> 1\.8/);
  const commit = await commitOf('rollback(pump): iter003');
  expect(await shown(`${commit}:fleet/env/pump/.env.pump.iter003`)).toContain('MM_SPREAD_MULTIPLIER=1.8   # distance');
  expect(await w.git(['log', '-1', '--format=%an|%cn|%b', commit])).toMatch(/^Ada\|mmfleet\|the wider one was right\n/);
  expect(await running()).toEqual([3]);

  const again = await w.cli('rollback', 'pump', '--to', '1', '--reason', 'twice');
  expect(again).toMatchObject({ code: 0 });
  expect(again.err).toContain('pump: iter003 already has the values of iter001');
  expect(await commitOf('rollback(pump): iter004')).toBe('');
});

test.each([
  {
    name: 'an iter nobody made',
    args: ['--to', 'iter099', '--reason', 'r'],
    says: 'iter099 of pump is neither in the tree',
  },
  { name: 'no iter at all', args: ['--to', 'yesterday', '--reason', 'r'], says: '--to: found "yesterday"' },
  { name: 'no reason', args: ['--to', 'base', '--reason', ' '], says: '--reason: found nothing' },
])('refused: $name', async ({ args, says }) => {
  const head = await shown('HEAD');
  const run: Run = await w.cli('rollback', 'pump', ...args);
  expect(run.code).toBe(3);
  expect(run.err).toContain(says);
  expect(await shown('HEAD')).toBe(head);
});

test('a revert of an older step changes nothing that runs, and plan and status name the way', async () => {
  const before = await w.pidOf('pump');
  await asAda(['revert', '--no-edit', await commitOf('tune(pump): iter002')]);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect(await w.pidOf('pump')).toBe(before);
  const says =
    /Ada's revert of iter002 \([0-9a-f]{8}\) changed nothing that runs, iter003 is desired: mmfleet rollback pump --to base --reason "\.\.\."/;
  expect((await plan())?.message).toMatch(says);
  expect((await w.cli('status')).out).toMatch(says);

  expect(await w.cli('rollback', 'pump', '--to', 'base', '--reason', 'as it was')).toMatchObject({ code: 0 });
  expect(await running()).toEqual([4]);
  expect((await plan())?.message).not.toMatch(says);
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: 0 });
  expect(w.journalOf('PUMP-USD')?.events[0]).toMatchObject({ config: { spread_multiplier: '1.2' } });
});

test('an iter edited by hand runs when it is sound, and is held when it changes what is never tuned', async () => {
  const path = 'fleet/env/pump/.env.pump.iter004';
  const edit = async (expression: string, message: string) => {
    await w.git(['pull', '--quiet', '--rebase'], ada);
    await execa('sed', ['-i', expression, path], { cwd: ada });
    for (const args of [
      ['commit', '--quiet', '-am', message],
      ['push', '--quiet'],
    ])
      await w.git(args, ada);
  };
  ago(41);
  await edit('s/MM_SPREAD_MULTIPLIER=1.2/MM_SPREAD_MULTIPLIER=1.4/', 'a hand on the wheel');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect(w.journalOf('PUMP-USD')?.events[0]).toMatchObject({ config: { spread_multiplier: '1.4' } });
  await lose();
  expect(await plan()).toMatchObject({ action: 'none', reason: 'memory-incomplete' });

  const pid = await w.pidOf('pump');
  await edit('s/MM_MAX_POSITION_SIZE=100/MM_MAX_POSITION_SIZE=500/', 'bigger');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 5 });
  expect(await w.pidOf('pump')).toBe(pid);
  expect((await plan())?.message).toMatch(
    /^iter004 was edited by Ada \([0-9a-f]{8}\): MM_MAX_POSITION_SIZE 100 -> 500 differs from the base env; edit the base, or mmfleet rollback pump --to/,
  );
  await w.git(['pull', '--quiet', '--rebase']);
  const validated = await w.cli('validate');
  expect([validated.code, validated.err]).toEqual([
    0,
    expect.stringContaining('pump.iter004 MM_MAX_POSITION_SIZE 100 -> 500: not as in fleet/env/pump/.env.pump'),
  ]);
  // A bad env starts nothing, and keeps nobody from stopping what runs.
  const flattened = await w.cli('flatten', 'pump', '--reason', 'at once');
  expect(flattened).toMatchObject({ code: 5, out: expect.stringContaining('pump: stopped and flat') });
  expect(await w.cli('release', 'pump', '--reason', 'flat')).toMatchObject({ code: 5 });
  expect(await running()).toEqual([]);
  expect(await w.cli('rollback', 'pump', '--to', 'base', '--reason', 'no bigger')).toMatchObject({ code: 0 });
  expect(await running()).toEqual([5]);

  await w.git(['pull', '--quiet', '--rebase'], ada);
  await execa('sh', ['-c', 'echo MM_NUM_PRICE_LEVELS=many >> fleet/env/pump/.env.pump'], { cwd: ada });
  await w.git(['commit', '--quiet', '-am', 'many levels'], ada);
  await w.git(['push', '--quiet'], ada);
  const stopped = await w.cli('stop', 'pump', '--reason', 'enough');
  expect(stopped).toMatchObject({ code: 5, out: expect.stringContaining('pump: stopped and flat') });
  expect(await running()).toEqual([]);
});

test('a revert of a rebase is not made undone at once: the iter before it runs, until a release or another edit', async () => {
  const path = 'fleet/env/pump/.env.pump';
  const base = async (expression: string, message: string) => {
    await w.git(['pull', '--quiet', '--rebase'], ada);
    await execa('sed', ['-i', expression, path], { cwd: ada });
    await w.git(['commit', '--quiet', '-am', message], ada);
    await w.git(['push', '--quiet'], ada);
  };
  const rebases = async () => (await w.remoteLog()).filter((s) => s.startsWith('rebase(pump)')).length;
  await base('/LEVELS=many/d', 'not so many');
  expect(await w.cli('start', 'pump', '--reason', 'go on')).toMatchObject({ code: 0 });
  expect(await running()).toEqual([5]);
  await base('s/LEVELS=2/LEVELS=3/', 'three levels');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect([await running(), await rebases()]).toEqual([[6], 1]);

  await asAda(['revert', '--no-edit', await commitOf('rebase(pump): iter006')]);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect([await running(), await rebases()]).toEqual([[5], 1]);
  expect((await plan())?.message).toMatch(
    /the edited base env was kept from it by a revert, iter005 is desired: mmfleet release/,
  );
  expect(await w.cli('release', 'pump', '--reason', 'three after all')).toMatchObject({ code: 0 });
  expect([await running(), await rebases()]).toEqual([[7], 2]);

  await asAda(['revert', '--no-edit', await commitOf('rebase(pump): iter007')]);
  await base('s/LEVELS=3/LEVELS=4/', 'four levels');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect([await running(), await rebases()]).toEqual([[8], 3]);
  expect(w.journalOf('PUMP-USD')?.events[0]).toMatchObject({ config: { num_price_levels: '4' } });
});
