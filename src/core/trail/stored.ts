/**
 * The trail as text that is read back faster than git tells it. What every entry is sorted by stands in columns, parsed at
 * once; what its message says stands in lines of their own, parsed when somebody asks for that one entry.
 */
import { TRAIL_KINDS } from './trailers.ts';
import type { TrailEntry } from './types.ts';

/** Raised with every change of what an entry is or how a message is read: an older text is then no answer any more. */
export const STORED_FORMAT = 6;

/** `lines`: one a entry, in the order of the columns, none holds a line feed. */
export type StoredTrail = { columns: string; lines: string[] };

export function storeTrail(entries: readonly TrailEntry[], bytesOf: (text: string) => number): StoredTrail {
  const people = pool<string>();
  const instances = pool<string | null>();
  const paths = pool<string>();
  const lines = entries.map(({ subject, body, trailers }) =>
    JSON.stringify([subject, body, ...trailers.flatMap(({ key, value }) => [key, value])]),
  );
  const files = entries.flatMap((e) => e.files);
  const columns: Columns = {
    idChars: entries[0]?.commit.length ?? 0,
    commits: entries.map((e) => e.commit).join(''),
    parents: entries.flatMap((e, i) => (isNext(entries, i, e) ? [] : [[i, e.parents]])),
    author: entries.map((e) => people.placeOf(JSON.stringify([e.authorName, e.authorEmail]))),
    people: people.values,
    authorTs: entries.map((e) => e.authorTs),
    committerTs: entries.map((e) => e.committerTs),
    at: entries.map((e) => e.at),
    kinds: entries.map((e) => (e.kind === null ? -1 : TRAIL_KINDS.indexOf(e.kind))),
    instance: entries.map((e) => instances.placeOf(e.instance)),
    instances: instances.values,
    ours: entries.map((e) => (e.ours ? '1' : '0')).join(''),
    files: entries.map((e) => e.files.length),
    statuses: files.map((f) => f.status).join(''),
    path: files.map((f) => paths.placeOf(f.path)),
    paths: paths.values,
    bytes: lines.map((line) => bytesOf(line) + 1),
  };
  return { columns: JSON.stringify(columns), lines };
}

/** `lineAt` gives the line that begins at a byte and has so many, its line feed counted. Throws on text that is none of ours. */
export function restoreTrail(columns: string, lineAt: (start: number, bytes: number) => string): TrailEntry[] {
  const stored = JSON.parse(columns) as Columns;
  const people = stored.people.map((who) => JSON.parse(who) as [string, string]);
  const trail: Stored = { ...stored, people, parents: new Map(stored.parents), lineAt, last: null };
  let [start, file] = [0, 0];
  return stored.bytes.map((bytes, i) => {
    const entry = new StoredEntry(trail, i, start, file);
    start += bytes;
    file += stored.files[i]!;
    return entry;
  });
}

type Message = Pick<TrailEntry, 'subject' | 'body' | 'trailers'>;

type Columns = {
  idChars: number;
  /** Ids of one length, one after the other. */
  commits: string;
  /** Of those entries that have another parent than the entry that follows, or not only that one. */
  parents: [place: number, parents: string[]][];
  author: number[];
  /** JSON of name and e-mail. */
  people: string[];
  authorTs: number[];
  committerTs: number[];
  at: number[];
  /** Places in TRAIL_KINDS; -1: none. */
  kinds: number[];
  instance: number[];
  instances: (string | null)[];
  /** A digit each. */
  ours: string;
  /** How many each touched. */
  files: number[];
  /** Of all files, a letter each. */
  statuses: string;
  path: number[];
  /** Receipts and holds are touched over and over. */
  paths: string[];
  bytes: number[];
};

type Stored = Omit<Columns, 'people' | 'parents'> & {
  people: [string, string][];
  parents: ReadonlyMap<number, string[]>;
  lineAt(start: number, bytes: number): string;
  /** What the entry says that was asked about last: it is asked for one word after the other, and then hardly ever again. */
  last: { place: number; message: Message } | null;
};

/** A place in the columns: ten thousand of them cost less than one property each would. */
class StoredEntry implements TrailEntry {
  readonly #trail: Stored;
  readonly #place: number;
  /** Where its line begins, and its files. */
  readonly #start: number;
  readonly #file: number;

  constructor(trail: Stored, place: number, start: number, file: number) {
    this.#trail = trail;
    this.#place = place;
    this.#start = start;
    this.#file = file;
  }

  get commit() {
    return idAt(this.#trail, this.#place);
  }
  get parents() {
    return this.#trail.parents.get(this.#place) ?? [idAt(this.#trail, this.#place + 1)];
  }
  get authorName() {
    return this.#trail.people[this.#trail.author[this.#place]!]![0];
  }
  get authorEmail() {
    return this.#trail.people[this.#trail.author[this.#place]!]![1];
  }
  get authorTs() {
    return this.#trail.authorTs[this.#place]!;
  }
  get committerTs() {
    return this.#trail.committerTs[this.#place]!;
  }
  get subject() {
    return this.#said().subject;
  }
  get body() {
    return this.#said().body;
  }
  get kind() {
    return TRAIL_KINDS[this.#trail.kinds[this.#place]!] ?? null;
  }
  get instance() {
    return this.#trail.instances[this.#trail.instance[this.#place]!] ?? null;
  }
  get trailers() {
    return this.#said().trailers;
  }
  get at() {
    return this.#trail.at[this.#place]!;
  }
  get ours() {
    return this.#trail.ours[this.#place] === '1';
  }
  get files() {
    // Not kept: looked at once or twice, they would be a third of what an entry takes.
    return filesOf(this.#trail, this.#file, this.#trail.files[this.#place]!);
  }

  #said(): Message {
    const trail = this.#trail;
    const place = this.#place;
    if (trail.last?.place !== place)
      trail.last = { place, message: readLine(trail.lineAt(this.#start, trail.bytes[place]!)) };
    return trail.last.message;
  }
}

const idAt = ({ commits, idChars }: Stored, place: number) => commits.slice(place * idChars, (place + 1) * idChars);

function isNext(entries: readonly TrailEntry[], i: number, { parents }: TrailEntry): boolean {
  return parents.length === 1 && parents[0] === entries[i + 1]?.commit;
}

/** Each value once, in the order in which it was first asked for. */
function pool<T>(): { values: T[]; placeOf(value: T): number } {
  const values: T[] = [];
  const places = new Map<T, number>();
  return {
    values,
    placeOf(value) {
      const place = places.get(value) ?? values.push(value) - 1;
      places.set(value, place);
      return place;
    },
  };
}

function readLine(line: string): Message {
  const [subject = '', body = '', ...words] = JSON.parse(line) as string[];
  const trailers: TrailEntry['trailers'] = [];
  for (let i = 0; i + 1 < words.length; i += 2) trailers.push({ key: words[i]!, value: words[i + 1]! });
  return { subject, body, trailers };
}

function filesOf({ statuses, path, paths }: Stored, first: number, count: number): TrailEntry['files'] {
  const files = new Array<TrailEntry['files'][number]>(count);
  for (let n = 0; n < count; n += 1)
    files[n] = { status: statuses[first + n] as TrailEntry['files'][number]['status'], path: paths[path[first + n]!]! };
  return files;
}
