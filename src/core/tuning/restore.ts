import { Decimal, plain } from '../decimal.ts';
import type { TuningPolicy } from '../spec/types.ts';
import type { Change } from '../trail/types.ts';
import { boundsOf, brokenOrdering, decimalOf, tunableKey } from './step-values.ts';
import type { EnvValues } from './types.ts';

/**
 * The changes that bring the chosen tunable keys back to other values, inside their bounds; none when nothing differs or an
 * ordering would break.
 */
export function restoreValues(
  from: EnvValues,
  target: EnvValues,
  tuning: TuningPolicy,
  chosen: (key: string) => boolean,
): Change[] {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(target)])].sort();
  const changes = keys.flatMap((key): Change[] => {
    const info = tunableKey(key, tuning);
    const to = target[key] ?? info?.default;
    if (info === undefined || !chosen(key) || to === undefined || to === '') return [];
    const text = info.type === 'bool' ? to : boundedText(key, to, tuning);
    if (text === null || sameText(from[key] ?? info.default, text)) return [];
    return [{ key, from: from[key] ?? null, to: text }];
  });
  const after = { ...from, ...Object.fromEntries(changes.map(({ key, to }) => [key, to])) };
  return brokenOrdering(after) !== null ? [] : changes;
}

function boundedText(key: string, text: string, tuning: TuningPolicy): string | null {
  const value = decimalOf(text);
  if (value === null) return null;
  const { min, max } = boundsOf(key, tuning);
  const low = min === null ? value : Decimal.max(value, min);
  const bounded = max === null ? low : Decimal.min(low, max);
  return bounded.eq(value) ? text.trim() : plain(bounded);
}

function sameText(a: string, b: string): boolean {
  const x = decimalOf(a);
  const y = decimalOf(b);
  return x !== null && y !== null ? x.eq(y) : a.trim() === b.trim();
}
