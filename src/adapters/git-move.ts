/**
 * Moves the branch with its work tree and index from one commit to another, so that a kill at any point is mended by
 * the next pass: what is about to move is written down first, and only then do files, index and branch follow.
 */
import { existsSync, lstatSync, readFileSync, rmSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import { blobId, headOf, type Repo } from './git.ts';
import { forgetMove, type Move, notedMoves, noteMove } from './git-move-note.ts';
import { dirtyPaths } from './git-read.ts';
import { gitFailed, gitText, runGit } from './git-run.ts';

/** Problems: `git-dirty-path` (a local edit stands in the way; nothing moved), `git-index-locked`, `git-moved` (HEAD is no longer `from`). */
export async function moveHead(repo: Repo, move: { from: string; to: string; why: string }): Promise<Result<void>> {
  if (move.from === move.to) return ok(undefined);
  const paths = await pathsBetween(repo, move.from, move.to);
  if (!paths.ok) return paths;
  const inTheWay = paths.value.find((path) => path.status === 'A' && !sameAsTarget(repo, path));
  if (inTheWay !== undefined) return fail(dirtyPath(inTheWay.path));

  noteMove(repo, move);
  const read = await readTreeInto(repo, move.from, move.to);
  if (!read.ok) {
    // What it wrote before it failed (a full disk, a time-out) must not be taken for somebody's edit.
    const healed = await healMove(repo);
    if (!healed.ok || read.problem.code !== 'git-failed') return read;
    return fail(
      await nameDirtyPath(
        repo,
        paths.value.map((each) => each.path),
        read.problem,
      ),
    );
  }
  return arrive(repo, move);
}

/**
 * `moveHead` for paths that are known to hold what `from` says (`asTracked`, in the index too) and that `to` has: only they
 * are looked at, however large the tree. The same note is written first, so that a kill is mended the same way.
 */
export async function advanceHead(
  repo: Repo,
  move: { from: string; to: string; why: string },
  paths: string[],
): Promise<Result<void>> {
  noteMove(repo, move);
  const followed = await unlocked(repo, {
    cwd: repo.root,
    args: ['checkout', '-q', '--no-recurse-submodules', move.to, '--', ...paths],
  });
  if (followed.ok) return arrive(repo, move);
  await healMove(repo);
  return followed;
}

/**
 * The same by a two-tree read, which looks into the index itself: right for a small one. `refused`: the index holds something
 * else for one of the paths; nothing moved.
 */
export async function followHead(
  repo: Repo,
  move: { from: string; to: string; why: string },
): Promise<Result<void> | 'refused'> {
  noteMove(repo, move);
  const read = await readTreeInto(repo, move.from, move.to);
  if (!read.ok) {
    // What it wrote before it failed (a full disk, a time-out) must not be taken for somebody's edit.
    const healed = await healMove(repo);
    return healed.ok && read.problem.code === 'git-failed' ? 'refused' : read;
  }
  return arrive(repo, move);
}

/** The branch follows its files; where it cannot, they go back. */
async function arrive(repo: Repo, move: { from: string; to: string; why: string }): Promise<Result<void>> {
  const updated = await updateBranch(repo, move);
  if (updated.ok) forgetMove(repo, move);
  else await healMove(repo);
  return updated;
}

const SMALL_INDEX_BYTES = 256 * 1024;

/** Whether reading two whole trees costs less than asking for a few paths: up to some 2500 files. */
export function hasSmallIndex(repo: Repo): boolean {
  const stat = lstatSync(join(repo.gitDir, 'index'), { throwIfNoEntry: false });
  return stat !== undefined && stat.size < SMALL_INDEX_BYTES;
}

/** Blob ids of some paths at HEAD and in the index; a path that one of them lacks is absent there. */
export type Seen = { head: string; tracked: ReadonlyMap<string, string>; staged: ReadonlyMap<string, string> };

/** What git knows of these paths, in one process. `head` is empty where HEAD names no commit. */
export async function stagedAndTracked(repo: Repo, paths: readonly string[]): Promise<Result<Seen>> {
  const asked = ['HEAD^{commit}', ...paths.flatMap((path) => [`HEAD:${path}`, `:0:${path}`])];
  const args = ['cat-file', '--batch-check=%(objecttype) %(objectname)'];
  const answer = await gitText({ cwd: repo.root, args, input: `${asked.join('\n')}\n` });
  if (!answer.ok) return answer;
  const lines = answer.value.split('\n');
  const idOf = (at: number, type: string) => {
    const [found = '', id = ''] = (lines[at] ?? '').split(' ');
    return found === type ? id : undefined;
  };
  const tracked = new Map<string, string>();
  const staged = new Map<string, string>();
  for (const [n, path] of paths.entries()) {
    // A folder of that name counts as something else: it never equals what the index has.
    const there = idOf(1 + 2 * n, 'blob') ?? idOf(1 + 2 * n, 'tree');
    const here = idOf(2 + 2 * n, 'blob');
    if (there !== undefined) tracked.set(path, there);
    if (here !== undefined) staged.set(path, here);
  }
  return ok({ head: idOf(0, 'commit') ?? '', tracked, staged });
}

/**
 * Whether a path is surely as HEAD has it, in the index and byte for byte on disk. False is no verdict: a filter, a mode or
 * a link may be the reason, and git must be asked.
 */
export function asTracked(repo: Repo, path: string, seen: Seen): boolean {
  const wanted = seen.tracked.get(path);
  if (seen.staged.get(path) !== wanted || behind(repo, path, ['link', 'file'])) return false;
  const full = join(repo.root, path);
  if (wanted === undefined) return kindOnDisk(full) === 'absent';
  const stat = lstatSync(full, { throwIfNoEntry: false });
  return stat?.isFile() === true && (stat.mode & 0o111) === 0 && diskBlob(repo, path) === wanted;
}

/**
 * Finishes or takes back a move that was cut off: each of its paths that holds the old or the new content, in index and
 * work tree, is set to what HEAD says; any other content is somebody's edit and stays. Returns the paths it mended.
 */
export async function healMove(repo: Repo): Promise<Result<string[]>> {
  const mended: string[] = [];
  for (const move of notedMoves(repo)) {
    const healed = await heal(repo, move);
    if (!healed.ok) return healed;
    mended.push(...healed.value);
    forgetMove(repo, move);
  }
  return ok(mended);
}

async function heal(repo: Repo, move: Move): Promise<Result<string[]>> {
  const [head, paths] = [await headOf(repo), await pathsBetween(repo, move.from, move.to)];
  if (!head.ok) return head;
  // Without those commits (a fresh `gc`, a torn file) there is nothing to compare with: leave everything as it is.
  if (!paths.ok || head.value === null) return ok([]);
  const index = await indexBlobs(
    repo,
    paths.value.map((each) => each.path),
  );
  if (!index.ok) return index;
  const at = await blobsAt(
    repo,
    head.value,
    paths.value.map((each) => each.path),
  );
  if (!at.ok) return at;
  const mend = paths.value.filter((each) => {
    const staged = index.value.get(each.path) ?? null;
    const onDisk = diskBlob(repo, each.path);
    const wanted = at.value.get(each.path) ?? null;
    const either = (blob: string | null) => blob === each.fromBlob || blob === each.toBlob;
    return either(staged) && either(onDisk) && (staged !== wanted || onDisk !== wanted);
  });
  const mended = await setToHead(
    repo,
    mend.map((each) => each.path),
    at.value,
  );
  if (!mended.ok) return mended;
  return ok(mend.map((each) => each.path));
}

/** The problem for a local edit that stands in the way. */
export function dirtyPath(path: string): Problem {
  return {
    code: 'git-dirty-path',
    message: `${path}: has uncommitted changes, want it as committed (mmfleet writes this path)`,
    hint: `commit them, or git checkout HEAD -- ${path}`,
    retry: 'stalled',
    file: path,
  };
}

export type Moved = { status: string; path: string; fromBlob: string | null; toBlob: string | null; mode: string };

/** What differs between two commits, by path. */
export async function pathsBetween(repo: Repo, from: string, to: string): Promise<Result<Moved[]>> {
  const diff = await gitText({
    cwd: repo.root,
    args: ['diff-tree', '-r', '-z', '--no-renames', '--no-abbrev', from, to],
  });
  if (!diff.ok) return diff;
  const words = diff.value.split('\0');
  const moved: Moved[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    const match = /^:\d+ (\d+) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])/.exec(words[i]!);
    if (match === null) continue;
    const blob = (id: string) => (/^0+$/.test(id) ? null : id);
    moved.push({
      mode: match[1]!,
      fromBlob: blob(match[2]!),
      toBlob: blob(match[3]!),
      status: match[4]!,
      path: words[i + 1]!,
    });
  }
  return ok(moved);
}

