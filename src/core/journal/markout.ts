/**
 * Streaming markouts in bounded memory: a queue of pending fills per horizon, no mid series.
 *
 * Markout at horizon h of a fill at time t with side s (+1 buy, -1 sell) and price p:
 *   1e4 * s * (mid(t + h) - p) / p   in bps, positive is good,
 * with mid(t + h) the first mid whose ts >= t + h and <= t + h + 60 s.
 * A fill whose price is not positive has none. Not volume-weighted.
 */
export const MARKOUT_GRACE_S = 60;

/** So many that are resolved may wait for one that is not. */
const FEW = 8;

type Pending = { id: number; dueTs: number; sign: 1 | -1; price: number };

/** One horizon's queue. `resolve` is called once per fill: bps, or null when no mid came within the grace. */
export class MarkoutQueue {
  readonly horizonS: number;
  #pending: Pending[] = [];
  #head = 0;
  #resolve: (id: number, bps: number | null) => void;

  constructor(horizonS: number, resolve: (id: number, bps: number | null) => void) {
    this.horizonS = horizonS;
    this.#resolve = resolve;
  }

  /** Adds a fill; must come before the mids that follow it. A fill's own mid counts for earlier fills only through `mid`. */
  fill(id: number, ts: number, sign: 1 | -1, price: number): void {
    if (!(price > 0)) {
      this.#resolve(id, null);
      return;
    }
    const dueTs = ts + this.horizonS;
    // Fills come nearly in order of time; one that is late takes its place, so that the head is always due first.
    let at = this.#pending.length;
    while (at > this.#head && this.#pending[at - 1]!.dueTs > dueTs) at -= 1;
    if (at === this.#pending.length) this.#pending.push({ id, dueTs, sign, price });
    else this.#pending.splice(at, 0, { id, dueTs, sign, price });
  }

  /** Offers a mid at `ts`; resolves every fill that was due by then. */
  mid(ts: number, mid: number): void {
    for (;;) {
      const first = this.#pending[this.#head];
      if (first === undefined || first.dueTs > ts) break;
      this.#pop();
      const late = ts > first.dueTs + MARKOUT_GRACE_S;
      this.#resolve(first.id, late ? null : (1e4 * first.sign * (mid - first.price)) / first.price);
    }
  }

  /** Journal time has reached `ts` without a mid: gives up fills whose grace is over. */
  expire(ts: number): void {
    for (;;) {
      const first = this.#pending[this.#head];
      if (first === undefined || ts <= first.dueTs + MARKOUT_GRACE_S) break;
      this.#pop();
      this.#resolve(first.id, null);
    }
  }

  /** Fills still waiting for their mid. */
  get pendingCount(): number {
    return this.#pending.length - this.#head;
  }

  /** The queue as plain data, and back. */
  toJSON(): Pending[] {
    return this.#pending.slice(this.#head);
  }

  restore(pending: Pending[]): void {
    this.#pending = [...pending];
    this.#head = 0;
  }

  /** What is resolved goes at once where nothing else waits, and else when it is most of the queue. */
  #pop(): void {
    this.#head += 1;
    if (this.#head * 2 <= this.#pending.length || (this.#head < FEW && this.#head < this.#pending.length)) return;
    this.#pending = this.#pending.slice(this.#head);
    this.#head = 0;
  }
}
