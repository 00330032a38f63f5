/**
 * A small, seeded market with the bot's quotes in it, one second a step.
 *
 * A fair price diffuses and jumps; the book's mid follows it with a lag. Informed takers arrive with a jump they already
 * know, and hit every quote that is still on the wrong side of the fair price; uninformed takers arrive on either side
 * and reach an exponential distance into the book. So a quote that is too near the mid earns little on many fills and
 * loses more to the informed; a wider one is out of their reach.
 */
import { gridStep } from './grid.ts';
import {
  type Book,
  type Desk,
  notePostOnly,
  type Order,
  openDesk,
  type QuoteAction,
  type QuoteSettings,
  requote,
  type Side,
  type Slot,
  sizeFor,
} from './quoting.ts';
import { normal, type Rng, seedRng, uniform } from './rng.ts';
import type { MarketParams, Phase, Scenario } from './scenarios.ts';

/** The market without us; plain data. Prices in bps from the start price. */
export type World = {
  /** Seconds since the scenario began. */
  nowS: number;
  rng: Rng;
  fairBps: number;
  midBps: number;
  /** Factor on the volatility, until `calmUntilS`. */
  regime: number;
  regimeUntilS: number;
  spreadTicks: number;
  book: Book;
  /** The book a moment ago: what a slow decision was made on. */
  lastBook: Book;
  trend: { untilS: number; sign: 1 | -1 } | null;
};

export type Sim = { world: World; desk: Desk };

export type SimContext = { params: MarketParams; scenario: Scenario; settings: QuoteSettings };

type At = { atS: number; book: Book; positionLots: number };
/** What happened, in order of time. Prices in ticks, sizes in lots, `atS` seconds since the scenario began. */
export type Happening = At &
  (
    | { kind: 'placed'; order: Order }
    | { kind: 'cancelled'; order: Order; reason: string }
    | { kind: 'rejected'; order: Order; reason: 'POST_ONLY_FAILED' }
    | {
        kind: 'fill';
        trade: number;
        order: Order;
        lots: number;
        /** Quote currency. */
        fee: number;
        taker: boolean;
        informed: boolean;
      }
    | { kind: 'decision'; order: Order; targetTicks: number; reason: string }
    | { kind: 'book' }
  );

/** A fresh market with an empty desk. */
export function startSim(ctx: SimContext, seed: number): Sim {
  const rng = seedRng(seed);
  const { spreadTicks } = ctx.params;
  const book = bookAt(ctx.params, 0, spreadTicks, 0);
  const world: World = {
    nowS: 0,
    rng,
    fairBps: 0,
    midBps: 0,
    regime: 1,
    regimeUntilS: 0,
    spreadTicks,
    book,
    lastBook: book,
    trend: null,
  };
  return { world, desk: openDesk(ctx.settings, 0, 1, 1) };
}

/** One second: the market moves, takers hit what rests, then the bot looks. Appends to `out`; changes `sim` in place. */
export function stepSim(sim: Sim, ctx: SimContext, out: Happening[]): void {
  const { world, desk } = sim;
  const phase = phaseAt(ctx.scenario, world.nowS);
  const flow = stepWorld(world, ctx.params, ctx.scenario, phase);
  if (flow.informed !== 0) informedTakes(sim, ctx, flow.informed, out);
  if (flow.buyReachBps >= 0) uninformedTakes(sim, ctx, 'sell', flow.buyReachBps, out);
  if (flow.sellReachBps >= 0) uninformedTakes(sim, ctx, 'buy', flow.sellReachBps, out);
  moveBook(world, ctx.params);
  crossedTakes(sim, ctx, out);
  const actions: QuoteAction[] = [];
  const seen = uniform(world.rng) < 0.3 ? world.lastBook : world.book;
  requote(desk, ctx.settings, seen, world.nowS, world.rng, actions);
  for (const action of actions) act(sim, ctx, action, out);
  if (world.nowS % 60 === 0) out.push({ ...stamp(sim, 0.95), kind: 'book' });
}

/** One second of the market without the bot (stopped, parked). */
export function stepAlone(world: World, ctx: Pick<SimContext, 'params' | 'scenario'>): void {
  stepWorld(world, ctx.params, ctx.scenario, phaseAt(ctx.scenario, world.nowS));
  moveBook(world, ctx.params);
}

/** Cancels everything that rests. */
export function cancelAll(sim: Sim, reason: string, out: Happening[]): void {
  for (const slot of sim.desk.slots) if (slot.order !== null) cancel(sim, slot, reason, 0.97, out);
}

