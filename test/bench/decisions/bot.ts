/** The bot: env values in, quotes, fills and journal events out. Every tunable key acts. */
import type { JournalEvent } from '../../../src/core/journal/types.ts';
import type { Second } from './market.ts';
import { newRng, type Rng, uniform } from './rng.ts';
import type { Market } from './scenarios.ts';

export type Settings = {
  levels: number;
  spreadMultiplier: number;
  minOffset: number;
  maxOffset: number;
  minSpread: number;
  tolerance: number;
  interval: number;
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
};

type Slot = {
  sign: 1 | -1;
  level: number;
  /** bps; null = no order. */
  price: number | null;
  placedAt: number;
  decidedAt: number;
  pausedUntil: number;
  pofStreak: number;
  lastPofAt: number;
};

/** What an instance-run earned, USD. */
export type Money = {
  /** Against what the asset was worth just after each fill, plus expected drift on the inventory, less all costs: little noise. */
  scoredUsd: number;
  /** Cash and inventory at the mid, less fees and closing costs. */
  rawUsd: number;
  fills: number;
};

export type Bot = {
  market: Market;
  settings: Settings;
  slots: Slot[];
  rng: Rng;
  position: number;
  cash: number;
  money: Money;
  imbalance: number;
  mids: number[];
  attempts: { ts: number; failed: boolean }[];
  brokenUntil: number;
  runId: string;
  trade: number;
  sink: ((event: JournalEvent) => void) | null;
};

export function settingsOf(values: Readonly<Record<string, string>>): Settings {
  const n = (key: string): number => Number(values[`MM_${key}`]);
  return {
    levels: n('NUM_PRICE_LEVELS'),
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
    pofAdaptive: values['MM_ADAPTIVE_POF_ENABLED'] === 'true',
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
    maxPosition: n('MAX_POSITION_SIZE'),
  };
}

