/** Reading a kept lab book; apart from making one, which takes the trail and all that reads it. */
import { join } from 'node:path';
import { loadKept } from '../adapters/kept-file.ts';
import type { HistoryRow } from '../core/trail/history.ts';

/** Whatever is printed of an instance's iterations at a commit. */
export type HistoryBook = {
  name: string;
  head: string;
  /** The fleet's name; null: its file is missing or wrong. */
  fleet: string | null;
  /** Newest first. */
  rows: HistoryRow[];
};

/** null: no book is kept under such a name. A name has no dot: nothing else in the cache is called so. */
export function bookPath(stateDir: string, name: string): string | null {
  return /^[a-z0-9][a-z0-9_-]{0,99}$/.test(name) ? join(stateDir, 'cache', `${name}.history`) : null;
}

/** The book of an instance by its very name; null: there is none that this build wrote. */
export function loadBook(stateDir: string, build: string, name: string): HistoryBook | null {
  const path = bookPath(stateDir, name);
  const kept = path === null ? null : loadKept(path, build);
  if (kept === null) return null;
  try {
    const book = JSON.parse(kept.body) as HistoryBook;
    return book.name === name ? book : null;
  } catch {
    return null;
  }
}