/** Closes the position as a taker at the far side plus `slippageBps`. */
export function flatten(sim: Sim, ctx: SimContext, slippageBps: number, out: Happening[]): void {
  const { desk, world } = sim;
  if (desk.positionLots === 0) return;
  const side: Side = desk.positionLots > 0 ? 'sell' : 'buy';
  const slip = Math.ceil((world.book.askTicks * slippageBps) / 1e4);
  const ticks = side === 'sell' ? world.book.bidTicks - slip : world.book.askTicks + slip;
  const order: Order = {
    id: desk.nextOrder++,
    side,
    level: -1,
    ticks,
    lots: Math.abs(desk.positionLots),
    placedAt: world.nowS,
  };
  fill(sim, ctx, order, order.lots, { taker: true, informed: false }, 0.98, out);
}

/** Cash plus position at the mid less fees, in quote currency. */
export function equity(sim: Sim, params: MarketParams): number {
  const mid = (sim.world.book.bidTicks + sim.world.book.askTicks) / 2;
  const money = gridStep(params.tick) * gridStep(params.lot);
  return (sim.desk.cash + sim.desk.positionLots * mid) * money - sim.desk.fees;
}

type Flow = { informed: 0 | 1 | -1; buyReachBps: number; sellReachBps: number };

function stepWorld(world: World, params: MarketParams, scenario: Scenario, phase: Phase | null): Flow {
  const { rng } = world;
  world.nowS += 1;
  if (world.nowS >= world.regimeUntilS) {
    world.regime = [0.7, 1, 1, 1.5][Math.floor(uniform(rng) * 4)]!;
    world.regimeUntilS = world.nowS + 600 + uniform(rng) * 2400;
  }
  world.fairBps += params.volBps * (phase?.vol ?? 1) * world.regime * normal(rng) + trendBps(world, scenario);
  // A weak pull home keeps a market that runs for months on its price grid.
  world.fairBps -= world.fairBps * 2e-7;
  const flow: Flow = { informed: 0, buyReachBps: -1, sellReachBps: -1 };
  if (uniform(rng) < (params.informedPerHour * (phase?.informed ?? 1)) / 3600) {
    flow.informed = uniform(rng) < 0.5 ? 1 : -1;
    world.fairBps +=
      flow.informed * params.jumpBps * (phase?.jump ?? 1) * (1 + params.jumpWidth * (2 * uniform(rng) - 1));
  }
  const arrival = (params.uninformedPerHour * (phase?.uninformed ?? 1)) / 3600;
  const reach = params.reachBps * (phase?.reach ?? 1);
  if (uniform(rng) < arrival) flow.buyReachBps = 0 - reach * Math.log(1 - uniform(rng));
  if (uniform(rng) < arrival) flow.sellReachBps = 0 - reach * Math.log(1 - uniform(rng));
  return flow;
}

function trendBps(world: World, scenario: Scenario): number {
  const { trends } = scenario;
  if (trends === null) return 0;
  if (world.trend !== null && world.nowS >= world.trend.untilS) world.trend = null;
  if (world.trend === null && uniform(world.rng) < 1 / (trends.everyH * 3600)) {
    world.trend = { untilS: world.nowS + trends.forMin * 60, sign: uniform(world.rng) < 0.5 ? 1 : -1 };
  }
  return world.trend === null ? 0 : (world.trend.sign * trends.driftBpsPerMin) / 60;
}

function moveBook(world: World, params: MarketParams): void {
  const { rng } = world;
  world.midBps += params.pullPerS * (world.fairBps - world.midBps);
  if (uniform(rng) < 1 / 45) world.spreadTicks = Math.max(1, params.spreadTicks + Math.floor(uniform(rng) * 3) - 1);
  const gap = world.fairBps - world.midBps;
  const imbalance = Math.max(-1, Math.min(1, 0.75 * Math.tanh(gap / 4) + 0.18 * normal(rng)));
  world.lastBook = world.book;
  world.book = bookAt(params, world.midBps, world.spreadTicks, imbalance);
}

function bookAt(params: MarketParams, midBps: number, spreadTicks: number, imbalance: number): Book {
  const bidTicks = Math.round(params.startTicks * (1 + midBps / 1e4) - spreadTicks / 2);
  return { bidTicks, askTicks: bidTicks + spreadTicks, imbalance };
}

/** They take every quote that is worse than the fair price by more than their cost, before the book has moved. */
function informedTakes(sim: Sim, ctx: SimContext, direction: 1 | -1, out: Happening[]): void {
  const { params } = ctx;
  const hit: Side = direction > 0 ? 'sell' : 'buy';
  for (const slot of sim.desk.slots) {
    if (slot.side !== hit || slot.order === null) continue;
    const priceBps = (slot.order.ticks / params.startTicks - 1) * 1e4;
    if (direction * (sim.world.fairBps - priceBps) > params.takerCostBps) take(sim, ctx, slot, 1e12, true, 0.2, out);
  }
}

