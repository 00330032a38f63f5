import { blockOf, blockText } from '../block.ts';

const NO_NUMBERS = new Float64Array(0);
const NO_WORDS = new Int32Array(0);

/**
 * Rows of numbers in one block of memory, oldest first. A run keeps thousands of them for as long as it lasts, and a fleet
 * hundreds of runs: an object for each row, with a box for each of its fractions, takes four times as much.
 */
export class NumberRows {
  /** Fractions and times: `width` a row. */
  numbers = NO_NUMBERS;
  /** The same block as whole numbers of 32 bits: twice as many a row. */
  words = NO_WORDS;
  readonly width: number;
  #length = 0;

  constructor(width: number) {
    this.width = width;
  }

  /** The rows that `toJSON` gave. */
  static from(width: number, text: string): NumberRows {
    const rows = new NumberRows(width);
    const block = blockOf(text);
    rows.numbers = new Float64Array(block);
    rows.words = new Int32Array(block);
    rows.#length = rows.numbers.length / width;
    return rows;
  }

  toJSON(): string {
    return blockText(this.numbers.subarray(0, this.#length * this.width));
  }

  get length(): number {
    return this.#length;
  }

  /** Makes room for one more row behind the others and gives its place; all of it has to be written. */
  add(): number {
    if ((this.#length + 1) * this.width > this.numbers.length) this.#widen();
    this.#length += 1;
    return this.#length - 1;
  }

  /** Drops the oldest ones; the room for as many stays, because the rows grow as far again. */
  drop(count: number): void {
    this.numbers.copyWithin(0, count * this.width, this.#length * this.width);
    this.#length -= count;
  }

  clear(): void {
    this.numbers = NO_NUMBERS;
    this.words = NO_WORDS;
    this.#length = 0;
  }

  #widen(): void {
    const rows = Math.max(FIRST_ROWS, Math.ceil(this.#length * GROWTH));
    const wider = new Float64Array(rows * this.width);
    wider.set(this.numbers);
    this.numbers = wider;
    this.words = new Int32Array(wider.buffer);
  }
}

const FIRST_ROWS = 8;
const GROWTH = 1.25;
