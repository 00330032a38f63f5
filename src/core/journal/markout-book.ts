import type { LineReader } from './line-reader.ts';
import { MARKOUT_GRACE_S } from './markout.ts';

/** The horizons of a report by label, in seconds. */
export const HORIZONS_S = { '250ms': 0.25, '1s': 1, '5s': 5, '30s': 30, '60s': 60, '2m': 120 } as const;
export type Horizon = keyof typeof HORIZONS_S;

/** Lines may be up to this much out of order in time and still be put right while streaming. */
export const REORDER_WINDOW_S = 5;
/** Held lines at most; past it the oldest goes on even if the window is not over. */
const REORDER_LIMIT = 4096;

/** `mean` in bps, positive is good, null without values; `pending`: no mid yet, may still come; `missed`: none came in time. */
export type MarkoutSummary = { mean: number | null; n: number; pending: number; missed: number };

/** A mid (sign 0) or a fill (sign +1 buy, -1 sell) at a time. */
export type Point = { ts: number; sign: 1 | -1 | 0; price: number };

/**
 * Mean markouts at all horizons in one pass: a small window puts fills and mids in order of time, stably. The formula is
 * that of MarkoutQueue; here the fills, once in order, stand in one list, and each horizon is a place in it. Its numbers
 * stand as the line reader has them, which goes on with them by itself (`addSkimmed`).
 */
export class MarkoutBook {
  /** The window: a ring of time, price and sign of points in order. */
  readonly #held = new Float64Array(3 * HELD);
  #heldStart = 0;
  #heldEnd = 0;
  /** Fills in order, in columns from `#start` to the number of fills; those that every horizon has settled are dropped. */
  #ts = new Float64Array(64);
  #price = new Float64Array(64);
  #sign = new Float64Array(64);
  #start = 0;
  readonly #state = freshState();
  readonly #one = new Float64Array(3);

  /** Lines that came later than the window: when not zero, sort all points and use a new book. */
  get late(): number {
    return this.#state[LATE]!;
  }

