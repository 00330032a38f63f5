/** Validates data against the published schemas, fills in defaults and says what is wrong in our own words. */
import type { ErrorObject } from 'ajv/dist/2020.js';
import { looksSecret } from './document.ts';
import { didYouMean } from './suggest.ts';
import { type SchemaName, validatorOf } from './validators.ts';

/** One thing wrong: at which path, and whether the key or the value is meant (`missing`: the nearest parent). */
export type Flaw = {
  code: string;
  path: string[];
  at: 'key' | 'value' | 'missing';
  message: string;
  hint?: string;
  severity?: 'warning';
};

/** Checks and, in place, completes a Fleet or Instance document. Empty = valid. */
export function validateFleet(data: unknown): Flaw[] {
  return flaws('fleet', data);
}

export function validateInstance(data: unknown): Flaw[] {
  return flaws('instance', data);
}

export function validateHolds(data: unknown): Flaw[] {
  return flaws('holds', data);
}

type Schema = {
  type?: string | string[];
  unit?: string;
  enum?: unknown[];
  const?: unknown;
  properties?: object;
  oneOf?: { required: string[] }[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
};

/** Told of one document; each costs a search for its place, and nobody reads more. */
const MOST_FLAWS = 200;

function flaws(name: SchemaName, data: unknown): Flaw[] {
  const validate = validatorOf(name);
  if (validate(data) === true) return [];
  return (validate.errors ?? []).slice(0, MOST_FLAWS).flatMap((error) => {
    const flaw = describe(error);
    return flaw === null ? [] : [flaw];
  });
}

/** The dotted name of a path: `spec.secrets[0].envFile`. */
export function pathText(path: readonly string[]): string {
  return path.map((part, i) => (/^\d+$/.test(part) ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
}

function describe(error: ErrorObject): Flaw | null {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const schema = (error.parentSchema ?? {}) as Schema;
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownField(path, String(params['additionalProperty']), schema);
    case 'required':
      // A missing alternative is told once, by its oneOf.
      if (/\/oneOf\//.test(error.schemaPath)) return null;
      return missing([...path, String(params['missingProperty'])]);
    case 'dependentRequired':
      return missing([...path, String(params['missingProperty'])]);
    case 'oneOf':
      return notExactlyOne(path, schema, error.data);
    case 'propertyNames':
      return wrong(
        [...path, String(params['propertyName'])],
        'key',
        `found a name, want upper-case letters, digits and _`,
      );
    default:
      if (error.propertyName !== undefined) return null;
      return wrong(
        path,
        'value',
        `found ${found(path, error.data)}, want ${wanted(schema)}`,
        hintFor(schema, error.data),
      );
  }
}

function wrong(path: string[], at: Flaw['at'], text: string, hint?: string): Flaw {
  return {
    code: 'spec-value',
    path,
    at,
    message: `${pathText(path)}: ${text}`,
    ...(hint === undefined ? {} : { hint }),
  };
}

function missing(path: string[]): Flaw {
  return {
    code: 'spec-missing-field',
    path,
    at: 'missing',
    message: `${pathText(path)}: missing`,
    hint: `add ${path.at(-1)}`,
  };
}

function notExactlyOne(path: string[], schema: Schema, data: unknown): Flaw | null {
  const names = (schema.oneOf ?? []).flatMap((one) => one.required);
  const present = typeof data === 'object' && data !== null ? names.filter((name) => Object.hasOwn(data, name)) : [];
  // A reserved kind is told as such, not as a missing one.
  const reserved = Object.keys(typeof data === 'object' && data !== null ? data : {}).some(
    (k) => LATER[pathText([...path, k])],
  );
  if (present.length === 0 && reserved) return null;
  const got = present.length === 0 ? 'none' : present.join(' and ');
  return {
    code: 'spec-value',
    path,
    at: 'missing',
    message: `${pathText(path)}: found ${got}, want exactly one of ${names.join(', ')}`,
  };
}

const LATER: Record<string, string> = {
  'spec.notify': 'alerts come in a later step; remove it',
  'spec.server': 'the dashboard comes in a later step; remove it',
  'spec.runtime.docker': 'docker comes in a later step; use process or command',
  'spec.runtime.swarm': 'swarm comes in a later step; use process or command',
};

function unknownField(parent: string[], name: string, schema: Schema): Flaw {
  const path = [...parent, name];
  const known = Object.keys(schema.properties ?? {});
  const later = LATER[pathText(path).replace(/^spec\.defaults\./, 'spec.')];
  const hint = later ?? didYouMean(name, known) ?? `known here: ${known.join(', ') || 'nothing'}`;
  const message = later === undefined ? 'unknown field' : 'this field is reserved';
  return { code: 'spec-unknown-field', path, at: 'key', message: `${pathText(path)}: ${message}`, hint };
}

function found(path: string[], data: unknown): string {
  if (path.some(looksSecret) && typeof data === 'string') return 'a text that is not shown';
  if (Array.isArray(data)) return data.length === 0 ? 'an empty list' : 'a list';
  if (typeof data === 'object' && data !== null) return 'a mapping';
  const text = typeof data === 'number' ? String(data) : (JSON.stringify(data) ?? 'nothing');
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** `a number (bps)`, `one of report, tune, stop`, `a duration such as 30s, 15m or 6h`. */
function wanted(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return `one of ${schema.enum.map((one) => String(one)).join(', ')}`;
  const types = [schema.type ?? []].flat();
  const unit = schema.unit === undefined ? '' : ` (${schema.unit})`;
  const orNull = types.includes('null') ? ' or null' : '';
  if (schema.unit === 'duration') return `a duration such as 30s, 15m or 6h${orNull}`;
  if (types.includes('integer')) return `a whole number${unit}${range(schema)}${orNull}`;
  if (types.includes('number')) return `a number${unit}${range(schema)}${orNull}`;
  if (types.includes('boolean')) return 'true or false';
  if (types.includes('array'))
    return `a list${unit === '' ? '' : ` of ${schema.unit?.replace(/^list of /, '')}`}, not too short or too long, nothing twice`;
  if (types.includes('object')) return 'a mapping';
  if (schema.unit === undefined) return 'a text';
  return `${/^[aeio]/.test(schema.unit) ? 'an' : 'a'} ${schema.unit}`;
}

function range(schema: Schema): string {
  const low = schema.exclusiveMinimum !== undefined ? `above ${schema.exclusiveMinimum}` : schema.minimum;
  if (low === undefined) return schema.maximum === undefined ? '' : ` up to ${schema.maximum}`;
  if (schema.maximum === undefined) return typeof low === 'string' ? ` ${low}` : ` of at least ${low}`;
  return typeof low === 'string' ? ` ${low}, up to ${schema.maximum}` : ` ${low}..${schema.maximum}`;
}

function hintFor(schema: Schema, data: unknown): string | undefined {
  if (schema.unit === 'duration' && typeof data === 'number') return `give it a unit, for example ${data}s`;
  if (schema.enum !== undefined && typeof data === 'string')
    return didYouMean(
      data,
      schema.enum.filter((one) => typeof one === 'string'),
    );
  if (typeof data === 'string' && /^-?\d/.test(data) && [schema.type ?? []].flat().includes('number'))
    return 'without quotes';
  return undefined;
}
