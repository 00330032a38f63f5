/** Commits of mmfleet from a time when the fleet named another e-mail as its author's. */
import { entryWith } from './entry.ts';
import { entryOf, isByTheEngine } from './parse.ts';
import { trailerLines } from './trailers.ts';
import type { TrailEntry } from './types.ts';

/** The engine's words under an e-mail that is not the fleet's: of that time, or a person's. */
export const isForeign = (entry: TrailEntry): boolean =>
  !entry.ours && entry.kind === null && isByTheEngine(entry.subject);

/** The entry as it was read when its author's e-mail was the fleet's. */
export function asOurs(entry: TrailEntry): TrailEntry {
  const { commit, parents, authorName, authorEmail, authorTs, committerTs, subject, body, trailers, files } = entry;
  const message = [subject, '', body, '', trailerLines(trailers)].join('\n');
  const times = [String(authorTs), String(committerTs)];
  const fields = [commit, parents.join(' '), authorName, authorEmail, ...times, message];
  return entryWith(entryOf(fields, authorEmail), { files });
}
