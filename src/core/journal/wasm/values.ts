/** Values of known members. */
import { forget } from './forms';
import { decimalEnd, head, literalEnd, nestedEnd, numberEnd, run, shortNumberEnd, textEnd } from './letters';
import {
  CHANGED,
  DECIMAL,
  FALSE,
  LAST,
  LAST_LETTERS,
  NAME,
  NESTED,
  NULL,
  NUMBER,
  REMEMBERED,
  REMEMBERED_DECIMAL,
  RUN_ID,
  SCHEMA,
  SECONDS,
  SLOTS,
  TEXT,
  TIME,
  TRUE,
  TYPE,
  TYPES,
  fill,
} from './memory';
import { find } from './names';
import { decimal } from './numbers';

/** The end of a known member's value, 0 for a no; fills its slot. */
export function known(p: usize, first: u8, kind: u32, slot: usize, bit: u32): usize {
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
export function secondsEnd(p: usize): usize {
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

export function literal(p: usize, slot: usize, first: u8): usize {
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
