/** Desired state at revisions and in the working tree: what is listed by git, read once, and kept for the next command. */
import type { Repo } from '../adapters/git.ts';
import { listTree, readBlobs, readWorktree, treeChanges } from '../adapters/git-read.ts';
import { itersByBase, parseIterName } from '../core/env/iter.ts';
import { fail, ok, type Result } from '../core/problem.ts';
import { BUILD } from './build-id.ts';
import { type Desired, desiredEnv, isTextPath, LINK_MODE, type Memory, type TreeFile } from './desired.ts';
import type { ReadDesired } from './read-desired.ts';
import { type KeptTree, type ListedFile, treeCache } from './tree-cache.ts';
import { groupOf, TreeTexts } from './tree-texts.ts';

export type Trees = {
  /** Desired state at a revision; what has not changed is not read again. */
  at(revision: string): Promise<Result<Desired>>;
  inWorktree(): Promise<Result<ReadDesired>>;
  /** Keeps what was read for the next command. */
  keep(desired: Desired): void;
};

export type TreeOptions = {
  /** Every text is read before anything is done: for commands that act, whose reads may not fail half-way. */
  whole: boolean;
  /** The program's build; null: nothing is kept between commands. */
  build?: string | null;
};

/** `stateDir`: `.mmfleet`. */
export function openTrees(repo: Repo, stateDir: string, options: TreeOptions): Trees {
  const build = options.build === undefined ? BUILD : options.build;
  const cache = build === null ? null : treeCache(stateDir, build);
  const texts = new TreeTexts(repo);
  let last: { desired: Desired; files: readonly ListedFile[] } | null = null;
  let kept: KeptTree | null | undefined;
  const stored = () => {
    if (kept === undefined) kept = cache === null ? null : cache.read();
    return kept;
  };

  const at = async (revision: string): Promise<Result<Desired>> => {
    if (last?.desired.revision === revision) return ok(last.desired);
    const before = stored();
    const same = before?.revision === revision ? before : null;
    const listed =
      same === null
        ? await list(
            repo,
            revision,
            last === null ? before : { revision: last.desired.revision ?? revision, files: last.files },
          )
        : ok(same.files);
    if (!listed.ok) return listed;
    const files = texts.turnTo(listed.value);
    const memory = last?.desired.memory ?? before?.memory;
    const wanted = options.whole ? files.filter((f) => f.kind === 'text') : same?.whole ? [] : needed(files, memory);
    const missing = wanted.filter(({ blob }) => !texts.has(blob));
    const read = await readBlobs(repo, [...new Set(missing.map((f) => f.blob))]);
    if (!read.ok) return read;
    texts.keep(missing, read.value);
    const desired =
      same !== null && same.whole !== null
        ? asKept(same, same.whole, files)
        : withoutPlaces((await import('./read-desired.ts')).readDesired(files, revision, memory));
    last = { desired, files };
    texts.forget();
    return ok(desired);
  };

  return {
    at,
    async inWorktree() {
      const files = await readWorktree(repo, isTextPath);
      if (!files.ok) return files;
      const tree = files.value.map((f) => ({ ...f, link: f.mode === LINK_MODE }));
      const { readDesired } = await import('./read-desired.ts');
      return ok(readDesired(tree, null, last?.desired.memory ?? stored()?.memory));
    },
    keep(desired) {
      const { revision, memory, fleet, fleetBlob, holds } = desired;
      if (cache === null || revision === null || last?.desired.revision !== revision || stored()?.revision === revision)
        return;
      const whole = fleet === null || !isAllKnown(desired) ? null : { fleet, fleetBlob, holds };
      kept = { revision, files: last.files, memory, whole };
      cache.write(kept);
    },
  };
}

/** What tells where a spec says something holds on to every document that was read. */
function withoutPlaces({ place: _, ...desired }: ReadDesired): Desired {
  return desired;
}

const TEXT_LIMIT_FILES = 200_000;

