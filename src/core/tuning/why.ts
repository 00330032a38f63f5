import { LIMIT_NAMES, type LimitReading, limitThreshold } from '../health/limits.ts';
import { LIMIT_LOOKS } from '../health/look.ts';
import type { RunState } from '../health/run.ts';
import { signalStats } from '../health/signal.ts';
import type { LimitName, SignalName } from '../spec/types.ts';
import { alertActive } from './alarm.ts';
import { countSince, DAY_S, openTrial, quietSince, type TuningContext } from './context.ts';
import type { HygieneState } from './hygiene.ts';
import { RECOVER_SPACING_S, recoverGate } from './recover.ts';
import type { TuningDecision, WhyRow } from './types.ts';
import { hoursText, metricText } from './words.ts';

/** One row for every rule in the order it is looked at, with its numbers, whether it held or not. */
export function whyRows(
  context: TuningContext,
  decision: TuningDecision,
  hygiene: HygieneState,
  readings: readonly LimitReading[],
): WhyRow[] {
  const limits = readings.map((reading) => limitRow(context, reading, hygiene));
  const hard = (row: WhyRow) => context.health.limits[limitOf(row)].action === 'stop';
  const rows = [
    memoryRow(context),
    journalRow(context.run),
    ...limits.filter(hard),
    cooldownRow(context),
    ...(['burst', 'fast', 'slow', 'alert'] as const).map((name) => signalRow(context, name)),
    trialRow(context),
    budgetRow(context),
    parkRow(context),
    cheapRow(context, hygiene),
    recoverRow(context),
    ...limits.filter((row) => !hard(row)),
  ];
  const rule = ruleOf(decision, hygiene);
  return rows.map((row) => (row.rule === rule ? { ...row, decided: true } : row));
}

/** The rule that made a decision, as the rows name it. */
function ruleOf(decision: TuningDecision, hygiene: HygieneState): string {
  if (decision.kind === 'none') {
    if (hygiene.state === 'blocked' && hygiene.reason === decision.reason) return `limit ${hygiene.limit}`;
    return RULE_OF_REASON[decision.reason] ?? '';
  }
  if (decision.kind === 'recover') return 'recover';
  const { by } = decision.trigger;
  if (by === 'burst' || by === 'fast' || by === 'slow' || by === 'alert') return `signal ${by}`;
  return `limit ${by}`;
}

const RULE_OF_REASON: Partial<Record<string, string>> = {
  cooldown: 'cooldown',
  'memory-incomplete': 'memory',
  'journal-gap': 'journal',
  'journal-stale': 'limit dataAge',
  'cheap-moment': 'cheap moment',
  'sample-floor': 'signal burst',
};

const EMPTY: Omit<WhyRow, 'rule' | 'metric'> = {
  window: '-',
  n: null,
  nMin: null,
  value: null,
  unavailable: null,
  ci95: null,
  limit: null,
  margin: null,
  result: 'ok',
  decided: false,
};

function memoryRow({ memory }: TuningContext): WhyRow {
  const row = { ...EMPTY, rule: 'memory', metric: 'rungs', value: memory.rungs.length };
  return memory.complete ? row : { ...row, value: null, unavailable: memory.incompleteReason, result: 'incomplete' };
}

function journalRow(run: RunState): WhyRow {
  return {
    ...EMPTY,
    rule: 'journal',
    metric: 'gaps',
    window: hoursText(run.now - run.since),
    n: run.fillsSeen,
    value: run.gaps,
    limit: 0,
    result: run.gap ?? 'ok',
  };
}

function cooldownRow({ run, health }: TuningContext): WhyRow {
  const age = run.now - run.since;
  const limit = health.cooldownMs / 1000;
  const result = age < limit ? 'collecting' : 'ok';
  return { ...EMPTY, rule: 'cooldown', metric: 'runAgeS', value: age, limit, margin: age - limit, result };
}

function signalRow(context: TuningContext, name: SignalName): WhyRow {
  const { run, health } = context;
  const policy = health.signals[name];
  const horizon = policy.metric === 'netMarkout60sBps' ? run.h60 : run.h5;
  const stats = signalStats(horizon.closed, policy);
  const row = {
    ...EMPTY,
    rule: `signal ${name}`,
    metric: metricText(policy.metric),
    window: `${policy.windowFills} fills`,
    nMin: policy.minFills,
    limit: policy.limit,
  };
  if (stats === null) return { ...row, n: 0, unavailable: 'no fill with a known markout', result: 'insufficient' };
  const measured = {
    ...row,
    n: stats.fills,
    value: stats.meanBps,
    ci95: stats.ci95,
    margin: stats.meanBps - policy.limit,
  };
  const alarm = run.alarms[name];
  if (name === 'alert' && !alertActive(context, run.latest)) return { ...measured, result: 'off' };
  if (alarm !== undefined) return { ...measured, result: 'alarm' };
  if (stats.fills < policy.minFills) return { ...measured, result: 'insufficient' };
  if (!stats.breach) return { ...measured, result: stats.missing > stats.fills ? 'insufficient' : 'ok' };
  if (run.gap !== null && stats.fills < policy.windowFills) return { ...measured, result: 'insufficient' };
  return { ...measured, result: `${run.counters[name]}/${policy.consecutive} looks` };
}

