/** Receipts and verdict lines: what commits refer to, against what the files hold. */
import { iterFileName, parseIterName } from '../env/iter.ts';
import { parseReceipt, receiptDigest } from '../trail/receipts.ts';
import type { CommitStory } from '../trail/stories.ts';
import { iterName } from '../trail/text.ts';
import { parseVerdicts, verdictText } from '../trail/verdicts.ts';
import type { AuditCommit, AuditedIter, Finding, Violation } from './types.ts';
import type { Step } from './walk.ts';

export type Records = {
  /** The receipt line with that digest, from the newest content of a receipts file; undefined: not there. */
  receipt(path: string, digest: string): string | undefined;
  verdictLines(path: string): readonly string[];
  /** Verdict lines that a commit has accounted for, by file. */
  told: Map<string, Set<string>>;
  /** The commit that last touched a verdicts file, a person's before ours. */
  lastTouch: ReadonlyMap<string, AuditCommit>;
  verdicts: Map<string, NonNullable<AuditedIter['verdict']>>;
  verdictOf(iterPath: string): AuditedIter['verdict'];
};

/**
 * The blobs whose content the audit reads: every spec and env ever, but of the files that only grow (receipts, verdicts) the
 * newest content and the one before each deletion. `isUsual`: a spec or env by its path; a base env may have any name.
 */
export function blobsToRead(commits: readonly AuditCommit[], isUsual: (path: string) => boolean): string[] {
  const wanted = new Set<string>();
  const bases = new Set(
    commits.flatMap(({ files }) => files.flatMap(({ path }) => parseIterName(path)?.basePath ?? [])),
  );
  const isText = (path: string) => bases.has(path) || parseIterName(path) !== null || isUsual(path);
  for (const { files } of commits)
    for (const { path, blob } of files) if (blob !== null && !isRecord(path) && isText(path)) wanted.add(blob);
  for (const blobs of recordBlobs(commits).values()) for (const blob of blobs) wanted.add(blob);
  return [...wanted];
}

export function recordsOf(commits: readonly AuditCommit[], text: (blob: string) => string): Records {
  const blobs = recordBlobs(commits);
  const texts = (path: string) => (blobs.get(path) ?? []).map(text);
  const digests = new Map<string, Map<string, string>>();
  const lines = new Map<string, string[]>();
  const verdicts: Records['verdicts'] = new Map();
  return {
    receipt(path, digest) {
      let known = digests.get(path);
      if (known === undefined) {
        known = new Map(texts(path).flatMap((each) => each.split('\n').map((line) => [receiptDigest(line), line])));
        digests.set(path, known);
      }
      return known.get(digest);
    },
    verdictLines(path) {
      let known = lines.get(path);
      if (known === undefined) {
        known = texts(path).flatMap((each) => parseVerdicts(each, path).verdicts.map(verdictText));
        lines.set(path, known);
      }
      return known;
    },
    told: new Map([...blobs.keys()].filter((path) => path.endsWith('.verdicts')).map((path) => [path, new Set()])),
    lastTouch: lastTouches(commits),
    verdicts,
    verdictOf: (iterPath) => verdicts.get(iterPath) ?? null,
  };
}

/** What a converge or verdict commit refers to exists and agrees. */
export function recordFindings(records: Records, step: Step, story: CommitStory): Finding[] {
  if (story.kind === 'converge') return receiptFindings(records, step, story);
  return story.kind === 'verdict' ? verdictFindings(records, step, story) : [];
}

/** Lines of verdicts files that no verdict commit tells of. */
export function strayVerdicts(records: Records): Violation[] {
  return [...records.told].flatMap(([path, told]) => {
    const commit = records.lastTouch.get(path);
    if (commit === undefined) return [];
    const stray = records.verdictLines(path).filter((line) => !told.has(line));
    return [...new Set(stray)].map((line) => ({
      commit: commit.commit,
      subject: commit.subject,
      instance: commit.instance,
      rule: 'verdict' as const,
      file: path,
      found: line,
      wanted: 'only lines that a verdict commit wrote',
    }));
  });
}

