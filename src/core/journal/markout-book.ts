import { MARKOUT_GRACE_S } from './markout.ts';
import { Mean } from './statistics.ts';

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
 * that of MarkoutQueue; here the fills, once in order, stand in one list, and each horizon is a place in it. Points come by
 * the hundred thousand: they stand in plain columns, and few functions do it all.
 */
export class MarkoutBook {
  /** The window: a ring of time, price and sign of points in order. */
  readonly #held = new Float64Array(3 * HELD);
  #heldStart = 0;
  #heldEnd = 0;
  /** Fills in order, in columns from `#start` to `#end`; those that every horizon has settled are dropped. */
  #ts = new Float64Array(64);
  #price = new Float64Array(64);
  #sign = new Int8Array(64);
  #start = 0;
  #end = 0;
  /** `next`: place in the columns of the first fill that is not settled. */
  readonly #horizons: HorizonState[] = Object.values(HORIZONS_S).map((seconds) => ({
    seconds,
    next: 0,
    missed: 0,
    mean: new Mean(),
  }));
  readonly #one = new Float64Array(3);
  /** Time of the first mid that settles anything. */
  #nextDue = Number.POSITIVE_INFINITY;
  #released = Number.NEGATIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;
  #late = 0;

  /** Lines that came later than the window: when not zero, sort all points and use a new book. */
  get late(): number {
    return this.#late;
  }

  add(ts: number, sign: Point['sign'], price: number): void {
    this.#one[0] = ts;
    this.#one[1] = price;
    this.#one[2] = sign;
    this.addAll(this.#one, 1);
  }

  /** The first so many of these points: time, price and sign of each. */
  addAll(points: Float64Array, count: number): void {
    const held = this.#held;
    for (let from = 0; from < 3 * count; from += 3) {
      const ts = points[from]!;
      if (ts < this.#released) this.#late += 1;
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
      if (ts > this.#newest) this.#newest = ts;
      const upTo = this.#newest - REORDER_WINDOW_S;
      if (held[3 * (this.#heldStart & HELD_MASK)]! <= upTo || this.#heldEnd - this.#heldStart > REORDER_LIMIT)
        this.#release(upTo);
    }
  }

  /** Takes what is still held and sums up; no more points after it. */
  finish(): Record<Horizon, MarkoutSummary> {
    this.#release(Number.POSITIVE_INFINITY);
    const summaries = Object.keys(HORIZONS_S).map((label, at) => {
      const horizon = this.#horizons[at]!;
      // A fill without a price has no markout at all and is neither missed nor pending.
      let { next, missed } = horizon;
      for (; next < this.#end && this.#newest > this.#ts[next]! + horizon.seconds + MARKOUT_GRACE_S; next += 1) {
        missed += 1;
      }
      const { n, value } = horizon.mean;
      return [label, { mean: value, n, pending: this.#end - next, missed }];
    });
    return Object.fromEntries(summaries) as Record<Horizon, MarkoutSummary>;
  }

  #release(upTo: number): void {
    const held = this.#held;
    while (this.#heldStart < this.#heldEnd) {
      const place = 3 * (this.#heldStart & HELD_MASK);
      const ts = held[place]!;
      if (ts > upTo && this.#heldEnd - this.#heldStart <= REORDER_LIMIT) return;
      if (ts > this.#released) this.#released = ts;
      const price = held[place + 1]!;
      const sign = held[place + 2]!;
      this.#heldStart += 1;
      if (sign === 0) {
        if (ts >= this.#nextDue) this.#settle(ts, price);
      } else if (price > 0) this.#addFill(ts, sign, price);
    }
    this.#heldStart = 0;
    this.#heldEnd = 0;
  }

  #addFill(ts: number, sign: number, price: number): void {
    if (this.#end === this.#ts.length) this.#makeRoom();
    this.#ts[this.#end] = ts;
    this.#price[this.#end] = price;
    this.#sign[this.#end] = sign;
    this.#end += 1;
    this.#nextDue = Math.min(this.#nextDue, ts + this.#horizons[0]!.seconds);
  }

  /** A mid at `ts`: every fill that was due by then has its markout, or has missed it. */
  #settle(ts: number, mid: number): void {
    const end = this.#end;
    let nextDue = Number.POSITIVE_INFINITY;
    for (const horizon of this.#horizons) {
      let at = horizon.next;
      for (; at < end; at += 1) {
        const due = this.#ts[at]! + horizon.seconds;
        if (due > ts) {
          if (due < nextDue) nextDue = due;
          break;
        }
        const price = this.#price[at]!;
        if (ts > due + MARKOUT_GRACE_S) horizon.missed += 1;
        else horizon.mean.add((1e4 * this.#sign[at]! * (mid - price)) / price);
      }
      horizon.next = at;
    }
    this.#nextDue = nextDue;
    // The longest horizon is the last to settle a fill.
    this.#start = this.#horizons.at(-1)!.next;
  }

  /** Moves the fills to the beginning of the columns when half of them is free, else makes these longer. */
  #makeRoom(): void {
    const [start, end] = [this.#start, this.#end];
    const length = end - start > end / 2 ? 2 * end : end;
    this.#ts = moved(this.#ts.subarray(start), new Float64Array(length));
    this.#price = moved(this.#price.subarray(start), new Float64Array(length));
    this.#sign = moved(this.#sign.subarray(start), new Int8Array(length));
    for (const horizon of this.#horizons) horizon.next -= start;
    this.#start = 0;
    this.#end = end - start;
  }
}

type HorizonState = { seconds: number; next: number; missed: number; mean: Mean };

/** Points in the ring at most: more than `REORDER_LIMIT`, a power of two. */
const HELD = 8192;
const HELD_MASK = HELD - 1;

/** All points of a journal, for the second pass over one that is badly out of order: 24 bytes a point. */
export class PointSeries {
  #points = new Float64Array(3 * 64);
  #count = 0;

  add({ ts, sign, price }: Point): void {
    if (3 * this.#count === this.#points.length) {
      this.#points = moved(this.#points, new Float64Array(this.#points.length * 2));
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

function moved<T extends Float64Array | Int8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