const LOCK_TRIES = 8;
const LOCK_WAIT_MS = 120;

/** Two-tree read: a person's staged and unstaged edits of other paths are carried over, of these paths they refuse it. */
const readTreeInto = (repo: Repo, from: string, to: string): Promise<Result<void>> =>
  unlocked(repo, { cwd: repo.root, args: ['read-tree', '-m', '-u', from, to] });

/** Runs what writes the index, a few times while another git holds its lock. Problem: `git-index-locked`. */
async function unlocked(repo: Repo, run: { cwd: string; args: string[] }): Promise<Result<void>> {
  let refreshed = false;
  for (let tries = 1; ; tries++) {
    const end = await runGit({ ...run, silent: true });
    if (end.code === 0) return ok(undefined);
    if (!existsSync(join(repo.gitDir, 'index.lock'))) {
      if (refreshed) return fail(gitFailed(run, end));
      // A file that was written again with the same text looks edited until the index has looked at it.
      await runGit({ cwd: repo.root, args: ['update-index', '-q', '--refresh'], silent: true });
      refreshed = true;
      continue;
    }
    if (tries === LOCK_TRIES) {
      return fail({
        code: 'git-index-locked',
        message: `${join(repo.gitDir, 'index.lock')} is held by another git process`,
        hint: 'wait for it; if no git is running, remove that file',
        retry: 'backoff',
      });
    }
    await wait(LOCK_WAIT_MS);
  }
}

