/**
 * The tree as it was last read, in `.mmfleet/cache`: the parsed specs and envs of files without a flaw, by path and blob. A
 * file that is absent, damaged or of another build only costs reading the tree anew. Files that hold a value of a secret key
 * are never without a flaw.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fleet, Instance } from '../core/spec/types.ts';
import type { Hold } from '../core/trail/types.ts';
import type { EnvValues } from '../core/tuning/types.ts';
import type { Memory } from './desired.ts';

/** `text`: mmfleet may read it; `rest`: it only has to be there. */
export type ListedFile = { path: string; blob: string; kind: 'text' | 'link' | 'rest' };

export type KeptTree = {
  revision: string;
  files: ListedFile[];
  memory: Memory;
  /** What the whole tree says, when nothing in it was found wrong; null: it has to be read again. */
  whole: { fleet: Fleet; fleetBlob: string; holds: Hold[] } | null;
};

/** `build` names the program. null: there is none to be used. */
export function readTreeCache(stateDir: string, build: string): KeptTree | null {
  try {
    const text = readFileSync(pathOf(stateDir), 'utf8');
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    return text.slice(0, end) === digestOf(build, body) ? decode(JSON.parse(body) as Stored) : null;
  } catch {
    return null;
  }
}

/** Replaces it; where it cannot be written the next command reads the tree itself. */
export function writeTreeCache(stateDir: string, build: string, kept: KeptTree): void {
  const path = pathOf(stateDir);
  const body = JSON.stringify(encode(kept));
  try {
    mkdirSync(join(stateDir, 'cache'), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.${process.pid}.tmp`, `${digestOf(build, body)}\n${body}`, { mode: 0o600 });
    renameSync(`${path}.${process.pid}.tmp`, path);
  } catch {
    // Only the next command's time is lost.
  }
}

/** No instance can be called so: names have no dot. */
const pathOf = (stateDir: string) => join(stateDir, 'cache', 'fleet.tree.json');

const digestOf = (build: string, body: string) => createHash('sha256').update(`${build}\n`).update(body).digest('hex');

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
