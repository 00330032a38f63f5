/** Three envs of one instance side by side. Pure; a secret is told by a word, never by its value. */
import { Decimal } from '../core/decimal.ts';
import { isSecretKey } from '../core/env/keys.ts';
import type { EnvValues } from '../core/tuning/types.ts';

/** One key that differs; null = not set there, and for `running` also: not known. */
export type EnvDiff = { key: string; base: string | null; desired: string | null; running: string | null };

export type SecretSide = {
  /** A source of the spec names it. */
  desired: boolean;
  running: 'set' | 'unset' | 'unknown';
  /** Both values are at hand and differ. */
  changed: boolean;
};

export type DiffInput = {
  base: EnvValues;
  desired: EnvValues;
  /** Of the env file that runs; null: nothing runs, or that file is not at hand. */
  running: EnvValues | null;
  /** The run's own settings by env key; where they are shown they are what runs. */
  shown: Readonly<Record<string, string>>;
  secrets: Readonly<Record<string, SecretSide>>;
};

/** Keys in order: those whose values differ among the three, then every secret key. */
export function envDiff({ base, desired, running, shown, secrets }: DiffInput): EnvDiff[] {
  const keys = new Set([base, desired, running ?? {}].flatMap((values) => Object.keys(values)));
  const plain = [...keys].filter((key) => !isSecretKey(key) && !(key in secrets)).sort();
  const rows = plain.flatMap((key): EnvDiff[] => {
    const started = running?.[key] ?? null;
    const own = shown[key];
    const runs = own === undefined || (started !== null && same(own, started)) ? started : own;
    const row = { key, base: base[key] ?? null, desired: desired[key] ?? null, running: runs };
    const known = running !== null || own !== undefined;
    const equal = alike(row.base, row.desired) && (!known || alike(row.desired, row.running));
    return equal ? [] : [row];
  });
  const named = Object.entries(secrets).sort(([a], [b]) => (a < b ? -1 : 1));
  return [...rows, ...named.map(([key, side]) => secretRow(key, side))];
}

function secretRow(key: string, { desired, running, changed }: SecretSide): EnvDiff {
  const word = (set: boolean) => (set ? 'set (secret)' : null);
  return {
    key,
    base: null,
    desired: changed ? 'changed (secret)' : word(desired),
    running: running === 'unknown' ? 'unknown' : word(running === 'set'),
  };
}

const alike = (a: string | null, b: string | null) => a === b || (a !== null && b !== null && same(a, b));

/** Whether two texts mean the same to the bot: equal text, equal numbers or equal truth. */
function same(a: string, b: string): boolean {
  const [x, y] = [a.trim().toLowerCase(), b.trim().toLowerCase()];
  if (x === y) return true;
  if (NUMBER.test(x) && NUMBER.test(y)) return new Decimal(x).eq(y);
  const [p, q] = [truth(x), truth(y)];
  return p !== null && p === q;
}

const NUMBER = /^[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})(e[+-]?\d{1,3})?$/;

function truth(text: string): boolean | null {
  if (['true', '1', 'yes', 'y', 'on', 't'].includes(text)) return true;
  return ['false', '0', 'no', 'n', 'off', 'f'].includes(text) ? false : null;
}
