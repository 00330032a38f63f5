/** The demo's three markets: a model market each, listed on a price and a size grid. */
import { type Grid, gridStep } from './grid.ts';
import { MARKETS, type Market } from './model/scenarios.ts';

export type Listing = {
  market: string;
  tick: Grid;
  lot: Grid;
  /** Price of the first mid; a tick of the model is one of these. */
  startTicks: number;
  minLots: number;
  /** Size of one quote before MM_ORDER_SIZE_MULTIPLIER. */
  orderLots: number;
  /** How it moves and who trades in it; prices in bps from the start price. */
  model: Market;
};

/** An equity, a middling coin and a jumpy coin. */
export const LISTINGS = {
  'AMZN-USD': listing('AMZN-USD', 'equity', { unit: 1, scale: 2 }, { unit: 1, scale: 2 }, 20_000),
  'MON-USD': listing('MON-USD', 'crypto', { unit: 1, scale: 6 }, { unit: 10, scale: 0 }, 25_000),
  'PUMP-USD': listing('PUMP-USD', 'meme', { unit: 5, scale: 7 }, { unit: 100, scale: 0 }, 8_400),
} as const satisfies Record<string, Listing>;

export type MarketName = keyof typeof LISTINGS;

function listing(market: string, name: string, tick: Grid, lot: Grid, startTicks: number): Listing {
  const found = MARKETS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no model market ${name}`);
  const model = { ...found, price: startTicks * gridStep(tick), tickBps: 1e4 / startTicks };
  const orderLots = Math.round(model.orderUsd / model.price / gridStep(lot));
  return { market, tick, lot, startTicks, minLots: 1, orderLots, model };
}
