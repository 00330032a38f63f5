/** The simulated bot's quoting: env values in, orders out. Each key acts as the real bot's does. */
import { gridStep } from './grid.ts';
import { type Rng, uniform } from './rng.ts';
import type { MarketParams } from './scenarios.ts';

export type QuoteSettings = {
  levels: number;
  /** null: MM_OFFSET_MODE=fixed, where the offset is `fixedOffsetBps` per level. */
  dynamic: { spreadMultiplier: number; minBps: number; maxBps: number } | null;
  fixedOffsetBps: number;
  minSpreadBps: number;
  /** Ratio of the offset. */
  tolerance: number;
  intervalS: number;
  /** 0 = never too old. */
  maxAgeS: number;
  moveTicks: number;
  edgeDeltaBps: number;
  safetyTicks: number;
  pof: { adaptive: boolean; maxTicks: number; backoff: number; resetS: number };
  skew: { factor: number; deadband: number; shapeK: number; maxBps: number };
  hardShare: number;
  imbalancePause: number;
  orderLots: number;
  maxLots: number;
};

export type Side = 'buy' | 'sell';

export type Order = {
  id: number;
  side: Side;
  level: number;
  ticks: number;
  lots: number;
  placedAt: number;
};

/** One place in the ladder: a side and a level, with at most one order. */
export type Slot = {
  side: Side;
  level: number;
  order: Order | null;
  decidedAt: number;
  pausedUntil: number;
  pofStreak: number;
  lastPofAt: number;
};

/** The bot's own books: signed lots, and money in ticks x lots (whole numbers). */
export type Desk = {
  positionLots: number;
  cash: number;
  /** Quote currency. */
  fees: number;
  slots: Slot[];
  nextOrder: number;
  nextTrade: number;
};

export type Book = { bidTicks: number; askTicks: number; imbalance: number };

export type Decision = { slot: Slot; reason: string; targetTicks: number | null };

/** What the quoting asks for at one moment; the caller carries it out in order. */
export type QuoteAction =
  | { kind: 'cancel'; slot: Slot; reason: string }
  | { kind: 'place'; slot: Slot; ticks: number }
  | { kind: 'decide'; slot: Slot; reason: string; targetTicks: number };

/** Settings from env values; a missing key has the bot's default. The caller has checked that numbers are numbers. */
export function quoteSettings(env: Readonly<Record<string, string>>, params: MarketParams): QuoteSettings {
  const n = (key: string, fallback: number) => Number(env[`MM_${key}`] ?? fallback);
  const on = (key: string, fallback: boolean) => /^(1|true|yes|on|t|y)$/i.test(env[`MM_${key}`] ?? String(fallback));
  const fixed = (env['MM_OFFSET_MODE'] ?? 'fixed').trim().toLowerCase() === 'fixed';
  const minBps = n('MIN_OFFSET_BPS', 3);
  return {
    levels: n('NUM_PRICE_LEVELS', 2),
    dynamic: fixed
      ? null
      : { spreadMultiplier: n('SPREAD_MULTIPLIER', 1.5), minBps, maxBps: Math.max(minBps, n('MAX_OFFSET_BPS', 100)) },
    fixedOffsetBps: n('PRICE_OFFSET_PER_LEVEL_PERCENT', 0.3) * 100,
    minSpreadBps: n('MIN_SPREAD_BPS', 0),
    tolerance: n('REPRICE_TOLERANCE_PERCENT', 0.1),
    intervalS: n('MIN_REPRICE_INTERVAL_S', 0.5),
    maxAgeS: n('MAX_ORDER_AGE_S', 15),
    moveTicks: n('MIN_REPRICE_MOVE_TICKS', 2),
    edgeDeltaBps: n('MIN_REPRICE_EDGE_DELTA_BPS', 0.5),
    safetyTicks: n('POST_ONLY_SAFETY_TICKS', 2),
    pof: {
      adaptive: on('ADAPTIVE_POF_ENABLED', true),
      maxTicks: n('POF_MAX_SAFETY_TICKS', 8),
      backoff: n('POF_BACKOFF_MULTIPLIER', 1.7),
      resetS: n('POF_STREAK_RESET_S', 45),
    },
    skew: {
      factor: n('INVENTORY_SKEW_FACTOR', 0.5),
      deadband: n('INVENTORY_DEADBAND_PCT', 0.1),
      shapeK: n('SKEW_SHAPE_K', 2),
      maxBps: n('SKEW_MAX_BPS', 20),
    },
    hardShare: n('INVENTORY_HARD_PCT', 0.95),
    imbalancePause: n('IMBALANCE_PAUSE_THRESHOLD', 0.7),
    orderLots: Math.max(params.minLots, Math.floor(params.orderLots * n('ORDER_SIZE_MULTIPLIER', 1))),
    maxLots: Math.floor(n('MAX_POSITION_SIZE', params.orderLots * gridStep(params.lot) * 10) / gridStep(params.lot)),
  };
}

/** An empty desk with one slot for each side and level. */
export function openDesk(settings: QuoteSettings, positionLots: number, firstOrder: number, firstTrade: number): Desk {
  const slots: Slot[] = [];
  for (let level = 0; level < settings.levels; level += 1) {
    for (const side of ['buy', 'sell'] as const) {
      slots.push({ side, level, order: null, decidedAt: -1e9, pausedUntil: -1e9, pofStreak: 0, lastPofAt: -1e9 });
    }
  }
  return { positionLots, cash: 0, fees: 0, slots, nextOrder: firstOrder, nextTrade: firstTrade };
}

