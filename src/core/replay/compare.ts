import { changeText } from '../trail/text.ts';
import type { ReplayDecision } from './types.ts';

/** How two specs decide over the same journals. */
export type ReplayDifference = {
  /** Decisions that both make, at the same journal time. */
  same: number;
  onlyHere: ReplayDecision[];
  onlyBaseline: ReplayDecision[];
  /** The first place at which the two logs part; null when they are equal. After it the two stand on different configs. */
  firstDivergence: { at: number; here: ReplayDecision | null; baseline: ReplayDecision | null } | null;
};

/** Compares what is done and when; the numbers behind it (a window or a limit may differ) do not make it another decision. */
export function compareReplays(here: readonly ReplayDecision[], baseline: readonly ReplayDecision[]): ReplayDifference {
  const keys = (log: readonly ReplayDecision[]) => new Set(log.map(deed));
  const hereKeys = keys(here);
  const baselineKeys = keys(baseline);
  const onlyHere = here.filter((decision) => !baselineKeys.has(deed(decision)));
  const length = Math.max(here.length, baseline.length);
  let firstDivergence: ReplayDifference['firstDivergence'] = null;
  for (let n = 0; n < length && firstDivergence === null; n += 1) {
    const a = here[n] ?? null;
    const b = baseline[n] ?? null;
    if (a !== null && b !== null && deed(a) === deed(b)) continue;
    firstDivergence = { at: Math.min(a?.at ?? Infinity, b?.at ?? Infinity), here: a, baseline: b };
  }
  return {
    same: here.length - onlyHere.length,
    onlyHere,
    onlyBaseline: baseline.filter((decision) => !hereKeys.has(deed(decision))),
    firstDivergence,
  };
}

function deed({ at, kind, by, step, changes, forMs }: ReplayDecision): string {
  return JSON.stringify([at, kind, by, step, changes.map(changeText), forMs]);
}
