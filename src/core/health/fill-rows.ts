/** The newest fills of a run, oldest first; ids rise by one. A price or quantity comes back as the text it was. */
import { exactWholeOf, placesOf, textOf } from '../journal/whole.ts';
import { NumberRows } from './number-rows.ts';
import type { RunFill } from './run.ts';

/** A fill as it is met, before either markout. */
export type NewFill = Omit<RunFill, 'm5' | 'waits60'>;

/** Fills as plain data. */
export type StoredFills = { firstId: number; rows: string; texts: [id: number, Pick<RunFill, 'price' | 'qty'>][] };

export class FillRows {
  readonly #rows: NumberRows;
  #firstId = 0;
  /** Of fills whose price or quantity is not written plainly, by id. */
  readonly #texts: Map<number, Pick<RunFill, 'price' | 'qty'>>;

  constructor(stored: StoredFills | null = null) {
    this.#rows = stored === null ? new NumberRows(WIDTH) : NumberRows.from(WIDTH, stored.rows);
    this.#firstId = stored?.firstId ?? 0;
    this.#texts = new Map(stored?.texts);
  }

  /** Given to the constructor it makes the same fills. */
  toJSON(): StoredFills {
    return { firstId: this.#firstId, rows: this.#rows.toJSON(), texts: [...this.#texts] };
  }

  get length(): number {
    return this.#rows.length;
  }

  push(fill: NewFill): void {
    if (this.length === 0) this.#firstId = fill.id;
    const at = this.#rows.add();
    const { numbers, words } = this.#rows;
    numbers[WIDTH * at + TS] = fill.ts;
    numbers[WIDTH * at + MINUTE] = fill.minute;
    numbers[WIDTH * at + FEE] = fill.feeBps;
    numbers[WIDTH * at + EDGE] = fill.edgeBps ?? 0;
    numbers[WIDTH * at + M5] = 0;
    const [price, qty] = [exactWholeOf(fill.price), exactWholeOf(fill.qty)];
    const [pricePlaces, qtyPlaces] = [placesOf(fill.price), placesOf(fill.qty)];
    const isPlain = price !== null && qty !== null && Math.max(pricePlaces, qtyPlaces) <= MOST_PLACES;
    if (!isPlain) this.#texts.set(fill.id, { price: fill.price, qty: fill.qty });
    numbers[WIDTH * at + PRICE] = isPlain ? price : 0;
    numbers[WIDTH * at + QTY] = isPlain ? qty : 0;
    words[2 * WIDTH * at + MARKS] =
      WAITS_5 |
      WAITS_60 |
      (fill.sign > 0 ? BUYS : 0) |
      (fill.edgeBps === null ? NO_EDGE : 0) |
      (isPlain ? PLAIN | (pricePlaces << PRICE_PLACES) | (qtyPlaces << QTY_PLACES) : 0);
  }

  /** The fill at a place, made anew: what is written into it changes nothing. */
  at(at: number): RunFill {
    const { numbers } = this.#rows;
    const id = this.#firstId + at;
    return {
      id,
      ts: numbers[WIDTH * at + TS]!,
      minute: numbers[WIDTH * at + MINUTE]!,
      sign: this.#is(at, BUYS) ? 1 : -1,
      ...this.#tradeOf(at),
      feeBps: numbers[WIDTH * at + FEE]!,
      edgeBps: this.edgeBps(at),
      m5: this.m5(at),
      waits60: this.#is(at, WAITS_60),
    };
  }

  /** null without a mid. */
  edgeBps(at: number): number | null {
    return this.#is(at, NO_EDGE) ? null : this.#rows.numbers[WIDTH * at + EDGE]!;
  }

  /** undefined = still pending, null = no mid came in time. */
  m5(at: number): number | null | undefined {
    if (this.#is(at, WAITS_5)) return undefined;
    return this.#is(at, NO_M5) ? null : this.#rows.numbers[WIDTH * at + M5]!;
  }

  /** For a mid at either horizon. */
  waits(at: number): boolean {
    return this.#is(at, WAITS_5 | WAITS_60);
  }

  /** What becomes of a fill's markout at a horizon, gross bps; null = no mid came in time. Gives the fill; undefined: dropped. */
  settle(id: number, horizon: 'h5' | 'h60', bps: number | null): RunFill | undefined {
    const at = id - this.#firstId;
    if (at < 0 || at >= this.length) return undefined;
    const place = 2 * WIDTH * at + MARKS;
    const { numbers, words } = this.#rows;
    if (horizon === 'h60') words[place] = words[place]! & ~WAITS_60;
    else {
      words[place] = (words[place]! & ~WAITS_5) | (bps === null ? NO_M5 : 0);
      numbers[WIDTH * at + M5] = bps ?? 0;
    }
    return this.at(at);
  }

  /** The last so many, or all there are. */
  newest(count: number): RunFill[] {
    const from = Math.max(0, this.length - count);
    return Array.from({ length: this.length - from }, (_, n) => this.at(from + n));
  }

  toArray(): RunFill[] {
    return this.newest(this.length);
  }

  /** Drops the oldest ones. */
  drop(count: number): void {
    this.#rows.drop(count);
    this.#firstId += count;
    for (const id of this.#texts.keys()) if (id < this.#firstId) this.#texts.delete(id);
  }

  clear(): void {
    this.#rows.clear();
    this.#texts.clear();
  }

  #tradeOf(at: number): Pick<RunFill, 'price' | 'qty'> {
    const { numbers, words } = this.#rows;
    const marks = words[2 * WIDTH * at + MARKS]!;
    if ((marks & PLAIN) === 0) return this.#texts.get(this.#firstId + at)!;
    return {
      price: textOf(numbers[WIDTH * at + PRICE]!, (marks >> PRICE_PLACES) & MOST_PLACES),
      qty: textOf(numbers[WIDTH * at + QTY]!, (marks >> QTY_PLACES) & MOST_PLACES),
    };
  }

  #is(at: number, mark: number): boolean {
    return (this.#rows.words[2 * WIDTH * at + MARKS]! & mark) !== 0;
  }
}

/** Numbers of a row; the last one's room is two words, of which the first holds the marks. */
const WIDTH = 8;
const [TS, MINUTE, FEE, EDGE, M5, PRICE, QTY] = [0, 1, 2, 3, 4, 5, 6];
const MARKS = 14;
const [BUYS, NO_EDGE, WAITS_5, NO_M5, WAITS_60, PLAIN] = [1, 2, 4, 8, 16, 32];
/** Where the digits behind the point stand in the marks, five bits each. */
const [PRICE_PLACES, QTY_PLACES] = [8, 16];
const MOST_PLACES = 31;
