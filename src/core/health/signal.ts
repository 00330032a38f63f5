import type { SignalPolicy } from '../spec/types.ts';
import type { FillMinutes } from './minute-rows.ts';

/** One closed minute's fills at one horizon. `missing` fills got no mid in time; they carry no evidence. */
export type FillMinute = {
  /** Unix minute. */
  minute: number;
  n: number;
  missing: number;
  /** Base quantity of the n fills. */
  qty: number;
  /** Sum of quantity x net markout in bps. */
  weighted: number;
};

export type SignalStats = {
  fills: number;
  minutes: number;
  missing: number;
  /** Quantity-weighted net markout of the window, bps. */
  meanBps: number;
  /** 95 % interval of the mean from the minute sums; null with fewer than two minutes. */
  ci95: [number, number] | null;
  /** Mean of Z over the minutes; below zero = worse than the limit. */
  meanZ: number;
  /** Holds its sample floor and is below the limit with the asked confidence. */
  breach: boolean;
};

/** Bounds of the standard normal, one-sided. */
const Z_OF = { 0.95: 1.645, 0.99: 2.326 } as const;

/**
 * The window is the newest minutes with at least `windowFills` fills. Per minute b
 *   Z_b = sum over its fills of w * (netMarkout - limit),  w = qty / mean qty of the window:
 * the sum, not the mean, because bad fills come in clusters and averaging within the minute hides the loss.
 * With K minutes, M = mean of Z and V = sum (Z - M)^2 / (K - 1), the signal is in breach when
 *   fills >= minFills  and  M + z * sqrt(V / K) < 0   (z = 0 without a confidence).
 * null: no fill-minute yet. Fills without a markout outnumbering those with one is no evidence: never a breach.
 */
export function signalStats(minutes: FillMinutes, policy: SignalPolicy): SignalStats | null {
  let fills = 0;
  let missing = 0;
  let qty = 0;
  let weighted = 0;
  let first = minutes.length;
  while (first > 0 && fills < policy.windowFills) {
    first -= 1;
    fills += minutes.n(first);
    missing += minutes.missing(first);
    qty += minutes.qty(first);
    weighted += minutes.weighted(first);
  }
  const count = minutes.length - first;
  if (count === 0 || fills === 0) return null;
  const scale = fills / qty;
  const meanZ = ((weighted - policy.limit * qty) * scale) / count;
  let squares = 0;
  for (let at = first; at < minutes.length; at += 1)
    squares += ((minutes.weighted(at) - policy.limit * minutes.qty(at)) * scale - meanZ) ** 2;
  const error = count < 2 ? null : Math.sqrt(squares / (count - 1) / count);
  const perFill = count / fills;
  const bound = policy.confidence === null ? meanZ : error === null ? 0 : meanZ + Z_OF[policy.confidence] * error;
  return {
    fills,
    minutes: count,
    missing,
    meanBps: weighted / qty,
    ci95:
      error === null
        ? null
        : [policy.limit + (meanZ - 1.96 * error) * perFill, policy.limit + (meanZ + 1.96 * error) * perFill],
    meanZ,
    breach: fills >= policy.minFills && missing <= fills && bound < 0,
  };
}
