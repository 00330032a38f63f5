/**
 * The ids noted last, up to `capacity` of them; each is told from all others. Nearly all ids are plain whole numbers: those
 * are kept as numbers of 64 bits in two halves, without a text each.
 */
export class RecentIds {
  readonly #capacity: number;
  /** The ids in a ring, from `#head` on. */
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  #head = 0;
  #count = 0;
  /** By hash: places in the ring, plus one. */
  #table = new Int32Array(FIRST_TABLE);
  /** Ids that are no such number, by a number of their own. */
  #texts = new Map<string, number>();
  #oldestTexts = this.#texts.keys();
  #nextText = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#low = new Int32Array(capacity);
    this.#high = new Int32Array(capacity);
  }

  /** True when the id was noted before. */
  note(id: string): boolean {
    if (NUMBER.test(id)) {
      const value = BigInt(id);
      return this.noteNumber(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
    }
    if (this.#texts.has(id)) return true;
    this.#texts.set(id, this.#nextText);
    this.noteNumber(this.#nextText, TEXT);
    this.#nextText = (this.#nextText + 1) | 0;
    return false;
  }

  /** The same of an id of up to 19 digits, by its two halves of 32 bits. */
  noteNumber(low: number, high: number): boolean {
    let at = this.#placeOf(low, high);
    if (this.#table[at] !== 0) return true;
    if (this.#count === this.#capacity) {
      this.#dropOldest();
      at = this.#placeOf(low, high);
    } else if ((this.#count + 1) * 2 > this.#table.length) {
      this.#widen();
      at = this.#placeOf(low, high);
    }
    const ring = (this.#head + this.#count) % this.#capacity;
    this.#low[ring] = low;
    this.#high[ring] = high;
    this.#table[at] = ring + 1;
    this.#count += 1;
    return false;
  }

  clear(): void {
    this.#table.fill(0);
    this.#head = 0;
    this.#count = 0;
    if (this.#texts.size === 0) return;
    this.#texts = new Map();
    this.#oldestTexts = this.#texts.keys();
  }

  /** Where it stands in the table, or the free place where it would. */
  #placeOf(low: number, high: number): number {
    const table = this.#table;
    for (let at = this.#hashed(low, high); ; at = (at + 1) & (table.length - 1)) {
      const ring = table[at]! - 1;
      if (ring < 0 || (this.#low[ring] === low && this.#high[ring] === high)) return at;
    }
  }

  #hashed(low: number, high: number): number {
    const mixed = Math.imul(low ^ Math.imul(high, 0x85eb_ca6b), 0x9e37_79b1);
    return (mixed ^ (mixed >>> 15)) & (this.#table.length - 1);
  }

  #dropOldest(): void {
    const [low, high] = [this.#low[this.#head]!, this.#high[this.#head]!];
    // The walk goes on where it stood: a new one passes over all that was deleted before.
    if (high === TEXT) this.#texts.delete(this.#oldestTexts.next().value!);
    this.#clearPlace(this.#placeOf(low, high));
    this.#head = (this.#head + 1) % this.#capacity;
    this.#count -= 1;
  }

  /** Frees a place of the table; what stands behind it because it was taken moves up. */
  #clearPlace(free: number): void {
    const table = this.#table;
    const last = table.length - 1;
    let hole = free;
    for (let at = (hole + 1) & last; table[at] !== 0; at = (at + 1) & last) {
      const ring = table[at]! - 1;
      const home = this.#hashed(this.#low[ring]!, this.#high[ring]!);
      if (((at - home) & last) < ((at - hole) & last)) continue;
      table[hole] = table[at]!;
      hole = at;
    }
    table[hole] = 0;
  }

  #widen(): void {
    this.#table = new Int32Array(this.#table.length * 2);
    for (let n = 0; n < this.#count; n += 1) {
      const ring = (this.#head + n) % this.#capacity;
      this.#table[this.#placeOf(this.#low[ring]!, this.#high[ring]!)] = ring + 1;
    }
  }
}

const FIRST_TABLE = 256;
/** A whole number as its digits are written; 19 of them fit into 64 bits, and never fill the upper half with ones. */
const NUMBER = /^[1-9]\d{0,18}$/;
const TEXT = -1;
