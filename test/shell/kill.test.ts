/**
 * The real program, killed with SIGKILL at any moment while it converges: real git with a bare remote, real processes, a
 * venue behind commands. `KILL_ROUNDS=40 npx vitest run test/shell/kill.test.ts` kills it more often.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Receipt } from '../../src/core/flat/types.ts';
import { baseEnv, type FleetWorld, fleetWorld, type Run, stretch, THREE } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

const ROUNDS = Number(process.env['KILL_ROUNDS'] ?? 6);
/** A round that ends by itself is not one that was killed: so often it is tried again. */
const TRIES = 4 * ROUNDS;
/** Longer than a whole pass; how long one really takes is learned from those that end by themselves. */
const LONGEST_MS = 5_000;
const MINUTES = 40;

let w: FleetWorld;
let last: Run;
let again: Run;
let killed = 0;
let headBefore = '';
const seen = { pids: new Map<string, Set<number>>(), most: new Map<string, number>() };

beforeAll(async () => {
  w = await fleetWorld(THREE, { puppet: { PUPPET_HEARTBEAT_MS: '86400000', PUPPET_ORDERS: '1' } });
  for (const { market } of THREE) w.behave(market, { clockOffsetS: -MINUTES * 60 - 30 });
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  const start = Number(w.journalOf('PUMP-USD')?.events[0]?.['ts']);
  const losing = stretch(start + 1, MINUTES, -2);
  w.tell('PUMP-USD', ...losing);
  await until(() => (w.journalOf('PUMP-USD')?.events.length ?? 0) > losing.length, 'the journal of a losing bot');
  w.behave('PUMP-USD', { keepPosition: true });
  w.behave('MON-USD', { keepPosition: true, slowStopMs: 700 });
  const person = await secondClone();
  const watching = watchCopies();
  const longestMs = [LONGEST_MS, LONGEST_MS];
  for (let round = 0; round < TRIES && killed < ROUNDS; round += 1) {
    const kind = round % 2;
    if (kind === 0) await person.editBase(round);
    // What they hold is theirs to flatten, or ours where they do not.
    for (const { name, market } of THREE)
      if ((await w.pidOf(name)) !== null) w.setBook(market, { position: kind === 0 ? '0.4' : '-0.4' });
    const running = w.launch('reconcile', '--once');
    const begun = performance.now();
    const ended = running.then(() => performance.now() - begun);
    const took = await Promise.race([wait(Math.random() * longestMs[kind]!, null), ended]);
    if (took === null) killed += 1;
    else longestMs[kind] = took;
    running.kill('SIGKILL');
    await running;
  }
  last = await w.cli('reconcile', '--once', '--timeout', '100s');
  await watching.stop();
  headBefore = (await w.git(['rev-parse', 'HEAD'])).trim();
  again = await w.cli('reconcile', '--once');
}, 600_000);
afterAll(() => w.end());

/** A person at another machine: edits base envs and pushes, also while mmfleet's own commits are still on their way. */
async function secondClone() {
  const dir = `${w.dir}/person`;
  await w.git(['clone', '--quiet', w.remote, dir], w.dir);
  return {
    editBase: async (round: number) => {
      const { name, market } = THREE[(round / 2) % 2]!; // not the degraded one: a restart would end its bad run
      await w.git(['pull', '--quiet', '--rebase'], dir);
      writeFileSync(
        `${dir}/fleet/env/${name}/.env.${name}`,
        baseEnv(market).replace('MAX_OFFSET_BPS=40', `MAX_OFFSET_BPS=${41 + (round % 50)}`),
      );
      await w.git(['commit', '--quiet', '-am', `${name}: a wider limit`], dir);
      // A push of the mmfleet that was killed may still land: its git lives on.
      await until(async () => {
        const pushed = await execa('git', ['push', '--quiet'], { cwd: dir, reject: false });
        if (pushed.exitCode !== 0) await w.git(['pull', '--quiet', '--rebase'], dir);
        return pushed.exitCode === 0;
      }, `the wider limit of ${name} is pushed`);
    },
  };
}

/** Looks at the process table over and over: how many copies of each instance ever lived at once, and which. */
function watchCopies() {
  let on = true;
  const loop = (async () => {
    while (on) {
      const copies = await w.copies();
      for (const { name } of THREE) {
        const own = copies.filter((c) => c.instance === name && c.remnant !== true);
        seen.most.set(name, Math.max(seen.most.get(name) ?? 0, own.length));
        const pids = seen.pids.get(name) ?? new Set();
        for (const { pid } of own) pids.add(pid);
        seen.pids.set(name, pids);
      }
      await wait(25);
    }
  })();
  return {
    stop: async () => {
      on = false;
      await loop;
    },
  };
}

const receiptsOf = async (name: string): Promise<Receipt[]> =>
  (await w.git(['show', `HEAD:fleet/receipts/${name}.jsonl`]))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Receipt);

describe(`killed in ${ROUNDS} rounds, then a clean pass`, () => {
  test('it was killed, and converges in the end', () => {
    expect(killed).toBe(ROUNDS);
    expect(last).toMatchObject({ code: 0 });
    console.log(`| real kills survived | ${killed} |`);
  });

  test.each(THREE)(
    '$name: never two copies, one signal a process, a receipt for every stop',
    async ({ name, market }) => {
      expect(seen.most.get(name)).toBe(1);
      const signals = w.signals(market);
      expect(new Set(signals).size).toBe(signals.length);
      // A pid alone says nothing: over many rounds it is given to somebody else.
      const alive = new Set((await w.copies()).map(({ pid }) => pid));
      const receipts = await receiptsOf(name);
      for (const line of signals) {
        const pid = Number(line.split(' ')[0]);
        expect(alive.has(pid)).toBe(false);
        const proofs = receipts.filter((r) => r.pid === pid && r.verdict === 'FLAT');
        expect(proofs.length, `receipts of pid ${pid}`).toBeGreaterThan(0);
      }
      // Nothing else ended: what was seen alive runs still, or was signalled by us.
      for (const pid of seen.pids.get(name) ?? [])
        expect(alive.has(pid) || signals.some((s) => s.startsWith(`${pid} `)), `pid ${pid}`).toBe(true);
    },
  );

  test('what runs is what git says, everywhere the same', async () => {
    const copies = await w.copies();
    expect(copies.map((c) => c.instance).sort()).toEqual(['amzn', 'mon', 'pump']);
    const head = (await w.git(['rev-parse', 'HEAD'])).trim();
    expect((await w.git(['--git-dir', w.remote, 'rev-parse', 'main'])).trim()).toBe(head);
    expect(await w.git(['status', '--porcelain'])).toBe('');
    expect(await w.git(['rev-list', '--merges', 'HEAD'])).toBe('');
    expect(await w.git(['fsck', '--no-dangling'])).toBe('');
    expect(await w.git(['ls-tree', '--name-only', 'HEAD', 'fleet/holds.yaml'])).toBe('');
  });

  test('the degraded one was tuned once', async () => {
    const subjects = (await w.git(['log', '--format=%s'])).split('\n');
    expect(subjects.filter((s) => s.startsWith('tune(pump)'))).toHaveLength(1);
    expect(subjects.filter((s) => /^(tune|park|hold)\((amzn|mon)\)/.test(s))).toEqual([]);
  });

  test('a second pass does nothing', async () => {
    expect(again).toMatchObject({ code: 0, err: '' });
    expect((await w.git(['rev-parse', 'HEAD'])).trim()).toBe(headBefore);
  });
});
