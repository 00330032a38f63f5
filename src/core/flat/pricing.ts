/** Arithmetic of a closing order: side, size, limit price, client id. */
import { createHash } from 'node:crypto';
import { Decimal, plain } from '../decimal.ts';
import type { VenueReference } from '../ports.ts';

/** Which process held the position; nulls where it is not known. */
export type RunIdentity = {
  instance: string;
  runId: string | null;
  pid: number | null;
  startTicks: string | null;
};

/** `mmf-<24 hex>-`: the part of a client id that all closing orders of one run share. */
export function clientIdPrefix({ instance, runId, pid, startTicks }: RunIdentity): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([instance, runId, pid, startTicks]))
    .digest('hex');
  return `mmf-${hash.slice(0, 24)}-`;
}

/** The highest attempt number among ids of this run; 0 = none was seen. */
export function lastAttempt(identity: RunIdentity, seen: readonly string[]): number {
  const prefix = clientIdPrefix(identity);
  const numbers = seen.filter((id) => id.startsWith(prefix)).map((id) => Number(id.slice(prefix.length)));
  return numbers.reduce((max, n) => (Number.isSafeInteger(n) && n > max ? n : max), 0);
}

/** The side that reduces a signed position; the position must not be zero. */
export function closingSide(position: Decimal): 'buy' | 'sell' {
  return position.isNegative() ? 'buy' : 'sell';
}

/** Absolute size rounded down to the venue's step (no step: as it is). */
export function closingSize(position: Decimal, sizeStep: string | null): Decimal {
  const size = position.abs();
  const step = positive(sizeStep);
  return step === null ? size : size.div(step).floor().times(step);
}

/** Best price on the side we would hit, else the other side's; null = no price at all. */
export function touchPrice(side: 'buy' | 'sell', { bid, ask }: VenueReference): Decimal | null {
  return positive(side === 'buy' ? ask : bid) ?? positive(side === 'buy' ? bid : ask);
}

/**
 * Whether the book of a market holds stubs alone, as while it is closed: more than twice as dear to buy as to sell is no price,
 * neither to sell for nor to call a position dust by.
 */
export function isWithoutQuotes({ bid, ask }: VenueReference): boolean {
  const [low, high] = [positive(bid), positive(ask)];
  return low?.times(2).lt(high ?? 0) === true;
}

/** Limit price `slippageBps` through the touch, rounded to the aggressive side of the tick: buy up, sell down; never zero. */
export function limitPrice(side: 'buy' | 'sell', touch: Decimal, slippageBps: Decimal, tick: string | null): string {
  const share = slippageBps.div(10_000);
  const raw = side === 'buy' ? touch.times(share.plus(1)) : touch.times(new Decimal(1).minus(share));
  const step = positive(tick);
  if (step === null) return plain(raw);
  const ticks = raw.div(step);
  const whole = side === 'buy' ? ticks.ceil() : ticks.floor();
  return plain(Decimal.max(whole, 1).times(step));
}

/** Whether a size cannot be sent: nothing left after rounding, or below the venue's minimum. */
export function tooSmall(size: Decimal, minSize: string | null): boolean {
  const min = positive(minSize);
  return size.isZero() || (min !== null && size.lt(min));
}

function positive(text: string | null): Decimal | null {
  if (text === null) return null;
  const value = new Decimal(text);
  return value.gt(0) ? value : null;
}
