/**
 * Keeps a clone quick that gets commits for years: small packs joined, loose objects packed, a commit-graph with the paths
 * that each commit changed. Nothing waits for it and nothing depends on it; a person's configuration stays as it is.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Repo } from './git.ts';

/** Whether enough has gathered to be worth it. A few folders are listed; no process. */
export function needsMaintenance(repo: Pick<Repo, 'gitDir'>): boolean {
  const objects = objectsOf(repo);
  const packs = namesIn(join(objects, 'pack')).filter((name) => name.endsWith('.pack')).length;
  // Objects spread evenly over 256 folders: one of them tells of all, as for git's own count.
  return packs >= PACKS || namesIn(join(objects, '17')).length >= LOOSE_IN_ONE || looseRefs(repo) > LOOSE_REFS;
}

/**
 * Does it, in bounded time. Small packs are joined to ones that at least double, so that what is written again over the years
 * stays a small multiple of what there is; git's own incremental task would join two of fifty. What went wrong, for a log;
 * null: it is done, or somebody else is at work in this clone.
 */
export async function maintain(repo: Pick<Repo, 'root' | 'gitDir'>, signal: AbortSignal): Promise<string | null> {
  const busy = [
    join(repo.gitDir, 'index.lock'),
    join(repo.gitDir, 'gc.pid'),
    join(objectsOf(repo), 'maintenance.lock'),
  ];
  if (signal.aborted || busy.some(isFresh)) return null;
  try {
    // A second of processes, once in fifty passes: here its time-out and its abort count, not what it costs.
    const git = await gitOf(repo, signal);
    await git.raw(['repack', '--quiet', '-d', '--geometric=2']);
    await git.raw(['commit-graph', 'write', '--reachable', '--changed-paths', '--split', '--no-progress']);
    if (looseRefs(repo) > LOOSE_REFS) await git.raw(['pack-refs', '--all']);
    return null;
  } catch (error) {
    return signal.aborted ? null : (String(error).split('\n')[0] ?? 'it failed');
  }
}

/** Loads what that takes: a daemon holds it from its start on, and not half a MiB more on a later day. Never throws. */
export async function readyToMaintain(repo: Pick<Repo, 'root'>): Promise<void> {
  await gitOf(repo, new AbortController().signal).catch(() => undefined);
}

async function gitOf({ root }: Pick<Repo, 'root'>, signal: AbortSignal) {
  const { simpleGit } = await import('simple-git');
  const options = { baseDir: root, config: QUIET, abort: signal, timeout: { block: SILENT_MS } };
  return simpleGit(options).env(environment());
}

/** Each pass that commits leaves a pack; a git command looks into every one of them. */
const PACKS = 50;
const LOOSE_IN_ONE = 12;
const LOOSE_REFS = 100;
const SILENT_MS = 60_000;
const STALE_LOCK_MS = 24 * 3_600_000;

const QUIET = ['gc.auto=0', 'maintenance.auto=false', 'commit.gpgSign=false'];

/** Objects of a linked work tree lie with the others. */
function objectsOf({ gitDir }: Pick<Repo, 'gitDir'>): string {
  const own = join(gitDir, 'objects');
  return existsSync(own) ? own : join(gitDir, '..', '..', 'objects');
}

function looseRefs({ gitDir }: Pick<Repo, 'gitDir'>): number {
  return namesIn(join(gitDir, 'refs'), true).length;
}

function namesIn(folder: string, recursive = false): string[] {
  try {
    return readdirSync(folder, { recursive, encoding: 'utf8' });
  } catch {
    return [];
  }
}

/** A lock that is there and was not left behind by one that was killed long ago. */
function isFresh(lock: string): boolean {
  const stat = statSync(lock, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs < STALE_LOCK_MS;
}

/** Without whatever would point git at another repository, e.g. when a hook started us. */
function environment(): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: 'C' };
  for (const name of ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'USERPROFILE', 'SYSTEMROOT']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}
