/** What people did to the iterations of an instance: reverts, edits by hand, and the way back a person asks for. Pure. */
import { iterFileName, parseIterName } from '../core/env/iter.ts';
import { isForbiddenKey, isSecretKey } from '../core/env/keys.ts';
import { label } from '../core/plan/plan.ts';
import { parseIter } from '../core/trail/text.ts';
import { trailer } from '../core/trail/trailers.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import type { EnvValues } from '../core/tuning/types.ts';
import type { DesiredEnv, DesiredInstance } from './desired.ts';

/**
 * A person's revert of a step under newer ones: the env that runs is a whole copy of its values, so nothing changed.
 * null: no such revert since the desired iter was made.
 */
export function idleRevert(instance: DesiredInstance, trail: readonly TrailEntry[]): string | null {
  const { env } = instance;
  if (env === null || env.iter === null) return null;
  for (const entry of trail) {
    if (entry.files.some((f) => f.path === env.path && f.status === 'A')) return null;
    if (entry.ours && entry.kind !== null) continue;
    const gone = itersOf(entry, env.basePath, 'D').filter((iter) => iter < (env.iter ?? 0));
    const iter = gone.at(-1);
    if (iter === undefined) continue;
    const back = parentOf(iter, env.basePath, trail, env.iters);
    const who = `${entry.authorName}'s revert of ${label(iter)} (${entry.commit.slice(0, 8)})`;
    return `${who} changed nothing that runs, ${label(env.iter)} is desired: mmfleet rollback ${instance.name} --to ${label(back)} --reason "..."`;
  }
  return null;
}

/** Who last wrote the desired iter by hand: `iter003 was edited by Ada (1a2b3c4d)`; null when that was not a person. */
export function handMade(env: DesiredEnv, trail: readonly TrailEntry[]): string | null {
  const newest = trail.find((e) => e.files.some((f) => f.path === env.path && f.status !== 'D'));
  if (newest === undefined || newest.ours) return null;
  const edited = newest.files.some((f) => f.path === env.path && f.status === 'M');
  const how = edited ? 'edited' : 'added';
  return `${label(env.iter)} was ${how} by ${newest.authorName} (${newest.commit.slice(0, 8)})`;
}

/**
 * Keys that never differ between a base env and its iters, and do: `KEY 100 -> 500`. A secret key shows no value.
 * Empty when all is well.
 */
export function forbiddenDifferences(base: EnvValues, iter: EnvValues): string[] {
  const keys = [...new Set([...Object.keys(base), ...Object.keys(iter)])].filter(isForbiddenKey).sort();
  return keys.flatMap((key) => {
    if (base[key] === iter[key] || isSecretKey(key)) return [];
    return [`${key} ${base[key] ?? 'absent'} -> ${iter[key] ?? 'absent'}`];
  });
}

function itersOf(entry: TrailEntry, basePath: string, status: string): number[] {
  return entry.files
    .flatMap((f) => {
      const name = f.status === status ? parseIterName(f.path) : null;
      return name !== null && name.basePath === basePath ? [name.iter] : [];
    })
    .sort((a, b) => a - b);
}

/** The newest iter still in the tree that a reverted one came from. */
function parentOf(
  iter: number,
  basePath: string,
  trail: readonly TrailEntry[],
  present: readonly number[],
): number | null {
  const path = iterFileName(basePath, iter);
  const adding = trail.find((e) => e.files.some((f) => f.path === path && f.status === 'A'));
  const parent = parseIter(trailer(adding?.trailers ?? [], 'Parent-Iter') ?? '') ?? null;
  if (parent === null || present.includes(parent)) return parent;
  return present.filter((p) => p < iter).at(-1) ?? null;
}
