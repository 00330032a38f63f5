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
/** What `skim` took: lines by number of the type (32 bytes), then those with a position, lines and mids in all. */
const COUNTS: usize = 2360;
const POSITIONS: usize = 2392;
const TAKEN: usize = 2396;
const MID_COUNT: usize = 2400;
/** End of the line that `skim` read and left to be looked at; 0: it ends before a line that it refused. */
const LOOK_END: usize = 2404;
/** Time of its last line, and its highest one. */
const LAST_TIME: usize = 2408;
const HIGHEST_TIME: usize = 2416;
/** Pairs of time and mid. */
const MIDS: usize = 335872;
const MIDS_KEPT: u32 = 3072;
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
const SIDE: u32 = 6;
const PRICE: u32 = 12;
const MID: u32 = 15;
const BID: u32 = 16;
const ASK: u32 = 17;
const POSITION: u32 = 20;
const MARK: u32 = 23;
/** type, ts, run_id, schema_version */
const EVERY: u32 = 0b10111;
const MID_SLOTS: u32 = (1 << MID) | (1 << BID) | (1 << ASK) | (1 << MARK);
const BOOK: u32 = (1 << BID) | (1 << ASK);
const PLACED: u32 = 2;
const PLACED_NEEDS: u32 = (1 << SIDE) | (1 << PRICE);
/** Types of which only the number counts: other, order_placed, order_cancelled, snapshot. */
const QUIET: u32 = 0b101101;

/** Where the next line begins when the line at `at` is good, else 0. A newline must follow somewhere. */
export function next(at: usize): usize {
  let seen: u32 = 0;
  let have: u32 = 0;
  let p = space(at);
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
    if (entry == 0) {
      p = valueEnd(p);
      if (p == 0) return 0;
    } else {
      const number = load<u8>(entry, 29);
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
 * Takes good lines from `at` to `end` that change no more than counts, times and mids, and gives back where the first
 * other one begins. Such a line has the run and, if any, the position last seen, and schema 2.
 */
export function skim(at: usize, end: usize): usize {
  let taken: u32 = 0;
  let positions: u32 = 0;
  let mids: u32 = 0;
  let last: f64 = 0;
  let highest: f64 = -Infinity;
  let after: usize = 0;
  v128.store(COUNTS, i64x2.splat(0));
  v128.store(COUNTS + 16, i64x2.splat(0));
  while (at < end) {
    after = next(at);
    if (after == 0) break;
    const have = load<u32>(HAVE);
    const type = load<u32>(TYPE);
    const time = load<f64>(TIME);
    if (
      (have & EVERY) != EVERY ||
      (QUIET & (1 << type)) == 0 ||
      (type == PLACED && ((have & PLACED_NEEDS) != PLACED_NEEDS || load<i32>(slotOf(SIDE), 8) != TEXT)) ||
      (load<u32>(CHANGED) & have) != 0 ||
      time != time ||
      !schemaIs2() ||
      after - at > LINE_BYTES
    ) {
      break;
    }
    if ((have & MID_SLOTS) != 0) {
      let mid: f64 = 0;
      if ((have & (1 << MID)) != 0) mid = decimalOf(MID);
      else if ((have & (1 << MARK)) != 0) mid = decimalOf(MARK);
      else if ((have & BOOK) == BOOK) mid = (decimalOf(BID) + decimalOf(ASK)) / 2;
      else mid = Infinity;
      if (mid != mid || mids == MIDS_KEPT) break;
      if (mid != Infinity) {
        store<f64>(MIDS + ((mids as usize) << 4), time);
        store<f64>(MIDS + ((mids as usize) << 4), mid, 8);
        mids += 1;
      }
    }
    const count = COUNTS + ((type as usize) << 2);
    store<u32>(count, load<u32>(count) + 1);
    positions += (have >> POSITION) & 1;
    last = time;
    highest = max<f64>(highest, time);
    taken += 1;
    at = after;
    after = 0;
  }
  store<u32>(TAKEN, taken);
  store<u32>(POSITIONS, positions);
  store<u32>(MID_COUNT, mids);
  store<f64>(LAST_TIME, last);
  store<f64>(HIGHEST_TIME, highest);
  store<u32>(LOOK_END, after as u32);
  return at;
}

// @ts-ignore: decorator
@inline
function slotOf(number: u32): usize {
  return SLOTS + ((number as usize) << 4);
}

// @ts-ignore: decorator
@inline
function decimalOf(number: u32): f64 {
  return decimal(load<u32>(slotOf(number)) as usize, load<u32>(slotOf(number), 4) as usize);
}

// @ts-ignore: decorator
@inline
function schemaIs2(): bool {
  const start = load<u32>(slotOf(SCHEMA_VERSION));
  return load<u32>(slotOf(SCHEMA_VERSION), 4) - start == 1 && load<u8>(start as usize) == 0x32;
}

/** The double nearest to a decimal without exponent, NaN when it has too many digits to be sure of that at once. */
export function decimal(start: usize, end: usize): f64 {
  const negative = load<u8>(start) == 0x2d;
  let p = negative ? start + 1 : start;
  if (end - p > 17) return NaN;
  let digits: u64 = 0;
  let places: i32 = 0;
  let point: i32 = 0;
  for (; p < end; p += 1) {
    const c = load<u8>(p);
    if (c == 0x2e) {
      point = 1;
      continue;
    }
    const digit = (c - 0x30) as u8;
    if (digit > 9) return NaN;
    digits = digits * 10 + (digit as u64);
    places += point;
  }
  if (digits > 9007199254740992) return NaN;
  // Both are exact, so that the quotient is the nearest double.
  const value = (digits as f64) / load<f64>(POWERS + ((places as usize) << 3));
  return negative ? -value : value;
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
      fill(slot, p, end, NUMBER);
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

/** How many digits stand at p. */
// @ts-ignore: decorator
@inline
function run(p: usize): usize {
  let length: usize = 0;
  while (true) {
    const other = i8x16.bitmask(i8x16.gt_u(i8x16.sub(v128.load(p + length), i8x16.splat(0x30)), i8x16.splat(9)));
    if (other != 0) return length + ctz(other);
    length += 16;
  }
}

/** -?digits(.digits)?(e[+-]?digits{1,3})? */
// @ts-ignore: decorator
@inline
function decimalEnd(p: usize): usize {
  if (load<u8>(p) == 0x2d) p += 1;
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
      p = scalarEnd(p, first);
      if (p == 0) return 0;
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
