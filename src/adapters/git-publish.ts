/** Push, and the loop around it: commits built on a head, one push, and again on the new head when somebody was faster. */
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import type { KnownSecret } from '../core/trail/secret-gate.ts';
import { headOf, isAncestor, type Repo, type Tip, tipOf } from './git.ts';
import { type CommitPlan, type Committed, commitAll, type Person } from './git-commit.ts';
import { runGit } from './git-run.ts';
import {
  type Dropped,
  hasRemote,
  listRemote,
  network,
  rememberRemote,
  remoteHead,
  type SyncOptions,
  syncRemote,
} from './git-sync.ts';

/** `rejected`: somebody else's commit is there; `refused`: the remote said no to ours; `away`: it did not answer. */
export type PushEnd = 'pushed' | 'rejected' | 'away' | 'refused';

/** Pushes `commit` (default HEAD), never forced. What happened is told only by reading the remote's branch back. */
export async function push(
  repo: Repo,
  options: Pick<SyncOptions, 'remote' | 'branch' | 'timeoutMs'>,
  commit?: string,
): Promise<Result<PushEnd>> {
  const head = commit === undefined ? await headOf(repo) : ok(commit);
  if (!head.ok) return head;
  const refspec = `${head.value}:refs/heads/${options.branch}`;
  const args = [
    'push',
    '--quiet',
    '--no-verify',
    '--no-follow-tags',
    '--recurse-submodules=no',
    '--end-of-options',
    options.remote,
    refspec,
  ];
  await runGit({ ...(await network(repo, options)), args });
  const there = await listRemote(repo, options);
  if (there === 'away' || there === 'none') return ok('away');
  if (there !== null && there === head.value) {
    await rememberRemote(repo, options.remote, options.branch, there);
    return ok('pushed');
  }
  // Ours would still have been a fast-forward: nobody was faster, the remote does not want it.
  const wouldFit = there === null || (await isAncestor(repo, there, head.value ?? ''));
  return ok(wouldFit ? 'refused' : 'rejected');
}

export type PublishOptions = {
  remote: string;
  branch: string;
  /** false: commits stay local. */
  push: boolean;
  /** Author of plans that name none: the fleet's, or the person who gave the command. */
  author: Person;
  /** The fleet's author; its e-mail marks commits as ours. */
  committer: Person;
  secrets: readonly KnownSecret[];
  signing?: { format: 'ssh'; key: string } | null;
  clock: { nowMs(): number; sleep(ms: number, signal?: AbortSignal): Promise<void> };
  /** 0..1, spreads the waits of two that collide. */
  random?: () => number;
  /** Pushes before giving up; default 6. */
  tries?: number;
  timeoutMs?: number;
  /** The head as last seen: tried first without asking for it. Absent, or no longer the head: it is asked for. */
  tip?: Tip;
  /** Told before commits of an earlier publish that the remote refuses, or that no longer fit it, are dropped. */
  onDropped?: (commits: readonly Dropped[]) => void;
  /** What to commit on this head; asked again for each new head. `at` is journal time in Unix seconds. */
  build: (head: string) => Promise<Result<PublishPlan[]>>;
};

export type PublishPlan = Pick<CommitPlan, 'files' | 'message' | 'atWallTime'> & { at: number | null; author?: Person };

/**
 * Subjects of the commits that landed, oldest first; empty: nothing to commit. Problems: those of a commit,
 * `git-diverged`, `git-push-lost` (the race was lost `tries` times: nothing of these plans stays behind), `git-push-refused`
 * (nothing of ours does), `git-remote-away` (the commits stay, unpushed, and go out with the next publish).
 */
