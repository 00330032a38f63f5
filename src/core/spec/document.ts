/** YAML text -> documents whose every node knows its place. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml';
import { isSecretKey } from '../env/keys.ts';
import type { Problem } from '../problem.ts';

export type Place = Pick<Problem, 'file' | 'line' | 'column' | 'sourceLine'>;

export type SpecDocument = {
  file: string;
  /** Plain data; aliases resolved. */
  value: unknown;
  /** Where the value (or the key) of a path stands; undefined when the document does not say it. */
  locate(path: readonly string[], part: 'key' | 'value'): Place | undefined;
};

/** A spec file of a million bytes is a mistake, whatever it says. */
const MAX_BYTES = 1_000_000;
const MAX_ALIASES = 100;
/** What is shown of a source line; the rest of it helps nobody. */
const MAX_SHOWN_CHARS = 400;

/** Every non-empty document of a file, or why it has none. A broken document does not hide the others of its file. */
export function readDocuments(file: string, text: string): { documents: SpecDocument[]; problems: Problem[] } {
  if (text.length > MAX_BYTES)
    return broken(file, 'spec-too-large', `found ${text.length} characters, want at most ${MAX_BYTES}`);
  const strange = /[\0\ufffd]/.exec(text);
  if (strange !== null) {
    const what = strange[0] === '\0' ? 'a NUL character' : 'bytes that are not UTF-8';
    const before = text.slice(0, strange.index).split(/\r\n|\n|\r/);
    const problem = notReadable(file, 'spec-encoding', `found ${what}, want UTF-8 text`);
    return { documents: [], problems: [{ ...problem, line: before.length, column: before.at(-1)!.length + 1 }] };
  }
  const lines = new LineCounter();
  let parsed: Document.Parsed[];
  try {
    // The library compares each key with all others of its mapping; strangeKeys finds a second one in one go.
    const all = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    parsed = Array.isArray(all) ? all : [];
  } catch {
    return broken(file, 'spec-yaml', 'the YAML is nested too deep to be read');
  }
  const sources = text.split(/\r\n|\n|\r/);
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    const source = sources[line - 1]?.slice(0, MAX_SHOWN_CHARS);
    return { file, line, column: col, ...(source === undefined ? {} : { sourceLine: withoutSecrets(source) }) };
  };
  const documents: SpecDocument[] = [];
  const problems: Problem[] = [];
  for (const document of parsed) {
    const errors = document.errors.map((error): Problem => ({ ...yamlProblem(error.code), ...place(error.pos[0]) }));
    if (errors.length === 0 && isTooDeep(document.contents)) {
      errors.push({ ...notReadable(file, 'spec-yaml', `found more than ${MAX_DEPTH} levels`), ...place(0) });
    }
    if (errors.length === 0) errors.push(...strangeKeys(document, place));
    const value = errors.length > 0 ? undefined : plainValue(document);
    if (value === TOO_MANY_ALIASES) {
      errors.push({
        code: 'spec-yaml',
        message: `found more than ${MAX_ALIASES} expanded aliases, or one inside what it stands for`,
        hint: 'write the values out',
        retry: 'stalled',
        ...place(0),
      });
    }
    problems.push(...errors);
    if (errors.length > 0 || value === null || value === undefined) continue;
    documents.push({ file, value, locate: (path, part) => locate(document, path, part, place) });
  }
  return { documents, problems };
}

/** Levels of a spec; far more than any field has. */
const MAX_DEPTH = 64;

/** Level by level, because whatever goes down by calling itself ends with the stack. */
function isTooDeep(root: unknown): boolean {
  let level = [root];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((node): unknown[] => {
      if (isSeq(node)) return node.items;
      return isMap(node) ? node.items.flatMap((pair) => [pair.key, pair.value]) : [];
    });
  }
  return false;
}

const TOO_MANY_ALIASES = Symbol('too many aliases');

function plainValue(document: Document.Parsed): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return holdsItself(value, new Set(), new Set()) ? TOO_MANY_ALIASES : value;
  } catch {
    return TOO_MANY_ALIASES;
  }
}

/** Whether a value is a part of itself: an alias without an end. */
function holdsItself(value: unknown, above: Set<unknown>, seen: Set<unknown>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (above.has(value)) return true;
  if (seen.has(value)) return false;
  seen.add(value);
  above.add(value);
  const found = Object.values(value).some((part) => holdsItself(part, above, seen));
  above.delete(value);
  return found;
}

