/** `git.verify`: what no allowed signer has signed is not acted on, and the last good revision stays in force. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';
import { newKey, signedTest } from '../support/ssh-keys.ts';

const ENV = 'fleet/env/pump/.env.pump';
let w: FleetWorld;
let ada: string;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'pump', market: 'PUMP-USD' }], { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  ada = join(w.dir, 'ada');
  await w.git(['clone', '--quiet', w.remote, ada], w.dir);
}, 60_000);
afterAll(() => w.end());

const key = (name: string) => join(w.dir, `key-${name}`);
const edit = (path: string, change: (text: string) => string) =>
  writeFileSync(join(ada, path), change(readFileSync(join(ada, path), 'utf8')));
const widen = (bps: number) => edit(ENV, (text) => text.replace(/^MM_MIN_OFFSET_BPS=.*$/m, `MM_MIN_OFFSET_BPS=${bps}`));

/** Commits everything in the person's clone and pushes it; `by` names the key it is signed with. */
async function push(
  message: string,
  by: string | null,
  command = ['commit', '--quiet', '-m', message],
): Promise<string> {
  await w.git(['add', '-A'], ada);
  const signing = by === null ? [] : ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${key(by)}`];
  await w.git([...signing, ...command, ...(by === null ? [] : ['-S'])], ada);
  await w.git(['pull', '--quiet', '--no-rebase', '--ff-only'], ada).catch(() => undefined);
  await w.git(['push', '--quiet'], ada);
  return (await w.git(['rev-parse', 'HEAD'], ada)).trim();
}
const pull = () => w.git(['pull', '--quiet', '--ff-only'], ada);
const runsWith = () =>
  (w.journalOf('PUMP-USD')?.events[0]?.['config'] as Record<string, string> | undefined)?.['min_offset_bps'];

signedTest(
  'a fleet that asks for signatures runs, and its own commits are signed',
  async () => {
    const mine = newKey(key('mmfleet'), 'mmfleet@localhost');
    const hers = newKey(key('ada'), 'ada@example.org');
    newKey(key('eve'), 'ada@example.org');
    writeFileSync(join(ada, 'fleet/allowed_signers'), mine + hers);
    const asks = `signing: { key: ${key('mmfleet')} }, verify: { allowedSigners: allowed_signers }`;
    edit('fleet/fleet.yaml', (text) => text.replace('push: true', `push: true, ${asks}`));
    await push('fleet: ask for signatures', 'ada');
    const run = await w.cli('reconcile', '--once');
    expect(run).toMatchObject({ code: 0, err: expect.not.stringContaining('signed') });
    expect(runsWith()).toBe('4');
    const own = await w.git([
      '-c',
      `gpg.ssh.allowedSignersFile=${join(ada, 'fleet/allowed_signers')}`,
      'log',
      '-1',
      '--format=%s %G? %GS',
    ]);
    expect(own.trim()).toMatch(/^converge\(pump\).* G mmfleet@localhost$/);
    expect((await w.cli('reconcile', '--once')).code).toBe(0);
  },
  90_000,
);

signedTest(
  'an unsigned change is refused by name, what ran runs on, and a crash is mended from the last good revision',
  async () => {
    await pull();
    writeFileSync(join(ada, 'NOTES'), 'not of the fleet\n');
    await push('notes need no signature', null);
    const before = await w.pidOf('pump');
    widen(9);
    const bad = await push('wider, unsigned', null);
    const refused = await w.cli('reconcile', '--once');
    expect(refused.code).toBe(8);
    expect(refused.err).toContain(
      `${bad.slice(0, 12)} "wider, unsigned" by Ada <ada@example.org> changes ${ENV} and is not signed`,
    );
    expect(refused.err).toContain('git revert -S');
    expect(await w.pidOf('pump')).toBe(before);
    expect((await w.git(['rev-parse', 'HEAD'])).trim()).toBe(bad);

    w.tell('PUMP-USD', 'die');
    await until(async () => (await w.pidOf('pump')) === null, 'the bot is dead', 20_000);
    expect((await w.cli('reconcile', '--once')).code).toBe(8);
    expect(await w.pidOf('pump')).not.toBe(null);
    expect(runsWith()).toBe('4');
    const wish = await w.cli('suspend', 'pump', '--reason', 'r');
    expect([wish.code, wish.err]).toEqual([8, expect.stringContaining('is not signed')]);
    expect((await w.git(['rev-parse', 'HEAD'])).trim()).toBe(bad);
  },
  90_000,
);

signedTest(
  'neither a stranger’s signature nor switching the check off gets past it',
  async () => {
    widen(10);
    await push('wider, signed by a stranger', 'eve');
    edit('fleet/fleet.yaml', (text) => text.replace(/, verify: \{[^}]*\}/, ''));
    await push('no more signatures', 'eve');
    const refused = await w.cli('reconcile', '--once');
    expect([refused.code, refused.err]).toEqual([8, expect.stringContaining('"wider, unsigned"')]);
    expect(runsWith()).toBe('4');
  },
  60_000,
);

signedTest(
  'a signed revert of all of it is sound again, receipts catch up, and a signed change converges',
  async () => {
    await w.git(['revert', '--no-commit', 'HEAD~3..HEAD'], ada);
    await push('as it was', 'ada');
    const mended = await w.cli('reconcile', '--once');
    expect([mended.code, mended.err]).toEqual([0, expect.not.stringContaining('is not signed')]);
    expect(mended.out).toContain('converge(pump)');
    await pull();
    widen(7);
    await push('wider, signed', 'ada');
    expect((await w.cli('reconcile', '--once')).code).toBe(0);
    expect(runsWith()).toBe('7');
    await pull();
    widen(8);
    await push('wider, by a stranger', 'eve');
    const refused = await w.cli('reconcile', '--once');
    expect([refused.code, refused.err]).toEqual([
      8,
      expect.stringContaining('signed with a key that is not among the allowed'),
    ]);
  },
  90_000,
);

signedTest(
  'control characters in an unsigned subject hide nothing',
  async () => {
    await pull();
    await w.git(['revert', '--no-commit', 'HEAD'], ada);
    await push('as it was again', 'ada');
    expect((await w.cli('reconcile', '--once')).code).toBe(0);
    await pull();
    widen(9);
    await push('wider\u0001, unsigned', null);
    expect((await w.cli('reconcile', '--once')).code).toBe(8);
    expect(runsWith()).toBe('7');
    await w.git(['revert', '--no-commit', 'HEAD'], ada);
    await push('as it was once more', 'ada');
    expect((await w.cli('reconcile', '--once')).code).toBe(0);
  },
  90_000,
);

signedTest(
  'a merge that nobody signed: the branch itself stays in force, not the older tree that was merged',
  async () => {
    await pull();
    await w.git(['switch', '--quiet', '-c', 'side'], ada);
    edit(ENV, (text) => `${text}# looked at\n`);
    await w.git(['-c', 'gpg.format=ssh', '-c', `user.signingKey=${key('ada')}`, 'commit', '-S', '-qam', 'a look'], ada);
    await w.git(['switch', '--quiet', 'main'], ada);
    expect(await w.cli('stop', 'pump', '--reason', 'a rest')).toMatchObject({ code: 0 });
    await pull();
    const last = (await w.git(['rev-parse', '--short=12', 'HEAD'], ada)).trim();
    await w.git(['merge', '--quiet', '--no-ff', '--no-edit', 'side'], ada);
    await w.git(['push', '--quiet'], ada);
    rmSync(join(w.ops, '.mmfleet'), { recursive: true });
    for (const looks of [1, 2]) {
      const refused = await w.cli('reconcile', '--once');
      expect([looks, refused.code, refused.err]).toEqual([looks, 8, expect.stringContaining(`${last} stays in force`)]);
      expect([looks, await w.pidOf('pump')]).toEqual([looks, null]);
    }
  },
  90_000,
);
