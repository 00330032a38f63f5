/** The decision engine's values. Everything is plain JSON, so that it can be stored, reloaded and compared. */

import type { PlanReason } from '../plan/types.ts';
import type { LimitName, SignalName, Theme } from '../spec/types.ts';
import type { Change, Verdict } from '../trail/types.ts';

/** Effective env of one file: every key with its value as the bot reads it. */
export type EnvValues = Readonly<Record<string, string>>;

/** A defensive step that was taken and may be climbed back: the iter it left and the one it made. */
export type Rung = {
  /** null: the base env. */
  fromIter: number | null;
  toIter: number;
  theme: Theme;
  step: string;
  /** Journal time, Unix seconds. */
  at: number;
  /** Whether `fromIter` was proven quiet when it was left. */
  proven: boolean;
  /** A trend step: not recovered for 24 h. */
  trend: boolean;
};

/** What git says has happened to one instance. Rebuilt from commit trailers; no state file carries it. */
export type TuningMemory = {
  /** false: an iter lacks its trailers; no tuning until `release`. */
  complete: boolean;
  incompleteReason: string | null;
  /** The highest iter number ever seen; the next is one more. 0 = none. */
  lastIter: number;
  /** Defensive steps not climbed back yet, oldest first. */
  rungs: Rung[];
  /** Journal times of alarms acted on (tune on alarm, undo, park), oldest first, within the longest window that matters. */
  alarms: { at: number; kind: 'tune' | 'undo' | 'park' }[];
  /** Journal times of alarm-driven config changes and of hygiene changes (daily caps). */
  alarmChanges: number[];
  hygieneChanges: number[];
  /**
   * Parks: journal time of the decision, wall time (Unix seconds) at which each ends, and the same end in journal time (a
   * parked bot writes no journal; its length is taken from the wall).
   */
  parks: { at: number; untilTs: number; endAt: number; trigger: string }[];
  /** A recover or tighten step under probation. */
  trial: { kind: 'recover' | 'tighten'; iter: number; fromIter: number | null; step: string; at: number } | null;
  /** The current quiet time asked before a recover step, ms (doubled by each undo). */
  recoverWaitMs: number;
  /** Journal time of the newest recover step; null = none. */
  lastRecoverAt: number | null;
  /** Steps not to try again until `until` (journal time, Unix seconds). */
  forgotten: { step: string; until: number }[];
  /** Iters that run or ran without a verdict yet. */
  unjudged: { iter: number; against: number | null; at: number }[];
};

/** One row of `why`: a rule, its numbers, and whether it held. */
export type WhyRow = {
  /** `signal fast`, `limit cancelRatio`, `cooldown`, `budget`, `recover`, ... */
  rule: string;
  metric: string;
  /** `200 fills`, `4h`, `30m`, `-`. */
  window: string;
  n: number | null;
  nMin: number | null;
  /** null with `unavailable` set: why it could not be computed. */
  value: number | null;
  unavailable: string | null;
  ci95: [number, number] | null;
  limit: number | null;
  /** Distance to the limit in the metric's unit; positive = on the good side. */
  margin: number | null;
  /** `3/10 looks`, `ok`, `breach`, `alarm`, `insufficient`, `off`. */
  result: string;
  /** This row made the decision. */
  decided: boolean;
};

export type Trigger = {
  /** Which rule fired: a signal, a limit or a rule of the ladder. */
  by: SignalName | LimitName | 'quiet' | 'trial';
  metric: string;
  /** In the metric's unit: bps, USD, a ratio 0..1, a count. */
  value: number;
  limit: number;
  n: number;
  /** Looks in a row, when it counts them. */
  looks: number | null;
};

/** What the engine wants for one instance now; `at` is journal time in Unix seconds. */
export type TuningDecision =
  | { kind: 'none'; reason: PlanReason; message: string }
  | {
      kind: 'tune';
      at: number;
      trigger: Trigger;
      /** An alarm: act now. Else it waited for a moment with little position. */
      urgent: boolean;
      theme: Theme;
      /** Without the ladder's factor: `widen`, or with its own step: `slower +0.1`. */
      step: string;
      factor: number | null;
      changes: Change[];
      proven: boolean;
      message: string;
    }
  | {
      kind: 'recover';
      at: number;
      trigger: Trigger;
      theme: Theme;
      step: string;
      fromIter: number;
      toIter: number | null;
      changes: Change[];
      message: string;
    }
  | {
      kind: 'undo';
      at: number;
      trigger: Trigger;
      theme: Theme;
      step: string;
      fromIter: number;
      toIter: number | null;
      changes: Change[];
      waitMs: number;
      forget: string;
      message: string;
    }
  | { kind: 'park'; at: number; trigger: Trigger; forMs: number; parks: number; message: string }
  | { kind: 'stop'; at: number; trigger: Trigger; message: string };

export type VerdictDecision = {
  iter: number;
  against: number | null;
  verdict: Verdict;
  effectBps: number | null;
  ci95: [number, number] | null;
  n: number;
};
