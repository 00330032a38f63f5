/** Recorded journals by market, in the order of time, and one spec (or two) over them. */
import { readSync, statSync } from 'node:fs';
import { listRuns, type RunFiles, scanFile, withFile } from '../adapters/journal-files.ts';
import { parseBytes } from '../core/journal/parse.ts';
import { LineScanner } from '../core/journal/scan.ts';
import type { BadLine } from '../core/journal/types.ts';
import { ok, type Problem, type Result } from '../core/problem.ts';
import { finishReplay, newReplay, nextRecordedRun, replayEvent } from '../core/replay/replay.ts';
import type { ReplayReport, ReplaySpec } from '../core/replay/types.ts';

/** The runs of one market, oldest first by their first good line. */
export type MarketRuns = { market: string; runs: string[][]; bytes: number };

/** Groups files, folders and globs; a file without a single good line is a warning, a missing path a Problem. */
export function journalsByMarket(paths: string[]): Result<{ markets: Map<string, MarketRuns>; problems: Problem[] }> {
  const listed = listRuns(paths);
  if (!listed.ok) return listed;
  const problems: Problem[] = [];
  const found: { market: string; startTs: number; paths: string[] }[] = [];
  for (const files of listed.value) {
    const head = headOfRun(files);
    if (!head.ok) return head;
    if (head.value === null) problems.push(garbled(files));
    else found.push({ ...head.value, paths: files.paths });
  }
  found.sort((a, b) => a.startTs - b.startTs || (a.paths[0]! < b.paths[0]! ? -1 : 1));
  const markets = new Map<string, MarketRuns>();
  for (const { market, paths: pieces } of found) {
    const entry = markets.get(market) ?? { market, runs: [], bytes: 0 };
    entry.runs.push(pieces);
    entry.bytes += pieces.reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
    markets.set(market, entry);
  }
  return ok({ markets, problems });
}

export type ReplayReading = { reports: ReplayReport[]; badLines: number; firstBadLines: BadLine[] };

/** Reads every run of a market once, through all the given specs. A file that cannot be read is a Problem. */
export function replayMarket(
  runs: MarketRuns,
  specs: ReplaySpec[],
  onBytes: (bytes: number) => void,
): Result<ReplayReading> {
  const replays = specs.map(newReplay);
  const bad = { lines: 0, first: [] as BadLine[], file: '' };
  const scanner = new LineScanner({
    event: (event) => {
      for (const replay of replays) replayEvent(replay, event);
    },
    bad: (line, reason) => {
      bad.lines += 1;
      if (bad.first.length < BAD_LINES_SHOWN) bad.first.push({ file: bad.file, line, reason });
    },
  });
  for (const pieces of runs.runs) {
    for (const replay of replays) nextRecordedRun(replay);
    for (const path of pieces) {
      bad.file = path;
      scanner.startFile();
      const read = scanFile(path, scanner, onBytes);
      if (!read.ok) return read;
    }
  }
  return ok({ reports: replays.map(finishReplay), badLines: bad.lines, firstBadLines: bad.first });
}

const BAD_LINES_SHOWN = 20;
const HEAD_BYTES = 256 * 1024;

/** Market and time of a run's first good line; null when its first piece's head holds none. */
function headOfRun(files: RunFiles): Result<{ market: string; startTs: number } | null> {
  for (const path of files.paths) {
    const head = withFile(path, (fd) => {
      const bytes = Buffer.allocUnsafe(HEAD_BYTES);
      return bytes.subarray(0, readSync(fd, bytes, 0, HEAD_BYTES, 0));
    });
    if (!head.ok) return head;
    const found = firstGoodLine(head.value);
    if (found !== null) return ok({ market: files.market ?? found.market, startTs: found.ts });
  }
  return ok(null);
}

function firstGoodLine(bytes: Buffer): { ts: number; market: string } | null {
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const parsed = parseBytes(bytes.subarray(start, end));
    if (parsed?.ok && parsed.event.market !== '' && Number.isFinite(parsed.event.ts)) return parsed.event;
    start = end + 1;
  }
  return null;
}

function garbled(files: RunFiles): Problem {
  const path = files.paths[0] ?? '';
  return {
    code: 'journal-garbled',
    message: `${path}: no readable journal line, left out`,
    hint: 'mmfleet analyse shows the bad lines',
    severity: 'warning',
    file: path,
  };
}
