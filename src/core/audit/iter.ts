/** The rules that one iter file keeps against the tree it was committed on. */
import { Decimal } from '../decimal.ts';
import { envDigest } from '../env/digest.ts';
import { iterHeader } from '../env/iter.ts';
import { FORBIDDEN_KEYS, isForbiddenKey, isSecretKey } from '../env/keys.ts';
import { brokenOrdering, refusal } from '../env/validate.ts';
import type { TuningPolicy } from '../spec/types.ts';
import type { CommitStory } from '../trail/stories.ts';
import { changeText, iterName } from '../trail/text.ts';
import type { Change } from '../trail/types.ts';
import { KEPT_ORDERINGS } from '../tuning/catalogue.ts';
import { boundsOf, decimalOf, tunableKey } from '../tuning/step-values.ts';
import type { EnvValues } from '../tuning/types.ts';
import type { Finding } from './types.ts';

type Policy = Pick<TuningPolicy, 'keys' | 'bounds' | 'themes'>;

export type IterInput = {
  basePath: string;
  text: string;
  /** What the bot reads in it. */
  values: EnvValues;
  /** Of the base env in the same tree; null: there was none. */
  base: EnvValues | null;
  /** The env that was desired before the commit; null: there was none. */
  parent: { iter: number | null; values: EnvValues } | null;
  /** Of the iter that a rollback goes back to; null: it is none. */
  target: EnvValues | null;
  /** Of the spec as it stood, with the fleet's defaults. */
  policy: Policy;
};

/** Keys whose value differs, in order; secret keys left out. `to` null: the key is gone. */
export function differences(from: EnvValues, to: EnvValues): (Omit<Change, 'to'> & { to: string | null })[] {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((key) => !isSecretKey(key)).sort();
  return keys.flatMap((key) => {
    const change = { key, from: from[key] ?? null, to: to[key] ?? null };
    return change.from === change.to ? [] : [change];
  });
}

/**
 * What holds of every iter, whoever made it: it moves no value out of its bounds. A value that was there before, or that a
 * rollback goes back to, was judged by the bounds of its own time: a person who asks for it by name may have it. A key
 * that the target lacks takes the base's value.
 */
export function boundsFindings({ values, base, parent, target, policy }: IterInput): Finding[] {
  return differences(parent?.values ?? base ?? {}, values).flatMap(({ key, to }) =>
    to === null || (target !== null && (target[key] ?? base?.[key]) === to) ? [] : outOfBounds(key, to, policy),
  );
}

/** What holds of the values of an iter of ours. `story` null: its commit does not say what it changed. */
export function valueFindings(input: IterInput, story: CommitStory | null): Finding[] {
  const { values, base, parent, policy } = input;
  const origin = originOf(input, story);
  if (origin === null || base === null)
    return [{ rule: 'parent', found: 'no env to compare with', wanted: 'its base' }];
  const changed = differences(origin, values);
  const before = parent?.values ?? origin;
  return [
    ...changed.flatMap(({ key, from, to }) => keyFindings(key, from, to, policy)),
    ...boundsFindings(input),
    ...forbiddenFindings(base, values),
    ...Object.entries(values).flatMap(([key, value]) => typeFindings(key, value, policy)),
    ...KEPT_ORDERINGS.flatMap((keys): Finding[] => {
      const broken = brokenOrdering(values, keys);
      if (broken === null || brokenOrdering(before, keys) !== null) return [];
      const { low, high } = broken;
      return [{ rule: 'ordering', found: `${low} above ${high}`, wanted: `${low} <= ${high}` }];
    }),
    ...(story === null ? [] : storyFindings(input, story, changed)),
  ];
}

/** The values that a commit's Change lines start from: the desired env, or for a rebase the edited base. */
function originOf({ base, parent }: IterInput, story: CommitStory | null): EnvValues | null {
  return story?.kind === 'rebase' ? base : (parent?.values ?? null);
}

function keyFindings(key: string, from: string | null, to: string | null, policy: Policy): Finding[] {
  const said = `${key} ${from ?? 'absent'} -> ${to ?? 'absent'}`;
  if (isForbiddenKey(key)) return []; // compared with the base
  if (tunableKey(key, policy) === undefined)
    return [{ rule: 'keys', found: said, wanted: 'a key of the catalogue or of tuning.keys' }];
  return to === null ? [{ rule: 'keys', found: said, wanted: 'every key kept' }] : [];
}

