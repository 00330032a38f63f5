/** From desired + observed + memory to what the planner sees. Pure apart from what it is given. */
import { parseEnv } from '../core/env/read.ts';
import { rebaseIter } from '../core/env/rebase.ts';
import { afterExit, nextRestart } from '../core/flat/backoff.ts';
import { type Confirmation, confirmRun } from '../core/flat/confirm.ts';
import { movedFrom, whereOf } from '../core/flat/where.ts';
import type { EdgeSums } from '../core/health/edge-sums.ts';
import type { RunStartEvent } from '../core/journal/types.ts';
import { type InstanceView, label } from '../core/plan/plan.ts';
import { STAYS_DOWN } from '../core/plan/types.ts';
import { formatProblem, type Problem } from '../core/problem.ts';
import type { TuningPolicy } from '../core/spec/types.ts';
import { activeHold } from '../core/trail/holds.ts';
import type { Hold, TrailEntry } from '../core/trail/types.ts';
import { type Decided, explain } from '../core/tuning/decide.ts';
import { isSignal, rebaseStep, rebuildMemory } from '../core/tuning/memory.ts';
import type { TuningMemory, WhyRow } from '../core/tuning/types.ts';
import { decisionOf, digestOf, inputOf } from './decisions.ts';
import { type Desired, type DesiredInstance, receiptsPath } from './desired.ts';
import { trailsByInstance } from './instance-trails.ts';
import { envFileOf } from './journals.ts';
import type { Memories } from './memories.ts';
import { endedRuns, lastRunOf, type Observed, type ObservedInstance, stopWasOurs, strangerOf } from './observe.ts';
import { forbiddenDifferences, handMade, idleRevert } from './person-changes.ts';

/** The state of git that matters to a plan. */
export type GitState = {
  /** Why nothing can be committed just now; null: it can. */
  trouble: string | null;
  /** Whether what is declared may be started: it is on the remote, or there is none. */
  published: boolean;
  /** Paths with edits that nobody committed. */
  dirty: ReadonlySet<string>;
};

/** Everything about one instance in one pass. */
export type Situation = {
  instance: DesiredInstance;
  observed: ObservedInstance;
  memory: TuningMemory | null;
  decided: Decided | null;
  /** Every rule with its numbers, for a person who asks. */
  rules(): WhyRow[];
  view: InstanceView;
  /** What a person should know besides the plan; null = nothing. */
  remark: string | null;
  /** Wall time (ms) up to which time alone makes nothing of it another; -Infinity where it might at any moment. */
  steadyUntilMs: number;
};

export type Context = {
  desired: Desired;
  observed: Observed;
  trail: TrailEntry[];
  git: GitState;
  host: string;
  /** false: converge only. */
  tune: boolean;
  nowMs: number;
  /** What an earlier iteration's newest run earned; null = its journal is not at hand, or was not read yet. */
  edgesOf(instance: DesiredInstance, iter: number | null): EdgeSums | null;
  /** Text of a base env at an earlier commit, for a rebase; fetched before. */
  oldBases: ReadonlyMap<string, string>;
  /** What the fold of an instance's newest run was made from; absent: no decision is remembered between looks. */
  foldedFrom?(instance: DesiredInstance): string | null;
  /** Names all of git that a decision can rest on; null or absent: no decision of an earlier command counts. */
  gitOf?: string | null;
  /** Memories kept between commands; absent: each is made from its commits. */
  memories?: Memories;
};

/** One instance as the planner sees it, before the fleet's guards. */
export function situationOf(context: Context, instance: DesiredInstance): Situation {
  const seen = context.observed.byName.get(instance.name);
  if (seen === undefined) throw new Error(`${instance.name} was not observed`);
  const trail = trailsByInstance(context.trail, context.desired.instances).get(instance.name) ?? [];
  const observed = released(seen, trail);
  const past = pastOf(context, instance, trail);
  const { memory } = past;
  const decided = memory === null ? null : decisionOf(context, instance, observed, memory);
  const rebase = rebaseOf(context, instance, memory);
  const view = viewOf(context, instance, observed, { ...past, rebase: rebase === 'rests' ? null : rebase }, decided);
  const rules = rulesOf(context, instance, observed, memory);
  const steadyUntilMs = steadyUntil(context, instance, observed, view);
  const remark = past.remark ?? (rebase === 'rests' ? restText(instance) : null);
  return { instance, observed, memory, decided, rules, view, remark, steadyUntilMs };
}

