import { type EdgeSums, newEdgeSums } from '../health/edge-sums.ts';
import type { RunState } from '../health/run.ts';
import type { Verdict } from '../trail/types.ts';
import type { TuningMemory, VerdictDecision } from './types.ts';

/** What the change did, compared with the run before it. Honest answers are mostly `inconclusive`. */
export type Comparison = {
  verdict: Verdict;
  /** Difference of the mean edge of a 10-minute bucket, per fill of a mean bucket, bps; null without both sides. */
  effectBps: number | null;
  /** Valid whenever it is looked at, not only at a time chosen before. */
  ci95: [number, number] | null;
  /** Fills after the change. */
  n: number;
};

/** Buckets each side needs before their spread says anything: two hours. */
const BUCKETS_MIN = 12;
/** Tuning constants of the anytime-valid bound: mixing rate, error, and the n after which it no longer tightens. */
const MIXING = 0.1;
const ERROR = 0.05;
const N_MAX = 200;

/** The closed 10-minute sums of a run. */
export function edgeSumsOf(run: RunState): EdgeSums {
  return { ...run.edges.closed };
}

/**
 * Difference d of the mean 10-minute edge sums, after minus before, with SE = sqrt(v1/n1 + v0/n0) and
 *   c = sqrt((n r + 1) / (n r) * ln((n r + 1) / a^2)),  r = 0.1, a = 0.05, n = min(n1, 200):
 * helped when d - c SE > 0, hurt when d + c SE < 0, else inconclusive. The bound holds at every look. The run before is
 * selected (it triggered), so `helped` is biased up.
 */
export function compareEdges(before: EdgeSums | null, after: EdgeSums): Comparison {
  const n = after.fills;
  const unknown: Comparison = { verdict: 'inconclusive', effectBps: null, ci95: null, n };
  if (before === null || before.buckets < 2 || after.buckets < 2) return unknown;
  const fills = before.fills + after.fills;
  if (fills === 0 || before.notionalUsd + after.notionalUsd <= 0) return unknown;
  const meanNotional = (before.notionalUsd + after.notionalUsd) / fills;
  const fillsPerBucket = fills / (before.buckets + after.buckets);
  const scale = 1 / (meanNotional * fillsPerBucket);
  const difference = (after.sum / after.buckets - before.sum / before.buckets) * scale;
  const error = Math.sqrt(variance(after) / after.buckets + variance(before) / before.buckets) * scale;
  const half = anytimeFactor(after.buckets) * error;
  const enough = before.buckets >= BUCKETS_MIN && after.buckets >= BUCKETS_MIN;
  const verdict = !enough
    ? 'inconclusive'
    : difference - half > 0
      ? 'helped'
      : difference + half < 0
        ? 'hurt'
        : 'inconclusive';
  return { verdict, effectBps: difference, ci95: [difference - half, difference + half], n };
}

/**
 * The verdict to record now, or null. It is written once: when conclusive, when the next change comes (`changing`), or when
 * the time for it is over. Iters that were left without one are closed as inconclusive, oldest first.
 */
export function verdictDecision(input: {
  memory: TuningMemory;
  run: RunState | null;
  /** The iter that runs; null = the base env. */
  iter: number | null;
  before: EdgeSums | null;
  verdictWithinMs: number;
  changing: boolean;
}): VerdictDecision | null {
  const { memory, run, iter } = input;
  const oldest = memory.unjudged[0];
  // Which values earned what is not known any more where the history has a hole.
  if (oldest === undefined || !memory.complete) return null;
  const line = { iter: oldest.iter, against: oldest.against };
  if (oldest.iter !== iter) {
    return memory.unjudged.length === 1 && run === null ? null : { ...line, ...compareEdges(null, newEdgeSums()) };
  }
  if (run === null) return null;
  const comparison = compareEdges(input.before, edgeSumsOf(run));
  const over = run.latest - oldest.at >= input.verdictWithinMs / 1000;
  return over || input.changing || comparison.verdict !== 'inconclusive' ? { ...line, ...comparison } : null;
}

export function anytimeFactor(buckets: number): number {
  const nr = Math.min(buckets, N_MAX) * MIXING;
  return Math.sqrt(((nr + 1) / nr) * Math.log((nr + 1) / ERROR ** 2));
}

function variance({ buckets, sum, squares }: EdgeSums): number {
  return Math.max(0, (squares - sum ** 2 / buckets) / (buckets - 1));
}
