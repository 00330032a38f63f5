/** The model bot's settings from env values. */
import { envValue } from '../../../core/tuning/catalogue.ts';
import type { Market } from './scenarios.ts';

export type Settings = {
  levels: number;
  /** Base quantity of one quote. */
  orderQty: number;
  /** bps; null = the offset follows the book's spread. */
  fixedOffset: number | null;
  spreadMultiplier: number;
  minOffset: number;
  maxOffset: number;
  minSpread: number;
  tolerance: number;
  interval: number;
  /** Seconds; 0 = never too old. */
  maxAge: number;
  moveTicks: number;
  edgeDelta: number;
  safetyTicks: number;
  pofAdaptive: boolean;
  pofMaxTicks: number;
  pofBackoff: number;
  pofReset: number;
  skewFactor: number;
  deadband: number;
  skewShape: number;
  skewMax: number;
  volWindow: number;
  volMax: number;
  driftWindow: number;
  driftMax: number;
  volOffset: number;
  imbalanceWindow: number;
  imbalancePause: number;
  breakerFailures: number;
  breakerCooldown: number;
  failureWindow: number;
  failureTrip: number;
  breakerAttempts: number;
  maxPosition: number;
  hardShare: number;
};

/** Every tunable key acts; a missing one has the bot's default. The caller has checked that numbers are numbers. */
export function settingsOf(values: Readonly<Record<string, string>>, market: Market, orderQty: number): Settings {
  const text = (key: string): string | undefined => envValue(values, `MM_${key}`);
  const n = (key: string, fallback?: number): number => Number(text(key) ?? fallback);
  const fixed = (text('OFFSET_MODE') ?? 'fixed').trim().toLowerCase() === 'fixed';
  return {
    levels: n('NUM_PRICE_LEVELS'),
    orderQty,
    fixedOffset: fixed ? n('PRICE_OFFSET_PER_LEVEL_PERCENT', 0.3) * 100 : null,
    spreadMultiplier: n('SPREAD_MULTIPLIER'),
    minOffset: n('MIN_OFFSET_BPS'),
    maxOffset: n('MAX_OFFSET_BPS'),
    minSpread: n('MIN_SPREAD_BPS'),
    tolerance: n('REPRICE_TOLERANCE_PERCENT'),
    interval: n('MIN_REPRICE_INTERVAL_S'),
    maxAge: n('MAX_ORDER_AGE_S'),
    moveTicks: n('MIN_REPRICE_MOVE_TICKS'),
    edgeDelta: n('MIN_REPRICE_EDGE_DELTA_BPS'),
    safetyTicks: n('POST_ONLY_SAFETY_TICKS'),
    pofAdaptive: /^(1|true|yes|on|t|y)$/i.test((text('ADAPTIVE_POF_ENABLED') ?? 'true').trim()),
    pofMaxTicks: n('POF_MAX_SAFETY_TICKS'),
    pofBackoff: n('POF_BACKOFF_MULTIPLIER'),
    pofReset: n('POF_STREAK_RESET_S'),
    skewFactor: n('INVENTORY_SKEW_FACTOR'),
    deadband: n('INVENTORY_DEADBAND_PCT'),
    skewShape: n('SKEW_SHAPE_K'),
    skewMax: n('SKEW_MAX_BPS'),
    volWindow: n('MICRO_VOL_WINDOW_S'),
    volMax: n('MICRO_VOL_MAX_BPS'),
    driftWindow: n('MICRO_DRIFT_WINDOW_S'),
    driftMax: n('MICRO_DRIFT_MAX_BPS'),
    volOffset: n('VOLATILITY_OFFSET_MULTIPLIER'),
    imbalanceWindow: n('IMBALANCE_WINDOW_S'),
    imbalancePause: n('IMBALANCE_PAUSE_THRESHOLD'),
    breakerFailures: n('CIRCUIT_BREAKER_MAX_FAILURES'),
    breakerCooldown: n('CIRCUIT_BREAKER_COOLDOWN_S'),
    failureWindow: n('FAILURE_WINDOW_S'),
    failureTrip: n('FAILURE_RATE_TRIP'),
    breakerAttempts: n('MIN_ATTEMPTS_FOR_BREAKER'),
    maxPosition: n('MAX_POSITION_SIZE', (10 * market.orderUsd) / market.price),
    hardShare: n('INVENTORY_HARD_PCT'),
  };
}
