/** What a commit of ours says of itself: its trailers, and the files its kind may touch. */
import { parseIterName } from '../env/iter.ts';
import { isSpecPath } from '../spec/parse.ts';
import { parseMessage } from '../trail/read-message.ts';
import type { CommitStory } from '../trail/stories.ts';
import { changeText, oneLine } from '../trail/text.ts';
import { trailer } from '../trail/trailers.ts';
import type { TrailKind } from '../trail/types.ts';
import type { AuditCommit, AuditFile, Finding } from './types.ts';

/** Kinds that add one iter file. */
export const MAKES_ITER: readonly TrailKind[] = ['tune', 'recover', 'undo', 'rebase', 'rollback'];

/** The trailers a kind needs and the commit lacks, or cannot be read with. */
export function trailerFindings(commit: AuditCommit, kind: TrailKind): Finding[] {
  const missing = NEEDED[kind].filter((key) => trailer(commit.trailers, key) === undefined);
  if (missing.length > 0) {
    const words = missing.map((key) => `Mmfleet-${key}`);
    return [{ rule: 'trailers', found: `no ${words.join(', ')}`, wanted: `every trailer of a ${kind} commit` }];
  }
  if (storyOf(commit) !== null) return [];
  return [{ rule: 'trailers', found: 'a trailer that cannot be read', wanted: `the values of a ${kind} commit` }];
}

/** The story behind a commit; null: not our form, or incomplete. */
export function storyOf(commit: AuditCommit): CommitStory | null {
  const trailers = commit.trailers.map(({ key, value }) => `Mmfleet-${key}: ${value}`).join('\n');
  return parseMessage([commit.subject, commit.body, trailers].filter((part) => part !== '').join('\n\n'));
}

/** Whether the subject is what the trailers of a step would be headed with: a headline that lies is found out. */
export function subjectFinding(commit: AuditCommit, story: CommitStory): Finding[] {
  if (!('changes' in story)) return [];
  const wanted = story.changes.map(changeText).map(oneLine).join(', ');
  if (wanted === '' || commit.subject.endsWith(`, ${wanted}`)) return [];
  return [{ rule: 'change-lines', found: `the subject ${JSON.stringify(commit.subject)}`, wanted: `... ${wanted}` }];
}

/** Paths that a commit of this kind has no business with. */
export function fileFindings(own: readonly AuditFile[], kind: TrailKind): Finding[] {
  const strange = own.filter((file) => !mayTouch(kind, file));
  const iters = own.filter(({ path }) => parseIterName(path) !== null);
  return [
    ...strange.map(
      ({ status, path }): Finding => ({ rule: 'files', found: `${status} ${path}`, wanted: TOUCHES[kind] }),
    ),
    ...(MAKES_ITER.includes(kind) && iters.length !== 1
      ? [{ rule: 'files' as const, found: `${iters.length} iter files`, wanted: TOUCHES[kind] }]
      : []),
  ];
}

const STEP = [
  ...['Instance', 'Market', 'Iter', 'Parent-Iter', 'Theme', 'Trigger', 'At', 'Step', 'Change', 'Proven'],
  ...['Env-Digest', 'Journal', 'Spec', 'Fleet-Spec'],
];

const NEEDED: Readonly<Record<TrailKind, readonly string[]>> = {
  tune: STEP,
  recover: [...STEP, 'From-Iter', 'To-Iter'],
  undo: [...STEP, 'From-Iter', 'To-Iter', 'Wait', 'Forget'],
  park: ['Instance', 'Until', 'Trigger', 'Parks'],
  hold: ['Instance', 'Reason', 'Kind'],
  release: ['Instance', 'Reason', 'Kind'],
  verdict: ['Instance', 'Iter', 'Against', 'Verdict', 'Effect', 'N'],
  converge: ['Instance', 'Iter-From', 'Iter-To', 'Flat', 'Cost', 'Receipt'],
  rebase: ['Instance', 'Iter', 'Base'],
  rollback: ['Instance', 'Iter', 'Base'],
  start: ['Instance', 'Reason'],
  stop: ['Instance', 'Reason'],
  suspend: ['Instance', 'Reason'],
  resume: ['Instance', 'Reason'],
  init: [],
};

const ONE_ITER = 'one new iter file and nothing else';
const TOUCHES: Readonly<Record<TrailKind, string>> = {
  tune: ONE_ITER,
  recover: ONE_ITER,
  undo: ONE_ITER,
  rebase: ONE_ITER,
  rollback: ONE_ITER,
  park: 'fleet/holds.yaml only',
  hold: 'fleet/holds.yaml and receipts only',
  release: 'fleet/holds.yaml only',
  verdict: 'one .verdicts file only',
  converge: 'one receipts file only',
  start: 'one spec file only',
  stop: 'one spec file only',
  suspend: 'one spec file only',
  resume: 'one spec file only',
  init: 'new files only',
};

function mayTouch(kind: TrailKind, { path, status }: AuditFile): boolean {
  const holds = path === 'fleet/holds.yaml';
  const receipts = /^fleet\/receipts\/[^/]+\.jsonl$/.test(path) && status !== 'D';
  switch (kind) {
    case 'park':
    case 'release':
      return holds;
    case 'hold':
      return holds || receipts;
    case 'verdict':
      return path.endsWith('.verdicts') && status !== 'D';
    case 'converge':
      return receipts;
    case 'start':
    case 'stop':
    case 'suspend':
    case 'resume':
      return isSpecPath(path) && status === 'M';
    case 'init':
      return status === 'A';
    case 'tune':
    case 'recover':
    case 'undo':
    case 'rebase':
    case 'rollback':
      return parseIterName(path) !== null && status === 'A';
  }
}
