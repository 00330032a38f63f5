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
 * that of MarkoutQueue; here the fills, once in order, stand in one list, and each horizon is a place in it.
 */
export class MarkoutBook {
  readonly #held = new PointQueue();
  readonly #fills = new PointQueue();
  readonly #horizons: HorizonState[] = Object.values(HORIZONS_S).map((seconds) => ({
    seconds,
    next: 0,
    missed: 0,
    mean: new Mean(),
  }));
  /** Fills that every horizon has settled are dropped; places count them nevertheless. */
  #dropped = 0;
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
    if (ts < this.#released) this.#late += 1;
    this.#held.insert(ts, sign, price);
    if (ts > this.#newest) this.#newest = ts;
    this.#release(this.#newest - REORDER_WINDOW_S);
  }

  /** Takes what is still held and sums up; no more points after it. */
  finish(): Record<Horizon, MarkoutSummary> {
    this.#release(Number.POSITIVE_INFINITY);
    const fills = this.#fills;
    const summaries = Object.keys(HORIZONS_S).map((label, at) => {
      const horizon = this.#horizons[at]!;
      // A fill without a price has no markout at all and is neither missed nor pending.
      let next = horizon.next - this.#dropped;
      let { missed } = horizon;
      for (; next < fills.length && this.#newest > fills.ts(next) + horizon.seconds + MARKOUT_GRACE_S; next += 1) {
        missed += 1;
      }
      const { n, value } = horizon.mean;
      return [label, { mean: value, n, pending: fills.length - next, missed }];
    });
    return Object.fromEntries(summaries) as Record<Horizon, MarkoutSummary>;
  }

  #release(upTo: number): void {
    const held = this.#held;
    while (held.length > 0) {
      const ts = held.ts(0);
      if (ts > upTo && held.length <= REORDER_LIMIT) return;
      if (ts > this.#released) this.#released = ts;
      this.#apply(ts, held.sign(0), held.price(0));
      held.drop(1);
    }
  }

  #apply(ts: number, sign: number, price: number): void {
    if (sign === 0) {
      if (ts >= this.#nextDue) this.#settle(ts, price);
      return;
    }
    if (!(price > 0)) return;
    this.#fills.push(ts, sign, price);
    this.#nextDue = Math.min(this.#nextDue, ts + this.#horizons[0]!.seconds);
  }

  /** A mid at `ts`: every fill that was due by then has its markout, or has missed it. */
  #settle(ts: number, mid: number): void {
    const fills = this.#fills;
    let nextDue = Number.POSITIVE_INFINITY;
    for (const horizon of this.#horizons) {
      let at = horizon.next - this.#dropped;
      for (; at < fills.length; at += 1) {
        const due = fills.ts(at) + horizon.seconds;
        if (due > ts) {
          if (due < nextDue) nextDue = due;
          break;
        }
        const price = fills.price(at);
        if (ts > due + MARKOUT_GRACE_S) horizon.missed += 1;
        else horizon.mean.add((1e4 * fills.sign(at) * (mid - price)) / price);
      }
      horizon.next = at + this.#dropped;
    }
    this.#nextDue = nextDue;
    // The longest horizon is the last to settle a fill.
    const settled = this.#horizons.at(-1)!.next - this.#dropped;
    fills.drop(settled);
    this.#dropped += settled;
  }
}

type HorizonState = { seconds: number; next: number; missed: number; mean: Mean };

/** A queue of points without an object a point. */
class PointQueue {
  #ts = new Float64Array(64);
  #price = new Float64Array(64);
  #sign = new Int8Array(64);
  #head = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#head;
  }

  ts(at: number): number {
    return this.#ts[this.#head + at]!;
  }

  price(at: number): number {
    return this.#price[this.#head + at]!;
  }

  sign(at: number): number {
    return this.#sign[this.#head + at]!;
  }

  push(ts: number, sign: number, price: number): void {
    if (this.#end === this.#ts.length) this.#makeRoom();
    this.#set(this.#end, ts, sign, price);
    this.#end += 1;
  }

  /** Behind all points that are not later. */
  insert(ts: number, sign: number, price: number): void {
    this.push(ts, sign, price);
    let at = this.#end - 1;
    for (; at > this.#head && this.#ts[at - 1]! > ts; at -= 1) {
      this.#set(at, this.#ts[at - 1]!, this.#sign[at - 1]!, this.#price[at - 1]!);
    }
    if (at < this.#end - 1) this.#set(at, ts, sign, price);
  }

  drop(count: number): void {
    this.#head += count;
    if (this.#head === this.#end) {
      this.#head = 0;
      this.#end = 0;
    }
  }

  #set(at: number, ts: number, sign: number, price: number): void {
    this.#ts[at] = ts;
    this.#sign[at] = sign;
    this.#price[at] = price;
  }

  #makeRoom(): void {
    const [head, end] = [this.#head, this.#end];
    if (head * 2 > end) {
      for (const column of [this.#ts, this.#price, this.#sign]) column.copyWithin(0, head, end);
      this.#head = 0;
      this.#end = end - head;
      return;
    }
    this.#ts = wider(this.#ts, new Float64Array(end * 2));
    this.#price = wider(this.#price, new Float64Array(end * 2));
    this.#sign = wider(this.#sign, new Int8Array(end * 2));
  }
}

/** All points of a journal, for the second pass over one that is badly out of order: 17 bytes a point. */
export class PointSeries {
  readonly #points = new PointQueue();

  add({ ts, sign, price }: Point): void {
    this.#points.push(ts, sign, price);
  }

  /** The points in order of time (stable), through a book. */
  summarise(): Record<Horizon, MarkoutSummary> {
    const points = this.#points;
    const order = new Uint32Array(points.length)
      .map((_, at) => at)
      .sort((a, b) => points.ts(a) - points.ts(b) || a - b);
    const book = new MarkoutBook();
    for (const at of order) book.add(points.ts(at), points.sign(at) as Point['sign'], points.price(at));
    return book.finish();
  }
}

function wider<T extends Float64Array | Int8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
