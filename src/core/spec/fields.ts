/** Typed access to data that a schema has already checked; a wrong type here is a bug and throws. */
import { parseDuration } from '../trail/text.ts';

export type Fields = {
  has(name: string): boolean;
  at(name: string): Fields;
  text(name: string): string;
  texts(name: string): string[];
  flag(name: string): boolean;
  number(name: string): number;
  numberOrNull(name: string): number | null;
  numbers(name: string): number[];
  /** A duration in ms. */
  ms(name: string): number;
  msOrNull(name: string): number | null;
  list(name: string): Fields[];
  /** Every member of a mapping. */
  entries(): [string, Fields][];
  textEntries(): Record<string, string>;
  /** All of it as text. */
  json(): string;
};

/** Wraps a mapping. */
export function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not a mapping');
  const data = value as Record<string, unknown>;
  const get = <T>(name: string, is: (x: unknown) => x is T): T => {
    const found = Object.hasOwn(data, name) ? data[name] : undefined;
    if (!is(found)) throw new Error(`field ${name} is not of the type its schema promises`);
    return found;
  };
  return {
    has: (name) => Object.hasOwn(data, name),
    at: (name) => fields(get(name, isAnything)),
    text: (name) => get(name, isText),
    texts: (name) => get(name, isListOf(isText)),
    flag: (name) => get(name, isFlag),
    number: (name) => get(name, isNumber),
    numberOrNull: (name) => (data[name] === null ? null : get(name, isNumber)),
    numbers: (name) => get(name, isListOf(isNumber)),
    ms: (name) => milliseconds(get(name, isText)),
    msOrNull: (name) => (data[name] === null ? null : milliseconds(get(name, isText))),
    list: (name) => get(name, isListOf(isAnything)).map(fields),
    entries: () => Object.entries(data).map(([name, inner]) => [name, fields(inner)]),
    textEntries: () => Object.fromEntries(Object.keys(data).map((name) => [name, get(name, isText)])),
    json: () => JSON.stringify(data),
  };
}

function milliseconds(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`not a duration: ${text}`);
  return ms;
}

const isAnything = (x: unknown): x is unknown => x !== undefined;
const isText = (x: unknown): x is string => typeof x === 'string';
const isFlag = (x: unknown): x is boolean => typeof x === 'boolean';
const isNumber = (x: unknown): x is number => typeof x === 'number';
const isListOf =
  <T>(is: (x: unknown) => x is T) =>
  (x: unknown): x is T[] =>
    Array.isArray(x) && x.every(is);
