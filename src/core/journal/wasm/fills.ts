/** A fill and the sums of all fills, as whole numbers of places. */
import { putPoint } from './book';
import {
  ADVERSE,
  EDGE,
  EDGES,
  EDGES_AGAIN,
  EDGE_AGAIN_COUNT,
  EDGE_COUNT,
  FEE,
  IDS,
  IDS_RISE,
  ID_COUNT,
  IS_TAKER,
  LAST_MID,
  NULL,
  NUMBER,
  POSITION_START,
  POWERS,
  PRICE,
  QTY,
  SIDE,
  SUMS,
  SUM_PLACES,
  TEXT,
  TIME,
  TRADE_ID,
  TRUE,
  endOf,
  slotOf,
  startOf,
} from './memory';
import { decimalOf, places, wholeOf } from './numbers';

/**
 * Puts down a fill and adds it to the sums; not when one of its numbers or sums is not exact, its side or id unusual: then
 * nothing is changed. Of a fill: its sign, price, quantity and the position before it (each a whole number and the places
 * behind its point; NaN: no position yet) and its mid, or the one before it (NaN: none yet). `mid`: Infinity for none.
 */
export function takeFill(seen: u32, have: u32, mid: f64, at: usize, point: usize): bool {
  const sideStart = startOf(SIDE);
  const sign = signOf(sideStart, endOf(SIDE) - sideStart);
  if (sign == 0) return false;
  const price = wholeOf(startOf(PRICE), endOf(PRICE));
  const pricePlaces = places;
  const qty = wholeOf(startOf(QTY), endOf(QTY));
  const qtyPlaces = places;
  let fee: f64 = 0;
  let feePlaces: u32 = 0;
  if ((have & (1 << FEE)) != 0) {
    fee = wholeOf(startOf(FEE), endOf(FEE));
    feePlaces = places;
  }
  const product = price * qty;
  const productPlaces = pricePlaces + qtyPlaces;
  if (productPlaces > MOST_PLACES || !isExact(product) || fee != fee) return false;
  const hasEdge = (have & (1 << EDGE)) != 0;
  const edge: f64 = hasEdge ? decimalOf(EDGE) : 0;
  if (edge != edge) return false;
  let position: f64 = NaN;
  let positionPlaces: u32 = 0;
  if (load<u32>(POSITION_START) != 0) {
    position = wholeOf(load<u32>(POSITION_START) as usize, load<u32>(POSITION_START, 4) as usize);
    positionPlaces = places;
    if (position != position) return false;
  }
  // Of a member that is not always a text or a number, a form knows only that it is there.
  const idKind = (seen & (1 << TRADE_ID)) != 0 ? load<i32>(slotOf(TRADE_ID), 8) : NULL;
  const hasId = idKind == TEXT || idKind == NUMBER;
  const idBefore = id;
  if (hasId && !readId()) {
    id = idBefore;
    return false;
  }
  const taker: f64 = (seen & (1 << IS_TAKER)) != 0 && load<i32>(slotOf(IS_TAKER), 8) == TRUE ? product : 0;
  const notional = sumOf(0, productPlaces);
  const takers = sumOf(1, productPlaces);
  const fees = sumOf(2, feePlaces);
  const cash = sumOf(3, productPlaces);
  const net = sumOf(4, qtyPlaces);
  if (
    !isExact(load<f64>(notional) + product) ||
    !isExact(load<f64>(takers) + taker) ||
    !isExact(load<f64>(fees) + fee) ||
    !isExact(load<f64>(cash) - sign * product) ||
    !isExact(load<f64>(net) + sign * qty)
  ) {
    id = idBefore;
    return false;
  }
  store<f64>(notional, load<f64>(notional) + product);
  store<f64>(takers, load<f64>(takers) + taker);
  store<f64>(fees, load<f64>(fees) + fee);
  store<f64>(cash, load<f64>(cash) - sign * product);
  store<f64>(net, load<f64>(net) + sign * qty);
  store<u32>(SUM_PLACES, load<u32>(SUM_PLACES) | (1 << productPlaces) | (1 << feePlaces) | (1 << qtyPlaces));
  if (hasId) {
    store<u64>(IDS + ((load<u32>(ID_COUNT) as usize) << 3), id);
    store<u32>(ID_COUNT, load<u32>(ID_COUNT) + 1);
    if (id <= idBefore) store<u32>(IDS_RISE, 0);
  }
  if (hasEdge) {
    push(EDGES, EDGE_COUNT, edge);
    if (edge < 0) store<u32>(ADVERSE, load<u32>(ADVERSE) + 1);
  }
  const amount = price / load<f64>(POWERS + ((pricePlaces as usize) << 3));
  if (mid != Infinity && mid != 0) {
    const again = ((sign > 0 ? mid - amount : amount - mid) / mid) * 10000;
    if (abs<f64>(again) != Infinity && again == again) push(EDGES_AGAIN, EDGE_AGAIN_COUNT, again);
  }
  putPoint(point, load<f64>(TIME), amount, sign);
  store<f64>(at, sign);
  store<f64>(at, price, 8);
  store<f64>(at, pricePlaces as f64, 16);
  store<f64>(at, qty, 24);
  store<f64>(at, qtyPlaces as f64, 32);
  store<f64>(at, position, 40);
  store<f64>(at, positionPlaces as f64, 48);
  store<f64>(at, mid != Infinity ? mid : load<f64>(LAST_MID), 56);
  return true;
}

// @ts-ignore: decorator
@inline
function push(table: usize, count: usize, value: f64): void {
  const at = load<u32>(count);
  store<f64>(table + ((at as usize) << 3), value);
  store<u32>(count, at + 1);
}

const MOST_PLACES: u32 = 30;

// @ts-ignore: decorator
@inline
function isExact(whole: f64): bool {
  return abs<f64>(whole) <= 9007199254740991;
}

// @ts-ignore: decorator
@inline
function sumOf(number: usize, places: u32): usize {
  return SUMS + (number << 8) + ((places as usize) << 3);
}

export function clearSums(): void {
  let rest = load<u32>(SUM_PLACES);
  for (; rest != 0; rest &= rest - 1) {
    for (let number: usize = 0; number < 5; number += 1) store<f64>(sumOf(number, ctz(rest)), 0);
  }
  store<u32>(SUM_PLACES, 0);
}

/** 1 for `BUY` and `OrderSide.BUY`, -1 for those of a sale, else 0. */
// @ts-ignore: decorator
@inline
function signOf(start: usize, length: usize): f64 {
  let p = start;
  if (length > 10) {
    if (load<u64>(start) != 0x646953726564724f || load<u16>(start, 8) != 0x2e65) return 0;
    p += 10;
    length -= 10;
  }
  if (length == 3) return (load<u32>(p) & 0xffffff) == 0x595542 ? 1 : 0;
  return length == 4 && load<u32>(p) == 0x4c4c4553 ? -1 : 0;
}

/** The last id that `readId` took. */
export let id: u64 = 0;

/** An id of up to 19 digits without a leading zero, whether written as number or as text. */
function readId(): bool {
  let p = startOf(TRADE_ID);
  const end = endOf(TRADE_ID);
  if (end - p - 1 > 18 || load<u8>(p) == 0x30) return false;
  id = 0;
  for (; p < end; p += 1) {
    const digit = (load<u8>(p) - 0x30) as u8;
    if (digit > 9) return false;
    id = id * 10 + (digit as u64);
  }
  return true;
}