/** A release made in any clone ends the count of restarts that came before it; the count itself is this clone's. */
function released(observed: ObservedInstance, trail: readonly TrailEntry[]): ObservedInstance {
  const { restarts } = observed;
  if (restarts.restarts === 0) return observed;
  const newest = trail.find(({ kind }) => kind === 'release');
  if (newest === undefined || newest.committerTs * 1000 <= (restarts.lastStartMs ?? 0)) return observed;
  return { ...observed, restarts: { ...restarts, restarts: 0 } };
}

/** Holds on to no more of the look than it needs: a situation may outlive it. */
function rulesOf(
  { desired, nowMs, edgesOf }: Context,
  instance: DesiredInstance,
  observed: ObservedInstance,
  memory: TuningMemory | null,
): () => WhyRow[] {
  return () => (memory === null ? [] : explain(inputOf({ desired, nowMs, edgesOf }, instance, observed, memory)));
}

/**
 * Waits, holds, suspensions and starts end with time; of what has none of them only the age of its data counts. One that runs
 * or is to be stopped is not restarted, so that back-off has no say.
 */
function steadyUntil(
  context: Context,
  { spec, name }: DesiredInstance,
  { copies, journal, localHold }: ObservedInstance,
  view: InstanceView,
): number {
  const never = Number.NEGATIVE_INFINITY;
  if (spec === null || spec.suspend !== null || localHold !== null || journal.state === 'unknown') return never;
  if (!copies.known || copies.value.length > 1 || context.desired.holds.some((h) => h.instance === name)) return never;
  if (copies.value.length === 1 ? view.confirmation !== 'ok' : spec.state === 'Running') return never;
  const { maxMs } = spec.health.limits.dataAge;
  if (journal.state === 'none' || maxMs === null) return Number.POSITIVE_INFINITY;
  const atMs = journal.lastByteAtMs + maxMs;
  return context.nowMs <= atMs ? atMs : never;
}

/** What follows from an instance's declaration and its commits alone. */
type Past = {
  memory: TuningMemory | null;
  remark: string | null;
  forbidden: string | null;
  driftIsAlarm: boolean;
};

const pasts = new WeakMap<readonly TrailEntry[], { instance: DesiredInstance; past: Past }>();

/** Worked out once for the same declaration and commits: neither ever changes in place. */
function pastOf(context: Context, instance: DesiredInstance, trail: TrailEntry[]): Past {
  const known = pasts.get(trail);
  if (known?.instance === instance) return known.past;
  const { env } = instance;
  const past = {
    memory: memoryOf(context, instance, trail),
    remark: idleRevert(instance, trail),
    forbidden: forbiddenText(instance, trail),
    driftIsAlarm: env !== null && madeByAlarm(trail, env.path),
  };
  pasts.set(trail, { instance, past });
  return past;
}

const remembered = new WeakMap<readonly TrailEntry[], { email: string; about: MemoryAbout; memory: TuningMemory }>();

type MemoryAbout = { baseEnv: string; policy: TuningPolicy };

/** The same commits under the same policy are the same memory, in whichever revision the instance is declared. */
function memoryOf({ desired, memories }: Context, instance: DesiredInstance, trail: TrailEntry[]): TuningMemory | null {
  const { name, spec, env } = instance;
  if (spec === null || env === null) return null;
  const email = desired.fleet?.git.author.email ?? '';
  const about = { baseEnv: env.basePath, policy: spec.tuning };
  const known = remembered.get(trail);
  if (known?.email === email && known.about.baseEnv === about.baseEnv && known.about.policy === about.policy)
    return known.memory;
  const memory =
    memories === undefined || desired.fleet === null
      ? rebuildMemory(trail, about)
      : memories.of(trail, { ...about, instance: name, ourEmail: email });
  remembered.set(trail, { email, about, memory });
  return memory;
}

