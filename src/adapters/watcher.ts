/** File events of some folders, each watched as a whole: a folder that holds years of journals costs as much as an empty one. */
import { type FSWatcher, watch } from 'node:fs';

/** A hint that something changed; carries no meaning and may be lost: the next look re-reads the world. */
export type Watcher = { close(): void };

/** Calls `wake` (at most every `quietMs`) with those of the folders in which a file appeared, changed or went. */
export function watchFolders(folders: string[], wake: (changed: string[]) => void, quietMs: number): Watcher {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | null = null;
  const watchers = folders.flatMap((folder) => {
    const watcher = watchOne(folder, () => {
      changed.add(folder);
      if (timer !== null) return;
      timer = setTimeout(() => {
        timer = null;
        const all = [...changed];
        changed.clear();
        wake(all);
      }, quietMs);
      timer.unref();
    });
    return watcher === null ? [] : [watcher];
  });
  return {
    close() {
      if (timer !== null) clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** null: it cannot be watched (gone, too many, say). That only costs speed: the interval still wakes the loop. */
function watchOne(folder: string, changed: () => void): FSWatcher | null {
  try {
    const watcher = watch(folder, changed);
    watcher.on('error', () => undefined);
    return watcher;
  } catch {
    return null;
  }
}
