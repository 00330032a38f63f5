import { watch } from 'chokidar';

/** A hint that something changed; carries no meaning and may be lost: the next look re-reads the world. */
export type Watcher = { close(): Promise<void> };

/** Calls `wake` (at most every `quietMs`) when a file in one of the folders changes. Folders that do not exist yet are watched for. */
export async function watchFolders(folders: string[], wake: () => void, quietMs: number): Promise<Watcher> {
  let timer: NodeJS.Timeout | null = null;
  const watcher = watch(folders, { ignoreInitial: true, depth: 1, ignorePermissionErrors: true });
  watcher.on('all', () => {
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      wake();
    }, quietMs);
    timer.unref();
  });
  // A watcher that fails (too many files, say) only costs speed: the interval still wakes the loop.
  watcher.on('error', () => undefined);
  return {
    async close() {
      if (timer !== null) clearTimeout(timer);
      await watcher.close();
    },
  };
}
