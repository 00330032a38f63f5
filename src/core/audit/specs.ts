/** The specs as they stood at a commit; each pair of blobs is read once. */
import { readDocuments } from '../spec/document.ts';
import { parseSpecs } from '../spec/parse.ts';
import type { Fleet, Instance } from '../spec/types.ts';
import type { Tree } from './walk.ts';

export type SpecAt = { spec: Instance; blob: string; fleetBlob: string };

export type SpecReader = {
  fleetAt(tree: Pick<Tree, 'specs'>): Fleet | null;
  /** Names declared there, also by a spec that is invalid. */
  namesAt(tree: Pick<Tree, 'specs'>): Iterable<string>;
  /** null: not declared there, or invalid. */
  instanceAt(tree: Pick<Tree, 'specs'>, name: string): SpecAt | null;
  /** The instance whose base env that path is; null: nobody's. */
  ownerAt(tree: Pick<Tree, 'specs'>, baseEnv: string): SpecAt | null;
};

/** `text` gives a blob's content; absent = empty. */
export function specReader(text: (blob: string) => string): SpecReader {
  const declared = new Map<string, Declared>();
  const parsed = new Map<string, { fleet: Fleet | null; instances: Instance[] }>();
  const indexes = new WeakMap<object, Index>();

  const declaredIn = (path: string, blob: string): Declared => {
    const known = declared.get(blob);
    if (known !== undefined) return known;
    const made = declaredBy(path, text(blob));
    declared.set(blob, made);
    return made;
  };
  const indexOf = (specs: Tree['specs']): Index => {
    const known = indexes.get(specs);
    if (known !== undefined) return known;
    const index: Index = { fleet: null, names: new Map(), bases: null };
    for (const [path, blob] of specs.files) {
      const { fleet, names } = declaredIn(path, blob);
      if (fleet && index.fleet === null) index.fleet = { path, blob };
      for (const name of names) index.names.set(name, { path, blob });
    }
    indexes.set(specs, index);
    return index;
  };
  const read = (files: SpecFile[]) => {
    const key = files.map(({ path, blob }) => `${blob} ${path}`).join('\n');
    const known = parsed.get(key);
    if (known !== undefined) return known;
    const { fleet, instances } = parseSpecs(files.map(({ path, blob }) => ({ path, text: text(blob) })));
    const made = { fleet, instances };
    parsed.set(key, made);
    return made;
  };
  const instanceAt = ({ specs }: Pick<Tree, 'specs'>, name: string): SpecAt | null => {
    const { fleet, names } = indexOf(specs);
    const file = names.get(name);
    if (file === undefined) return null;
    const files = fleet === null || fleet.path === file.path ? [file] : [fleet, file];
    const spec = read(files).instances.find((each) => each.name === name);
    return spec === undefined ? null : { spec, blob: file.blob, fleetBlob: fleet?.blob ?? '' };
  };
  return {
    fleetAt({ specs }) {
      const { fleet } = indexOf(specs);
      return fleet === null ? null : read([fleet]).fleet;
    },
    namesAt: ({ specs }) => indexOf(specs).names.keys(),
    instanceAt,
    ownerAt(tree, baseEnv) {
      const index = indexOf(tree.specs);
      index.bases ??= new Map(
        [...index.names.keys()].flatMap((name) => {
          const at = instanceAt(tree, name);
          return at === null ? [] : [[at.spec.baseEnv, at] as const];
        }),
      );
      return index.bases.get(baseEnv) ?? null;
    },
  };
}

type SpecFile = { path: string; blob: string };
type Declared = { fleet: boolean; names: string[] };
type Index = { fleet: SpecFile | null; names: Map<string, SpecFile>; bases: Map<string, SpecAt> | null };

function declaredBy(path: string, text: string): Declared {
  const { documents } = readDocuments(path, text);
  const names = documents.flatMap(({ value }) => {
    const { kind, metadata } = record(value);
    const name = record(metadata)['name'];
    return kind === 'Instance' && typeof name === 'string' ? [name] : [];
  });
  return { fleet: documents.some(({ value }) => record(value)['kind'] === 'Fleet'), names };
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