function uninformedTakes(sim: Sim, ctx: SimContext, hit: Side, reachBps: number, out: Happening[]): void {
  const { world, desk } = sim;
  const mid = (world.book.bidTicks + world.book.askTicks) / 2;
  let lots = Math.ceil(ctx.params.orderLots * (0.4 + 1.6 * uniform(world.rng)));
  for (const slot of desk.slots) {
    if (slot.side !== hit || slot.order === null || lots <= 0) continue;
    const distance = ((hit === 'sell' ? slot.order.ticks - mid : mid - slot.order.ticks) / mid) * 1e4;
    if (distance <= reachBps) lots -= take(sim, ctx, slot, lots, false, 0.3, out);
  }
}

/** The book has moved through a resting quote: it is gone. */
function crossedTakes(sim: Sim, ctx: SimContext, out: Happening[]): void {
  const { bidTicks, askTicks } = sim.world.book;
  for (const slot of sim.desk.slots) {
    if (slot.order === null) continue;
    const crossed = slot.side === 'buy' ? askTicks <= slot.order.ticks : bidTicks >= slot.order.ticks;
    if (crossed) take(sim, ctx, slot, 1e12, true, 0.4, out);
  }
}

function take(
  sim: Sim,
  ctx: SimContext,
  slot: Slot,
  maxLots: number,
  informed: boolean,
  offsetS: number,
  out: Happening[],
): number {
  const order = slot.order!;
  const lots = Math.min(order.lots, maxLots);
  fill(sim, ctx, order, lots, { taker: false, informed }, offsetS, out);
  slot.order = lots === order.lots ? null : { ...order, lots: order.lots - lots };
  return lots;
}

function fill(
  sim: Sim,
  { params }: SimContext,
  order: Order,
  lots: number,
  how: { taker: boolean; informed: boolean },
  offsetS: number,
  out: Happening[],
): void {
  const { desk } = sim;
  const sign = order.side === 'buy' ? 1 : -1;
  desk.positionLots += sign * lots;
  desk.cash -= sign * lots * order.ticks;
  const notional = lots * order.ticks * gridStep(params.tick) * gridStep(params.lot);
  const fee = (notional * (how.taker ? params.takerFeeBps : params.makerFeeBps)) / 1e4;
  desk.fees += fee;
  out.push({ ...stamp(sim, offsetS), kind: 'fill', trade: desk.nextTrade++, order, lots, fee, ...how });
}

function act(sim: Sim, ctx: SimContext, action: QuoteAction, out: Happening[]): void {
  const { world, desk } = sim;
  const { slot } = action;
  if (action.kind === 'cancel') {
    cancel(sim, slot, action.reason, 0.6, out);
    return;
  }
  if (action.kind === 'decide') {
    const order = slot.order!;
    out.push({ ...stamp(sim, 0.6), kind: 'decision', order, targetTicks: action.targetTicks, reason: action.reason });
    return;
  }
  const lots = sizeFor(desk, slot, ctx.settings);
  if (lots === 0) return;
  const order: Order = {
    id: desk.nextOrder++,
    side: slot.side,
    level: slot.level,
    ticks: action.ticks,
    lots,
    placedAt: world.nowS,
  };
  out.push({ ...stamp(sim, 0.6), kind: 'placed', order });
  const takes = slot.side === 'buy' ? action.ticks >= world.book.askTicks : action.ticks <= world.book.bidTicks;
  if (takes) {
    notePostOnly(slot, ctx.settings, world.nowS);
    out.push({ ...stamp(sim, 0.6), kind: 'rejected', order, reason: 'POST_ONLY_FAILED' });
  } else {
    slot.order = order;
  }
}

function cancel(sim: Sim, slot: Slot, reason: string, offsetS: number, out: Happening[]): void {
  out.push({ ...stamp(sim, offsetS), kind: 'cancelled', order: slot.order!, reason });
  slot.order = null;
}

/** Fills of a second come before the bot's answers to it. */
function stamp(sim: Sim, offsetS: number): At {
  return { atS: sim.world.nowS - 1 + offsetS, book: sim.world.book, positionLots: sim.desk.positionLots };
}

function phaseAt(scenario: Scenario, nowS: number): Phase | null {
  const hour = nowS / 3600;
  for (const phase of scenario.phases) {
    if (hour >= phase.fromH && (phase.toH === null || hour < phase.toH)) return phase;
  }
  return null;
}
