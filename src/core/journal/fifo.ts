import { Decimal } from '../decimal.ts';
import { placesOf, wholeOf } from './whole.ts';

/** One trade: `sign` +1 buys, -1 sells, 0 has no readable side and is skipped; price and qty as decimal text. */
export type Trade = { sign: 1 | -1 | 0; price: string; qty: string };

/** A position carried in: signed base quantity at a price. */
export type OpeningLot = { position: string; price: number };

/**
 * Realised PnL in quote currency, first in first out, fees and open lots left out. Starts flat unless an opening lot is given.
 *
 * A sell closes the oldest long lot and adds (price - lot price) x matched quantity; a buy closes the oldest short lot and
 * adds (lot price - price) x matched quantity; what is left opens a lot at its own price. Trades without a readable side,
 * or whose price or quantity is not positive, are skipped.
 */
export function realizedPnl(trades: Trade[], opening?: OpeningLot): Decimal {
  return inWholeNumbers(trades, opening) ?? inDecimals(trades, opening);
}

/** The same in multiples of the smallest place; null when a number is not plain or a product is not exact. */
function inWholeNumbers(trades: Trade[], opening: OpeningLot | undefined): Decimal | null {
  const first = opening === undefined ? null : { price: String(opening.price), qty: opening.position };
  let [pricePlaces, qtyPlaces] = first === null ? [0, 0] : [placesOf(first.price), placesOf(first.qty)];
  for (const { price, qty } of trades) {
    pricePlaces = Math.max(pricePlaces, placesOf(price));
    qtyPlaces = Math.max(qtyPlaces, placesOf(qty));
  }
  if (pricePlaces + qtyPlaces > 22) return null;
  const scaled = (text: string, places: number) => wholeOf(text) * 10 ** (places - placesOf(text));
  // Positive is long; all open lots have one sign.
  const lots: { price: number; qty: number }[] = [];
  if (first !== null) {
    const lot = { price: scaled(first.price, pricePlaces), qty: scaled(first.qty, qtyPlaces) };
    if (!Number.isSafeInteger(lot.price) || !Number.isSafeInteger(lot.qty)) return null;
    if (lot.qty !== 0) lots.push(lot);
  }
  let oldest = 0;
  let realized = 0;
  for (const { sign, price: priceText, qty } of trades) {
    if (sign === 0) continue;
    const price = scaled(priceText, pricePlaces);
    let left = scaled(qty, qtyPlaces);
    if (!Number.isSafeInteger(price) || !Number.isSafeInteger(left)) return null;
    if (price <= 0 || left <= 0) continue;
    while (left > 0 && oldest < lots.length && lots[oldest]!.qty > 0 !== sign > 0) {
      const lot = lots[oldest]!;
      const matched = Math.min(left, Math.abs(lot.qty));
      const gain = (price - lot.price) * matched * -sign;
      realized += gain;
      if (!Number.isSafeInteger(gain) || !Number.isSafeInteger(realized)) return null;
      lot.qty += sign * matched;
      left -= matched;
      if (lot.qty === 0) oldest += 1;
    }
    if (left > 0) lots.push({ price, qty: sign * left });
  }
  return new Decimal(realized).times(`1e-${pricePlaces + qtyPlaces}`);
}

function inDecimals(trades: Trade[], opening: OpeningLot | undefined): Decimal {
  const lots: Lot[] = [];
  if (opening !== undefined) open(lots, new Decimal(opening.position), new Decimal(opening.price));
  let realized = new Decimal(0);
  for (const trade of trades) {
    if (trade.sign === 0) continue;
    const price = new Decimal(trade.price);
    let left = new Decimal(trade.qty);
    if (!price.gt(0) || !left.gt(0)) continue;
    while (left.gt(0) && lots[0] !== undefined && lots[0].sign !== trade.sign) {
      const lot = lots[0];
      const matched = Decimal.min(left, lot.qty);
      realized = realized.plus(price.minus(lot.price).times(matched).times(lot.sign));
      lot.qty = lot.qty.minus(matched);
      left = left.minus(matched);
      if (lot.qty.isZero()) lots.shift();
    }
    if (left.gt(0)) lots.push({ sign: trade.sign, price, qty: left });
  }
  return realized;
}

type Lot = { sign: 1 | -1; price: Decimal; qty: Decimal };

function open(lots: Lot[], position: Decimal, price: Decimal): void {
  if (position.isZero()) return;
  lots.push({ sign: position.gt(0) ? 1 : -1, price, qty: position.abs() });
}
