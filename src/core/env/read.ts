/**
 * Env text as the bot reads it: python-dotenv's grammar, then pydantic-settings' treatment of names.
 * Consequences that matter: `K=4#c` keeps `4#c`; `K` alone removes an earlier value; `${X}` is replaced in every kind
 * of quotes; a line that does not parse is ignored by the bot without stopping it.
 */
import type { Problem } from '../problem.ts';

export type EnvEntry = {
  /** Canonical: an `MM_` key in upper case, any other as written. */
  key: string;
  /** Effective text after escapes and `${...}`; null: the line has no `=`, the bot takes the key as absent. */
  value: string | null;
  /** 1-based, of the key. */
  line: number;
  column: number;
  /** Offsets in the text of the written value with its quotes; for a line without `=` both are the end of the key. */
  start: number;
  end: number;
};

export type EnvFile = {
  /** In file order, duplicates included. */
  entries: EnvEntry[];
  /** What the bot takes: the last of duplicates, without absent ones. */
  values: Record<string, string>;
  problems: Problem[];
};

/** What Python's `\s` matches, which differs from JavaScript's. */
const S = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const BLANK = '\\t\\v\\f\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const GRAMMAR = {
  anyWhitespace: new RegExp(`[${S}]*`, 'y'),
  blanks: new RegExp(`[${BLANK}]*`, 'y'),
  export: new RegExp(`(?:export[${BLANK}]+)?`, 'y'),
  quotedKey: /'([^']+)'/y,
  bareKey: new RegExp(`([^=#${S}]+)`, 'y'),
  singleQuoted: /'((?:\\'|[^'])*)'/y,
  doubleQuoted: /"((?:\\"|[^"])*)"/y,
  unquoted: /([^\r\n]*)/y,
  comment: new RegExp(`(?:[${BLANK}]*#[^\\r\\n]*)?`, 'y'),
  endOfLine: new RegExp(`[${BLANK}]*(?:\\r\\n|\\n|\\r|$)`, 'y'),
  restOfLine: /[^\r\n]*(?:\r|\n|\r\n)?/y,
};
// Looked for from the first blank of a run only: a megabyte of blanks must not be tried from each of them.
const INLINE_COMMENT = new RegExp(`(?<![${S}])[${S}]+#.*`, 's');
const TRAILING_WHITESPACE = new RegExp(`(?<![${S}])[${S}]+$`);
/** Characters of an env file that are read; a larger one is a mistake, whatever it says. */
const MAX_CHARS = 1_000_000;
/** Characters of all values together after `${...}`: references to references double with each line. */
const MAX_EXPANDED_CHARS = 4_000_000;
const ESCAPES: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** Reads env text; `file` names it in problems. Values never appear in problems. */
export function parseEnv(text: string, file: string): EnvFile {
  if (text.length > MAX_CHARS) return { entries: [], values: {}, problems: [tooLarge(file, text.length)] };
  const lineOf = lineCounter(text);
  const problems: Problem[] = [];
  const entries: EnvEntry[] = [];
  // Interpolation looks only at what stood before, by the name as written.
  const seen = new Map<string, string | null>();
  if (text.startsWith('\ufeff')) problems.push(byteOrderMark(file));
  problems.push(...strangeCharacters(text, file));
  let expanded = 0;
  for (const statement of statements(text)) {
    const at = lineOf(statement.start);
    if (statement.kind === 'bad') {
      problems.push({ ...badLine(text.slice(statement.start, statement.end)), file, ...at });
      continue;
    }
    if (statement.value === null) problems.push({ ...noEquals(statement.name), file, ...at });
    const value =
      statement.value === null
        ? null
        : interpolate(statement.value, seen, MAX_EXPANDED_CHARS - expanded, (name) => {
            problems.push({ ...unknownReference(statement.name, name), file, ...at });
          });
    if (value === TOO_LONG) {
      problems.push({ ...tooLong(), file, ...at });
      break;
    }
    expanded += value?.length ?? 0;
    seen.set(statement.name, value);
    entries.push({
      key: canonicalKey(statement.name),
      value,
      ...at,
      start: statement.valueStart,
      end: statement.valueEnd,
    });
  }
  return { entries, values: effectiveValues(seen), problems };
}

/** The name by which a key is known: the bot does not mind the case of its own keys. */
export function canonicalKey(name: string): string {
  return /^mm_/i.test(name) ? name.toUpperCase() : name;
}

/** The bot's order: last of equal names first, then names that differ only in case in the order they first appeared. */
function effectiveValues(seen: Map<string, string | null>): Record<string, string> {
  const byKey = new Map<string, string | null>();
  for (const [name, value] of seen) byKey.set(canonicalKey(name), value);
  return Object.fromEntries([...byKey].filter((pair): pair is [string, string] => pair[1] !== null));
}

type Statement =
  | { kind: 'bad'; start: number; end: number }
  | { kind: 'entry'; start: number; name: string; value: string | null; valueStart: number; valueEnd: number };

function* statements(text: string): Generator<Statement> {
  let at = 0;
  const read = (regex: RegExp): RegExpExecArray | null => {
    regex.lastIndex = at;
    const match = regex.exec(text);
    if (match !== null) at += match[0].length;
    return match;
  };
  while (at < text.length) {
    read(GRAMMAR.anyWhitespace);
    if (at >= text.length) return;
    const start = at;
    const entry = readBinding(text, read, () => at);
    if (entry === 'comment') continue;
    if (entry !== null) yield { kind: 'entry', start, ...entry };
    else {
      read(GRAMMAR.restOfLine);
      yield { kind: 'bad', start, end: at };
    }
  }
}

/** One binding; null when it does not parse (the reader then stands where it failed). */
function readBinding(
  text: string,
  read: (regex: RegExp) => RegExpExecArray | null,
  position: () => number,
): Omit<Extract<Statement, { kind: 'entry' }>, 'kind' | 'start'> | 'comment' | null {
  read(GRAMMAR.export);
  const first = text[position()];
  const key = first === '#' ? undefined : read(first === "'" ? GRAMMAR.quotedKey : GRAMMAR.bareKey)?.[1];
  if (key === undefined && first !== '#') return null;
  const keyEnd = position();
  read(GRAMMAR.blanks);
  let value: string | null = null;
  let valueStart = keyEnd;
  let valueEnd = keyEnd;
  if (key !== undefined && text[position()] === '=') {
    read(/=/y);
    read(GRAMMAR.blanks);
    valueStart = position();
    const written = readValue(text, read, position());
    if (written === null) return null;
    value = written.value;
    valueEnd = valueStart + written.length;
  }
  read(GRAMMAR.comment);
  if (read(GRAMMAR.endOfLine) === null) return null;
  return key === undefined ? 'comment' : { name: key.replace(/\r\n?/g, '\n'), value, valueStart, valueEnd };
}

function readValue(
  text: string,
  read: (regex: RegExp) => RegExpExecArray | null,
  at: number,
): { value: string; length: number } | null {
  const first = text[at];
  if (first === "'" || first === '"') {
    const match = read(first === "'" ? GRAMMAR.singleQuoted : GRAMMAR.doubleQuoted);
    if (match === null) return null;
    const escapes = first === "'" ? /\\[\\']/g : /\\[\\'"abfnrtv]/g;
    // The bot opens the file as text, which turns every line break into \n.
    const value = match[1]!.replace(/\r\n?/g, '\n').replace(escapes, (found) => ESCAPES[found[1]!] ?? found[1]!);
    return { value, length: match[0].length };
  }
  const value = read(GRAMMAR.unquoted)![1]!.replace(INLINE_COMMENT, '').replace(TRAILING_WHITESPACE, '');
  return { value, length: value.length };
}

const TOO_LONG = Symbol('too long');

function interpolate(
  value: string,
  seen: Map<string, string | null>,
  room: number,
  onUnknown: (name: string) => void,
): string | typeof TOO_LONG {
  const parts: string[] = [];
  let length = value.length;
  let copied = 0;
  for (const { start, end, name, fallback } of references(value)) {
    if (!seen.has(name) && fallback === undefined) onUnknown(name);
    const text = seen.has(name) ? (seen.get(name) ?? '') : (fallback ?? '');
    length += text.length - (end - start);
    if (length > room) return TOO_LONG;
    parts.push(value.slice(copied, start), text);
    copied = end;
  }
  if (length > room) return TOO_LONG;
  return parts.join('') + value.slice(copied);
}

type Reference = { start: number; end: number; name: string; fallback: string | undefined };

/** `${NAME}` and `${NAME:-fallback}`. By hand: a pattern would look from each of many `${` to the same far end. */
function* references(value: string): Generator<Reference> {
  const stops = /[}:]/g;
  let stop = -1;
  let at = value.indexOf('${');
  while (at >= 0) {
    if (stop < at + 2) {
      stops.lastIndex = at + 2;
      stop = stops.exec(value)?.index ?? value.length;
    }
    if (stop === value.length) return;
    const withFallback = value.startsWith(':-', stop);
    const close = value[stop] === '}' ? stop : withFallback ? value.indexOf('}', stop + 2) : -1;
    if (withFallback && close < 0) return;
    if (close >= 0) {
      const fallback = withFallback ? value.slice(stop + 2, close) : undefined;
      yield { start: at, end: close + 1, name: value.slice(at + 2, stop), fallback };
      at = close - 1;
    }
    at = value.indexOf('${', at + 2);
  }
}

/** Offset -> 1-based line and column; asked in ascending order. */
function lineCounter(text: string): (offset: number) => { line: number; column: number } {
  let line = 1;
  let lineStart = 0;
  let scanned = 0;
  return (offset) => {
    for (; scanned < offset; scanned += 1) {
      const char = text[scanned];
      if (char === '\n' || (char === '\r' && text[scanned + 1] !== '\n')) {
        line += 1;
        lineStart = scanned + 1;
      }
    }
    return { line, column: offset - lineStart + 1 };
  };
}

function badLine(statement: string): Omit<Problem, 'file'> {
  const name = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(statement)?.[1];
  const what = name === undefined ? 'this line' : `the line of ${name}`;
  return {
    code: 'env-bad-line',
    message: `${what} does not parse: the bot would ignore it and use its default`,
    hint:
      name === undefined ? 'write KEY=VALUE, or put a # in front' : 'close the quotes; only a comment may follow them',
    retry: 'stalled',
    // Words without `=` are ignored by the bot as well, but no value is lost by that.
    ...(statement.includes('=') ? {} : { severity: 'warning' as const }),
  };
}

function noEquals(name: string): Omit<Problem, 'file'> {
  const shown = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name) ? name : 'this line';
  return {
    code: 'env-no-equals',
    message: `${shown} has no "=": the bot ignores it, with any value given before`,
    hint: 'write KEY=VALUE, or put a # in front',
    severity: 'warning',
  };
}

