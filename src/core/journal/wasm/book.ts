/** Markouts: points in the order of their times, fills until their last horizon. */
import {
  BOOK_HORIZONS,
  BOOK_STATE,
  FILL_PRICES,
  FILL_SIGNS,
  FILL_TIMES,
  HELD,
  HORIZON,
  HORIZONS,
  POINTS,
} from './memory';

const REORDER_WINDOW_S: f64 = 5;
const GRACE_S: f64 = 60;

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

// @ts-ignore: decorator
@inline
export function putPoint(at: usize, time: f64, price: f64, sign: f64): void {
  store<f64>(at, time);
  store<f64>(at, price, 8);
  store<f64>(at, sign, 16);
}
