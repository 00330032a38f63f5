import { readSync, statSync } from 'node:fs';
import { parseBytes } from '../core/journal/parse.ts';
import { LineScanner, type LineSink } from '../core/journal/scan.ts';
import type { Result } from '../core/problem.ts';
import { BLOCK_BYTES, scanDescriptor } from './journal-blocks.ts';
import { withFile } from './journal-files.ts';

/** What a reading from the end took; `whole`: it had to go back to the very beginning. */
export type TailRead = { bytes: number; whole: boolean; fullyParsedLines: number };

/**
 * Reads a run from behind: goes back until `fills` fills that are older than `horizonS` (so that their markouts are
 * known) are covered, then once forward to the end. Its cost does not depend on the run's length. The sink gets whole
 * blocks, so some more lines than asked for; line numbers of its first file count from where reading began. `sinkOf` makes
 * a fresh sink for each try (more than one only when other lines look like fills); it may ask which file is being read.
 */
export function readTail<S extends LineSink>(
  paths: string[],
  want: { fills: number; horizonS: number },
  sinkOf: (file: () => string) => S,
): Result<TailRead & { sink: S }> {
  let fills = want.fills;
  for (;;) {
    const start = startOfTail(paths, fills, want.horizonS);
    if (!start.ok) return start;
    let file = '';
    const sink = sinkOf(() => file);
    const counted = countingSink(sink);
    const read = scanFrom(paths, start.value, counted.sink, (path) => {
      file = path;
    });
    if (!read.ok) return read;
    const whole = start.value.at === 0 && start.value.offset === 0;
    if (whole || counted.olderThan(want.horizonS) >= want.fills)
      return { ok: true, value: { ...read.value, whole, sink } };
    fills = Math.max(fills * 2, want.fills + counted.newerThan(want.horizonS) + 1);
  }
}

type Place = { at: number; offset: number };

/** Without the quote before it, which stands in a line so often that looking for it takes most of the time. */
const FILL = Buffer.from('fill"');
const QUOTE = 34;

/**
 * Walks back in blocks, counting what looks like fills, to the first whole line of the block that holds enough. Those in blocks
 * after the horizon do not count; what a block's first line tells is no proof, so the caller looks again.
 */
function startOfTail(paths: string[], fills: number, horizonS: number): Result<Place> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES + FILL.length);
  let seen = 0;
  let newest: number | null = null;
  let beforeHorizon = false;
  for (let at = paths.length - 1; at >= 0; at -= 1) {
    const path = paths[at]!;
    const found = withFile(path, (fd) => {
      let end = statSync(path).size;
      while (end > 0) {
        const start = Math.max(0, end - BLOCK_BYTES);
        // A few bytes more: a hit may lie across the border of two blocks.
        const filled = readSync(fd, block, 0, Math.min(block.length, end - start + FILL.length), start);
        const bytes = block.subarray(0, filled);
        if (beforeHorizon) seen += countOf(bytes);
        else {
          newest ??= tsOf(lastLine(bytes));
          const oldest = tsOf(firstLine(bytes));
          beforeHorizon = newest === null || oldest === null || oldest <= newest - horizonS;
        }
        if (seen > fills) {
          const newline = bytes.indexOf(10);
          if (start === 0) return { at, offset: 0 };
          if (newline >= 0 && start + newline + 1 < end) return { at, offset: start + newline + 1 };
        }
        end = start;
      }
      return null;
    });
    if (!found.ok) return found;
    if (found.value !== null) return { ok: true, value: found.value };
  }
  return { ok: true, value: { at: 0, offset: 0 } };
}

/** Unix seconds; null: the line does not tell. */
function tsOf(line: Buffer): number | null {
  const parsed = parseBytes(line);
  return parsed?.ok === true ? parsed.event.ts : null;
}

/** The first whole one. */
function firstLine(bytes: Buffer): Buffer {
  const start = bytes.indexOf(10) + 1;
  return bytes.subarray(start, Math.max(start, bytes.indexOf(10, start)));
}

function lastLine(bytes: Buffer): Buffer {
  const end = Math.max(0, bytes.lastIndexOf(10));
  return bytes.subarray(end === 0 ? 0 : bytes.lastIndexOf(10, end - 1) + 1, end);
}

function countOf(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(FILL); at >= 0; at = bytes.indexOf(FILL, at + FILL.length)) {
    if (bytes[at - 1] === QUOTE) count += 1;
  }
  return count;
}

function scanFrom(
  paths: string[],
  { at, offset }: Place,
  sink: LineSink,
  onFile: (path: string) => void,
): Result<Omit<TailRead, 'whole'>> {
  const scanner = new LineScanner(sink);
  let bytes = 0;
  for (let n = at; n < paths.length; n += 1) {
    scanner.startFile();
    onFile(paths[n]!);
    const read = withFile(paths[n]!, (fd) => {
      const end = scanDescriptor(fd, scanner, { offset: n === at ? offset : 0, skipping: false });
      if (end.skipping) scanner.skipLongLine();
      else scanner.scanTail(end.rest);
      return end.bytes;
    });
    if (!read.ok) return read;
    bytes += read.value;
  }
  return { ok: true, value: { bytes, fullyParsedLines: scanner.fullyParsedLines } };
}

/** Passes everything on and remembers when fills happened and when the journal ended. */
function countingSink(inner: LineSink) {
  const fillTs: number[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  const note = ({ type, ts }: { type: string; ts: number }) => {
    if (type === 'fill') fillTs.push(ts);
    if (ts > newest) newest = ts;
  };
  const sink: LineSink = {
    event: (event, schema) => {
      note(event);
      inner.event(event, schema);
    },
    quick: (line) => {
      note(line);
      if (inner.quick === undefined) inner.event(line.event(), line.schema);
      else inner.quick(line);
    },
    bad: (line, reason) => inner.bad(line, reason),
    ...(inner.skimmed === undefined
      ? {}
      : {
          skimmed: (lines) => {
            const { points, highestTs } = lines.skimmed();
            for (let at = 0; at < points; at += 1)
              if (lines.points[3 * at + 2] !== 0) fillTs.push(lines.points[3 * at]!);
            newest = Math.max(newest, highestTs);
            inner.skimmed!(lines);
          },
        }),
  };
  const olderThan = (seconds: number) => fillTs.filter((ts) => ts <= newest - seconds).length;
  return { sink, olderThan, newerThan: (seconds: number) => fillTs.length - olderThan(seconds) };
}
