/**
 * One journal line at a time, straight from its bytes. Written in AssemblyScript; `npm run wasm` compiles it into
 * src/core/journal/line-wasm.ts.
 *
 * `next` says yes only to a line that is proved good letter by letter: one JSON object in plain ASCII whose known members
 * are written in a way that means the same to the full parser. Everything else is a no, which says nothing about the
 * line: the full parser reads it. So a no is never wrong, only slow.
 *
 * The addresses and numbers below are known to src/core/journal/line-reader.ts as well.
 */

/** 16 bytes a known member: start, end (exclusive; of a text without its quotes), kind of the value. */
const SLOTS: usize = 1024;
const TIME: usize = 2048;
/** Bits by slot: members that the line has, and those that are not null. */
const SEEN: usize = 2056;
const HAVE: usize = 2060;
/** Number of the type in the table of types; 0: not in it. */
const TYPE: usize = 2064;
/** Bits: the text of this slot differs from the one before. The reader clears them, so that a no cannot hide a change. */
const CHANGED: usize = 2068;
/** What `skim` took: lines by number of the type (32 bytes), then those with a position, lines and points in all. */
const COUNTS: usize = 2360;
const POSITIONS: usize = 2392;
const TAKEN: usize = 2396;
const POINT_COUNT: usize = 2400;
/** End of the line that `skim` read and left to be looked at; 0: it ends before a line that it refused; 1: a table is full. */
const LOOK_END: usize = 2404;
/** Time of its last line, and its highest one. */
const LAST_TIME: usize = 2408;
const HIGHEST_TIME: usize = 2416;
/** Where the last position stands (start and end); bits: places with a sum; rejections for being post-only. */
const POSITION_START: usize = 2424;
const SUM_PLACES: usize = 2432;
const POST_ONLY: usize = 2436;
/** How many ids, whether each is higher than the one before, how many edges of both kinds, negative ones among those written. */
const ID_COUNT: usize = 2440;
const IDS_RISE: usize = 2444;
const EDGE_COUNT: usize = 2448;
const EDGE_AGAIN_COUNT: usize = 2452;
const ADVERSE: usize = 2456;
const GAP_COUNT: usize = 2460;
/** Time of the first and the last heartbeat, and the last mid (NaN: none). */
const FIRST_BEAT: usize = 2464;
const LAST_BEAT: usize = 2472;
const LAST_MID: usize = 2480;
/** 24 bytes a point: time, price, sign (0 a mid, 1 a buy, -1 a sell). */
const POINTS: usize = 335872;
const POINTS_KEPT: u32 = 3072;
/** 8 numbers a fill; see `takeFill`. */
const FILLS: usize = 409600;
const FILLS_KEPT: u32 = 1024;
/** Pairs of times of heartbeats that lie far apart. */
const GAPS: usize = 475136;
const GAPS_KEPT: u32 = 512;
const GAP_S: f64 = 60;
/** Sums of fills by places, 256 bytes a sum: notional, that of takers, fees, sold less bought, bought less sold quantity. */
const SUMS: usize = 483328;
/** Forms: 32 bytes each, and their steps of 80 bytes; the first form of each hash of a type; what `next` found last. */
const FORMS: usize = 491520;
const FORMS_KEPT: u32 = 128;
const BUCKETS: usize = 495616;
const FOUND: usize = 680960;
const FOUND_KEPT: u32 = 128;
const HEAD_STEPS: usize = 496896;
const NEW_HEAD: usize = 499456;
const HEAD_KEPT: usize = 32 * 80;
const STEPS: usize = 502016;
const STEPS_END: usize = 655360;
/** Ids of the fills as whole numbers; their edges as written and as computed again. */
const IDS: usize = 655360;
const EDGES: usize = 663552;
const EDGES_AGAIN: usize = 671744;
/** 10^-n for n up to 48, each as the upper 128 bits of a fraction, rounded up: high half, low half. */
const TENTHS: usize = 679936;
const MOST_TENTHS: i32 = 48;
/**
 * What `book` goes on from, as numbers: newest time, released up to, next due, late ones, points held, fills; then of each
 * horizon its seconds, the first fill that it has not settled, missed ones, and of their mean the sum, what it lost, and n.
 */
const BOOK_STATE: usize = 720896;
const BOOK_HORIZONS: usize = 720944;
const HORIZONS: u32 = 6;
const HORIZON: usize = 48;
/** Points held in order, as in POINTS; time, price and sign of fills in columns. */
const HELD: usize = 721408;
const FILL_TIMES: usize = 819712;
const FILL_PRICES: usize = 852480;
const FILL_SIGNS: usize = 885248;
const REORDER_WINDOW_S: f64 = 5;
const GRACE_S: f64 = 60;
/** 16 bytes of ones and 16 of zeros: the first n bytes of a vector. */
const ONES: usize = 2112;
/** Powers of ten, 0 to 22: exact as doubles. */
const POWERS: usize = 2176;
/** 80 bytes a remembered text: its length, from the 16th byte its letters. */
const LAST: usize = 3072;
const LAST_LETTERS: i32 = 64;
/** Tables of names, 32 bytes an entry: 24 letters, then at 28 length, slot or number, class. */
const KEYS: usize = 8192;
const TYPES: usize = 16384;
const HASH: u64 = 0x9e3779b97f4a7c15;

const NULL: i32 = 1;
const TEXT: i32 = 2;
const NUMBER: i32 = 3;
const TRUE: i32 = 4;
const FALSE: i32 = 5;
const NESTED: i32 = 6;

/** Classes of members: what is said yes to. */
const ANY: u32 = 1;
const DECIMAL: u32 = 2;
const SECONDS: u32 = 3;
const NAME: u32 = 4;
const REMEMBERED: u32 = 5;
const SCHEMA: u32 = 6;
const REMEMBERED_DECIMAL: u32 = 7;

const DEEPEST: i32 = 60;
const LINE_BYTES: usize = 65536;

