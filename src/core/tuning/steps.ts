/** The steps as data. One row is one change; the first row that moves a value inside its bounds and is not forgotten is taken. */
import type { Theme } from '../spec/types.ts';

/**
 * How one key moves: `times` and `plus` by a fixed decimal, `timesFactor` and `overFactor` by the ladder's factor,
 * `set` to a fixed text. `atLeast` does not move by itself: it raises the key to another key's new value plus `by`.
 */
export type Move =
  | { key: string; op: 'times' | 'plus' | 'set'; by: string }
  | { key: string; op: 'timesFactor' | 'overFactor' }
  | { key: string; op: 'atLeast'; other: string; by: string };

export type StepRow = {
  /** One word; what is forgotten is forgotten by this word, whatever the factor was. */
  id: string;
  /** After the word in `Mmfleet-Step`; null = the ladder's factor (`x1.5`). */
  label: string | null;
  moves: readonly Move[];
  /** The new value of this key may not exceed half the median book spread; unknown spread = row not taken. */
  halfSpreadCap?: string;
};

export type StepName =
  | 'widen'
  | 'tighten'
  | 'faster'
  | 'slower'
  | 'post-only'
  | 'inventory'
  | 'toxicity'
  | 'trend'
  | 'breaker';

export type Step = { theme: Theme; rows: readonly StepRow[] };

