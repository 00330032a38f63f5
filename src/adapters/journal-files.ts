import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join, normalize, relative, resolve } from 'node:path';
import { type PieceName, pieceName } from '../core/journal/names.ts';
import { parseBytes } from '../core/journal/parse.ts';
import type { LineScanner } from '../core/journal/scan.ts';
import type { JournalEvent } from '../core/journal/types.ts';
import { fail, type Problem, type Result } from '../core/problem.ts';
import { scanDescriptor } from './journal-blocks.ts';

/** The pieces of one start of a bot, in order: base, .1, .2, ... .10. Files with other names are runs of their own. */
export type RunFiles = {
  /** Market by the file name; null when the name does not tell. */
  market: string | null;
  /** `YYYYMMDD_HHMMSS` by the file name; '' when the name does not tell. */
  startedAt: string;
  paths: string[];
};

/**
 * Journals behind files, folders and globs, grouped into runs; runs keep the order in which they were given, those of a
 * folder or glob come by market and start. The `latest` link, tuning logs and folders without journals give nothing.
 * A path that does not exist is a Problem.
 */
export function listRuns(paths: string[]): Result<RunFiles[]> {
  const runs = new Map<string, RunFiles & { pieces: number[] }>();
  for (const path of paths) {
    const files = filesOf(path);
    if (!files.ok) return files;
    for (const file of files.value) addPiece(runs, normalize(file));
  }
  return { ok: true, value: [...runs.values()].map(inOrder) };
}

/**
 * Runs of one market that match a spec's journal path (a `*` stands where the start time does), oldest first.
 * `mm_AMZN_*` never catches `AMZN_24_5-USD`: the file name must be that market's. An unreadable folder is a Problem.
 */
export function listMarketRuns(pattern: string, market: string): Result<RunFiles[]> {
  const folder = dirname(pattern);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    return fail(unreadable(folder, error));
  }
  return { ok: true, value: groupRuns(folder, names, pattern, market) };
}

/** The same from a folder's file names. */
export function groupRuns(folder: string, names: readonly string[], pattern: string, market: string): RunFiles[] {
  const fits = fitting(basename(pattern));
  const head = `mm_${market}_`;
  const runs = new Map<string, Piece[]>();
  for (const name of names) {
    // Most names are those of other markets.
    const said = name.startsWith(head) ? pieceName(name) : null;
    if (said?.market !== market || !fits(name)) continue;
    const pieces = runs.get(said.startedAt);
    if (pieces === undefined) runs.set(said.startedAt, [{ name, said }]);
    else pieces.push({ name, said });
  }
  return [...runs.values()].map((pieces) => inFolder(folder, pieces)).sort((a, b) => compare(a.startedAt, b.startedAt));
}

/** The run whose pieces these are, by their file names: one at least, of one market and start. */
export function runOf(folder: string, names: readonly string[]): RunFiles {
  return inFolder(
    folder,
    names.map((name) => ({ name, said: pieceName(name)! })),
  );
}

/** Whether a name fits a glob (`*` and `?`, everything else stands for itself); with a single `*` no expression is compiled. */
export function fitting(pattern: string): (name: string) => boolean {
  const [head = '', tail, ...more] = pattern.split('*');
  if (tail === undefined || more.length > 0 || pattern.includes('?')) {
    const shape = globShape(pattern);
    return (name) => shape.test(name);
  }
  return (name) => name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail);
}

/** Reads a whole file through the scanner in one pass over a reused buffer; `onBytes` after each block. */
export function scanFile(
  path: string,
  scanner: LineScanner,
  onBytes?: (bytes: number) => void,
): Result<{ bytes: number }> {
  const read = withFile(path, (fd) => scanDescriptor(fd, scanner, { offset: 0, skipping: false }, onBytes));
  if (!read.ok) return read;
  if (read.value.skipping) scanner.skipLongLine();
  else scanner.scanTail(read.value.rest);
  return { ok: true, value: { bytes: read.value.bytes } };
}

/** Runs `use` on a file open for reading; a system error is a Problem. */
export function withFile<T>(path: string, use: (fd: number) => T): Result<T> {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    return { ok: true, value: use(fd) };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return fail(unreadable(path, error));
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The market that a file's first good line names; '' when there is none in its first 64 KiB. */
export function marketInside(path: string): string {
  const bytes = readHead(path, 64 * 1024);
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(10, start);
    const parsed = parseBytes(bytes.subarray(start, end < 0 ? bytes.length : end));
    if (parsed?.ok && parsed.event.market !== '') return parsed.event.market;
    if (end < 0) return '';
    start = end + 1;
  }
}

