/** Small files that passes look at again and again: one stat while nothing changed. */
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';

type Kept = { stat: Stats; text: string };

/** File times are coarse: a change so soon after the last one may leave them as they were. */
const SETTLED_MS = 200;

/** Texts by path, read anew whenever anything that stat tells of the file is different. */
export class TextFiles {
  readonly #kept = new Map<string, Kept>();

  /** null: it is not there or cannot be read. */
  read(path: string): string | null {
    try {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) {
        this.#kept.delete(path);
        return null;
      }
      const known = this.#kept.get(path);
      if (known !== undefined && isSame(known.stat, stat)) return known.text;
      const text = readFileSync(path, 'utf8');
      // Looked at before it was read: a change in between shows at the next look.
      if (Date.now() - Math.max(stat.mtimeMs, stat.ctimeMs) > SETTLED_MS) this.#kept.set(path, { stat, text });
      else this.#kept.delete(path);
      return text;
    } catch {
      this.#kept.delete(path);
      return null;
    }
  }
}

/** null: it is not there or cannot be read. */
export function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** What stat tells of a file: another text when it may say something else. null: too fresh to tell, or it cannot be told. */
export function fileVersion(path: string): string | null {
  try {
    const s = statSync(path, { throwIfNoEntry: false });
    if (s === undefined) return 'none';
    if (Date.now() - Math.max(s.mtimeMs, s.ctimeMs) <= SETTLED_MS) return null;
    return `${s.dev} ${s.ino} ${s.size} ${s.mtimeMs} ${s.ctimeMs}`;
  } catch {
    return null;
  }
}

/** What stat tells of some folders: another text when a file in one of them came, went or was replaced. null: too fresh to tell. */
export function foldersVersion(paths: readonly string[]): string | null {
  try {
    const stats = paths.map((path) => statSync(path, { throwIfNoEntry: false }));
    const newest = Math.max(0, ...stats.map((s) => (s === undefined ? 0 : Math.max(s.mtimeMs, s.ctimeMs))));
    if (Date.now() - newest <= SETTLED_MS) return null;
    return stats.map((s) => (s === undefined ? '-' : `${s.dev} ${s.ino} ${s.mtimeMs} ${s.ctimeMs}`)).join(',');
  } catch {
    return null;
  }
}

/** Names of the files in a folder; none where there is no folder. null: it cannot be told. */
export function namesIn(path: string): string[] | null {
  try {
    return readdirSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? [] : null;
  }
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;
}
