/** What the bot would refuse in an env file, and what may not stand in a tracked one. */
import { compareDecimals } from '../decimal.ts';
import type { Problem } from '../problem.ts';
import {
  CATALOGUE,
  envValue,
  KEPT_ORDERINGS,
  ORDERINGS,
  READ_ONLY_KEYS,
  type ReadOnlyKeyInfo,
} from '../tuning/catalogue.ts';
import type { EnvValues } from '../tuning/types.ts';
import { isSecretKey } from './keys.ts';
import type { EnvEntry, EnvFile } from './read.ts';

/** Limits of one numeric or boolean key; null = no limit on that side. */
export type KeyLimits = Pick<ReadOnlyKeyInfo, 'type' | 'unit' | 'hardMin' | 'hardMax' | 'exclusiveMin'>;

const AMOUNT: KeyLimits = { type: 'decimal', unit: 'number', hardMin: null, hardMax: null };

/** Numbers the bot reads that nobody may tune: only that they are numbers is known. */
const UNTUNED: Readonly<Record<string, KeyLimits>> = {
  MM_ORDER_SIZE_MULTIPLIER: AMOUNT,
  MM_MAX_POSITION_SIZE: AMOUNT,
  MM_MAX_POSITION_NOTIONAL_USD: AMOUNT,
  MM_MAX_ORDER_NOTIONAL_USD: AMOUNT,
};

/** The bot's own limits for a key; undefined for a key it does not read as a number or a boolean. */
export function keyLimits(key: string): KeyLimits | undefined {
  for (const table of [CATALOGUE, READ_ONLY_KEYS, UNTUNED]) {
    if (Object.hasOwn(table, key)) return table[key];
  }
  return undefined;
}

/** Problems of one tracked env file: its lines, types, hard limits, orderings and secrets. `text` is what `env` was read from. */
export function validateEnv(env: EnvFile, text: string, file: string): Problem[] {
  const lines = text.split(/\r\n|\n|\r/);
  const place = (entry: EnvEntry): Partial<Problem> => ({
    file,
    line: entry.line,
    column: entry.column,
    ...(isSecretKey(entry.key) || lines[entry.line - 1] === undefined ? {} : { sourceLine: lines[entry.line - 1]! }),
  });
  const effective = new Map(env.entries.filter((e) => env.values[e.key] === e.value).map((e) => [e.key, e]));
  return [
    ...env.problems,
    ...[...effective.values()].flatMap((entry) => {
      const wrong = refusal(entry.key, entry.value ?? '');
      return wrong === null ? [] : [{ ...wrong, ...place(entry) }];
    }),
    ...orderings(env.values, file, (key) => {
      const entry = effective.get(key);
      return entry === undefined ? {} : place(entry);
    }),
    ...secrets(env, lines, file),
  ];
}

/** Why the bot would refuse this value of this key; null when it would not, or when the key is not known. */
export function refusal(key: string, value: string): Problem | null {
  const limits = keyLimits(key);
  if (limits === undefined) return null;
  const text = value.trim();
  if (limits.type === 'bool') {
    const fine = /^(0|1|true|false|t|f|yes|no|y|n|on|off)$/i.test(text);
    return fine ? null : refused(key, value, 'true or false');
  }
  const shape =
    limits.type === 'int' ? /^[+-]?\d{1,18}(\.0+)?$/ : /^[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,3})?$/;
  const wanted = limits.type === 'int' ? `a whole number (${limits.unit})` : `a number (${limits.unit})`;
  if (!shape.test(text)) return refused(key, value, wanted);
  const low = limits.hardMin === null ? 1 : compareDecimals(text, limits.hardMin);
  const tooLow = limits.exclusiveMin ? low <= 0 : low < 0;
  const tooHigh = limits.hardMax !== null && compareDecimals(text, limits.hardMax) > 0;
  return tooLow || tooHigh ? refused(key, value, `${wanted} ${range(limits)}`) : null;
}

/** `above 0`, `0..1`, `at least 1`: the bot's own limits in words; '' without any. */
export function range(limits: KeyLimits): string {
  if (limits.hardMin === null) return limits.hardMax === null ? '' : `at most ${limits.hardMax}`;
  if (limits.hardMax === null) return `${limits.exclusiveMin ? 'above' : 'at least'} ${limits.hardMin}`;
  return `${limits.exclusiveMin ? 'above ' : ''}${limits.hardMin}..${limits.hardMax}`;
}

/** The first key of an ascending list that lies above its successor, with defaults for absent keys; null when it holds. */
export function brokenOrdering(values: EnvValues, keys: readonly string[]): { low: string; high: string } | null {
  for (const [index, high] of keys.entries()) {
    const low = keys[index - 1];
    if (low === undefined) continue;
    const [lower, upper] = [envValue(values, low), envValue(values, high)];
    if (lower === undefined || upper === undefined || refusal(low, lower) !== null || refusal(high, upper) !== null)
      continue;
    if (compareDecimals(lower.trim(), upper.trim()) > 0) return { low, high };
  }
  return null;
}

function orderings(values: EnvValues, file: string, place: (key: string) => Partial<Problem>): Problem[] {
  return KEPT_ORDERINGS.flatMap((keys) => {
    const broken = brokenOrdering(values, keys);
    if (broken === null) return [];
    const { low, high } = broken;
    const said = (key: string) => `${key} ${envValue(values, key)}${values[key] === undefined ? ' (the default)' : ''}`;
    return [
      {
        code: 'env-ordering',
        message: `found ${said(low)} above ${said(high)}, want ${low} <= ${high}`,
        hint: 'the bot would start and ignore one of the two; change the base env, it is never fixed silently',
        retry: 'stalled' as const,
        ...(ORDERINGS.includes(keys) ? {} : { severity: 'warning' as const }),
        file,
        ...place(high),
        ...place(low),
      },
    ];
  });
}

function secrets(env: EnvFile, lines: string[], file: string): Problem[] {
  const live = env.entries.filter((entry) => isSecretKey(entry.key) && entry.value !== null && entry.value !== '');
  const commented = lines.flatMap((line, index) => {
    const key = secretInComment(line);
    return key === null ? [] : [{ key, line: index + 1 }];
  });
  return [
    ...live.map((entry) => ({
      code: 'env-secret-in-git',
      message: `${entry.key} has a value in a tracked file`,
      hint: `move it to the secrets file named in spec.secrets, and replace the key at the exchange if it was ever pushed`,
      retry: 'stalled' as const,
      file,
      line: entry.line,
      column: entry.column,
    })),
    ...commented.map(({ key, line }) => ({
      code: 'env-secret-in-comment',
      message: `a comment in a tracked file shows a value of ${key}`,
      hint: 'remove the line if that is a real value',
      severity: 'warning' as const,
      file,
      line,
      column: 1,
    })),
  ];
}

/** The secret key whose value a comment line shows; null: it shows none. */
export function secretInComment(line: string): string | null {
  const key = /^\s*#+\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*[^\s#]/.exec(line)?.[1];
  return key !== undefined && isSecretKey(key) ? key : null;
}

function refused(key: string, found: string, wanted: string): Problem {
  return {
    code: 'env-refused',
    message: `${key}: found ${JSON.stringify(found.slice(0, 80))}, want ${wanted}; the bot would refuse to start`,
    hint: found.includes('#')
      ? 'a comment behind a value needs a blank before its #'
      : `correct ${key} in the base env`,
    retry: 'stalled',
  };
}