export const STEPS: Readonly<Record<StepName, Step>> = {
  widen: {
    theme: 'spread-offset',
    rows: [
      {
        id: 'widen',
        label: null,
        moves: [
          { key: 'MM_SPREAD_MULTIPLIER', op: 'timesFactor' },
          { key: 'MM_MIN_OFFSET_BPS', op: 'timesFactor' },
          { key: 'MM_MAX_OFFSET_BPS', op: 'atLeast', other: 'MM_MIN_OFFSET_BPS', by: '1' },
        ],
      },
      { id: 'widen-levels', label: '-1', moves: [{ key: 'MM_NUM_PRICE_LEVELS', op: 'plus', by: '-1' }] },
      {
        id: 'widen-min-spread',
        label: '+0.5',
        moves: [{ key: 'MM_MIN_SPREAD_BPS', op: 'plus', by: '0.5' }],
        halfSpreadCap: 'MM_MIN_SPREAD_BPS',
      },
    ],
  },
  tighten: {
    theme: 'spread-offset',
    rows: [
      {
        id: 'tighten',
        label: '/1.25',
        moves: [
          { key: 'MM_SPREAD_MULTIPLIER', op: 'times', by: '0.8' },
          { key: 'MM_MIN_OFFSET_BPS', op: 'times', by: '0.8' },
        ],
      },
    ],
  },
  faster: {
    theme: 'reprice',
    rows: [
      {
        id: 'faster',
        label: 'x0.6',
        moves: [
          { key: 'MM_REPRICE_TOLERANCE_PERCENT', op: 'times', by: '0.6' },
          { key: 'MM_MIN_REPRICE_INTERVAL_S', op: 'times', by: '0.6' },
        ],
      },
      { id: 'faster-ticks', label: '-1', moves: [{ key: 'MM_MIN_REPRICE_MOVE_TICKS', op: 'plus', by: '-1' }] },
      {
        id: 'faster-edge',
        label: '-0.25',
        moves: [
          { key: 'MM_MIN_REPRICE_EDGE_DELTA_BPS', op: 'plus', by: '-0.25' },
          { key: 'MM_MAX_ORDER_AGE_S', op: 'times', by: '0.6' },
        ],
      },
    ],
  },
  slower: {
    theme: 'reprice',
    rows: [
      {
        id: 'slower',
        label: '+0.1',
        moves: [
          { key: 'MM_REPRICE_TOLERANCE_PERCENT', op: 'plus', by: '0.1' },
          { key: 'MM_MIN_REPRICE_INTERVAL_S', op: 'plus', by: '0.3' },
        ],
      },
      { id: 'slower-ticks', label: '+1', moves: [{ key: 'MM_MIN_REPRICE_MOVE_TICKS', op: 'plus', by: '1' }] },
      {
        id: 'slower-edge',
        label: '+0.25',
        moves: [
          { key: 'MM_MIN_REPRICE_EDGE_DELTA_BPS', op: 'plus', by: '0.25' },
          { key: 'MM_MAX_ORDER_AGE_S', op: 'times', by: '1.5' },
        ],
      },
    ],
  },
  'post-only': {
    theme: 'post-only',
    rows: [
      {
        id: 'safety-ticks',
        label: '+1',
        moves: [
          { key: 'MM_POST_ONLY_SAFETY_TICKS', op: 'plus', by: '1' },
          { key: 'MM_POF_MAX_SAFETY_TICKS', op: 'plus', by: '1' },
        ],
      },
      {
        id: 'adaptive-post-only',
        label: 'on',
        moves: [{ key: 'MM_ADAPTIVE_POF_ENABLED', op: 'set', by: 'true' }],
      },
      {
        id: 'post-only-backoff',
        label: 'x1.1',
        moves: [
          { key: 'MM_POF_BACKOFF_MULTIPLIER', op: 'times', by: '1.1' },
          { key: 'MM_POF_STREAK_RESET_S', op: 'plus', by: '15' },
        ],
      },
    ],
  },
  inventory: {
    theme: 'inventory',
    rows: [
      { id: 'skew-factor', label: '+0.1', moves: [{ key: 'MM_INVENTORY_SKEW_FACTOR', op: 'plus', by: '0.1' }] },
      { id: 'skew-deadband', label: '-0.03', moves: [{ key: 'MM_INVENTORY_DEADBAND_PCT', op: 'plus', by: '-0.03' }] },
      { id: 'skew-max', label: '+4', moves: [{ key: 'MM_SKEW_MAX_BPS', op: 'plus', by: '4' }] },
      { id: 'skew-shape', label: '+0.5', moves: [{ key: 'MM_SKEW_SHAPE_K', op: 'plus', by: '0.5' }] },
    ],
  },
  toxicity: {
    theme: 'toxicity',
    rows: [
      { id: 'imbalance', label: '-0.1', moves: [{ key: 'MM_IMBALANCE_PAUSE_THRESHOLD', op: 'plus', by: '-0.1' }] },
      {
        id: 'micro-limits',
        label: 'x0.75',
        moves: [
          { key: 'MM_MICRO_DRIFT_MAX_BPS', op: 'times', by: '0.75' },
          { key: 'MM_MICRO_VOL_MAX_BPS', op: 'times', by: '0.75' },
        ],
      },
      {
        id: 'volatility-offset',
        label: '+0.2',
        moves: [{ key: 'MM_VOLATILITY_OFFSET_MULTIPLIER', op: 'plus', by: '0.2' }],
      },
      {
        id: 'micro-windows',
        label: 'x0.8',
        moves: [
          { key: 'MM_MICRO_VOL_WINDOW_S', op: 'times', by: '0.8' },
          { key: 'MM_MICRO_DRIFT_WINDOW_S', op: 'times', by: '0.8' },
          { key: 'MM_IMBALANCE_WINDOW_S', op: 'times', by: '0.8' },
        ],
      },
    ],
  },
  trend: {
    theme: 'toxicity',
    rows: [
      {
        id: 'trend',
        label: null,
        moves: [
          { key: 'MM_IMBALANCE_PAUSE_THRESHOLD', op: 'plus', by: '-0.2' },
          { key: 'MM_MICRO_DRIFT_MAX_BPS', op: 'overFactor' },
          { key: 'MM_MICRO_VOL_MAX_BPS', op: 'overFactor' },
        ],
      },
    ],
  },
  breaker: {
    theme: 'breaker',
    rows: [
      {
        id: 'breaker-failures',
        label: '-1',
        moves: [{ key: 'MM_CIRCUIT_BREAKER_MAX_FAILURES', op: 'plus', by: '-1' }],
      },
      {
        id: 'breaker-rate',
        label: '-0.05',
        moves: [
          { key: 'MM_FAILURE_RATE_TRIP', op: 'plus', by: '-0.05' },
          { key: 'MM_MIN_ATTEMPTS_FOR_BREAKER', op: 'plus', by: '-2' },
        ],
      },
      {
        id: 'breaker-cooldown',
        label: 'x1.5',
        moves: [
          { key: 'MM_CIRCUIT_BREAKER_COOLDOWN_S', op: 'times', by: '1.5' },
          { key: 'MM_FAILURE_WINDOW_S', op: 'times', by: '1.25' },
        ],
      },
    ],
  },
};

/** The identity of a step text: `widen x1.5` and `widen x2` are the same step. */
export function stepId(step: string): string {
  return step.split(' ')[0]!;
}
