/** What is known about each env key of the first supported bot: type, unit, bounds, and when the key acts at all. */
import type { Theme } from '../spec/types.ts';
import type { EnvValues } from './types.ts';

export type KeyType = 'int' | 'decimal' | 'bool';

/** A key the bot reads; bounds are decimal text, null = no limit on that side. */
export type ReadOnlyKeyInfo = {
  /** The full name, `MM_SPREAD_MULTIPLIER`. */
  key: string;
  type: KeyType;
  /** `bps`, `s`, `ticks`, `levels`, `ratio`, `factor`, `count` or `flag`. A ratio is 0..1 whatever the key's name says. */
  unit: string;
  /** The bot's own limits: outside them it refuses to start. */
  hardMin: string | null;
  hardMax: string | null;
  /** The lower hard limit itself is refused too. */
  exclusiveMin?: boolean;
  /** Its name in `run_start.config`. */
  fieldName: string;
  /** What the bot uses when the env does not name the key. */
  default: string;
};

/** A key that may be tuned; `min` and `max` are the default tuning bounds, which a spec may only narrow. */
export type KeyInfo = ReadOnlyKeyInfo & {
  theme: Theme;
  min: string | null;
  max: string | null;
  /** true: a change has an effect under these values; else why not, in a few words. */
  acts(values: EnvValues): true | string;
};

type Limits = [min: string | null, max: string | null];

/** The keys that may be tuned, by full name. */
export const CATALOGUE: Readonly<Record<string, KeyInfo>> = table([
  key('spread-offset', 'NUM_PRICE_LEVELS', 'int', 'levels', '2', ['1', '6'], ['1', '20']),
  key('spread-offset', 'SPREAD_MULTIPLIER', 'decimal', 'factor', '1.5', ['0.3', '5'], above('0'), offsetModeActs),
  key('spread-offset', 'MIN_OFFSET_BPS', 'decimal', 'bps', '3', ['0.5', '50'], ['0', null], offsetModeActs),
  key('spread-offset', 'MAX_OFFSET_BPS', 'decimal', 'bps', '100', ['1', '100'], above('0'), offsetModeActs),
  key('spread-offset', 'MIN_SPREAD_BPS', 'decimal', 'bps', '0', ['0', '50'], ['0', null]),

  key('reprice', 'REPRICE_TOLERANCE_PERCENT', 'decimal', 'ratio', '0.1', ['0.05', '2'], above('0')),
  key('reprice', 'MIN_REPRICE_INTERVAL_S', 'decimal', 's', '0.5', ['0.2', '10'], ['0', null], cadenceActs),
  key('reprice', 'MAX_ORDER_AGE_S', 'decimal', 's', '15', ['5', '300'], ['0', null], cadenceActs),
  key('reprice', 'MIN_REPRICE_MOVE_TICKS', 'int', 'ticks', '2', ['0', '20'], ['0', null]),
  key('reprice', 'MIN_REPRICE_EDGE_DELTA_BPS', 'decimal', 'bps', '0.5', ['0', '20'], ['0', null]),

  key('post-only', 'POST_ONLY_SAFETY_TICKS', 'int', 'ticks', '2', ['1', '20'], ['0', null]),
  key('post-only', 'ADAPTIVE_POF_ENABLED', 'bool', 'flag', 'true', [null, null], [null, null]),
  key('post-only', 'POF_MAX_SAFETY_TICKS', 'int', 'ticks', '8', ['1', '40'], ['1', null]),
  key('post-only', 'POF_BACKOFF_MULTIPLIER', 'decimal', 'factor', '1.7', ['1', '5'], ['1', null]),
  key('post-only', 'POF_STREAK_RESET_S', 'decimal', 's', '45', ['10', '300'], ['0', null]),

  key('inventory', 'INVENTORY_SKEW_FACTOR', 'decimal', 'factor', '0.5', ['0', '1'], ['0', null]),
  key('inventory', 'INVENTORY_DEADBAND_PCT', 'decimal', 'ratio', '0.10', ['0', '0.5'], ['0', '1']),
  key('inventory', 'SKEW_SHAPE_K', 'decimal', 'factor', '2.0', ['0', '6'], ['0', null]),
  key('inventory', 'SKEW_MAX_BPS', 'decimal', 'bps', '20', ['0', '100'], ['0', null]),

  key('toxicity', 'MICRO_VOL_WINDOW_S', 'decimal', 's', '5', ['1', '30'], ['0', null]),
  key('toxicity', 'MICRO_VOL_MAX_BPS', 'decimal', 'bps', '8', ['1', '40'], ['0', null], deadFilter),
  key('toxicity', 'MICRO_DRIFT_WINDOW_S', 'decimal', 's', '3', ['1', '30'], ['0', null], reportOnly),
  key('toxicity', 'MICRO_DRIFT_MAX_BPS', 'decimal', 'bps', '6', ['1', '40'], ['0', null], deadFilter),
  key('toxicity', 'VOLATILITY_OFFSET_MULTIPLIER', 'decimal', 'factor', '0.35', ['0', '2'], ['0', null], deadFilter),
  key('toxicity', 'IMBALANCE_WINDOW_S', 'decimal', 's', '2', ['1', '30'], ['0', null]),
  key('toxicity', 'IMBALANCE_PAUSE_THRESHOLD', 'decimal', 'ratio', '0.70', ['0.15', '0.95'], ['0', '1']),

  key('breaker', 'CIRCUIT_BREAKER_MAX_FAILURES', 'int', 'count', '5', ['2', '20'], ['1', null]),
  key('breaker', 'CIRCUIT_BREAKER_COOLDOWN_S', 'decimal', 's', '30', ['5', '600'], above('0')),
  key('breaker', 'FAILURE_WINDOW_S', 'decimal', 's', '60', ['10', '600'], above('0')),
  key('breaker', 'FAILURE_RATE_TRIP', 'decimal', 'ratio', '0.35', ['0.05', '1'], ['0', '1']),
  key('breaker', 'MIN_ATTEMPTS_FOR_BREAKER', 'int', 'count', '10', ['5', '200'], ['1', null]),
]);

