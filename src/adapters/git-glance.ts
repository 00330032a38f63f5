/** Where HEAD and our own refs stand, read from git's own files without a process. */
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Refs, Repo } from './git.ts';

export type Glance = { branch: string; head: string };

/** null: ask git (a detached HEAD, a merge in progress, another way to store refs). */
export function glance(repo: Pick<Repo, 'gitDir'>): Glance | null {
  const { gitDir } = repo;
  if (IN_PROGRESS.some(([file]) => existsSync(join(gitDir, file)))) return null;
  const branch = /^ref: refs\/heads\/(\S+)\n$/.exec(textOf(join(gitDir, 'HEAD')))?.[1];
  if (branch === undefined || branch.split('/').includes('..')) return null;
  const dir = commonDir(gitDir);
  const loose = join(dir, 'refs/heads', branch);
  // Git packs all refs when it is tidied up: then a branch that gets no commit stays so for days.
  const head = existsSync(loose) ? textOf(loose).trimEnd() : packedCommit(dir, `refs/heads/${branch}`);
  return COMMIT.test(head) ? { branch, head } : null;
}

/** Empty where a ref is not packed, or is called in another script. */
function packedCommit(dir: string, name: string): string {
  if (!PLAIN_NAME.test(name)) return '';
  const line = textOf(join(dir, 'packed-refs'))
    .split('\n')
    .find((each) => each.endsWith(` ${name}`));
  return line?.split(' ')[0] ?? '';
}

const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/** The same with our own refs, in the order of their names. null: ask git. */
export function glanceRefs(repo: Pick<Repo, 'gitDir'>): Refs | null {
  const at = glance(repo);
  if (at === null) return null;
  const dir = commonDir(repo.gitDir);
  try {
    // Loose ones first: one that is packed in between is then met twice, and not never.
    const loose = looseRefs(dir, OWN);
    const packed = packedRefs(dir, OWN);
    if (loose === null || packed === null) return null;
    const own = new Map([...packed, ...loose]);
    return { ...at, own: new Map([...own].sort(([a], [b]) => (a < b ? -1 : 1))) };
  } catch {
    return null; // it went in between, or is not ours to read
  }
}

const OWN = 'refs/mmfleet';

/** By full name; null: one of them is none that is simply written down. */
function looseRefs(dir: string, folder: string): Map<string, string> | null {
  const refs = new Map<string, string>();
  if (!existsSync(join(dir, folder))) return refs;
  const pending = [folder];
  for (const name of pending) {
    for (const entry of readdirSync(join(dir, name), { withFileTypes: true })) {
      const full = `${name}/${entry.name}`;
      if (entry.name.endsWith('.lock')) continue;
      const commit = entry.isFile() ? textOf(join(dir, full)).trimEnd() : '';
      if (entry.isDirectory()) pending.push(full);
      else if (COMMIT.test(commit) && PLAIN_NAME.test(full)) refs.set(full, commit);
      else return null;
    }
  }
  return refs;
}

/** Compared by their characters or by their bytes these come in one order. */
const PLAIN_NAME = /^[\w./-]+$/;

/** The same of those that are packed; each line is an id and a name. */
function packedRefs(dir: string, folder: string): Map<string, string> | null {
  const refs = new Map<string, string>();
  if (!existsSync(join(dir, 'packed-refs'))) return refs;
  const text = textOf(join(dir, 'packed-refs'));
  if (!text.includes(` ${folder}/`)) return text === '' ? null : refs;
  for (const line of text.split('\n')) {
    const [commit = '', name = ''] = line.split(' ');
    if (!name.startsWith(`${folder}/`)) continue;
    if (!COMMIT.test(commit) || !PLAIN_NAME.test(name)) return null;
    refs.set(name, commit);
  }
  return refs;
}

/** A linked work tree has a HEAD of its own; branches are with the others. */
function commonDir(gitDir: string): string {
  const common = textOf(join(gitDir, 'commondir')).trimEnd();
  return common === '' ? gitDir : join(gitDir, common);
}

/**
 * The commit at HEAD of the clone whose work tree is this very folder. null: ask git, which knows every kind: one that is found
 * further up, linked, bare, shallow, somebody else's, or set up in any way that is not the plainest.
 */
export function glanceInto(dir: string): string | null {
  const gitDir = join(dir, '.git');
  if (!isOwnFolder(dir, statSync) || !isOwnFolder(gitDir, lstatSync)) return null;
  if (!['objects', 'refs'].every((name) => existsSync(join(gitDir, name)))) return null;
  if (['commondir', 'shallow'].some((name) => existsSync(join(gitDir, name)))) return null;
  const config = textOf(join(gitDir, 'config'));
  if (!/^\s*repositoryformatversion\s*=\s*0$/m.test(config) || UNUSUAL.test(config)) return null;
  return glance({ gitDir })?.head ?? null;
}

/** Files that stand in the git directory while something is under way, and its name. */
export const IN_PROGRESS: readonly [string, string][] = [
  ['MERGE_HEAD', 'merge'],
  ['rebase-merge', 'rebase'],
  ['rebase-apply', 'rebase'],
  ['CHERRY_PICK_HEAD', 'cherry-pick'],
  ['REVERT_HEAD', 'revert'],
  ['BISECT_LOG', 'bisect'],
];

/** Settings that may say that the work tree is elsewhere, or that there is none. */
const UNUSUAL = /worktree|extensions|\bbare\b(?! = false$)/im;

/** Git refuses what another user could have put there. */
function isOwnFolder(path: string, stat: typeof lstatSync): boolean {
  const found = stat(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.geteuid?.();
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
