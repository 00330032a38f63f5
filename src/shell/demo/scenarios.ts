/** The markets and scenarios of the simulated world, as data. All times are journal time. */
import type { Grid } from './grid.ts';

export type MarketParams = {
  market: string;
  tick: Grid;
  lot: Grid;
  startTicks: number;
  minLots: number;
  /** Size of one quote before MM_ORDER_SIZE_MULTIPLIER. */
  orderLots: number;
  /** Diffusion of the fair price, bps per square root of a second. */
  volBps: number;
  /** Share of the gap between fair price and book mid that closes each second. */
  pullPerS: number;
  spreadTicks: number;
  /** Arrivals of each side; each trades up to an exponential distance from the mid with mean `reachBps`. */
  uninformedPerHour: number;
  reachBps: number;
  /** Arrivals of both sides together; each knows that the fair price has just jumped by (1 +- `jumpWidth`) x `jumpBps`. */
  informedPerHour: number;
  jumpBps: number;
  /** Ratio 0..1. */
  jumpWidth: number;
  /** What an informed taker must gain at least. */
  takerCostBps: number;
  makerFeeBps: number;
  takerFeeBps: number;
};

/** A stretch of the day with other flow; factors multiply the market's own numbers. Outside of all phases they are 1. */
export type Phase = {
  fromH: number;
  /** null: for ever. */
  toH: number | null;
  uninformed?: number;
  reach?: number;
  informed?: number;
  jump?: number;
  vol?: number;
};

/** Randomly placed trends: the fair price drifts one way and runs over resting quotes. */
export type Trends = { everyH: number; forMin: number; driftBpsPerMin: number };

export type Scenario = {
  name: string;
  phases: readonly Phase[];
  trends: Trends | null;
  /** Env values in which the scenario's base env differs from the tuned one. */
  env: Readonly<Record<string, string>>;
};

const COMMON = {
  minLots: 1,
  volBps: 0.35,
  pullPerS: 0.12,
  spreadTicks: 5,
  uninformedPerHour: 55,
  reachBps: 4.5,
  informedPerHour: 30,
  jumpBps: 4,
  jumpWidth: 0.5,
  takerCostBps: 0.3,
  makerFeeBps: 0,
  takerFeeBps: 2.5,
} as const;

/** An equity, a middling coin and a jumpy coin. */
export const MARKETS = {
  'AMZN-USD': {
    ...COMMON,
    market: 'AMZN-USD',
    tick: { unit: 1, scale: 2 },
    lot: { unit: 1, scale: 2 },
    startTicks: 22110,
    orderLots: 40,
  },
  'MON-USD': {
    ...COMMON,
    market: 'MON-USD',
    tick: { unit: 1, scale: 6 },
    lot: { unit: 10, scale: 0 },
    startTicks: 31200,
    orderLots: 300,
    volBps: 0.5,
    uninformedPerHour: 70,
    reachBps: 5,
  },
  'PUMP-USD': {
    ...COMMON,
    market: 'PUMP-USD',
    tick: { unit: 1, scale: 7 },
    lot: { unit: 100, scale: 0 },
    startTicks: 42000,
    orderLots: 200,
    volBps: 0.6,
    spreadTicks: 7,
    uninformedPerHour: 80,
    reachBps: 5.5,
    jumpBps: 5,
  },
} as const satisfies Record<string, MarketParams>;

export type MarketName = keyof typeof MARKETS;

/** The seven cases a tuning policy must cope with. */
export const SCENARIOS = {
  tuned: { name: 'tuned', phases: [], trends: null, env: {} },
  decent: { name: 'decent', phases: [], trends: null, env: { MM_SPREAD_MULTIPLIER: '1.6', MM_MIN_OFFSET_BPS: '3.4' } },
  'too-tight': {
    name: 'too-tight',
    phases: [{ fromH: 0, toH: null, informed: 3 }],
    trends: null,
    env: { MM_SPREAD_MULTIPLIER: '0.6', MM_MIN_OFFSET_BPS: '1.8' },
  },
  trend: { name: 'trend', phases: [], trends: { everyH: 3, forMin: 60, driftBpsPerMin: 5 }, env: {} },
  'too-wide': {
    name: 'too-wide',
    phases: [],
    trends: null,
    env: { MM_SPREAD_MULTIPLIER: '5', MM_MIN_OFFSET_BPS: '14' },
  },
  dead: {
    name: 'dead',
    phases: [{ fromH: 0, toH: null, uninformed: 0.15, informed: 3, jump: 4 }],
    trends: null,
    env: {},
  },
  healing: {
    name: 'healing',
    phases: [{ fromH: 6, toH: 24, informed: 8, jump: 1.2 }],
    trends: null,
    env: {},
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;
