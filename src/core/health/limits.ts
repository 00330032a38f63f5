import { realizedPnl } from '../journal/fifo.ts';
import type { HealthPolicy, LimitName } from '../spec/types.ts';
import type { ActivityCount } from './minute-rows.ts';
import type { RunState } from './run.ts';
import { signalStats } from './signal.ts';

/** One limit measured now. */
export type LimitReading = {
  limit: LimitName;
  /** `100 fills`, `4h`, `500 placements`, `run`. */
  window: string;
  value: number | null;
  /** Why there is no value; null when there is one. */
  unavailable: string | null;
  n: number | null;
  nMin: number | null;
  /** null = not checked. */
  limitValue: number | null;
  breach: boolean;
  /** How far beyond the limit, as a ratio of the two; 1 at the limit or when no ratio makes sense. */
  excess: number;
};

export const LIMIT_NAMES: readonly LimitName[] = [
  'realizedPnlUsd',
  'markout5sBps',
  'fillCount',
  'fillRatio',
  'cancelRatio',
  'postOnlyRejectRatio',
  'failureRatio',
  'fillsPerHour',
  'positionShare',
  'drawdownUsd',
  'dataAge',
];

/** Fill-minutes a run needs before its mean earnings say anything. */
export const EARNING_MINUTES = 20;

/** A limit over the closed minutes of a run; `dataAge` in ms of wall time comes from outside (null = unknown). */
export function readLimit(run: RunState, name: LimitName, dataAgeMs: number | null = null): LimitReading {
  const { limits } = run.health;
  if (limitThreshold(run.health, name) === null) {
    return unavailable({ limit: name, window: '-', n: null, nMin: null }, null, 'off');
  }
  switch (name) {
    case 'realizedPnlUsd': {
      const { lastFills, min } = limits.realizedPnlUsd;
      const fills = run.fills.newest(lastFills);
      const shape = { limit: name, window: `${lastFills} fills`, n: fills.length, nMin: lastFills };
      if (fills.length < lastFills) return unavailable(shape, min, `n ${fills.length}/${lastFills}`);
      return atLeast(shape, realizedPnl(fills).toNumber(), min);
    }
    case 'markout5sBps': {
      const { lastFills, min } = limits.markout5sBps;
      const { sum, n } = newestMarkouts(run, lastFills);
      const shape = { limit: name, window: `${lastFills} fills`, n, nMin: lastFills };
      if (n < lastFills) return unavailable(shape, min, `n ${n}/${lastFills}`);
      return atLeast(shape, sum / n, min);
    }
    case 'fillCount':
    case 'fillsPerHour': {
      const { min, overMs } = limits[name];
      const shape = { limit: name, window: hours(overMs), nMin: null };
      const age = run.now - run.since;
      const fills = recentFills(run, overMs);
      if (age < overMs / 1000)
        return unavailable({ ...shape, n: fills }, min, `${hours(age * 1000)} of ${hours(overMs)}`);
      return atLeast({ ...shape, n: fills }, name === 'fillCount' ? fills : (fills * 3_600_000) / overMs, min);
    }
    case 'fillRatio': {
      const { min, minPlacements } = limits.fillRatio;
      return perPlacement(
        run,
        name,
        minPlacements,
        (count) => count('fills'),
        (shape, value) => atLeast(shape, value, min),
        min,
      );
    }
    case 'cancelRatio': {
      const { max, minPlacements } = limits.cancelRatio;
      return perPlacement(
        run,
        name,
        minPlacements,
        (count) => count('cancelled'),
        (shape, value) => atMost(shape, value, max),
        max,
      );
    }
    case 'postOnlyRejectRatio': {
      const { max, minPlacements } = limits.postOnlyRejectRatio;
      return perPlacement(
        run,
        name,
        minPlacements,
        (count) => count('postOnly'),
        (shape, value) => atMost(shape, value, max),
        max,
      );
    }
    case 'failureRatio': {
      const { max, minPlacements } = limits.failureRatio;
      const failures = (count: Counts) => count('errors') + count('rejected') - count('postOnly');
      return perPlacement(run, name, minPlacements, failures, (shape, value) => atMost(shape, value, max), max);
    }
    case 'positionShare':
      return readPositionShare(run);
    case 'drawdownUsd': {
      const { max } = limits.drawdownUsd;
      const shape = { limit: name, window: 'run', n: run.fillsSeen, nMin: null };
      if (!run.whole) return unavailable(shape, max, 'the first piece of the journal is missing');
      if (run.money.misfit >= MISFIT_LOOKS) return unavailable(shape, max, 'the position does not fit the fills seen');
      if (run.money.equity === null) return unavailable(shape, max, 'no mid yet');
      return atMost(shape, run.money.drawdown, max);
    }
    case 'dataAge': {
      const { maxMs } = limits.dataAge;
      const shape = { limit: name, window: '-', n: null, nMin: null };
      const max = maxMs === null ? null : maxMs / 1000;
      if (dataAgeMs === null) return unavailable(shape, max, 'unknown');
      return atMost(shape, dataAgeMs / 1000, max);
    }
  }
}

