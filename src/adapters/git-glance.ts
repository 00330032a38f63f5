/** Where HEAD stands, read from git's own files without a process. */
import { existsSync, readFileSync } from 'node:fs';
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

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
