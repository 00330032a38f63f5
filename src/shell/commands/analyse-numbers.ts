import type { AnalysisOptions } from '../../core/journal/analysis.ts';

/** The numbers that `analyse` was given as text, or what is wrong with them. */
export function analyseNumbers(given: {
  lastFills?: string | undefined;
  assumedFeeBps?: string | undefined;
}): AnalysisOptions | string {
  const lastFills = Number(given.lastFills ?? '100');
  const assumedFeeBps = Number(given.assumedFeeBps ?? '0');
  if (!Number.isSafeInteger(lastFills) || lastFills < 1)
    return `--last-fills: found "${given.lastFills}", want a positive number of fills`;
  if (!Number.isFinite(assumedFeeBps)) return `--assumed-fee-bps: found "${given.assumedFeeBps}", want a number (bps)`;
  return { lastFills, assumedFeeBps };
}
