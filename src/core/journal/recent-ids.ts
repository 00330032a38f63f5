import { blockOf, blockText } from '../block.ts';
import { hashOf, TextRing } from './text-ring.ts';

/**
 * The ids noted last, up to `capacity` of them; each is told from all others. Nearly all ids are plain whole numbers: those
 * are kept as numbers of 64 bits in two halves, without a text each. As long as each is higher than all before, none of them
 * can be there already, and nothing is searched.
 */
export class RecentIds {
  readonly #capacity: number;
  /** The ids in a ring, from `#head` on; two halves each, the lower one first. */
  #ring = new Int32Array(2 * FIRST_IDS);
  #head = 0;
  #count = 0;
  /** The highest one, while they rise. */
  #topLow = 0;
  #topHigh = 0;
  /** By hash: places in the ring, plus one; null as long as they rise. */
  #table: Int32Array | null = null;
  /** Ids that are no such number; in the ring stands where. */
  readonly #texts = new TextRing();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The ids that `toJSON` gave. */
  static from(capacity: number, { halves, texts }: StoredIds): RecentIds {
    const ids = new RecentIds(capacity);
    const all = new Int32Array(blockOf(halves));
    if (texts.length === 0) {
      ids.noteAll(all, all.length / 2, doRise(all));
      return ids;
    }
    let text = 0;
    for (let at = 0; at < all.length; at += 2) {
      if (all[at + 1] !== TEXT) ids.#noteNumber(all[at]!, all[at + 1]!);
      else {
        ids.note(texts[text]!);
        text += 1;
      }
    }
    return ids;
  }

  /** How many are known. */
  get size(): number {
    return this.#count;
  }

