/** One line, read member by member. */
import { UNKNOWN, found, noteFound, space, textEnd, valueEnd } from './letters';
import { HAVE, KEYS, NULL, SEEN, SLOTS } from './memory';
import { find } from './names';
import { known } from './values';

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
