/** Decimals as numbers. */
import { POWERS, TENTHS, endOf, startOf } from './memory';

/** The double nearest to a decimal without exponent, NaN when it has too many digits to be sure of that at once. */
export function decimal(start: usize, end: usize): f64 {
  const value = wholeOf(start, end);
  if (value != value) return longDecimal(start, end);
  // Both are exact, so that the quotient is the nearest double.
  return value / load<f64>(POWERS + ((places as usize) << 3));
}

// @ts-ignore: decorator
@inline
export function decimalOf(number: u32): f64 {
  return decimal(startOf(number), endOf(number));
}

/** How many digits the last `wholeOf` found behind the point. */
export let places: u32 = 0;

/** A decimal without its point, exact; NaN when it has an exponent or more than 17 letters or does not fit into 53 bits. */
export function wholeOf(start: usize, end: usize): f64 {
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

const MOST_TENTHS: i32 = 48;

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
