/** What a replay takes and what it gives. All times are journal time, Unix seconds; lengths of time in seconds. */
import type { Health } from '../plan/types.ts';
import type { HealthPolicy, Theme, TuningPolicy } from '../spec/types.ts';
import type { Change } from '../trail/types.ts';
import type { EnvValues } from '../tuning/types.ts';

/** One instance as one revision declares it. */
export type ReplaySpec = {
  instance: string;
  market: string;
  policy: { health: HealthPolicy; tuning: TuningPolicy };
  /** Repository path of the base env. */
  baseEnv: string;
  baseValues: EnvValues;
  /** The env that should run by that revision (null = the base env), and the highest iter number in its tree (0 = none). */
  iter: number | null;
  lastIter: number;
  /** The values of any iter in that tree (null = the base env); null when it is not there. */
  iterValues(iter: number | null): EnvValues | null;
};

/** One line of the decision log. */
export type ReplayDecision = {
  at: number;
  /** `blocked`: a limit asks for a change, and no key can move any more. */
  kind: 'tune' | 'recover' | 'undo' | 'park' | 'stop' | 'blocked';
  /** Losing fills made it, as against hygiene, a hard limit or the way back. */
  alarm: boolean;
  /** The rule that fired and its numbers; null where the rule has none. */
  by: string | null;
  metric: string | null;
  value: number | null;
  limit: number | null;
  n: number | null;
  looks: number | null;
  theme: Theme | null;
  /** As a commit names it: `widen x1.5`. */
  step: string | null;
  /** The config that ran and the one the step makes (null = the base env); equal when it changes none. */
  iterFrom: number | null;
  iterTo: number | null;
  changes: Change[];
  /** Parks only. */
  forMs: number | null;
  /** Keys that ended on, or could not move past, their bound. */
  boundHits: string[];
  message: string;
};

/** How journal time was spent: an instance's health while it runs, `collecting` after a start, flat, or held by a hard limit. */
export type ReplayStateName = Health | 'collecting' | 'parked' | 'held';

/** One start of the bot as recorded. */
export type RecordedRun = {
  runId: string;
  startTs: number;
  endTs: number;
  envFile: string | null;
  /** false: its first piece is not among the journals. */
  whole: boolean;
};

export type ReplayReport = {
  instance: string;
  market: string;
  /** The config the replay began with; `recorded`: the one the first run names, else the one the revision wants. */
  start: { iter: number | null; from: 'recorded' | 'desired' };
  runs: RecordedRun[];
  /** Journal time seen, without what lies between runs and in gaps. */
  journalS: number;
  gaps: { count: number; seconds: number };
  /** Lines that were left out: of runs that had ended, before the end of the run before, or of another market. */
  leftOut: { strayLines: number; overlapLines: number; foreignLines: number };
  decisions: ReplayDecision[];
  timeS: Partial<Record<ReplayStateName, number>>;
  /** SHA-256 of the decision log. */
  logDigest: string;
};

/** Counts of a report; a rate is null when there was no journal time to divide by. */
export type ReplayMetrics = {
  alarms: number;
  alarmsPerDay: number | null;
  changes: number;
  changesPerDay: number | null;
  parks: number;
  stops: number;
  boundHits: number;
};