/** The number a limit compares with, null = not checked. `positionShare` compares a share of time, `dataAge` seconds. */
export function limitThreshold({ limits }: HealthPolicy, name: LimitName): number | null {
  if (name === 'positionShare') return limits.positionShare.max === null ? null : limits.positionShare.shareOfTime;
  if (name === 'dataAge') return limits.dataAge.maxMs === null ? null : limits.dataAge.maxMs / 1000;
  const limit = limits[name];
  return 'min' in limit ? limit.min : limit.max;
}

/** Whether the slow signal's window says that the run earns: mean above the limit over enough fill-minutes. */
export function earns(run: RunState): { value: number; n: number } | null {
  const policy = run.health.signals.slow;
  if (run.fillMinutes < EARNING_MINUTES) return null;
  const closed = policy.metric === 'netMarkout5sBps' ? run.h5.closed : run.h60.closed;
  const stats = signalStats(closed, policy);
  if (stats === null || stats.meanZ <= 0 || stats.missing > stats.fills) return null;
  if (run.gap !== null && stats.fills < policy.windowFills) return null;
  return { value: stats.meanBps, n: stats.fills };
}

/** Looks in a row after which a reported position that does not fit the fills means that fills are missing. */
const MISFIT_LOOKS = 5;
/** Of the window's minutes, the share whose position must be known. */
const KNOWN_SHARE = 0.8;

function readPositionShare(run: RunState): LimitReading {
  const { max, shareOfTime, overMs } = run.health.limits.positionShare;
  const shape = { limit: 'positionShare' as const, window: hours(overMs), n: null, nMin: null };
  const age = run.now - run.since;
  if (age < overMs / 1000) return unavailable(shape, shareOfTime, `${hours(age * 1000)} of ${hours(overMs)}`);
  let [known, above] = [0, 0];
  for (let at = firstOf(run, overMs); at < run.activity.length; at += 1) {
    const share = run.activity.positionShare(at);
    if (share === null) continue;
    known += 1;
    if (share > (max ?? Infinity)) above += 1;
  }
  if (known < (KNOWN_SHARE * overMs) / 60_000) return unavailable(shape, shareOfTime, 'position unknown');
  return atMost({ ...shape, n: known }, above / known, shareOfTime);
}

type Shape = Pick<LimitReading, 'limit' | 'window' | 'n' | 'nMin'>;

/** A count over the newest minutes that hold at least the asked number of placements. */
function perPlacement(
  run: RunState,
  limit: LimitName,
  minPlacements: number,
  what: (count: Counts) => number,
  compare: (shape: Shape, value: number) => LimitReading,
  threshold: number | null,
): LimitReading {
  const { activity } = run;
  let placed = 0;
  let from = activity.length;
  while (from > 0 && placed < minPlacements) {
    from -= 1;
    placed += activity.count(from, 'placed');
  }
  const shape = { limit, window: `${minPlacements} placements`, n: placed, nMin: minPlacements };
  if (placed < minPlacements || placed === 0) return unavailable(shape, threshold, `n ${placed}/${minPlacements}`);
  return compare(shape, what((name) => activity.sum(name, from)) / placed);
}

/** Gives how many there were of something in the minutes looked at. */
type Counts = (name: ActivityCount) => number;

/** Index of the first minute of the newest `overMs`. */
function firstOf(run: RunState, overMs: number): number {
  const first = Math.floor(run.now / 60) - Math.round(overMs / 60_000);
  let at = run.activity.length;
  while (at > 0 && run.activity.minute(at - 1) >= first) at -= 1;
  return at;
}

function recentFills(run: RunState, overMs: number): number {
  return run.activity.sum('fills', firstOf(run, overMs));
}

/** Gross +5 s markouts of the newest fills that have one. */
function newestMarkouts(run: RunState, count: number): { sum: number; n: number } {
  let sum = 0;
  let n = 0;
  for (let at = run.fills.length - 1; at >= 0 && n < count; at -= 1) {
    const m5 = run.fills.m5(at);
    if (typeof m5 !== 'number') continue;
    sum += m5;
    n += 1;
  }
  return { sum, n };
}

function atLeast(shape: Shape, value: number, min: number | null): LimitReading {
  const breach = min !== null && value < min;
  return { ...shape, value, unavailable: null, limitValue: min, breach, excess: breach ? ratio(min, value) : 1 };
}

function atMost(shape: Shape, value: number, max: number | null): LimitReading {
  const breach = max !== null && value > max;
  return { ...shape, value, unavailable: null, limitValue: max, breach, excess: breach ? ratio(value, max) : 1 };
}

/** How many times the worse number is the better one; for a negative limit the other way round. */
function ratio(larger: number, smaller: number): number {
  const [a, b] = larger < 0 || smaller < 0 ? [smaller, larger] : [larger, smaller];
  const quotient = b === 0 ? 1e6 : a / b;
  return Number.isFinite(quotient) && quotient >= 1 ? Math.min(quotient, 1e6) : 1;
}

function unavailable(shape: Shape, limitValue: number | null, reason: string): LimitReading {
  return { ...shape, value: null, unavailable: reason, limitValue, breach: false, excess: 1 };
}

function hours(ms: number): string {
  const h = ms / 3_600_000;
  return h >= 1 ? `${Number(h.toFixed(1))}h` : `${Math.floor(ms / 60_000)}m`;
}
