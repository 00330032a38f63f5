/** The model bot: env values in, quotes and fills out. Prices are bps from the start price, quantities base. */
import type { Second } from './market.ts';
import { blockedBy, dueFor, targetOf, viewOf } from './quoting.ts';
import { newRng, uniform } from './rng.ts';
import type { Market } from './scenarios.ts';
import { settingsOf } from './settings.ts';
import type { Bot, Money, Quote, Sink, Slot } from './state.ts';

/** A bot that begins flat; its money goes on from the run before. */
export function startBot(
  market: Market,
  values: Readonly<Record<string, string>>,
  money: Money,
  seed: number,
  sink: Sink | null,
  orderQty: number = orderQtyOf(market),
): Bot {
  const settings = settingsOf(values, market, orderQty);
  const slots: Slot[] = [];
  const empty = { id: 0, price: null, placedAt: 0, decidedAt: 0, pausedUntil: 0, pofStreak: 0, lastPofAt: 0 };
  for (let level = 0; level < settings.levels; level += 1) {
    for (const sign of [1, -1] as const) slots.push({ sign, level, ...empty });
  }
  return {
    market,
    settings,
    slots,
    rng: newRng(seed, 2),
    position: 0,
    cash: 0,
    money,
    imbalance: 0,
    mids: [],
    attempts: [],
    brokenUntil: 0,
    orders: 0,
    sink,
  };
}

/** One second: takers hit what rests, the book crosses what is left behind, then the bot looks. */
export function stepBot(bot: Bot, second: Second): void {
  const { market } = bot;
  const before = bot.mids.at(-1) ?? second.mid;
  bot.money.scoredUsd += (bot.position * usd(market, second.mid) * second.drift) / 1e4;
  if (second.informed !== 0) {
    const dir = Math.sign(second.informed);
    for (const slot of bot.slots) {
      if (slot.price === null || slot.sign === dir) continue;
      if (dir * (second.fair - slot.price) > TAKER_COST_BPS) fill(bot, slot, second);
    }
  }
  if (second.buyReach >= 0) hitOne(bot, -1, second.buyReach, before, second);
  if (second.sellReach >= 0) hitOne(bot, 1, second.sellReach, before, second);
  for (const slot of bot.slots) {
    if (slot.price === null) continue;
    const far = second.mid - (slot.sign * second.spread) / 2;
    if (slot.sign * (slot.price - far) >= second.spread) fill(bot, slot, second);
  }
  bot.mids.push(second.mid);
  if (bot.mids.length > 64) bot.mids.shift();
  requote(bot, second, before);
}

/** Closes at the far side of the book plus slippage, and settles. */
export function stopBot(bot: Bot, second: Second): void {
  const { market, money } = bot;
  const notional = Math.abs(bot.position) * usd(market, second.mid);
  const cost = (notional * (second.spread / 2 + SLIPPAGE_BPS + market.takerFeeBps)) / 1e4;
  money.scoredUsd -= cost;
  money.rawUsd += bot.cash + bot.position * usd(market, second.mid) - cost;
  // What the inventory is worth differs from the mid it is closed at.
  money.scoredUsd -= (bot.position * usd(market, second.mid) * (second.fair - second.mid)) / 1e4;
  bot.position = 0;
  bot.cash = 0;
}

/** Takes back everything that rests. */
export function cancelAll(bot: Bot, second: Second, reason: string): void {
  for (const slot of bot.slots) if (slot.price !== null) cancel(bot, slot, second, reason);
}

/** USD of a price in bps. */
export function usd(market: Market, bps: number): number {
  return market.price * (1 + bps / 1e4);
}

const TAKER_COST_BPS = 0.5;
const SLIPPAGE_BPS = 2;
const API_FAILURE = 0.003;

function orderQtyOf(market: Market): number {
  return Number((market.orderUsd / market.price).toPrecision(3));
}

function hitOne(bot: Bot, sign: 1 | -1, reach: number, mid: number, second: Second): void {
  let best: Slot | null = null;
  for (const slot of bot.slots) {
    if (slot.price === null || slot.sign !== sign) continue;
    if (sign * (mid - slot.price) > reach) continue;
    if (best === null || sign * (slot.price - best.price!) > 0) best = slot;
  }
  if (best !== null) fill(bot, best, second);
}

