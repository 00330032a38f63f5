/** Texts that are kept for months and hardly ever read, in a tenth of their memory. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** `bytes`: compressed, a character each. `base`: what it was compressed against; empty: nothing. */
export type Packed = { bytes: string; base: string };

/** `base`: a text that is much like it. */
export function pack(text: string, base: string): Packed {
  return { bytes: deflateRawSync(text, optionsFor(base)).toString('latin1'), base };
}

export function unpack({ bytes, base }: Packed): string {
  return inflateRawSync(Buffer.from(bytes, 'latin1'), optionsFor(base)).toString('utf8');
}

const optionsFor = (base: string) => (base === '' ? {} : { dictionary: Buffer.from(base) });