/** Keys that are no plain text, that were there before, and the one name that means something else to JavaScript. */
function strangeKeys(document: Document.Parsed, place: (offset: number) => Place): Problem[] {
  const problems: Problem[] = [];
  visit(document, {
    Scalar(_index, scalar) {
      // No program takes it as an argument, no file has it in its name.
      if (typeof scalar.value !== 'string' || !scalar.value.includes('\0')) return;
      const problem = notReadable('', 'spec-encoding', 'found a NUL character in a text');
      problems.push({ ...problem, ...place(scalar.range?.[0] ?? 0) });
    },
    Map(_index, map) {
      const names = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (names.has(key.value)) problems.push({ ...yamlProblem('DUPLICATE_KEY'), ...place(key.range?.[0] ?? 0) });
        names.add(key.value);
      }
    },
    Pair(_index, pair) {
      const key = pair.key;
      if (isScalar(key) && key.value !== '__proto__' && key.value !== null) return;
      const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0;
      problems.push({
        code: 'spec-yaml',
        message: 'found a key that is no plain name',
        hint: 'write NAME: VALUE',
        retry: 'stalled',
        ...place(offset),
      });
    },
  });
  return problems;
}

function locate(
  document: Document.Parsed,
  path: readonly string[],
  part: 'key' | 'value',
  place: (offset: number) => Place,
): Place | undefined {
  let node: unknown = document.contents;
  let keyOffset = isNode(node) ? node.range?.[0] : undefined;
  for (const segment of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === segment);
      if (pair === undefined) return undefined;
      keyOffset = (pair.key as Node).range?.[0];
      // `key:` without a value has no node of its own.
      node = isNode(pair.value) ? pair.value : pair.key;
    } else if (isSeq(node) && /^\d+$/.test(segment)) {
      node = node.items[Number(segment)];
      if (!isNode(node)) return undefined;
      keyOffset = node.range?.[0];
    } else return undefined;
  }
  const valueOffset = isNode(node) ? node.range?.[0] : undefined;
  const offset = part === 'key' ? keyOffset : valueOffset;
  return offset === undefined ? undefined : place(offset);
}

/** A source line with the values of secret-like names masked: a person may have put one where a name belongs. */
function withoutSecrets(line: string): string {
  return line.replace(
    /([A-Za-z_][A-Za-z0-9_]*)(["']?\s*[:=]\s*)([^\s,}\]{[&*][^,}\]]*)/g,
    (all, name: string, colon: string) => (looksSecret(name) ? `${name}${colon}***` : all),
  );
}

/** Whether a field's value may be a secret, in the spelling of env keys or of specs (`apiKey`). */
export function looksSecret(name: string): boolean {
  return name !== 'secrets' && isSecretKey(name.replace(/([a-z0-9])([A-Z])/g, '$1_$2'));
}

function broken(file: string, code: string, message: string): { documents: SpecDocument[]; problems: Problem[] } {
  return { documents: [], problems: [notReadable(file, code, message)] };
}

function notReadable(file: string, code: string, message: string): Problem {
  return { code, message, retry: 'stalled', file, line: 1, column: 1 };
}

const YAML_WORDS: Record<string, [message: string, hint: string]> = {
  TAB_AS_INDENT: ['found a tab, want blanks', 'indent with blanks'],
  DUPLICATE_KEY: ['found the same key twice', 'keep one of them'],
  BAD_INDENT: ['the indentation fits no level above', 'line it up with its neighbours'],
  MISSING_CHAR: ['a closing quote, bracket or colon is missing', 'close it'],
  BLOCK_AS_IMPLICIT_KEY: ['found a mapping inside a value', 'put quotes around text that holds ": "'],
  MULTILINE_IMPLICIT_KEY: ['a key runs over several lines', 'is a ":" missing?'],
  BAD_ALIAS: ['found an alias to nothing', 'put quotes around text that begins with *'],
};

function yamlProblem(code: string): Problem {
  const [message, hint] = YAML_WORDS[code] ?? ['the YAML does not parse here', 'compare with the lines around it'];
  return { code: 'spec-yaml', message, hint, retry: 'stalled' };
}
