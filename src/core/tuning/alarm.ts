import type { Alarm } from '../health/run.ts';
import type { SignalName } from '../spec/types.ts';
import {
  type Candidate,
  countSince,
  DAY_S,
  openTrial,
  provenAt,
  quietSince,
  stepInput,
  type TuningContext,
} from './context.ts';
import { restoreValues } from './restore.ts';
import { type StepChoice, takeStep, tunableKey } from './step-values.ts';
import { type StepName, stepId } from './steps.ts';
import type { Trigger, TuningMemory } from './types.ts';
import { alarmText, hoursText, shown, stepText, triggerOf } from './words.ts';

/** Share of fills that lose against the mid at once, above which quotes are stale rather than too tight. */
const ADVERSE_SHARE = 0.2;
/** A +5 s markout above this while the slow signal alarms: trends run over quotes that look good at first. */
const TREND_MARKOUT_BPS = 0.5;
const SIGNAL_ORDER: readonly SignalName[] = ['burst', 'fast', 'slow', 'alert'];

/** The hard limit that was broken, if one was. */
export function hardCandidate({ run }: TuningContext): Candidate | null {
  const { hardStop } = run;
  if (hardStop === null) return null;
  const { limit, at, value, limitValue, n } = hardStop;
  const trigger: Trigger = { by: limit, metric: limit, value, limit: limitValue, n, looks: null };
  return { kind: 'stop', at, trigger, message: `Hard limit ${limit}: ${shown(value)}, limit ${shown(limitValue)}.` };
}

/** The first alarm of the run that may be acted on. */
export function actionableAlarm(context: TuningContext): Alarm | null {
  const alarms = SIGNAL_ORDER.flatMap((name) => context.run.alarms[name] ?? []).filter(
    (alarm) => alarm.signal !== 'alert' || alertActive(context, alarm.at),
  );
  return alarms.sort((a, b) => a.at - b.at)[0] ?? null;
}

/** The alert signal counts only after a first alarm: while a trial is open, or for a while after an alarm or a park's end. */
export function alertActive(context: TuningContext, at: number): boolean {
  if (openTrial(context, at) !== null) return true;
  return at - quietSince(context.memory) < (context.health.signals.alert.activeForMs ?? 0) / 1000;
}

/**
 * What an alarm leads to: an open trial is undone; an alarm soon after a park parks again; else one defensive step while the
 * day has changes left and some key can still move; else park.
 */
export function alarmCandidate(context: TuningContext, alarm: Alarm): Candidate {
  const { tuning, memory } = context;
  const undo = undoCandidate(context, openTrial(context, alarm.at), alarm);
  if (undo !== null) return undo;
  const { park } = tuning;
  const sinceParkS = alarm.at - (memory.parks.at(-1)?.endAt ?? -Infinity);
  if (alarm.signal !== 'slow' && sinceParkS < park.reparkWithinMs / 1000) {
    return parkCandidate(context, alarm, park.reparkCountMs, 'it alarmed again soon after a park');
  }
  const done = countSince(memory.alarmChanges, alarm.at, DAY_S);
  if (done >= tuning.maxChangesPerDay) {
    return parkCandidate(context, alarm, park.withinMs, `${done} steps within 24 h did not help`);
  }
  const { choice, why } = defensiveStep(context, alarm, done);
  if (choice === null) return parkCandidate(context, alarm, park.withinMs, `no defensive step is left (${why})`);
  return {
    kind: 'tune',
    at: alarm.at,
    trigger: triggerOf(alarm),
    urgent: true,
    theme: choice.theme,
    step: choice.step,
    factor: choice.factor,
    changes: choice.changes,
    proven: provenAt(context, alarm.at),
    message: `${alarmText(alarm)}\n${stepText(choice, tuning)}`,
  };
}

function undoCandidate(context: TuningContext, trial: TuningMemory['trial'], alarm: Alarm): Candidate | null {
  if (trial === null) return null;
  const { tuning, values, memory } = context;
  const target = context.iterValues(trial.fromIter);
  const changes = target === null ? [] : restoreValues(values, target, tuning, () => true);
  const theme = tunableKey(changes[0]?.key ?? '', tuning)?.theme;
  const oneTheme = changes.every(({ key }) => tunableKey(key, tuning)?.theme === theme);
  // Without the values it came from, or when more than the trial differs, the ladder takes over.
  if (theme === undefined || !oneTheme) return null;
  const waitMs = Math.round(Math.min(memory.recoverWaitMs * tuning.recover.backoff, tuning.recover.maxWaitMs));
  return {
    kind: 'undo',
    at: alarm.at,
    trigger: triggerOf(alarm),
    theme,
    step: `undo-${trial.kind}`,
    fromIter: trial.iter,
    toIter: trial.fromIter,
    changes,
    waitMs,
    forget: stepId(trial.step),
    message: `${alarmText(alarm)}\nTakes the ${trial.kind} step back; the next try needs ${hoursText(waitMs / 1000)} of quiet.`,
  };
}

function parkCandidate({ tuning, memory }: TuningContext, alarm: Alarm, countMs: number, why: string): Candidate {
  const earlier = countSince(
    memory.parks.map((park) => park.at),
    alarm.at,
    countMs / 1000,
  );
  const { forMs, multiplier, maxMs } = tuning.park;
  const length = Math.round(Math.min(forMs * multiplier ** earlier, maxMs));
  return {
    kind: 'park',
    at: alarm.at,
    trigger: triggerOf(alarm),
    forMs: length,
    parks: earlier + 1,
    message: `${alarmText(alarm)}\nFlat for ${hoursText(length / 1000)}, same config: ${why}.`,
  };
}

/** The first step in order that is allowed and moves something; `done` alarm steps were taken in the last 24 h. */
function defensiveStep(
  context: TuningContext,
  alarm: Alarm,
  done: number,
): { choice: (StepChoice & { taken: true }) | null; why: string } {
  const { tuning, memory } = context;
  const factor = tuning.ladder[Math.min(done, tuning.ladder.length - 1)];
  if (factor === undefined) return { choice: null, why: 'the ladder has no factor' };
  const trend = tuning.trendStep && alarm.signal === 'slow' && (alarm.mean5sBps ?? -Infinity) > TREND_MARKOUT_BPS;
  const stale = alarm.adverseShare !== null && alarm.adverseShare > ADVERSE_SHARE && memory.rungs.length === 0;
  const order: StepName[] = [...(trend ? (['trend'] as const) : []), ...(stale ? (['faster'] as const) : [])];
  const input = stepInput(context, { at: alarm.at, factor, halfSpreadBps: alarm.halfSpreadBps });
  const why: string[] = [];
  for (const name of [...order, 'widen', 'toxicity'] as const) {
    const choice = takeStep(name, input);
    if (!tuning.themes.includes(choice.theme)) why.push(`theme ${choice.theme} is off`);
    else if (choice.taken) return { choice, why: '' };
    else why.push(choice.why);
  }
  return { choice: null, why: why.join('; ') };
}
