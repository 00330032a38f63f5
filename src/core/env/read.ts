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
const INLINE_COMMENT = new RegExp(`[${S}]+#.*`, 's');
const TRAILING_WHITESPACE = new RegExp(`[${S}]+$`);
const ESCAPES: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** Reads env text; `file` names it in problems. Values never appear in problems. */
export function parseEnv(text: string, file: string): EnvFile {
  const lineOf = lineCounter(text);
  const problems: Problem[] = [];
  const entries: EnvEntry[] = [];
  // Interpolation looks only at what stood before, by the name as written.
  const seen = new Map<string, string | null>();
  if (text.startsWith('\ufeff')) problems.push(byteOrderMark(file));
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
        : interpolate(statement.value, seen, (name) => {
            problems.push({ ...unknownReference(statement.name, name), file, ...at });
          });
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

function interpolate(value: string, seen: Map<string, string | null>, onUnknown: (name: string) => void): string {
  return value.replace(/\$\{([^}:]*)(?::-([^}]*))?\}/g, (_all, name: string, fallback: string | undefined) => {
    if (seen.has(name)) return seen.get(name) ?? '';
    if (fallback === undefined) onUnknown(name);
    return fallback ?? '';
  });
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