  add(ts: number, sign: Point['sign'], price: number): void {
    this.#one[0] = ts;
    this.#one[1] = price;
    this.#one[2] = sign;
    this.addAll(this.#one, 1);
  }

  /** The first so many of these points: time, price and sign of each. */
  addAll(points: Float64Array, count: number): void {
    const [held, state] = [this.#held, this.#state];
    for (let from = 0; from < 3 * count; from += 3) {
      const ts = points[from]!;
      if (ts < state[RELEASED]!) state[LATE]! += 1;
      // Behind all that are not later.
      let at = this.#heldEnd;
      for (; at > this.#heldStart; at -= 1) {
        const before = 3 * ((at - 1) & HELD_MASK);
        if (!(held[before]! > ts)) break;
        for (let n = 0; n < 3; n += 1) held[3 * (at & HELD_MASK) + n] = held[before + n]!;
      }
      const place = 3 * (at & HELD_MASK);
      held[place] = ts;
      held[place + 1] = points[from + 1]!;
      held[place + 2] = points[from + 2]!;
      this.#heldEnd += 1;
      if (ts > state[NEWEST]!) state[NEWEST] = ts;
      this.#release(state[NEWEST]! - REORDER_WINDOW_S);
    }
  }

  /** The points that the reader has skimmed; it takes them itself when there is room for all that this book holds. */
  addSkimmed(reader: LineReader, count: number): void {
    const [{ state, held, ts, price, sign }, ours] = [reader.book, this.#state];
    const points = this.#heldEnd - this.#heldStart;
    if (this.#start > 0) this.#makeRoom();
    if (Math.max(points, ours[FILLS]!) + count > ts.length) {
      this.addAll(reader.points, count);
      return;
    }
    ours[POINTS] = points;
    state.set(ours);
    for (let n = 0; n < points; n += 1) {
      const from = 3 * ((this.#heldStart + n) & HELD_MASK);
      for (let at = 0; at < 3; at += 1) held[3 * n + at] = this.#held[from + at]!;
    }
    ts.set(this.#ts.subarray(0, ours[FILLS]));
    price.set(this.#price.subarray(0, ours[FILLS]));
    sign.set(this.#sign.subarray(0, ours[FILLS]));
    reader.takeIntoBook(count);
    ours.set(state);
    while (this.#ts.length < ours[FILLS]!) this.#makeRoom();
    this.#ts.set(ts.subarray(0, ours[FILLS]));
    this.#price.set(price.subarray(0, ours[FILLS]));
    this.#sign.set(sign.subarray(0, ours[FILLS]));
    this.#held.set(held.subarray(0, 3 * ours[POINTS]!));
    this.#heldStart = 0;
    this.#heldEnd = ours[POINTS]!;
  }

  /** Takes what is still held and sums up; no more points after it. */
  finish(): Record<Horizon, MarkoutSummary> {
    this.#release(Number.POSITIVE_INFINITY);
    const state = this.#state;
    const summaries = Object.keys(HORIZONS_S).map((label, n) => {
      const at = STATE + HORIZON * n;
      const until = state[NEWEST]! - MARKOUT_GRACE_S - state[at + SECONDS]!;
      // A fill without a price has no markout at all and is neither missed nor pending.
      let next = state[at + NEXT]!;
      let missed = state[at + MISSED]!;
      for (; next < state[FILLS]! && until > this.#ts[next]!; next += 1) missed += 1;
      const mean = state[at + SUM]! / state[at + COUNT]!;
      const pending = state[FILLS]! - next;
      return [label, { mean: Number.isFinite(mean) ? mean : null, n: state[at + COUNT]!, pending, missed }];
    });
    return Object.fromEntries(summaries) as Record<Horizon, MarkoutSummary>;
  }

  #release(upTo: number): void {
    const [held, state] = [this.#held, this.#state];
    while (this.#heldStart < this.#heldEnd) {
      const place = 3 * (this.#heldStart & HELD_MASK);
      const ts = held[place]!;
      if (ts > upTo && this.#heldEnd - this.#heldStart <= REORDER_LIMIT) return;
      if (ts > state[RELEASED]!) state[RELEASED] = ts;
      const price = held[place + 1]!;
      const sign = held[place + 2]!;
      this.#heldStart += 1;
      if (sign === 0) {
        if (ts >= state[NEXT_DUE]!) this.#settle(ts, price);
      } else if (price > 0) this.#addFill(ts, sign, price);
    }
    this.#heldStart = 0;
    this.#heldEnd = 0;
  }

  #addFill(ts: number, sign: number, price: number): void {
    const state = this.#state;
    if (state[FILLS] === this.#ts.length) this.#makeRoom();
    const at = state[FILLS]!;
    this.#ts[at] = ts;
    this.#price[at] = price;
    this.#sign[at] = sign;
    state[FILLS] = at + 1;
    state[NEXT_DUE] = Math.min(state[NEXT_DUE]!, ts + state[STATE + SECONDS]!);
  }

  /** A mid at `ts`: every fill that was due by then has its markout, or has missed it. */
  #settle(ts: number, mid: number): void {
    const state = this.#state;
    const fills = state[FILLS]!;
    let nextDue = Number.POSITIVE_INFINITY;
    for (let place = STATE; place < state.length; place += HORIZON) {
      let at = state[place + NEXT]!;
      for (; at < fills; at += 1) {
        const due = this.#ts[at]! + state[place + SECONDS]!;
        if (due > ts) {
          if (due < nextDue) nextDue = due;
          break;
        }
        const price = this.#price[at]!;
        if (ts > due + MARKOUT_GRACE_S) state[place + MISSED]! += 1;
        else this.#count(place, (1e4 * this.#sign[at]! * (mid - price)) / price);
      }
      state[place + NEXT] = at;
      // The longest horizon, the last one, is the last to settle a fill.
      this.#start = at;
    }
    state[NEXT_DUE] = nextDue;
  }

  /** One more markout of a horizon, added as `Mean` adds. */
  #count(place: number, markout: number): void {
    const state = this.#state;
    const sum = state[place + SUM]!;
    const adjusted = markout - state[place + LOST]!;
    const next = sum + adjusted;
    state[place + SUM] = next;
    state[place + LOST] = next - sum - adjusted;
    state[place + COUNT]! += 1;
  }

  /** Moves the fills to the beginning of the columns; when hardly any are free, these become longer. */
  #makeRoom(): void {
    const [start, state] = [this.#start, this.#state];
    const end = state[FILLS]!;
    const length = end - start > this.#ts.length / 2 ? 2 * this.#ts.length : this.#ts.length;
    const moved = (column: Float64Array<ArrayBuffer>) => {
      const to = length === column.length ? column : new Float64Array(length);
      to.set(column.subarray(start, end));
      return to;
    };
    this.#ts = moved(this.#ts);
    this.#price = moved(this.#price);
    this.#sign = moved(this.#sign);
    for (let place = STATE; place < state.length; place += HORIZON) state[place + NEXT]! -= start;
    this.#start = 0;
    state[FILLS] = end - start;
  }
}

/** Points in the ring at most: more than `REORDER_LIMIT`, a power of two. */
const HELD = 8192;
const HELD_MASK = HELD - 1;

// As in src/core/journal/wasm/memory.ts: numbers of a book, and behind them those of each horizon.
const [NEWEST, RELEASED, NEXT_DUE, LATE, POINTS, FILLS, STATE] = [0, 1, 2, 3, 4, 5, 6];
const [SECONDS, NEXT, MISSED, SUM, LOST, COUNT, HORIZON] = [0, 1, 2, 3, 4, 5, 6];

function freshState(): Float64Array {
  const horizons = Object.values(HORIZONS_S).flatMap((seconds) => [seconds, 0, 0, 0, 0, 0]);
  return Float64Array.from([
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    0,
    0,
    0,
    ...horizons,
  ]);
}

/** All points of a journal, for the second pass over one that is badly out of order: 24 bytes a point. */
export class PointSeries {
  #points = new Float64Array(3 * 64);
  #count = 0;

  add({ ts, sign, price }: Point): void {
    if (3 * this.#count === this.#points.length) {
      const wider = new Float64Array(this.#points.length * 2);
      wider.set(this.#points);
      this.#points = wider;
    }
    this.#points.set([ts, price, sign], 3 * this.#count);
    this.#count += 1;
  }

  /** The points in order of time (stable), through a book. */
  summarise(): Record<Horizon, MarkoutSummary> {
    const points = this.#points;
    const order = new Uint32Array(this.#count)
      .map((_, at) => at)
      .sort((a, b) => points[3 * a]! - points[3 * b]! || a - b);
    const book = new MarkoutBook();
    for (const at of order) book.add(points[3 * at]!, points[3 * at + 2] as Point['sign'], points[3 * at + 1]!);
    return book.finish();
  }
}