/** Slots and types that `skim` knows. */
const SCHEMA_VERSION: u32 = 4;
const RUN_ID: u32 = 2;
const MARKET: u32 = 3;
const TRADE_ID: u32 = 5;
const SIDE: u32 = 6;
const IS_TAKER: u32 = 7;
const REASON: u32 = 9;
const PRICE: u32 = 12;
const QTY: u32 = 13;
const FEE: u32 = 14;
const MID: u32 = 15;
const BID: u32 = 16;
const ASK: u32 = 17;
const EDGE: u32 = 19;
const POSITION: u32 = 20;
const MARK: u32 = 23;
/** type, ts, run_id, schema_version */
const EVERY: u32 = 0b10111;
const MID_SLOTS: u32 = (1 << MID) | (1 << BID) | (1 << ASK) | (1 << MARK);
const BOOK: u32 = (1 << BID) | (1 << ASK);
const FILL: u32 = 1;
const FILL_NEEDS: u32 = (1 << SIDE) | (1 << PRICE) | (1 << QTY);
const PLACED: u32 = 2;
const PLACED_NEEDS: u32 = (1 << SIDE) | (1 << PRICE);
const REJECTION: u32 = 4;
const HEARTBEAT: u32 = 6;

/** Where the next line begins when the line at `at` is good, else 0. A newline must follow somewhere. */
export function next(at: usize): usize {
  let seen: u32 = 0;
  let have: u32 = 0;
  let p = space(at);
  found = 0;
  if (load<u8>(p) != 0x7b) return 0;
  p = space(p + 1);
  while (true) {
    if (load<u8>(p) != 0x22) return 0;
    p += 1;
    const end = textEnd(p);
    if (end == 0) return 0;
    const entry = find(KEYS, 56, p, (end - p) as i32);
    p = space(end + 1);
    if (load<u8>(p) != 0x3a) return 0;
    p = space(p + 1);
    const value = p;
    const mine = found;
    found += 1;
    let member: u32 = UNKNOWN;
    if (entry == 0) {
      p = valueEnd(p);
      if (p == 0) return 0;
    } else {
      const number = load<u8>(entry, 29);
      member = (number as u32) | ((load<u8>(entry, 30) as u32) << 8);
      const bit = (1 as u32) << (number as u32);
      // The last of two members with one name counts: not for here.
      if ((seen & bit) != 0) return 0;
      seen |= bit;
      const slot = SLOTS + ((number as usize) << 4);
      const first = load<u8>(p);
      p = known(p, first, load<u8>(entry, 30), slot, bit);
      if (p == 0) return 0;
      if (load<i32>(slot, 8) != NULL) have |= bit;
    }
    noteFound(mine, value, p, member);
    p = space(p);
    const after = load<u8>(p);
    p = space(p + 1);
    if (after == 0x2c) continue;
    if (after != 0x7d || load<u8>(p) != 0x0a) return 0;
    store<u32>(SEEN, seen);
    store<u32>(HAVE, have);
    return p + 1;
  }
}

/**
 * How many values `next` found, and what it puts down of one that is not known. What is in a list or an object stands behind
 * that as values of their own, so that the list may be taken as one or as what is in it.
 */
let found: u32 = 0;
const UNKNOWN: u32 = 0xff;

// @ts-ignore: decorator
@inline
function noteFound(number: u32, start: usize, end: usize, member: u32): void {
  if (number >= FOUND_KEPT) return;
  const at = FOUND + ((number as usize) << 4);
  store<u32>(at, start as u32);
  store<u32>(at, end as u32, 4);
  store<u32>(at, member, 8);
}

/**
 * Takes good lines from `at` to `end` that are of the run last seen and of schema 2, and gives back where the first other
 * one begins. Of what they say, it leaves in its tables what a report needs.
 */
export function skim(at: usize, end: usize): usize {
  let taken: u32 = 0;
  let positions: u32 = 0;
  let points: u32 = 0;
  let fills: u32 = 0;
  let gaps: u32 = 0;
  let beat: f64 = NaN;
  let postOnly: u32 = 0;
  let last: f64 = 0;
  let highest: f64 = -Infinity;
  let after: usize = 0;
  v128.store(COUNTS, i64x2.splat(0));
  v128.store(COUNTS + 16, i64x2.splat(0));
  store<u64>(POSITION_START, 0);
  v128.store(ID_COUNT, i64x2.splat(0));
  store<u32>(ADVERSE, 0);
  store<u32>(IDS_RISE, 1);
  store<f64>(LAST_MID, NaN);
  store<f64>(FIRST_BEAT, NaN);
  id = 0;
  clearSums();
  while (at < end) {
    if (points > POINTS_KEPT - 2 || fills == FILLS_KEPT || gaps == GAPS_KEPT) {
      after = 1;
      break;
    }
    const form = formOf(at);
    let have: u32;
    let seen: u32;
    let type: u32;
    if (form != 0) {
      after = formEnd;
      have = load<u32>(form);
      seen = load<u32>(form, 4);
      type = load<u32>(form, 8);
    } else {
      after = next(at);
      if (after == 0) break;
      have = load<u32>(HAVE);
      seen = load<u32>(SEEN);
      type = load<u32>(TYPE);
      if (
        (have & EVERY) != EVERY ||
        (load<u32>(CHANGED) & have & ~((1 as u32) << POSITION)) != 0 ||
        !schemaIs2() ||
        !complete(type, have)
      ) {
        break;
      }
      if (credit >= LESSON) learn(at, after);
      else credit += 1;
    }
    const time = load<f64>(TIME);
    let mid: f64 = Infinity;
    if ((have & MID_SLOTS) != 0) {
      if ((have & (1 << MID)) != 0) mid = decimalOf(MID);
      else if ((have & (1 << MARK)) != 0) mid = decimalOf(MARK);
      else if ((have & BOOK) == BOOK) mid = (decimalOf(BID) + decimalOf(ASK)) / 2;
    }
    if (
      time != time ||
      mid != mid ||
      after - at > LINE_BYTES ||
      (type == FILL && !takeFill(seen, have, mid, FILLS + ((fills as usize) << 6), POINTS + (points as usize) * 24))
    ) {
      if (form != 0) after = next(at);
      break;
    }
    if (type == FILL) {
      fills += 1;
      points += 1;
    } else if (type == HEARTBEAT) {
      if (beat != beat) store<f64>(FIRST_BEAT, time);
      else if (time - beat > GAP_S) {
        store<f64>(GAPS + ((gaps as usize) << 4), beat);
        store<f64>(GAPS + ((gaps as usize) << 4), time, 8);
        gaps += 1;
      }
      beat = time;
    } else if (type == REJECTION) postOnly += (seen & (1 << REASON)) != 0 && saysPostOnly() ? 1 : 0;
    if (mid != Infinity) {
      putPoint(POINTS + (points as usize) * 24, time, mid, 0);
      store<f64>(LAST_MID, mid);
      points += 1;
    }
    const count = COUNTS + ((type as usize) << 2);
    store<u32>(count, load<u32>(count) + 1);
    if (((have >> POSITION) & 1) != 0) {
      positions += 1;
      store<u64>(POSITION_START, load<u64>(slotOf(POSITION)));
    }
    last = time;
    highest = max<f64>(highest, time);
    taken += 1;
    at = after;
    after = 0;
  }
  store<u32>(TAKEN, taken);
  store<u32>(POSITIONS, positions);
  store<u32>(POINT_COUNT, points);
  store<u32>(POST_ONLY, postOnly);
  store<u32>(GAP_COUNT, gaps);
  store<f64>(LAST_BEAT, beat);
  store<f64>(LAST_TIME, last);
  store<f64>(HIGHEST_TIME, highest);
  store<u32>(LOOK_END, after as u32);
  credit = min<u32>(credit + taken, 64 * LESSON);
  return at;
}

