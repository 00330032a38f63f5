/**
 * A step or park that a person merged as a squash: hosts keep the message of what was squashed, under another author and
 * subject, indented or as a list. It is the engine's decision when its words are whole and the file beside them is what they say.
 */
import { envDigest } from '../env/digest.ts';
import { iterHeader, parseIterName } from '../env/iter.ts';
import { parseEnv } from '../env/read.ts';
import { entryWith } from './entry.ts';
import { parseMessage } from './read-message.ts';
import type { CommitStory } from './stories.ts';
import { splitMessage, trailerLines } from './trailers.ts';
import type { Hold, TrailEntry } from './types.ts';

type SquashedStory = Extract<CommitStory, { kind: 'tune' | 'recover' | 'undo' | 'park' }>;

/** `path`: the iter file, or of a park the holds. */
export type Squashed = { story: SquashedStory; trailers: TrailEntry['trailers']; path: string };

const HOLDS = 'fleet/holds.yaml';

/** The one step or park that a person's commit tells of, and touches the file of; null: none, several, or not whole. */
export function squashedStep(entry: TrailEntry): Squashed | null {
  if (entry.ours || entry.kind !== null || entry.parents.length !== 1) return null;
  const iters = entry.files.filter(({ path }) => parseIterName(path) !== null);
  const [added = null] = iters;
  const holds = entry.files.find(({ path, status }) => path === HOLDS && status !== 'D');
  const path = added?.path ?? holds?.path;
  if (path === undefined || iters.length > 1 || (added !== null && added.status !== 'A')) return null;
  const message = stepMessage([entry.subject, '', entry.body, '', trailerLines(entry.trailers)].join('\n'));
  const story = message === null ? null : parseMessage(message);
  if (message === null || story === null || !isSquashed(story)) return null;
  const iter = story.kind === 'park' ? undefined : story.iter;
  if (iter !== parseIterName(path)?.iter) return null;
  return { story, trailers: splitMessage(message).trailers, path };
}

/** The entry as the step it is; null: the file, given by its text in that commit, is not what the message says. */
export function asStep(entry: TrailEntry, squashed: Squashed, text: string): TrailEntry | null {
  const { story, path } = squashed;
  if (story.kind === 'park') return null;
  const base = parseIterName(path)?.basePath.split('/').at(-1) ?? '';
  const header = iterHeader(base, story);
  const head = text.split(/\r?\n/).slice(0, header.length);
  if (head.some((line, i) => line !== header[i])) return null;
  return envDigest(parseEnv(text, path).values) === story.envDigest ? adopted(entry, squashed) : null;
}

/** The entry as the park it is; null: the holds of that commit do not say so. */
export function asPark(entry: TrailEntry, squashed: Squashed, holds: readonly Hold[]): TrailEntry | null {
  const { story } = squashed;
  if (story.kind !== 'park') return null;
  const { instance, until } = story;
  const isHeld = holds.some((hold) => hold.kind === 'park' && hold.instance === instance && hold.until === until);
  return isHeld ? adopted(entry, squashed) : null;
}

const adopted = (entry: TrailEntry, { story, trailers }: Squashed): TrailEntry =>
  entryWith(entry, { kind: story.kind, instance: story.instance, trailers, at: story.at ?? entry.at });

const isSquashed = (story: CommitStory): story is SquashedStory =>
  story.kind === 'tune' || story.kind === 'recover' || story.kind === 'undo' || story.kind === 'park';

/** From the subject of a step or park to the end of its trailers, as it was before it was indented; null: not exactly one. */
function stepMessage(text: string): string | null {
  const lines = text.split('\n').map((line) => line.replace(/^(?: {4}|\* )/, ''));
  const subjects = lines.flatMap((line, at) => {
    const name = /^((?:tune|recover|undo|park)\([^()\s]+\)): \S/.exec(line)?.[1];
    return name === undefined ? [] : [{ name, at }];
  });
  const trailers = lines.flatMap((line, at) => (line.startsWith('Mmfleet-') ? [at] : []));
  const [first, last] = [trailers[0], trailers.at(-1)];
  // The title of a merge request repeats the subject.
  const subject = subjects.at(-1);
  if (subject === undefined || first === undefined || last === undefined) return null;
  if (subjects.some(({ name }) => name !== subject.name)) return null;
  if (first < subject.at || last - first + 1 !== trailers.length) return null;
  return lines.slice(subject.at, last + 1).join('\n');
}