function viewOf(
  context: Context,
  instance: DesiredInstance,
  observed: ObservedInstance,
  past: Past & Pick<InstanceView, 'rebase'>,
  decided: Decided | null,
): InstanceView {
  const { spec, env, name } = instance;
  const { desired, nowMs, git } = context;
  const lastRun = lastRunOf(observed);
  const secretNames = observed.secretNames;
  const declared = declaredBy(instance, secretNames.ok ? secretNames.names : null);
  const copy = observed.copies.known ? observed.copies.value[0] : undefined;
  const { rebase } = past;
  const moved = movedAway(instance, observed) ?? leftProcess(instance, observed);
  const owned = env === null ? [] : [`${env.basePath}.`, `fleet/receipts/${name}.jsonl`, 'fleet/holds.yaml'];
  return {
    name,
    spec,
    invalid: invalidText(instance, observed) ?? moved ?? (rebase === null ? past.forbidden : null),
    stoppable: moved === null && env !== null && observed.secretNames.ok && instance.problems.every(leavesStop),
    here: spec === null || spec.host === null || spec.host === context.host,
    desired: declared,
    copies: withDigest(instance, observed, declared),
    stopInFlight:
      copy !== undefined &&
      observed.intent.known &&
      observed.intent.value?.pid === copy.pid &&
      observed.intent.value.startTicks === copy.startTicks,
    stopCause: stopCauseOf(observed),
    hold: holdOf(activeHold(desired.holds, name, nowMs), observed.localHold),
    lastRun,
    failedProof: failedProofOf(observed),
    stranger:
      spec === null
        ? null
        : (orphanOn(context, observed, spec.market) ?? strangerOf(observed, spec.journal.staleAfterMs, nowMs)),
    restart: restartOf(instance, observed, lastRun, nowMs),
    decision: context.tune ? (decided?.decision ?? null) : null,
    guarded: null,
    verdict: context.tune ? (decided?.verdict ?? null) : null,
    rebase,
    dirtyPath:
      git.dirty.size === 0
        ? null
        : ([...git.dirty].find((path) => path !== env?.basePath && owned.some((o) => path.startsWith(o))) ?? null),
    gitTrouble: git.trouble,
    published: git.published,
    driftIsAlarm: past.driftIsAlarm,
    confirmation: confirmationOf(instance, observed, nowMs),
  };
}

/** What should run; its digest is only made where something runs that it can be compared with. */
function declaredBy(instance: DesiredInstance, secretNames: readonly string[] | null): InstanceView['desired'] {
  const { spec, env } = instance;
  if (spec === null || env === null || secretNames === null) return null;
  return {
    iter: env.iter,
    get digest() {
      return digestOf(instance, secretNames) ?? '';
    },
  };
}

/** A hold that git knows goes before one of this clone, and either before a park. */
function holdOf(tracked: Hold | null, local: Hold | null): Hold | null {
  return tracked?.kind === 'hold' ? tracked : (local ?? tracked);
}

/**
 * A command runtime may not know its digest: then the env file that the journal names tells whether it is the desired one;
 * where that is not known either, nothing is restarted on a guess.
 */
function withDigest(
  instance: DesiredInstance,
  { copies, journal }: ObservedInstance,
  desired: InstanceView['desired'],
): ObservedInstance['copies'] {
  if (!copies.known || instance.env === null || desired === null) return copies;
  const named = journal.state === 'ok' ? (envFileOf(journal)?.split('/').at(-1) ?? null) : null;
  const same = named === null || named === instance.env.path.split('/').at(-1);
  return {
    ...copies,
    value: copies.value.map((copy) =>
      copy.digest !== '' ? copy : { ...copy, digest: same ? desired.digest : 'another env file' },
    ),
  };
}

/** Where the market is in doubt, closing it could close what is another's. */
const leavesStop = ({ code }: Problem) =>
  code === 'holds-invalid' || (code.startsWith('env-') && code !== 'env-market');

/**
 * A run that began somewhere else (market, account, exchange, testnet or mainnet) ends there: a proof where it is declared now would
 * leave its position open. Each start comes right after a proof, so that the newest receipt names the place of the newest run.
 * null: there is no such run.
 */
function movedAway(instance: DesiredInstance, { copies, receipts, restarts }: ObservedInstance): string | null {
  const { name, spec, env } = instance;
  const newest = receipts.at(-1);
  if (spec === null || newest === undefined) return null;
  const moved = movedFrom(newest, whereOf(spec, env?.values ?? null));
  if (moved === null) return null;
  const runs = copies.known && copies.value.length > 0;
  // What ended by itself is proved first, and started later under the same name.
  const began =
    newest.cause === 'unasked-exit'
      ? (restarts.lastStartMs ?? 0) > Date.parse(newest.provedAt)
      : !STAYS_DOWN.includes(newest.cause);
  if (!runs && !began) return null;
  return `its run began on ${moved.before}, and ${moved.name} is ${moved.now}: change it back, mmfleet flatten ${name}, change it, then release ${name}`;
}

