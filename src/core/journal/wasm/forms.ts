/** Forms of lines that were seen before: most lines are compared with one instead of read. */
import {
  UNKNOWN,
  decimalEnd,
  found,
  nestedEnd,
  numberEnd,
  shortNumberEnd,
  special,
  textEnd,
  unreadTextEnd,
} from './letters';
import {
  BUCKETS,
  DECIMAL,
  FORMS,
  FORMS_KEPT,
  FOUND,
  FOUND_KEPT,
  HAVE,
  HEAD_KEPT,
  HEAD_STEPS,
  NAME,
  NESTED,
  NEW_HEAD,
  NUMBER,
  REMEMBERED,
  REMEMBERED_DECIMAL,
  SCHEMA,
  SECONDS,
  SEEN,
  STEPS,
  STEPS_END,
  TEXT,
  TYPE,
  fill,
  slotOf,
} from './memory';
import { HASH } from './names';
import { literal, secondsEnd } from './values';

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
export const LESSON: u32 = 64;
export let credit: u32 = 32 * LESSON;

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

export let formEnd: usize = 0;

/** The form of the line at `at`, whose slots are filled as `next` does, or 0 when it has none of those known. */
export function formOf(at: usize): usize {
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
export function learn(at: usize, after: usize): void {
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

export function forget(): void {
  forms = 0;
  stepsEnd = STEPS;
  memory.fill(BUCKETS, 0, 256);
}
