import { type BadReason, parseBytes } from './parse.ts';
import { learnTemplate, type Template, type TypeKey } from './template.ts';
import type { JournalEvent } from './types.ts';

/** Gets every line of a journal in order; `line` is 1-based. */
export type LineSink = {
  event(event: JournalEvent, schema: string): void;
  /** Good lines that no number depends on; the last one before an event, a bad line or a pause comes as an event. */
  skip(lines: number, schema: string): void;
  bad(line: number, reason: BadReason): void;
};

/** `templates`: learned patterns beside the full parser; `full`: the full parser for every line. Same result. */
export type ScanMode = 'templates' | 'full';

const WINDOW_BYTES = 64 * 1024;
const TEMPLATES_A_KIND = 4;
/** Templates learned at most: some at first, then one for so many good lines, so that a wild file does not pay for them. */
const LEARN_AT_FIRST = 48;
const LEARN_EVERY = 2000;
/** After so many misses in a row only every 32nd line tries the templates. */
const PATIENCE = 64;
/** How far the type key may stand from where it was last seen (times and numbers differ in length). */
const DRIFT = 12;

/** Bytes of whole lines in, events out. One per file or joined run; remembers layouts and the line number. */
export class LineScanner {
  readonly #sink: LineSink;
  readonly #mode: ScanMode;
  readonly #templates = new Map<number, Template[]>();
  #typeKey: TypeKey = { offset: 0, length: 0 };
  #learned = 0;
  #good = 0;
  #misses = 0;
  #line = 0;
  #fullyParsed = 0;
  #idle = 0;
  #idleText: { text: string; at: number; template: Template } | undefined;

  constructor(sink: LineSink, mode: ScanMode = 'templates', firstLine = 1) {
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

  /** A new file begins: its lines are numbered from 1, its layout is most likely the same. */
  startFile(): void {
    this.#line = 0;
  }

  /** Reads bytes [start, end), which must hold whole lines: the last one ends with a newline. */
  scan(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#mode === 'full') {
        at = this.#parseNext(bytes, at);
        continue;
      }
      const last = end - at <= WINDOW_BYTES ? end - 1 : bytes.lastIndexOf(10, at + WINDOW_BYTES - 1);
      if (last < at) at = this.#parseNext(bytes, at);
      else at = this.#scanWindow(bytes, at, last + 1);
    }
    this.#flushIdle();
  }

  /** The unterminated end of a file: taken when it is a good line, else counted as torn. */
  scanTail(bytes: Buffer): void {
    if (bytes.length === 0) return;
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

  #scanWindow(bytes: Buffer, start: number, end: number): number {
    const text = bytes.toString('latin1', start, end);
    let at = 0;
    while (at < text.length) {
      const next = this.#matchNext(text, at);
      at = next > at ? next : this.#parseNext(bytes, start + at, text, at) - start;
    }
    this.#flushIdle();
    return end;
  }

  /** The end of the line at `at` when a template matches it, else `at`. */
  #matchNext(text: string, at: number): number {
    if (this.#misses > PATIENCE && this.#misses % 32 !== 0) return at;
    const kind = this.#kindAt(text, at);
    const templates = kind === 0 ? undefined : this.#templates.get(kind);
    if (templates === undefined) return at;
    for (let n = 0; n < templates.length; n += 1) {
      const template = templates[n]!;
      const { pattern } = template;
      pattern.lastIndex = at;
      if (template.idle) {
        if (!pattern.test(text)) continue;
        this.#noteIdle(text, at, template);
      } else {
        const match = pattern.exec(text);
        if (match === null) continue;
        this.#flushIdle();
        this.#sink.event(template.build(match), template.schema);
      }
      this.#line += 1;
      this.#good += 1;
      this.#misses = 0;
      if (n > 0) {
        templates[n] = templates[0]!;
        templates[0] = template;
      }
      return pattern.lastIndex;
    }
    return at;
  }

  /** A number for the line's type from three letters of it: only a hint, the template checks every byte. 0: not found. */
  #kindAt(text: string, lineStart: number): number {
    const { offset, length } = this.#typeKey;
    if (length === 0) return 0;
    for (let n = 0; n <= 2 * DRIFT; n += 1) {
      const shift = n % 2 === 0 ? n >> 1 : -((n + 1) >> 1);
      const at = lineStart + offset + shift;
      if (text.charCodeAt(at) !== 34 || text.charCodeAt(at + 1) !== 116 || text.charCodeAt(at + 4) !== 101) continue;
      if (shift !== 0) this.#typeKey = { offset: offset + shift, length };
      return kindOf(text, at + length);
    }
    return 0;
  }

  #noteIdle(text: string, at: number, template: Template): void {
    const before = this.#idleText?.template;
    if (before !== undefined && before.schema !== template.schema) this.#flushIdle();
    this.#idle += 1;
    this.#idleText = { text, at, template };
  }

  #flushIdle(): void {
    const last = this.#idleText;
    if (last === undefined) return;
    const lines = this.#idle - 1;
    this.#idle = 0;
    this.#idleText = undefined;
    if (lines > 0) this.#sink.skip(lines, last.template.schema);
    last.template.pattern.lastIndex = last.at;
    this.#sink.event(last.template.build(last.template.pattern.exec(last.text)!), last.template.schema);
  }

  /** The full parser on the line at `start`; learns its layout. Returns where the next line begins. */
  #parseNext(bytes: Buffer, start: number, window?: string, windowAt = 0): number {
    const newline = bytes.indexOf(10, start);
    this.#flushIdle();
    this.#line += 1;
    this.#misses += 1;
    const line = bytes.subarray(start, newline);
    const parsed = parseBytes(line);
    if (parsed === null) return newline + 1;
    this.#fullyParsed += 1;
    if (!parsed.ok) {
      this.#sink.bad(this.#line, parsed.reason);
      return newline + 1;
    }
    this.#good += 1;
    if (window !== undefined && this.#learned < LEARN_AT_FIRST + this.#good / LEARN_EVERY) {
      this.#learn(window.slice(windowAt, windowAt + newline + 1 - start), parsed.event, parsed.schema);
    }
    this.#sink.event(parsed.event, parsed.schema);
    return newline + 1;
  }

  #learn(text: string, event: JournalEvent, schema: string): void {
    const learned = learnTemplate(text, event, schema);
    if (learned === null) return;
    this.#learned += 1;
    this.#typeKey = learned.typeKey;
    const kind = kindOf(text, learned.typeKey.offset + learned.typeKey.length);
    const templates = this.#templates.get(kind) ?? [];
    templates.unshift(learned.template);
    this.#templates.set(kind, templates.slice(0, TEMPLATES_A_KIND));
  }
}

const kindOf = (text: string, at: number) =>
  text.charCodeAt(at) | (text.charCodeAt(at + 2) << 8) | (text.charCodeAt(at + 6) << 16);
