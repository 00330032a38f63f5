/** Changes values in env text and leaves every other byte as it was. */
import type { Change } from '../trail/types.ts';
import { canonicalKey, parseEnv } from './read.ts';

/**
 * The text with each change's `to` as the value of its key: every occurrence of a duplicate, quotes kept where they can
 * be; a missing key is appended. Reading the result gives exactly these values, provided the text has no bad line.
 */
export function setValues(text: string, changes: readonly Pick<Change, 'key' | 'to'>[]): string {
  const wanted = new Map(changes.map((change) => [canonicalKey(change.key), change.to]));
  const found = new Set<string>();
  const parts: string[] = [];
  let copied = 0;
  for (const entry of parseEnv(text, '').entries) {
    const to = wanted.get(entry.key);
    if (to === undefined) continue;
    found.add(entry.key);
    if (entry.value === to) continue;
    const written = text.slice(entry.start, entry.end);
    parts.push(text.slice(copied, entry.start), entry.value === null ? `=${asText(to, '')}` : asText(to, written));
    copied = entry.end;
  }
  parts.push(text.slice(copied));
  const missing = [...wanted].filter(([key]) => !found.has(key));
  return appendLines(
    parts.join(''),
    missing.map(([key, to]) => `${key}=${asText(to, '')}`),
  );
}

/** The text without the lines that set one of the keys for which `drop` is true. */
export function removeKeys(text: string, drop: (key: string) => boolean): string {
  const parts: string[] = [];
  let copied = 0;
  for (const entry of parseEnv(text, '').entries) {
    if (!drop(entry.key)) continue;
    const from = startOfLine(text, entry.start);
    const lineEnd = /\r\n|\n|\r|$/g;
    lineEnd.lastIndex = entry.end;
    const end = lineEnd.exec(text)!;
    parts.push(text.slice(copied, Math.max(copied, from)));
    copied = end.index + end[0].length;
  }
  parts.push(text.slice(copied));
  return parts.join('');
}

/** A key and its value begin on one line: blanks before `=` and after it never hold a line break. */
function startOfLine(text: string, offset: number): number {
  return Math.max(text.lastIndexOf('\n', offset - 1), text.lastIndexOf('\r', offset - 1)) + 1;
}

function appendLines(text: string, lines: string[]): string {
  if (lines.length === 0) return text;
  const eol = /\r\n|\n|\r/.exec(text)?.[0] ?? '\n';
  const base = text === '' || /[\r\n]$/.test(text) ? text : text + eol;
  return base + lines.map((line) => line + eol).join('');
}

/** How a value is written in place of `written`, in the same kind of quotes where that reads back as the value. */
function asText(value: string, written: string): string {
  // `${` would be replaced by the reader in any quotes; an empty name with a fallback is the only way to write it.
  const literal = value.replace(/\$\{/g, () => '$' + '{:-$}{');
  const quote = written[0];
  if (quote === "'" && !/[\\']/.test(literal)) return `'${literal}'`;
  if (quote !== '"' && isPlain(literal)) return literal;
  const escaped = literal.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  // The reader takes a closing quote after a backslash for an escaped one; an empty reference keeps them apart.
  return escaped.endsWith('\\') ? `"${escaped}\${:-}"` : `"${escaped}"`;
}

/** Whether text reads back as itself without quotes, whatever follows on the line. */
function isPlain(text: string): boolean {
  return /^[!-~]+( [!-~]+)*$/.test(text) && !/^["']| #/.test(text);
}