/**
 * Takes the first points of the table into the book, as MarkoutBook in src/core/journal/markout-book.ts does, and
 * leaves there what it comes to. There must be room for them all among those held, and for their fills.
 */
export function book(count: u32): void {
  let newest = load<f64>(BOOK_STATE);
  let released = load<f64>(BOOK_STATE, 8);
  let nextDue = load<f64>(BOOK_STATE, 16);
  let late = load<f64>(BOOK_STATE, 24);
  let first = HELD;
  let end = HELD + (load<f64>(BOOK_STATE, 32) as usize) * 24;
  let fills = load<f64>(BOOK_STATE, 40) as u32;
  const pointsEnd = POINTS + (count as usize) * 24;
  for (let point = POINTS; point < pointsEnd; point += 24) {
    const time = load<f64>(point);
    if (time < released) late += 1;
    let at = end;
    for (; at > first && load<f64>(at - 24) > time; at -= 24) memory.copy(at, at - 24, 24);
    putPoint(at, time, load<f64>(point, 8), load<f64>(point, 16));
    end += 24;
    newest = max<f64>(newest, time);
    for (; first < end && load<f64>(first) <= newest - REORDER_WINDOW_S; first += 24) {
      const then = load<f64>(first);
      const price = load<f64>(first, 8);
      const sign = load<f64>(first, 16);
      released = max<f64>(released, then);
      if (sign == 0) {
        if (then >= nextDue) nextDue = settle(then, price, fills);
      } else if (price > 0) {
        store<f64>(FILL_TIMES + ((fills as usize) << 3), then);
        store<f64>(FILL_PRICES + ((fills as usize) << 3), price);
        store<f64>(FILL_SIGNS + ((fills as usize) << 3), sign);
        fills += 1;
        nextDue = min<f64>(nextDue, then + load<f64>(BOOK_HORIZONS));
      }
    }
  }
  memory.copy(HELD, first, end - first);
  // The longest horizon is the last to settle a fill: it is not needed any more.
  const settled = load<f64>(BOOK_HORIZONS + HORIZON * (HORIZONS - 1), 8);
  const rest = (fills - (settled as u32)) << 3;
  const from = (settled as usize) << 3;
  memory.copy(FILL_TIMES, FILL_TIMES + from, rest);
  memory.copy(FILL_PRICES, FILL_PRICES + from, rest);
  memory.copy(FILL_SIGNS, FILL_SIGNS + from, rest);
  for (let n: u32 = 0; n < HORIZONS; n += 1) {
    const horizon = BOOK_HORIZONS + (n as usize) * HORIZON;
    store<f64>(horizon, load<f64>(horizon, 8) - settled, 8);
  }
  store<f64>(BOOK_STATE, newest);
  store<f64>(BOOK_STATE, released, 8);
  store<f64>(BOOK_STATE, nextDue, 16);
  store<f64>(BOOK_STATE, late, 24);
  store<f64>(BOOK_STATE, ((end - first) / 24) as f64, 32);
  store<f64>(BOOK_STATE, (fills as f64) - settled, 40);
}

/** A mid at a time: every fill that was due by then has its markout, or has missed it. The time when the next one is due. */
function settle(time: f64, mid: f64, fills: u32): f64 {
  let nextDue: f64 = Infinity;
  for (let n: u32 = 0; n < HORIZONS; n += 1) {
    const horizon = BOOK_HORIZONS + (n as usize) * HORIZON;
    const seconds = load<f64>(horizon);
    let at = load<f64>(horizon, 8) as u32;
    for (; at < fills; at += 1) {
      const due = load<f64>(FILL_TIMES + ((at as usize) << 3)) + seconds;
      if (due > time) {
        nextDue = min<f64>(nextDue, due);
        break;
      }
      if (time > due + GRACE_S) {
        store<f64>(horizon, load<f64>(horizon, 16) + 1, 16);
        continue;
      }
      const price = load<f64>(FILL_PRICES + ((at as usize) << 3));
      const markout = (10000 * load<f64>(FILL_SIGNS + ((at as usize) << 3)) * (mid - price)) / price;
      // As Mean adds.
      const sum = load<f64>(horizon, 24);
      const adjusted = markout - load<f64>(horizon, 32);
      const next = sum + adjusted;
      store<f64>(horizon, next, 24);
      store<f64>(horizon, next - sum - adjusted, 32);
      store<f64>(horizon, load<f64>(horizon, 40) + 1, 40);
    }
    store<f64>(horizon, at as f64, 8);
  }
  return nextDue;
}

/** A line of this type with these members is good. */
// @ts-ignore: decorator
@inline
function complete(type: u32, have: u32): bool {
  if (type == FILL) {
    return (
      (have & FILL_NEEDS) == FILL_NEEDS &&
      (load<u32>(SEEN) & (1 << FEE)) != 0 &&
      load<i32>(slotOf(SIDE), 8) == TEXT
    );
  }
  return type != PLACED || ((have & PLACED_NEEDS) == PLACED_NEEDS && load<i32>(slotOf(SIDE), 8) == TEXT);
}

