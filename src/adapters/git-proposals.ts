/** Proposal branches: one commit beside the branch for each instance that waits for a person. Nothing here moves HEAD. */
import { ok, type Result } from '../core/problem.ts';
import { LOG_FORMAT, parseLog } from '../core/trail/parse.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import type { Refs, Repo } from './git.ts';
import { type CommitOptions, type CommitPlan, commitAside } from './git-commit.ts';
import { gitText, runGit } from './git-run.ts';
import { hasRemote, network } from './git-sync.ts';

/** `mmfleet/proposals/amzn`: the only branches that are ever replaced or deleted. */
export const proposalBranch = (name: string): string => `${PREFIX}${name}`;

/**
 * What this clone remembers, by instance name. `open`: on the remote when last looked; `newest`: the newest ever seen, its
 * iter number counts as used; `declined`: a person deleted the branch without merging it.
 */
export type KnownProposals = Record<Memo, ReadonlyMap<string, TrailEntry>>;
export type Memo = (typeof MEMOS)[number];

export type ProposalMove = {
  name: string;
  /** null: the branch is deleted. */
  commit: string | null;
  /** What the remote's branch holds now (null = it is not there); anything else there and nothing happens. */
  expected: string | null;
};

export type ProposalPort = {
  /** `refs`: read just before; absent: read now. */
  known(ourEmail: string, refs?: Refs): Promise<Result<KnownProposals>>;
  /** Commit of each proposal branch on the remote, by instance name; of this clone's own where there is no such remote. */
  list(remote: string): Promise<ReadonlyMap<string, string> | 'away'>;
  /** Trail entries of commits, fetched first where they are not here; those that cannot be had are left out. */
  read(remote: string, commits: ReadonlyMap<string, string>, ourEmail: string): Promise<Map<string, TrailEntry>>;
  /** A commit on `parent`; no branch points at it until it is pushed. */
  write(parent: string, plan: CommitPlan, options: CommitOptions): Promise<Result<string>>;
  /** One push with a lease for each branch; what the remote (or this clone) holds afterwards. */
  push(remote: string, moves: readonly ProposalMove[]): ReturnType<ProposalPort['list']>;
  /** Keeps or drops (null) what is known of each name. */
  remember(memo: Memo, commits: ReadonlyMap<string, string | null>): Promise<void>;
};

/** The real thing. */
export function proposalPort(repo: Repo): ProposalPort {
  const list: ProposalPort['list'] = (remote) => listBranches(repo, remote);
  return {
    known: (ourEmail, refs) => readKnown(repo, ourEmail, refs),
    list,
    read: (remote, commits, ourEmail) => readCommits(repo, remote, commits, ourEmail),
    write: (parent, plan, options) => commitAside(repo, parent, plan, options),
    async push(remote, moves) {
      if (!(await hasRemote(repo, remote))) return moveHere(repo, moves);
      const leases = moves.map(({ name, expected }) => `--force-with-lease=${ref(name)}:${expected ?? ''}`);
      const refspecs = moves.map(({ name, commit }) => `${commit ?? ''}:${ref(name)}`);
      const args = ['push', '--quiet', '--no-verify', '--no-follow-tags', '--recurse-submodules=no', ...leases];
      await runGit({ ...(await network(repo, {})), args: [...args, '--end-of-options', remote, ...refspecs] });
      return list(remote);
    },
    async remember(memo, commits) {
      const lines = [...commits].map(([name, commit]) =>
        commit === null ? `delete ${OWN}${memo}/${name}` : `update ${OWN}${memo}/${name} ${commit}`,
      );
      if (lines.length > 0)
        await runGit({ cwd: repo.root, args: ['update-ref', '--stdin'], input: `${lines.join('\n')}\n` });
    },
  };
}

const PREFIX = 'mmfleet/proposals/';
const MEMOS = ['open', 'newest', 'declined'] as const;
/** Refs of this clone alone: they keep the commits, so that nothing but git has to remember a number. */
const OWN = 'refs/mmfleet/proposals/';
const NAME = /^[a-z0-9][a-z0-9_-]*$/;

const ref = (name: string) => `refs/heads/${proposalBranch(name)}`;

async function listBranches(repo: Repo, remote: string): ReturnType<ProposalPort['list']> {
  if (!(await hasRemote(repo, remote))) return ownBranches(repo);
  const args = ['ls-remote', '--end-of-options', remote, `refs/heads/${PREFIX}*`];
  const end = await runGit({ ...(await network(repo, {})), args });
  if (end.code !== 0) return 'away';
  return branchesOf(end.stdout.toString('utf8'));
}