function unknownReference(key: string, name: string): Omit<Problem, 'file'> {
  return {
    code: 'env-unknown-reference',
    message: `${key} refers to \${${name}}, which no line above sets: it is read as empty`,
    hint: `set ${name} above it, or write \${${name}:-fallback}`,
    severity: 'warning',
  };
}

function byteOrderMark(file: string): Problem {
  return {
    code: 'env-byte-order-mark',
    message: 'the file starts with a byte order mark, which the bot takes as part of the first key',
    hint: 'save it as UTF-8 without a byte order mark',
    retry: 'stalled',
    file,
    line: 1,
    column: 1,
  };
}

/** NUL ends a text for the system, and a byte that is no UTF-8 makes the bot refuse the whole file. */
function strangeCharacters(text: string, file: string): Problem[] {
  const found = /[\0\ufffd]/.exec(text);
  if (found === null) return [];
  const before = text.slice(0, found.index).split(/\r\n|\n|\r/);
  const what = found[0] === '\0' ? 'a NUL character' : 'bytes that are not UTF-8';
  return [
    {
      code: 'env-encoding',
      message: `found ${what}, want UTF-8 text: the bot would refuse to start`,
      hint: 'save it as UTF-8',
      retry: 'stalled',
      file,
      line: before.length,
      column: before.at(-1)!.length + 1,
    },
  ];
}

function tooLarge(file: string, chars: number): Problem {
  return {
    code: 'env-too-large',
    message: `found ${chars} characters, want at most ${MAX_CHARS}`,
    hint: 'an env file is a few hundred lines of KEY=VALUE',
    retry: 'stalled',
    file,
    line: 1,
    column: 1,
  };
}

function tooLong(): Omit<Problem, 'file'> {
  return {
    code: 'env-too-large',
    message: `the values have more than ${MAX_EXPANDED_CHARS} characters once their references are replaced`,
    hint: 'write the values out',
    retry: 'stalled',
  };
}
