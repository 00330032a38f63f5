/** File events: hints that end a wait early. They carry no meaning and may be lost: the next look re-reads the world. */
import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { watch as watchFiles } from 'chokidar';

export type Watcher = { close(): void };
export type Watched = 'specs' | 'journals';

/**
 * Calls `wake`, at most every `quietMs`, with what changed: YAML directly in `specs`, or any file in one of the `journals`
 * folders. Specs are few and come and go by renames, editors' swap files and checkouts: chokidar sorts that out. A journal
 * folder is watched as a whole by one descriptor, because chokidar would hold one for every journal ever written there.
 */
export function watchFleet(
  { specs, journals }: { specs: string; journals: readonly string[] },
  wake: (changed: ReadonlySet<Watched>) => void,
  quietMs: number,
): Watcher {
  let changed = new Set<Watched>();
  let timer: NodeJS.Timeout | null = null;
  const saw = (what: Watched) => () => {
    changed.add(what);
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      const all = changed;
      changed = new Set();
      wake(all);
    }, quietMs);
    timer.unref();
  };
  const files = watchFiles(specs, {
    depth: 0,
    ignoreInitial: true,
    ignorePermissionErrors: true,
    ignored: (path, stats) => stats?.isFile() === true && !/\.ya?ml$/.test(path),
  });
  files.on('all', saw('specs')).on('error', () => undefined);
  const folders = journals.flatMap((folder) => watchOne(folder, saw('journals')) ?? []);
  return {
    close() {
      if (timer !== null) clearTimeout(timer);
      for (const folder of folders) folder.close();
      files.close().catch(() => undefined);
    },
  };
}

/** null: it cannot be watched (gone, too many, say). That only costs speed: the interval still wakes the loop. */
function watchOne(folder: string, changed: () => void): FSWatcher | null {
  try {
    const watcher = watchFolder(folder, changed);
    watcher.on('error', () => undefined);
    return watcher;
  } catch {
    return null;
  }
}
