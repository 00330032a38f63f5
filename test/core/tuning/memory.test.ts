import { expect, test } from 'vitest';
import type { TrailEntry } from '../../../src/core/trail/types.ts';
import { rebuildMemory, settledMemory } from '../../../src/core/tuning/memory.ts';
import { TUNING } from '../health/policy.ts';
import { START } from '../health/script.ts';
import { BASE_ENV, entryOf, iterPath, person } from './loop.ts';

const HOUR = 3600;

/** A commit as git shows it, from its trailers; `files` default to the iter it adds. */
function entry(
  kind: string,
  at: number,
  trailers: Record<string, string>,
  more: Partial<TrailEntry> & { changes?: string[] } = {},
): TrailEntry {
  const lines = Object.entries({ Instance: 'sol', At: String(at), ...trailers }).map(
    ([key, value]) => `Mmfleet-${key}: ${value}`,
  );
  const changes = (more.changes ?? []).map((change) => `Mmfleet-Change: ${change}`);
  const iter = trailers['Iter'];
  const files: TrailEntry['files'] =
    iter === undefined || kind === 'verdict' ? [] : [{ status: 'A', path: `${BASE_ENV}.iter${iter}` }];
  const { changes: _, ...rest } = more;
  return { ...entryOf(`${kind}(sol): text\n\n${[...lines, ...changes].join('\n')}\n`, at, files), ...rest };
}

const tune = (iter: string, parent: string, at: number, more: Record<string, string> = {}) =>
  entry('tune', at, {
    Iter: iter,
    'Parent-Iter': parent,
    Theme: 'spread-offset',
    Step: 'widen x1.5',
    Trigger: 'fast markout5sBps=-1.32 limit=-0.50 n=204',
    Proven: 'yes',
    ...more,
  });
const recover = (iter: string, from: string, to: string, at: number) =>
  entry('recover', at, {
    Iter: iter,
    'Parent-Iter': from,
    'From-Iter': from,
    'To-Iter': to,
    Theme: 'spread-offset',
    Step: 'recover-to-base',
    Trigger: 'quiet markout60sBps=1.00 limit=0.00 n=400',
  });
const undo = (iter: string, from: string, to: string, at: number) =>
  entry('undo', at, {
    Iter: iter,
    'Parent-Iter': from,
    'From-Iter': from,
    'To-Iter': to,
    Theme: 'spread-offset',
    Step: 'undo-recover',
    Trigger: 'burst markout5sBps=-2.00 limit=-0.50 n=60',
    Wait: '12h',
    Forget: 'recover-to-base',
  });
const hygiene = (iter: string, parent: string, at: number, step = 'slower +0.1') =>
  tune(iter, parent, at, {
    Theme: 'reprice',
    Step: step,
    Trigger: 'cancelRatio cancelRatio=1.00 limit=0.99 n=500',
    Proven: 'no',
  });
const deleted = (iter: number, at: number, more: Partial<TrailEntry> = {}): TrailEntry => ({
  ...person(at),
  subject: 'Revert "tune(sol): ..."',
  files: [{ status: 'D', path: iterPath(iter) }],
  ...more,
});
const added = (iter: number, at: number, more: Partial<TrailEntry> = {}): TrailEntry => ({
  ...person(at),
  files: [{ status: 'A', path: iterPath(iter) }],
  ...more,
});

/** Entries are given oldest first here; git gives the newest first. */
const memoryOf = (...entries: TrailEntry[]) =>
  rebuildMemory(entries.toReversed(), { baseEnv: BASE_ENV, policy: TUNING });

const rung = {
  fromIter: null,
  toIter: 1,
  theme: 'spread-offset',
  step: 'widen x1.5',
  at: START,
  proven: true,
  trend: false,
};

test('an alarm step is a rung, an alarm, a change of the day, and not judged yet', () => {
  expect(memoryOf(tune('001', 'base', START))).toEqual({
    complete: true,
    incompleteReason: null,
    lastIter: 1,
    rungs: [rung],
    alarms: [{ at: START, kind: 'tune' }],
    alarmChanges: [START],
    hygieneChanges: [],
    parks: [],
    trial: null,
    recoverWaitMs: 6 * HOUR * 1000,
    lastRecoverAt: null,
    forgotten: [],
    unjudged: [{ iter: 1, against: null, at: START }],
  });
});

