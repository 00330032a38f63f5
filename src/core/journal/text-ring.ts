/**
 * Texts that come last and go first, as bytes in one block: a set of ten thousand ids takes a tenth of what it does as texts
 * in a map. A place stays the text's own until it goes.
 */
export class TextRing {
  /** Each text is its length, whether its characters need two bytes, and its characters. */
  #bytes = new Uint8Array(0);
  /** The place of the byte at the beginning of the block; places go round at 32 bits. */
  #base = 0;
  #start = 0;
  #end = 0;

  /** Gives its place. */
  push(text: string): number {
    const wide = isWide(text);
    this.#makeRoom(HEAD + text.length * (wide ? 2 : 1));
    const place = (this.#base + this.#end) | 0;
    this.#put(text.length * 2 + (wide ? 1 : 0), HEAD);
    for (let i = 0; i < text.length; i += 1) this.#put(text.charCodeAt(i), wide ? 2 : 1);
    return place;
  }

  /** Lets go of the oldest. */
  shift(): void {
    const { from, length, width } = this.#textAt((this.#base + this.#start) | 0);
    this.#start = from + length * width;
  }

  at(place: number): string {
    const { from, length, width } = this.#textAt(place);
    let text = '';
    for (let i = 0; i < length; i += 1) text += String.fromCharCode(this.#number(from + i * width, width));
    return text;
  }

  is(place: number, text: string): boolean {
    const { from, length, width } = this.#textAt(place);
    if (length !== text.length) return false;
    for (let i = 0; i < length; i += 1) if (this.#number(from + i * width, width) !== text.charCodeAt(i)) return false;
    return true;
  }

  /** The hash that `hashOf` gives of the text. */
  hashAt(place: number): number {
    const { from, length, width } = this.#textAt(place);
    let hash = FIRST_HASH;
    for (let i = 0; i < length; i += 1) hash = hashed(hash, this.#number(from + i * width, width));
    return mixed(hash);
  }

  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#start = 0;
    this.#end = 0;
  }

  #textAt(place: number): { from: number; length: number; width: 1 | 2 } {
    const at = (place - this.#base) | 0;
    const head = this.#number(at, HEAD);
    return { from: at + HEAD, length: head >>> 1, width: (head & 1) === 0 ? 1 : 2 };
  }

  #put(number: number, bytes: number): void {
    for (let n = 0; n < bytes; n += 1) this.#bytes[this.#end + n] = number >>> (8 * n);
    this.#end += bytes;
  }

  #number(at: number, bytes: number): number {
    let number = 0;
    for (let n = 0; n < bytes; n += 1) number |= this.#bytes[at + n]! << (8 * n);
    return number;
  }

  /** What is left moves to the beginning of the block, or of a wider one where it would be full again soon. */
  #makeRoom(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const left = this.#end - this.#start;
    const need = Math.max(FIRST_BYTES, Math.ceil((left + bytes) * SPARE));
    const block = need > this.#bytes.length ? new Uint8Array(need) : this.#bytes;
    block.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = block;
    this.#base = (this.#base + this.#start) | 0;
    this.#start = 0;
    this.#end = left;
  }
}

export function hashOf(text: string): number {
  let hash = FIRST_HASH;
  for (let i = 0; i < text.length; i += 1) hash = hashed(hash, text.charCodeAt(i));
  return mixed(hash);
}

const hashed = (hash: number, code: number) => Math.imul(hash ^ code, 0x0100_0193);
/** The last characters differ most, and have the least say in the upper half. */
const mixed = (hash: number) => Math.imul(hash ^ (hash >>> 15), 0x9e37_79b1) >>> 1;

function isWide(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0xff) return true;
  return false;
}

/** Bytes of a text's length and width. */
const HEAD = 4;
const FIRST_HASH = 0x811c_9dc5;
const FIRST_BYTES = 256;
/** How much more room there is than need, when it is made. */
const SPARE = 1.25;