/** A bot that begins flat; its money goes on from the run before. */
export function startBot(
  market: Market,
  values: Readonly<Record<string, string>>,
  money: Money,
  seed: number,
  sink: Bot['sink'],
): Bot {
  const settings = settingsOf(values);
  const slots: Slot[] = [];
  for (let level = 0; level < settings.levels; level += 1) {
    for (const sign of [1, -1] as const) {
      slots.push({ sign, level, price: null, placedAt: 0, decidedAt: 0, pausedUntil: 0, pofStreak: 0, lastPofAt: 0 });
    }
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
    runId: `run${seed}`,
    trade: 0,
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
  if (bot.sink !== null) beat(bot, second);
}

/** Cancels, closes at the far side of the book plus slippage, and settles. */
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

const TAKER_COST_BPS = 0.5;
const SLIPPAGE_BPS = 2;
const API_FAILURE = 0.003;

export function usd(market: Market, bps: number): number {
  return market.price * (1 + bps / 1e4);
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
  const qty = orderQty(market);
  const notional = price * qty;
  const fee = (notional * market.makerFeeBps) / 1e4;
  bot.position += slot.sign * qty;
  bot.cash -= slot.sign * notional + fee;
  money.scoredUsd += slot.sign * (usd(market, second.fair) - price) * qty - fee;
  money.fills += 1;
  slot.price = null;
  slot.decidedAt = second.ts;
  if (bot.sink === null) return;
  const mid = usd(market, second.mid);
  bot.trade += 1;
  bot.sink({
    ...common(bot, second, 0.2),
    mid,
    position: String(bot.position),
    type: 'fill',
    tradeId: `${bot.runId}-${bot.trade}`,
    side: slot.sign > 0 ? 'buy' : 'sell',
    sideText: slot.sign > 0 ? 'BUY' : 'SELL',
    price: String(price),
    qty: String(qty),
    fee: String(fee),
    isTaker: false,
    level: slot.level,
    edgeBps: null,
    edgeRecomputedBps: (slot.sign * (mid - price) * 1e4) / mid,
    bestBid: null,
    bestAsk: null,
    spreadBps: second.spread,
    quoteLifetimeMs: null,
  });
}

function orderQty(market: Market): number {
  return Number((market.orderUsd / market.price).toPrecision(3));
}

function requote(bot: Bot, second: Second, seenMid: number): void {
  const { settings: s, market } = bot;
  const weight = 1 / Math.max(1, s.imbalanceWindow);
  bot.imbalance += weight * (second.imbalance - bot.imbalance);
  const vol = microVol(bot, s.volWindow);
  const drift = microDrift(bot, s.driftWindow);
  // Now and then the bot's picture of the book is a second old.
  const mid = uniform(bot.rng) < 0.25 ? seenMid : second.mid;
  const wide = Math.min(s.maxOffset, Math.max(s.minOffset, s.spreadMultiplier * second.spread));
  const offset = wide + s.volOffset * Math.max(0, vol - 2 * market.volBps);
  const skew = skewOf(bot);
  const broken = second.ts < bot.brokenUntil;
  for (const slot of bot.slots) {
    if (second.ts - slot.decidedAt < s.interval) continue;
    slot.decidedAt = second.ts;
    if (broken || blocked(bot, slot, second, vol, drift)) {
      if (slot.price !== null) cancel(bot, slot, second);
      continue;
    }
    if (second.ts < slot.pausedUntil) continue;
    const own = offset * (1 + 0.5 * slot.level);
    const target = targetOf(bot, slot, second, mid, own, skew);
    if (slot.price === null) place(bot, slot, second, target);
    else if (due(bot, slot, second, target, own)) {
      cancel(bot, slot, second);
      place(bot, slot, second, target);
    }
  }
}

function due({ settings: s, market }: Bot, slot: Slot, second: Second, target: number, offset: number): boolean {
  if (s.maxAge > 0 && second.ts - slot.placedAt >= s.maxAge) return true;
  const moved = Math.abs(target - slot.price!);
  return moved > s.tolerance * offset && moved >= s.moveTicks * market.tickBps && moved >= s.edgeDelta;
}

function targetOf(
  { settings: s, market }: Bot,
  slot: Slot,
  second: Second,
  mid: number,
  offset: number,
  skew: number,
): number {
  const streak = s.pofAdaptive && second.ts - slot.lastPofAt <= s.pofReset ? slot.pofStreak : 0;
  const safety = Math.min(s.safetyTicks + streak, Math.max(s.safetyTicks, s.pofMaxTicks)) * market.tickBps;
  const far = mid + (slot.sign * second.spread) / 2;
  const wanted = mid - slot.sign * offset - skew;
  const safe = slot.sign > 0 ? Math.min(wanted, far - safety) : Math.max(wanted, far + safety);
  const ticks = safe / market.tickBps;
  return (slot.sign > 0 ? Math.floor(ticks) : Math.ceil(ticks)) * market.tickBps;
}

function blocked(bot: Bot, slot: Slot, second: Second, vol: number, drift: number): boolean {
  const { settings: s } = bot;
  if (second.spread < s.minSpread) return true;
  if (slot.sign * bot.position >= 0.95 * s.maxPosition) return true;
  // Against a sell speaks a book full of bids and a price on its way up.
  if (-slot.sign * bot.imbalance > s.imbalancePause) return true;
  return vol > s.volMax || -slot.sign * drift > s.driftMax;
}

function skewOf({ settings: s, position }: Bot): number {
  const share = Math.min(1, Math.abs(position) / s.maxPosition);
  if (share <= s.deadband) return 0;
  const u = (share - s.deadband) / (1 - s.deadband);
  const shaped = s.skewShape > 0 ? Math.tanh(s.skewShape * u) / Math.tanh(s.skewShape) : u;
  return Math.sign(position) * s.skewFactor * s.skewMax * shaped;
}

/** Root of the summed squares of the mid's moves in the window, bps. */
function microVol({ mids }: Bot, windowS: number): number {
  let sum = 0;
  for (let at = Math.max(1, mids.length - Math.round(windowS)); at < mids.length; at += 1) {
    sum += (mids[at]! - mids[at - 1]!) ** 2;
  }
  return Math.sqrt(sum);
}

function microDrift({ mids }: Bot, windowS: number): number {
  const first = mids[Math.max(0, mids.length - 1 - Math.round(windowS))];
  return first === undefined ? 0 : mids.at(-1)! - first;
}

function place(bot: Bot, slot: Slot, second: Second, price: number): void {
  const { settings: s, market } = bot;
  const failed = uniform(bot.rng) < API_FAILURE;
  trip(bot, second.ts, failed);
  if (failed) {
    bot.sink?.({ ...common(bot, second, 0.6), type: 'error', stackTraceHash: '0a1b2c3d4e5f' });
    return;
  }
  bot.sink?.({
    ...common(bot, second, 0.6),
    mid: usd(market, second.mid),
    type: 'order_placed',
    side: slot.sign > 0 ? 'buy' : 'sell',
    level: slot.level,
    spreadBps: second.spread,
  });
  const far = second.mid + (slot.sign * second.spread) / 2;
  if (slot.sign * (price - far) >= 0) {
    if (second.ts - slot.lastPofAt > s.pofReset) slot.pofStreak = 0;
    slot.pofStreak += 1;
    slot.lastPofAt = second.ts;
    slot.pausedUntil = second.ts + Math.min(30, s.pofBackoff ** slot.pofStreak);
    bot.sink?.({ ...common(bot, second, 0.7), type: 'rejection', reason: 'POST_ONLY_FAILED', postOnly: true });
    return;
  }
  slot.price = price;
  slot.placedAt = second.ts;
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

function cancel(bot: Bot, slot: Slot, second: Second): void {
  slot.price = null;
  bot.sink?.({ ...common(bot, second, 0.5), type: 'order_cancelled', reason: 'reprice' });
}

function beat(bot: Bot, second: Second): void {
  if (second.ts % 30 !== 0) return;
  const position = String(bot.position);
  if (second.ts % 60 !== 0) {
    bot.sink!({ ...common(bot, second, 0.8), position, type: 'heartbeat', activeOrders: bot.slots.length });
    return;
  }
  bot.sink!({ ...common(bot, second, 0.8), position, type: 'heartbeat', activeOrders: bot.slots.length });
  bot.sink!({
    ...common(bot, second, 0.9),
    position,
    mid: usd(bot.market, second.mid),
    type: 'snapshot',
    activeOrders: bot.slots.length,
    circuitOpen: second.ts < bot.brokenUntil,
    bestBid: null,
    bestAsk: null,
    spreadBps: second.spread,
  });
}

/** Within a second: takers first, then what the bot does about it. */
function common(bot: Bot, second: Second, offset: number) {
  return {
    ts: second.ts + offset,
    runId: bot.runId,
    market: '',
    position: null as string | null,
    mid: null as number | null,
  };
}
