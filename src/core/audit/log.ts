/** `git log --raw` to commits with blob ids: NUL-separated, so that no message can pretend to be another commit. */
import { entryOf } from '../trail/parse.ts';
import type { AuditCommit, AuditFile } from './types.ts';

export type RawLogParser = {
  /** Decoded output in pieces of any size. */
  push(chunk: string): void;
  /** Everything read, in git's order. */
  end(): AuditCommit[];
};

/** Reads `LOG_FORMAT` with `-z --raw --no-abbrev --no-renames --diff-merges=first-parent`. */
export function rawLogParser(): RawLogParser {
  const commits: AuditCommit[] = [];
  let rest = '';
  let fields: string[] = [];
  let change: Omit<AuditFile, 'path'> | null = null;

  const token = (text: string): void => {
    if (fields.length > 0) {
      fields.push(text);
      if (fields.length === FIELDS) {
        // What the message says, whoever wrote it: the author is judged against the fleet of that commit.
        const { ours: _, ...entry } = entryOf(fields, fields[AUTHOR_EMAIL] ?? '');
        commits.push({ ...entry, files: [] });
        fields = [];
      }
      return;
    }
    if (change !== null) {
      commits.at(-1)?.files.push({ ...change, path: text });
      change = null;
      return;
    }
    const word = text.replace(/^\n/, '');
    if (/^[0-9a-f]{40,64}$/.test(word)) fields = [word];
    else change = changeOf(word);
  };

  return {
    push(chunk) {
      const parts = (rest + chunk).split('\0');
      rest = parts.pop() ?? '';
      for (const part of parts) token(part);
    },
    end() {
      if (rest !== '') token(rest);
      rest = '';
      return commits;
    },
  };
}

const FIELDS = 7;
const AUTHOR_EMAIL = 3;

function changeOf(word: string): Omit<AuditFile, 'path'> | null {
  const match = /^:\d{6} (\d{6}) [0-9a-f]+ ([0-9a-f]+) ([A-Z])\d*$/.exec(word);
  if (match === null) return null;
  const plain = match[1] === '100644' || match[1] === '100755';
  const status = match[3] === 'A' || match[3] === 'D' ? match[3] : 'M';
  return { status, blob: plain ? match[2]! : null };
}
