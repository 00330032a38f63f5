/**
 * The model market alone, one second a step. It never looks at the bot, so that every engine meets the same days.
 *
 * A fair price diffuses in regimes; what everybody knows moves the book's mid at once. Informed takers come with a jump that
 * the book takes up with a lag only, so they hit every quote that is still on the wrong side of the fair price; uninformed
 * takers come on either side and reach some way into the book. So a quote that is too near the mid earns little on many
 * fills and loses more to the informed; a wider one is out of their reach.
 */
import { exponential, newRng, normal, type Rng, uniform } from './rng.ts';
import type { Market, Phase, Scenario } from './scenarios.ts';

/** What happened in one second. Prices are bps from the start price. */
export type Second = {
  ts: number;
  /** What the asset is worth, and what its expected change a second is (trend). */
  fair: number;
  drift: number;
  /** Middle of the book and its width. */
  mid: number;
  spread: number;
  /** -1..1, positive = more bids. */
  imbalance: number;
  /** A taker who knew of a jump: its signed size, 0 = none. */
  informed: number;
  /** How deep takers without information reached on each side, bps from the mid; negative = none. */
  buyReach: number;
  sellReach: number;
};

/** The market's whole state, plain data: stored and reloaded it goes on the same way. */
export type MarketState = {
  rng: Rng;
  second: Second;
  /** Factor on volatility and informed flow, until `regimeUntil`. */
  regime: number;
  regimeUntil: number;
  trend: number;
  trendUntil: number;
  spreadTicks: number;
};

/** A market before its first second. */
export function newMarket(market: Market, seed: number, startTs: number): MarketState {
  const spread = market.spreadTicks * market.tickBps;
  const second: Second = {
    ts: startTs,
    fair: 0,
    drift: 0,
    mid: 0,
    spread,
    imbalance: 0,
    informed: 0,
    buyReach: -1,
    sellReach: -1,
  };
  return {
    rng: newRng(seed, 1),
    second,
    regime: 1,
    regimeUntil: startTs,
    trend: 0,
    trendUntil: startTs,
    spreadTicks: market.spreadTicks,
  };
}

/** Volatility regimes: most of the time calm or normal, now and then rough. */
const REGIMES = [0.6, 0.8, 1, 1, 1.2, 1.9] as const;
/** Trend episodes and the rests between them, seconds; their strength in root-second volatilities a minute. */
const TREND_S = [45, 100] as const;
const REST_S = [100, 300] as const;
const TREND_STRENGTH = 17;
/** How many more takers come in a trend, and how far they lean the way it goes. */
const TREND_CROWD = 3;
const TREND_LEAN = 0.85;

/** One second on; `hour` is the scenario's clock. Changes `state` in place and gives its `second`. */
export function stepMarket(state: MarketState, market: Market, scenario: Scenario, hour: number): Second {
  const { rng, second } = state;
  const phase = phaseAt(scenario, hour);
  second.ts += 1;
  const draws = [uniform(rng), uniform(rng), uniform(rng), uniform(rng)] as const;
  if (second.ts >= state.regimeUntil) {
    state.regime = REGIMES[Math.floor(uniform(rng) * REGIMES.length)]!;
    state.regimeUntil = second.ts + 900 + 2700 * uniform(rng);
  }
  stepTrend(state, market, phase);
  second.drift = state.trend;
  // What everybody knows moves the book at once; what informed takers know, only as they trade on it.
  const move = state.trend + market.volBps * state.regime * normal(rng);
  second.fair += move;
  second.mid += move;
  second.informed = 0;
  // Informed takers come more often in rough hours.
  if (draws[0] < (market.informed * phase.informed * state.regime) / 3600) {
    const sign = uniform(rng) < 0.5 ? 1 : -1;
    second.informed = sign * market.jumpBps * phase.jump * Math.sqrt(exponential(rng));
    second.fair += second.informed;
  }
  const rate = (market.uninformed * phase.uninformed) / 3600;
  // In a trend the crowd leans the way it goes.
  const lean = state.trend === 0 ? 0 : Math.sign(state.trend) * TREND_LEAN;
  // Nobody reaches far past the usual depth of the book: the tail is thin (Rayleigh).
  const reach = market.reachBps * (0.75 + 0.25 * state.regime);
  const chase = state.trend === 0 ? 1 : TREND_CROWD;
  second.buyReach = draws[1] < rate * chase * (1 + lean) ? reach * Math.sqrt(exponential(rng)) : -1;
  second.sellReach = draws[2] < rate * chase * (1 - lean) ? reach * Math.sqrt(exponential(rng)) : -1;
  second.mid += (second.fair - second.mid) / market.lagS;
  if (draws[3] < 1 / 40) state.spreadTicks = Math.max(1, market.spreadTicks + Math.floor(uniform(rng) * 3) - 1);
  second.spread = state.spreadTicks * market.tickBps;
  const gap = (second.fair - second.mid) / (4 * market.volBps) + Math.sign(state.trend) * 0.35;
  second.imbalance = Math.max(-1, Math.min(1, 0.7 * Math.tanh(gap / 2) + 0.2 * normal(rng)));
  return second;
}

function stepTrend(state: MarketState, market: Market, phase: Phase): void {
  const { rng, second } = state;
  if (phase.trend === 0) {
    state.trend = 0;
    state.trendUntil = second.ts;
    return;
  }
  if (second.ts < state.trendUntil) return;
  const resting = state.trend !== 0;
  const sign = uniform(rng) < 0.5 ? 1 : -1;
  const [low, high] = resting ? REST_S : TREND_S;
  state.trend = resting ? 0 : (sign * phase.trend * TREND_STRENGTH * market.volBps) / 60;
  state.trendUntil = second.ts + low + (high - low) * uniform(rng);
}

function phaseAt({ phases }: Scenario, hour: number): Phase {
  let found = phases[0]!;
  for (const phase of phases) if (hour >= phase.fromH) found = phase;
  return found;
}
