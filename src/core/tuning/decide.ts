import type { EdgeSums } from '../health/edge-sums.ts';
import { EARNING_MINUTES, LIMIT_NAMES, type LimitReading, readLimit } from '../health/limits.ts';
import type { RunState } from '../health/run.ts';
import { signalStats } from '../health/signal.ts';
import type { Health, PlanReason } from '../plan/types.ts';
import type { HealthPolicy, TuningPolicy } from '../spec/types.ts';
import { actionableAlarm, alarmCandidate, alertActive, hardCandidate } from './alarm.ts';
import { type Candidate, settledRun, type TuningContext } from './context.ts';
import { type HygieneState, hygieneState } from './hygiene.ts';
import { recoverCandidate } from './recover.ts';
import type { EnvValues, TuningDecision, TuningMemory, VerdictDecision, WhyRow } from './types.ts';
import { verdictDecision } from './verdict.ts';
import { whyRows } from './why.ts';

export type DecideInput = {
  memory: TuningMemory;
  /** The newest run of the env that should run; null = no journal of it yet. */
  run: RunState | null;
  policy: { health: HealthPolicy; tuning: TuningPolicy };
  /** The desired env, its iter (null = the base env), and the base env. */
  values: EnvValues;
  iter: number | null;
  baseValues: EnvValues;
  /** The values of any iter in the tree (null = the base env); null when it is not there. */
  iterValues(iter: number | null): EnvValues | null;
  /** Wall time since the journal's last byte, ms; null or absent = unknown. */
  dataAgeMs?: number | null;
  /** What the run of the iter before earned; null or absent = not at hand. */
  before?: EdgeSums | null;
};

export type Decided = {
  decision: TuningDecision;
  /** The decision in one line. */
  sentence: string;
  health: Health;
  verdict: VerdictDecision | null;
  /**
   * What was decided in this run, in order of journal time: what looking every minute would have said. The same journal gives
   * the same log however it was fed.
   */
  log: Candidate[];
};

/**
 * What to do about one instance. Pure: the same memory, run and policy give the same answer. Looked at in this order: hard
 * limits, alarms (burst, fast, slow, alert), then whichever came first of a hygiene change at its cheap moment and a rung
 * back. What was found at some moment of the run stays found until it is acted on; a later alarm goes before a pending
 * change that does not reduce risk. Unknowns only ever lead to doing less.
 */
export function decide(input: DecideInput): Decided {
  const weighed = weigh(input);
  if (weighed === null) return withoutRun(input);
  const { context, readings, log, decision } = weighed;
  const changing = decision.kind === 'tune' || decision.kind === 'recover' || decision.kind === 'undo';
  const verdict = verdictDecision({
    memory: input.memory,
    run: context.run,
    iter: input.iter,
    before: input.before ?? null,
    verdictWithinMs: input.policy.tuning.verdictWithinMs,
    changing,
  });
  const health = healthOf(context, log, readings);
  return { decision, sentence: decision.message.split('\n')[0]!, health, verdict, log };
}

/** Every rule with its numbers, a row each, as `decide` looked at it; empty without a run. For people: deciding needs none. */
export function explain(input: DecideInput): WhyRow[] {
  const weighed = weigh(input);
  if (weighed === null) return [];
  const { context, decision, hygiene, readings } = weighed;
  return whyRows(context, decision, hygiene, readings);
}

type Weighed = {
  context: TuningContext;
  readings: LimitReading[];
  hygiene: HygieneState;
  log: Candidate[];
  decision: TuningDecision;
};

/** null: there is no run to look at. */
function weigh(input: DecideInput): Weighed | null {
  const { memory, run, policy } = input;
  const { health, tuning } = policy;
  if (run === null || run.startTs === null) return null;
  const { values, baseValues, iter, iterValues } = input;
  const context: TuningContext = { memory, run, health, tuning, values, baseValues, currentIter: iter, iterValues };
  // A run that has written its end is complete: silence after it is no lack of data.
  const dataAgeMs = run.endReason === null ? (input.dataAgeMs ?? null) : null;
  const readings = LIMIT_NAMES.map((name) => readLimit(run, name, dataAgeMs));
  const settled = settledRun(memory, run);
  const hygiene: HygieneState = settled ? { state: 'none' } : hygieneState(context);
  const log = settled ? [] : decisionLog(context, hygiene);
  return { context, readings, hygiene, log, decision: chosen(context, log, hygiene, readings) };
}

/** Only the decisions of a run, each at its journal time (`log` of `decide`): what a replay and a simulation need. */
export function decisionsOf(input: Omit<DecideInput, 'dataAgeMs' | 'before'>): Candidate[] {
  const { memory, run, policy, values, iter, baseValues, iterValues } = input;
  if (run === null || run.startTs === null || settledRun(memory, run)) return [];
  const context = { memory, run, ...policy, values, baseValues, currentIter: iter, iterValues };
  return decisionLog(context, hygieneState(context));
}

