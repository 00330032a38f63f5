/** JSON as the bot's Python writes it: `, ` and `: ` between, non-ASCII escaped, floats with a point, big integers bare. */

/** A number that Python holds as a float: 30 is written `30.0`. */
export type Float = { float: number };

export type PyValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Float
  | readonly PyValue[]
  | { readonly [key: string]: PyValue };

/** One line without its line feed; keys stay in their order. */
export function pyJson(value: PyValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return text(value);
  if (typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (isList(value)) return `[${value.map(pyJson).join(', ')}]`;
  if (isFloat(value)) return Number.isInteger(value.float) ? `${value.float}.0` : String(value.float);
  return `{${Object.entries(value)
    .map(([key, inner]) => `${text(key)}: ${pyJson(inner)}`)
    .join(', ')}}`;
}

function text(value: string): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function isList(value: object): value is readonly PyValue[] {
  return Array.isArray(value);
}

function isFloat(value: object): value is Float {
  return typeof (value as Float).float === 'number' && Object.keys(value).length === 1;
}
