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
  const first = parseText(file, text);
  if (first === null) return broken(file, 'spec-yaml', 'the YAML is nested too deep to be read');
  // The nodes are thrown away, a thousand files of them are a burden; a place that is asked for parses the text again.
  let again: ParsedText | null = null;
  const documents: SpecDocument[] = [];
  const problems: Problem[] = [];
  for (const [index, document] of first.documents.entries()) {
    const { place } = first;
    const errors = document.errors.map((error): Problem => ({ ...yamlProblem(error.code), ...place(error.pos[0]) }));
    if (errors.length === 0) errors.push(...strangeNodes(document, file, place));
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
    documents.push({
      file,
      value,
      locate: (path, part) => {
        again ??= parseText(file, text);
        const parsed = again?.documents[index];
        return parsed === undefined || again === null ? undefined : locate(parsed, path, part, again.place);
      },
    });
  }
  return { documents, problems };
}

type ParsedText = { documents: Document.Parsed[]; place(offset: number): Place };

/** null: the library gave up. */
function parseText(file: string, text: string): ParsedText | null {
  const lines = new LineCounter();
  try {
    // The library compares each key with all others of its mapping; strangeNodes finds a second one in one go.
    const all = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    let sources: string[] | undefined;
    const place = (offset: number): Place => {
      const { line, col } = lines.linePos(offset);
      sources ??= text.split(/\r\n|\n|\r/);
      const source = sources[line - 1]?.slice(0, MAX_SHOWN_CHARS);
      return { file, line, column: col, ...(source === undefined ? {} : { sourceLine: withoutSecrets(source) }) };
    };
    return { documents: Array.isArray(all) ? all : [], place };
  } catch {
    return null;
  }
}

/** Levels of a spec; far more than any field has. */
const MAX_DEPTH = 64;

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

/**
 * What no spec may hold: too many levels, texts with a NUL, aliases of nothing, keys that are no plain text or were there before,
 * and the one name that means something else to JavaScript. In the order of the text.
 */
function strangeNodes(document: Document.Parsed, file: string, place: (offset: number) => Place): Problem[] {
  const problems: Problem[] = [];
  const anchors = new Set<string>();
  // True when it goes down too far: whatever calls itself ends with the stack.
  const walk = (node: unknown, depth: number): boolean => {
    if (isAlias(node)) {
      if (!anchors.has(node.source)) problems.push({ ...yamlProblem('BAD_ALIAS'), ...place(node.range?.[0] ?? 0) });
      return false;
    }
    if (isNode(node) && node.anchor !== undefined) anchors.add(node.anchor);
    if (isScalar(node)) {
      // No program takes it as an argument, no file has it in its name.
      if (typeof node.value !== 'string' || !node.value.includes('\0')) return false;
      const problem = notReadable('', 'spec-encoding', 'found a NUL character in a text');
      problems.push({ ...problem, ...place(node.range?.[0] ?? 0) });
      return false;
    }
    if (isSeq(node)) return depth > MAX_DEPTH || node.items.some((item) => walk(item, depth + 1));
    if (!isMap(node)) return false;
    if (depth > MAX_DEPTH) return true;
    const names = new Set<unknown>();
    for (const { key } of node.items) {
      if (!isScalar(key)) continue;
      if (names.has(key.value)) problems.push({ ...yamlProblem('DUPLICATE_KEY'), ...place(key.range?.[0] ?? 0) });
      names.add(key.value);
    }
    for (const { key, value } of node.items) {
      if (!isScalar(key) || key.value === '__proto__' || key.value === null) {
        problems.push({
          code: 'spec-yaml',
          message: 'found a key that is no plain name',
          hint: 'write NAME: VALUE',
          retry: 'stalled',
          ...place(isNode(key) ? (key.range?.[0] ?? 0) : 0),
        });
      }
      if (walk(key, depth + 1) || walk(value, depth + 1)) return true;
    }
    return false;
  };
  if (!walk(document.contents, 0)) return problems;
  return [{ ...notReadable(file, 'spec-yaml', `found more than ${MAX_DEPTH} levels`), ...place(0) }];
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
