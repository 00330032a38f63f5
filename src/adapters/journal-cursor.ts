import { readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { LineReader } from '../core/journal/line-reader.ts';
import { LineScanner, type LineSink } from '../core/journal/scan.ts';
import type { BadLine, JournalEvent } from '../core/journal/types.ts';
import { type ReadPlace, scanDescriptor } from './journal-blocks.ts';
import { type RunFiles, withFile } from './journal-files.ts';
import { type FolderRuns, type JournalFolders, statOrNull } from './journal-folders.ts';

/** Gets the new lines of one instance's journal in order. */
export type CursorSink = {
  /** A newer start of the bot begins (also the first one seen): state of the run before it is over. */
  startRun(run: { market: string; startedAt: string; path: string }): void;
  event(event: JournalEvent): void;
  /** When given, it gets the lines that were read quickly instead of `event`; valid until it returns. */
  quick?(line: LineReader): void;
};

/** What a poll found. `known: false`: the journal could not be read, which is never the same as empty. */
export type PollResult =
  | {
      known: true;
      bytes: number;
      badLines: number;
      /** The first 20 of this poll. */
      firstBadLines: BadLine[];
      /** Lines may be missing: a file was truncated, replaced or removed. Reading went on behind the gap. */
      gaps: string[];
      newRun: boolean;
      /** The file that is being written. */
      path: string;
      /** Wall time of its last change before it was read, ms. */
      changedAtMs: number;
      /** Reading stopped at the bound: the next poll goes on. */
      more: boolean;
    }
  | { known: false; reason: string };

/** Where to begin in a run that is new to a cursor: at this line of one of its pieces; null = at its start. */
export type EnterRun = (run: RunFiles) => { piece: string; offset: number } | null;

/** A cursor as plain data. */
export type CursorState = {
  startedAt: string;
  piece: string;
  dev: number;
  ino: number;
  offset: number;
  /** A sum over the last bytes before the offset, by which another file is known to go on there; 0 = not known. */
  last: number;
  skipping: boolean;
  line: number;
};

/** Reads only what was appended to one instance's newest run, over rotations and restarts of the bot. */
export class JournalCursor {
  readonly #pattern: string;
  readonly #folder: string;
  readonly #market: string;
  readonly #enter: EnterRun;
  /** Of the folder when its names were looked at last, and whether a run of the market was among them. */
  #version = -1;
  #isThere = false;
  #run: RunFiles | undefined;
  #state: CursorState | undefined;
  #size = -1;
  #changedAtMs = 0;

  /** `pattern`: the journal path with the market filled in (`.../mm_AMZN-USD_*.jsonl`); `state`: from an earlier `toJSON`. */
  constructor(pattern: string, market: string, state?: CursorState, enter: EnterRun = () => null) {
    this.#pattern = pattern;
    this.#folder = dirname(pattern);
    this.#market = market;
    this.#state = state;
    this.#enter = enter;
  }

  /** undefined before the first successful poll. */
  toJSON(): CursorState | undefined {
    return this.#state;
  }

  /** Delivers what is new, or about `most` bytes of it. A torn last line waits for its end. */
  poll(folders: JournalFolders, sink: CursorSink, most = Number.POSITIVE_INFINITY): PollResult {
    const { version, readable } = folders.look(this.#folder);
    const runs = readable && version !== this.#version ? folders.runs(this.#pattern, this.#market) : 'same';
    if (!readable || runs === undefined) return { known: false, reason: 'journal folder cannot be read' };
    const found: Found = { bytes: 0, badLines: 0, firstBadLines: [], gaps: [], most, more: false };
    if (runs !== 'same') {
      if (runs !== null) this.#follow(runs, found, sink);
      this.#isThere = runs !== null;
      this.#version = version;
    }
    if (!this.#isThere) return { known: false, reason: 'no journal' };
    const newRun = found.newRun === true;
    const failed = this.#readOn(found, sink);
    if (failed !== null) {
      // Look at the folder again next time: the file may have been moved.
      this.#version = -1;
      return { known: false, reason: failed };
    }
    const { bytes, badLines, firstBadLines, gaps, more } = found;
    const path = this.#state!.piece;
    return { known: true, bytes, badLines, firstBadLines, gaps, newRun, path, changedAtMs: this.#changedAtMs, more };
  }

  /** Turns to a newer run or takes in new pieces of the present one. */
  #follow({ newest, all }: FolderRuns, found: Found, sink: CursorSink): void {
    const state = this.#state;
    if (state !== undefined && state.startedAt !== newest.startedAt) {
      // What the old run wrote last, before the bot was started again; it may be gone by now.
      this.#run = all().find((run) => run.startedAt === state.startedAt && run.paths.includes(state.piece));
      if (this.#run === undefined) found.gaps.push(`${basename(state.piece)} was removed`);
      else this.#readToEnd(found, sink);
      this.#state = undefined;
    }
    this.#run = newest;
    if (this.#state === undefined) {
      found.newRun = true;
      sink.startRun({ market: this.#market, startedAt: newest.startedAt, path: newest.paths[0]! });
      const entry = this.#enter(newest);
      this.#begin(entry?.piece ?? newest.paths[0]!, newest.startedAt, entry?.offset);
    } else if (!newest.paths.includes(this.#state.piece)) {
      found.gaps.push(`${basename(this.#state.piece)} was removed`);
      this.#begin(newest.paths[0]!, newest.startedAt);
    }
  }

  #begin(piece: string, startedAt: string, offset = 0): void {
    this.#state = { startedAt, piece, dev: -1, ino: -1, offset, last: 0, skipping: false, line: 0 };
    this.#size = -1;
  }

  #readToEnd(found: Found, sink: CursorSink): void {
    const { most } = found;
    found.most = Number.POSITIVE_INFINITY;
    this.#readOn(found, sink);
    found.most = most;
  }

  #readOn(found: Found, sink: CursorSink): string | null {
    const paths = this.#run!.paths;
    for (;;) {
      const state = this.#state!;
      const next = paths[paths.indexOf(state.piece) + 1];
      const failed = this.#readPiece(state, next !== undefined, found, sink);
      if (failed !== null || next === undefined || found.more) return failed;
      this.#begin(next, state.startedAt);
    }
  }

  /** A copy that was put in its place (a sync, a backup, a disk mounted anew) goes on where the file did. */
  #readPiece(state: CursorState, complete: boolean, found: Found, sink: CursorSink): string | null {
    const stat = statOrNull(state.piece);
    if (stat === null) return `${basename(state.piece)} cannot be found`;
    const other = state.ino !== -1 && (state.ino !== stat.ino || state.dev !== stat.dev);
    let broken = stat.size < state.offset ? 'truncated' : null;
    if (broken === null) {
      this.#changedAtMs = stat.mtimeMs;
      if (stat.size === this.#size && !complete && !other) return null;
      const read = stat.size > state.offset || other ? this.#scan(state, complete, found, sink) : 'read';
      if (read === 'failed') return `${basename(state.piece)} cannot be read`;
      if (read === 'another') broken = 'rewritten';
    }
    if (broken !== null) {
      found.gaps.push(`${basename(state.piece)} was ${other ? 'replaced' : broken}`);
      this.#begin(state.piece, state.startedAt);
      return this.#readPiece(this.#state!, complete, found, sink);
    }
    state.dev = stat.dev;
    state.ino = stat.ino;
    if (!found.more) this.#size = stat.size;
    return null;
  }

  /** `another`: the file does not hold what was read of it; nothing was delivered. */
  #scan(state: CursorState, complete: boolean, found: Found, sink: CursorSink): 'read' | 'another' | 'failed' {
    const lines: LineSink = {
      event: (event) => sink.event(event),
      ...(sink.quick === undefined ? {} : { quick: (line) => sink.quick!(line) }),
      bad: (line, reason) => {
        found.badLines += 1;
        if (found.firstBadLines.length < 20) found.firstBadLines.push({ file: state.piece, line, reason });
      },
    };
    const scanner = new LineScanner(lines, 'quick', state.line + 1);
    const place: ReadPlace = { offset: state.offset, skipping: state.skipping };
    const read = withFile(state.piece, (fd) => {
      if (state.last !== 0 && sumBefore(fd, state.offset) !== state.last) return null;
      const end = scanDescriptor(fd, scanner, place, undefined, found.most - found.bytes);
      const last = end.offset === state.offset ? state.last : sumBefore(fd, end.offset);
      if (end.more) return { ...end, last };
      if (complete && end.skipping) scanner.skipLongLine();
      if (complete && !end.skipping) scanner.scanTail(end.rest);
      return { ...end, last };
    });
    if (!read.ok) return 'failed';
    if (read.value === null) return 'another';
    found.bytes += read.value.bytes;
    found.more = read.value.more;
    state.offset = read.value.offset;
    state.last = read.value.last;
    state.skipping = read.value.skipping;
    state.line = scanner.line;
    return 'read';
  }
}

/** Some lines: their times and ids are in no other journal. */
const LAST_BYTES = 1024;
const lastBytes = Buffer.alloc(LAST_BYTES);

function sumBefore(fd: number, offset: number): number {
  const length = Math.min(offset, LAST_BYTES);
  return crc32(lastBytes.subarray(0, readSync(fd, lastBytes, 0, length, offset - length)));
}

type Found = {
  bytes: number;
  badLines: number;
  firstBadLines: BadLine[];
  gaps: string[];
  newRun?: boolean;
  most: number;
  more: boolean;
};
