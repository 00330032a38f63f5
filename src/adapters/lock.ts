/** One mmfleet at a time per clone: a file with pid and start time, taken over when that process is gone. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';

export type Lock = { release(): Promise<void> };

export type LockOptions = {
  /** How long to wait for the holder, ms; 0: one try. */
  timeoutMs: number;
  clock: { nowMs(): number; sleep(ms: number, signal?: AbortSignal): Promise<void> };
  signal?: AbortSignal;
};

/** Takes `DIR/lock`. Problems: `lock-held`, naming the holder's pid; `lock-unwritable`. */
export async function acquireLock(dir: string, options: LockOptions): Promise<Result<Lock>> {
  try {
    return await acquire(dir, options);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return fail(unwritable(dir, code));
  }
}

async function acquire(dir: string, options: LockOptions): Promise<Result<Lock>> {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'lock');
  const own = JSON.stringify({ pid: process.pid, startTicks: startTicksOf(process.pid), token: nextToken() });
  const deadline = options.clock.nowMs() + options.timeoutMs;
  for (;;) {
    if (take(path, own)) return ok({ release: async () => release(path, own) });
    const holder = readHolder(path);
    if (holder !== null && !isAlive(holder)) {
      takeAway(path, holder.text);
      continue;
    }
    const left = deadline - options.clock.nowMs();
    if (left <= 0 || options.signal?.aborted === true) return fail(held(holder?.pid ?? null));
    await options.clock.sleep(Math.min(100, left), options.signal);
  }
}

let tokens = 0;
const nextToken = (): number => ++tokens;

type Holder = { pid: number; startTicks: string | null; text: string };

/** A link appears with its content or not at all: nobody ever reads half a lock. */
function take(path: string, own: string): boolean {
  const beside = `${path}.${process.pid}.${nextToken()}`;
  writeFileSync(beside, own, { mode: 0o600 });
  try {
    linkSync(beside, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(beside, { force: true });
  }
}

function release(path: string, own: string): void {
  if (readHolder(path)?.text === own) rmSync(path, { force: true });
}

/** Two that find the same dead holder must not remove each other's new lock: what was moved away is looked at again. */
function takeAway(path: string, text: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (readHolder(aside)?.text !== text) {
    try {
      linkSync(aside, path);
    } catch {
      // Somebody took it meanwhile.
    }
  }
  rmSync(aside, { force: true });
}

/** null: gone meanwhile. A file that is no lock of ours counts as held by nobody alive. */
function readHolder(path: string): Holder | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  try {
    const { pid, startTicks } = JSON.parse(text) as { pid?: unknown; startTicks?: unknown };
    if (typeof pid === 'number' && Number.isSafeInteger(pid)) {
      return { pid, startTicks: typeof startTicks === 'string' ? startTicks : null, text };
    }
  } catch {
    // Falls through: not ours.
  }
  return { pid: 0, startTicks: null, text };
}

function isAlive(holder: Holder): boolean {
  if (holder.pid <= 0) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = startTicksOf(holder.pid);
  return now === null || holder.startTicks === null || now === holder.startTicks;
}

/** Start time in clock ticks since boot; null where the system does not tell. */
function startTicksOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** A disk that is full, mostly: to be outlived by a daemon, and no bug. */
function unwritable(dir: string, code: string): Problem {
  return {
    code: 'lock-unwritable',
    message: `${join(dir, 'lock')} cannot be written (${code})`,
    hint: 'nothing was done; is the disk full, or does the folder belong to somebody else?',
    retry: 'backoff',
  };
}

function held(pid: number | null): Problem {
  return {
    code: 'lock-held',
    message: `another mmfleet works in this clone${pid === null ? '' : ` (pid ${pid})`}`,
    hint: 'wait for it, or give a longer --timeout',
    retry: 'backoff',
  };
}
