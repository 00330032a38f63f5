/** An emergency in which git takes no commit: `stop` and `flatten` act all the same, say so, and it stays stopped. */
import { appendFileSync, chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { newKey, signedTest } from '../support/ssh-keys.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let w: FleetWorld;
let ada: string;
let undo: () => unknown = () => undefined;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'pump', market: 'PUMP-USD' }]);
  ada = join(w.dir, 'ada');
  await w.git(['clone', '--quiet', w.remote, ada], w.dir);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
});
afterEach(async () => {
  await undo();
  undo = () => undefined;
});
afterAll(() => w.end());

const head = async () => (await w.git(['rev-parse', 'HEAD'])).trim();
const localHold = () => join(w.ops, '.git/mmfleet/holds/pump.json');
const running = async () => (await w.copies()).length;
const newest = async (n: number) => (await w.remoteLog()).slice(0, n).reverse();
const pos = () => w.book('PUMP-USD')?.position;

/** The remote says no to every push of mmfleet's. */
function refusePushes() {
  const hook = join(w.remote, 'hooks/pre-receive');
  writeFileSync(hook, '#!/bin/sh\nexit 1\n');
  chmodSync(hook, 0o755);
  undo = () => rmSync(hook, { force: true });
}

test('a remote that refuses pushes: stop stops, holds here, and the hold is committed by the first pass that can', async () => {
  refusePushes();
  const before = await head();
  const stopped = await w.cli('stop', 'pump', '--reason', 'losing money');
  expect(stopped).toMatchObject({ code: 6, out: expect.stringContaining('pump: stopped and flat') });
  expect(stopped.err).toContain('origin: refused the commits');
  expect(stopped.err).toContain('the wish could not be committed: it is held in this clone');
  expect([await running(), await head()]).toEqual([0, before]);
  // Neither a pass nor the loss of every cache starts it again.
  rmSync(join(w.ops, '.mmfleet'), { recursive: true });
  const pass = await w.cli('reconcile', '--once');
  expect([pass.code, pass.out]).toEqual([6, expect.stringMatching(/pump .*held .*stopped by hand: losing money/)]);
  expect(await running()).toBe(0);
  // To lift it needs a commit, as ever.
  expect((await w.cli('release', 'pump', '--reason', 'calm again')).code).toBe(6);
  expect([await running(), existsSync(localHold())]).toEqual([0, true]);

  await undo();
  expect((await w.cli('reconcile', '--once')).code).toBe(5);
  expect(await w.remoteLog()).toContain('hold(pump): stopped by hand: losing money');
  expect(existsSync(localHold())).toBe(false);
  expect(await w.cli('release', 'pump', '--reason', 'calm again')).toMatchObject({ code: 0 });
  expect(await running()).toBe(1);
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: 0 });
});

test('a release that comes before such a pass writes down both', async () => {
  refusePushes();
  expect((await w.cli('stop', 'pump', '--reason', 'a second time')).code).toBe(6);
  await undo();
  expect(await w.cli('release', 'pump', '--reason', 'well again')).toMatchObject({ code: 0 });
  expect(await newest(4)).toEqual(
    expect.arrayContaining(['hold(pump): stopped by hand: a second time', 'release(pump): well again']),
  );
  expect([await running(), existsSync(localHold())]).toEqual([1, false]);
});

