/** `git log` output to trail entries: NUL-separated fields, so that no message can pretend to be another commit. */

import { parseSeconds } from './text.ts';
import { type KnownLines, splitMessage, trailer } from './trailers.ts';
import type { TrailEntry, TrailKind } from './types.ts';

/** The `--format` that `trailParser` reads; git runs with `-z --name-status --no-renames`. */
export const LOG_FORMAT = '%H%x00%P%x00%an%x00%ae%x00%at%x00%ct%x00%B%x00';

export type TrailParser = {
  /** Decoded output in pieces of any size. */
  push(chunk: string): void;
  /** Everything read, in git's order. */
  end(): TrailEntry[];
};

/** Keeps files under `under` (`fleet/`; empty = all); `ourEmail` is the fleet's author e-mail. */
export function trailParser(options: { under: string; ourEmail: string }): TrailParser {
  const entries: TrailEntry[] = [];
  const known: KnownLines = new Map();
  let rest = '';
  let fields: string[] = [];
  let status: string | null = null;

  const token = (text: string): void => {
    if (fields.length > 0) {
      fields.push(text);
      if (fields.length === 7) {
        entries.push(entryOf(fields, options.ourEmail, known));
        fields = [];
      }
      return;
    }
    if (status !== null) {
      const entry = entries.at(-1);
      if (text.startsWith(options.under)) entry?.files.push({ status: letterOf(status), path: text });
      status = null;
      return;
    }
    const word = text.replace(/^\n/, '');
    if (/^[0-9a-f]{40,64}$/.test(word)) fields = [word];
    else if (/^[A-Z]+\d*$/.test(word)) status = word;
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
      return entries;
    },
  };
}

/** Whole output at once. */
export function parseLog(text: string, options: { under: string; ourEmail: string }): TrailEntry[] {
  const parser = trailParser(options);
  parser.push(text);
  return parser.end();
}

/** Steps, judgements and proofs. The other kinds are a person's wish, written by a verb in that person's name. */
const BY_THE_ENGINE: readonly TrailKind[] = ['tune', 'recover', 'undo', 'park', 'verdict', 'converge', 'rebase'];

/** Whether a subject is in the form of such a commit, whoever wrote it. */
export function isByTheEngine(subject: string): boolean {
  const word = /^([a-z]+)\([^()\s]+\): \S/.exec(subject)?.[1];
  return BY_THE_ENGINE.some((kind) => kind === word);
}

/** The seven fields of `LOG_FORMAT` as an entry without files. */
export function entryOf(fields: string[], ourEmail: string, known?: KnownLines): TrailEntry {
  const [commit = '', parents = '', authorName = '', authorEmail = '', authorTs = '', committerTs = '', text = ''] =
    fields;
  const { subject, body, trailers, kind, name } = splitMessage(text, known);
  const said = trailer(trailers, 'Instance');
  const at = trailer(trailers, 'At');
  // A subject that names one instance and a trailer that names another is nobody's: it must not count for either.
  const agrees = kind === null || kind === 'init' || said === undefined || said === name;
  const ours = authorEmail === ourEmail;
  // What only the engine decides counts only as its own: a person's commit is a person's, whatever its message says.
  const counts = agrees && (ours || kind === null || !BY_THE_ENGINE.includes(kind));
  return {
    commit,
    parents: parents === '' ? [] : parents.split(' '),
    authorName,
    authorEmail,
    authorTs: Number(authorTs),
    committerTs: Number(committerTs),
    subject,
    body,
    kind: counts ? kind : null,
    instance: kind === null || kind === 'init' || !counts ? null : name,
    trailers,
    at: (at === undefined ? undefined : parseSeconds(at)) ?? Number(committerTs),
    ours,
    files: [],
  };
}

/** Combined letters of a merge (`MM`) count as their first; a type change counts as a change. */
function letterOf(status: string): 'A' | 'M' | 'D' | 'R' {
  const letter = status[0];
  return letter === 'A' || letter === 'D' || letter === 'R' ? letter : 'M';
}
