/** Bytes that a daemon keeps for months and hardly ever reads: compressed in blocks, of which the one read last is at hand. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';

const BLOCK_BYTES = 32 * 1024;

/** Gives the UTF-8 text of so many bytes from a place on. */
export function packedBytes(bytes: Buffer): (start: number, length: number) => string {
  const blocks: Buffer[] = [];
  // Copied: the library gives them in room for much more.
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES)
    blocks.push(Buffer.from(deflateRawSync(bytes.subarray(at, at + BLOCK_BYTES), { level: 1 })));
  let last = { place: -1, block: Buffer.alloc(0) };
  const blockAt = (place: number): Buffer => {
    if (last.place !== place) last = { place, block: inflateRawSync(blocks[place]!) };
    return last.block;
  };
  return (start, length) => {
    const parts: Buffer[] = [];
    for (let at = start; at < start + length; ) {
      const [place, from] = [Math.floor(at / BLOCK_BYTES), at % BLOCK_BYTES];
      const part = blockAt(place).subarray(from, from + start + length - at);
      parts.push(part);
      at += part.length;
    }
    return Buffer.concat(parts).toString('utf8');
  };
}
