/** Where everything stands in memory, and the numbers that src/core/journal/line-reader.ts knows as well. */

/** 16 bytes a known member: start, end (exclusive; of a text without its quotes), kind of the value. */
export const SLOTS: usize = 1024;
export const TIME: usize = 2048;
/** Bits by slot: members that the line has, and those that are not null. */
export const SEEN: usize = 2056;
export const HAVE: usize = 2060;
/** Number of the type in the table of types; 0: not in it. */
export const TYPE: usize = 2064;
/** Bits: the text of this slot differs from the one before. The reader clears them, so that a no cannot hide a change. */
export const CHANGED: usize = 2068;
/** What `skim` took: lines by number of the type (32 bytes), then those with a position, lines and points in all. */
export const COUNTS: usize = 2360;
export const POSITIONS: usize = 2392;
export const TAKEN: usize = 2396;
export const POINT_COUNT: usize = 2400;
/** End of the line that `skim` read and left to be looked at; 0: it ends before a line that it refused; 1: a table is full. */
export const LOOK_END: usize = 2404;
/** Time of its last line, and its highest one. */
export const LAST_TIME: usize = 2408;
export const HIGHEST_TIME: usize = 2416;
/** Where the last position stands (start and end); bits: places with a sum; rejections for being post-only. */
export const POSITION_START: usize = 2424;
export const SUM_PLACES: usize = 2432;
export const POST_ONLY: usize = 2436;
/** How many ids, whether each is higher than the one before, how many edges of both kinds, negative ones among those written. */
export const ID_COUNT: usize = 2440;
export const IDS_RISE: usize = 2444;
export const EDGE_COUNT: usize = 2448;
export const EDGE_AGAIN_COUNT: usize = 2452;
export const ADVERSE: usize = 2456;
export const GAP_COUNT: usize = 2460;
/** Time of the first and the last heartbeat, and the last mid (NaN: none). */
export const FIRST_BEAT: usize = 2464;
export const LAST_BEAT: usize = 2472;
export const LAST_MID: usize = 2480;
/** 24 bytes a point: time, price, sign (0 a mid, 1 a buy, -1 a sell). */
export const POINTS: usize = 335872;
export const POINTS_KEPT: u32 = 3072;
/** 8 numbers a fill; see `takeFill`. */
export const FILLS: usize = 409600;
export const FILLS_KEPT: u32 = 1024;
/** Pairs of times of heartbeats that lie far apart. */
export const GAPS: usize = 475136;
export const GAPS_KEPT: u32 = 512;
/** Sums of fills by places, 256 bytes a sum: notional, that of takers, fees, sold less bought, bought less sold quantity. */
export const SUMS: usize = 483328;
/** Forms: 32 bytes each, and their steps of 80 bytes; the first form of each hash of a type; what `next` found last. */
export const FORMS: usize = 491520;
export const FORMS_KEPT: u32 = 128;
export const BUCKETS: usize = 495616;
export const FOUND: usize = 680960;
export const FOUND_KEPT: u32 = 128;
export const HEAD_STEPS: usize = 496896;
export const NEW_HEAD: usize = 499456;
export const HEAD_KEPT: usize = 32 * 80;
export const STEPS: usize = 502016;
export const STEPS_END: usize = 655360;
/** Ids of the fills as whole numbers; their edges as written and as computed again. */
export const IDS: usize = 655360;
export const EDGES: usize = 663552;
export const EDGES_AGAIN: usize = 671744;
/** 10^-n for n up to 48, each as the upper 128 bits of a fraction, rounded up: high half, low half. */
export const TENTHS: usize = 679936;
/**
 * What `book` goes on from, as numbers: newest time, released up to, next due, late ones, points held, fills; then of each
 * horizon its seconds, the first fill that it has not settled, missed ones, and of their mean the sum, what it lost, and n.
 */
export const BOOK_STATE: usize = 720896;
export const BOOK_HORIZONS: usize = 720944;
export const HORIZONS: u32 = 6;
export const HORIZON: usize = 48;
/** Points held in order, as in POINTS; time, price and sign of fills in columns. */
export const HELD: usize = 721408;
export const FILL_TIMES: usize = 819712;
export const FILL_PRICES: usize = 852480;
export const FILL_SIGNS: usize = 885248;
/** 16 bytes of ones and 16 of zeros: the first n bytes of a vector. */
export const ONES: usize = 2112;
/** Powers of ten, 0 to 22: exact as doubles. */
export const POWERS: usize = 2176;
/** 80 bytes a remembered text: its length, from the 16th byte its letters. */
export const LAST: usize = 3072;
export const LAST_LETTERS: i32 = 64;
/** Tables of names, 32 bytes an entry: 24 letters, then at 28 length, slot or number, class. */
export const KEYS: usize = 8192;
export const TYPES: usize = 16384;

export const NULL: i32 = 1;
export const TEXT: i32 = 2;
export const NUMBER: i32 = 3;
export const TRUE: i32 = 4;
export const FALSE: i32 = 5;
export const NESTED: i32 = 6;

/** Classes of members: what is said yes to. */
const ANY: u32 = 1;
export const DECIMAL: u32 = 2;
export const SECONDS: u32 = 3;
export const NAME: u32 = 4;
export const REMEMBERED: u32 = 5;
export const SCHEMA: u32 = 6;
export const REMEMBERED_DECIMAL: u32 = 7;

/** Slots and types that `skim` knows. */
export const SCHEMA_VERSION: u32 = 4;
export const RUN_ID: u32 = 2;
const MARKET: u32 = 3;
export const TRADE_ID: u32 = 5;
export const SIDE: u32 = 6;
export const IS_TAKER: u32 = 7;
export const REASON: u32 = 9;
export const PRICE: u32 = 12;
export const QTY: u32 = 13;
export const FEE: u32 = 14;
export const MID: u32 = 15;
export const BID: u32 = 16;
export const ASK: u32 = 17;
export const EDGE: u32 = 19;
export const POSITION: u32 = 20;
export const MARK: u32 = 23;

// @ts-ignore: decorator
@inline
export function slotOf(number: u32): usize {
  return SLOTS + ((number as usize) << 4);
}

// @ts-ignore: decorator
@inline
export function startOf(number: u32): usize {
  return load<u32>(slotOf(number)) as usize;
}

// @ts-ignore: decorator
@inline
export function endOf(number: u32): usize {
  return load<u32>(slotOf(number), 4) as usize;
}

// @ts-ignore: decorator
@inline
export function fill(slot: usize, start: usize, end: usize, kind: i32): void {
  store<u32>(slot, start as u32);
  store<u32>(slot, end as u32, 4);
  store<i32>(slot, kind, 8);
}