/** The first event in a file's first 256 KiB that `tells` takes; null when there is none or the file cannot be read. */
export function firstEvent(path: string, tells: (event: JournalEvent) => boolean): JournalEvent | null {
  const bytes = readHead(path, 256 * 1024);
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(10, start);
    if (end < 0) return null;
    const parsed = parseBytes(bytes.subarray(start, end));
    if (parsed?.ok === true && tells(parsed.event)) return parsed.event;
    start = end + 1;
  }
}

/** A Problem for a file or folder that could not be read. */
export function unreadable(path: string, error: unknown): Problem {
  const code = isSystemError(error) ? error.code : 'unknown';
  if (code === 'ENOENT') {
    return { code: 'journal-not-found', message: `${path}: no such file or folder`, hint: 'check the path' };
  }
  const why = code === 'EACCES' ? 'permission denied' : code === 'EISDIR' ? 'it is a folder' : `system error ${code}`;
  return { code: 'journal-unreadable', message: `${path}: could not be read, ${why}`, retry: 'backoff' };
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException & { code: string } =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string';

function filesOf(path: string): Result<string[]> {
  if (/[*?[{]/.test(path) && statOf(path) === null) return matchesOf(path);
  const stat = statOf(path);
  if (stat === null) return fail(unreadable(path, Object.assign(new Error(), { code: 'ENOENT' })));
  if (!stat.isDirectory()) return { ok: true, value: namedFile(path) };
  try {
    const names = readdirSync(path).filter((name) => pieceName(name) !== null);
    return { ok: true, value: inNameOrder(names.map((name) => join(path, name))) };
  } catch (error) {
    return fail(unreadable(path, error));
  }
}

/** A shell's own glob also names the `latest` link (the piece it points to) and tuning logs (no journals). */
function namedFile(path: string): string[] {
  const name = basename(path);
  if (name.startsWith('mm_tuning_log_')) return [];
  if (!name.endsWith('_latest.jsonl')) return [path];
  // A copy made without links leaves a small file with the target's name in the link's place.
  if (!lstatSync(path).isSymbolicLink()) return [];
  return [resolve(dirname(path), readlinkSync(path))].map((target) =>
    path.startsWith('/') ? target : relative('', target),
  );
}

function matchesOf(pattern: string): Result<string[]> {
  const folder = dirname(pattern);
  const shape = globShape(basename(pattern));
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    return fail(unreadable(folder, error));
  }
  const matches = names
    .filter((name) => shape.test(name) && pieceName(name) !== null)
    .map((name) => join(folder, name));
  if (matches.length > 0) return { ok: true, value: inNameOrder(matches) };
  const message = `${pattern}: matches no journal`;
  return fail({ code: 'journal-not-found', message, hint: 'journals are named mm_MARKET_YYYYMMDD_HHMMSS.jsonl' });
}

const statOf = (path: string) => statSync(path, { throwIfNoEntry: false }) ?? null;

function globShape(pattern: string): RegExp {
  const source = pattern
    .replace(/[\\^$.+()[\]{}|]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's');
}

function addPiece(runs: Map<string, RunFiles & { pieces: number[] }>, path: string): void {
  const name = pieceName(basename(path));
  const key = name === null ? path : join(dirname(path), name.stem);
  const run = runs.get(key) ?? {
    market: name?.market ?? null,
    startedAt: name?.startedAt ?? '',
    paths: [],
    pieces: [],
  };
  if (run.paths.includes(path)) return;
  run.paths.push(path);
  run.pieces.push(name?.piece ?? 0);
  runs.set(key, run);
}

type Piece = { name: string; said: PieceName };

/** Pieces of one run as files, in order. */
function inFolder(folder: string, pieces: Piece[]): RunFiles {
  const { market, startedAt } = pieces[0]!.said;
  const ordered = pieces.length === 1 ? pieces : pieces.toSorted((a, b) => a.said.piece - b.said.piece);
  return { market, startedAt, paths: ordered.map(({ name }) => join(folder, name)) };
}

function inOrder({ market, startedAt, paths, pieces }: RunFiles & { pieces: number[] }): RunFiles {
  const order = paths.map((_, at) => at).sort((a, b) => pieces[a]! - pieces[b]!);
  return { market, startedAt, paths: order.map((at) => paths[at]!) };
}

function inNameOrder(paths: string[]): string[] {
  const named = paths.map((path) => ({ path, name: pieceName(basename(path)) as PieceName }));
  named.sort(
    (a, b) =>
      compare(a.name.market, b.name.market) ||
      compare(a.name.startedAt, b.name.startedAt) ||
      a.name.piece - b.name.piece,
  );
  return named.map(({ path }) => path);
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function readHead(path: string, limit: number): Buffer {
  const bytes = Buffer.allocUnsafe(limit);
  const read = withFile(path, (fd) => readSync(fd, bytes, 0, limit, 0));
  return bytes.subarray(0, read.ok ? read.value : 0);
}
