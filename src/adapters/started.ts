/**
 * Which process each instance was started as. A program that clears its environment, writes its title over it (setproctitle), or
 * runs as somebody else carries no marker that could be read: its pid and start time still tell that it lives.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessCopy } from '../core/ports.ts';
import { liveProcess } from './process-table.ts';

const FOLDER = 'started';

/** `ownDir`: `.git/mmfleet`. Where it cannot be written only the markers tell: the process is there already. */
export function noteStarted(ownDir: string, copy: ProcessCopy): void {
  try {
    const path = join(ownDir, FOLDER, copy.instance);
    mkdirSync(join(ownDir, FOLDER), { recursive: true });
    writeFileSync(`${path}.tmp`, JSON.stringify(copy), { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  } catch {
    // A full disk, say.
  }
}

/** Those that live of what was noted, but for these instances. Throws when the process table cannot be read. */
export function startedAlive(ownDir: string, except: ReadonlySet<string>): ProcessCopy[] {
  return namesIn(join(ownDir, FOLDER)).flatMap((name) => {
    const copy = except.has(name) ? null : read(join(ownDir, FOLDER, name), name);
    return copy !== null && liveProcess(copy.pid)?.startTicks === copy.startTicks ? [copy] : [];
  });
}

/** Nothing happens when there was none. */
export function forgetStarted(ownDir: string, instance: string): void {
  rmSync(join(ownDir, FOLDER, instance), { force: true });
}

/** As it was found when it was started. null: absent or damaged. */
function read(path: string, instance: string): ProcessCopy | null {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as ProcessCopy;
    return Number.isSafeInteger(value.pid) && typeof value.startTicks === 'string' && value.instance === instance
      ? value
      : null;
  } catch {
    return null;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