function trialRow(context: TuningContext): WhyRow {
  const { run, tuning } = context;
  const trial = openTrial(context, run.latest);
  const row = { ...EMPTY, rule: 'trial', metric: 'ageS', limit: tuning.recover.probationMs / 1000 };
  if (trial === null) return { ...row, unavailable: 'no trial is open', result: 'off' };
  return { ...row, value: run.latest - trial.at, result: trial.step };
}

function budgetRow({ memory, tuning, run }: TuningContext): WhyRow {
  const value = countSince(memory.alarmChanges, run.latest, DAY_S);
  const limit = tuning.maxChangesPerDay;
  const result = value < limit ? 'ok' : 'spent';
  return { ...EMPTY, rule: 'budget', metric: 'alarmSteps', window: '24h', value, limit, margin: limit - value, result };
}

function parkRow({ memory, tuning, run }: TuningContext): WhyRow {
  const last = memory.parks.at(-1);
  const limit = tuning.park.reparkWithinMs / 1000;
  const row = { ...EMPTY, rule: 're-park', metric: 'sinceParkS', limit };
  if (last === undefined) return { ...row, unavailable: 'never parked', result: 'off' };
  const value = run.latest - last.endAt;
  return { ...row, value, margin: value - limit, result: value < limit ? 'armed' : 'ok' };
}

function cheapRow({ run, health }: TuningContext, hygiene: HygieneState): WhyRow {
  const limit = health.cheapMoment.maxPositionShare;
  const value = run.activity.length === 0 ? null : run.activity.positionShare(run.activity.length - 1);
  const row = { ...EMPTY, rule: 'cheap moment', metric: 'positionShare', limit };
  const result = hygiene.state === 'wait' ? `waiting for ${hygiene.limit}` : 'ok';
  if (value === null) return { ...row, unavailable: 'position or its cap unknown', result };
  return { ...row, value, margin: limit - value, result };
}

function recoverRow(context: TuningContext): WhyRow {
  const { run, memory } = context;
  const gate = recoverGate(context);
  const row = { ...EMPTY, rule: 'recover', metric: 'quietS' };
  if (typeof gate === 'string') return { ...row, unavailable: gate, result: 'off' };
  const since = quietSince(memory);
  const from = Math.max(gate.from, run.since + RECOVER_SPACING_S);
  const quiet = Number.isFinite(since) ? run.latest - since : run.latest - run.since;
  const earning = run.earning.at(-1);
  const earns = earning !== undefined && earning.to === null;
  const result = run.latest < from ? 'waiting' : earns ? 'ok' : 'not earning enough';
  return {
    ...row,
    n: run.fillMinutes,
    value: quiet,
    limit: from - run.latest + quiet,
    margin: run.latest - from,
    result,
  };
}

function limitRow({ run, health }: TuningContext, reading: LimitReading, hygiene: HygieneState): WhyRow {
  const name = reading.limit;
  const { action } = health.limits[name];
  const row = {
    ...EMPTY,
    rule: `limit ${name}`,
    metric: name,
    window: reading.window,
    n: reading.n,
    nMin: reading.nMin,
  };
  const limit = limitThreshold(health, name);
  if (limit === null) return { ...row, value: reading.value, unavailable: reading.unavailable, result: 'off' };
  if (reading.value === null) return { ...row, limit, unavailable: reading.unavailable, result: 'insufficient' };
  const margin = LOWER_IS_WORSE.includes(name) ? reading.value - limit : limit - reading.value;
  const measured = { ...row, value: reading.value, limit, margin };
  if (hygiene.state === 'blocked' && hygiene.limit === name) return { ...measured, result: hygiene.why };
  if (!reading.breach) return measured;
  if (action !== 'tune') return { ...measured, result: 'breach' };
  return { ...measured, result: `${Math.min(run.limitCounters[name] ?? 0, LIMIT_LOOKS)}/${LIMIT_LOOKS} looks` };
}

const LOWER_IS_WORSE: readonly LimitName[] = [
  'realizedPnlUsd',
  'markout5sBps',
  'fillCount',
  'fillRatio',
  'fillsPerHour',
];

function limitOf(row: WhyRow): LimitName {
  return LIMIT_NAMES.find((name) => row.rule === `limit ${name}`)!;
}
