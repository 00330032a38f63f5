/** Carries tuned values onto a base env that a person has edited. */
import { Decimal } from '../decimal.ts';
import type { Change } from '../trail/types.ts';
import { KEPT_ORDERINGS } from '../tuning/catalogue.ts';
import type { EnvValues } from '../tuning/types.ts';
import { isForbiddenKey } from './keys.ts';
import { brokenOrdering, refusal } from './validate.ts';

/**
 * The changes that make the new base an iter with the tuned values: every key whose iter value differs from the old
 * base, unless the person changed that key in the base (then the person's value stands). Empty: the new base stands alone.
 */
export function rebaseIter(oldBase: EnvValues, newBase: EnvValues, iter: EnvValues): Change[] {
  const tuned = Object.keys(iter).filter((key) => !isForbiddenKey(key) && !same(oldBase[key], iter[key]));
  let carried = tuned
    .filter((key) => same(oldBase[key], newBase[key]) && !same(newBase[key], iter[key]))
    .map((key): Change => ({ key, from: newBase[key] ?? null, to: iter[key]! }));
  for (const keys of KEPT_ORDERINGS) {
    const result = { ...newBase, ...Object.fromEntries(carried.map((change) => [change.key, change.to])) };
    // A person's new value and a tuned one may not cross: the person's stands, so the tuned ones of that order go.
    if (brokenOrdering(result, keys) !== null) carried = carried.filter((change) => !keys.includes(change.key));
  }
  return carried.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Whether two env texts mean the same to the bot: equal text, or equal numbers. */
function same(a: string | undefined, b: string | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || !isNumber(a) || !isNumber(b)) return false;
  return new Decimal(a).eq(b);
}

function isNumber(text: string): boolean {
  return refusal('MM_MAX_POSITION_SIZE', text) === null && text === text.trim();
}