/** What was started as a process ends as one: the commands that are declared by now know nothing of it. null: there is none. */
function leftProcess({ name, spec }: DesiredInstance, { copies }: ObservedInstance): string | null {
  if (spec === null || spec.runtime.kind === 'process' || !copies.known) return null;
  const left = copies.value.find(({ startId }) => startId !== undefined);
  if (left === undefined) return null;
  return `pid ${left.pid} of it was started by runtime.process, and the spec says runtime.${spec.runtime.kind}: change it back, mmfleet stop ${name}, change it, then start ${name}`;
}

/** A bot of a name that nothing declares any more, as after a rename, may quote this market still: its receipts name it. */
function orphanOn({ desired, observed }: Context, { copies }: ObservedInstance, market: string): string | null {
  if (observed.orphans.length === 0 || !copies.known || copies.value.length > 0) return null;
  const said = `"market":${JSON.stringify(market)}`;
  const orphan = observed.orphans.find(({ instance }) =>
    desired.files.get(receiptsPath(instance))?.text.trimEnd().split('\n').at(-1)?.includes(said),
  );
  return orphan === undefined
    ? null
    : `${orphan.instance} (pid ${orphan.pid}), which no spec declares, was started on ${market}: end that bot first`;
}

function invalidText(instance: DesiredInstance, observed: ObservedInstance): string | null {
  const first = instance.problems[0];
  if (first !== undefined) return formatProblem(first).split('\n')[0] ?? first.message;
  if (instance.spec !== null && instance.env === null) return 'its base env cannot be read';
  return observed.secretNames.ok ? null : observed.secretNames.problem.message;
}

/** An iter whose forbidden keys differ from its base is nobody's to run; null when none does. */
function forbiddenText({ env, name }: DesiredInstance, trail: TrailEntry[]): string | null {
  if (env === null || env.iter === null) return null;
  const differs = forbiddenDifferences(env.baseValues, env.values);
  if (differs.length === 0) return null;
  const made = handMade(env, trail) ?? env.path;
  return `${made}: ${differs.join(', ')} differs from the base env; edit the base, or mmfleet rollback ${name} --to ITER --reason "..."`;
}

function restartOf(
  instance: DesiredInstance,
  observed: ObservedInstance,
  lastRun: string,
  nowMs: number,
): InstanceView['restart'] {
  const runtime = instance.spec?.runtime;
  if (runtime === undefined || lastRun === 'none') return { kind: 'now' };
  // It was told to stop, and mmfleet ended before the proof: that is no crash.
  if (lastRun === 'unproved' && stopWasOurs(observed)) return { kind: 'now' };
  const state = lastRun === 'unproved' ? afterExit(observed.restarts, nowMs) : observed.restarts;
  const next = nextRestart(state, runtime.backoff, nowMs);
  if (next === 'now') return { kind: 'now' };
  return next === 'crash-loop'
    ? { kind: 'crash-loop', restarts: state.restarts }
    : { kind: 'wait', untilMs: next.waitUntilMs };
}

/** Whether the live copy's own words say that it runs what git says. Level-triggered: also for an adopted process. */
function confirmationOf(
  instance: DesiredInstance,
  observed: ObservedInstance,
  nowMs: number,
): InstanceView['confirmation'] {
  const copy = observed.copies.known ? observed.copies.value[0] : undefined;
  const { spec, env } = instance;
  if (copy === undefined || spec === null || env === null || copy.iter !== env.iter) return 'ok'; // drift is another rule
  const { journal } = observed;
  if (journal.state === 'unknown') return 'ok';
  const waited = nowMs - copy.startedAtMs > spec.runtime.startTimeoutMs;
  const unseen = waited
    ? { unseen: `no run_start in ${spec.journal.path} within ${spec.runtime.startTimeoutMs / 1000} s of the start` }
    : ('pending' as const);
  if (journal.state === 'none') return unseen;
  if (endedRuns(observed.receipts).has(journal.runId)) return unseen;
  if (journal.runStart === null) return 'ok'; // its first piece is gone; nothing contradicts
  const answer = confirmed(journal.runStart, instance, env.path);
  if (typeof answer !== 'object') return 'ok';
  // Nothing was written since this process began: those are an earlier run's words, also where its receipt is lost.
  return journal.lastByteAtMs < copy.startedAtMs ? unseen : answer;
}

