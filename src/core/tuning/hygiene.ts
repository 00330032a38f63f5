import { firstHeld } from '../health/episodes.ts';
import { limitThreshold } from '../health/limits.ts';
import type { LimitName } from '../spec/types.ts';
import { type Candidate, DAY_S, provenAt, stepInput, type TuningContext } from './context.ts';
import { type StepChoice, takeStep } from './step-values.ts';
import { STEPS, type StepName } from './steps.ts';
import { shown, stepText } from './words.ts';

/** Which step a limit with `action: tune` asks for; null = none can help. */
export const LIMIT_STEPS: Readonly<Record<LimitName, StepName | null>> = {
  realizedPnlUsd: 'widen',
  markout5sBps: 'widen',
  fillCount: 'tighten',
  fillRatio: 'tighten',
  fillsPerHour: 'tighten',
  cancelRatio: 'slower',
  postOnlyRejectRatio: 'post-only',
  failureRatio: 'breaker',
  positionShare: 'inventory',
  drawdownUsd: 'widen',
  dataAge: null,
};

export type HygieneState =
  | { state: 'none' }
  | { state: 'act'; candidate: Candidate }
  /** Due, but the position is too large; `until` = journal time at which it is done anyway. */
  | { state: 'wait'; limit: LimitName; since: number; until: number }
  | { state: 'blocked'; limit: LimitName; reason: 'budget' | 'at-bound' | 'forgotten' | 'guard'; why: string };

/**
 * A limit that has been broken for long enough leads to one small change, at a moment with little position: the first such
 * look, or when none comes, the end of the policy's wait. An unknown position is never a moment to act.
 */
export function hygieneState(context: TuningContext): HygieneState {
  const { run, tuning, health } = context;
  const found: Due[] = [];
  let blocked: HygieneState = { state: 'none' };
  for (const limit of Object.keys(run.limitEpisodes) as LimitName[]) {
    const due = dueStep(context, limit);
    if (due === null) continue;
    if ('why' in due) blocked = { state: 'blocked', ...due };
    else found.push(due);
  }
  const preference = (due: Due) => tuning.themes.indexOf(due.choice.theme);
  const first = found.sort((a, b) => a.at - b.at || b.excess - a.excess || preference(a) - preference(b))[0];
  if (first === undefined) return blocked;
  const until = first.at + health.cheapMoment.waitMs / 1000;
  const cheap = firstHeld(run.cheap, () => first.at, run.latest);
  const late = firstHeld(run.positionKnown, () => until, run.latest);
  const at = Math.min(cheap?.at ?? Infinity, late?.at ?? Infinity);
  if (at === Infinity) return { state: 'wait', limit: first.limit, since: first.at, until };
  return { state: 'act', candidate: hygieneCandidate(context, first, at) };
}

type Taken = StepChoice & { taken: true };
type Due = { limit: LimitName; at: number; value: number; n: number; excess: number; choice: Taken };
type Blocked = { limit: LimitName; reason: 'budget' | 'at-bound' | 'forgotten' | 'guard'; why: string };

/** The step a broken limit asks for and since when, or what stands in its way while it is broken. */
function dueStep(context: TuningContext, limit: LimitName): Due | Blocked | null {
  const { run, memory } = context;
  const name = LIMIT_STEPS[limit];
  const episodes = run.limitEpisodes[limit] ?? [];
  if (name === null || episodes.length === 0) return null;
  const broken = episodes.at(-1)!.to === null;
  const gate = hygieneGate(context, name);
  if (typeof gate === 'string') return broken ? { limit, reason: 'guard', why: gate } : null;
  let blocked: Blocked | null = broken && gate.from > run.latest ? { limit, reason: 'budget', why: gate.why } : null;
  // A step that is not to be tried yet may be tried when that time is over, if the limit is still broken then.
  const gates = [gate.from, ...memory.forgotten.map((step) => step.until).filter((until) => until > gate.from)];
  for (const from of gates.sort((a, b) => a - b)) {
    const held = firstHeld(episodes, () => from, run.latest);
    if (held === null) continue;
    const choice = takeStep(name, stepInput(context, { at: held.at, factor: HYGIENE_FACTOR, halfSpreadBps: null }));
    const { value, n, excess } = held.episode;
    if (choice.taken) return { limit, at: held.at, value, n, excess, choice };
    if (broken) blocked = { limit, reason: choice.reason, why: choice.why };
  }
  return blocked;
}

/** Defensive steps asked for by a limit take the ladder's usual first factor. */
const HYGIENE_FACTOR = 1.5;

/** From when a change of this kind is allowed at all, or why it is not. */
function hygieneGate({ memory, tuning }: TuningContext, name: StepName): { from: number; why: string } | string {
  const { theme } = STEPS[name];
  if (!tuning.themes.includes(theme)) return `theme ${theme} is off`;
  if (tuning.hygieneChangesPerDay <= 0) return 'no hygiene changes allowed';
  if (name === 'tighten' && memory.rungs.length > 0) return 'a rung is open: the way back comes first';
  const times = [...memory.hygieneChanges].sort((a, b) => a - b);
  const oldest = times[times.length - tuning.hygieneChangesPerDay];
  const budgetFrom = oldest === undefined ? -Infinity : oldest + DAY_S;
  // Nothing else is changed under a trial: an alarm could not be told apart from the change.
  const trialFrom = memory.trial === null ? -Infinity : memory.trial.at + tuning.recover.probationMs / 1000;
  const why = budgetFrom >= trialFrom ? `${tuning.hygieneChangesPerDay} a day is the budget` : 'a trial is open';
  return { from: Math.max(budgetFrom, trialFrom), why };
}

function hygieneCandidate(context: TuningContext, { limit, value, n, choice }: Due, at: number): Candidate {
  const threshold = limitThreshold(context.health, limit) ?? 0;
  return {
    kind: 'tune',
    at,
    trigger: { by: limit, metric: limit, value, limit: threshold, n, looks: null },
    urgent: false,
    theme: choice.theme,
    step: choice.step,
    factor: choice.factor,
    changes: choice.changes,
    proven: provenAt(context, at),
    message: `Limit ${limit}: ${shown(value)} over n=${n}, limit ${shown(threshold)}.\n${stepText(choice, context.tuning)}`,
  };
}