function withoutRun({ memory, policy, iter, before }: DecideInput): Decided {
  const message = 'no journal of this config yet';
  const verdict = verdictDecision({
    memory,
    run: null,
    iter,
    before: before ?? null,
    verdictWithinMs: policy.tuning.verdictWithinMs,
    changing: false,
  });
  return {
    decision: none('sample-floor', message),
    sentence: message,
    health: 'unknown',
    verdict,
    log: [],
  };
}

/** The decisions a look each minute would have made in this run, each at its time; every later one goes before the ones before. */
function decisionLog(context: TuningContext, hygiene: HygieneState): Candidate[] {
  const hard = hardCandidate(context);
  if (!context.memory.complete) return hard === null ? [] : [hard];
  const alarm = actionableAlarm(context);
  const alarmed = alarm === null ? null : alarmCandidate(context, alarm);
  const tidy = hygiene.state === 'act' ? hygiene.candidate : null;
  const rung = recoverCandidate(context);
  const calm = tidy !== null && (rung === null || tidy.at <= rung.at) ? tidy : rung;
  const log = hard === null ? [] : [hard];
  if (alarmed !== null && alarmed.at < (hard?.at ?? Infinity)) log.unshift(alarmed);
  if (calm !== null && calm.at < (log[0]?.at ?? Infinity)) log.unshift(calm);
  return log;
}

function chosen(
  context: TuningContext,
  log: readonly Candidate[],
  hygiene: HygieneState,
  readings: readonly LimitReading[],
): TuningDecision {
  const { memory, run, health, tuning } = context;
  const last = log.at(-1);
  if (last?.kind === 'stop') return last;
  const age = readings.find((reading) => reading.limit === 'dataAge')!;
  if (age.breach && health.limits.dataAge.action === 'stop') return staleStop(run, age.value!, age.limitValue!);
  if (!memory.complete)
    return none('memory-incomplete', `${memory.incompleteReason ?? 'unknown'}; release starts anew`);
  if (age.breach) return none('journal-stale', `no journal line for ${Math.round(age.value!)} s`);
  if (last !== undefined) return last;
  if (settledRun(memory, run)) return none('guard', 'this run has been acted on; the next one collects anew');
  const collecting = run.now < run.since + health.cooldownMs / 1000;
  if (run.gap !== null && (collecting || !wholeWindow(run))) return none('journal-gap', `${run.gap}: collecting anew`);
  if (collecting) return none('cooldown', 'collecting after the start');
  if (hygiene.state === 'wait') return none('cheap-moment', `${hygiene.limit} waits for a small position`);
  if (hygiene.state === 'blocked') return none(hygiene.reason, `${hygiene.limit} is broken, but: ${hygiene.why}`);
  const signals = ['burst', 'fast', 'slow'] as const;
  const sampled = signals.some((name) => (statsOf(run, name)?.fills ?? 0) >= health.signals[name].minFills);
  if (!sampled)
    return none('sample-floor', `n ${statsOf(run, 'burst')?.fills ?? 0}/${health.signals.burst.minFills} fills`);
  return none('converged', tuning.themes.length === 0 ? 'no theme is allowed' : 'no rule asks for a change');
}

function staleStop(run: RunState, ageS: number, limitS: number): TuningDecision {
  const trigger = { by: 'dataAge', metric: 'dataAge', value: ageS, limit: limitS, n: 0, looks: null } as const;
  return {
    kind: 'stop',
    at: run.latest,
    trigger,
    message: `Hard limit dataAge: no journal line for ${Math.round(ageS)} s.`,
  };
}

/** Degraded while an alarm or a hard limit waits to be acted on; watch while something is beyond its limit. */
function healthOf(context: TuningContext, log: readonly Candidate[], readings: readonly LimitReading[]): Health {
  const { run, health } = context;
  const broken = readings.filter((reading) => reading.breach).map((reading) => reading.limit);
  if (broken.includes('dataAge')) return 'stale';
  const pending = log.at(-1);
  if (pending !== undefined && (pending.kind === 'stop' || pending.trigger.by in run.alarms)) return 'degraded';
  const signals = (['burst', 'fast', 'slow', 'alert'] as const).filter(
    (name) => name !== 'alert' || alertActive(context, run.latest),
  );
  if (signals.some((name) => run.counters[name] >= health.signals[name].consecutive)) return 'degraded';
  if (broken.length > 0 || signals.some((name) => run.counters[name] > 0)) return 'watch';
  const sampled = signals.some((name) => (statsOf(run, name)?.fills ?? 0) >= health.signals[name].minFills);
  return sampled && run.fillMinutes >= Math.min(EARNING_MINUTES, health.signals.burst.minFills) ? 'ok' : 'insufficient';
}

function wholeWindow(run: RunState): boolean {
  const { burst } = run.health.signals;
  return (statsOf(run, 'burst')?.fills ?? 0) >= burst.windowFills;
}

function statsOf(run: RunState, name: 'burst' | 'fast' | 'slow' | 'alert') {
  const policy = run.health.signals[name];
  return signalStats((policy.metric === 'netMarkout60sBps' ? run.h60 : run.h5).closed, policy);
}

function none(reason: PlanReason, message: string): TuningDecision {
  return { kind: 'none', reason, message };
}
