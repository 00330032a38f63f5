/** The trail out of `git log`, in one process. */
import { fail, ok, type Result } from '../core/problem.ts';
import { LOG_FORMAT, trailParser } from '../core/trail/parse.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import { isAncestor, type Repo } from './git.ts';
import { gitFailed, runGit } from './git-run.ts';

export type TrailLog = {
  /** Newest first: no commit stands below one of its parents. */
  entries: TrailEntry[];
  /** true: `since` is not in this history (any more); `entries` is then the whole of it. */
  whole: boolean;
};

/**
 * Commits of `until` (default HEAD) that are not in `since` (the last commit seen; absent = all). No path filter: it
 * would simplify history away and costs seconds in a wide folder; files outside `under` are dropped while reading.
 */
export async function readLog(
  repo: Repo,
  options: { since?: string; until?: string; under: string; ourEmail: string },
): Promise<Result<TrailLog>> {
  const until = options.until ?? 'HEAD';
  const since = options.since;
  if (since !== undefined && since === until) return ok({ entries: [], whole: false });
  const incremental = since !== undefined && (await isAncestor(repo, since, until));
  const parser = trailParser(options);
  const args = ['log', '-z', '--topo-order', '--no-renames', '--name-status', '--diff-merges=combined', '--no-color'];
  const form = ['--no-show-signature', '--no-notes', '--no-mailmap', '--encoding=UTF-8', `--format=${LOG_FORMAT}`];
  const run = {
    cwd: repo.root,
    args: [...args, ...form, '--end-of-options', incremental ? `${since}..${until}` : until, '--'],
    timeoutMs: LOG_TIMEOUT_MS,
    onOutput: (chunk: string) => parser.push(chunk),
  };
  const end = await runGit(run);
  return end.code === 0 ? ok({ entries: parser.end(), whole: !incremental }) : fail(gitFailed(run, end));
}

const LOG_TIMEOUT_MS = 180_000;