test('up and down the ladder: recover pops the rung, its undo puts it back under the new iter', () => {
  const steps = [
    tune('001', 'base', START),
    recover('002', '001', 'base', START + 7 * HOUR),
    undo('003', '002', '001', START + 8 * HOUR),
  ];
  expect(memoryOf(...steps.slice(0, 2))).toMatchObject({
    rungs: [],
    trial: { kind: 'recover', iter: 2, fromIter: 1, at: START + 7 * HOUR },
    lastRecoverAt: START + 7 * HOUR,
  });
  expect(memoryOf(...steps)).toMatchObject({
    lastIter: 3,
    rungs: [{ ...rung, toIter: 3 }],
    trial: null,
    recoverWaitMs: 12 * HOUR * 1000,
    forgotten: [{ step: 'recover-to-base', until: START + 80 * HOUR }],
    alarms: [{ kind: 'tune' }, { kind: 'undo' }],
    alarmChanges: [START],
  });
});

test('a recover step that stands its probation makes the wait short again', () => {
  const memory = memoryOf(
    tune('001', 'base', START),
    recover('002', '001', 'base', START + HOUR),
    undo('003', '002', '001', START + 2 * HOUR),
    recover('004', '003', 'base', START + 90 * HOUR),
  );
  expect(settledMemory(memory, START + 102 * HOUR, TUNING)).toMatchObject({
    trial: { iter: 4 },
    recoverWaitMs: 12 * HOUR * 1000,
  });
  expect(settledMemory(memory, START + 102 * HOUR + 1, TUNING)).toMatchObject({
    trial: null,
    recoverWaitMs: 6 * HOUR * 1000,
  });
});

test('hygiene changes count by themselves; tighten is on trial; a verdict closes its iter', () => {
  const memory = memoryOf(
    hygiene('001', 'base', START),
    tune('002', '001', START + 1, {
      Step: 'tighten /1.25',
      Trigger: 'fillsPerHour fillsPerHour=3.00 limit=10.00 n=12',
    }),
    entry('verdict', START + 2, {
      Iter: '001',
      Against: 'base',
      Verdict: 'helped',
      Effect: '+1.2 bps (95% +0.1..+2.3)',
      N: '300',
    }),
  );
  expect(memory).toMatchObject({
    rungs: [],
    alarms: [],
    alarmChanges: [],
    hygieneChanges: [START, START + 1],
    trial: { kind: 'tighten', iter: 2, fromIter: 1 },
  });
  expect(memory.unjudged.map((open) => open.iter)).toEqual([2]);
});

test('a park ends in journal time as far from its start as on the wall; a release ends it early', () => {
  const park = entry(
    'park',
    START,
    { Until: '2026-02-16T04:00:00Z', Trigger: 'fast markout5sBps=-1.32 limit=-0.50 n=204', Parks: '1' },
    { committerTs: Date.parse('2026-02-16T00:00:00Z') / 1000 },
  );
  expect(memoryOf(park)).toMatchObject({
    parks: [{ at: START, endAt: START + 4 * HOUR }],
    alarms: [{ at: START, kind: 'park' }],
  });
  const release = entry(
    'release',
    START + HOUR,
    { Kind: 'park', Reason: 'go on' },
    { committerTs: Date.parse('2026-02-16T01:00:00Z') / 1000 },
  );
  expect(memoryOf(park, release).parks[0]!.endAt).toBe(START + HOUR);
});

test('git revert of the newest step: its rung goes, its step is not tried again', () => {
  const memory = memoryOf(
    tune('001', 'base', START),
    tune('002', '001', START + HOUR, { Step: 'widen x2' }),
    deleted(2, START + 2 * HOUR),
  );
  expect(memory).toMatchObject({
    complete: true,
    lastIter: 2,
    rungs: [{ toIter: 1 }],
    forgotten: [{ step: 'widen', until: START + 74 * HOUR }],
  });
  expect(memory.unjudged.map((open) => open.iter)).toEqual([1]);
  // The caps remember: what was done that day was done.
  expect(memory.alarmChanges).toHaveLength(2);
});

test('git revert of an older step changes nothing that runs; of a recover step, the rung is there again', () => {
  expect(
    memoryOf(tune('001', 'base', START), tune('002', '001', START + 1), deleted(1, START + 2)).rungs.map(
      (each) => each.toIter,
    ),
  ).toEqual([1, 2]);
  expect(
    memoryOf(tune('001', 'base', START), recover('002', '001', 'base', START + 1), deleted(2, START + 2)),
  ).toMatchObject({ rungs: [rung], trial: null, forgotten: [{ step: 'recover-to-base' }] });
});

