/** Three hundred instances in one repository: what a pass costs, and that the half that fails costs the other half nothing. */
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Ops } from '../../src/shell/ops.ts';
import { type PassReport, pass } from '../../src/shell/reconcile.ts';
import { type BigFleet, bigFleet, type Fate, halfFailing } from '../support/big-fleet.ts';

const COUNT = 300;
const HANGING = 4;
const WIDTH = 24;

// Patience for a busy machine: at a load of twenty a pass of 300 takes minutes.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const fates = halfFailing(COUNT, HANGING);
const named = (...wanted: Fate[]) => [...fates].filter(([, fate]) => wanted.includes(fate)).map(([name]) => name);
const healthy = named('healthy');

type Seen = { report: PassReport; git: string[]; effects: number };
let w: BigFleet;
let ops: Ops;
let first: Seen;

beforeAll(async () => {
  w = await bigFleet(fates, WIDTH);
  ops = await w.open();
  first = await onePass();
});
afterAll(() => w.end());

async function onePass(): Promise<Seen> {
  const before = w.world.effects;
  let report: PassReport | null = null;
  const git = await w.countGit(async () => {
    report = await pass(ops, {
      only: null,
      tune: true,
      push: true,
      signal: new AbortController().signal,
      lockTimeoutMs: 5_000,
      onPhase: () => undefined,
    });
  });
  return { report: report!, git, effects: w.world.effects - before };
}

/** How often the remote was fetched from and pushed to; nothing is fetched when its branch is where it was. */
const asked = (git: string[]) => ({ fetch: times(git, 'fetch'), push: times(git, 'push') });
const times = (git: string[], verb: string) => git.filter((v) => v === verb).length;
const plan = ({ report }: Seen, name: string) => report.look?.planned.find((p) => p.item.name === name);
const unsettled = (seen: Seen, names: string[]) =>
  names.flatMap((name) => (plan(seen, name)?.standing === 'settled' ? [] : [plan(seen, name)?.item]));
const reasons = (seen: Seen, names: string[]) =>
  [...new Set(names.map((name) => plan(seen, name)?.item.reason))].sort();

test('one pass starts every healthy instance, with one push for all of them', async () => {
  expect(healthy).toHaveLength(COUNT / 2);
  const done = first.report.applied.outcomes.filter((o) => o.standing === 'done').map((o) => o.name);
  expect(done.sort()).toEqual(healthy);
  expect(asked(first.git)).toEqual({ fetch: 0, push: 1 });
  expect(times(first.git, 'fast-import')).toBe(1);
  const subjects = await w.remoteLog();
  for (const name of healthy) expect(subjects).toContain(`converge(${name}): none -> base, flat, cost 0 USD`);
  expect(first.report.problems).toEqual([]);
});

test('the other half fails or waits, each with its own reason', () => {
  expect(reasons(first, named('invalid', 'no-secret'))).toEqual(['spec-invalid']);
  expect(reasons(first, named('suspended'))).toEqual(['suspended']);
  expect(reasons(first, named('held'))).toEqual(['held']);
  const outcome = (fate: Fate) => {
    const of = named(fate);
    const found = first.report.applied.outcomes.filter((o) => of.includes(o.name));
    expect(found).toHaveLength(of.length);
    return [...new Set(found.map((o) => `${o.standing} ${o.reason}`))];
  };
  expect(outcome('exits')).toEqual(['failed not-running']);
  expect(outcome('silent')).toEqual(['held not-confirmed']);
  expect(outcome('unreadable')).toEqual(['held flat-unproven']);
  expect(outcome('hangs')).toEqual(['held flat-unproven']);
});

test('never more instances in hand than the fleet allows', () => {
  expect(w.world.widest).toBeGreaterThan(WIDTH / 2);
  expect(w.world.widest).toBeLessThanOrEqual(WIDTH);
});

test('what failed is tried again alone', async () => {
  const seen = await onePass();
  // The first restart is at once; what is latched waits for a person.
  expect(seen.report.applied.outcomes.map((o) => o.name)).toEqual(named('exits'));
  expect(unsettled(seen, healthy)).toEqual([]);
  // What a start that ended at once may have left is proved away before its next turn.
  const proved = await onePass();
  expect(proved.report.applied.outcomes.map((o) => [o.name, o.message])).toEqual(
    named('exits').map((name) => [name, 'proved flat']),
  );
});

test('the next pass is silent: no effect, no commit, no push, also for a new process', async () => {
  const head = await w.git(['rev-parse', 'HEAD']);
  for (const fresh of [false, true]) {
    if (fresh) ops = await w.open();
    const seen = await onePass();
    expect(seen.report.applied).toEqual({ commits: [], proposals: [], outcomes: [], problems: [] });
    expect(seen.effects).toBe(0);
    expect(asked(seen.git)).toEqual({ fetch: 0, push: 0 });
    expect(unsettled(seen, healthy)).toEqual([]);
    expect(reasons(seen, named('exits'))).toEqual(['backoff']);
    expect(reasons(seen, named('unreadable', 'hangs', 'held'))).toEqual(['held']);
    expect(reasons(seen, named('silent'))).toEqual(['not-confirmed']);
    // What one pass costs does not grow with the fleet: git runs for all instances at once.
    expect(seen.git.length).toBeLessThan(20);
  }
  expect(await w.git(['rev-parse', 'HEAD'])).toBe(head);
});

test('a push that restarts everything, one fetch and one push: the healthy half is through in one pass, the rest stays where it is', async () => {
  const clone = `${w.dir}/person`;
  await execa('git', ['clone', '--quiet', w.remote, clone]);
  await execa('sed', ['-i', 's/GENERATION: "1"/GENERATION: "2"/', `${clone}/fleet/fleet.yaml`]);
  await w.git(['commit', '--quiet', '-am', 'fleet: a new generation'], clone);
  await w.git(['push', '--quiet', 'origin', 'main'], clone);
  const before = new Map(w.world.running);
  const seen = await onePass();
  const done = seen.report.applied.outcomes.filter((o) => o.standing === 'done').map((o) => o.name);
  expect(done.sort()).toEqual(healthy);
  // Who has said nothing so far gets the new generation too, and is held again for its silence.
  expect(seen.report.applied.outcomes).toHaveLength(healthy.length + named('silent').length);
  expect(asked(seen.git)).toEqual({ fetch: 1, push: 1 });
  // Whether each is still wanted is asked for all that wait at once, not five git processes an instance.
  expect(seen.git.length).toBeLessThan(3 * healthy.length);
  for (const name of [...healthy, ...named('silent')])
    expect(w.world.running.get(name)?.pid).not.toBe(before.get(name)?.pid);
  expect(w.world.widest).toBeLessThanOrEqual(WIDTH);
  expect((await onePass()).report.applied.commits).toEqual([]);
});
