/**
 * A step that a person merged as a squash: hosts keep the message of what was squashed, under another author and subject,
 * indented or as a list. It is the engine's decision when its words are whole and the file beside them is what they say.
 */
import { envDigest } from '../env/digest.ts';
import { iterHeader, parseIterName } from '../env/iter.ts';
import { parseEnv } from '../env/read.ts';
import { entryWith } from './entry.ts';
import { parseMessage } from './read-message.ts';
import type { CommitStory } from './stories.ts';
import { splitMessage, trailerLines } from './trailers.ts';
import type { TrailEntry } from './types.ts';

type StepStory = Extract<CommitStory, { kind: 'tune' | 'recover' | 'undo' }>;

export type Squashed = { story: StepStory; trailers: TrailEntry['trailers']; path: string };

/** The one step that a person's commit tells of and adds the iter file of; null: none, several, or not whole. */
export function squashedStep(entry: TrailEntry): Squashed | null {
  if (entry.ours || entry.kind !== null || entry.parents.length !== 1) return null;
  const iters = entry.files.filter(({ path }) => parseIterName(path) !== null);
  const added = iters[0];
  if (added === undefined || iters.length > 1 || added.status !== 'A') return null;
  const message = stepMessage([entry.subject, '', entry.body, '', trailerLines(entry.trailers)].join('\n'));
  const story = message === null ? null : parseMessage(message);
  if (message === null || story === null || !isStep(story)) return null;
  if (story.iter !== parseIterName(added.path)?.iter) return null;
  return { story, trailers: splitMessage(message).trailers, path: added.path };
}

/** The entry as the step it is; null: the file, given by its text in that commit, is not what the message says. */
export function asStep(entry: TrailEntry, { story, trailers, path }: Squashed, text: string): TrailEntry | null {
  const base = parseIterName(path)?.basePath.split('/').at(-1) ?? '';
  const header = iterHeader(base, story);
  const head = text.split(/\r?\n/).slice(0, header.length);
  if (head.some((line, i) => line !== header[i])) return null;
  if (envDigest(parseEnv(text, path).values) !== story.envDigest) return null;
  return entryWith(entry, { kind: story.kind, instance: story.instance, trailers, at: story.at ?? entry.at });
}

const isStep = (story: CommitStory): story is StepStory =>
  story.kind === 'tune' || story.kind === 'recover' || story.kind === 'undo';

/** From the subject of a step to the end of its trailers, as it was before it was indented; null: not exactly one. */
function stepMessage(text: string): string | null {
  const lines = text.split('\n').map((line) => line.replace(/^(?: {4}|\* )/, ''));
  const subjects = lines.flatMap((line, at) => {
    const name = /^((?:tune|recover|undo)\([^()\s]+\)): \S/.exec(line)?.[1];
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
