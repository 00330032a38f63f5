/** The env of an earlier iteration on the base env of today. */

import type { TuningPolicy } from '../spec/types.ts';
import type { Change } from '../trail/types.ts';
import { boundsOf, decimalOf, tunableKey } from '../tuning/step-values.ts';
import type { EnvValues } from '../tuning/types.ts';
import { isForbiddenKey, isSecretKey } from './keys.ts';

export type RolledBack = {
  /** What makes the base env the new iter. */
  onBase: Change[];
  /** What differs from the env that is desired now; empty: nothing would change. */
  changes: Change[];
  /** Keys whose value in the target differs and may not follow it: the base's value stands. */
  kept: string[];
  /** `KEY=VALUE, bounds MIN..MAX` of values that tuning itself would not choose. */
  outOfBounds: string[];
};

/**
 * Tunable keys take the target's value (a key that the target lacks takes the base's, else its default); every other key
 * stays as in the base, so a forbidden key never differs from it.
 */
export function rollbackValues(
  envs: { base: EnvValues; desired: EnvValues; target: EnvValues },
  policy: Pick<TuningPolicy, 'keys' | 'bounds'>,
): RolledBack {
  const { base, desired, target } = envs;
  const tunable = (key: string) => !isForbiddenKey(key) && tunableKey(key, policy) !== undefined;
  const keys = [...new Set([...Object.keys(base), ...Object.keys(desired), ...Object.keys(target)])].sort();
  const wanted = (key: string): string | undefined => {
    if (!tunable(key)) return base[key];
    const text = target[key] ?? base[key] ?? tunableKey(key, policy)?.default;
    return text === '' ? undefined : text;
  };
  const against = (from: EnvValues) =>
    keys.flatMap((key): Change[] => {
      const to = isSecretKey(key) ? undefined : wanted(key); // never in a commit's words
      return to === undefined || to === from[key] ? [] : [{ key, from: from[key] ?? null, to }];
    });
  const onBase = against(base);
  return {
    onBase,
    changes: against(desired),
    kept: keys.filter((key) => key in target && !isSecretKey(key) && !tunable(key) && target[key] !== base[key]),
    outOfBounds: onBase.flatMap(({ key, to }) => beyond(key, to, policy)),
  };
}

function beyond(key: string, to: string, policy: Pick<TuningPolicy, 'keys' | 'bounds'>): string[] {
  const value = decimalOf(to);
  if (value === null || tunableKey(key, policy)?.type === 'bool') return [];
  const { min, max, exclusiveMin } = boundsOf(key, policy);
  const low = min !== null && (exclusiveMin ? value.lte(min) : value.lt(min));
  if (!low && (max === null || value.lte(max))) return [];
  return [`${key}=${to}, bounds ${exclusiveMin ? 'above ' : ''}${min?.toFixed() ?? ''}..${max?.toFixed() ?? ''}`];
}
