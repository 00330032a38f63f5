/** Desired state: what the tree of one revision says. */

import type { CheckedEnv } from '../core/env/checked.ts';
import { runtimeDigest } from '../core/env/digest.ts';
import { iterFileName } from '../core/env/iter.ts';
import { parseEnv } from '../core/env/read.ts';
import type { Problem } from '../core/problem.ts';
import type { SpecMemory } from '../core/spec/parse.ts';
import type { Fleet, Instance } from '../core/spec/types.ts';
import type { Hold } from '../core/trail/types.ts';
import type { EnvValues } from '../core/tuning/types.ts';

/** One tracked file. `link`: a symbolic link, which is never followed and has no text. `text` may be read when asked for. */
export type TreeFile = { path: string; text: string; blob: string; link?: boolean };

export type DesiredEnv = {
  /** Repository-relative path of the base env. */
  basePath: string;
  baseBlob: string;
  baseText: string;
  baseValues: EnvValues;
  /** Iter numbers present in the tree, ascending. */
  iters: number[];
  /** The env that should run; null = the base. */
  iter: number | null;
  path: string;
  text: string;
  values: EnvValues;
};

export type DesiredInstance = {
  name: string;
  /** Repository-relative path of the declaring file, and its blob id. */
  file: string;
  specBlob: string;
  /** null: the spec is invalid. */
  spec: Instance | null;
  env: DesiredEnv | null;
  /** Errors that make it a derived hold; empty = usable. */
  problems: Problem[];
};

export type Desired = {
  /** Commit id; null = the working tree. */
  revision: string | null;
  fleet: Fleet | null;
  fleetBlob: string;
  instances: DesiredInstance[];
  holds: Hold[];
  files: ReadonlyMap<string, TreeFile>;
  /** Every problem found, warnings included. */
  problems: Problem[];
  /** For the next reading. */
  memory: Memory;
};

/** What files that were read and found without a flaw said, by path and blob: what has not changed is not read again. */
export type Memory = {
  specs: SpecMemory;
  envs: ReadonlyMap<string, { blob: string; values: EnvValues }>;
  /** What the holds file says; absent: it is read. */
  holds?: { blob: string; holds: Hold[] };
};

export const FLEET_FOLDER = 'fleet';
export const HOLDS_PATH = 'fleet/holds.yaml';
export const receiptsPath = (name: string) => `fleet/receipts/${name}.jsonl`;
export const verdictsPath = (basePath: string) => `${basePath}.verdicts`;

/** Specs are the YAML files directly in `fleet/`, except the machine-owned holds. */
export const isSpecPath = (path: string) => /^fleet\/[^/]+\.ya?ml$/.test(path) && path !== HOLDS_PATH;

/** Texts that are read: every file of the fleet folder, and env files elsewhere in the repository. */
export const isTextPath = (path: string) =>
  path.startsWith(`${FLEET_FOLDER}/`) || /(^|\/)\.?env[^/]*$|\.env(\.|$)/.test(path);

/** A symbolic link's mode, as git writes it; what it says is not read. */
export const LINK_MODE = '120000';

/** Values of one iter (null = base) as the bot would read them; null when that file is not in the tree. */
export function valuesOf(desired: Pick<Desired, 'files'>, env: DesiredEnv, iter: number | null): EnvValues | null {
  const path = iter === null ? env.basePath : iterFileName(env.basePath, iter);
  const text = desired.files.get(path)?.text;
  return text === undefined ? null : parseEnv(text, path).values;
}

/** What names a running process: its env, its whole runtime block and the names of its secret keys. */
export function desiredDigest(instance: DesiredInstance, secretNames: readonly string[]): string | null {
  if (instance.spec === null || instance.env === null) return null;
  return runtimeDigest(instance.env.values, instance.spec.runtime, secretNames);
}

/** The env that should run; null where there is no base env, which the cross-file rules name. */
export function desiredEnv(
  files: ReadonlyMap<string, TreeFile>,
  spec: Instance,
  iters: number[],
  envOf: (path: string) => Pick<CheckedEnv, 'values' | 'problems'> | undefined,
): { env: DesiredEnv | null; problems: Problem[] } {
  const base = files.get(spec.baseEnv);
  if (base === undefined) return { env: null, problems: [] };
  const iter = iters.at(-1) ?? null;
  const path = iter === null ? spec.baseEnv : iterFileName(spec.baseEnv, iter);
  const read = envOf(path);
  const problems = iter === null ? [] : (read?.problems ?? []).map((p) => ({ ...p, instance: spec.name }));
  // The two files alone: what remembers an env must not hold on to the whole tree.
  const file = files.get(path);
  const env: DesiredEnv = {
    basePath: spec.baseEnv,
    baseBlob: base.blob,
    get baseText() {
      return base.text;
    },
    baseValues: envOf(base.path)?.values ?? {},
    iters,
    iter,
    path,
    get text() {
      return file?.text ?? '';
    },
    values: read?.values ?? {},
  };
  return { env, problems };
}
