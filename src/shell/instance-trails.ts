/** Which commits of the trail concern which instance. */
import { entryWith } from '../core/trail/entry.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import type { DesiredInstance } from './desired.ts';

/**
 * For each instance the entries that `concerns` picks, in their order: one walk over the trail for all of them, or over what
 * came on top of it; then the entries of those that it does not concern are the same list as before. Of an entry with many
 * files only its env files are given.
 */
export function trailsByInstance(
  trail: readonly TrailEntry[],
  instances: readonly DesiredInstance[],
): ReadonlyMap<string, TrailEntry[]> {
  const known = sorted.get(trail);
  if (known?.instances === instances) return known.trails;
  const bases: Bases = new Map(instances.map(({ name, env }) => [name, env?.basePath ?? null]));
  const before = newest !== null && isSame(newest.bases, bases) && isTop(trail, newest.trail) ? newest : null;
  const trails =
    before === null
      ? sortOut(trail, bases)
      : onTop(sortOut(trail.slice(0, trail.length - before.trail.length), bases), before.trails);
  newest = { trail, bases, trails };
  sorted.set(trail, { instances, trails });
  return trails;
}

/** Commits that name the instance, or touch its env files. */
export function concerns(
  entry: Pick<TrailEntry, 'instance' | 'files'>,
  instance: { name: string; env: { basePath: string } | null },
): boolean {
  if (entry.instance === instance.name) return true;
  const base = instance.env?.basePath;
  return base !== undefined && entry.files.some((f) => f.path === base || f.path.startsWith(`${base}.`));
}

type Sorted = { instances: readonly DesiredInstance[]; trails: ReadonlyMap<string, TrailEntry[]> };

const sorted = new WeakMap<readonly TrailEntry[], Sorted>();

/** What was sorted out last, without the instances: they hold on to a whole tree. `bases`: by name; null: no env. */
let newest: { trail: readonly TrailEntry[]; bases: Bases; trails: ReadonlyMap<string, TrailEntry[]> } | null = null;

type Bases = ReadonlyMap<string, string | null>;

const isSame = (a: Bases, b: Bases): boolean =>
  a.size === b.size && [...a].every(([name, base]) => b.get(name) === base && b.has(name));

/** Whether a trail ends with all of an older one. */
function isTop(trail: readonly TrailEntry[], older: readonly TrailEntry[]): boolean {
  const more = trail.length - older.length;
  return more >= 0 && older.every((entry, i) => entry === trail[more + i]);
}

function onTop(
  newer: ReadonlyMap<string, TrailEntry[]>,
  older: ReadonlyMap<string, TrailEntry[]>,
): Map<string, TrailEntry[]> {
  const list = (name: string, own: TrailEntry[]) => [...own, ...(older.get(name) ?? [])];
  return new Map([...newer].map(([name, own]) => [name, own.length > 0 ? list(name, own) : (older.get(name) ?? own)]));
}

function sortOut(trail: readonly TrailEntry[], bases: Bases): Map<string, TrailEntry[]> {
  const own = new Map([...bases.keys()].map((name): [string, TrailEntry[]] => [name, []]));
  const byBase = new Map<string, string[]>();
  for (const [name, base] of bases) if (base !== null) byBase.set(base, [...(byBase.get(base) ?? []), name]);
  const lengths = new Set([...byBase.keys()].map((base) => base.length));
  const basesOf = (path: string) => namesOf(path, byBase, lengths);
  for (const entry of trail) {
    // The commit that brings a whole fleet is in every trail: each searches only its own files of it.
    const { instance, files } = entry;
    if (files.length > FEW_FILES) shareOut(entry, files, own, basesOf);
    else for (const name of concerned({ instance, files }, basesOf)) own.get(name)?.push(entry);
  }
  return own;
}

const FEW_FILES = 16;

/** Instances that an entry names or touches, each once. */
function concerned(
  { instance, files }: Pick<TrailEntry, 'instance' | 'files'>,
  basesOf: (path: string) => string[],
): string[] {
  const names = instance === null ? [] : [instance];
  for (const { path } of files) for (const name of basesOf(path)) if (!names.includes(name)) names.push(name);
  return names;
}

function shareOut(
  entry: TrailEntry,
  all: TrailEntry['files'],
  own: Map<string, TrailEntry[]>,
  basesOf: (path: string) => string[],
): void {
  const files = new Map<string, TrailEntry['files']>(entry.instance === null ? [] : [[entry.instance, []]]);
  for (const file of all)
    for (const name of basesOf(file.path)) {
      const known = files.get(name);
      if (known === undefined) files.set(name, [file]);
      else known.push(file);
    }
  // What it says is taken once for all of them.
  const plain = entryWith(entry, { files: [] });
  for (const [name, theirs] of files) own.get(name)?.push({ ...plain, files: theirs });
}

/** Whose base env a path is, or is written beside: the path itself, and each part of it that ends before a dot and is as long as one. */
function namesOf(path: string, byBase: ReadonlyMap<string, string[]>, lengths: ReadonlySet<number>): string[] {
  const found = lengths.has(path.length) ? [...(byBase.get(path) ?? [])] : [];
  for (let dot = path.indexOf('.'); dot !== -1; dot = path.indexOf('.', dot + 1))
    if (lengths.has(dot)) found.push(...(byBase.get(path.slice(0, dot)) ?? []));
  return found;
}
