import { MarkoutQueue } from './markout.ts';
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

/** Mean markouts at all horizons in one pass: a small window puts fills and mids in order of time, stably. */
export class MarkoutBook {
  #held: Point[] = [];
  #head = 0;
  #released = Number.NEGATIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;
  #late = 0;
  #fills = 0;
  #missed: number[] = [];
  #means: Mean[] = [];
  #queues: MarkoutQueue[];

  constructor() {
    this.#queues = Object.values(HORIZONS_S).map((horizonS, at) => {
      this.#means.push(new Mean());
      this.#missed.push(0);
      return new MarkoutQueue(horizonS, (_, bps) => this.#resolve(at, bps));
    });
  }

  /** Lines that came later than the window: when not zero, sort all points and use a new book. */
  get late(): number {
    return this.#late;
  }

  add(point: Point): void {
    if (point.ts < this.#released) this.#late += 1;
    const held = this.#held;
    let at = held.length;
    while (at > this.#head && held[at - 1]!.ts > point.ts) at -= 1;
    if (at === held.length) held.push(point);
    else held.splice(at, 0, point);
    if (point.ts > this.#newest) this.#newest = point.ts;
    this.#release(this.#newest - REORDER_WINDOW_S);
  }

  /** Takes what is still held and sums up; no more points after it. */
  finish(): Record<Horizon, MarkoutSummary> {
    this.#release(Number.POSITIVE_INFINITY);
    const summaries = Object.keys(HORIZONS_S).map((label, at) => {
      const queue = this.#queues[at]!;
      // A fill without a price has no markout at all and is neither missed nor pending.
      queue.expire(this.#newest);
      const { n, value } = this.#means[at]!;
      return [label, { mean: value, n, pending: queue.pendingCount, missed: this.#missed[at]! }];
    });
    return Object.fromEntries(summaries) as Record<Horizon, MarkoutSummary>;
  }

  #release(upTo: number): void {
    const held = this.#held;
    for (;;) {
      const first = held[this.#head];
      if (first === undefined) break;
      if (first.ts > upTo && held.length - this.#head <= REORDER_LIMIT) break;
      this.#head += 1;
      if (first.ts > this.#released) this.#released = first.ts;
      this.#apply(first);
    }
    if (this.#head > 512 && this.#head * 2 > held.length) {
      held.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #apply({ ts, sign, price }: Point): void {
    if (sign === 0) {
      for (const queue of this.#queues) queue.mid(ts, price);
      return;
    }
    if (!(price > 0)) return;
    this.#fills += 1;
    for (const queue of this.#queues) queue.fill(this.#fills, ts, sign, price);
  }

  #resolve(at: number, bps: number | null): void {
    if (bps === null) this.#missed[at]! += 1;
    else this.#means[at]!.add(bps);
  }
}

/** All points of a journal, for the second pass over one that is badly out of order: 17 bytes a point. */
export class PointSeries {
  #ts = new Float64Array(1024);
  #price = new Float64Array(1024);
  #sign = new Int8Array(1024);
  #n = 0;

  add(point: Point): void {
    if (this.#n === this.#ts.length) this.#grow();
    this.#ts[this.#n] = point.ts;
    this.#price[this.#n] = point.price;
    this.#sign[this.#n] = point.sign;
    this.#n += 1;
  }

  /** The points in order of time (stable), through a book. */
  summarise(): Record<Horizon, MarkoutSummary> {
    const ts = this.#ts;
    const order = new Uint32Array(this.#n).map((_, at) => at).sort((a, b) => ts[a]! - ts[b]! || a - b);
    const book = new MarkoutBook();
    for (const at of order) book.add({ ts: ts[at]!, sign: this.#sign[at] as 1 | -1 | 0, price: this.#price[at]! });
    return book.finish();
  }

  #grow(): void {
    const wider = <T extends Float64Array | Int8Array>(from: T, to: T) => {
      to.set(from);
      return to;
    };
    const size = this.#n * 2;
    this.#ts = wider(this.#ts, new Float64Array(size));
    this.#price = wider(this.#price, new Float64Array(size));
    this.#sign = wider(this.#sign, new Int8Array(size));
  }
}
