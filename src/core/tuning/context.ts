/** What every rule of the engine is asked with, and the small questions they share. */
import type { RunState } from '../health/run.ts';
import type { HealthPolicy, TuningPolicy } from '../spec/types.ts';
import { lastActAt, settledMemory } from './memory.ts';
import type { StepInput } from './step-values.ts';
import { stepId } from './steps.ts';
import type { EnvValues, TuningDecision, TuningMemory } from './types.ts';

/** What a decision is made from; nothing else can change it. */
export type TuningContext = {
  memory: TuningMemory;
  run: RunState;
  health: HealthPolicy;
  tuning: TuningPolicy;
  /** The env that runs, its iter (null = the base env), and the base env. */
  values: EnvValues;
  currentIter: number | null;
  baseValues: EnvValues;
  /** The values of any iter in the tree (null = the base env); null when it is not there. */
  iterValues(iter: number | null): EnvValues | null;
};

/** A thing to do, at the journal time at which it first held. */
export type Candidate = Exclude<TuningDecision, { kind: 'none' }>;

export const DAY_S = 86_400;

/**
 * Something was done about this instance during this run, so all that it shows is settled: the next run is another config, or
 * the same one after a park.
 */
export function settledRun(memory: TuningMemory, run: RunState): boolean {
  const last = lastActAt(memory);
  return last !== null && run.startTs !== null && run.startTs <= last && last <= run.latest;
}

/** The trial that the running iter is, if it still is one at that time. */
export function openTrial(context: TuningContext, at: number): TuningMemory['trial'] {
  const { trial } = settledMemory(context.memory, at, context.tuning);
  return trial !== null && trial.iter === context.currentIter ? trial : null;
}

/** From when the market and the ladder have been left alone: the last alarm, or the end of the last park. */
export function quietSince(memory: TuningMemory): number {
  return Math.max(memory.alarms.at(-1)?.at ?? -Infinity, memory.parks.at(-1)?.endAt ?? -Infinity);
}

/**
 * The config that runs was quiet on its own for long enough: within this run, with no alarm, park or gap in the journal in
 * between. Earlier runs of the same config do not count: what happened between them is not known.
 */
export function provenAt({ memory, run, tuning }: TuningContext, at: number): boolean {
  const since = Math.max(run.startTs ?? Infinity, run.since, quietSince(memory));
  return at - since >= tuning.recover.provenAfterMs / 1000;
}

/** Times within the last `windowS` before `at`; times after it (a clock that was set back) count too. */
export function countSince(times: readonly number[], at: number, windowS: number): number {
  return times.filter((time) => time > at - windowS).length;
}

/** Until when a step is not tried again; -Infinity when nothing speaks against it. */
export function forgottenUntil(memory: TuningMemory, step: string): number {
  const id = stepId(step);
  return Math.max(-Infinity, ...memory.forgotten.filter((each) => each.step === id).map((each) => each.until));
}

export function stepInput(
  context: TuningContext,
  asked: { at: number; factor: number; halfSpreadBps: number | null },
): StepInput {
  return {
    values: context.values,
    baseValues: context.baseValues,
    policy: context.tuning,
    factor: asked.factor,
    forgotten: (id) => forgottenUntil(context.memory, id) > asked.at,
    halfSpreadBps: asked.halfSpreadBps,
  };
}