function receiptFindings(
  records: Records,
  { own }: Step,
  story: Extract<CommitStory, { kind: 'converge' }>,
): Finding[] {
  const path = own.find((file) => isReceipts(file.path))?.path ?? `fleet/receipts/${story.instance}.jsonl`;
  const line = records.receipt(path, story.receipt);
  if (line === undefined)
    return [{ rule: 'receipt', found: `no line of ${path} with ${story.receipt}`, wanted: 'the receipt it names' }];
  const receipt = parseReceipt(line);
  const wanted = `a ${story.flat} receipt of ${story.instance}`;
  if (receipt === null) return [{ rule: 'receipt', found: 'a line that is no receipt', wanted }];
  const agrees = receipt.verdict === story.flat && receipt.instance === story.instance;
  return agrees ? [] : [{ rule: 'receipt', found: `a ${receipt.verdict} receipt of ${receipt.instance}`, wanted }];
}

function verdictFindings(records: Records, step: Step, story: Extract<CommitStory, { kind: 'verdict' }>): Finding[] {
  const path = step.own.find((file) => file.path.endsWith('.verdicts'))?.path;
  if (path === undefined) return [{ rule: 'verdict', found: 'no verdicts file in the commit', wanted: 'its line' }];
  const line = verdictText(story);
  records.told.get(path)?.add(line);
  const basePath = path.slice(0, -'.verdicts'.length);
  const iterPath = iterFileName(basePath, story.iter);
  const { effectBps, ci95, n, against, verdict } = story;
  const earlier = records.verdicts.get(iterPath);
  if (earlier === undefined)
    records.verdicts.set(iterPath, { effectBps, ci95, n, against, verdict, commit: step.commit.commit });
  return [
    ...(step.before.everIters.get(basePath)?.has(story.iter) === true
      ? []
      : [
          {
            rule: 'verdict' as const,
            found: `a verdict of ${iterName(story.iter)}`,
            wanted: 'of an iter in the history',
          },
        ]),
    ...(earlier === undefined
      ? []
      : [
          {
            rule: 'verdict' as const,
            found: `a second verdict of ${iterName(story.iter)}`,
            wanted: 'one, written once',
          },
        ]),
    ...(records.verdictLines(path).includes(line)
      ? []
      : [{ rule: 'verdict' as const, found: `${path} without it`, wanted: line }]),
  ];
}

const isReceipts = (path: string) => /^fleet\/receipts\/[^/]+\.jsonl$/.test(path);
const isRecord = (path: string) => isReceipts(path) || path.endsWith('.verdicts');

/** By path: the newest blob, and those that were deleted. */
function recordBlobs(commits: readonly AuditCommit[]): Map<string, string[]> {
  const newest = new Map<string, string>();
  const kept = new Map<string, string[]>();
  const keep = (path: string, blob: string) => kept.set(path, [...(kept.get(path) ?? []), blob]);
  for (const { files } of commits) {
    for (const { path, blob } of files.filter((file) => isRecord(file.path))) {
      const before = newest.get(path);
      if (blob !== null) newest.set(path, blob);
      else if (before !== undefined) keep(path, before);
      if (blob === null) newest.delete(path);
    }
  }
  for (const [path, blob] of newest) keep(path, blob);
  return kept;
}

function lastTouches(commits: readonly AuditCommit[]): Map<string, AuditCommit> {
  const last = new Map<string, AuditCommit>();
  for (const commit of commits) {
    for (const { path } of commit.files.filter((file) => file.path.endsWith('.verdicts'))) {
      const known = last.get(path);
      // A line without a commit of its own was put there by the one that is no verdict.
      if (known === undefined || commit.kind !== 'verdict' || known.kind === 'verdict') last.set(path, commit);
    }
  }
  return last;
}
