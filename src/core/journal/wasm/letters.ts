/** Where values end, and which were found. */
import { FOUND, FOUND_KEPT, ONES } from './memory';

// @ts-ignore: decorator
@inline
export function space(p: usize): usize {
  while (true) {
    const c = load<u8>(p);
    if (c > 0x20 || (c != 0x20 && c != 0x09 && c != 0x0d)) return p;
    p += 1;
  }
}

/** Bits of the bytes that are not plain text: quote, backslash, control characters, everything beyond ASCII. */
// @ts-ignore: decorator
@inline
export function special(p: usize): i32 {
  const v = v128.load(p);
  const marks = v128.or(i8x16.eq(v, i8x16.splat(0x22)), i8x16.eq(v, i8x16.splat(0x5c)));
  return i8x16.bitmask(v128.or(marks, i8x16.lt_s(v, i8x16.splat(0x20))));
}

/** The closing quote of a text without escapes, 0 when it is another one. */
// @ts-ignore: decorator
@inline
export function textEnd(p: usize): usize {
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
export function unreadTextEnd(p: usize): usize {
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
export function run(p: usize): usize {
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
export function decimalEnd(p: usize): usize {
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
export function shortNumberEnd(p: usize): usize {
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
export function numberEnd(p: usize): usize {
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
export function literalEnd(p: usize, first: u8): usize {
  if (first == 0x66) return load<u32>(p, 1) == 0x65736c61 ? p + 5 : 0;
  return load<u32>(p) == (first == 0x74 ? 0x65757274 : 0x6c6c756e) ? p + 4 : 0;
}

/** The end of a value that nobody reads. */
// @ts-ignore: decorator
@inline
export function valueEnd(p: usize): usize {
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
export function nestedEnd(p: usize): usize {
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

const DEEPEST: i32 = 60;

/** A vector whose first n bytes are ones. */
// @ts-ignore: decorator
@inline
export function head(n: i32): v128 {
  return v128.load(ONES + 16 - (n < 16 ? (n as usize) : 16));
}

/**
 * How many values `next` found, and what it puts down of one that is not known. What is in a list or an object stands behind
 * that as values of their own, so that the list may be taken as one or as what is in it.
 */
export let found: u32 = 0;
export const UNKNOWN: u32 = 0xff;

// @ts-ignore: decorator
@inline
export function noteFound(number: u32, start: usize, end: usize, member: u32): void {
  if (number >= FOUND_KEPT) return;
  const at = FOUND + ((number as usize) << 4);
  store<u32>(at, start as u32);
  store<u32>(at, end as u32, 4);
  store<u32>(at, member, 8);
}
