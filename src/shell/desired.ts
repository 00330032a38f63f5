/** Desired state: what the tree of one revision says. A pure reading of its files. */
import { runtimeDigest } from '../core/env/digest.ts';
import { iterFileName, listIters } from '../core/env/iter.ts';
import { parseEnv } from '../core/env/read.ts';
import { validateEnv } from '../core/env/validate.ts';
import type { Problem } from '../core/problem.ts';
import { checkFleet } from '../core/spec/check.ts';
import { parseSpecs } from '../core/spec/parse.ts';
import type { Fleet, Instance } from '../core/spec/types.ts';
import { parseHolds } from '../core/trail/holds.ts';
import type { Hold } from '../core/trail/types.ts';
import type { EnvValues } from '../core/tuning/types.ts';

/** One tracked file. `link`: a symbolic link, which is never followed and has no text. */
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
  /** Where an instance's spec says something, or where it would. */
  place(instance: string, path: readonly string[]): Partial<Problem>;
};

export const FLEET_FOLDER = 'fleet';
export const HOLDS_PATH = 'fleet/holds.yaml';
export const receiptsPath = (name: string) => `fleet/receipts/${name}.jsonl`;
export const verdictsPath = (basePath: string) => `${basePath}.verdicts`;

/** Specs are the YAML files directly in `fleet/`, except the machine-owned holds. */
export const isSpecPath = (path: string) => /^fleet\/[^/]+\.ya?ml$/.test(path) && path !== HOLDS_PATH;

/** Reads a tree; every problem of every file in one run, and one bad instance never hides the others. */
export function readDesired(tree: TreeFile[], revision: string | null): Desired {
  const plain = tree.filter((f) => f.link !== true);
  const files = new Map(plain.map((f) => [f.path, f]));
  const parsed = parseSpecs(tree.filter((f) => isSpecPath(f.path)));
  const envs = Object.fromEntries(plain.map((f) => [f.path, f.text]));
  const holds =
    tree.length > plain.length && tree.some((f) => f.link === true && f.path === HOLDS_PATH)
      ? { holds: [], problems: [linkedHolds()] }
      : parseHolds(files.get(HOLDS_PATH)?.text ?? '', HOLDS_PATH);
  const cross = checkFleet({
    fleet: parsed.fleet,
    instances: parsed.instances,
    envs,
    trackedPaths: new Set(tree.map((f) => f.path)),
    place: parsed.place,
  });
  const problems = [...parsed.problems, ...holds.problems, ...cross];
  const instances = parsed.instances.map((spec): DesiredInstance => {
    const { env, problems: envProblems } = readEnv(files, spec);
    const own = [...problems, ...envProblems].filter((p) => p.severity !== 'warning' && p.instance === spec.name);
    own.push(...holds.problems); // what cannot be read may hold any of them
    problems.push(...envProblems.filter((p) => !problems.includes(p)));
    return { name: spec.name, file: spec.file, specBlob: files.get(spec.file)?.blob ?? '', spec, env, problems: own };
  });
  const invalid = parsed.invalid.map(
    (bad): DesiredInstance => ({
      name: bad.name,
      file: bad.file,
      specBlob: files.get(bad.file)?.blob ?? '',
      spec: null,
      env: null,
      problems: [...bad.problems, ...holds.problems],
    }),
  );
  return {
    revision,
    fleet: parsed.fleet,
    fleetBlob: parsed.fleet === null ? '' : (files.get(parsed.fleet.file)?.blob ?? ''),
    instances: [...instances, ...invalid].sort((a, b) => (a.name < b.name ? -1 : 1)),
    holds: holds.holds,
    files,
    problems,
    place: parsed.place,
  };
}

/** Behind a link could be anything, also nothing: no hold would be left. */
function linkedHolds(): Problem {
  const hint = 'restore the file from git';
  return {
    code: 'holds-invalid',
    message: 'found a link, want a file',
    hint,
    retry: 'stalled',
    file: HOLDS_PATH,
    line: 1,
    column: 1,
  };
}

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

function readEnv(
  files: ReadonlyMap<string, TreeFile>,
  spec: Instance,
): { env: DesiredEnv | null; problems: Problem[] } {
  const base = files.get(spec.baseEnv);
  if (base === undefined) return { env: null, problems: [] }; // the cross-file rules name it
  const iters = listIters(files.keys(), spec.baseEnv);
  const iter = iters.at(-1) ?? null;
  const path = iter === null ? spec.baseEnv : iterFileName(spec.baseEnv, iter);
  const text = files.get(path)?.text ?? '';
  const parsed = parseEnv(text, path);
  const problems = iter === null ? [] : validateEnv(parsed, text, path).map((p) => ({ ...p, instance: spec.name }));
  return {
    env: {
      basePath: spec.baseEnv,
      baseBlob: base.blob,
      baseText: base.text,
      baseValues: parseEnv(base.text, base.path).values,
      iters,
      iter,
      path,
      text,
      values: parsed.values,
    },
    problems,
  };
}
