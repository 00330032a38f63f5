import type { HealthPolicy, TuningPolicy } from '../../../src/core/spec/types.ts';
import { HEALTH, TUNING } from '../../core/health/policy.ts';
import type { Policy } from './engines.ts';

/** The documented defaults for a bot whose every tunable key acts. Limits that only report are left out: they cost time. */
export function benchPolicy(change: { health?: Partial<HealthPolicy>; tuning?: Partial<TuningPolicy> } = {}): Policy {
  const { limits } = HEALTH;
  const health: HealthPolicy = {
    ...HEALTH,
    limits: {
      ...limits,
      realizedPnlUsd: { ...limits.realizedPnlUsd, min: null },
      markout5sBps: { ...limits.markout5sBps, min: null },
      fillCount: { ...limits.fillCount, min: null },
      fillRatio: { ...limits.fillRatio, min: null },
    },
    ...change.health,
  };
  const keys: TuningPolicy['keys'] = {};
  for (const key of [
    'MM_MICRO_VOL_MAX_BPS',
    'MM_MICRO_DRIFT_MAX_BPS',
    'MM_MICRO_DRIFT_WINDOW_S',
    'MM_VOLATILITY_OFFSET_MULTIPLIER',
  ]) {
    keys[key] = { type: 'decimal', min: null, max: null, theme: 'toxicity', step: { times: 0.75 } };
  }
  return { health, tuning: { ...TUNING, keys, ...change.tuning } };
}