// @ts-ignore: decorator
@inline
function putPoint(at: usize, time: f64, price: f64, sign: f64): void {
  store<f64>(at, time);
  store<f64>(at, price, 8);
  store<f64>(at, sign, 16);
}

/**
 * Puts down a fill and adds it to the sums; not when one of its numbers or sums is not exact, its side or id unusual: then
 * nothing is changed. Of a fill: its sign, price, quantity and the position before it (each a whole number and the places
 * behind its point; NaN: no position yet) and its mid, or the one before it (NaN: none yet). `mid`: Infinity for none.
 */
function takeFill(seen: u32, have: u32, mid: f64, at: usize, point: usize): bool {
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

function clearSums(): void {
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
let id: u64 = 0;

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

/** The reason is a text with `POST_ONLY` in it, in letters of either size. */
function saysPostOnly(): bool {
  if (load<i32>(slotOf(REASON), 8) != TEXT) return false;
  const end = endOf(REASON);
  for (let p = startOf(REASON); p + 9 <= end; p += 1) {
    const head = load<u64>(p);
    if ((head & 0xdfdfdfffdfdfdfdf) == 0x4c4e4f5f54534f50 && (load<u8>(p, 8) & 0xdf) == 0x59) return true;
  }
  return false;
}

/**
 * A form is how lines of one type were written: the letters between their values, and what each value is. A line with the
 * same letters, whose values are as good, is as good a line. Its members that are the same in all lines of a run (type,
 * run, market, schema version, null in place of a decimal) count as such letters. What comes before the text of the type is
 * the same for all forms: the head.
 *
 * A form: HAVE, SEEN, type, its first step, the next form of the same bucket, how many those are. A step: 32 letters, 32 bytes that say which
 * of them count, how many they are, what follows them, its slot.
 */
let forms: u32 = 0;
let headSteps: usize = 0;
let stepsEnd: usize = STEPS;
/** Learning costs time, so that it has to be earned: lines whose forms all differ are not learned one by one. */
const LESSON: u32 = 64;
let credit: u32 = 32 * LESSON;

const STEP: usize = 80;
const MOST_OTHERS: u32 = 7;
const MOST_FLAT: u32 = 3;
const IS_END: u32 = 0;
const IS_MORE: u32 = 1;
const IS_TYPE: u32 = 2;
const IS_TEXT: u32 = 3;
const IS_DECIMAL: u32 = 4;
const IS_NUMBER: u32 = 5;
const IS_SECONDS: u32 = 6;
const IS_SHORT: u32 = 7;
const IS_LITERAL: u32 = 8;
const IS_NESTED: u32 = 9;
const IS_UNREAD: u32 = 10;

let formEnd: usize = 0;

/** The form of the line at `at`, whose slots are filled as `next` does, or 0 when it has none of those known. */
function formOf(at: usize): usize {
  if (forms == 0) return 0;
  const p = follow(at, HEAD_STEPS);
  if (p == 0) return 0;
  let form = load<u32>(bucketOf(p)) as usize;
  while (form != 0) {
    formEnd = follow(p, load<u32>(form, 12) as usize);
    if (formEnd != 0) return form;
    form = load<u32>(form, 16) as usize;
  }
  return 0;
}

// @ts-ignore: decorator
@inline
function bucketOf(p: usize): usize {
  return BUCKETS + ((((load<u64>(p) * HASH) >> 58) as usize) << 2);
}

/** Where the steps end on the letters at p, 0 when they do not fit. */
function follow(p: usize, step: usize): usize {
  while (true) {
    const one = v128.and(v128.xor(v128.load(p), v128.load(step)), v128.load(step, 32));
    const two = v128.and(v128.xor(v128.load(p, 16), v128.load(step, 16)), v128.load(step, 48));
    if (v128.any_true(v128.or(one, two))) return 0;
    p += load<u32>(step, 64) as usize;
    const slot = load<u32>(step, 72) as usize;
    switch (load<u32>(step, 68)) {
      case IS_MORE:
        break;
      case IS_TEXT: {
        const end = textEnd(p);
        if (end == 0) return 0;
        fill(slot, p, end, TEXT);
        p = end;
        break;
      }
      case IS_UNREAD: {
        // Nearly all such texts are short and without escapes.
        const marks = special(p);
        const end = p + ctz(marks);
        p = marks != 0 && load<u8>(end) == 0x22 ? end : unreadTextEnd(p);
        if (p == 0) return 0;
        break;
      }
      case IS_DECIMAL: {
        const end = decimalEnd(p);
        if (end == 0) return 0;
        fill(slot, p, end, TEXT);
        p = end;
        break;
      }
      case IS_NUMBER: {
        const end = numberEnd(p);
        if (end == 0) return 0;
        fill(slot, p, end, NUMBER);
        p = end;
        break;
      }
      case IS_SECONDS: {
        const end = secondsEnd(p);
        if (end == 0) return 0;
        fill(slot, p, end, NUMBER);
        p = end;
        break;
      }
      case IS_SHORT: {
        const end = shortNumberEnd(p);
        if (end == 0) return 0;
        fill(slot, p, end, NUMBER);
        p = end;
        break;
      }
      case IS_LITERAL: {
        const end = literal(p, slot, load<u8>(p));
        if (end == 0) return 0;
        p = end;
        break;
      }
      case IS_NESTED: {
        const first = load<u8>(p);
        if (first != 0x7b && first != 0x5b) return 0;
        const end = nestedEnd(p);
        if (end == 0) return 0;
        fill(slot, p, end, NESTED);
        p = end;
        break;
      }
      default:
        return p;
    }
    step += STEP;
  }
}

/** Learns the form of the line from `at` to `after`, which `next` has just read. */
function learn(at: usize, after: usize): void {
  credit -= LESSON;
  if (found > FOUND_KEPT) return;
  let head: usize = 0;
  let type: usize = 0;
  let from = at;
  let to = NEW_HEAD;
  let most = NEW_HEAD + HEAD_KEPT;
  if (forms == FORMS_KEPT || stepsEnd + STEP * 256 > STEPS_END) forget();
  const first = stepsEnd;
  /** Lists are as long as they were; when that changes too often, they are taken as one value. */
  let flat = true;
  let inside: usize = 0;
  for (let n: usize = 0; n < (found as usize); n += 1) {
    const start = load<u32>(FOUND + (n << 4)) as usize;
    if (start < inside) continue;
    const end = load<u32>(FOUND + (n << 4), 4) as usize;
    const member = load<u32>(FOUND + (n << 4), 8);
    const number = member & 0xff;
    const kind = member >> 8;
    if (member != UNKNOWN && kind == NAME) {
      type = start + 1;
      to = step(from, type, IS_TYPE, 0, to, most);
      if (to == 0) return;
      head = to - NEW_HEAD;
      to = first;
      most = STEPS_END;
      from = type;
      const other = load<u32>(bucketOf(type)) as usize;
      flat = other == 0 || load<u32>(other, 20) < MOST_FLAT;
      continue;
    }
    const letter = load<u8>(start);
    if (member != UNKNOWN) {
      if (kind == REMEMBERED || kind == SCHEMA) continue;
      if (letter == 0x6e && (kind == DECIMAL || kind == REMEMBERED_DECIMAL)) continue;
    }
    let what = IS_NUMBER;
    let quoted: usize = 0;
    if (letter == 0x22) {
      quoted = 1;
      what = member == UNKNOWN ? IS_UNREAD : IS_TEXT;
    } else if (letter == 0x7b || letter == 0x5b) {
      if (flat && member == UNKNOWN) continue;
      inside = end;
      what = IS_NESTED;
    } else if (letter > 0x39) what = IS_LITERAL;
    if (member != UNKNOWN) {
      if (kind == SECONDS) what = IS_SECONDS;
      else if (kind == DECIMAL || kind == REMEMBERED_DECIMAL) what = quoted != 0 ? IS_DECIMAL : IS_SHORT;
    }
    // Values of members that nobody knows go to a slot that nobody reads.
    to = step(from, start + quoted, what, slotOf(member == UNKNOWN ? 31 : number), to, most);
    if (to == 0) return;
    from = end - quoted;
  }
  to = step(from, after, IS_END, 0, to, most);
  // Values may be good in ways that a step does not know.
  if (to == 0 || type == 0 || follow(type, first) != after) return;
  if (forms != 0 && (head != headSteps || memory.compare(HEAD_STEPS, NEW_HEAD, head) != 0)) {
    // The steps stay where they are: `forget` only gives up what is before them.
    forget();
    memory.copy(STEPS, first, to - first);
    to = STEPS + (to - first);
  }
  const begin = stepsEnd;
  headSteps = head;
  memory.copy(HEAD_STEPS, NEW_HEAD, head);
  const form = FORMS + ((forms as usize) << 5);
  const bucket = bucketOf(type);
  const other = load<u32>(bucket) as usize;
  const others: u32 = other == 0 ? 0 : load<u32>(other, 20);
  store<u32>(form, load<u32>(HAVE));
  store<u32>(form, load<u32>(SEEN), 4);
  store<u32>(form, load<u32>(TYPE), 8);
  store<u32>(form, begin as u32, 12);
  // No line is tried with many forms in vain.
  store<u32>(form, others < MOST_OTHERS ? (other as u32) : 0, 16);
  store<u32>(form, others < MOST_OTHERS ? others + 1 : 1, 20);
  store<u32>(bucket, form as u32);
  forms += 1;
  stepsEnd = to;
}

/** Writes a step, or more than one when its letters are many; where the next one goes, 0 when there is no room. */
function step(from: usize, end: usize, what: u32, slot: usize, to: usize, most: usize): usize {
  while (true) {
    if (to + STEP > most) return 0;
    const length = min<usize>(end - from, 32);
    const last = from + length == end;
    memory.fill(to, 0, STEP);
    memory.copy(to, from, length);
    memory.fill(to + 32, 255, length);
    store<u32>(to, length as u32, 64);
    store<u32>(to, last ? what : IS_MORE, 68);
    store<u32>(to, slot as u32, 72);
    to += STEP;
    if (last) return to;
    from += length;
  }
}

function forget(): void {
  forms = 0;
  stepsEnd = STEPS;
  memory.fill(BUCKETS, 0, 256);
}

// @ts-ignore: decorator
@inline
function slotOf(number: u32): usize {
  return SLOTS + ((number as usize) << 4);
}

// @ts-ignore: decorator
@inline
function decimalOf(number: u32): f64 {
  return decimal(startOf(number), endOf(number));
}

// @ts-ignore: decorator
@inline
function startOf(number: u32): usize {
  return load<u32>(slotOf(number)) as usize;
}

// @ts-ignore: decorator
@inline
function endOf(number: u32): usize {
  return load<u32>(slotOf(number), 4) as usize;
}

// @ts-ignore: decorator
@inline
function schemaIs2(): bool {
  const start = load<u32>(slotOf(SCHEMA_VERSION));
  return load<u32>(slotOf(SCHEMA_VERSION), 4) - start == 1 && load<u8>(start as usize) == 0x32;
}

/** The double nearest to a decimal without exponent, NaN when it has too many digits to be sure of that at once. */
export function decimal(start: usize, end: usize): f64 {
  const value = wholeOf(start, end);
  if (value != value) return longDecimal(start, end);
  // Both are exact, so that the quotient is the nearest double.
  return value / load<f64>(POWERS + ((places as usize) << 3));
}

/** How many digits the last `wholeOf` found behind the point. */
let places: u32 = 0;

/** A decimal without its point, exact; NaN when it has an exponent or more than 17 letters or does not fit into 53 bits. */
function wholeOf(start: usize, end: usize): f64 {
  const negative = load<u8>(start) == 0x2d;
  let p = negative ? start + 1 : start;
  let length = (end - p) as i32;
  places = 0;
  if (length > 17) return NaN;
  let first: u64 = 0;
  if (length == 17) {
    first = (load<u8>(p) as u64) - 0x30;
    if (first > 9) return NaN;
    first *= 1000000000000000;
    p += 1;
    length = 16;
  }
  const letters = i8x16.sub(v128.load(p), i8x16.splat(0x30));
  const others = i8x16.bitmask(i8x16.gt_u(letters, i8x16.splat(9))) & ((1 << length) - 1);
  let point = 127;
  if (others != 0) {
    point = ctz(others);
    if ((others & (others - 1)) != 0 || load<u8>(p + point) != 0x2e) return NaN;
    length -= 1;
    places = length - point;
    // The leading one of 17 stands before as many digits as there are.
  } else if (first != 0) first *= 10;
  // Each digit to its place, the last one in the last.
  const order = i8x16.sub(
    i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    i8x16.splat((16 - length) as i8),
  );
  const digits = i8x16.swizzle(letters, i8x16.sub(order, i8x16.ge_s(order, i8x16.splat(point as i8))));
  const tens = i16x8(10, 1, 10, 1, 10, 1, 10, 1);
  const pairs = i16x8.narrow_i32x4_s(
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(digits), tens),
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(digits), tens),
  );
  const fours = i32x4.dot_i16x8_s(pairs, i16x8(100, 1, 100, 1, 100, 1, 100, 1));
  const eights = i32x4.dot_i16x8_s(
    i16x8.narrow_i32x4_s(fours, fours),
    i16x8(10000, 1, 10000, 1, 10000, 1, 10000, 1),
  );
  const high = i32x4.extract_lane(eights, 0) as u64;
  const low = i32x4.extract_lane(eights, 1) as u64;
  const whole = first + high * 100000000 + low;
  if (whole > 9007199254740992) return NaN;
  return negative ? -(whole as f64) : (whole as f64);
}

