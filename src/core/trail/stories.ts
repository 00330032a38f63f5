/** What each kind of commit says, as values. `at` is journal time in Unix seconds, null without a journal. */
import type { Change, Hold, IterStory, TrailKind, VerdictLine } from './types.ts';

type Common<K extends TrailKind> = {
  kind: K;
  instance: string;
  at: number | null;
  /** Lines of the body: why, with the numbers. May be empty. */
  why: string[];
};

/** `trigger` in its trailer form: `fast markout5sBps=-1.32 limit=-0.50 n=204`. */
type Step<K extends TrailKind> = Common<K> &
  IterStory & {
    /** Whether the parent was proven quiet. */
    proven: boolean;
    /** `sha256:...` of the tracked file's effective pairs. */
    envDigest: string;
    /** `file@from..to` of the journal bytes that decided; null without one. */
    journal: string | null;
    /** Blob ids of the instance's YAML and of fleet.yaml. */
    spec: string;
    fleetSpec: string;
  };

export type TuneStory = Step<'tune'>;
/** `fromIter` is left for the values of `toIter` (null = the base env). */
export type RecoverStory = Step<'recover'> & { fromIter: number; toIter: number | null };
export type UndoStory = Step<'undo'> & {
  fromIter: number;
  toIter: number | null;
  /** The doubled quiet time asked before the next recover step, ms. */
  waitMs: number;
  /** The step not to try again for a while. */
  forget: string;
};
/** `until` is ISO 8601 UTC; `parks` counts this one within the policy's window. */
export type ParkStory = Common<'park'> & { until: string; trigger: string; parks: number };
export type HoldStory = Common<'hold' | 'release'> & { reason: string; holdKind: Hold['kind'] };
export type VerdictStory = Common<'verdict'> & VerdictLine;
export type ConvergeStory = Common<'converge'> & {
  /** null: the base env; `none`: nothing ran before, or nothing runs after. */
  iterFrom: number | null | 'none';
  iterTo: number | null | 'none';
  flat: 'FLAT' | 'DUST';
  /** Decimal text. */
  costUsd: string;
  /** `sha256:...` of the receipt's line. */
  receipt: string;
};
/** `base` is the blob id of the base env it starts from. */
export type RebaseStory = Common<'rebase'> & { iter: number; base: string; changes: Change[] };
/** A new iter with the values of `to` (null = the base env). */
export type RollbackStory = Common<'rollback'> & {
  iter: number;
  to: number | null;
  base: string;
  changes: Change[];
};
/** `until` is ISO 8601 UTC, for a suspend with an end. */
export type WishStory = Common<'start' | 'stop' | 'suspend' | 'resume'> & { reason: string; until: string | null };
/** `instance` is the fleet's name here. */
export type InitStory = Common<'init'> & { instances: string[] };

export type CommitStory =
  | TuneStory
  | RecoverStory
  | UndoStory
  | ParkStory
  | HoldStory
  | VerdictStory
  | ConvergeStory
  | RebaseStory
  | RollbackStory
  | WishStory
  | InitStory;
