import { statSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { listRuns, marketInside, type RunFiles, scanFile } from '../../adapters/journal-files.ts';
import { readTail } from '../../adapters/journal-tail.ts';
import { type AnalysisOptions, JournalAnalysis } from '../../core/journal/analysis.ts';
import type { LineReader } from '../../core/journal/line-reader.ts';
import { MARKOUT_GRACE_S } from '../../core/journal/markout.ts';
import { HORIZONS_S, PointSeries } from '../../core/journal/markout-book.ts';
import type { JournalItem } from '../../core/journal/report.ts';
import { LineScanner, type LineSink, type ScanMode } from '../../core/journal/scan.ts';
import type { JournalEvent } from '../../core/journal/types.ts';
import { formatProblem, type Problem, type Result } from '../../core/problem.ts';
import { renderJournalReport } from '../render/journal-report.ts';

export type AnalyseOptions = AnalysisOptions & {
  json: boolean;
  /** Only the end of the journal, enough for `lastFills` fills whose markouts are known. */
  tail?: boolean;
  /** Every line through the full parser. */
  strict?: boolean;
};

export type AnalyseIo = {
  out: (text: string) => void;
  err: (text: string) => void;
  isTTY: boolean;
  color: boolean;
  columns: number;
};

const FEW_FILLS = 1000;
const PROGRESS_FROM_BYTES = 64 * 1024 * 1024;

/** `mmfleet analyse PATH...`. Exit 0 whenever every file could be read, 3 when a path is wrong or no journal is found. */
export async function runAnalyse(paths: string[], options: AnalyseOptions, io: AnalyseIo): Promise<number> {
  // A few megabytes are read before code that was made fast for them would have paid for itself.
  if (options.tail === true && options.lastFills <= FEW_FILLS) {
    for (const flag of ['--no-opt', '--wasm-tiering-budget=1000000000']) setFlagsFromString(flag);
  }
  const runs = listRuns(paths);
  if (!runs.ok) return refuse([runs.problem], options, io);
  if (runs.value.length === 0) {
    const message = `${paths.join(' ')}: no journal found`;
    const hint = 'journals are named mm_MARKET_YYYYMMDD_HHMMSS.jsonl';
    return refuse([{ code: 'journal-not-found', message, hint }], options, io);
  }
  const progress = progressOf(runs.value, io);
  const items: JournalItem[] = [];
  const problems: Problem[] = [];
  for (const [market, files] of filesByMarket(runs.value)) {
    const item =
      options.tail === true ? analyseTail(market, files, options) : analyseFiles(market, files, options, progress.step);
    if (item.ok) items.push(item.value);
    else problems.push(item.problem);
  }
  progress.end();
  if (options.json) io.out(`${JSON.stringify(journalReport(items, problems), null, 2)}\n`);
  else if (items.length > 0) io.out(renderJournalReport(items, { lastFills: options.lastFills, color: io.color }));
  if (problems.length === 0) return 0;
  if (!options.json) for (const problem of problems) io.err(`${formatProblem(problem)}\n`);
  return 3;
}

/** One market's files in order. A file that cannot be read is a Problem. */
export function analyseFiles(
  market: string,
  files: string[],
  options: AnalysisOptions & { strict?: boolean },
  onBytes?: (bytes: number) => void,
): Result<JournalItem> {
  const mode: ScanMode = options.strict === true ? 'full' : 'quick';
  const analysis = new JournalAnalysis(options);
  let file = '';
  const scanner = new LineScanner(
    analysisSink(analysis, () => file),
    mode,
  );
  let bytes = 0;
  for (const path of files) {
    file = path;
    scanner.startFile();
    const read = scanFile(path, scanner, onBytes);
    if (!read.ok) return read;
    bytes += read.value.bytes;
  }
  const facts = { market, files, bytes, fullyParsedLines: scanner.fullyParsedLines };
  if (!analysis.needsSorting) return { ok: true, value: analysis.finish(facts) };
  const points = collectPoints(files, mode);
  return points.ok ? { ok: true, value: analysis.finish(facts, points.value) } : points;
}

/** A fill's last markout is known or missed this long after it. */
const SETTLED_S = HORIZONS_S['2m'] + MARKOUT_GRACE_S;

/** The same over the end only: the last fills whose markouts are known and what came after, whatever the length. */
export function analyseTail(market: string, files: string[], options: AnalysisOptions): Result<JournalItem> {
  // One more than asked for: the position that the first of them found is in the line before it.
  const want = { fills: options.lastFills + 1, horizonS: SETTLED_S };
  const read = readTail(files, want, (file) => {
    const analysis = new JournalAnalysis(options);
    return { ...analysisSink(analysis, file), analysis };
  });
  if (!read.ok) return read;
  const { sink, bytes, whole, fullyParsedLines } = read.value;
  const facts = { market, files, bytes, fullyParsedLines, tail: !whole };
  if (!sink.analysis.needsSorting) return { ok: true, value: sink.analysis.finish(facts) };
  const sorted = readTail(files, want, pointsSink);
  return sorted.ok ? { ok: true, value: sink.analysis.finish(facts, sorted.value.sink.points) } : sorted;
}

function analysisSink(analysis: JournalAnalysis, file: () => string): LineSink {
  return {
    event: (event, schema) => analysis.add(event, schema),
    quick: (line) => analysis.addQuick(line),
    skimmed: (lines) => analysis.addSkimmed(lines),
    bad: (line, reason) => analysis.bad({ file: file(), line, reason }),
  };
}

/** The second reading of a journal whose lines are badly out of order: all points, to be sorted by time. */
function collectPoints(files: string[], mode: ScanMode): Result<PointSeries> {
  const sink = pointsSink();
  const scanner = new LineScanner(sink, mode);
  for (const file of files) {
    const read = scanFile(file, scanner);
    if (!read.ok) return read;
  }
  return { ok: true, value: sink.points };
}

function pointsSink(): LineSink & { points: PointSeries } {
  const points = new PointSeries();
  const take = (line: LineReader | JournalEvent) => {
    const { type, ts, mid } = line;
    if (type === 'fill') {
      const sign = line.sideText.includes('BUY') ? 1 : -1;
      points.add({ ts, sign, price: Number(line.price) });
    }
    if (mid !== null) points.add({ ts, sign: 0, price: mid });
  };
  return { points, event: take, quick: take, bad: () => {} };
}

/** Files by market, in the order given; a market that no file name tells is looked up inside. */
function filesByMarket(runs: RunFiles[]): Map<string, string[]> {
  const byMarket = new Map<string, string[]>();
  for (const run of runs) {
    const market = run.market ?? run.paths.map(marketInside).find((name) => name !== '') ?? '';
    byMarket.set(market, [...(byMarket.get(market) ?? []), ...run.paths]);
  }
  return byMarket;
}

function journalReport(items: JournalItem[], problems: Problem[]) {
  const sum = (of: (item: JournalItem) => number) => items.reduce((total, item) => total + of(item), 0);
  return {
    apiVersion: 'mmfleet/v1',
    kind: 'JournalReport',
    fleet: '',
    summary: {
      markets: items.length,
      files: sum((i) => i.files.length),
      lines: sum((i) => i.counts.lines),
      badLines: sum((i) => i.counts.badLines),
      fills: sum((i) => i.counts.fills),
    },
    items,
    problems,
  };
}

function refuse(problems: Problem[], options: AnalyseOptions, io: AnalyseIo): number {
  if (options.json) io.out(`${JSON.stringify(journalReport([], problems), null, 2)}\n`);
  else for (const problem of problems) io.err(`${formatProblem(problem)}\n`);
  return 3;
}

/** A line on stderr that counts up, for a person who waits for a large file. */
function progressOf(runs: RunFiles[], io: AnalyseIo): { step: (bytes: number) => void; end: () => void } {
  const sizes = runs.flatMap((run) => run.paths).map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (!io.isTTY || total < PROGRESS_FROM_BYTES) return { step: () => {}, end: () => {} };
  let done = 0;
  let shown = -1;
  const step = (bytes: number) => {
    done += bytes;
    const percent = Math.floor((100 * done) / total);
    if (percent === shown) return;
    shown = percent;
    io.err(`\rreading ${String(percent).padStart(3)} % of ${Math.round(total / 1e6)} MB`);
  };
  return { step, end: () => io.err('\r\x1b[K') };
}