/**
 * The double nearest to a decimal of many digits, NaN for one that this cannot tell: the way of Eisel and Lemire ("Number
 * parsing at a gigabyte per second", 2021) with the first 19 digits; the others do not matter when one more in the last of
 * those comes to the same double.
 */
function longDecimal(start: usize, end: usize): f64 {
  const negative = load<u8>(start) == 0x2d;
  let whole: u64 = 0;
  let digits: i32 = 0;
  let behind: i32 = 0;
  let point: i32 = 0;
  let cut = false;
  for (let p = negative ? start + 1 : start; p < end; p += 1) {
    const c = load<u8>(p);
    if (c == 0x2e) {
      point = 1;
      continue;
    }
    const digit = (c - 0x30) as u8;
    if (digit > 9) return NaN;
    if (digits == 19) {
      if (point == 0) return NaN;
      cut = cut || digit != 0;
      continue;
    }
    whole = whole * 10 + (digit as u64);
    if (whole != 0) digits += 1;
    behind += point;
  }
  if (whole == 0 || behind == 0 || behind > MOST_TENTHS) return NaN;
  const value = scaled(whole, behind);
  if (cut && scaled(whole + 1, behind) != value) return NaN;
  return negative ? -value : value;
}

/** The double nearest to whole x 10^-tenths. */
function scaled(whole: u64, tenths: i32): f64 {
  const zeros = clz(whole);
  const w = whole << zeros;
  const power = TENTHS + ((tenths as usize) << 4);
  let high = upperProduct(w, load<u64>(power));
  let low = w * load<u64>(power);
  if ((high & 0x1ff) == 0x1ff) {
    const more = upperProduct(w, load<u64>(power, 8));
    low += more;
    if (low < more) high += 1;
  }
  const upper = high >> 63;
  let mantissa = high >> (upper + 9);
  let exponent = (((217706 * -tenths) >> 16) as i64) + 63 + (upper as i64) - (zeros as i64) + 1023;
  // Halfway between two doubles: to the even one.
  if (low <= 1 && tenths <= 4 && (mantissa & 3) == 1 && mantissa << (upper + 9) == high) mantissa &= ~1;
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  if (mantissa >= 1 << 53) {
    mantissa = 1 << 52;
    exponent += 1;
  }
  return reinterpret<f64>((mantissa & ~((1 as u64) << 52)) | ((exponent as u64) << 52));
}

