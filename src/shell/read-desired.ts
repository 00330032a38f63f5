/** A tree's files -> desired state. Pure. */
import { type CheckedEnv, checkEnv, checkedBefore } from '../core/env/checked.ts';
import { itersByBase } from '../core/env/iter.ts';
import type { Problem } from '../core/problem.ts';
import { checkFleet } from '../core/spec/check.ts';
import { parseSpecs } from '../core/spec/parse.ts';
import { parseHolds } from '../core/trail/holds-file.ts';
import type { EnvValues } from '../core/tuning/types.ts';
import {
  type Desired,
  type DesiredInstance,
  desiredEnv,
  HOLDS_PATH,
  isSpecPath,
  type Memory,
  type TreeFile,
} from './desired.ts';

/** `place`: where an instance's spec says something, or where it would. */
export type ReadDesired = Desired & { place(instance: string, path: readonly string[]): Partial<Problem> };

/** Reads a tree; every problem of every file in one run, and one bad instance never hides the others. */
export function readDesired(tree: readonly TreeFile[], revision: string | null, memory?: Memory): ReadDesired {
  const plain = tree.filter((f) => f.link !== true);
  const files = new Map(plain.map((f) => [f.path, f]));
  const parsed = parseSpecs(
    tree.filter((f) => isSpecPath(f.path)),
    memory?.specs,
  );
  const envs = envReader(files, memory);
  const holds =
    tree.length > plain.length && tree.some((f) => f.link === true && f.path === HOLDS_PATH)
      ? { holds: [], problems: [linkedHolds()] }
      : holdsIn(files.get(HOLDS_PATH), memory);
  const cross = checkFleet({
    fleet: parsed.fleet,
    instances: parsed.instances,
    envOf: envs.of,
    trackedPaths: new Set(tree.map((f) => f.path)),
    place: parsed.place,
  });
  const problems = [...parsed.problems, ...holds.problems, ...cross];
  const errors = new Map<string, Problem[]>();
  for (const problem of problems) {
    if (problem.severity === 'warning' || problem.instance === undefined) continue;
    const known = errors.get(problem.instance);
    if (known === undefined) errors.set(problem.instance, [problem]);
    else known.push(problem);
  }
  const iters = itersByBase(files.keys());
  const instances = parsed.instances.map((spec): DesiredInstance => {
    const { env, problems: found } = desiredEnv(files, spec, iters.get(spec.baseEnv) ?? [], envs.of);
    // What cannot be read of the holds may hold any of them.
    const own = [...(errors.get(spec.name) ?? []), ...found.filter((p) => p.severity !== 'warning'), ...holds.problems];
    problems.push(...found);
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
    memory: {
      specs: parsed.memory,
      envs: envs.clean,
      ...(holds.problems.length > 0 ? {} : { holds: { blob: files.get(HOLDS_PATH)?.blob ?? '', holds: holds.holds } }),
    },
  };
}

/** Read once: most commits touch no hold. */
function holdsIn(file: TreeFile | undefined, memory: Memory | undefined): ReturnType<typeof parseHolds> {
  const known = memory?.holds;
  if (file !== undefined && file.blob !== '' && known?.blob === file.blob) return { holds: known.holds, problems: [] };
  return parseHolds(file?.text ?? '', HOLDS_PATH);
}

/** Each env file is read once, and not at all while `memory` knows it. */
function envReader(files: ReadonlyMap<string, TreeFile>, memory: Memory | undefined) {
  const read = new Map<string, CheckedEnv>();
  const clean = new Map<string, { blob: string; values: EnvValues }>();
  const of = (path: string): CheckedEnv | undefined => {
    const file = files.get(path);
    if (file === undefined) return undefined;
    const known = read.get(path) ?? remembered(file, memory?.envs.get(path)) ?? checkEnv(file.text, path);
    read.set(path, known);
    if (known.problems.length === 0 && file.blob !== '') clean.set(path, { blob: file.blob, values: known.values });
    return known;
  };
  return { of, clean };
}

function remembered(file: TreeFile, known: { blob: string; values: EnvValues } | undefined): CheckedEnv | undefined {
  if (known === undefined || known.blob !== file.blob || file.blob === '') return undefined;
  return checkedBefore(known.values, file.path, () => file.text);
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