export async function publish(repo: Repo, options: PublishOptions): Promise<Result<string[]>> {
  const pushes = options.push && (await hasRemote(repo, options.remote));
  const tries = options.tries ?? 6;
  const sync = {
    remote: options.remote,
    branch: options.branch,
    ourEmail: options.committer.email,
    signing: options.signing ?? null,
    ...timeoutOf(options),
    ...(options.onDropped === undefined ? {} : { onDropped: options.onDropped }),
  };
  let unconfirmed: Committed[] = [];
  for (let attempt = 1; ; attempt++) {
    const made = await commitOnTip(repo, options, attempt === 1 ? options.tip : undefined);
    if (!made.ok) return made;
    const committed = [...unconfirmed, ...made.value];
    if (!pushes || (made.value.length === 0 && !(await hasUnpushed(repo, sync)))) return ok(subjects(committed));
    const pushed = await push(repo, sync, made.value.at(-1)?.commit);
    if (!pushed.ok) return pushed;
    if (pushed.value === 'pushed') return ok(subjects(committed));
    if (pushed.value === 'away')
      return fail(problem('git-remote-away', `${options.remote}: did not answer; commits stay unpushed`));

    // What waited for the remote since an earlier publish is nobody's to make again: it goes on top, if it is taken at all.
    const again = made.value.map(({ commit }) => commit);
    const leftovers = pushed.value === 'refused' ? 'drop' : 'rebase';
    const synced = await syncRemote(repo, { ...sync, again, leftovers });
    if (!synced.ok) return synced;
    if (synced.value.remote === 'away')
      return fail(problem('git-remote-away', `${options.remote}: did not answer; commits stay unpushed`));
    if (pushed.value === 'refused') {
      return fail(problem('git-push-refused', `${options.remote}: refused the commits (a hook or a protected branch)`));
    }
    if (attempt === tries)
      return fail(problem('git-push-lost', `${options.branch}: lost the push race ${tries} times`));
    // Somebody may have built on our push before we read it back: those commits have landed and are not made again.
    unconfirmed = await landed(repo, committed, synced.value.head);
    const ceilingMs = Math.min(2000, 50 * 2 ** attempt);
    await options.clock.sleep(Math.round(ceilingMs * (options.random ?? Math.random)()));
  }
}

async function commitOnTip(repo: Repo, options: PublishOptions, known: Tip | undefined): Promise<Result<Committed[]>> {
  const made = known === undefined ? null : await commitPlans(repo, options, known);
  if (made !== null && (made.ok || made.problem.code !== 'git-moved')) return made;
  const tip = await tipOf(repo);
  if (!tip.ok) return tip;
  if (tip.value === null)
    return fail({ code: 'git-unborn', message: 'the branch has no commit yet', retry: 'stalled' });
  return commitPlans(repo, options, tip.value);
}

async function commitPlans(repo: Repo, options: PublishOptions, tip: Tip): Promise<Result<Committed[]>> {
  const built = await options.build(tip.commit);
  if (!built.ok) return built;
  const plans = built.value.map(({ files, message, at, author, atWallTime }) => ({
    files,
    message,
    author: author ?? options.author,
    authorTs: at,
    atWallTime: atWallTime ?? false,
  }));
  return commitAll(repo, plans, {
    committer: { name: 'mmfleet', email: options.committer.email },
    secrets: options.secrets,
    nowTs: options.clock.nowMs() / 1000,
    signing: options.signing ?? null,
    on: tip,
  });
}

async function landed(repo: Repo, committed: Committed[], head: string): Promise<Committed[]> {
  const kept: Committed[] = [];
  for (const each of committed) if (await isAncestor(repo, each.commit, head)) kept.push(each);
  return kept;
}

async function hasUnpushed(
  repo: Repo,
  options: Pick<SyncOptions, 'remote' | 'branch' | 'timeoutMs'>,
): Promise<boolean> {
  const head = await headOf(repo);
  return head.ok && head.value !== (await remoteHead(repo, options.remote, options.branch));
}

const subjects = (committed: Committed[]): string[] => committed.map(({ plan }) => plan.message.split('\n')[0] ?? '');

const timeoutOf = (options: PublishOptions) =>
  options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };

function problem(code: string, message: string): Problem {
  const hint = code === 'git-push-refused' ? "look at the remote's hooks and branch protection" : 'run it again';
  return { code, message, hint, retry: code === 'git-push-refused' ? 'stalled' : 'backoff' };
}