/** Files of a revision in git's order; of one that was listed `before` only what has changed since is asked for. */
async function list(
  repo: Repo,
  revision: string,
  before: { revision: string; files: readonly ListedFile[] } | null,
): Promise<Result<readonly ListedFile[]>> {
  const changes = before === null ? null : await treeChanges(repo, before.revision, revision);
  if (before !== null && changes?.ok === true) {
    const files = changed(before.files, changes.value);
    if (files !== null && files.length <= TEXT_LIMIT_FILES) return ok(files);
  }
  return listWhole(repo, revision);
}

/** null: git's order of the new paths is not that of their texts. */
function changed(
  files: readonly ListedFile[],
  changes: ReadonlyMap<string, { blob: string; mode: string } | null>,
): readonly ListedFile[] | null {
  if (changes.size === 0) return files;
  const added: ListedFile[] = [];
  for (const [path, file] of changes) if (file !== null) added.push(listedFile({ ...file, path }));
  if (added.some(({ path }) => !PLAIN.test(path))) return null;
  added.sort((a, b) => (a.path < b.path ? 1 : -1));
  const now: ListedFile[] = [];
  for (const file of files) {
    while (added.length > 0 && added.at(-1)!.path < file.path) now.push(added.pop()!);
    if (!changes.has(file.path)) now.push(file);
  }
  while (added.length > 0) now.push(added.pop()!);
  return now;
}

/** Compared by their characters or by their bytes these come in one order, and before all others. */
const PLAIN = /^[ -~]*$/;

function listedFile({ path, blob, mode }: { path: string; blob: string; mode: string }): ListedFile {
  return { path, blob, kind: mode === LINK_MODE ? 'link' : isTextPath(path) ? 'text' : 'rest' };
}

async function listWhole(repo: Repo, revision: string): Promise<Result<ListedFile[]>> {
  const listed = await listTree(repo, revision, '');
  if (!listed.ok) return listed;
  if (listed.value.length > TEXT_LIMIT_FILES) {
    return fail({
      code: 'git-too-many-files',
      message: `${listed.value.length} tracked files, want at most ${TEXT_LIMIT_FILES}`,
      retry: 'stalled',
    });
  }
  return ok(listed.value.map(listedFile));
}

/** What has to be read to say what is desired: specs, holds and the envs that may run, unless they are known. */
function needed(files: readonly ListedFile[], memory: Memory | undefined): ListedFile[] {
  let newest: ReturnType<typeof itersByBase> | null = null;
  return files.filter(({ path, blob, kind }) => {
    const known = memory?.specs.files.get(path) ?? memory?.envs.get(path);
    if (kind !== 'text' || known?.blob === blob || groupOf(path) === 'records') return false;
    const iter = parseIterName(path);
    if (iter === null) return true;
    newest ??= itersByBase(files.map((f) => f.path));
    return newest.get(iter.basePath)?.at(-1) === iter.iter;
  });
}

/** Nothing is wrong, and every instance is remembered: one in the file of the fleet, say, is read each time. */
function isAllKnown({ problems, instances, memory }: Desired): boolean {
  const known = new Set([...memory.specs.files.values()].flatMap((file) => file.instances));
  return problems.length === 0 && instances.every(({ spec }) => spec !== null && known.has(spec));
}

/** The same as reading a tree of which all is known. */
function asKept(
  { revision, memory }: KeptTree,
  whole: NonNullable<KeptTree['whole']>,
  tree: readonly TreeFile[],
): Desired {
  const files = new Map(tree.filter((f) => f.link !== true).map((f) => [f.path, f]));
  const iters = itersByBase(files.keys());
  const clean = (path: string) => {
    const known = memory.envs.get(path);
    return known === undefined ? undefined : { values: known.values, problems: [] };
  };
  const instances = [...memory.specs.files.values()].flatMap(({ blob, instances: declared }) =>
    declared.map((spec) => {
      const { env } = desiredEnv(files, spec, iters.get(spec.baseEnv) ?? [], clean);
      return { name: spec.name, file: spec.file, specBlob: blob, spec, env, problems: [] };
    }),
  );
  instances.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { revision, ...whole, instances, files, problems: [], memory };
}
