/** The model's three markets and the seven things that can be the matter with an instance, as data. */

export type Market = {
  name: string;
  /** USD of the first mid. */
  price: number;
  tickBps: number;
  spreadTicks: number;
  /** Of the fair price, bps a root second. */
  volBps: number;
  /** Takers without information, an hour and side, and how deep they reach (mean, bps). */
  uninformed: number;
  reachBps: number;
  /** Takers who know the next jump, an hour; its mean size, bps. */
  informed: number;
  jumpBps: number;
  /** Seconds in which the book's mid takes up most of what is known. */
  lagS: number;
  makerFeeBps: number;
  takerFeeBps: number;
  orderUsd: number;
  /** What a tuned base env says. */
  spreadMultiplier: number;
  minOffsetBps: number;
};

export const MARKETS: readonly Market[] = [
  {
    name: 'equity',
    price: 220,
    tickBps: 0.5,
    spreadTicks: 8,
    volBps: 1.1,
    uninformed: 22,
    reachBps: 8,
    informed: 50,
    jumpBps: 5.2,
    lagS: 4,
    makerFeeBps: 0,
    takerFeeBps: 2.5,
    orderUsd: 400,
    spreadMultiplier: 1.6,
    minOffsetBps: 5,
  },
  {
    name: 'crypto',
    price: 2.4,
    tickBps: 0.4,
    spreadTicks: 16,
    volBps: 2.3,
    uninformed: 20,
    reachBps: 13,
    informed: 46,
    jumpBps: 8.2,
    lagS: 3.5,
    makerFeeBps: 0.2,
    takerFeeBps: 2.5,
    orderUsd: 300,
    spreadMultiplier: 1.65,
    minOffsetBps: 8,
  },
  {
    name: 'meme',
    price: 0.0041,
    tickBps: 1.2,
    spreadTicks: 8,
    volBps: 3.8,
    uninformed: 17,
    reachBps: 20.5,
    informed: 36,
    jumpBps: 13,
    lagS: 3,
    makerFeeBps: 0,
    takerFeeBps: 2.5,
    orderUsd: 220,
    spreadMultiplier: 1.75,
    minOffsetBps: 12,
  },
];

/** Factors on the market from an hour on. `trend`: bps a minute in episodes of some tens of minutes. */
export type Phase = { fromH: number; uninformed: number; informed: number; jump: number; trend: number };

export type Scenario = {
  name: string;
  /** Factor on the tuned base env's spread and offset. */
  width: number;
  phases: readonly Phase[];
  /** Hour from which the instance is degraded; null = healthy throughout. */
  onsetH: number | null;
};

const NORMAL: Phase = { fromH: 0, uninformed: 1, informed: 1, jump: 1, trend: 0 };

export const SCENARIOS: readonly Scenario[] = [
  { name: 'tuned', width: 1, phases: [NORMAL], onsetH: null },
  { name: 'decent', width: 0.92, phases: [NORMAL], onsetH: null },
  { name: 'too tight', width: 0.5, phases: [NORMAL], onsetH: 0 },
  { name: 'trend shift', width: 1, phases: [NORMAL, { ...NORMAL, fromH: 14, trend: 1 }], onsetH: 14 },
  { name: 'too wide', width: 2, phases: [NORMAL], onsetH: null },
  {
    name: 'dead',
    width: 1,
    phases: [NORMAL, { fromH: 10, uninformed: 0.08, informed: 4.2, jump: 1.7, trend: 0 }],
    onsetH: 10,
  },
  {
    name: 'healing',
    width: 1,
    phases: [NORMAL, { fromH: 10, uninformed: 0.7, informed: 3, jump: 1.5, trend: 0 }, { ...NORMAL, fromH: 26 }],
    onsetH: 10,
  },
];

/** The base env of a scenario in a market; every tunable key is named. */
export function baseEnv(market: Market, scenario: Scenario): Record<string, string> {
  return {
    MM_MARKET_NAME: `${market.name.toUpperCase()}-USD`,
    MM_OFFSET_MODE: 'dynamic',
    MM_MAX_POSITION_SIZE: String(Number(((12 * market.orderUsd) / market.price).toPrecision(4))),
    MM_NUM_PRICE_LEVELS: '2',
    MM_SPREAD_MULTIPLIER: (market.spreadMultiplier * scenario.width).toFixed(2),
    MM_MIN_OFFSET_BPS: Math.max(0.5, market.minOffsetBps * scenario.width).toFixed(1),
    MM_MAX_OFFSET_BPS: '100',
    MM_MIN_SPREAD_BPS: '0',
    MM_REPRICE_TOLERANCE_PERCENT: '0.3',
    MM_MIN_REPRICE_INTERVAL_S: '1',
    MM_MAX_ORDER_AGE_S: '60',
    MM_MIN_REPRICE_MOVE_TICKS: '2',
    MM_MIN_REPRICE_EDGE_DELTA_BPS: '0.5',
    MM_POST_ONLY_SAFETY_TICKS: '2',
    MM_ADAPTIVE_POF_ENABLED: 'true',
    MM_POF_MAX_SAFETY_TICKS: '8',
    MM_POF_BACKOFF_MULTIPLIER: '1.7',
    MM_POF_STREAK_RESET_S: '45',
    MM_INVENTORY_SKEW_FACTOR: '0.5',
    MM_INVENTORY_DEADBAND_PCT: '0.10',
    MM_SKEW_SHAPE_K: '2.0',
    MM_SKEW_MAX_BPS: (3 * market.minOffsetBps).toFixed(0),
    MM_MICRO_VOL_WINDOW_S: '5',
    MM_MICRO_VOL_MAX_BPS: (16 * market.volBps).toFixed(1),
    MM_MICRO_DRIFT_WINDOW_S: '3',
    MM_MICRO_DRIFT_MAX_BPS: (12 * market.volBps).toFixed(1),
    MM_VOLATILITY_OFFSET_MULTIPLIER: '0.35',
    MM_IMBALANCE_WINDOW_S: '2',
    MM_IMBALANCE_PAUSE_THRESHOLD: '0.70',
    MM_CIRCUIT_BREAKER_MAX_FAILURES: '5',
    MM_CIRCUIT_BREAKER_COOLDOWN_S: '30',
    MM_FAILURE_WINDOW_S: '60',
    MM_FAILURE_RATE_TRIP: '0.35',
    MM_MIN_ATTEMPTS_FOR_BREAKER: '10',
  };
}
