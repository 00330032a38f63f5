/** The trail of one clone: in memory, in the cache between commands, and in git; each is only asked for what the one before lacks. */
import { join } from 'node:path';
import { headOf, type Repo } from '../adapters/git.ts';
import { readLog } from '../adapters/git-log.ts';
import { readBlobs, readTree } from '../adapters/git-read.ts';
import { keepTrail, loadTrail } from '../adapters/trail-file.ts';
import { ok, type Result } from '../core/problem.ts';
import { asOurs, isForeign } from '../core/trail/former.ts';
import { asPark, asStep, type Squashed, squashedStep } from '../core/trail/squash.ts';
import type { TrailEntry } from '../core/trail/types.ts';

type Known = { head: string; email: string; entries: TrailEntry[] };

/** So many new entries are read from git again by every command before all are written anew: writing costs as reading does. */
const lateAfter = (count: number): number => Math.max(32, count / 40);

/**
 * Reads the trail that begins at a commit (absent: at HEAD), newest first. A history that was rewritten, or a merge among the
 * new commits, is read whole; so the answer is always that of a whole read. `fleetFile` declares the fleet: what it named as
 * the author's e-mail before counts as ours too.
 */
export function trailReader(
  repo: Repo,
  stateDir: string,
): (ourEmail: string, head?: string, fleetFile?: string) => Promise<Result<TrailEntry[]>> {
  const file = join(stateDir, 'cache', 'trail');
  let known: Known | null = null;
  let keptCount = 0;
  return async (email, head, fleetFile) => {
    const from = head === undefined ? await headOf(repo) : ok(head);
    if (!from.ok) return from;
    if (from.value === null) return ok([]);
    if (known?.email !== email) {
      const kept = loadTrail(file, email);
      known = kept === null ? null : { ...kept, email };
      keptCount = known?.entries.length ?? 0;
    }
    if (known?.head === from.value) return ok(known.entries);
    const since = known === null ? {} : { since: known.head };
    const log = await readLog(repo, { ...since, until: from.value, under: '', ourEmail: email });
    if (!log.ok) return log;
    const older = log.value.whole ? [] : (known?.entries ?? []);
    const named = await withFormerAuthors(repo, log.value.entries, older, fleetFile);
    if (!named.ok) return named;
    const read = await withSquashes(repo, named.value);
    if (!read.ok) return read;
    let entries = [...read.value, ...older];
    if (log.value.whole || entries.length - keptCount >= lateAfter(entries.length)) {
      // A daemon goes on with what was written: an entry as git told it takes four times as much memory.
      entries = keepTrail(file, { head: from.value, ourEmail: email }, entries);
      keptCount = entries.length;
    }
    known = { head: from.value, email, entries };
    return ok(entries);
  };
}

/** Whoever gives mmfleet another e-mail does not make its commits of before somebody else's. */
async function withFormerAuthors(
  repo: Repo,
  entries: TrailEntry[],
  older: readonly TrailEntry[],
  fleetFile: string | undefined,
): Promise<Result<TrailEntry[]>> {
  if (fleetFile === undefined || !entries.some(isForeign)) return ok(entries);
  const versions = [...entries, ...older].flatMap(({ commit, files }) =>
    files.some(({ path, status }) => path === fleetFile && status !== 'D') ? [`${commit}:${fleetFile}`] : [],
  );
  const texts = await readBlobs(repo, versions);
  if (!texts.ok) return texts;
  const { parseSpecs } = await import('../core/spec/parse.ts');
  const emails = new Set(
    [...texts.value.values()].map((text) => parseSpecs([{ path: fleetFile, text }]).fleet?.git.author.email),
  );
  return ok(entries.map((entry) => (!entry.ours && emails.has(entry.authorEmail) ? asOurs(entry) : entry)));
}

/** Steps and parks that a person merged as a squash, as what they are. What cannot be read is no verdict: it would be kept. */
async function withSquashes(repo: Repo, entries: TrailEntry[]): Promise<Result<TrailEntry[]>> {
  const known: TrailEntry[] = [];
  for (const entry of entries) {
    const found = squashedStep(entry);
    const tree = found === null ? null : await readTree(repo, entry.commit, found.path);
    if (tree?.ok === false) return tree;
    const text = tree?.value[0]?.text;
    known.push((found === null || text === undefined ? null : await adopted(entry, found, text)) ?? entry);
  }
  return ok(known);
}

async function adopted(entry: TrailEntry, found: Squashed, text: string): Promise<TrailEntry | null> {
  if (found.story.kind !== 'park') return asStep(entry, found, text);
  // Hardly ever there, and YAML takes longer to load than most commands.
  const { parseHolds } = await import('../core/trail/holds-file.ts');
  return asPark(entry, found, parseHolds(text, found.path).holds);
}
