/** Copies of trail entries. */
import type { TrailEntry } from './types.ts';

/** The entry as a plain object, with these fields in place of its own. */
export function entryWith(entry: TrailEntry, changed: Partial<TrailEntry>): TrailEntry {
  const { commit, parents, authorName, authorEmail, authorTs, committerTs } = entry;
  const { subject, body, kind, instance, trailers, at, ours } = entry;
  // An entry makes its files whenever they are asked for: the commit that brought a whole fleet has thousands.
  const files = changed.files ?? entry.files;
  const who = { authorName, authorEmail, authorTs, committerTs };
  return { commit, parents, ...who, subject, body, kind, instance, trailers, at, ours, files, ...changed };
}
