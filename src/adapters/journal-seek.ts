import { fstatSync, readSync } from 'node:fs';
import { parseBytes } from '../core/journal/parse.ts';
import type { JournalEvent } from '../core/journal/types.ts';
import { firstEvent, withFile } from './journal-files.ts';

/** A line in the middle of a run: its piece, its byte offset, and how many bytes of the run lie before it. */
export type JournalPlace = { piece: string; offset: number; skippedBytes: number };

/** Bytes looked at for one line that tells a time. */
const PROBE_BYTES = 64 * 1024;

/**
 * The line from which a run's pieces hold about its last `spanS` seconds of journal time, found by halving: a few reads
 * however long the run is. null: the run is not that long, or a piece cannot be read or tells no times; read all of it then.
 * Where the clock was set back it may be another line; it is always the beginning of one.
 */
export function placeBefore(
  paths: readonly string[],
  spanS: number,
  tells: (event: JournalEvent) => boolean,
): JournalPlace | null {
  const sizes = paths.map(sizeOf);
  if (sizes.includes(null)) return null;
  const newest = newestTs(paths, sizes as number[], tells);
  if (newest === null) return null;
  const wanted = newest - spanS;
  for (let at = paths.length - 1; at >= 0; at -= 1) {
    const piece = paths[at]!;
    const first = firstEvent(piece, tells);
    if (first === null || first.ts >= wanted) continue;
    const offset = lastBefore(piece, sizes[at]!, wanted, tells);
    const skippedBytes = offset + sizes.slice(0, at).reduce((sum: number, size) => sum + size!, 0);
    return { piece, offset, skippedBytes };
  }
  return null;
}

/** Offset of a line before which nothing is wanted: the last probed line that is older. */
function lastBefore(path: string, size: number, wanted: number, tells: (event: JournalEvent) => boolean): number {
  let [low, high] = [0, size];
  const found = withFile(path, (fd) => {
    while (high - low > PROBE_BYTES) {
      const middle = Math.floor((low + high) / 2);
      const probe = eventAfter(fd, middle, tells);
      if (probe !== null && probe.ts < wanted && probe.offset < high) low = probe.offset;
      else high = middle;
    }
    return low;
  });
  return found.ok ? found.value : 0;
}

/** The first telling line that begins after an offset, within the bytes of one probe. */
function eventAfter(
  fd: number,
  offset: number,
  tells: (event: JournalEvent) => boolean,
): { ts: number; offset: number } | null {
  const bytes = Buffer.allocUnsafe(PROBE_BYTES);
  const block = bytes.subarray(0, readSync(fd, bytes, 0, PROBE_BYTES, offset));
  for (let start = block.indexOf(10) + 1; start > 0; ) {
    const end = block.indexOf(10, start);
    if (end < 0) return null;
    const parsed = parseBytes(block.subarray(start, end));
    if (parsed?.ok === true && tells(parsed.event)) return { ts: parsed.event.ts, offset: offset + start };
    start = end + 1;
  }
  return null;
}

/** Journal time near the end of the newest piece that tells one. */
function newestTs(
  paths: readonly string[],
  sizes: readonly number[],
  tells: (event: JournalEvent) => boolean,
): number | null {
  for (let at = paths.length - 1; at >= 0; at -= 1) {
    for (let back = PROBE_BYTES; ; back *= 4) {
      const from = Math.max(0, sizes[at]! - back);
      const read = withFile(paths[at]!, (fd) => eventAfter(fd, from, tells));
      if (!read.ok) return null;
      if (read.value !== null) return read.value.ts;
      if (from === 0) break;
    }
  }
  return null;
}

function sizeOf(path: string): number | null {
  const read = withFile(path, (fd) => fstatSync(fd).size);
  return read.ok ? read.value : null;
}