/** By declaration: an event outlives the trees that it was compared with, and must hold on to none of them. */
const confirmations = new WeakMap<DesiredInstance, { runStart: RunStartEvent; answer: Confirmation }>();

/** An event never changes: it is compared once with each declaration. */
function confirmed(runStart: RunStartEvent, instance: DesiredInstance, envPath: string): Confirmation {
  const known = confirmations.get(instance);
  if (known?.runStart === runStart) return known.answer;
  const answer = confirmRun(runStart, {
    envFileName: envPath.split('/').at(-1) ?? '',
    values: tunedOnly(instance),
  });
  confirmations.set(instance, { runStart, answer });
  return answer;
}

/** The keys whose value the bot must show as ours: every MM_ key of the desired env that is not secret. */
export function tunedOnly(instance: DesiredInstance): Record<string, string> {
  return Object.fromEntries(Object.entries(instance.env?.values ?? {}).filter(([key]) => key.startsWith('MM_')));
}

/**
 * The base was edited after the newest iter was made: its tuned keys move onto the new base. `rests`: a person took that very
 * move back; it is not made again before a release, another edit, or the time after which any step may be.
 */
function rebaseOf(
  context: Context,
  { name, env }: DesiredInstance,
  memory: TuningMemory | null,
): InstanceView['rebase'] | 'rests' {
  if (env === null || env.iter === null) return null;
  const old = context.oldBases.get(name) ?? null;
  if (old === null || old === env.baseText) return null;
  const step = rebaseStep(env.baseBlob);
  if (memory?.forgotten.some((each) => each.step === step && each.until * 1000 > context.nowMs) === true)
    return 'rests';
  return { changes: rebaseIter(parseEnv(old, env.basePath).values, env.baseValues, env.values) };
}

const restText = ({ name, env }: DesiredInstance): string =>
  `the edited base env was kept from it by a revert, ${label(env?.iter ?? null)} is desired: mmfleet release ${name} --reason "..." moves it onto that base`;

/** Whether a commit newer than the one that added `iterPath` touched the base env. Newest first. */
export function baseEditedAfter(trail: TrailEntry[], basePath: string, iterPath: string): boolean {
  for (const entry of trail) {
    if (entry.files.some((f) => f.path === iterPath && f.status === 'A')) return false;
    if (entry.files.some((f) => f.path === basePath)) return true;
  }
  return false;
}

/** Of a stop in flight, or of the newest one that git knows nothing of: what was to be committed with it is not either. */
function stopCauseOf({ intent, uncommitted }: ObservedInstance): string | null {
  const recorded = intent.known ? intent.value : null;
  return recorded?.cause ?? uncommitted.at(-1)?.receipt.cause ?? null;
}

/** The newest proof failed and is not in git yet: mmfleet ended between the proof and its hold. */
function failedProofOf({ receipts, uncommitted }: ObservedInstance): string | null {
  const newest = receipts.at(-1);
  if (newest === undefined || newest.verdict === 'FLAT' || newest.verdict === 'DUST') return null;
  return uncommitted.some((u) => u.receipt === newest) ? newest.rule : null;
}

/** Whether a losing-fills signal made this iter. */
function madeByAlarm(trail: TrailEntry[], path: string): boolean {
  const entry = trail.find((e) => e.files.some((f) => f.path === path && f.status === 'A'));
  const trigger = entry?.trailers.find((t) => t.key === 'Trigger')?.value ?? '';
  return (entry?.kind === 'tune' || entry?.kind === 'undo') && isSignal(trigger.split(' ')[0] ?? '');
}

/** The commit that added the newest iter: the base env it was made from is the one in that commit's tree. */
export function addingCommit(trail: TrailEntry[], path: string): string | null {
  return trail.find((entry) => entry.files.some((f) => f.path === path && f.status === 'A'))?.commit ?? null;
}
