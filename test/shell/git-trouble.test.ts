/** Repositories and remotes that are not as they should be, through the CLI: what it says, and that the bot runs on. */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { baseEnv, type FleetWorld, fleetWorld } from '../support/fleet-world.ts';

const ENV = 'fleet/env/pump/.env.pump';
let w: FleetWorld;
let pid: number | null;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'pump', market: 'PUMP-USD' }], { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  pid = await w.pidOf('pump');
}, 60_000);
afterAll(() => w.end());

const head = async () => (await w.git(['rev-parse', 'HEAD'])).trim();
const remoteTip = async () => (await w.git(['--git-dir', w.remote, 'rev-parse', 'main'], w.dir)).trim();

/** Nothing is touched, and the answer says what to do. */
async function refused(code: number, says: string, hint: string): Promise<void> {
  const before = [await head(), await remoteTip()];
  const end = await w.cli('reconcile', '--once');
  expect([end.code, end.err]).toEqual([code, expect.stringContaining(says)]);
  expect(end.err).toContain(`hint: ${hint}`);
  expect([await head(), await remoteTip()]).toEqual(before);
  expect(await w.pidOf('pump')).toBe(pid);
}

test.each([
  { name: 'a hook that refuses', hook: 'pre-receive', levels: 3 },
  { name: 'a protected branch: the connection is accepted, the ref is rejected', hook: 'update', levels: 4 },
])(
  '$name: exit 6, no commit of ours stays behind, and the receipt lands once it gives way',
  async ({ hook, levels }) => {
    w.put(ENV, baseEnv('PUMP-USD').replace('LEVELS=2', `LEVELS=${levels}`));
    await w.commit(`levels ${levels}`);
    const before = await remoteTip();
    const file = join(w.remote, 'hooks', hook);
    writeFileSync(file, '#!/bin/sh\necho not here >&2\nexit 1\n');
    chmodSync(file, 0o755);
    const end = await w.cli('reconcile', '--once');
    rmSync(file);
    expect([end.code, end.err]).toEqual([
      6,
      expect.stringContaining('refused the commits (a hook or a protected branch)'),
    ]);
    expect(end.err).toContain("look at the remote's hooks and branch protection");
    expect([await head(), await remoteTip()]).toEqual([before, before]);
    pid = await w.pidOf('pump');
    expect(pid).not.toBe(null);

    const next = await w.cli('reconcile', '--once');
    expect([next.code, next.out]).toEqual([0, expect.stringContaining('converge(pump)')]);
    expect(await remoteTip()).toBe(await head());
    expect(await w.git(['diff', '--name-only', before, 'HEAD'])).toBe('fleet/receipts/pump.jsonl');
    expect(await w.pidOf('pump')).toBe(pid);
  },
  60_000,
);

/** Refused or not, a stop stops, and leaves the hold and the receipt for the next pass that may commit. */
async function stopStops(verb: 'stop' | 'flatten', exit: number): Promise<void> {
  const before = [await head(), await remoteTip()];
  const stopped = await w.cli(verb, 'pump', '--reason', 'at once');
  expect(stopped).toMatchObject({ code: exit, out: expect.stringContaining('pump: stopped and flat') });
  expect([await head(), await remoteTip(), await w.pidOf('pump')]).toEqual([...before, null]);
}

async function goOn(): Promise<void> {
  expect(await w.cli('release', 'pump', '--reason', 'go on')).toMatchObject({ code: 0 });
  pid = await w.pidOf('pump');
  expect(pid).not.toBe(null);
}

test('a detached head: nothing is done on it, and yet a stop stops, on the market that the branch names', async () => {
  await w.git(['checkout', '--quiet', '--detach']);
  for (const path of ['fleet/pump.yaml', ENV])
    w.put(path, readFileSync(join(w.ops, path), 'utf8').replaceAll('PUMP-USD', 'SOL-USD'));
  await w.git(['commit', '--quiet', '-am', 'what if it were another market']);
  await refused(3, 'is detached, want a branch', 'git switch main');
  await stopStops('flatten', 4);
  expect(w.book('SOL-USD')).toBe(undefined);
  await w.git(['checkout', '--quiet', 'main']);
  await goOn();
}, 60_000);

test('a branch of a person: it is neither desired state nor pushed, and yet a stop stops', async () => {
  const before = await remoteTip();
  await w.git(['switch', '--quiet', '-c', 'trial']);
  w.put(ENV, `${baseEnv('PUMP-USD')}MM_LOG_LEVEL=debug\n`);
  await w.commit('only a trial', false);
  await refused(3, 'is on branch trial, desired state is that of main', 'git switch main');
  await stopStops('stop', 4);
  expect(await remoteTip()).toBe(before);
  await w.git(['switch', '--quiet', 'main']);
  await goOn();
}, 60_000);

test('a merge in progress', async () => {
  await w.git(['branch', 'side', 'HEAD~1']);
  await w.git(['checkout', '--quiet', 'side']);
  w.put('NOTES', 'beside\n');
  await w.commit('beside', false);
  await w.git(['checkout', '--quiet', 'main']);
  await w.git(['merge', '--quiet', '--no-commit', '--no-ff', 'side']);
  await refused(6, 'a merge is in progress', 'finish it or run git merge --abort');
  await stopStops('stop', 6);
  await w.git(['merge', '--abort']);
  await goOn();
}, 60_000);

test('a shallow clone', async () => {
  const shallow = join(w.dir, 'shallow');
  await w.git(['clone', '--quiet', '--depth', '1', `file://${w.remote}`, shallow], w.dir);
  const end = await w.cliWith({}, '-C', shallow, 'reconcile', '--once');
  expect([end.code, end.err]).toEqual([3, expect.stringContaining('a shallow clone, want the whole history')]);
  expect(end.err).toContain('hint: git fetch --unshallow');
});

test('a rewritten remote history: refused until a person says which side counts', async () => {
  const ada = join(w.dir, 'ada');
  await w.git(['clone', '--quiet', w.remote, ada], w.dir);
  await w.git(['commit', '--quiet', '--amend', '-m', 'another past'], ada);
  await w.git(['push', '--quiet', '--force'], ada);
  await refused(
    6,
    'origin/main: its history was rewritten; nothing was touched',
    'git fetch origin, then merge or git reset',
  );
  await w.git(['fetch', '--quiet', 'origin']);
  await w.git(['reset', '--quiet', '--keep', 'origin/main']);
  const end = await w.cli('reconcile', '--once');
  expect([end.code, await w.pidOf('pump')]).toEqual([0, pid]);
});
