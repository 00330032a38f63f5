/** What a pass needs of git, bound to one clone. */
import { currentBranch, headOf, isAncestor, type Repo } from '../adapters/git.ts';
import { type PublishOptions, publish } from '../adapters/git-publish.ts';
import { type DirtyPath, dirtyPaths, readTree } from '../adapters/git-read.ts';
import { remoteHead, type Synced, type SyncOptions, syncRemote } from '../adapters/git-sync.ts';
import type { Result } from '../core/problem.ts';

export type FleetGit = {
  /** The branch checked out. */
  branch(): Promise<Result<string>>;
  /** Commit id at HEAD; null: no commit yet. */
  head(): Promise<Result<string | null>>;
  isAncestor(ancestor: string, descendant: string): Promise<boolean>;
  /** Uncommitted changes under these folders. */
  dirty(folders: string[]): Promise<Result<DirtyPath[]>>;
  /** Text of one file at a commit; null: it is not there or cannot be read. */
  fileAt(commit: string, path: string): Promise<string | null>;
  /** The remote branch's commit as last seen; null: never. */
  remoteHead(remote: string, branch: string): Promise<string | null>;
  sync(options: SyncOptions): Promise<Result<Synced>>;
  /** Subjects of the commits that landed. */
  publish(options: PublishOptions): Promise<Result<string[]>>;
};

/** The real thing. */
export function fleetGit(repo: Repo): FleetGit {
  return {
    branch: () => currentBranch(repo),
    head: () => headOf(repo),
    isAncestor: (ancestor, descendant) => isAncestor(repo, ancestor, descendant),
    dirty: (folders) => dirtyPaths(repo, folders),
    async fileAt(commit, path) {
      const tree = await readTree(repo, commit, path);
      return tree.ok ? (tree.value.find((f) => f.path === path)?.text ?? null) : null;
    },
    remoteHead: (remote, branch) => remoteHead(repo, remote, branch),
    sync: (options) => syncRemote(repo, options),
    publish: (options) => publish(repo, options),
  };
}
