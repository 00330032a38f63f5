import { readSync } from 'node:fs';
import { MAX_LINE_BYTES } from '../core/journal/parse.ts';
import { type LineScanner, scanRoom } from '../core/journal/scan.ts';

/** Where reading goes on: a byte offset, and whether it stands inside a line that is too long to be held. */
export type ReadPlace = { offset: number; skipping: boolean };

export const BLOCK_BYTES = 256 * 1024;

/** One buffer for all files: reading is synchronous, so no two readers hold it at once. */
let sharedBlock: Buffer | undefined;

/**
 * Feeds the whole lines of an open file to the scanner, from a place to the end, or until `most` bytes are read and whole
 * lines were among them (`more`). `place` afterwards is where the unfinished last line begins; `rest` is that line, valid
 * until the next call. Only that line is ever held in memory.
 */
export function scanDescriptor(
  fd: number,
  scanner: LineScanner,
  from: ReadPlace,
  onBytes?: (bytes: number) => void,
  most = Number.POSITIVE_INFINITY,
): ReadPlace & { bytes: number; rest: Buffer; more: boolean } {
  sharedBlock ??= scanRoom() ?? Buffer.allocUnsafe(BLOCK_BYTES);
  const shared = sharedBlock;
  let buffer = shared;
  let held = 0;
  let position = from.offset;
  let skipping = from.skipping;
  let more = false;
  for (;;) {
    // A place inside a line that is not skipped is kept by reading that line again: so not before it was got past.
    if (position - from.offset >= most && (skipping || position - held > from.offset)) {
      more = true;
      break;
    }
    if (held === buffer.length) {
      if (held > MAX_LINE_BYTES) {
        skipping = true;
        held = 0;
        buffer = shared;
      } else buffer = wider(buffer);
    }
    const read = readSync(fd, buffer, held, buffer.length - held, position);
    if (read === 0) break;
    position += read;
    onBytes?.(read);
    const filled = held + read;
    let start = 0;
    if (skipping) {
      const newline = buffer.subarray(0, filled).indexOf(10);
      if (newline < 0) continue;
      scanner.skipLongLine();
      skipping = false;
      start = newline + 1;
    }
    // Only the new bytes can hold a newline: what was held is one unfinished line.
    const searched = Math.max(start, held);
    const last = buffer.subarray(searched, filled).lastIndexOf(10);
    const end = last < 0 ? start : searched + last + 1;
    if (end > start) scanner.scan(buffer, start, end);
    held = filled - end;
    if (held > 0 && end > 0) buffer.copyWithin(0, end, filled);
    if (held < BLOCK_BYTES / 2 && buffer !== shared) {
      buffer.copy(shared, 0, 0, held);
      buffer = shared;
    }
  }
  return { offset: position - held, skipping, bytes: position - from.offset, rest: buffer.subarray(0, held), more };
}

function wider(buffer: Buffer): Buffer {
  const next = Buffer.allocUnsafe(Math.min(buffer.length * 2, MAX_LINE_BYTES + BLOCK_BYTES));
  buffer.copy(next);
  return next;
}