/** Distance of the innermost quote from the mid, bps, before skew. */
export function offsetBps(settings: QuoteSettings, spreadBps: number): number {
  if (settings.dynamic === null) return settings.fixedOffsetBps;
  const { spreadMultiplier, minBps, maxBps } = settings.dynamic;
  return Math.min(maxBps, Math.max(minBps, spreadMultiplier * spreadBps));
}

/** How far both quotes move against the inventory, bps: positive lowers them (long). */
export function skewBps(settings: QuoteSettings, positionLots: number): number {
  const { factor, deadband, shapeK, maxBps } = settings.skew;
  const share = Math.min(1, Math.abs(positionLots) / Math.max(1, settings.maxLots));
  if (share <= deadband) return 0;
  const u = (share - deadband) / (1 - deadband);
  const shaped = shapeK > 0 ? Math.tanh(shapeK * u) / Math.tanh(shapeK) : u;
  return Math.sign(positionLots) * factor * maxBps * shaped;
}

/** Looks at every slot that is due and appends what to do. `seen` is the book the bot knows (it may be a moment old). */
export function requote(
  desk: Desk,
  settings: QuoteSettings,
  seen: Book,
  nowS: number,
  rng: Rng,
  out: QuoteAction[],
): void {
  const mid = (seen.bidTicks + seen.askTicks) / 2;
  const spreadBps = (1e4 * (seen.askTicks - seen.bidTicks)) / mid;
  const offset = offsetBps(settings, spreadBps);
  const skew = skewBps(settings, desk.positionLots);
  for (const slot of desk.slots) {
    if (nowS - slot.decidedAt < settings.intervalS) continue;
    slot.decidedAt = nowS;
    const block = blockedBy(desk, slot, settings, seen, spreadBps);
    if (block !== null) {
      if (slot.order !== null) out.push({ kind: 'cancel', slot, reason: block });
      continue;
    }
    if (nowS < slot.pausedUntil) continue;
    const levelOffset = offset * (1 + 0.5 * slot.level);
    const target = targetTicks(slot, settings, seen, mid, levelOffset, skew, nowS);
    const order = slot.order;
    if (order === null) {
      out.push({ kind: 'place', slot, ticks: target });
      continue;
    }
    const reason = judge(order, target, mid, levelOffset, settings, nowS);
    if (reason.startsWith('replace') || uniform(rng) < 0.02)
      out.push({ kind: 'decide', slot, reason, targetTicks: target });
    if (!reason.startsWith('replace')) continue;
    out.push({ kind: 'cancel', slot, reason: reason === 'replace_max_age' ? 'max_order_age' : 'reprice' });
    out.push({ kind: 'place', slot, ticks: target });
  }
}

/** Size of a new order in a slot: what the cap leaves with everything that rests on this side counted as filled; 0 = none. */
export function sizeFor(desk: Desk, slot: Slot, { maxLots, orderLots }: QuoteSettings): number {
  let left = slot.side === 'buy' ? maxLots - desk.positionLots : maxLots + desk.positionLots;
  for (const other of desk.slots) if (other !== slot && other.side === slot.side) left -= other.order?.lots ?? 0;
  return Math.max(0, Math.min(orderLots, left));
}

/** A placement was refused as it would have taken: back off, and with the adaptive filter stand further away. */
export function notePostOnly(slot: Slot, settings: QuoteSettings, nowS: number): void {
  if (nowS - slot.lastPofAt > settings.pof.resetS) slot.pofStreak = 0;
  slot.pofStreak += 1;
  slot.lastPofAt = nowS;
  slot.pausedUntil = nowS + Math.min(30, settings.pof.backoff ** slot.pofStreak);
}

function blockedBy(desk: Desk, slot: Slot, settings: QuoteSettings, seen: Book, spreadBps: number): string | null {
  if (spreadBps < settings.minSpreadBps) return 'min_spread';
  const towards = slot.side === 'buy' ? desk.positionLots : 0 - desk.positionLots;
  if (towards >= settings.hardShare * settings.maxLots) return 'hard';
  const against = slot.side === 'sell' ? seen.imbalance : 0 - seen.imbalance;
  if (against > settings.imbalancePause) return 'imbalance_pause';
  return null;
}

function targetTicks(
  slot: Slot,
  settings: QuoteSettings,
  seen: Book,
  mid: number,
  offset: number,
  skew: number,
  nowS: number,
): number {
  const quietPof = nowS - slot.lastPofAt > settings.pof.resetS;
  const extra = settings.pof.adaptive && !quietPof ? slot.pofStreak : 0;
  const safety = Math.min(settings.safetyTicks + extra, Math.max(settings.safetyTicks, settings.pof.maxTicks));
  if (slot.side === 'buy') return Math.min(Math.floor(mid * (1 - (offset + skew) / 1e4)), seen.askTicks - safety);
  return Math.max(Math.ceil(mid * (1 + (offset - skew) / 1e4)), seen.bidTicks + safety);
}

function judge(
  order: Order,
  target: number,
  mid: number,
  offset: number,
  settings: QuoteSettings,
  nowS: number,
): string {
  if (settings.maxAgeS > 0 && nowS - order.placedAt >= settings.maxAgeS) return 'replace_max_age';
  const ticks = Math.abs(target - order.ticks);
  const bps = (1e4 * ticks) / mid;
  if (bps <= settings.tolerance * offset) return 'hold_within_tolerance';
  if (ticks < settings.moveTicks) return 'hold_below_tick_gate';
  if (bps < settings.edgeDeltaBps) return 'hold_below_edge_gate';
  return 'replace_target_shift';
}
