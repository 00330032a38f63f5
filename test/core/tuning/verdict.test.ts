import { expect, test } from 'vitest';
import {
  addEdge,
  addEdgeSums,
  advanceEdges,
  type EdgeSums,
  newEdgeFold,
  tearEdges,
} from '../../../src/core/health/edge-sums.ts';
import { emptyMemory } from '../../../src/core/tuning/memory.ts';
import { anytimeFactor, compareEdges, verdictDecision } from '../../../src/core/tuning/verdict.ts';
import { HEALTH, TUNING } from '../health/policy.ts';
import { fold, quiet, runStart, START } from '../health/script.ts';

/** `buckets` sums of `mean` +- `spread`, ten fills of 100 USD each. */
function sums(buckets: number, meanBps: number, spreadBps: number): EdgeSums {
  const values = Array.from({ length: buckets }, (_, n) => 1000 * (meanBps + (n % 2 === 0 ? spreadBps : -spreadBps)));
  return {
    buckets,
    sum: values.reduce((a, b) => a + b, 0),
    squares: values.reduce((a, b) => a + b * b, 0),
    fills: 10 * buckets,
    notionalUsd: 1000 * buckets,
  };
}

test('the difference, its interval and the anytime-valid factor by hand', () => {
  const { effectBps, ci95 } = compareEdges(sums(20, -1, 2), sums(30, 1, 2));
  expect(effectBps).toBeCloseTo(2, 9);
  // Sums of +-2 around the mean: v = 4 n / (n - 1), in bps per fill of a bucket.
  const error = Math.sqrt((4 * 30) / 29 / 30 + (4 * 20) / 19 / 20);
  const factor = Math.sqrt((4 / 3) * Math.log(4 / 0.0025));
  expect(anytimeFactor(30)).toBeCloseTo(factor, 12);
  expect(ci95![0]).toBeCloseTo(2 - factor * error, 9);
  expect(ci95![1]).toBeCloseTo(2 + factor * error, 9);
  expect(anytimeFactor(5000)).toBe(anytimeFactor(200));
});

test.each([
  { name: 'clearly better', before: sums(100, -3, 1), after: sums(100, 2, 1), want: 'helped' },
  { name: 'clearly worse', before: sums(100, 2, 1), after: sums(100, -3, 1), want: 'hurt' },
  { name: 'noise', before: sums(40, 0, 9), after: sums(40, 1, 9), want: 'inconclusive' },
  { name: 'too few buckets', before: sums(11, -30, 1), after: sums(100, 30, 1), want: 'inconclusive' },
  { name: 'nothing to compare with', before: null, after: sums(100, 3, 1), want: 'inconclusive' },
  { name: 'nobody traded', before: sums(0, 0, 0), after: sums(0, 0, 0), want: 'inconclusive' },
])('$name: $want', ({ before, after, want }) => {
  expect(compareEdges(before, after).verdict).toBe(want);
});

test('the factor holds at every look: noise is rarely judged over a thousand looks', () => {
  let seed = 7;
  const noise = () => {
    seed = (seed * 48271) % 2147483647;
    return (seed / 2147483647 - 0.5) * 10;
  };
  let judged = 0;
  for (let trial = 0; trial < 200; trial += 1) {
    const before = add(newSums(), 100, noise);
    const after = newSums();
    let hit = false;
    for (let look = 0; look < 200 && !hit; look += 1) {
      add(after, 1, noise);
      hit = compareEdges(before, after).verdict !== 'inconclusive';
    }
    if (hit) judged += 1;
  }
  expect(judged / 200).toBeLessThan(0.1);
});

const newSums = (): EdgeSums => ({ buckets: 0, sum: 0, squares: 0, fills: 0, notionalUsd: 0 });

function add(into: EdgeSums, buckets: number, draw: () => number): EdgeSums {
  for (let n = 0; n < buckets; n += 1) {
    const x = 1000 * draw();
    into.buckets += 1;
    into.sum += x;
    into.squares += x * x;
    into.fills += 10;
    into.notionalUsd += 1000;
  }
  return into;
}

test('buckets: whole ones only, empty ones count, torn ones do not', () => {
  const edges = newEdgeFold();
  const from = START + 100; // inside a bucket: START is on its edge
  advanceEdges(edges, from, from);
  addEdge(edges, from, 100, 5);
  expect(edges.open).toEqual([]);
  for (let at = from; at <= START + 1960; at += 60) {
    advanceEdges(edges, at, from);
    if (at === START + 700) addEdge(edges, at, 100, 5);
  }
  // Whole buckets are 600..1200 and 1200..1800; both closed at 1920.
  expect(edges.closed).toEqual({ buckets: 2, sum: 500, squares: 250_000, fills: 1, notionalUsd: 100 });
  tearEdges(edges);
  expect(edges.open).toEqual([]);
  expect(addEdgeSums(edges.closed, edges.closed)).toEqual({
    buckets: 4,
    sum: 1000,
    squares: 500_000,
    fills: 2,
    notionalUsd: 200,
  });
});

test('a verdict is written once: when conclusive, at the next change, or when its time is over', () => {
  const memory = { ...emptyMemory(TUNING), lastIter: 7, unjudged: [{ iter: 7, against: 6, at: START }] };
  const run = fold(HEALTH, [
    runStart(START),
    ...quiet(START, 300, { fillsPerMinute: 2, markoutBps: (m) => 2 + (m % 2) }),
  ]);
  const asked = { memory, run, iter: 7, before: null, verdictWithinMs: 24 * 3_600_000, changing: false };
  expect(verdictDecision(asked)).toBeNull();
  expect(verdictDecision({ ...asked, changing: true })).toMatchObject({
    iter: 7,
    against: 6,
    verdict: 'inconclusive',
    effectBps: null,
  });
  expect(verdictDecision({ ...asked, verdictWithinMs: 3_600_000 })).toMatchObject({ verdict: 'inconclusive' });
  expect(verdictDecision({ ...asked, before: sums(60, -200, 1) })).toMatchObject({ verdict: 'helped' });
  expect(verdictDecision({ ...asked, memory: { ...memory, unjudged: [] }, changing: true })).toBeNull();
});

test('an iter that was left without a verdict is closed', () => {
  const memory = {
    ...emptyMemory(TUNING),
    lastIter: 8,
    unjudged: [
      { iter: 7, against: null, at: START },
      { iter: 8, against: 7, at: START + 60 },
    ],
  };
  const run = fold(HEALTH, [runStart(START)]);
  expect(verdictDecision({ memory, run, iter: 8, before: null, verdictWithinMs: 1e9, changing: false })).toEqual({
    iter: 7,
    against: null,
    verdict: 'inconclusive',
    effectBps: null,
    ci95: null,
    n: 0,
  });
});
