/** Where a market's newest journal ends, and whether it still does: one stat, without reading it. */
import { basename, dirname } from 'node:path';
import { type JournalFolders, statOrNull } from './journal-folders.ts';

/** The last piece of the newest run and all by which a change of it would show. */
export type JournalEnd = {
  /**
   * Names of all pieces of the market's newest run in the folder, as listed: a newer run or another piece would be among them.
   * Those of older runs say nothing of it, and there are ever more of them.
   */
  names: string;
  piece: string;
  dev: number;
  ino: number;
  size: number;
  /** Wall time of its last change, ms. */
  changedAtMs: number;
};

/** `pattern`: the journal path with the market filled in. null: there is none, it leaves out newer pieces, or it cannot be told. */
export function endOf(folders: JournalFolders, pattern: string, market: string): JournalEnd | null {
  const names = folders.newest(dirname(pattern), market);
  const paths = folders.runs(pattern, market)?.newest.paths;
  const piece = paths?.at(-1);
  if (names === null || piece === undefined) return null;
  if (paths?.length !== names.length || !names.includes(basename(piece))) return null;
  const stat = statOrNull(piece);
  if (stat === null) return null;
  const { dev, ino, size, mtimeMs } = stat;
  return { names: names.join(BETWEEN), piece, dev, ino, size, changedAtMs: mtimeMs };
}

/**
 * Whether the newest run has the same pieces, and the last of them is the same file with the same bytes by its size and time:
 * the version of the folder at which it is so, null when it is not. `seen`: a version at which it was so, if there is one; in
 * the same one no name has to be looked at.
 */
export function stillEnds(
  folders: JournalFolders,
  folder: string,
  market: string,
  end: JournalEnd,
  seen?: number,
): number | null {
  const { version } = folders.look(folder);
  if (version !== seen) {
    const names = folders.newest(folder, market);
    if (names === null || (names.length === 1 ? names[0] : names.join(BETWEEN)) !== end.names) return null;
  }
  const stat = statOrNull(end.piece);
  const same =
    stat !== null &&
    stat.size === end.size &&
    stat.mtimeMs === end.changedAtMs &&
    stat.ino === end.ino &&
    stat.dev === end.dev;
  return same ? version : null;
}

/** The journal bytes up to its end, as decisions name them: `file@0..size`. */
export function referenceOf({ piece, size }: JournalEnd): string {
  return `${basename(piece)}@0..${size}`;
}

/** No file name holds it. */
const BETWEEN = '/';
