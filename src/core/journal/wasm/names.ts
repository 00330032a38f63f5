/** Tables of names: members and types. */
import { head } from './letters';

/** The entry of a name in a table, 0 when it is not in it. */
// @ts-ignore: decorator
@inline
export function find(table: usize, shift: u64, p: usize, length: i32): usize {
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

export const HASH: u64 = 0x9e3779b97f4a7c15;