test('a revert that is itself reverted: as it was before, nothing forgotten', () => {
  const before = memoryOf(tune('001', 'base', START));
  const after = memoryOf(tune('001', 'base', START), deleted(1, START + 1), added(1, START + 2));
  expect(after).toMatchObject({ complete: true, rungs: before.rungs, forgotten: [] });
});

test.each<{ name: string; gone: TrailEntry[]; want: number[] }>([
  {
    name: 'in one commit',
    gone: [{ ...person(START + 9), files: [2, 3].map((n) => ({ status: 'D' as const, path: iterPath(n) })) }],
    want: [1],
  },
  { name: 'the older one first', gone: [deleted(2, START + 8), deleted(3, START + 9)], want: [1] },
  { name: 'all of them, from the oldest', gone: [1, 2, 3].map((n) => deleted(n, START + n)), want: [] },
])('several steps taken back, $name: the ladder is that of what runs', ({ gone, want }) => {
  const steps = [tune('001', 'base', START), tune('002', '001', START + 1), tune('003', '002', START + 2)];
  expect(memoryOf(...steps, ...gone)).toMatchObject({ complete: true, rungs: want.map((toIter) => ({ toIter })) });
});

test('a step made after a revert stands on what ran then', () => {
  const steps = [tune('001', 'base', START), tune('002', '001', START + 1), deleted(2, START + 2)];
  const later = [recover('003', '001', 'base', START + 9), deleted(3, START + 10)];
  expect(memoryOf(...steps, ...later).rungs.map((each) => each.toIter)).toEqual([1]);
});

test.each([
  { name: 'picked again after its revert', again: [deleted(1, START + 1), tune('001', 'base', START)] },
  { name: 'picked, and merged with the branch it came from', again: [tune('001', 'base', START)] },
])('a step counts once: $name', ({ again }) => {
  const once = memoryOf(tune('001', 'base', START));
  const { rungs, alarms, alarmChanges, complete, forgotten } = memoryOf(tune('001', 'base', START), ...again);
  expect({ rungs, alarms, alarmChanges, complete, forgotten }).toEqual({
    rungs: once.rungs,
    alarms: once.alarms,
    alarmChanges: once.alarmChanges,
    complete: true,
    forgotten: [],
  });
});

test('so does a park', () => {
  const park = entry('park', START, { Until: '2026-02-16T04:00:00Z', Trigger: 'fast', Parks: '1' });
  const memory = memoryOf(park, park);
  expect([memory.parks.length, memory.alarms.length]).toEqual([1, 1]);
});

test('a release lifts what a person had reverted, and keeps the ladder', () => {
  const memory = memoryOf(
    tune('001', 'base', START),
    tune('002', '001', START + 1),
    deleted(2, START + 2),
    entry('release', START + 3, { Kind: 'hold', Reason: 'looked at it' }),
  );
  expect(memory).toMatchObject({ forgotten: [], rungs: [rung], lastIter: 2 });
});

test.each([
  {
    name: 'squashed',
    entries: [tune('001', 'base', START), added(2, START + 1)],
    reason: /^iter002 was added without its story/,
  },
  {
    name: 'imported with init',
    entries: [entry('init', START, {}, { files: [{ status: 'A', path: iterPath(4) }] })],
    reason: /^iter004/,
  },
  {
    name: 'edited by hand',
    entries: [
      tune('001', 'base', START),
      { ...person(START + 1), files: [{ status: 'M' as const, path: iterPath(1) }] },
    ],
    reason: /^iter001 was changed after its commit/,
  },
  {
    name: 'a step without its trailers',
    entries: [entry('tune', START, { Iter: '001' })],
    reason: /lacks its trailers/,
  },
  { name: 'a park without its end', entries: [entry('park', START, { Trigger: 'x' })], reason: /lacks its trailers/ },
])('incomplete: $name; a release starts anew from what runs', ({ entries, reason }) => {
  const memory = memoryOf(...entries);
  expect(memory.complete).toBe(false);
  expect(memory.incompleteReason).toMatch(reason);
  const fresh = memoryOf(...entries, entry('release', START + 9, { Kind: 'hold', Reason: 'it is fine' }));
  expect(fresh).toMatchObject({ complete: true, rungs: [], alarms: [], lastIter: memory.lastIter });
});