/** The upper half of a product of 128 bits. */
// @ts-ignore: decorator
@inline
function upperProduct(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const crossed = aHigh * bLow + ((aLow * bLow) >> 32);
  const other = aLow * bHigh + (crossed & 0xffffffff);
  return aHigh * bHigh + (crossed >> 32) + (other >> 32);
}

/** The end of a known member's value, 0 for a no; fills its slot. */
function known(p: usize, first: u8, kind: u32, slot: usize, bit: u32): usize {
  switch (kind) {
    case DECIMAL:
    case REMEMBERED_DECIMAL: {
      if (first == 0x6e) return literal(p, slot, first);
      const quoted: usize = first == 0x22 ? 1 : 0;
      p += quoted;
      const end = quoted != 0 ? decimalEnd(p) : shortNumberEnd(p);
      if (end == 0 || (quoted != 0 && load<u8>(end) != 0x22)) return 0;
      fill(slot, p, end, quoted != 0 ? TEXT : NUMBER);
      if (kind == REMEMBERED_DECIMAL) remember(p, (end - p) as i32, slot, bit);
      return end + quoted;
    }
    case SECONDS: {
      const end = secondsEnd(p);
      if (end != 0) fill(slot, p, end, NUMBER);
      return end;
    }
    case NAME: {
      if (first != 0x22) return 0;
      const end = textEnd(p + 1);
      if (end == 0) return 0;
      fill(slot, p + 1, end, TEXT);
      const entry = find(TYPES, 58, p + 1, (end - p - 1) as i32);
      const number: u32 = entry == 0 ? 0 : load<u8>(entry, 29);
      // Rare types, whose every member may matter, are for the full parser.
      if (number > 15) return 0;
      store<u32>(TYPE, number);
      return end + 1;
    }
    case REMEMBERED: {
      if (first == 0x6e) return literal(p, slot, first);
      if (first == 0x22) {
        const end = textEnd(p + 1);
        if (end == 0) return 0;
        fill(slot, p + 1, end, TEXT);
        remember(p + 1, (end - p - 1) as i32, slot, bit);
        return end + 1;
      }
      return 0;
    }
    case SCHEMA: {
      if (first < 0x31 || first > 0x39) return 0;
      const digits = run(p);
      if (digits > 9) return 0;
      fill(slot, p, p + digits, NUMBER);
      return p + digits;
    }
    default: {
      if (first == 0x22) {
        const end = textEnd(p + 1);
        if (end == 0) return 0;
        fill(slot, p + 1, end, TEXT);
        return end + 1;
      }
      if (first == 0x74 || first == 0x66 || first == 0x6e) return literal(p, slot, first);
      const nested = first == 0x7b || first == 0x5b;
      const end = nested ? nestedEnd(p) : numberEnd(p);
      fill(slot, p, end, nested ? NESTED : NUMBER);
      return end;
    }
  }
}

