/**
 * The tree as it was last read, in `.mmfleet/cache`: the parsed specs and envs of files without a flaw, by path and blob. A
 * file that is absent, damaged or of another build only costs reading the tree anew. Files that hold a value of a secret key
 * are never without a flaw.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { keep, loadKept } from '../adapters/kept-file.ts';
import type { Fleet, Instance } from '../core/spec/types.ts';
import type { Hold } from '../core/trail/types.ts';
import type { EnvValues } from '../core/tuning/types.ts';
import type { Memory } from './desired.ts';
import { deltaOf, type TreeDelta, withDelta } from './tree-delta.ts';

/** `text`: mmfleet may read it; `rest`: it only has to be there. */
export type ListedFile = { path: string; blob: string; kind: 'text' | 'link' | 'rest' };

export type KeptTree = {
  revision: string;
  files: readonly ListedFile[];
  memory: Memory;
  /** What the whole tree says, when nothing in it was found wrong; null: it has to be read again. */
  whole: { fleet: Fleet; fleetBlob: string; holds: Hold[] } | null;
};

export type TreeCache = {
  /** null: there is none to be used. */
  read(): KeptTree | null;
  /** Keeps another one; where it cannot be written the next command reads the tree itself. */
  write(kept: KeptTree): void;
};

/** `build` names the program. One tree is kept whole, and beside it what has changed since; that names the tree it belongs to. */
export function treeCache(stateDir: string, build: string): TreeCache {
  const folder = join(stateDir, 'cache');
  const path = (name: string) => join(folder, name);
  let base: { digest: string; kept: KeptTree } | null = null;
  return {
    read() {
      const found = loadKept(path(WHOLE), build);
      if (found === null) return null;
      try {
        base = { digest: found.digest, kept: decode(JSON.parse(found.body) as Stored) };
        const later = loadKept(path(LATER), `${build} ${base.digest}`);
        return later === null ? base.kept : withDelta(base.kept, JSON.parse(later.body) as TreeDelta);
      } catch {
        return null;
      }
    },
    write(kept) {
      const delta = base === null ? null : deltaOf(base.kept, kept, lateAfter(base.kept.files.length));
      if (base !== null && delta !== null) {
        keep(path(LATER), `${build} ${base.digest}`, JSON.stringify(delta));
        return;
      }
      const digest = keep(path(WHOLE), build, JSON.stringify(encode(kept)));
      if (digest === null) return;
      base = { digest, kept };
      rmSync(path(LATER), { force: true });
    },
  };
}

/** No instance can be called so: names have no dot. */
const WHOLE = 'fleet.tree.json';
const LATER = 'fleet.later.json';

/** So many entries differ from the whole one before all is written anew. */
const lateAfter = (count: number): number => Math.max(32, count / 40);

/** Parts of an instance that are the same in many; written once and named by their place in the pool. */
const SHARED = ['secrets', 'suspend', 'runtime', 'journal', 'venue', 'health', 'tuning'] as const;

type StoredInstance = Record<string, unknown>;
type Stored = {
  revision: string;
  files: string[];
  whole: KeptTree['whole'];
  defaults: string;
  pool: unknown[];
  specs: [path: string, blob: string, instances: StoredInstance[]][];
  envs: [path: string, blob: string, values: EnvValues][];
};

function encode({ revision, files, memory, whole }: KeptTree): Stored {
  const pool: unknown[] = [];
  const places = new Map<unknown, number>();
  const place = (part: unknown): number => {
    const same = places.get(part);
    if (same !== undefined) return same;
    const text = JSON.stringify(part);
    const at = places.get(text) ?? pool.push(part) - 1;
    places.set(text, at).set(part, at);
    return at;
  };
  const pooled = (instance: Instance): StoredInstance => ({
    ...instance,
    ...Object.fromEntries(SHARED.map((key) => [key, place(instance[key])])),
  });
  return {
    revision,
    files: files.flatMap(({ path, blob, kind }) => [path, blob, kind]),
    whole,
    defaults: memory.specs.defaults,
    specs: [...memory.specs.files].map(([path, { blob, instances }]) => [path, blob, instances.map(pooled)]),
    envs: [...memory.envs].map(([path, { blob, values }]) => [path, blob, values]),
    pool,
  };
}

function decode({ revision, files, whole, defaults, pool, specs, envs }: Stored): KeptTree {
  const instance = (stored: StoredInstance): Instance => {
    for (const key of SHARED) stored[key] = pool[stored[key] as number];
    return stored as unknown as Instance;
  };
  const listed: ListedFile[] = [];
  for (let i = 0; i < files.length; i += 3)
    listed.push({ path: files[i]!, blob: files[i + 1]!, kind: files[i + 2] as ListedFile['kind'] });
  return {
    revision,
    files: listed,
    whole,
    memory: {
      specs: {
        defaults,
        files: new Map(specs.map(([path, blob, instances]) => [path, { blob, instances: instances.map(instance) }])),
      },
      envs: new Map(envs.map(([path, blob, values]) => [path, { blob, values }])),
    },
  };
}