function fill(bot: Bot, slot: Slot, second: Second): void {
  const { market, money } = bot;
  const price = usd(market, slot.price!);
  const qty = bot.settings.orderQty;
  const notional = price * qty;
  const fee = (notional * market.makerFeeBps) / 1e4;
  bot.position += slot.sign * qty;
  bot.cash -= slot.sign * notional + fee;
  money.scoredUsd += slot.sign * (usd(market, second.fair) - price) * qty - fee;
  money.fills += 1;
  const quote = quoteOf(slot, slot.price!);
  slot.price = null;
  slot.decidedAt = second.ts;
  bot.sink?.(bot, second, { kind: 'fill', quote, feeUsd: fee });
}

function requote(bot: Bot, second: Second, seenMid: number): void {
  const { settings: s } = bot;
  const weight = 1 / Math.max(1, s.imbalanceWindow);
  bot.imbalance += weight * (second.imbalance - bot.imbalance);
  // Now and then the bot's picture of the book is a second old.
  const view = viewOf(bot, second, uniform(bot.rng) < 0.25 ? seenMid : second.mid);
  for (const slot of bot.slots) {
    if (second.ts - slot.decidedAt < s.interval) continue;
    slot.decidedAt = second.ts;
    const block = blockedBy(bot, slot, second, view);
    if (block !== null) {
      if (slot.price !== null) cancel(bot, slot, second, block);
      continue;
    }
    if (second.ts < slot.pausedUntil) continue;
    const offset = view.offset * (1 + 0.5 * slot.level);
    const target = targetOf(bot, slot, second, view, offset);
    if (slot.price === null) {
      place(bot, slot, second, target);
      continue;
    }
    const reason = dueFor(bot, slot, second, target, offset);
    if (reason === null) continue;
    bot.sink?.(bot, second, { kind: 'moving', quote: quoteOf(slot, slot.price), target, reason });
    cancel(bot, slot, second, reason === 'max_age' ? 'max_order_age' : 'reprice');
    place(bot, slot, second, target);
  }
}

function place(bot: Bot, slot: Slot, second: Second, price: number): void {
  const { settings: s } = bot;
  const failed = uniform(bot.rng) < API_FAILURE;
  trip(bot, second.ts, failed);
  bot.orders += 1;
  slot.id = bot.orders;
  slot.placedAt = second.ts;
  if (failed) {
    bot.sink?.(bot, second, { kind: 'failed', quote: quoteOf(slot, price) });
    return;
  }
  bot.sink?.(bot, second, { kind: 'placed', quote: quoteOf(slot, price) });
  const far = second.mid + (slot.sign * second.spread) / 2;
  if (slot.sign * (price - far) >= 0) {
    if (second.ts - slot.lastPofAt > s.pofReset) slot.pofStreak = 0;
    slot.pofStreak += 1;
    slot.lastPofAt = second.ts;
    slot.pausedUntil = second.ts + Math.min(30, s.pofBackoff ** slot.pofStreak);
    bot.sink?.(bot, second, { kind: 'rejected', quote: quoteOf(slot, price) });
    return;
  }
  slot.price = price;
}

/** Too many failed calls in the window: no quotes for a while. */
function trip(bot: Bot, ts: number, failed: boolean): void {
  const { settings: s, attempts } = bot;
  attempts.push({ ts, failed });
  while (attempts[0] !== undefined && attempts[0].ts < ts - s.failureWindow) attempts.shift();
  if (!failed) return;
  const failures = attempts.filter((attempt) => attempt.failed).length;
  const rate = attempts.length >= s.breakerAttempts && failures / attempts.length >= s.failureTrip;
  if (failures >= s.breakerFailures || rate) bot.brokenUntil = ts + s.breakerCooldown;
}

function cancel(bot: Bot, slot: Slot, second: Second, reason: string): void {
  const quote = quoteOf(slot, slot.price!);
  slot.price = null;
  bot.sink?.(bot, second, { kind: 'cancelled', quote, reason });
}

function quoteOf({ id, sign, level, placedAt }: Slot, price: number): Quote {
  return { id, sign, level, price, placedAt };
}
