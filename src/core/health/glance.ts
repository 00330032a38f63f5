/** The few numbers of a run that every look shows or asks for: what stands for it while nothing new is written. Pure. */
import { realizedPnl } from '../journal/fifo.ts';
import type { Metric, StatusItem } from '../plan/status.ts';
import type { RunState } from './run.ts';

/** Plain data; JSON gives it back exactly. */
export type RunGlance = {
  /** null = the run does not say. */
  envFile: string | null;
  /** The run wrote its end: silence after it is no lack of data. */
  ended: boolean;
  /** Newest reported signed base quantity, decimal text; null = never reported. */
  positionBase: string | null;
  /** Price of the newest fill, decimal text; null = no fill. */
  lastPrice: string | null;
  metrics: StatusItem['metrics'];
  /** Bytes of the run that were left unread; 0 = none. */
  skippedBytes: number;
};

const PNL_FILLS = 50;
const MARKOUT_FILLS = 200;
const MARKOUT_MIN_FILLS = 30;
const RATIO_MIN_PLACEMENTS = 50;

/** As the run stands now. */
export function glanceOf(run: RunState): RunGlance {
  return {
    envFile: run.envFile,
    ended: run.endReason !== null,
    positionBase: run.position?.base ?? null,
    lastPrice: run.fills.newest(1)[0]?.price ?? null,
    metrics: metricsOf(run),
    skippedBytes: run.skippedBytes,
  };
}

function metricsOf(run: RunState): StatusItem['metrics'] {
  const last = run.fills.newest(PNL_FILLS);
  const marked = run.fills.newest(MARKOUT_FILLS).flatMap((f) => (typeof f.m5 === 'number' ? [f.m5] : []));
  const sum = (pick: 'placed' | 'cancelled' | 'postOnly' | 'fills') => run.current[pick] + run.activity.sum(pick);
  const placed = sum('placed');
  const ratio = (count: number): Metric =>
    placed < RATIO_MIN_PLACEMENTS
      ? { unavailable: 'too few placements', n: placed, nMin: RATIO_MIN_PLACEMENTS }
      : { value: count / placed, n: placed };
  // By the clock: a minute without a line has no row.
  const from = run.activity.length === 0 ? run.now : Math.max(run.since, 60 * run.activity.minute(0));
  const hours = (run.now - from) / 3600;
  return {
    realizedPnlUsd:
      last.length < PNL_FILLS
        ? { unavailable: 'too few fills', n: last.length, nMin: PNL_FILLS }
        : { value: realizedPnl(last).toFixed(), n: last.length },
    markout5sBps:
      marked.length < MARKOUT_MIN_FILLS
        ? { unavailable: 'too few fills', n: marked.length, nMin: MARKOUT_MIN_FILLS }
        : { value: marked.reduce((a, b) => a + b, 0) / marked.length, n: marked.length },
    cancelRatio: ratio(sum('cancelled')),
    postOnlyRejectRatio: ratio(sum('postOnly')),
    fillsPerHour:
      hours < 1 / 60
        ? { unavailable: 'less than a minute of journal' }
        : { value: sum('fills') / hours, n: sum('fills') },
  };
}