  toJSON(): StoredIds {
    const halves = new Int32Array(2 * this.#count);
    const texts: string[] = [];
    for (let n = 0; n < this.#count; n += 1) {
      const ring = (this.#head + n) % this.#capacity;
      const [low, high] = [this.#ring[2 * ring]!, this.#ring[2 * ring + 1]!];
      if (high === TEXT) texts.push(this.#texts.at(low));
      halves[2 * n] = high === TEXT ? 0 : low;
      halves[2 * n + 1] = high;
    }
    return { halves: blockText(halves), texts };
  }

  /** True when the id was noted before. */
  note(id: string): boolean {
    if (NUMBER.test(id)) {
      const value = BigInt(id);
      return this.#noteNumber(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
    }
    this.#table ??= this.#hashed();
    return this.#hasText(this.#table, id) || this.#noteNumber(this.#texts.push(id), TEXT);
  }

  /** How many of these were noted before: ids of up to 19 digits in two halves. `rise`: each is higher than the one before. */
  noteAll(ids: Int32Array, count: number, rise: boolean): number {
    if (count === 0) return 0;
    if (rise && this.#table === null && this.#isHigher(ids[0]!, ids[1]!)) {
      let at = Math.max(0, count - this.#capacity);
      while (at < count) {
        this.#makeRoom(Math.min(this.#capacity, this.#count + count - at));
        const to = (this.#head + this.#count) % this.#capacity;
        const some = Math.min(count - at, Math.min(this.#capacity, this.#ring.length / 2) - to);
        this.#ring.set(ids.subarray(2 * at, 2 * (at + some)), 2 * to);
        const over = Math.max(0, this.#count + some - this.#capacity);
        this.#head = (this.#head + over) % this.#capacity;
        this.#count += some - over;
        at += some;
      }
      this.#topLow = ids[2 * count - 2]!;
      this.#topHigh = ids[2 * count - 1]!;
      return 0;
    }
    let known = 0;
    for (let at = 0; at < 2 * count; at += 2) if (this.#noteNumber(ids[at]!, ids[at + 1]!)) known += 1;
    return known;
  }

  clear(): void {
    this.#table = null;
    this.#head = 0;
    this.#count = 0;
    this.#topLow = 0;
    this.#topHigh = 0;
    this.#texts.clear();
  }

  #noteNumber(low: number, high: number): boolean {
    if (this.#table === null) {
      if (this.#isHigher(low, high)) {
        if (this.#count === this.#capacity) this.#dropOldest();
        this.#append(low, high);
        this.#topLow = low;
        this.#topHigh = high;
        return false;
      }
      this.#table = this.#hashed();
    }
    if (this.#table[this.#placeOf(this.#table, low, high)] !== 0) return true;
    if (this.#count === this.#capacity) this.#dropOldest();
    const ring = this.#append(low, high);
    if (this.#count * 2 > this.#table.length) this.#table = this.#hashed();
    else this.#table[this.#placeOf(this.#table, low, high)] = ring + 1;
    return false;
  }

  #isHigher(low: number, high: number): boolean {
    const [upper, top] = [high >>> 0, this.#topHigh >>> 0];
    return upper > top || (upper === top && low >>> 0 > this.#topLow >>> 0);
  }

  /** Its place in the ring. */
  #append(low: number, high: number): number {
    this.#makeRoom(this.#count + 1);
    const ring = (this.#head + this.#count) % this.#capacity;
    this.#ring[2 * ring] = low;
    this.#ring[2 * ring + 1] = high;
    this.#count += 1;
    return ring;
  }

  /** Until it has its full length, the ring begins at its beginning. */
  #makeRoom(count: number): void {
    if (count * 2 <= this.#ring.length) return;
    const wider = new Int32Array(2 * Math.min(this.#capacity, Math.ceil(count * GROWTH)));
    wider.set(this.#ring);
    this.#ring = wider;
  }

  /** A table of what is in the ring, with room for more. */
  #hashed(): Int32Array {
    let length = FIRST_TABLE;
    while (length <= this.#count * 2) length *= 2;
    const table = new Int32Array(length);
    for (let n = 0; n < this.#count; n += 1) {
      const ring = (this.#head + n) % this.#capacity;
      table[this.#placeOf(table, this.#ring[2 * ring]!, this.#ring[2 * ring + 1]!)] = ring + 1;
    }
    return table;
  }

  /** Where it stands in the table, or the free place where it would. */
  #placeOf(table: Int32Array, low: number, high: number): number {
    for (let at = this.#hash(low, high) & (table.length - 1); ; at = (at + 1) & (table.length - 1)) {
      const ring = table[at]! - 1;
      if (ring < 0 || (this.#ring[2 * ring] === low && this.#ring[2 * ring + 1] === high)) return at;
    }
  }

  #hasText(table: Int32Array, text: string): boolean {
    for (let at = hashOf(text) & (table.length - 1); ; at = (at + 1) & (table.length - 1)) {
      const ring = table[at]! - 1;
      if (ring < 0) return false;
      if (this.#ring[2 * ring + 1] === TEXT && this.#texts.is(this.#ring[2 * ring]!, text)) return true;
    }
  }

  #hash(low: number, high: number): number {
    return high === TEXT ? this.#texts.hashAt(low) : hash(low, high);
  }

  #dropOldest(): void {
    const [low, high] = [this.#ring[2 * this.#head]!, this.#ring[2 * this.#head + 1]!];
    if (this.#table !== null) this.#clearPlace(this.#table, this.#placeOf(this.#table, low, high));
    if (high === TEXT) this.#texts.shift();
    this.#head = (this.#head + 1) % this.#capacity;
    this.#count -= 1;
  }

  /** Frees a place of the table; what stands behind it because it was taken moves up. */
  #clearPlace(table: Int32Array, free: number): void {
    const last = table.length - 1;
    let hole = free;
    for (let at = (hole + 1) & last; table[at] !== 0; at = (at + 1) & last) {
      const ring = table[at]! - 1;
      const home = this.#hash(this.#ring[2 * ring]!, this.#ring[2 * ring + 1]!) & last;
      if (((at - home) & last) < ((at - hole) & last)) continue;
      table[hole] = table[at]!;
      hole = at;
    }
    table[hole] = 0;
  }
}

/** Oldest first: two halves each, of a text a mark in the upper one. */
export type StoredIds = { halves: string; texts: string[] };

/** Whether each is higher than the one before. */
function doRise(halves: Int32Array): boolean {
  for (let at = 2; at < halves.length; at += 2) {
    const [upper, before] = [halves[at + 1]! >>> 0, halves[at - 1]! >>> 0];
    if (upper < before || (upper === before && halves[at]! >>> 0 <= halves[at - 2]! >>> 0)) return false;
  }
  return true;
}

function hash(low: number, high: number): number {
  const mixed = Math.imul(low ^ Math.imul(high, 0x85eb_ca6b), 0x9e37_79b1);
  return mixed ^ (mixed >>> 15);
}

const FIRST_IDS = 64;
const FIRST_TABLE = 64;
/** How much more room there is than need, when it is made. */
const GROWTH = 1.5;
/** A whole number as its digits are written; 19 of them fit into 64 bits, and never fill the upper half with ones. */
const NUMBER = /^[1-9]\d{0,18}$/;
const TEXT = -1;
