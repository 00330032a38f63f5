/** What of a kept tree became another one: all that is written again when few of its files have changed. */
import type { Instance } from '../core/spec/types.ts';
import type { EnvValues } from '../core/tuning/types.ts';
import type { KeptTree, ListedFile } from './tree-cache.ts';

/** Names of what went or was replaced, and what came in its stead, as plain data. */
export type TreeDelta = {
  revision: string;
  whole: KeptTree['whole'];
  /** `added`: the place in the new list, ascending. */
  files: { gone: string[]; added: [at: number, file: ListedFile][] };
  specs: { gone: string[]; added: [path: string, known: { blob: string; instances: readonly Instance[] }][] };
  envs: { gone: string[]; added: [path: string, known: { blob: string; values: EnvValues }][] };
};

/** null: it is more than `most` entries, or the two have more of a difference than files that came, went or changed. */
export function deltaOf(from: KeptTree, to: KeptTree, most: number): TreeDelta | null {
  if (from.memory.specs.defaults !== to.memory.specs.defaults) return null;
  const files = listChanges(from.files, to.files);
  if (files === null) return null;
  const specs = mapChanges(
    from.memory.specs.files,
    to.memory.specs.files,
    (a, b) =>
      a.blob === b.blob &&
      a.instances.length === b.instances.length &&
      a.instances.every((i, n) => i === b.instances[n]),
  );
  const envs = mapChanges(from.memory.envs, to.memory.envs, (a, b) => a.blob === b.blob && a.values === b.values);
  const count = [files, specs, envs].reduce((sum, { gone, added }) => sum + gone.length + added.length, 0);
  return count > most ? null : { revision: to.revision, whole: to.whole, files, specs, envs };
}

/** The tree that a delta was made to. */
export function withDelta(from: KeptTree, { revision, whole, files, specs, envs }: TreeDelta): KeptTree {
  const gone = new Set(files.gone);
  const listed = from.files.filter(({ path }) => !gone.has(path));
  for (const [at, file] of files.added) listed.splice(at, 0, file);
  return {
    revision,
    whole,
    files: listed,
    memory: {
      specs: { defaults: from.memory.specs.defaults, files: changed(from.memory.specs.files, specs) },
      envs: changed(from.memory.envs, envs),
    },
  };
}

/** null: what stayed is in another order. */
function listChanges(from: readonly ListedFile[], to: readonly ListedFile[]): TreeDelta['files'] | null {
  const places = new Map(from.map((file, at) => [file.path, at]));
  const stayed = new Set<string>();
  const added: [number, ListedFile][] = [];
  let last = -1;
  for (const [at, file] of to.entries()) {
    const place = places.get(file.path) ?? -1;
    const before = from[place];
    if (before?.blob !== file.blob || before.kind !== file.kind) added.push([at, file]);
    else if (place < last) return null;
    else {
      last = place;
      stayed.add(file.path);
    }
  }
  return { gone: from.map(({ path }) => path).filter((path) => !stayed.has(path)), added };
}

function mapChanges<T>(from: ReadonlyMap<string, T>, to: ReadonlyMap<string, T>, isSame: (a: T, b: T) => boolean) {
  const differs = (path: string, known: T) => {
    const before = from.get(path);
    return before === undefined || !isSame(before, known);
  };
  return {
    gone: [...from.keys()].filter((path) => !to.has(path)),
    added: [...to].filter(([path, known]) => differs(path, known)),
  };
}

function changed<T>(from: ReadonlyMap<string, T>, { gone, added }: { gone: string[]; added: [string, T][] }) {
  const all = new Map(from);
  for (const path of gone) all.delete(path);
  for (const [path, known] of added) all.set(path, known);
  return all;
}
