import { textOf } from './whole.ts';

/** A fill as far as the realised PnL needs it; sizes and prices as decimal text. */
export type RecentFill = {
  sign: 1 | -1 | 0;
  price: string;
  qty: string;
  /** Position last reported before the fill's line; null when none was. */
  positionBefore: string | null;
  /** The fill's own mid, else the last one before it; null when neither is known. */
  mid: number | null;
};

/** Numbers of a row: sign; price, quantity and position before, each a whole number and its places; mid. NaN: not known. */
const ROW = 8;
const [POSITION, MID] = [5, 7];

/** The last `capacity` fills. Those that come as rows of numbers are made into texts when they are asked for. */
export class RecentFills {
  readonly #capacity: number;
  #rows = new Float64Array(FIRST_ROWS * ROW);
  /** Beside each row: the fill that stands there instead, null: the row does. */
  readonly #items: (RecentFill | null)[] = [];
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  push(fill: RecentFill): void {
    this.#items[this.#next] = fill;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** Adds `count` rows; `before`: position and mid before the first of them, for rows that do not know theirs. */
  pushRows(rows: Float64Array, count: number, before: Pick<RecentFill, 'positionBefore' | 'mid'>): void {
    let at = 0;
    for (; at < count && (Number.isNaN(rows[ROW * at + POSITION]!) || Number.isNaN(rows[ROW * at + MID]!)); at += 1) {
      const fill = fillOf(rows, at);
      this.push({ ...fill, positionBefore: fill.positionBefore ?? before.positionBefore, mid: fill.mid ?? before.mid });
    }
    at = Math.max(at, count - this.#capacity);
    while (at < count) {
      const some = Math.min(count - at, this.#capacity - this.#next);
      this.#makeRoom(this.#next + some);
      this.#rows.set(rows.subarray(ROW * at, ROW * (at + some)), ROW * this.#next);
      while (this.#items.length < this.#next + some) this.#items.push(null);
      this.#items.fill(null, this.#next, this.#next + some);
      this.#next = (this.#next + some) % this.#capacity;
      at += some;
    }
  }

  /** Oldest first. */
  toArray(): RecentFill[] {
    const fills = this.#items.map((item, at) => item ?? fillOf(this.#rows, at));
    return fills.length < this.#capacity ? fills : [...fills.slice(this.#next), ...fills.slice(0, this.#next)];
  }

  #makeRoom(count: number): void {
    if (count * ROW <= this.#rows.length) return;
    const wider = new Float64Array(Math.max(count * ROW, this.#rows.length * 2));
    wider.set(this.#rows);
    this.#rows = wider;
  }
}

const FIRST_ROWS = 128;

function fillOf(rows: Float64Array, at: number): RecentFill {
  const number = (n: number) => rows[ROW * at + n]!;
  const decimal = (n: number) => textOf(number(n), number(n + 1));
  return {
    sign: number(0) as RecentFill['sign'],
    price: decimal(1),
    qty: decimal(3),
    positionBefore: Number.isNaN(number(POSITION)) ? null : decimal(POSITION),
    mid: Number.isNaN(number(MID)) ? null : number(MID),
  };
}
