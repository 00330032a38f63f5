/**
 * The trail as text that is read back faster than git tells it. What every entry is sorted by stands in columns, parsed at
 * once; what its message says stands in lines of their own, parsed when somebody asks for that one entry.
 */
import { TRAIL_KINDS } from './trailers.ts';
import type { TrailEntry } from './types.ts';

/** Raised with every change of what an entry is or how a message is read: an older text is then no answer any more. */
export const STORED_FORMAT = 2;

/** `lines`: one a entry, in the order of the columns, none holds a line feed. */
export type StoredTrail = { columns: string; lines: string[] };

export function storeTrail(entries: readonly TrailEntry[], bytesOf: (text: string) => number): StoredTrail {
  const people: string[] = [];
  const places = new Map<string, number>();
  const lines = entries.map(({ subject, body, trailers }) =>
    JSON.stringify([subject, body, ...trailers.flatMap(({ key, value }) => [key, value])]),
  );
  const columns: Columns = {
    commits: entries.map((e) => e.commit),
    parents: entries.map((e, i) => (isNext(entries, i, e) ? 0 : e.parents)),
    people,
    author: entries.map((e) => {
      const who = JSON.stringify([e.authorName, e.authorEmail]);
      const place = places.get(who) ?? people.push(who) - 1;
      places.set(who, place);
      return place;
    }),
    authorTs: entries.map((e) => e.authorTs),
    committerTs: entries.map((e) => e.committerTs),
    at: entries.map((e) => e.at),
    kinds: entries.map((e) => (e.kind === null ? -1 : TRAIL_KINDS.indexOf(e.kind))),
    instances: entries.map((e) => e.instance),
    ours: entries.map((e) => (e.ours ? '1' : '0')).join(''),
    files: entries.map((e) => e.files.flatMap((f) => [f.status, f.path])),
    bytes: lines.map((line) => bytesOf(line) + 1),
  };
  return { columns: JSON.stringify(columns), lines };
}

/** `lineAt` gives the line that begins at a byte and has so many, its line feed counted. Throws on text that is none of ours. */
export function restoreTrail(columns: string, lineAt: (start: number, bytes: number) => string): TrailEntry[] {
  const stored = JSON.parse(columns) as Columns;
  const people = stored.people.map((who) => JSON.parse(who) as [string, string]);
  let start = 0;
  return stored.commits.map((commit, i): TrailEntry => {
    const bytes = stored.bytes[i]!;
    const from = start;
    start += bytes;
    let message: Message | null = null;
    const said = (): Message => {
      message ??= readLine(lineAt(from, bytes));
      return message;
    };
    const [authorName, authorEmail] = people[stored.author[i]!]!;
    const parents = stored.parents[i]!;
    return {
      commit,
      parents: parents === 0 ? [stored.commits[i + 1]!] : parents,
      authorName,
      authorEmail,
      authorTs: stored.authorTs[i]!,
      committerTs: stored.committerTs[i]!,
      get subject() {
        return said().subject;
      },
      get body() {
        return said().body;
      },
      kind: TRAIL_KINDS[stored.kinds[i]!] ?? null,
      instance: stored.instances[i] ?? null,
      get trailers() {
        return said().trailers;
      },
      at: stored.at[i]!,
      ours: stored.ours[i] === '1',
      files: filesOf(stored.files[i]!),
    };
  });
}

type Message = Pick<TrailEntry, 'subject' | 'body' | 'trailers'>;

type Columns = {
  commits: string[];
  /** 0: the entry that follows, and no other. */
  parents: (0 | string[])[];
  /** JSON of name and e-mail. */
  people: string[];
  author: number[];
  authorTs: number[];
  committerTs: number[];
  at: number[];
  /** Places in TRAIL_KINDS; -1: none. */
  kinds: number[];
  instances: (string | null)[];
  /** A digit each. */
  ours: string;
  /** Status and path, in turns. */
  files: string[][];
  bytes: number[];
};

function isNext(entries: readonly TrailEntry[], i: number, { parents }: TrailEntry): boolean {
  return parents.length === 1 && parents[0] === entries[i + 1]?.commit;
}

function readLine(line: string): Message {
  const [subject = '', body = '', ...words] = JSON.parse(line) as string[];
  const trailers: TrailEntry['trailers'] = [];
  for (let i = 0; i + 1 < words.length; i += 2) trailers.push({ key: words[i]!, value: words[i + 1]! });
  return { subject, body, trailers };
}

function filesOf(words: string[]): TrailEntry['files'] {
  const files: TrailEntry['files'] = [];
  for (let i = 0; i + 1 < words.length; i += 2)
    files.push({ status: words[i] as TrailEntry['files'][number]['status'], path: words[i + 1]! });
  return files;
}
