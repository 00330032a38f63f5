/**
 * The lab book of one instance as it was last made, in `.mmfleet/cache`: asked for again it is printed, and after a few more
 * commits they are added to it, so that its cost does not grow with the trail. A book that is absent, damaged, of another
 * build or of another history only costs making it anew.
 */
import type { Repo } from '../adapters/git.ts';
import { readNewer } from '../adapters/git-log.ts';
import { readTree } from '../adapters/git-read.ts';
import { keep } from '../adapters/kept-file.ts';
import { entryWith } from '../core/trail/entry.ts';
import { isForeign } from '../core/trail/former.ts';
import { judgedRows, type Steps, stepsOf } from '../core/trail/history.ts';
import { squashedStep } from '../core/trail/squash.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import { type Desired, type DesiredInstance, isSpecPath, isTextPath, LINK_MODE, verdictsPath } from './desired.ts';
import { concerns } from './instance-trails.ts';
import { bookPath, type HistoryBook, loadBook } from './known-book.ts';

/** What is needed to go on with a book, besides what is printed of it. */
type WholeBook = HistoryBook & { ourEmail: string; basePath: string; deleted: number[]; verdicts: string };

export type Books = {
  /** The book at a head, from the one that was kept; null: it has to be made from the whole trail. */
  at(name: string, head: string): Promise<HistoryBook | null>;
  /** Keeps one that was made from the tree and the trail at a head; null: this instance's cannot be kept. */
  make(desired: Desired, trail: readonly TrailEntry[], instance: DesiredInstance): HistoryBook | null;
};

/** `build` names the program; null: nothing is kept. */
export function historyBooks(repo: Pick<Repo, 'root'>, stateDir: string, build: string | null): Books {
  const write = (book: WholeBook): HistoryBook => {
    const path = bookPath(stateDir, book.name);
    if (build !== null && path !== null) keep(path, build, JSON.stringify(book));
    return book;
  };
  return {
    async at(name, head) {
      const known = build === null ? null : (loadBook(stateDir, build, name) as WholeBook | null);
      if (known === null || known.head === head) return known;
      const later = await continued(repo, known, head);
      return later === null ? null : write(later);
    },
    make(desired, trail, instance) {
      const { revision, fleet, files, instances } = desired;
      if (revision === null || instance.env === null) return null;
      if (instances.filter(({ name }) => name === instance.name).length > 1) return null;
      const { basePath } = instance.env;
      const about = {
        name: instance.name,
        head: revision,
        fleet: fleet?.name ?? null,
        ourEmail: fleet?.git.author.email ?? '',
        basePath,
        verdicts: files.get(verdictsPath(basePath))?.text ?? '',
      };
      const own = trail.filter((entry) => concerns(entry, instance));
      return write(judged(about, stepsOf(ownFiles(own, basePath))));
    },
  };
}

/** Entries with the files of one instance alone: a person's revert names no instance, it is told by the file it deletes. */
export function ownFiles(entries: readonly TrailEntry[], basePath: string): TrailEntry[] {
  return entries.map((entry) =>
    entryWith(entry, { files: entry.files.filter((f) => f.path.startsWith(`${basePath}.`)) }),
  );
}

function judged(about: Omit<WholeBook, 'deleted' | 'rows'>, steps: Pick<Steps, 'made' | 'deleted'>): WholeBook {
  return { ...about, deleted: steps.deleted, rows: judgedRows(steps, about.verdicts) };
}

/** null: what came since may say more than that steps were added: what is declared changed, or the history did. */
async function continued(repo: Pick<Repo, 'root'>, book: WholeBook, head: string): Promise<WholeBook | null> {
  const { ourEmail, basePath, name } = book;
  const newer = await readNewer(repo, { since: book.head, until: head, under: '', ourEmail });
  if (newer === null || newer.some((entry) => isForeign(entry) || squashedStep(entry) !== null)) return null;
  const touched = new Set(newer.flatMap((entry) => entry.files.map((file) => file.path)));
  if (touched.has(basePath) || [...touched].some(isSpecPath)) return null;
  const verdicts = touched.has(verdictsPath(basePath))
    ? await textAt(repo, head, verdictsPath(basePath))
    : book.verdicts;
  if (verdicts === null) return null;
  const own = newer.filter((entry) => concerns(entry, { name, env: { basePath } }));
  const { made, deleted, present } = stepsOf(ownFiles(own, basePath));
  const steps = {
    // What was said of them before is said anew.
    made: [...made, ...book.rows],
    deleted: [...new Set([...deleted, ...book.deleted.filter((iter) => !present.includes(iter))])],
  };
  return judged({ ...book, head, verdicts }, steps);
}

/** As a tree is read: what is no text there, or behind a link, is empty. null: it could not be read. */
async function textAt(repo: Pick<Repo, 'root'>, head: string, path: string): Promise<string | null> {
  if (!isTextPath(path)) return '';
  const tree = await readTree(repo, head, path);
  if (!tree.ok) return null;
  const file = tree.value.find((f) => f.path === path);
  return file === undefined || file.mode === LINK_MODE ? '' : file.text;
}
