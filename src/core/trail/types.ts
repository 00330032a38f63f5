/** The audit trail as values: what a commit says, and the files beside it. */
import type { Theme } from '../spec/types.ts';

export type TrailKind =
  | 'tune'
  | 'recover'
  | 'undo'
  | 'park'
  | 'verdict'
  | 'converge'
  | 'rebase'
  | 'hold'
  | 'release'
  | 'start'
  | 'stop'
  | 'suspend'
  | 'resume'
  | 'rollback'
  | 'init';

/** One changed key; `from` null = the key was absent. Values are env text. */
export type Change = { key: string; from: string | null; to: string };

/** One commit of the trail, newest first in lists; parsed from `git log` alone. Copied by `entryWith`: its fields may be read when asked for. */
export type TrailEntry = {
  commit: string;
  parents: string[];
  authorName: string;
  authorEmail: string;
  /** Unix seconds. */
  authorTs: number;
  committerTs: number;
  subject: string;
  body: string;
  /** null: the subject is not in our form (a person's commit). */
  kind: TrailKind | null;
  instance: string | null;
  /** All `Mmfleet-*` trailers without the prefix, in order: `{ key: 'Iter', value: '007' }`. */
  trailers: { key: string; value: string }[];
  /** `Mmfleet-At` in Unix seconds (journal time), else the committer date. */
  at: number;
  /** Whether the author is mmfleet itself (the fleet's configured author e-mail). */
  ours: boolean;
  /** Paths it touched under the fleet folder, with git's status letter. */
  files: { status: 'A' | 'M' | 'D' | 'R'; path: string }[];
};

/** What a tune, recover or undo commit says (also the header of its iter file). */
export type IterStory = {
  instance: string;
  market: string;
  iter: number;
  /** null: the base env. */
  parentIter: number | null;
  theme: Theme;
  step: string;
  trigger: string;
  changes: Change[];
};

/** `fleet/holds.yaml`. */
export type Hold = {
  instance: string;
  kind: 'hold' | 'park';
  reason: string;
  /** ISO 8601 UTC. */
  since: string;
  /** ISO 8601 UTC, parks only. */
  until: string | null;
};

export type Verdict = 'helped' | 'hurt' | 'inconclusive';

/** One line of `.env.NAME.verdicts`. */
export type VerdictLine = {
  iter: number;
  verdict: Verdict;
  /** Bps per fill of the difference of the mean 10-minute edge sums, with its interval. */
  effectBps: number | null;
  ci95: [number, number] | null;
  n: number;
  /** null: against the base env. */
  against: number | null;
};
