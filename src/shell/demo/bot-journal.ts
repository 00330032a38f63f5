/** The journal file of one run: named as the bot names it, appended line by line, with its `latest` link. */
import { closeSync, fsyncSync, mkdirSync, openSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export type JournalFile = { path: string; append(lines: string): void; close(): void };

/** Creates `mm_<MARKET>_<YYYYMMDD_HHMMSS>.jsonl` for a start at `startTs` (Unix seconds, local time) under `dir`. */
export function openJournal(dir: string, market: string, startTs: number): JournalFile {
  mkdirSync(dir, { recursive: true });
  const name = `mm_${market}_${localStamp(startTs)}.jsonl`;
  const path = join(dir, name);
  const fd = openSync(path, 'a');
  linkLatest(join(dir, `mm_${market}_latest.jsonl`), name);
  return {
    path,
    append: (lines) => {
      if (lines !== '') writeSync(fd, lines);
    },
    close: () => {
      fsyncSync(fd);
      closeSync(fd);
    },
  };
}

function localStamp(ts: number): string {
  const at = new Date(ts * 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}`;
  return `${day}_${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}`;
}

/** As the bot: not atomic, and a failure does not matter. */
function linkLatest(link: string, target: string): void {
  try {
    unlinkSync(link);
  } catch {
    // there was none
  }
  try {
    symlinkSync(target, link);
  } catch {
    // another run was faster
  }
}