/** Numeric keys that are read and checked but never tuned unless a spec opts them in. */
export const READ_ONLY_KEYS: Readonly<Record<string, ReadOnlyKeyInfo>> = table([
  readOnly('VOL_REGIME_CALM_BPS', 'bps', '8', ['0', null]),
  readOnly('VOL_REGIME_ELEVATED_BPS', 'bps', '20', ['0', null]),
  readOnly('VOL_REGIME_EXTREME_BPS', 'bps', '45', ['0', null]),
  readOnly('VOL_OFFSET_SCALE_CALM', 'factor', '0.8', ['0', null]),
  readOnly('VOL_OFFSET_SCALE_ELEVATED', 'factor', '1.5', ['0', null]),
  readOnly('VOL_OFFSET_SCALE_EXTREME', 'factor', '2.2', ['0', null]),
  readOnly('TREND_STRONG_THRESHOLD', 'ratio', '0.7', ['0', '1']),
  readOnly('TREND_COUNTER_SIDE_SIZE_CUT', 'ratio', '0.6', ['0', '1']),
  readOnly('TREND_SKEW_BOOST', 'factor', '1.5', ['1', null]),
  readOnly('INVENTORY_WARN_PCT', 'ratio', '0.5', ['0', '1']),
  readOnly('INVENTORY_CRITICAL_PCT', 'ratio', '0.8', ['0', '1']),
  readOnly('INVENTORY_HARD_PCT', 'ratio', '0.95', ['0', '1']),
  readOnly('FUNDING_INVENTORY_WEIGHT', 'factor', '1.0', ['0', null]),
  readOnly('FUNDING_BIAS_CAP_BPS', 'bps', '5', ['0', null]),
]);

/** Ascending lists that must hold in a base env (a breach is a Problem, never silently fixed) and after every change. */
export const ORDERINGS: readonly (readonly string[])[] = [
  ['MM_MIN_OFFSET_BPS', 'MM_MAX_OFFSET_BPS'],
  ['MM_VOL_REGIME_CALM_BPS', 'MM_VOL_REGIME_ELEVATED_BPS', 'MM_VOL_REGIME_EXTREME_BPS'],
  ['MM_INVENTORY_WARN_PCT', 'MM_INVENTORY_CRITICAL_PCT', 'MM_INVENTORY_HARD_PCT'],
];

/** Kept by every change of ours, but a base env may break it: the adaptive maximum is at least the fixed distance. */
export const KEPT_ORDERINGS: readonly (readonly string[])[] = [
  ...ORDERINGS,
  ['MM_POST_ONLY_SAFETY_TICKS', 'MM_POF_MAX_SAFETY_TICKS'],
];

/** What the bot would use for a key: the env's text, else the catalogue's default; undefined for a key unknown to both. */
export function envValue(values: EnvValues, name: string): string | undefined {
  return values[name] ?? CATALOGUE[name]?.default ?? READ_ONLY_KEYS[name]?.default;
}

function key(
  theme: Theme,
  name: string,
  type: KeyType,
  unit: string,
  fallback: string,
  [min, max]: Limits,
  [hardMin, hardMax, exclusive]: [...Limits, exclusive?: 'exclusive'],
  acts: KeyInfo['acts'] = () => true,
): KeyInfo {
  return {
    key: `MM_${name}`,
    type,
    unit,
    theme,
    min,
    max,
    hardMin,
    hardMax,
    ...(exclusive === undefined ? {} : { exclusiveMin: true }),
    fieldName: name.toLowerCase(),
    default: fallback,
    acts,
  };
}

function readOnly(name: string, unit: string, fallback: string, [hardMin, hardMax]: Limits): ReadOnlyKeyInfo {
  return {
    key: `MM_${name}`,
    type: 'decimal',
    unit,
    hardMin,
    hardMax,
    fieldName: name.toLowerCase(),
    default: fallback,
  };
}

function above(limit: string): [string, null, 'exclusive'] {
  return [limit, null, 'exclusive'];
}

/** The default mode places orders at a fixed percentage that nobody may tune. */
function offsetModeActs(values: EnvValues): true | string {
  const mode = (values['MM_OFFSET_MODE'] ?? 'fixed').trim().toLowerCase();
  return mode === 'fixed' ? 'no effect with MM_OFFSET_MODE=fixed' : true;
}

/** The crypto profile hard-codes its cadence for each volatility regime. */
function cadenceActs(values: EnvValues): true | string {
  const profile = (values['MM_MARKET_PROFILE'] ?? 'legacy').trim().toLowerCase();
  return profile === 'crypto' ? 'no effect with MM_MARKET_PROFILE=crypto' : true;
}

/** The bot still reads these, but the filter that used them is no longer called. A spec's `tuning.keys` overrides that. */
function deadFilter(): string {
  return 'the bot no longer calls the filter that used it';
}

function reportOnly(): string {
  return 'only changes what fills report, not the quotes';
}

function table<T extends { key: string }>(rows: T[]): Readonly<Record<string, T>> {
  return Object.fromEntries(rows.map((row) => [row.key, row]));
}
