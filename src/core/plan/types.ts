/** The plan: exactly one decision per instance and pass, with a reason, also when it is "nothing". */
import type { Theme } from '../spec/types.ts';
import type { Change } from '../trail/types.ts';

export const ACTIONS = [
  'none',
  'start',
  'stop',
  'restart',
  'tune',
  'recover',
  'undo',
  'park',
  'verdict',
  'rebase',
  'hold',
  'flatten',
] as const;
export type PlanAction = (typeof ACTIONS)[number];

export const REASONS = [
  'converged',
  'not-running',
  'digest-drift',
  'state-stopped',
  'retired',
  'alarm-burst',
  'alarm-fast',
  'alarm-slow',
  'limit',
  'hard-limit',
  'quiet-and-proven',
  'trial-alarmed',
  'ladder-exhausted',
  'base-edited',
  'cooldown',
  'sample-floor',
  'budget',
  'guard',
  'market-wide',
  'cheap-moment',
  'forgotten',
  'at-bound',
  'parked',
  'suspended',
  'held',
  'backoff',
  'elsewhere',
  'observe-only',
  'proposed',
  'git-away',
  'unknown-process',
  'unknown-position',
  'journal-stale',
  'journal-gap',
  'spec-invalid',
  'two-copies',
  'foreign-position',
  'not-confirmed',
  'flat-unproven',
  'crash-loop',
  'memory-incomplete',
] as const;
export type PlanReason = (typeof REASONS)[number];

export type PlanItem = {
  name: string;
  action: PlanAction;
  reason: PlanReason;
  /** One line with the numbers that decided. */
  message: string;
  changes: Change[];
  theme: Theme | null;
  trigger: string | null;
};

export const LIFECYCLES = [
  'running',
  'draining',
  'flattening',
  'flat',
  'starting',
  'stopped',
  'parked',
  'backoff',
  'held',
  'suspended',
  'orphan',
  'elsewhere',
  'unknown',
] as const;
export type Lifecycle = (typeof LIFECYCLES)[number];

export const HEALTHS = ['ok', 'watch', 'degraded', 'insufficient', 'stale', 'unknown'] as const;
export type Health = (typeof HEALTHS)[number];

/** Causes of a stop after which nothing is started in the same step. */
export const STAYS_DOWN: readonly string[] = [
  'state-stopped',
  'retired',
  'parked',
  'hard-limit',
  'git-away',
  'flatten',
  'held',
];
