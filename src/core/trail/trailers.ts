/** Reads a commit message by our own rules: a trailer counts only in the last paragraph, never in the subject. */

import { oneLine } from './text.ts';
import type { TrailEntry, TrailKind } from './types.ts';

export const TRAIL_KINDS: readonly TrailKind[] = [
  'tune',
  'recover',
  'undo',
  'park',
  'verdict',
  'converge',
  'rebase',
  'hold',
  'release',
  'start',
  'stop',
  'suspend',
  'resume',
  'rollback',
  'init',
];

export type MessageParts = {
  subject: string;
  /** Everything between the subject and the trailers, paragraphs separated by a blank line. */
  body: string;
  /** `Mmfleet-*` trailers in order, without the prefix. */
  trailers: TrailEntry['trailers'];
  /** From a subject such as `tune(amzn): ...`; null: not our form. */
  kind: TrailKind | null;
  /** The word in the subject's brackets; null: not our form. */
  name: string | null;
};

/** Trailers by their line, for as long as one history is read: most lines of a fleet's commits have been there before. */
export type KnownLines = Map<string, TrailEntry['trailers'][number] | null>;

/** Splits any message text; never fails. */
export function splitMessage(text: string, known: KnownLines = new Map()): MessageParts {
  const { subject, body, trailers } = UNUSUAL.test(text) ? splitAny(text, known) : splitPlain(text, known);
  const form = /^([a-z]+)\(([^()\s]+)\): \S/.exec(subject);
  const kind = TRAIL_KINDS.find((each) => each === form?.[1]) ?? null;
  return { subject, body, trailers, kind, name: kind === null ? null : form![2]! };
}

type Split = Pick<MessageParts, 'subject' | 'body' | 'trailers'>;

/** Another line end, space before the subject or a line, or more than one blank line. */
const UNUSUAL = /\r|^\n|\n(?:\n\n|[^\S\n])/;

/** What git keeps of nearly every message: cut out as it stands. */
function splitPlain(text: string, known: KnownLines): Split {
  const whole = text.trimEnd();
  const end = whole.indexOf('\n');
  if (end === -1) return { subject: whole, body: '', trailers: [] };
  const subject = whole.slice(0, end);
  const bodyAt = whole[end + 1] === '\n' ? end + 2 : end + 1;
  const blank = whole.lastIndexOf('\n\n');
  const trailers = blank === -1 ? [] : trailersOf(whole.slice(blank + 2), known);
  return {
    subject,
    body: trailers.length > 0 ? whole.slice(bodyAt, Math.max(bodyAt, blank)) : whole.slice(bodyAt),
    trailers,
  };
}

/** The rules themselves, for any text. */
export function splitAny(text: string, known: KnownLines = new Map()): Split {
  const [subject = '', ...rest] = text
    .replace(/\r\n?/g, '\n')
    .replace(/^\n+|\s+$/g, '')
    .split('\n');
  const paragraphs = rest
    .join('\n')
    .split(/\n[ \t]*(?:\n[ \t]*)*\n/)
    .map((part) => part.replace(/^\n+/, ''));
  // A message whose text starts right under the subject has no first blank line: that paragraph is not the last one.
  const separated = rest.length > 0 && rest[0]!.trim() === '';
  const last = paragraphs.at(-1) ?? '';
  const trailers = paragraphs.length > 1 || separated ? trailersOf(last, known) : [];
  const bodyParts = trailers.length > 0 ? paragraphs.slice(0, -1) : paragraphs;
  return { subject, body: bodyParts.filter((part) => part !== '').join('\n\n'), trailers };
}

/** The last paragraph of a message: `Mmfleet-Key: value` a line, each value made one clean line. */
export function trailerLines(trailers: TrailEntry['trailers']): string {
  return trailers.map(({ key, value }) => `Mmfleet-${key}: ${oneLine(value)}`).join('\n');
}

/** The value of the first trailer with this key; undefined when absent. */
export function trailer(trailers: TrailEntry['trailers'], key: string): string | undefined {
  return trailers.find((each) => each.key === key)?.value;
}

/** All values of one key, in order. */
export function trailersNamed(trailers: TrailEntry['trailers'], key: string): string[] {
  return trailers.filter((each) => each.key === key).map((each) => each.value);
}

function trailersOf(paragraph: string, known: KnownLines): TrailEntry['trailers'] {
  const found: TrailEntry['trailers'] = [];
  for (const line of paragraph.split('\n')) {
    let said = known.get(line);
    if (said === undefined) {
      said = trailerOf(line);
      known.set(line, said);
    }
    if (said !== null) found.push(said);
  }
  return found;
}

function trailerOf(line: string): TrailEntry['trailers'][number] | null {
  const match = /^Mmfleet-([A-Za-z]+(?:-[A-Za-z]+)*): (.*)$/.exec(line);
  return match === null ? null : { key: match[1]!, value: match[2]!.trim() };
}
