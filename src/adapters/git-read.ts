/** Files of the repository: at a revision, in the work tree, and what differs between the two. */
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ok, type Result } from '../core/problem.ts';
import { blobId, type Repo } from './git.ts';
import { splitBatch } from './git-blobs.ts';
import { gitFailed, gitText, runGit } from './git-run.ts';

/** `mode` as git writes it: `100644`, `100755`, `120000` (a link: `text` is its target). */
export type TreeFile = { path: string; text: string; blob: string; mode: string };

/** Every file under `prefix` (`fleet/`; empty = all) at a revision, in two processes. Submodules are left out. */
export async function readTree(
  repo: Pick<Repo, 'root'>,
  revision: string,
  prefix: string,
): Promise<Result<TreeFile[]>> {
  const listed = await listTree(repo, revision, prefix);
  if (!listed.ok) return listed;
  const texts = await readBlobs(repo, [...new Set(listed.value.map((file) => file.blob))]);
  if (!texts.ok) return texts;
  return ok(listed.value.map((file) => ({ ...file, text: texts.value.get(file.blob) ?? '' })));
}

/** The same without texts: what changed can be told from the blob ids alone. */
export async function listTree(
  repo: Pick<Repo, 'root'>,
  revision: string,
  prefix: string,
): Promise<Result<Omit<TreeFile, 'text'>[]>> {
  const paths = prefix === '' ? [] : ['--', prefix];
  const run = { cwd: repo.root, args: ['ls-tree', '-r', '-z', '--full-tree', revision, ...paths] };
  const done = await runGit(run);
  if (done.code !== 0) return fail(gitFailed(run, done));
  const { stdout } = done;
  const files: Omit<TreeFile, 'text'>[] = [];
  for (const [start, end] of recordsIn(stdout)) {
    const tab = stdout.indexOf(TAB, start);
    const head = stdout.toString('latin1', start, tab);
    if (!/^\d{6} blob [0-9a-f]+$/.test(head)) continue;
    // Each a text of its own: a part cut out of a longer one would keep the whole of it for as long as the part is known.
    const blob = stdout.toString('latin1', start + BLOB_AT, tab);
    files.push({ mode: head.slice(0, 6), blob, path: stdout.toString('utf8', tab + 1, end) });
  }
  return ok(files);
}

/**
 * What two revisions do not have in common, by path: as it is in the second one, null: it is not there. As `listTree` says it,
 * without listing what is the same.
 */
export async function treeChanges(
  repo: Repo,
  from: string,
  to: string,
): Promise<Result<Map<string, Pick<TreeFile, 'blob' | 'mode'> | null>>> {
  const run = {
    cwd: repo.root,
    args: ['diff-tree', '-r', '-z', '--raw', '--no-renames', '--no-abbrev', from, to, '--'],
  };
  const done = await runGit(run);
  if (done.code !== 0) return fail(gitFailed(run, done));
  const { stdout } = done;
  const changes = new Map<string, Pick<TreeFile, 'blob' | 'mode'> | null>();
  const records = [...recordsIn(stdout)];
  for (let i = 0; i + 1 < records.length; i += 2) {
    const [, mode = '', , blob = ''] = stdout.toString('latin1', ...records[i]!).split(' ');
    // Each a text of its own, as in a listing.
    const file = { blob: Buffer.from(blob).toString('latin1'), mode };
    changes.set(stdout.toString('utf8', ...records[i + 1]!), mode === NO_MODE || mode === SUBMODULE ? null : file);
  }
  return ok(changes);
}

const NO_MODE = '000000';
const SUBMODULE = '160000';

const TAB = 9;
/** Behind the mode and the word `blob`. */
const BLOB_AT = 12;

/** Where each record begins and ends; a NUL ends one. */
function* recordsIn(output: Buffer): Generator<[start: number, end: number]> {
  for (let start = 0; start < output.length; ) {
    const found = output.indexOf(0, start);
    const end = found === -1 ? output.length : found;
    yield [start, end];
    start = end + 1;
  }
}

/** Texts of blobs by id, in one process; a missing blob is a problem. */
export async function readBlobs(repo: Pick<Repo, 'root'>, blobs: string[]): Promise<Result<Map<string, string>>> {
  if (blobs.length === 0) return ok(new Map());
  const run = { cwd: repo.root, args: ['cat-file', '--batch'], input: `${blobs.join('\n')}\n` };
  const end = await runGit(run);
  if (end.code !== 0) return fail(gitFailed(run, end));
  return splitBatch(end.stdout, blobs);
}

/** Every path at a revision. */
export async function trackedPaths(repo: Repo, revision: string): Promise<Result<Set<string>>> {
  const listed = await gitText({
    cwd: repo.root,
    args: ['ls-tree', '-r', '-z', '--full-tree', '--name-only', revision],
  });
  return listed.ok ? ok(new Set(listed.value.split('\0').filter((path) => path !== ''))) : listed;
}

/** A path that differs from HEAD; `staged`: in the index, `worktree`: on disk, `untracked`: git does not know it. */
export type DirtyPath = { path: string; how: 'staged' | 'worktree' | 'untracked' };

/** Uncommitted changes under `prefixes` (empty = everywhere), ignored files left out. */
export async function dirtyPaths(repo: Repo, prefixes: string[] = []): Promise<Result<DirtyPath[]>> {
  const args = ['status', '--porcelain=v2', '-z', '--untracked-files=all', '--no-renames', '--', ...prefixes];
  const status = await gitText({ cwd: repo.root, args });
  if (!status.ok) return status;
  const dirty: DirtyPath[] = [];
  for (const record of status.value.split('\0')) {
    const changed = /^1 (.)(.) \S+ \S+ \S+ \S+ \S+ \S+ ([\s\S]+)$/.exec(record);
    if (changed !== null) dirty.push({ path: changed[3]!, how: changed[2] === '.' ? 'staged' : 'worktree' });
    const unmerged = /^u (?:\S+ ){9}([\s\S]+)$/.exec(record);
    if (unmerged !== null) dirty.push({ path: unmerged[1]!, how: 'worktree' });
    if (record.startsWith('? ')) dirty.push({ path: record.slice(2), how: 'untracked' });
  }
  return ok(dirty);
}

const WORKTREE_FILE_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * The files that git tracks or would take, as they lie in the work tree; links without a text, files over 16 MiB left out.
 * Only what `isText` names is read: beside the specs a clone holds journals, and may hold anything.
 */
export async function readWorktree(repo: Repo, isText: (path: string) => boolean): Promise<Result<TreeFile[]>> {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const listed = await gitText({ cwd: repo.root, args });
  if (!listed.ok) return listed;
  const files: TreeFile[] = [];
  for (const path of new Set(listed.value.split('\0'))) {
    try {
      const stat = path === '' ? undefined : lstatSync(join(repo.root, path), { throwIfNoEntry: false });
      if (stat?.isSymbolicLink()) files.push({ path, text: '', blob: '', mode: '120000' });
      else if (stat?.isFile() && !isText(path)) files.push({ path, text: '', blob: '', mode: '100644' });
      else if (stat?.isFile() && stat.size <= WORKTREE_FILE_LIMIT_BYTES) {
        const bytes = readFileSync(join(repo.root, path));
        files.push({ path, text: bytes.toString('utf8'), blob: blobId(bytes, repo.objectFormat), mode: '100644' });
      }
    } catch {
      return fail({ code: 'worktree-unreadable', message: 'the file cannot be read', file: path, retry: 'backoff' });
    }
  }
  return ok(files.sort((a, b) => (a.path < b.path ? -1 : 1)));
}
