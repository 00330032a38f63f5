/** What a pass needs of git, bound to one clone. */
import { headOf, isAncestor, type Refs, type Repo, readRefs, resolveCommit } from '../adapters/git.ts';
import { type Glance, glance } from '../adapters/git-glance.ts';
import { maintain, needsMaintenance, readyToMaintain } from '../adapters/git-maintain.ts';
import { type ProposalPort, proposalPort } from '../adapters/git-proposals.ts';
import { type PublishOptions, publish } from '../adapters/git-publish.ts';
import { type DirtyPath, dirtyPaths, readTree } from '../adapters/git-read.ts';
import {
  type Dropped,
  remoteHead,
  type Synced,
  type SyncOptions,
  seenRemote,
  syncRemote,
} from '../adapters/git-sync.ts';
import { writeLocalHold } from '../adapters/local-holds.ts';
import type { Result } from '../core/problem.ts';
import { holdsOf } from './uncommitted.ts';

export type FleetGit = {
  /** Where the clone stands: the branch checked out, its commit, and our own refs, all of one moment. */
  refs(): Promise<Result<Refs>>;
  /** The same in the middle of a merge, on a detached head: for what only stops. */
  refsAsTheyAre(): Promise<Result<Refs>>;
  /** A local branch's commit; null: there is none. */
  branchHead(branch: string): Promise<string | null>;
  /** Commit id at HEAD; null: no commit yet. */
  head(): Promise<Result<string | null>>;
  /** Branch and commit at HEAD as git's own files tell them, without a process; null or absent: ask git. */
  glance?(): Glance | null;
  isAncestor(ancestor: string, descendant: string): Promise<boolean>;
  /** Uncommitted changes under these folders. */
  dirty(folders: string[]): Promise<Result<DirtyPath[]>>;
  /** Text of one file at a commit; null: it is not there or cannot be read. */
  fileAt(commit: string, path: string): Promise<string | null>;
  /** The remote branch's commit as last seen; null: never. `refs`: read just before; absent: read now. */
  remoteHead(remote: string, branch: string, refs?: Refs): Promise<string | null>;
  sync(options: SyncOptions): Promise<Result<Synced>>;
  /** Subjects of the commits that landed. */
  publish(options: PublishOptions): Promise<Result<string[]>>;
  /** Joins what many commits have left, where enough has gathered; what went wrong, for a log. Absent: never. */
  maintain?(signal: AbortSignal): Promise<string | null>;
  /** Loads what `maintain` takes. */
  readyToMaintain?(): Promise<void>;
  /** Branches that wait for a person; absent: proposals are only shown. */
  proposals?: ProposalPort;
};

const KEPT_TEXTS = 2_000;

/** The real thing. */
export function fleetGit(repo: Repo): FleetGit {
  /** A commit never changes: base envs that every pass compares with are read once. */
  const texts = new Map<string, string | null>();
  const onDropped = (dropped: readonly Dropped[]) => {
    for (const hold of holdsOf(dropped)) writeLocalHold(repo.gitDir, hold);
  };
  return {
    refs: () => readRefs(repo),
    refsAsTheyAre: () => readRefs(repo, { anyHead: true }),
    branchHead: (branch) => resolveCommit(repo, `refs/heads/${branch}`),
    head: () => headOf(repo),
    glance: () => glance(repo),
    isAncestor: (ancestor, descendant) => isAncestor(repo, ancestor, descendant),
    dirty: (folders) => dirtyPaths(repo, folders),
    async fileAt(commit, path) {
      const key = `${commit}:${path}`;
      const known = texts.get(key);
      if (known !== undefined) return known;
      const tree = await readTree(repo, commit, path);
      if (!tree.ok) return null;
      const text = tree.value.find((f) => f.path === path)?.text ?? null;
      if (texts.size >= KEPT_TEXTS) texts.clear();
      texts.set(key, text);
      return text;
    },
    remoteHead: async (remote, branch, refs) =>
      refs === undefined ? remoteHead(repo, remote, branch) : seenRemote(refs, remote, branch),
    sync: (options) => syncRemote(repo, { ...options, onDropped }),
    publish: (options) => publish(repo, { ...options, onDropped }),
    maintain: async (signal) => (needsMaintenance(repo) ? maintain(repo, signal) : null),
    readyToMaintain: () => readyToMaintain(repo),
    proposals: proposalPort(repo),
  };
}
