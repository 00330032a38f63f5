/** Many lines at once: what a report needs of them, in tables. */
import { putPoint } from './book';
import { clearSums, id, takeFill } from './fills';
import { LESSON, credit, formEnd, formOf, learn } from './forms';
import { next } from './lines';
import {
  ADVERSE,
  ASK,
  BID,
  CHANGED,
  COUNTS,
  FEE,
  FILLS,
  FILLS_KEPT,
  FIRST_BEAT,
  GAPS,
  GAPS_KEPT,
  GAP_COUNT,
  HAVE,
  HIGHEST_TIME,
  IDS_RISE,
  ID_COUNT,
  LAST_BEAT,
  LAST_MID,
  LAST_TIME,
  LOOK_END,
  MARK,
  MID,
  POINTS,
  POINTS_KEPT,
  POINT_COUNT,
  POSITION,
  POSITIONS,
  POSITION_START,
  POST_ONLY,
  PRICE,
  QTY,
  REASON,
  SCHEMA_VERSION,
  SEEN,
  SIDE,
  TAKEN,
  TEXT,
  TIME,
  TYPE,
  endOf,
  slotOf,
  startOf,
} from './memory';
import { decimalOf } from './numbers';

const GAP_S: f64 = 60;
const LINE_BYTES: usize = 65536;
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
function schemaIs2(): bool {
  const start = load<u32>(slotOf(SCHEMA_VERSION));
  return load<u32>(slotOf(SCHEMA_VERSION), 4) - start == 1 && load<u8>(start as usize) == 0x32;
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