/** The end of a plain number of seconds, which is put down as the line's time; 0 for a no. */
function secondsEnd(p: usize): usize {
  const first = load<u8>(p);
  if (first < 0x31 || first > 0x39) return 0;
  const whole = p + run(p);
  let end = whole;
  if (load<u8>(end) == 0x2e) {
    const places = run(end + 1);
    if (places == 0 || places > 9) return 0;
    end += 1 + places;
  }
  if (whole - p > 12) return 0;
  store<f64>(TIME, decimal(p, end));
  return end;
}

// @ts-ignore: decorator
@inline
function fill(slot: usize, start: usize, end: usize, kind: i32): void {
  store<u32>(slot, start as u32);
  store<u32>(slot, end as u32, 4);
  store<i32>(slot, kind, 8);
}

function literal(p: usize, slot: usize, first: u8): usize {
  const end = literalEnd(p, first);
  fill(slot, p, end, first == 0x6e ? NULL : first == 0x74 ? TRUE : FALSE);
  return end;
}

/** Notes in CHANGED whether a text differs from the one that its slot had before. */
function remember(p: usize, length: i32, slot: usize, bit: u32): void {
  const last = LAST + ((slot - SLOTS) >> 4) * 80;
  if (length == load<i32>(last)) {
    let same = true;
    for (let n = 0; n < length; n += 16) {
      const differs = v128.and(v128.xor(v128.load(p + n), v128.load(last + 16 + n)), head(length - n));
      if (v128.any_true(differs)) same = false;
    }
    if (same) return;
  }
  store<u32>(CHANGED, load<u32>(CHANGED) | bit);
  // Forms hold the text of the run.
  if (bit == 1 << RUN_ID) forget();
  // A text too long to be remembered is a new one each time.
  store<i32>(last, length > LAST_LETTERS ? -1 : length);
  if (length <= LAST_LETTERS) memory.copy(last + 16, p, length);
}

/** A vector whose first n bytes are ones. */
// @ts-ignore: decorator
@inline
function head(n: i32): v128 {
  return v128.load(ONES + 16 - (n < 16 ? (n as usize) : 16));
}

/** The entry of a name in a table, 0 when it is not in it. */
// @ts-ignore: decorator
@inline
function find(table: usize, shift: u64, p: usize, length: i32): usize {
  if (length > 23) return 0;
  const letters = v128.and(v128.load(p), head(length));
  const high = i64x2.extract_lane(letters, 1) as u64;
  const folded = (i64x2.extract_lane(letters, 0) as u64) ^ rotl<u64>(high, 29);
  const size: usize = (1 << (64 - (shift as usize))) - 1;
  let at = ((folded * HASH) >> shift) as usize;
  while (true) {
    const entry = table + (at << 5);
    const known = load<u8>(entry, 28);
    if (known == 0) return 0;
    if (
      known == length &&
      !v128.any_true(v128.xor(letters, v128.load(entry))) &&
      (length <= 16 || tail(p, length) == load<u64>(entry, 16))
    ) {
      return entry;
    }
    at = (at + 1) & size;
  }
}

/** Puts the name at p (zeros behind it) at its place in a table of 2^(64 - shift) entries, or at the next free one. */
export function layName(p: usize, length: i32, table: usize, shift: i32, number: i32, kind: i32): void {
  const folded = load<u64>(p) ^ rotl<u64>(load<u64>(p, 8), 29);
  const size: usize = ((1 as usize) << (64 - shift)) - 1;
  let at = ((folded * HASH) >> (shift as u64)) as usize;
  while (load<u8>(table + (at << 5), 28) != 0) at = (at + 1) & size;
  const entry = table + (at << 5);
  memory.copy(entry, p, 24);
  store<u8>(entry, length, 28);
  store<u8>(entry, number, 29);
  store<u8>(entry, kind, 30);
}

/** The letters of a name from the 17th on. */
// @ts-ignore: decorator
@inline
function tail(p: usize, length: i32): u64 {
  return load<u64>(p, 16) & (((1 as u64) << (((length - 16) as u64) << 3)) - 1);
}

// @ts-ignore: decorator
@inline
function space(p: usize): usize {
  while (true) {
    const c = load<u8>(p);
    if (c > 0x20 || (c != 0x20 && c != 0x09 && c != 0x0d)) return p;
    p += 1;
  }
}

/** Bits of the bytes that are not plain text: quote, backslash, control characters, everything beyond ASCII. */
// @ts-ignore: decorator
@inline
function special(p: usize): i32 {
  const v = v128.load(p);
  const marks = v128.or(i8x16.eq(v, i8x16.splat(0x22)), i8x16.eq(v, i8x16.splat(0x5c)));
  return i8x16.bitmask(v128.or(marks, i8x16.lt_s(v, i8x16.splat(0x20))));
}

/** The closing quote of a text without escapes, 0 when it is another one. */
// @ts-ignore: decorator
@inline
function textEnd(p: usize): usize {
  while (true) {
    const found = special(p);
    if (found != 0) {
      p += ctz(found);
      return load<u8>(p) == 0x22 ? p : 0;
    }
    p += 16;
  }
}

/** The same of a text that nobody reads: escapes are checked and passed over. */
function unreadTextEnd(p: usize): usize {
  while (true) {
    const found = special(p);
    if (found == 0) {
      p += 16;
      continue;
    }
    p += ctz(found);
    const c = load<u8>(p);
    if (c == 0x22) return p;
    if (c != 0x5c) return 0;
    const escaped = load<u8>(p, 1);
    p += 2;
    if (escaped == 0x75) {
      for (let n = 0; n < 4; n += 1) {
        const digit = load<u8>(p + n);
        const letter = digit | 0x20;
        if (!((digit >= 0x30 && digit <= 0x39) || (letter >= 0x61 && letter <= 0x66))) return 0;
      }
      p += 4;
    } else if (
      escaped != 0x22 && escaped != 0x5c && escaped != 0x2f && escaped != 0x62 &&
      escaped != 0x66 && escaped != 0x6e && escaped != 0x72 && escaped != 0x74
    ) {
      return 0;
    }
  }
}

