/** Edits one value of a spec's YAML and leaves every other byte as it was. */
import {
  type Document,
  isCollection,
  isMap,
  isPair,
  isScalar,
  type Node,
  type Pair,
  parseAllDocuments,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { fail, ok, type Result } from '../problem.ts';

/** Text, or a small flat mapping; null removes the key. */
export type EditValue = string | Readonly<Record<string, string>> | null;

/**
 * The text with `path` set to `value`: replaced, added at the end of its parent, or removed with its line.
 * `instance` chooses among several documents of a file by metadata.name. Fails when the parent is not a mapping there.
 */
export function editScalar(text: string, path: readonly string[], value: EditValue, instance?: string): Result<string> {
  try {
    return edit(text, path, value, instance);
  } catch {
    // An alias of nothing, or of what it stands in: the document parses, and yet has no value.
    return cannot(path, 'the document has no value');
  }
}

function edit(text: string, path: readonly string[], value: EditValue, instance?: string): Result<string> {
  const document = choose(text, instance);
  const key = path.at(-1);
  if (document === null || key === undefined) return cannot(path, 'the document is not there or does not parse');
  let map: unknown = document.contents;
  for (const segment of path.slice(0, -1)) map = isMap(map) ? pairOf(map, segment)?.value : undefined;
  if (!isMap(map)) return cannot(path, 'its parent is not a mapping');
  const pair = pairOf(map, key);
  // Said already, in whatever form: nothing to write.
  if (pair !== undefined && value !== null && same(document.toJS(), path, value)) return ok(text);
  const edited =
    pair === undefined ? (value === null ? text : add(text, map, key, value)) : change(text, map, pair, value);
  if (edited === null) return cannot(path, 'it is written in a form that is not edited');
  return onlyChanges(text, edited, path, value, instance)
    ? ok(edited)
    : cannot(path, 'it is written in a form that is not edited');
}

function choose(text: string, instance: string | undefined): Document.Parsed | null {
  const all = parseAllDocuments(text, { prettyErrors: false });
  const documents = Array.isArray(all) ? all.filter((d) => d.contents !== null) : [];
  if (documents.some((d) => d.errors.length > 0)) return null;
  const chosen =
    instance === undefined ? documents : documents.filter((d) => d.getIn(['metadata', 'name']) === instance);
  return chosen.length === 1 ? chosen[0]! : null;
}

function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
}

function change(text: string, map: YAMLMap, pair: Pair, value: EditValue): string | null {
  const key = pair.key as Scalar;
  const node = pair.value as { range?: [number, number, number] | null } | null;
  const keyRange = key.range;
  const range = node?.range;
  if (keyRange == null || range == null) return null;
  if (value !== null) {
    const written = text.slice(range[0], range[1]);
    if (written === '') {
      const colon = text.indexOf(':', keyRange[1]) + 1;
      return `${text.slice(0, colon)} ${render(value)}${text.slice(colon)}`;
    }
    // A block over several lines is replaced as a whole; its line break stays.
    const end = range[0] + written.trimEnd().length;
    const from = blockStart(text, keyRange[1], range[0]);
    return text.slice(0, from) + (from < range[0] ? ` ${render(value)}` : render(value)) + text.slice(end);
  }
  const index = map.items.indexOf(pair);
  if (map.flow === true) return removeFromFlow(text, map, index, keyRange[0], range[1]);
  const lineStart = text.lastIndexOf('\n', keyRange[0] - 1) + 1;
  if (text.slice(lineStart, keyRange[0]).trim() !== '' || map.items.length === 1) return null;
  const valueEnd = range[0] + text.slice(range[0], range[1]).trimEnd().length;
  const lineEnd = text.indexOf('\n', Math.max(valueEnd, keyRange[1]));
  return text.slice(0, lineStart) + (lineEnd === -1 ? '' : text.slice(lineEnd + 1));
}

/** A block mapping begins on the line after its key; a flow or scalar value on the key's own line. */
function blockStart(text: string, keyEnd: number, valueStart: number): number {
  const between = text.slice(keyEnd, valueStart);
  return between.includes('\n') ? keyEnd + between.indexOf(':') + 1 : valueStart;
}