test('iter numbers are never forgotten, whatever removed them', () => {
  expect(memoryOf(tune('007', 'base', START), deleted(7, START + 1)).lastIter).toBe(7);
  expect(memoryOf(deleted(9, START)).lastIter).toBe(9);
});

test('a rebase keeps the rungs of themes the person did not touch; a rollback leaves none', () => {
  const steps = [tune('001', 'base', START), tune('002', '001', START + 1, { Theme: 'reprice', Step: 'faster x0.6' })];
  const rebase = entry(
    'rebase',
    START + 2,
    { Iter: '003', Base: 'b'.repeat(40) },
    { changes: ['MM_SPREAD_MULTIPLIER 1.8 -> 1.3'] },
  );
  expect(memoryOf(...steps, rebase)).toMatchObject({ lastIter: 3, rungs: [{ theme: 'reprice' }], complete: true });
  expect(memoryOf(...steps, entry('rollback', START + 2, { Iter: '003', Base: 'b'.repeat(40) }))).toMatchObject({
    lastIter: 3,
    rungs: [],
    complete: true,
  });
});

test('a revert of a rebase or a rollback: the ladder is there again, and the rebase onto that base rests', () => {
  const steps = [tune('001', 'base', START), tune('002', '001', START + 1, { Theme: 'reprice', Step: 'faster x0.6' })];
  const { rungs } = memoryOf(...steps);
  const base = 'b'.repeat(40);
  const rebase = entry(
    'rebase',
    START + 2,
    { Iter: '003', Base: base },
    { changes: ['MM_SPREAD_MULTIPLIER 1.8 -> 1.3'] },
  );
  const rollback = entry('rollback', START + 2, { Iter: '003', Base: base });
  expect(memoryOf(...steps, rebase, deleted(3, START + 3))).toMatchObject({
    rungs,
    forgotten: [{ step: `rebase-${base}`, until: START + 3 + TUNING.forgetAfterMs / 1000 }],
  });
  expect(memoryOf(...steps, rebase, deleted(3, START + 3), added(3, START + 4))).toMatchObject({
    rungs: [{ theme: 'reprice' }],
    forgotten: [],
  });
  expect(memoryOf(...steps, rollback, deleted(3, START + 3))).toMatchObject({ rungs, complete: true });
});

test.each([
  { name: 'to the first: what came after it rests', to: 'iter001', want: ['faster'] },
  { name: 'to the base: all of it rests', to: 'base', want: ['widen', 'faster'] },
  { name: 'to the one that runs: nothing was taken back', to: 'iter002', want: [] },
])('a rollback by a person is not tuned away at once, $name', ({ to, want }) => {
  const steps = [tune('001', 'base', START), tune('002', '001', START + 1, { Theme: 'reprice', Step: 'faster x0.6' })];
  const subject = `rollback(sol): iter003 with the values of ${to}, MM_SPREAD_MULTIPLIER 1.8 -> 1.2`;
  const back = entry('rollback', START + 2, { Iter: '003', Base: 'b'.repeat(40) }, { subject });
  const { forgotten } = memoryOf(...steps, back);
  expect(forgotten.map((f) => f.step)).toEqual(want);
  for (const { until } of forgotten) expect(until).toBe(START + 2 + TUNING.forgetAfterMs / 1000);
});

test('iter files of another base do not concern it, nor do other instances’ words', () => {
  const other = {
    ...person(START),
    files: [
      { status: 'A' as const, path: 'fleet/env/amzn/.env.amzn.iter044' },
      { status: 'D' as const, path: `${BASE_ENV}x.iter002` },
    ],
  };
  expect(memoryOf(other)).toMatchObject({ complete: true, lastIter: 0 });
});

test.each(['000', '0001', '1'])('a file that no tree takes for an iter is none: .iter%s', (number) => {
  const odd = { ...person(START + 1), files: [{ status: 'A' as const, path: `${BASE_ENV}.iter${number}` }] };
  expect(memoryOf(tune('001', 'base', START), odd)).toEqual(memoryOf(tune('001', 'base', START)));
});

test('three thousand steps later the memory is still small', () => {
  const entries = Array.from({ length: 3000 }, (_, n) =>
    tune(String(n + 1).padStart(3, '0'), n === 0 ? 'base' : String(n).padStart(3, '0'), START + n),
  );
  const memory = memoryOf(...entries);
  expect(memory.lastIter).toBe(3000);
  expect(JSON.stringify(memory).length).toBeLessThan(100_000);
});