async function updateBranch(repo: Repo, move: { from: string; to: string; why: string }): Promise<Result<void>> {
  const args = ['update-ref', '-m', `mmfleet: ${move.why}`, 'HEAD', move.to, move.from];
  const end = await runGit({ cwd: repo.root, args, silent: true });
  if (end.code === 0) return ok(undefined);
  return fail({
    code: 'git-moved',
    message: 'the branch moved while mmfleet was committing; nothing was committed',
    hint: 'run it again',
    retry: 'backoff',
  });
}

async function nameDirtyPath(repo: Repo, paths: string[], otherwise: Problem): Promise<Problem> {
  const dirty = await dirtyPaths(repo, paths);
  const first = dirty.ok ? dirty.value[0] : undefined;
  return first === undefined ? otherwise : dirtyPath(first.path);
}

/** A new path must not lie there already with other content, ignored or not, nor behind a link. */
function sameAsTarget(repo: Repo, path: Moved): boolean {
  if (behind(repo, path.path, ['link'])) return false;
  if (kindOnDisk(join(repo.root, path.path)) === 'absent') return true;
  return diskBlob(repo, path.path) === path.toBlob;
}

/** undefined: nothing is there, or a file stands where one of its folders would be. */
function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Whether one of the folders above a path is no folder but one of these. */
function behind(repo: Repo, path: string, kinds: ReturnType<typeof kindOnDisk>[]): boolean {
  for (let folder = dirname(path); folder !== '.'; folder = dirname(folder))
    if (kinds.includes(kindOnDisk(join(repo.root, folder)))) return true;
  return false;
}

function kindOnDisk(path: string): 'absent' | 'link' | 'file' | 'other' {
  const stat = statOf(path);
  if (stat === undefined) return 'absent';
  return stat.isSymbolicLink() ? 'link' : stat.isFile() ? 'file' : 'other';
}

function diskBlob(repo: Repo, path: string): string | null {
  if (kindOnDisk(join(repo.root, path)) !== 'file') return null;
  return blobId(readFileSync(join(repo.root, path)), repo.objectFormat);
}

async function indexBlobs(repo: Repo, paths: string[]): Promise<Result<Map<string, string>>> {
  if (paths.length === 0) return ok(new Map());
  const listed = await gitText({ cwd: repo.root, args: ['ls-files', '-s', '-z', '--', ...paths] });
  return listed.ok ? ok(blobsOf(listed.value, /^\d+ ([0-9a-f]+) \d\t([\s\S]+)$/)) : listed;
}

/** Blob ids of some paths at a revision; a path it lacks is absent. */
export async function blobsAt(repo: Repo, revision: string, paths: string[]): Promise<Result<Map<string, string>>> {
  if (paths.length === 0) return ok(new Map());
  const listed = await gitText({ cwd: repo.root, args: ['ls-tree', '-z', '--full-tree', revision, '--', ...paths] });
  return listed.ok ? ok(blobsOf(listed.value, /^\d+ blob ([0-9a-f]+)\t([\s\S]+)$/)) : listed;
}

function blobsOf(text: string, form: RegExp): Map<string, string> {
  const matches = text.split('\0').map((line) => form.exec(line));
  return new Map(matches.flatMap((match) => (match === null ? [] : [[match[2]!, match[1]!] as const])));
}

async function setToHead(repo: Repo, paths: string[], at: Map<string, string>): Promise<Result<void>> {
  const present = paths.filter((path) => at.has(path));
  const absent = paths.filter((path) => !at.has(path));
  if (present.length > 0) {
    const run = await gitText({ cwd: repo.root, args: ['checkout', '-q', '-f', 'HEAD', '--', ...present] });
    if (!run.ok) return run;
  }
  if (absent.length > 0) {
    const run = await gitText({
      cwd: repo.root,
      args: ['rm', '-q', '-f', '--cached', '--ignore-unmatch', '--', ...absent],
    });
    if (!run.ok) return run;
    for (const path of absent) rmSync(join(repo.root, path), { force: true });
  }
  return ok(undefined);
}