function outOfBounds(key: string, to: string, policy: Policy): Finding[] {
  const info = tunableKey(key, policy);
  const value = decimalOf(to);
  if (info === undefined || info.type === 'bool' || value === null) return [];
  const { min, max, exclusiveMin } = boundsOf(key, policy);
  const low = min !== null && (exclusiveMin ? value.lte(min) : value.lt(min));
  if (!low && !(max !== null && value.gt(max))) return [];
  const wanted = `${exclusiveMin ? 'above ' : ''}${min?.toFixed() ?? ''}..${max?.toFixed() ?? ''}`;
  return [{ rule: 'bounds', found: `${key}=${to}`, wanted }];
}

function typeFindings(key: string, value: string, policy: Policy): Finding[] {
  const wrong = isSecretKey(key) ? null : refusal(key, value);
  if (wrong !== null) return [{ rule: 'type', found: wrong.message, wanted: 'what the bot accepts' }];
  const custom = policy.keys[key];
  const number = custom === undefined || custom.type === 'bool' ? null : decimalOf(value);
  if (custom === undefined || custom.type === 'bool') return [];
  const fine = number !== null && (custom.type !== 'int' || new Decimal(number).isInteger());
  return fine
    ? []
    : [{ rule: 'type', found: `${key}=${value}`, wanted: custom.type === 'int' ? 'a whole number' : 'a number' }];
}

function forbiddenFindings(base: EnvValues, values: EnvValues): Finding[] {
  return FORBIDDEN_KEYS.filter((key) => !isSecretKey(key) && base[key] !== values[key]).map((key) => ({
    rule: 'forbidden' as const,
    found: `${key} ${values[key] ?? 'absent'}`,
    wanted: `${base[key] ?? 'absent'}, as in the base env`,
  }));
}

function storyFindings(input: IterInput, story: CommitStory, changed: ReturnType<typeof differences>): Finding[] {
  switch (story.kind) {
    case 'tune':
    case 'recover':
    case 'undo':
      return [
        ...changeLines(story.changes, changed),
        ...headerFindings(input, iterHeader(fileOf(input.basePath), story)),
        ...themeFindings(story, changed, input.policy),
        ...digestFindings(input, story.envDigest),
      ];
    case 'rebase':
    case 'rollback': {
      const parent = story.kind === 'rebase' ? 'base' : '';
      const title = `# mmfleet ${iterName(story.iter)} of ${fileOf(input.basePath)}, parent ${parent}`;
      return [...changeLines(story.changes, changed), ...headerFindings(input, [title])];
    }
    default:
      return [];
  }
}

function changeLines(said: readonly Change[], real: ReturnType<typeof differences>): Finding[] {
  const texts = (changes: ReturnType<typeof differences>) =>
    changes.map((change) => (change.to === null ? `${change.key} removed` : changeText({ ...change, to: change.to })));
  const told = texts([...said]);
  const done = texts(real);
  const lies = told.filter((line) => !done.includes(line));
  const hidden = done.filter((line) => !told.includes(line));
  if (lies.length === 0 && hidden.length === 0) return [];
  return [{ rule: 'change-lines', found: lies.join(', ') || 'no line', wanted: hidden.join(', ') || 'no line' }];
}

function headerFindings({ text }: IterInput, wanted: string[]): Finding[] {
  const lines = text.split(/\r?\n/).slice(0, wanted.length);
  const at = wanted.findIndex(
    (line, i) => !(i === wanted.length - 1 && wanted.length === 1 ? lines[i]?.startsWith(line) : lines[i] === line),
  );
  return at < 0 ? [] : [{ rule: 'header', found: lines[at] ?? 'no line', wanted: wanted[at]! }];
}

function themeFindings(
  story: Extract<CommitStory, { kind: 'tune' | 'recover' | 'undo' }>,
  changed: ReturnType<typeof differences>,
  policy: Policy,
): Finding[] {
  const themes = [...new Set(changed.flatMap(({ key }) => tunableKey(key, policy)?.theme ?? []))];
  const wrong = themes.some((theme) => theme !== story.theme);
  const off = story.kind === 'tune' && !policy.themes.includes(story.theme);
  return [
    ...(wrong ? [{ rule: 'theme' as const, found: themes.join(' and '), wanted: `${story.theme} alone` }] : []),
    ...(off ? [{ rule: 'theme' as const, found: story.theme, wanted: `one of ${policy.themes.join(', ')}` }] : []),
  ];
}

function digestFindings({ values }: IterInput, said: string): Finding[] {
  const real = envDigest(values);
  return real === said ? [] : [{ rule: 'digest', found: said, wanted: real }];
}

const fileOf = (path: string) => path.split('/').at(-1) ?? '';
