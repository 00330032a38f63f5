/** Where the model bot wants its quotes, and when it leaves them where they are. Prices are bps from the start price. */
import type { Second } from './market.ts';
import type { Settings } from './settings.ts';
import type { Bot, Slot } from './state.ts';

/** What the bot has made of the book at one look. */
export type View = {
  mid: number;
  /** Distance of the innermost quote from the mid, before skew. */
  offset: number;
  /** How far both quotes move against the inventory: positive lowers them (long). */
  skew: number;
  vol: number;
  drift: number;
  /** The circuit breaker is open. */
  broken: boolean;
};

/** The picture at one look; `mid` may be a second old. */
export function viewOf(bot: Bot, second: Second, mid: number): View {
  const { settings: s, market } = bot;
  const vol = microVol(bot, s.volWindow);
  const drift = microDrift(bot, s.driftWindow);
  const offset = offsetOf(s, second.spread) + s.volOffset * Math.max(0, vol - 2 * market.volBps);
  return { mid, offset, skew: skewOf(s, bot.position), vol, drift, broken: second.ts < bot.brokenUntil };
}

/** Distance of the innermost quote in a calm book of this width. */
export function offsetOf(s: Settings, spread: number): number {
  return s.fixedOffset ?? Math.min(s.maxOffset, Math.max(s.minOffset, s.spreadMultiplier * spread));
}

/** Skew at a position of base quantity; 0 within the dead band. */
export function skewOf(s: Settings, position: number): number {
  const share = Math.min(1, Math.abs(position) / s.maxPosition);
  if (share <= s.deadband) return 0;
  const u = (share - s.deadband) / (1 - s.deadband);
  const shaped = s.skewShape > 0 ? Math.tanh(s.skewShape * u) / Math.tanh(s.skewShape) : u;
  return Math.sign(position) * s.skewFactor * s.skewMax * shaped;
}

/** The price for a slot at its level's `offset`, on the tick grid, clear of the far side of the book. */
export function targetOf({ settings: s, market }: Bot, slot: Slot, second: Second, view: View, offset: number): number {
  const streak = s.pofAdaptive && second.ts - slot.lastPofAt <= s.pofReset ? slot.pofStreak : 0;
  const safety = Math.min(s.safetyTicks + streak, Math.max(s.safetyTicks, s.pofMaxTicks)) * market.tickBps;
  const far = view.mid + (slot.sign * second.spread) / 2;
  const wanted = view.mid - slot.sign * offset - view.skew;
  const safe = slot.sign > 0 ? Math.min(wanted, far - safety) : Math.max(wanted, far + safety);
  const ticks = safe / market.tickBps;
  return (slot.sign > 0 ? Math.floor(ticks) : Math.ceil(ticks)) * market.tickBps;
}

/** Why a resting quote is to be moved to `target`; null = it stays. */
export function dueFor(
  { settings: s, market }: Bot,
  slot: Slot,
  second: Second,
  target: number,
  offset: number,
): 'max_age' | 'target_shift' | null {
  if (s.maxAge > 0 && second.ts - slot.placedAt >= s.maxAge) return 'max_age';
  const moved = Math.abs(target - slot.price!);
  const far = moved > s.tolerance * offset && moved >= s.moveTicks * market.tickBps && moved >= s.edgeDelta;
  return far ? 'target_shift' : null;
}

/** Why a slot must not quote now; null = it may. */
export function blockedBy(bot: Bot, slot: Slot, second: Second, { vol, drift, broken }: View): string | null {
  const { settings: s } = bot;
  if (broken) return 'circuit_open';
  if (second.spread < s.minSpread) return 'min_spread';
  if (slot.sign * bot.position >= s.hardShare * s.maxPosition) return 'hard';
  // Against a sell speaks a book full of bids and a price on its way up.
  if (-slot.sign * bot.imbalance > s.imbalancePause) return 'imbalance_pause';
  if (vol > s.volMax) return 'micro_vol';
  return -slot.sign * drift > s.driftMax ? 'micro_drift' : null;
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
