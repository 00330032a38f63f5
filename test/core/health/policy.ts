import type { HealthPolicy, TuningPolicy } from '../../../src/core/spec/types.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** The documented defaults. */
export const HEALTH: HealthPolicy = {
  cooldownMs: 30 * MINUTE,
  signals: {
    burst: signal('netMarkout5sBps', -0.5, 60, 60, 0.99, 3),
    fast: signal('netMarkout5sBps', -0.5, 200, 150, null, 10),
    slow: signal('netMarkout60sBps', 0, 400, 100, 0.95, 3),
    alert: { ...signal('netMarkout5sBps', -0.5, 30, 30, 0.95, 3), activeForMs: 12 * HOUR },
  },
  limits: {
    realizedPnlUsd: { lastFills: 100, min: 0, action: 'report' },
    markout5sBps: { lastFills: 200, min: -0.5, action: 'report' },
    fillCount: { min: 1, overMs: 4 * HOUR, action: 'report' },
    fillRatio: { min: 0.005, minPlacements: 500, action: 'report' },
    cancelRatio: { max: 0.995, minPlacements: 500, action: 'tune' },
    postOnlyRejectRatio: { max: 0.05, minPlacements: 200, action: 'tune' },
    failureRatio: { max: 0.1, minPlacements: 200, action: 'tune' },
    fillsPerHour: { min: 10, overMs: 4 * HOUR, action: 'tune' },
    positionShare: { max: 0.7, shareOfTime: 0.5, overMs: 4 * HOUR, action: 'tune' },
    drawdownUsd: { max: null, action: 'stop' },
    dataAge: { maxMs: 3 * MINUTE, action: 'report' },
  },
  cheapMoment: { maxPositionShare: 0.1, waitMs: 30 * MINUTE },
};

export const TUNING: TuningPolicy = {
  themes: ['spread-offset', 'reprice', 'post-only', 'inventory', 'toxicity', 'breaker'],
  bounds: {},
  ladder: [1.5, 2],
  maxChangesPerDay: 2,
  hygieneChangesPerDay: 1,
  park: {
    forMs: 4 * HOUR,
    multiplier: 2,
    maxMs: 24 * HOUR,
    withinMs: 48 * HOUR,
    reparkWithinMs: 48 * HOUR,
    reparkCountMs: 72 * HOUR,
  },
  trendStep: false,
  recover: { provenAfterMs: 6 * HOUR, quietForMs: 6 * HOUR, probationMs: 12 * HOUR, backoff: 2, maxWaitMs: 96 * HOUR },
  forgetAfterMs: 72 * HOUR,
  verdictWithinMs: 24 * HOUR,
  keys: {},
};

function signal(
  metric: HealthPolicy['signals']['burst']['metric'],
  limit: number,
  windowFills: number,
  minFills: number,
  confidence: 0.95 | 0.99 | null,
  consecutive: number,
): HealthPolicy['signals']['burst'] {
  return { metric, limit, windowFills, minFills, confidence, consecutive, activeForMs: null };
}

/** A base env in the mode in which every seed key of the spread theme acts. */
export const BASE: Readonly<Record<string, string>> = {
  MM_MARKET_NAME: 'SOL-USD',
  MM_OFFSET_MODE: 'dynamic',
  MM_SPREAD_MULTIPLIER: '1.2',
  MM_MIN_OFFSET_BPS: '4',
  MM_MAX_OFFSET_BPS: '60',
  MM_MAX_POSITION_SIZE: '50',
};