/** Bits of the bytes that are no digits. */
// @ts-ignore: decorator
@inline
function others(p: usize): i32 {
  // Digits become the ten lowest numbers with a sign.
  return i8x16.bitmask(i8x16.gt_s(i8x16.sub(v128.load(p), i8x16.splat(-80)), i8x16.splat(-119)));
}

/** How many digits stand at p. */
// @ts-ignore: decorator
@inline
function run(p: usize): usize {
  let length: usize = 0;
  while (true) {
    const other = others(p + length);
    if (other != 0) return length + ctz(other);
    length += 16;
  }
}

/** -?digits(.digits)?(e[+-]?digits{1,3})? */
// @ts-ignore: decorator
@inline
function decimalEnd(p: usize): usize {
  if (load<u8>(p) == 0x2d) p += 1;
  // Nearly all are short: one look at 16 letters finds the point and the end.
  const marks = others(p);
  const behind = marks & (marks - 1);
  if (behind != 0 && load<u8>(p + ctz(marks)) == 0x2e) {
    const end = p + ctz(behind);
    if (ctz(marks) == 0 || ctz(behind) == ctz(marks) + 1) return 0;
    return (load<u8>(end) | 0x20) != 0x65 ? end : exponentEnd(end, 3);
  }
  const whole = run(p);
  if (whole == 0) return 0;
  p += whole;
  if (load<u8>(p) == 0x2e) {
    const places = run(p + 1);
    if (places == 0) return 0;
    p += 1 + places;
  }
  if ((load<u8>(p) | 0x20) != 0x65) return p;
  return exponentEnd(p, 3);
}

function exponentEnd(p: usize, most: usize): usize {
  const sign = load<u8>(p, 1);
  p += sign == 0x2b || sign == 0x2d ? 2 : 1;
  const digits = run(p);
  return digits == 0 || digits > most ? 0 : p + digits;
}

/** A bare number that a double gives back letter by letter: up to 9 digits and 6 places, the last one not zero. */
function shortNumberEnd(p: usize): usize {
  const negative = load<u8>(p) == 0x2d;
  if (negative) p += 1;
  const zero = load<u8>(p) == 0x30;
  const whole = run(p);
  if (whole == 0 || whole > 9 || (zero && whole > 1)) return 0;
  p += whole;
  const point = load<u8>(p) == 0x2e;
  if (point) {
    const places = run(p + 1);
    if (places == 0 || places > 6 || load<u8>(p + places) == 0x30) return 0;
    p += 1 + places;
  }
  if (negative && zero && !point) return 0;
  return (load<u8>(p) | 0x20) == 0x65 ? 0 : p;
}

/** A number as JSON writes it. */
// @ts-ignore: decorator
@inline
function numberEnd(p: usize): usize {
  if (load<u8>(p) == 0x2d) p += 1;
  const zero = load<u8>(p) == 0x30;
  const whole = run(p);
  if (whole == 0 || (zero && whole > 1)) return 0;
  p += whole;
  if (load<u8>(p) == 0x2e) {
    const places = run(p + 1);
    if (places == 0) return 0;
    p += 1 + places;
  }
  if ((load<u8>(p) | 0x20) != 0x65) return p;
  return exponentEnd(p, 1 << 20);
}

/** true, false or null. */
// @ts-ignore: decorator
@inline
function literalEnd(p: usize, first: u8): usize {
  if (first == 0x66) return load<u32>(p, 1) == 0x65736c61 ? p + 5 : 0;
  return load<u32>(p) == (first == 0x74 ? 0x65757274 : 0x6c6c756e) ? p + 4 : 0;
}

/** The end of a value that nobody reads. */
// @ts-ignore: decorator
@inline
function valueEnd(p: usize): usize {
  const first = load<u8>(p);
  if (first == 0x7b || first == 0x5b) return nestedEnd(p);
  return scalarEnd(p, first);
}

// @ts-ignore: decorator
@inline
function scalarEnd(p: usize, first: u8): usize {
  if (first == 0x22) {
    const end = unreadTextEnd(p + 1);
    return end == 0 ? 0 : end + 1;
  }
  if (first == 0x74 || first == 0x66 || first == 0x6e) return literalEnd(p, first);
  return numberEnd(p);
}

/** The end of an object or array. */
function nestedEnd(p: usize): usize {
  let depth: i32 = 0;
  /** One bit a level, the innermost last: 1 for an object. */
  let objects: u64 = 0;
  while (true) {
    const first = load<u8>(p);
    if (first == 0x7b || first == 0x5b) {
      if (depth == DEEPEST) return 0;
      depth += 1;
      const object: u64 = first == 0x7b ? 1 : 0;
      objects = (objects << 1) | object;
      p = space(p + 1);
      if (load<u8>(p) != first + 2) {
        if (object != 0) p = keyEnd(p);
        if (p == 0) return 0;
        continue;
      }
    } else {
      const start = p;
      p = scalarEnd(p, first);
      if (p == 0) return 0;
      noteFound(found, start, p, UNKNOWN);
      found += 1;
      p = space(p);
    }
    // After a value, or at the end of an empty list or object.
    while (true) {
      const c = load<u8>(p);
      if (c == 0x2c) {
        p = space(p + 1);
        if ((objects & 1) != 0) p = keyEnd(p);
        if (p == 0) return 0;
        break;
      }
      if (c != ((objects & 1) != 0 ? 0x7d : 0x5d)) return 0;
      objects >>= 1;
      depth -= 1;
      if (depth == 0) return p + 1;
      p = space(p + 1);
    }
  }
}

/** Where the value of a member begins. */
function keyEnd(p: usize): usize {
  if (load<u8>(p) != 0x22) return 0;
  p = unreadTextEnd(p + 1);
  if (p == 0) return 0;
  p = space(p + 1);
  return load<u8>(p) == 0x3a ? space(p + 1) : 0;
}
