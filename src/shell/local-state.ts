/** What mmfleet keeps in the clone and outside git's tree: its lock, stop intents, holds not yet committed, new receipts, back-off counts. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clearIntent, readIntent, type StopIntent, writeIntent } from '../adapters/intents.ts';
import { clearLocalHold, readLocalHold, writeLocalHold } from '../adapters/local-holds.ts';
import { acquireLock, type Lock, type LockOptions } from '../adapters/lock.ts';
import { appendReceipt } from '../adapters/receipt-log.ts';
import { fileVersion, foldersVersion, namesIn, TextFiles, textOf } from '../adapters/text-files.ts';
import { NO_RESTARTS, type RestartState } from '../core/flat/backoff.ts';
import type { Receipt } from '../core/flat/types.ts';
import type { Known, Result } from '../core/problem.ts';
import type { Hold } from '../core/trail/types.ts';

export type LocalState = {
  /** Problem: `lock-held`. */
  lock(options: LockOptions): Promise<Result<Lock>>;
  /** The stop in flight or just ended; null = none. */
  intent(name: string): Promise<Known<StopIntent | null>>;
  /** On the disk when it returns. */
  writeIntent(name: string, intent: StopIntent): Promise<void>;
  clearIntent(name: string): Promise<void>;
  /** What a person asked for while nothing could be committed; null = nothing. Unreadable is a hold. */
  hold(name: string): Promise<Hold | null>;
  /** On the disk when it returns. */
  writeHold(hold: Hold): Promise<void>;
  clearHold(name: string): Promise<void>;
  /** Receipt lines of `.mmfleet`, tracked or not; empty when there are none. */
  receipts(name: string): Promise<string>;
  /** Another text whenever those lines may be others; null or absent: it cannot be told. */
  receiptsVersion?(name: string): string | null;
  /** On the disk when it returns. */
  appendReceipt(receipt: Receipt): Promise<void>;
  restarts(name: string): Promise<RestartState>;
  /** Keeps the back-off count; losing it only starts the count anew. */
  writeRestarts(name: string, state: RestartState): Promise<void>;
  /** What there may be of an instance, as of now: of what is not there nothing has to be asked. Absent: ask for each. */
  present?(): (name: string) => Present;
  /** Another text whenever an intent, a hold, a receipt or a count was written by any mmfleet; null or absent: it cannot be told. */
  version?(): string | null;
};

/** false: there is none. */
export type Present = Record<'intent' | 'hold' | 'receipts' | 'restarts', boolean>;

/** `gitDir`: the clone's `.git`; `stateDir`: `.mmfleet`. Both absolute. */
export function localState({ gitDir, stateDir }: { gitDir: string; stateDir: string }): LocalState {
  const receiptsPath = (name: string) => join(stateDir, 'receipts', `${name}.jsonl`);
  const restartsPath = (name: string) => join(stateDir, 'backoff', `${name}.json`);
  const folders = [
    ...['stops', 'holds'].map((folder) => join(gitDir, 'mmfleet', folder)),
    ...['receipts', 'backoff'].map((folder) => join(stateDir, folder)),
  ];
  const texts = new TextFiles();
  return {
    lock: (options) => acquireLock(join(gitDir, 'mmfleet'), options),
    intent: (name) => readIntent(gitDir, name),
    writeIntent: (name, intent) => writeIntent(gitDir, name, intent),
    clearIntent: (name) => clearIntent(gitDir, name),
    hold: async (name) => readLocalHold(gitDir, name),
    writeHold: async (hold) => writeLocalHold(gitDir, hold),
    clearHold: async (name) => clearLocalHold(gitDir, name),
    receipts: async (name) => textOf(receiptsPath(name)) ?? '',
    receiptsVersion: (name) => fileVersion(receiptsPath(name)),
    appendReceipt: (receipt) => appendReceipt(stateDir, receipt),
    async restarts(name) {
      try {
        const text = texts.read(restartsPath(name));
        if (text === null) return NO_RESTARTS;
        const value: unknown = JSON.parse(text);
        return isRestartState(value) ? value : NO_RESTARTS;
      } catch {
        return NO_RESTARTS; // absent or damaged: only the count starts anew
      }
    },
    async writeRestarts(name, state) {
      await mkdir(join(stateDir, 'backoff'), { recursive: true });
      // By a rename: the folder's time tells that something changed, and nobody reads half a count.
      const beside = `${restartsPath(name)}.${process.pid}.tmp`;
      await writeFile(beside, JSON.stringify(state));
      await rename(beside, restartsPath(name));
    },
    present() {
      const [intent, hold, receipts, restarts] = folders.map(presentIn);
      return (name) => ({
        intent: intent!(name),
        hold: hold!(name),
        receipts: receipts!(name),
        restarts: restarts!(name),
      });
    },
    version: () => foldersVersion(folders),
  };
}

/** Of which instances a folder may hold something: one that cannot be listed may hold anything, each of its files says so itself. */
function presentIn(folder: string): (name: string) => boolean {
  const files = namesIn(folder);
  if (files === null) return () => true;
  const names = new Set(files.map((file) => file.replace(/\.jsonl?$/, '')));
  return (name) => names.has(name);
}

function isRestartState(value: unknown): value is RestartState {
  if (typeof value !== 'object' || value === null) return false;
  const { restarts, lastStartMs, exitedMs } = value as Record<string, unknown>;
  const isTime = (time: unknown) => time === null || (Number.isSafeInteger(time) && Number(time) >= 0);
  return Number.isSafeInteger(restarts) && Number(restarts) >= 0 && isTime(lastStartMs) && isTime(exitedMs);
}