test('a remote whose history was rewritten: flatten closes the position without it', async () => {
  const before = {
    head: await head(),
    receipts: (await w.remoteLog()).filter((s) => s.startsWith('converge(')).length,
  };
  const rewrite = (to: string) => w.git(['--git-dir', w.remote, 'update-ref', 'refs/heads/main', to], w.dir);
  const tree = (await w.git(['rev-parse', 'HEAD^{tree}'])).trim();
  await rewrite((await w.git(['--git-dir', w.remote, 'commit-tree', tree, '-m', 'anew'], w.dir)).trim());
  undo = () => rewrite(before.head);
  w.setBook('PUMP-USD', { position: '3' });
  const flattened = await w.cli('flatten', 'pump', '--reason', 'now', '--json');
  const said = JSON.parse(flattened.out) as { summary: object; problems: { code: string }[] };
  expect(said.summary).toMatchObject({ verb: 'flatten', commits: [], exit: flattened.code });
  expect([flattened.code, said.problems[0]?.code]).toEqual([6, 'git-diverged']);
  expect([await running(), pos(), await head()]).toEqual([0, '0', before.head]);
  await undo();
  undo = () => undefined;
  expect((await w.cli('reconcile', '--once')).code).toBe(5);
  expect(await w.remoteLog()).toContain('hold(pump): flattened by hand: now');
  expect((await w.remoteLog()).filter((s) => s.startsWith('converge(pump)'))).toHaveLength(before.receipts + 1);
  expect(await w.cli('release', 'pump', '--reason', 'go on')).toMatchObject({ code: 0 });
});

test('a remote that is away: the wish stands in this clone, is carried out, and goes out later', async () => {
  const away = `${w.remote}.away`;
  renameSync(w.remote, away);
  undo = () => existsSync(away) && renameSync(away, w.remote);
  const stopped = await w.cli('stop', 'pump', '--reason', 'no network');
  expect(stopped).toMatchObject({ code: 4, out: expect.stringContaining('pump: stopped and flat') });
  expect(stopped.err).toContain('goes out once the remote answers');
  expect([await running(), existsSync(localHold())]).toEqual([0, false]);
  await undo();
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect(await newest(2)).toEqual(['stop(pump): no network', expect.stringMatching(/^converge\(pump\): /)]);
  expect(await w.cli('start', 'pump', '--reason', 'again')).toMatchObject({ code: 0 });
});

test.each([
  { name: 'that takes no pushes', comes: async () => refusePushes() },
  {
    name: 'whose people changed the same file',
    comes: async () => {
      await w.git(['pull', '--quiet', '--ff-only'], ada);
      appendFileSync(join(ada, 'fleet/pump.yaml'), '# looked at\n');
      for (const args of [
        ['commit', '--quiet', '-am', 'pump: a look'],
        ['push', '--quiet'],
      ])
        await w.git(args, ada);
    },
  },
])('a remote that comes back $name: what was stopped meanwhile stays down', async ({ comes }) => {
  const away = `${w.remote}.away`;
  renameSync(w.remote, away);
  undo = () => existsSync(away) && renameSync(away, w.remote);
  expect((await w.cli('stop', 'pump', '--reason', 'no network at all')).code).toBe(4);
  expect(await running()).toBe(0);
  await undo();
  undo = () => undefined;
  await comes();
  const [first, second] = [await w.cli('reconcile', '--once'), await w.cli('reconcile', '--once')];
  expect([first.code, second.code, await running()]).toEqual([expect.any(Number), expect.any(Number), 0]);
  await undo();
  undo = () => undefined;
  expect((await w.cli('reconcile', '--once')).code).toBe(5);
  expect(await newest(3)).toContain('hold(pump): stopped by hand: no network at all');
  expect([await running(), existsSync(localHold())]).toEqual([0, false]);
  expect(await w.cli('release', 'pump', '--reason', 'the network is back')).toMatchObject({ code: 0 });
  expect(await running()).toBe(1);
});

