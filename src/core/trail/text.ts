/** Small texts that the trail is made of: each has a writer and a reader that agree. */
import { Decimal, plain } from '../decimal.ts';
import type { Change } from './types.ts';

/** One clean line: control characters, line separators and lone surrogates become single spaces, ends trimmed. */
export function oneLine(text: string): string {
  return text
    .replace(/\p{Surrogate}/gu, ' ')
    .replace(/[\s\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/g, ' ')
    .trim();
}

/** Iter number as three digits at least: 7 -> `007`; null (the base env) -> `base`. */
export function iterText(iter: number | null): string {
  return iter === null ? 'base' : String(iter).padStart(3, '0');
}

/** `007` -> 7, `base` -> null, anything else undefined. */
export function parseIter(text: string): number | null | undefined {
  if (text === 'base') return null;
  return /^\d{3,9}$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
}

/** `iter007`, or `the base env`'s short form `base`. */
export function iterName(iter: number | null): string {
  return iter === null ? 'base' : `iter${iterText(iter)}`;
}

/** Non-negative Unix seconds in plain decimal notation, every digit kept. */
export function secondsText(seconds: number): string {
  return plain(new Decimal(seconds));
}

/** Plain decimal Unix seconds; anything else undefined. */
export function parseSeconds(text: string): number | undefined {
  if (!/^\d{1,12}(\.\d{1,340})?$/.test(text)) return undefined;
  return Number(text);
}

/** `KEY 1.2 -> 1.8`. An absent old value is `absent`; a value that is not one plain word is written as a JSON string. */
export function changeText(change: Change): string {
  return `${change.key} ${change.from === null ? 'absent' : valueText(change.from)} -> ${valueText(change.to)}`;
}

/** Reads what `changeText` writes; anything else undefined. */
export function parseChange(text: string): Change | undefined {
  const match = /^([A-Za-z_][A-Za-z0-9_]*) (absent|"(?:[^"\\]|\\.)*"|\S+) -> ("(?:[^"\\]|\\.)*"|\S+)$/.exec(text);
  if (match === null) return undefined;
  const from = match[2] === 'absent' ? null : parseValue(match[2]!);
  const to = parseValue(match[3]!);
  return from === undefined || to === undefined ? undefined : { key: match[1]!, from, to };
}

const UNITS: readonly [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

/** Whole ms as the largest unit that divides it: 43200000 -> `12h`. */
export function durationText(ms: number): string {
  const [unit, size] = UNITS.find(([, each]) => ms >= each && ms % each === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

/** `12h` -> 43200000; anything else undefined. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,15})(ms|s|m|h|d)$/.exec(text);
  const size = UNITS.find(([unit]) => unit === match?.[2])?.[1];
  return match === null || size === undefined ? undefined : Number(match[1]) * size;
}

/** Bps with its sign and at most two decimals: `+0.9`, `-1.32`, `+0`. */
export function bpsText(bps: number): string {
  const rounded = new Decimal(bps).toDecimalPlaces(2);
  return `${rounded.lt(0) ? '-' : '+'}${plain(rounded.abs())}`;
}

/** Signed decimal bps; anything else undefined. */
export function parseBps(text: string): number | undefined {
  return /^[+-]\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) + 0 : undefined;
}

const PLAIN_WORD = /^[^\s"\\\u0000-\u0020\u007f-\uffff]+$/;

function valueText(value: string): string {
  if (PLAIN_WORD.test(value) && value !== 'absent' && value !== '->') return value;
  // JSON leaves some line and format characters as they are; a trailer must stay one line of plain ASCII.
  const coded = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, coded);
}

function parseValue(text: string): string | undefined {
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return undefined;
  }
}
