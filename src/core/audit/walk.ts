/** The tree at every commit, by replaying what each one changed. */
import { parseIterName } from '../env/iter.ts';
import { isSpecPath } from '../spec/parse.ts';
import type { AuditCommit, AuditFile } from './types.ts';

/** One tree. `specs` is a new object whenever a spec file differs, so that readings of it can be kept. */
export type Tree = {
  /** Path to blob id. */
  files: Map<string, string>;
  specs: { files: ReadonlyMap<string, string> };
  /** By base env, every iter number that this commit or one before it ever held. */
  everIters: Map<string, Set<number>>;
};

export type Step = {
  commit: AuditCommit;
  /** The first parent's tree; valid during the visit only. */
  before: Tree;
  /** What the commit itself did: for a merge, what none of its parents has. */
  own: AuditFile[];
  /** The specs after it; the same object as before it when none differs. */
  specsAfter: Pick<Tree, 'specs'>;
  /** Blob id of a path after the commit; null: not there. */
  after(path: string): string | null;
};

/** Visits every commit with the tree before it, parents first; gives the tree of the last one. `commits`: oldest first. */
export function walkTrees(commits: readonly AuditCommit[], visit: (step: Step) => void): Tree {
  const children = new Map<string, number>();
  for (const { parents } of commits) for (const id of parents) children.set(id, (children.get(id) ?? 0) + 1);
  const trees = new Map<string, Tree>();
  /** A tree may be changed in place by the last commit that stands on it. */
  const take = (id: string): Tree | undefined => {
    const tree = trees.get(id);
    const left = (children.get(id) ?? 1) - 1;
    children.set(id, left);
    if (left <= 0) trees.delete(id);
    return tree === undefined || left <= 0 ? tree : copyOf(tree);
  };
  let last = emptyTree();
  for (const commit of commits) {
    const [first, ...others] = commit.parents.map((id) => take(id) ?? emptyTree());
    const tree = first ?? emptyTree();
    for (const other of others)
      for (const [basePath, iters] of other.everIters) for (const iter of iters) addIter(tree, basePath, iter);
    const own = commit.files.filter(({ path, blob }) => !others.some((o) => (o.files.get(path) ?? null) === blob));
    const changed = new Map(commit.files.map((file) => [file.path, file.blob]));
    const after = (path: string) => (changed.has(path) ? changed.get(path)! : (tree.files.get(path) ?? null));
    const specs = specsAfter(tree, commit.files);
    visit({ commit, before: tree, own, specsAfter: { specs }, after });
    applyTo(tree, commit.files);
    tree.specs = specs;
    trees.set(commit.commit, tree);
    last = tree;
  }
  return last;
}

const emptyTree = (): Tree => ({ files: new Map(), specs: { files: new Map() }, everIters: new Map() });

const copyOf = (tree: Tree): Tree => ({
  files: new Map(tree.files),
  specs: tree.specs,
  everIters: new Map([...tree.everIters].map(([basePath, iters]) => [basePath, new Set(iters)])),
});

function applyTo(tree: Tree, changes: readonly AuditFile[]): void {
  for (const { path, blob } of changes) {
    if (blob === null) tree.files.delete(path);
    else tree.files.set(path, blob);
    const name = blob === null ? null : parseIterName(path);
    if (name !== null) addIter(tree, name.basePath, name.iter);
  }
}

function specsAfter(tree: Tree, changes: readonly AuditFile[]): Tree['specs'] {
  const specs = changes.filter(({ path }) => isSpecPath(path));
  if (specs.length === 0) return tree.specs;
  const files = new Map(tree.specs.files);
  for (const { path, blob } of specs) {
    if (blob === null) files.delete(path);
    else files.set(path, blob);
  }
  return { files };
}

function addIter(tree: Tree, basePath: string, iter: number): void {
  const known = tree.everIters.get(basePath);
  if (known === undefined) tree.everIters.set(basePath, new Set([iter]));
  else known.add(iter);
}