test('holds that cannot be read, and edits that were never committed, keep nobody from stopping', async () => {
  const receipts = 'fleet/receipts/pump.jsonl';
  undo = async () => w.git(['checkout', '--quiet', 'HEAD', '--', receipts]);
  w.put(receipts, 'half a line');
  const dirty = await w.cli('stop', 'pump', '--reason', 'at once');
  expect([dirty.out, await running()]).toEqual([expect.stringContaining('pump: stopped and flat'), 0]);
  await undo();
  expect(await w.cli('start', 'pump', '--reason', 'again')).toMatchObject({ code: 0 });

  const holds = await w.git(['show', 'HEAD:fleet/holds.yaml']);
  w.put('fleet/holds.yaml', '<<<<<<< HEAD\n');
  await w.commit('a merge gone wrong');
  const stopped = await w.cli('stop', 'pump', '--reason', 'whatever it says');
  expect([stopped.code, stopped.out]).toEqual([4, expect.stringContaining('pump: stopped and flat')]);
  expect([await running(), existsSync(localHold())]).toEqual([0, true]);
  w.put('fleet/holds.yaml', `${holds}\n`);
  await w.commit('holds: as they were');
  expect((await w.cli('reconcile', '--once')).code).toBe(5);
  expect(await w.remoteLog()).toContain('hold(pump): stopped by hand: whatever it says');
  expect(await w.cli('release', 'pump', '--reason', 'go on')).toMatchObject({ code: 0 });
});

test('a hold of this clone that cannot be read holds all the same', async () => {
  writeFileSync(localHold(), '{"reason":');
  undo = () => rmSync(localHold(), { force: true });
  w.tell('PUMP-USD', 'die');
  const plan = await w.cli('plan');
  expect(plan.out).toMatch(/held .*\.git\/mmfleet\/holds\/pump\.json cannot be read/);
});

signedTest(
  'a head that is refused: stop acts on the last good revision, also when that head no longer declares the instance',
  async () => {
    rmSync(localHold(), { force: true });
    expect((await w.cli('reconcile', '--once')).code).toBe(0);
    const key = (name: string) => join(w.dir, `key-${name}`);
    const allowed = newKey(key('mmfleet'), 'mmfleet@localhost') + newKey(key('ada'), 'ada@example.org');
    const signed = ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${key('ada')}`];
    const asAda = async (...args: string[]) => {
      await w.git([...signed, ...args], ada);
      await w.git(['push', '--quiet'], ada);
    };
    await w.git(['pull', '--quiet', '--ff-only'], ada);
    writeFileSync(join(ada, 'fleet/allowed_signers'), allowed);
    const asks = `signing: { key: ${key('mmfleet')} }, verify: { allowedSigners: allowed_signers }`;
    const fleet = join(ada, 'fleet/fleet.yaml');
    writeFileSync(fleet, readFileSync(fleet, 'utf8').replace('push: true', `push: true, ${asks}`));
    await w.git(['add', '-A'], ada);
    await asAda('commit', '--quiet', '-S', '-m', 'fleet: ask for signatures');
    expect((await w.cli('reconcile', '--once')).code).toBe(0);
    await w.git(['pull', '--quiet', '--ff-only'], ada);
    await w.git(['rm', '--quiet', 'fleet/pump.yaml'], ada);
    await asAda('commit', '--quiet', '-m', 'no more pump, unsigned');
    expect((await w.cli('reconcile', '--once')).code).toBe(8);
    const before = await head();
    expect(await running()).toBe(1);

    w.setBook('PUMP-USD', { position: '-2' });
    const stopped = await w.cli('stop', 'pump', '--reason', 'who was that');
    expect(stopped).toMatchObject({ code: 8, out: expect.stringContaining('pump: stopped and flat') });
    expect(stopped.err).toMatch(/"no more pump, unsigned" by Ada .* is not signed; [0-9a-f]{12} stays in force/);
    expect(stopped.err).toContain('it is held in this clone');
    expect([await running(), pos(), await head()]).toEqual([0, '0', before]);
    expect((await w.cli('reconcile', '--once')).code).toBe(8);
    expect([await running(), existsSync(localHold())]).toEqual([0, true]);

    await asAda('revert', '--no-edit', '-S', 'HEAD');
    expect((await w.cli('reconcile', '--once')).code).toBe(5);
    expect(await w.remoteLog()).toContain('hold(pump): stopped by hand: who was that');
    expect([await running(), existsSync(localHold())]).toEqual([0, false]);
  },
  240_000,
);