/** Lines of a commit, a tab and the full name of a branch. */
function branchesOf(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [commit = '', full = ''] = line.split('\t');
    const name = full.slice(`refs/heads/${PREFIX}`.length);
    if (/^[0-9a-f]{40,64}$/.test(commit) && full.startsWith(`refs/heads/${PREFIX}`) && NAME.test(name))
      found.set(name, commit);
  }
  return found;
}

/** A clone without a remote is where its people look: the branches are its own. `away`: git could not tell. */
async function ownBranches(repo: Repo): ReturnType<ProposalPort['list']> {
  const args = ['for-each-ref', '--format=%(objectname)%09%(refname)', `refs/heads/${PREFIX}`];
  const refs = await gitText({ cwd: repo.root, args });
  return refs.ok ? branchesOf(refs.value) : 'away';
}

async function moveHere(repo: Repo, moves: readonly ProposalMove[]): ReturnType<ProposalPort['list']> {
  for (const { name, commit, expected } of moves) {
    const change = commit === null ? ['-d', ref(name)] : [ref(name), commit];
    // The old value is the lease; an empty one: the branch must not be there yet.
    await runGit({ cwd: repo.root, args: ['update-ref', ...change, expected ?? ''] });
  }
  return ownBranches(repo);
}

async function readKnown(repo: Repo, ourEmail: string, read: Refs | undefined): Promise<Result<KnownProposals>> {
  const known = { open: new Map(), newest: new Map(), declined: new Map() } satisfies KnownProposals;
  if (read !== undefined && ![...read.own.keys()].some((name) => name.startsWith(OWN))) return ok(known);
  const refs = await gitText({
    cwd: repo.root,
    args: ['for-each-ref', '--format=%(refname) %(objectname)', OWN],
  });
  if (!refs.ok) return refs;
  const places = refs.value.split('\n').flatMap((line) => {
    const [full = '', commit = ''] = line.split(' ');
    const [memo = '', name = ''] = full.slice(OWN.length).split('/');
    const known = MEMOS.find((each) => each === memo);
    return known !== undefined && NAME.test(name) ? [{ memo: known, name, commit }] : [];
  });
  const entries = await logOf(repo, [...new Set(places.map((p) => p.commit))], ourEmail);
  for (const { memo, name, commit } of places) {
    const entry = entries.get(commit);
    if (entry !== undefined) (known[memo] as Map<string, TrailEntry>).set(name, entry);
  }
  return ok(known);
}

async function readCommits(
  repo: Repo,
  remote: string,
  commits: ReadonlyMap<string, string>,
  ourEmail: string,
): Promise<Map<string, TrailEntry>> {
  const absent: string[] = [];
  for (const [name, commit] of commits) {
    const end = await runGit({ cwd: repo.root, args: ['cat-file', '-e', `${commit}^{commit}`] });
    if (end.code !== 0) absent.push(name);
  }
  if (absent.length > 0) {
    const refspecs = absent.map((name) => `+${ref(name)}:${OWN}newest/${name}`);
    const args = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--end-of-options', remote, ...refspecs];
    await runGit({ ...(await network(repo, {})), args });
  }
  const entries = await logOf(repo, [...commits.values()], ourEmail);
  const known = [...commits].flatMap(([name, commit]): [string, TrailEntry][] => {
    const entry = entries.get(commit);
    return entry === undefined ? [] : [[name, entry]];
  });
  return new Map(known);
}

/** Commits that are here, by id. */
async function logOf(repo: Repo, commits: string[], ourEmail: string): Promise<Map<string, TrailEntry>> {
  if (commits.length === 0) return new Map();
  const args = ['log', '-z', '--no-walk=unsorted', '--no-renames', '--name-status', '--diff-merges=combined'];
  const form = ['--ignore-missing', '--no-color', '--no-show-signature', '--no-notes', '--no-mailmap'];
  const run = [...args, ...form, '--encoding=UTF-8', `--format=${LOG_FORMAT}`, '--stdin'];
  const end = await runGit({ cwd: repo.root, args: run, input: `${commits.join('\n')}\n` });
  const entries = end.code === 0 ? parseLog(end.stdout.toString('utf8'), { under: '', ourEmail }) : [];
  return new Map(entries.map((entry) => [entry.commit, entry]));
}