function removeFromFlow(text: string, map: YAMLMap, index: number, start: number, end: number): string {
  const next = map.items[index + 1]?.key as Scalar | undefined;
  if (next?.range != null) return text.slice(0, start) + text.slice(next.range[0]);
  const previous = map.items[index - 1]?.value as { range?: [number, number, number] | null } | undefined;
  const from = previous?.range?.[1] ?? start;
  // A comment of the one before stays, with the comma before it: YAML reads past that one.
  if (!text.slice(from, start).includes('#')) return text.slice(0, from) + text.slice(end);
  const after = text.slice(end).replace(/^\s*,/, '');
  return text.slice(0, start).trimEnd() + (/^[ \t]*(#|\r?\n)/.test(after) ? after : ` ${after.trimStart()}`);
}

function add(text: string, map: YAMLMap, key: string, value: Exclude<EditValue, null>): string | null {
  const last = map.items.at(-1);
  const line = `${key}: ${render(value)}`;
  if (map.flow === true) {
    if (map.range == null) return null;
    const close = text.lastIndexOf('}', map.range[1] - 1);
    const empty = last === undefined;
    const ends = empty ? map.range[0] + 1 : contentEnd(text, last);
    if (ends === null || close < ends) return null;
    // Right after the last one, before any comment.
    const comma = /^\s*,/.exec(text.slice(ends, close))?.[0].length ?? 0;
    const at = ends + comma;
    return `${text.slice(0, at)}${empty || comma > 0 ? ' ' : ', '}${line}${empty ? ' ' : ''}${text.slice(at)}`;
  }
  const first = map.items[0]?.key as Scalar | undefined;
  if (last === undefined || first?.range == null) return null;
  const indent = first.range[0] - (text.lastIndexOf('\n', first.range[0] - 1) + 1);
  const end = contentEnd(text, last) ?? 0;
  // A block of text ends with its line break, as blank lines after it may be part of it.
  const lineEnd = text[end - 1] === '\n' ? end - 1 : text.indexOf('\n', end);
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const added = ' '.repeat(indent) + line;
  if (lineEnd === -1) return `${text}${eol}${added}${eol}`;
  return `${text.slice(0, lineEnd + 1)}${added}${eol}${text.slice(lineEnd + 1)}`;
}

/** Where the last written character of a pair or item ends, comments and blank lines after it left out. */
function contentEnd(text: string, last: unknown): number | null {
  const node = (isPair(last) ? (last.value ?? last.key) : last) as Node | null;
  if (isCollection(node) && node.flow !== true && node.items.length > 0) return contentEnd(text, node.items.at(-1));
  const range = node?.range;
  if (range == null) return null;
  if (isScalar(node) && (node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED')) return range[1];
  const written = text.slice(range[0], range[1]).trimEnd();
  if (written !== '' || !isPair(last)) return range[0] + written.length;
  return (last.key as Scalar).range?.[1] ?? null;
}

function render(value: Exclude<EditValue, null>): string {
  if (typeof value === 'string') return scalar(value);
  return `{ ${Object.entries(value)
    .map(([key, inner]) => `${key}: ${scalar(inner)}`)
    .join(', ')} }`;
}

/** Plain when it can only be read as this text, else in double quotes. */
function scalar(text: string): string {
  const plain = /^[A-Za-z][A-Za-z0-9_-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text);
  if (plain || /^\d{4}-\d\d-\d\dT[0-9:.]+Z$/.test(text)) return text;
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Whether the edited text says exactly `value` at `path`, and everything else as before. */
function onlyChanges(
  before: string,
  after: string,
  path: readonly string[],
  value: EditValue,
  instance?: string,
): boolean {
  const was = choose(before, instance);
  const is = choose(after, instance);
  if (was === null || is === null || documentCount(before) !== documentCount(after)) return false;
  // Through text, so that aliases of one mapping become mappings of their own.
  const wanted: unknown = JSON.parse(JSON.stringify(was.toJS()));
  setAt(wanted, path, value);
  return JSON.stringify(sorted(wanted)) === JSON.stringify(sorted(is.toJS()));
}

function same(data: unknown, path: readonly string[], value: Exclude<EditValue, null>): boolean {
  let at = data;
  for (const key of path) at = (at as Record<string, unknown> | null | undefined)?.[key];
  return JSON.stringify(sorted(at)) === JSON.stringify(sorted(value));
}

function setAt(data: unknown, path: readonly string[], value: EditValue): void {
  const [key, ...rest] = path;
  if (key === undefined || typeof data !== 'object' || data === null) return;
  const map = data as Record<string, unknown>;
  if (rest.length > 0) setAt(map[key], rest, value);
  else if (value === null) delete map[key];
  else map[key] = value;
}

function documentCount(text: string): number {
  const all = parseAllDocuments(text);
  return Array.isArray(all) ? all.length : 0;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, sorted(inner)]);
}

function cannot(path: readonly string[], why: string): Result<string> {
  return fail({
    code: 'spec-edit',
    message: `cannot change ${path.join('.')}: ${why}`,
    hint: 'change it by hand and commit',
    retry: 'stalled',
  });
}
