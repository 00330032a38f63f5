/** Where a market's newest journal ends, and whether it still does: one stat, without reading it. */
import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { JournalFolders } from './journal-cursor.ts';
import { groupRuns } from './journal-files.ts';

/** The last piece of the newest run and all by which a change of it would show. */
export type JournalEnd = {
  /** Names of all the market's pieces in the folder, as listed: another run or piece would be among them. */
  names: string;
  piece: string;
  dev: number;
  ino: number;
  size: number;
  /** Wall time of its last change, ms. */
  changedAtMs: number;
};

/** `pattern`: the journal path with the market filled in. null: there is none, or it cannot be told. */
export function endOf(folders: JournalFolders, pattern: string, market: string): JournalEnd | null {
  const folder = dirname(pattern);
  const names = folders.names(folder)?.get(market);
  if (names === undefined) return null;
  const piece = groupRuns(folder, names, pattern, market).at(-1)?.paths.at(-1);
  const stat = piece === undefined ? undefined : statOf(piece);
  if (piece === undefined || stat === undefined) return null;
  const { dev, ino, size, mtimeMs } = stat;
  return { names: names.join(BETWEEN), piece, dev, ino, size, changedAtMs: mtimeMs };
}

/** Whether a folder holds the same pieces, and the last of them is the same file with the same bytes by its size and time. */
export function stillEnds(folders: JournalFolders, folder: string, market: string, end: JournalEnd): boolean {
  const names = folders.names(folder)?.get(market);
  if (names === undefined || (names.length === 1 ? names[0] : names.join(BETWEEN)) !== end.names) return false;
  const stat = statOf(end.piece);
  return (
    stat !== undefined &&
    stat.size === end.size &&
    stat.mtimeMs === end.changedAtMs &&
    stat.ino === end.ino &&
    stat.dev === end.dev
  );
}

/** The journal bytes up to its end, as decisions name them: `file@0..size`. */
export function referenceOf({ piece, size }: JournalEnd): string {
  return `${basename(piece)}@0..${size}`;
}

/** No file name holds it. */
const BETWEEN = '/';

function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
