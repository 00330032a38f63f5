/** The trail out of `git log`, in one process. */
import { fail, ok, type Result } from '../core/problem.ts';
import { LOG_FORMAT, trailParser } from '../core/trail/parse.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import type { Repo } from './git.ts';
import { gitFailed, runGit } from './git-run.ts';

export type TrailLog = {
  /** Newest first: no commit stands below one of its parents. */
  entries: TrailEntry[];
  /** true: the whole history. false: what comes before the entries of `since`, in the order that the whole would have. */
  whole: boolean;
};

/**
 * Commits of `until` (default HEAD) that are not in `since` (a commit id: the last one seen; absent = all). Where they are no straight line
 * down to `since`, the whole is read: below a merge the order of the older ones may change too. No path filter: it would
 * simplify history away and costs seconds in a wide folder; files outside `under` are dropped while reading.
 */
export async function readLog(
  repo: Pick<Repo, 'root'>,
  options: { since?: string; until?: string; under: string; ourEmail: string },
): Promise<Result<TrailLog>> {
  const { since, until = 'HEAD' } = options;
  if (since !== undefined && since === until) return ok({ entries: [], whole: false });
  if (since !== undefined) {
    const newer = await readNewer(repo, { ...options, since, until });
    if (newer !== null) return ok({ entries: newer, whole: false });
  }
  const all = await logOf(repo, until, options);
  return all.ok ? ok({ entries: all.value, whole: true }) : all;
}

/** The same for a straight line alone: null where the commits of `until` are none down to `since`, or cannot be read. */
export async function readNewer(
  repo: Pick<Repo, 'root'>,
  options: { since: string; until: string; under: string; ourEmail: string },
): Promise<TrailEntry[] | null> {
  const newer = await logOf(repo, `${options.since}..${options.until}`, options);
  return newer.ok && isLineDownTo(options.since, newer.value) ? newer.value : null;
}

const LOG_TIMEOUT_MS = 180_000;

function isLineDownTo(since: string, entries: readonly TrailEntry[]): boolean {
  const below = (i: number) => entries[i + 1]?.commit ?? since;
  return entries.length > 0 && entries.every((e, i) => e.parents.length === 1 && e.parents[0] === below(i));
}

async function logOf(
  repo: Pick<Repo, 'root'>,
  range: string,
  options: { under: string; ourEmail: string },
): Promise<Result<TrailEntry[]>> {
  const parser = trailParser(options);
  // No setting of this clone may change what is read: it is kept, and told again where the setting is gone.
  const fixed = ['-c', 'log.showRoot=true', 'log', '-O/dev/null', '-z', '--topo-order', '--diff-merges=combined'];
  const args = [...fixed, '--no-renames', '--name-status', '--no-color'];
  const form = ['--no-show-signature', '--no-notes', '--no-mailmap', '--encoding=UTF-8', `--format=${LOG_FORMAT}`];
  const run = {
    cwd: repo.root,
    args: [...args, ...form, '--end-of-options', range, '--'],
    env: { GIT_NO_REPLACE_OBJECTS: '1' },
    timeoutMs: LOG_TIMEOUT_MS,
    onOutput: (chunk: string) => parser.push(chunk),
  };
  const end = await runGit(run);
  return end.code === 0 ? ok(parser.end()) : fail(gitFailed(run, end));
}
