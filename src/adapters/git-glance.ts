/** Where HEAD stands, read from git's own files without a process. */
import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { IN_PROGRESS, type Repo } from './git.ts';

export type Glance = { branch: string; head: string };

/** null: ask git (a detached HEAD, a merge in progress, a packed ref, another way to store refs). */
export function glance(repo: Pick<Repo, 'gitDir'>): Glance | null {
  const { gitDir } = repo;
  if (IN_PROGRESS.some(([file]) => existsSync(join(gitDir, file)))) return null;
  const branch = /^ref: refs\/heads\/(\S+)\n$/.exec(textOf(join(gitDir, 'HEAD')))?.[1];
  if (branch === undefined || branch.split('/').includes('..')) return null;
  // A linked work tree has a HEAD of its own; branches are with the others.
  const common = textOf(join(gitDir, 'commondir')).trimEnd();
  const refs = common === '' ? gitDir : join(gitDir, common);
  const head = textOf(join(refs, 'refs/heads', branch)).trimEnd();
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(head) ? { branch, head } : null;
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
