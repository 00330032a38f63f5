/** One listed market of the model with our bot in it, one second a step: what happens, in ticks and lots. */
import type { Listing } from './listings.ts';
import { cancelAll, startBot, stepBot, usd } from './model/bot.ts';
import { type MarketState, newMarket, type Second, stepMarket } from './model/market.ts';
import type { Scenario } from './model/scenarios.ts';
import type { Bot, Happened, Money, Quote } from './model/state.ts';

export type Side = 'buy' | 'sell';
/** `placedAt` in seconds since the market began. */
export type Order = { id: number; side: Side; level: number; ticks: number; lots: number; placedAt: number };
export type Book = { bidTicks: number; askTicks: number; imbalance: number };

type At = { atS: number; book: Book; positionLots: number };
/** What happened, in order of time; `atS` seconds since the market began. */
export type Happening = At &
  (
    | { kind: 'placed' | 'failed'; order: Order }
    | { kind: 'cancelled'; order: Order; reason: string }
    | { kind: 'rejected'; order: Order; reason: 'POST_ONLY_FAILED' }
    | { kind: 'fill'; trade: number; order: Order; lots: number /** Quote currency. */; fee: number; taker: boolean }
    | { kind: 'decision'; order: Order; targetTicks: number; reason: string }
    | { kind: 'book'; circuitOpen: boolean }
  );

export type SimContext = { listing: Listing; scenario: Scenario; values: Readonly<Record<string, string>> };

/** The market's state outlives the bot and goes to the next one; `bot` and the numbers belong to one run. */
export type Sim = { state: MarketState; bot: Bot; trades: number };

/** A fresh market. */
export function startMarket({ listing }: Pick<SimContext, 'listing'>, seed: number): MarketState {
  return newMarket(listing.model, seed, 0);
}

/** A bot with nothing resting in a market, fresh or gone on; its own chances depend on the seed and the moment. */
export function joinMarket(ctx: SimContext, state: MarketState, seed: number, positionLots = 0): Sim {
  const { listing, values } = ctx;
  const money: Money = { scoredUsd: 0, rawUsd: 0, fills: 0 };
  const orderQty = quantity(listing, orderLots(ctx));
  const bot = startBot(listing.model, values, money, seed * 100_003 + state.second.ts, null, orderQty);
  const sim = { state, bot, trades: 0 };
  holdPosition(sim, listing, positionLots);
  return sim;
}

/** One second: the market moves, takers hit what rests, then the bot looks. Appends to `out`; changes `sim` in place. */
export function stepSim(sim: Sim, ctx: SimContext, out: Happening[]): void {
  const second = stepAlone(sim.state, ctx);
  listen(sim, ctx, out);
  stepBot(sim.bot, second);
  if (second.ts % 60 !== 0) return;
  out.push({ ...stamp(sim, ctx, 0.95), kind: 'book', circuitOpen: second.ts < sim.bot.brokenUntil });
}

/** One second of the market without the bot (stopped, parked). */
export function stepAlone(state: MarketState, { listing, scenario }: Pick<SimContext, 'listing' | 'scenario'>): Second {
  return stepMarket(state, listing.model, scenario, state.second.ts / 3600);
}

/** Cancels everything that rests. */
export function leaveMarket(sim: Sim, ctx: SimContext, out: Happening[]): void {
  listen(sim, ctx, out);
  cancelAll(sim.bot, sim.state.second, 'terminal');
}

/** What rests now. */
export function restingOrders({ bot }: Sim, ctx: SimContext): Order[] {
  return bot.slots.flatMap((slot) => (slot.price === null ? [] : [orderOf(ctx, { ...slot, price: slot.price })]));
}

/** The best prices, rounded away from the mid: a quote is refused as taking exactly when it reaches the other side's. */
export function bookOf({ listing }: Pick<SimContext, 'listing'>, { mid, spread, imbalance }: Second): Book {
  const { startTicks, model } = listing;
  const bidTicks = startTicks + Math.floor((mid - spread / 2) / model.tickBps);
  const askTicks = startTicks + Math.ceil((mid + spread / 2) / model.tickBps);
  return { bidTicks, askTicks, imbalance };
}

/** The position in whole lots, signed. */
export function positionLots({ bot }: Sim, { lot }: Listing): number {
  return Math.round((bot.position * 10 ** lot.scale) / lot.unit);
}

/** Takes over what the venue says is held. */
export function holdPosition({ bot }: Sim, listing: Listing, lots: number): void {
  bot.position = quantity(listing, lots);
}

/** Cash plus position at the mid less fees, in quote currency. */
export function equity({ bot, state }: Sim): number {
  return bot.cash + bot.position * usd(bot.market, state.second.mid);
}

/** Size of one quote under these env values. */
export function orderLots({ listing, values }: Pick<SimContext, 'listing' | 'values'>): number {
  const multiplier = Number(values['MM_ORDER_SIZE_MULTIPLIER'] ?? 1);
  return Math.max(listing.minLots, Math.floor(listing.orderLots * multiplier));
}

function quantity({ lot }: Listing, lots: number): number {
  return (lots * lot.unit) / 10 ** lot.scale;
}

function listen(sim: Sim, ctx: SimContext, out: Happening[]): void {
  sim.bot.sink = (_bot, _second, happened) => out.push(onGrid(sim, ctx, happened));
}

/** Fills of a second come before the bot's answers to it. */
function onGrid(sim: Sim, ctx: SimContext, happened: Happened): Happening {
  const order = orderOf(ctx, happened.quote);
  switch (happened.kind) {
    case 'fill': {
      sim.trades += 1;
      const { feeUsd: fee } = happened;
      return { ...stamp(sim, ctx, 0.2), kind: 'fill', trade: sim.trades, order, lots: order.lots, fee, taker: false };
    }
    case 'rejected':
      return { ...stamp(sim, ctx, ANSWER_S), kind: 'rejected', order, reason: 'POST_ONLY_FAILED' };
    case 'cancelled':
      return { ...stamp(sim, ctx, ANSWER_S), kind: 'cancelled', order, reason: happened.reason };
    case 'moving': {
      const targetTicks = ticksOf(ctx, happened.target);
      return {
        ...stamp(sim, ctx, ANSWER_S),
        kind: 'decision',
        order,
        targetTicks,
        reason: `replace_${happened.reason}`,
      };
    }
    case 'placed':
    case 'failed':
      return { ...stamp(sim, ctx, ANSWER_S), kind: happened.kind, order };
  }
}

/** Where in a second the bot answers. */
const ANSWER_S = 0.6;

function stamp(sim: Sim, ctx: SimContext, offsetS: number): At {
  const { second } = sim.state;
  return { atS: second.ts - 1 + offsetS, book: bookOf(ctx, second), positionLots: positionLots(sim, ctx.listing) };
}

function orderOf(ctx: SimContext, { id, sign, level, price, placedAt }: Quote): Order {
  const side = sign > 0 ? 'buy' : 'sell';
  return { id, side, level, ticks: ticksOf(ctx, price), lots: orderLots(ctx), placedAt: placedAt - 1 + ANSWER_S };
}

function ticksOf({ listing }: SimContext, bps: number): number {
  return listing.startTicks + Math.round(bps / listing.model.tickBps);
}
