/** Stop intents: which process was told to stop, written before the signal so that no later pass signals it again. */
import { readFileSync, statSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Known, known, unknown } from '../core/problem.ts';

export type StopIntent = {
  pid: number;
  startTicks: string;
  /** The last signal sent or about to be sent; `SIGKILL` once patience has ended. */
  signal: string;
  /** ISO 8601 UTC, of the first signal. */
  at: string;
  /** Why it is stopped. */
  cause: string;
};

/** The stop in flight or just ended; null = none. Unknown when the file is there and cannot be understood. */
export async function readIntent(gitDir: string, name: string): Promise<Known<StopIntent | null>> {
  const asOfMs = Date.now();
  let text: string;
  try {
    // Asked of every instance in every pass, and hardly ever there.
    if (statSync(pathOf(gitDir, name), { throwIfNoEntry: false }) === undefined) return known(null, asOfMs);
    text = readFileSync(pathOf(gitDir, name), 'utf8');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? known(null, asOfMs)
      : unknown('stop intent not readable');
  }
  try {
    const value = JSON.parse(text) as unknown;
    return isIntent(value) ? known(value, asOfMs) : unknown('stop intent damaged');
  } catch {
    return unknown('stop intent damaged');
  }
}

/** Replaces the intent atomically and returns after it is on the disk. */
export async function writeIntent(gitDir: string, name: string, intent: StopIntent): Promise<void> {
  const path = pathOf(gitDir, name);
  await mkdir(join(gitDir, 'mmfleet', 'stops'), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(intent)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** Forgets the intent; nothing happens when there is none. */
export async function clearIntent(gitDir: string, name: string): Promise<void> {
  await rm(pathOf(gitDir, name), { force: true });
}

function pathOf(gitDir: string, name: string): string {
  if (name === '' || name.startsWith('.') || /[/\\\0]/.test(name)) throw new Error('unsafe instance name');
  return join(gitDir, 'mmfleet', 'stops', `${name}.json`);
}

function isIntent(value: unknown): value is StopIntent {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, startTicks, signal, at, cause } = value as Record<string, unknown>;
  const texts = [startTicks, signal, at, cause].every((v) => typeof v === 'string');
  return Number.isSafeInteger(pid) && Number(pid) >= 0 && texts && Number.isFinite(Date.parse(at as string));
}
