import { LineReader } from './line-reader.ts';
import { type BadReason, parseBytes } from './parse.ts';
import type { JournalEvent } from './types.ts';

/** Gets every line of a journal in order; `line` is 1-based. */
export type LineSink = {
  event(event: JournalEvent, schema: string): void;
  bad(line: number, reason: BadReason): void;
  /** When given, it gets the lines that were read quickly instead of `event`; valid until it returns. */
  quick?(line: LineReader): void;
  /** Beside `quick`: lines of a run that are read together, after a line of it; valid until it returns. */
  skimmed?(lines: LineReader): void;
};

/** `quick`: lines straight from their bytes, the full parser for what that does not take; `full`: only it. Same result. */
export type ScanMode = 'quick' | 'full';

/** One for all: reading is synchronous. Made when first needed; null: this machine cannot run it. */
let shared: LineReader | null | undefined;
/** Whose lines it read last. */
let latest: LineScanner | undefined;
/** A scan out of a sink of another scan reads with the full parser: the bytes of the outer one stay where they are. */
let busy = false;

/** Bytes of whole lines in, events out. One per file or joined run; remembers the line number. */
export class LineScanner {
  readonly #sink: LineSink;
  readonly #mode: ScanMode;
  #line = 0;
  #fullyParsed = 0;
  /** The line before was read quickly and has a run: what follows may be skimmed, as long as nobody else uses the reader. */
  #known = false;

  constructor(sink: LineSink, mode: ScanMode = 'quick', firstLine = 1) {
    this.#sink = sink;
    this.#mode = mode;
    this.#line = firstLine - 1;
  }

  /** Lines that went through the full parser. */
  get fullyParsedLines(): number {
    return this.#fullyParsed;
  }

  /** Number of the last line seen; blank lines have numbers too. */
  get line(): number {
    return this.#line;
  }

  /** A new file begins: its lines are numbered from 1. */
  startFile(): void {
    this.#line = 0;
  }

  /** Reads bytes [start, end), which must hold whole lines: the last one ends with a newline. */
  scan(bytes: Buffer, start: number, end: number): void {
    const reader = this.#mode === 'full' || busy ? null : lineReader();
    let at = start;
    if (reader !== null) {
      busy = true;
      if (latest !== this) this.#known = false;
      latest = this;
      try {
        while (at < end) at = this.#scanWindow(reader, bytes, at, end);
      } finally {
        busy = false;
      }
    }
    while (at < end) at = this.#parseNext(bytes, at);
  }

  /** The unterminated end of a file: taken when it is a good line, else counted as torn. */
  scanTail(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#known = false;
    this.#line += 1;
    const parsed = parseBytes(bytes);
    if (parsed === null) return;
    this.#fullyParsed += 1;
    if (parsed.ok) this.#sink.event(parsed.event, parsed.schema);
    else this.#sink.bad(this.#line, parsed.reason === 'json' ? 'torn' : parsed.reason);
  }

  /** A line that was too long to be held was left out by the reader. */
  skipLongLine(): void {
    this.#line += 1;
    this.#fullyParsed += 1;
    this.#sink.bad(this.#line, 'too_long');
  }

  /** As many whole lines as the reader holds at once; a longer one alone. Returns where the next one begins. */
  #scanWindow(reader: LineReader, bytes: Buffer, start: number, end: number): number {
    const { input } = reader;
    let length = end - start;
    if (length > input.length) length = bytes.lastIndexOf(10, start + input.length - 1) + 1 - start;
    if (length <= 0) return this.#parseNext(bytes, start);
    if (bytes.buffer !== input.buffer || bytes.byteOffset + start !== input.byteOffset) {
      bytes.copy(input, 0, start, start + length);
    }
    let at = 0;
    let next = -1;
    while (at < length) {
      if (input[at] === 10) {
        this.#line += 1;
        at += 1;
        continue;
      }
      if (this.#known) {
        at = reader.skim(at, length);
        if (reader.taken > 0) {
          this.#line += reader.taken;
          this.#sink.skimmed!(reader);
        }
        if (at === length) break;
        if (reader.more) continue;
        next = reader.nextSkimmed(at);
      } else next = reader.next(at);
      if (next < 0) {
        at = this.#parseNext(bytes, start + at) - start;
        continue;
      }
      this.#line += 1;
      if (this.#sink.quick === undefined) this.#sink.event(reader.event(), reader.schema);
      else this.#sink.quick(reader);
      this.#known = this.#sink.skimmed !== undefined && reader.hasRun;
      at = next;
    }
    return start + length;
  }

  /** The full parser on the line at `start`. Returns where the next line begins. */
  #parseNext(bytes: Buffer, start: number): number {
    this.#known = false;
    const newline = bytes.indexOf(10, start);
    this.#line += 1;
    const parsed = parseBytes(bytes.subarray(start, newline));
    if (parsed === null) return newline + 1;
    this.#fullyParsed += 1;
    if (parsed.ok) this.#sink.event(parsed.event, parsed.schema);
    else this.#sink.bad(this.#line, parsed.reason);
    return newline + 1;
  }
}

/** Where bytes that are to be scanned are best laid, at its beginning: they are read there; null: anywhere. */
export function scanRoom(): Buffer | null {
  return lineReader()?.input ?? null;
}

function lineReader(): LineReader | null {
  if (shared === undefined) {
    try {
      shared = new LineReader();
    } catch {
      shared = null;
    }
  }
  return shared;
}
