/** Ends whatever the demo has left behind: processes are ours when they work inside the scratch folder. */
import { readdir, readlink } from 'node:fs/promises';
import { sep } from 'node:path';

/** Process ids, other than this one, whose working directory is `dir` or below it. */
export async function processesIn(dir: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => '');
    if (cwd === dir || cwd.startsWith(dir + sep)) found.push(Number(name));
  }
  return found;
}

/** Kills them and waits until the process table shows none; false when some are still there after `withinMs`. */
export async function endLeftovers(dir: string, withinMs: number): Promise<boolean> {
  const until = Date.now() + withinMs;
  for (;;) {
    const left = await processesIn(dir);
    if (left.length === 0) return true;
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone since the look
      }
    }
    if (Date.now() > until) return false;
    await new Promise((done) => setTimeout(done, 50));
  }
}
