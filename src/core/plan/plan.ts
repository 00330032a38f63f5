/** The pure planner: same desired + observed + now -> same plan. One decision per instance, with a reason. */
import { createHash } from 'node:crypto';
import type { ProcessCopy } from '../ports.ts';
import type { Known } from '../problem.ts';
import { unreachable } from '../problem.ts';
import type { Fleet, Instance } from '../spec/types.ts';
import { asksToEnd } from '../trail/by-hand.ts';
import type { Change, Hold } from '../trail/types.ts';
import type { TuningDecision, VerdictDecision } from '../tuning/types.ts';
import type { PlanAction, PlanItem, PlanReason } from './types.ts';

/** What is known of one instance when the plan is made. */
export type InstanceView = {
  name: string;
  /** null: its spec is invalid; it keeps running as it is. */
  spec: Instance | null;
  /** Why the spec, base env or desired env cannot be used; null when it can. */
  invalid: string | null;
  /** Whether it can be stopped and proved flat all the same: only an env file or the holds are wrong. */
  stoppable: boolean;
  /** Whether this host is the one that runs it. */
  here: boolean;
  desired: { iter: number | null; digest: string } | null;
  copies: Known<ProcessCopy[]>;
  /** A stop signal was sent to the live copy by an earlier pass. */
  stopInFlight: boolean;
  /** Why the newest stop was asked for that is in flight, not proved yet, or not in git yet; null: there is none. */
  stopCause: string | null;
  /** The latched hold or the unexpired park. */
  hold: Hold | null;
  /** Whether the newest run of this instance ended under a flat receipt. `none`: it never ran. */
  lastRun: 'none' | 'proved' | 'unproved';
  /** Nothing of ours runs, and yet its journal grows: why; null = no sign of it. */
  stranger: string | null;
  /** Why the newest proof failed, when its hold was never committed; null = no such proof. */
  failedProof: string | null;
  restart: { kind: 'now' } | { kind: 'wait'; untilMs: number } | { kind: 'crash-loop'; restarts: number };
  /** What the engine wants, after the fleet's guards; null when there is nothing to decide on (no env). */
  decision: TuningDecision | null;
  /** Why the engine's wish may not act now; null when it may. */
  guarded: { reason: PlanReason; message: string } | null;
  verdict: VerdictDecision | null;
  /** The base env was edited: the tuned keys on the new base. */
  rebase: { changes: Change[] } | null;
  /** A machine-owned path of this instance has uncommitted edits. */
  dirtyPath: string | null;
  /** Why git takes no commit just now, such as `the remote is away`; null: it does. */
  gitTrouble: string | null;
  /** The desired env's commit is on the remote (or there is no remote), and may be started. */
  published: boolean;
  /** The desired iter was made because of an alarm on the one that runs. */
  driftIsAlarm: boolean;
  /**
   * Whether the live copy's journal says that it runs what git says; `pending` until its run_start is there, `unseen` when that
   * takes longer than a start may.
   */
  confirmation: 'ok' | 'pending' | { mismatch: string } | { unseen: string };
};

/** What apply does for one instance in one pass. */
export type Effect =
  | { do: 'commit-decision'; decision: Exclude<TuningDecision, { kind: 'none' | 'stop' }> }
  | { do: 'commit-rebase'; changes: Change[] }
  | { do: 'commit-verdict'; verdict: VerdictDecision }
  | { do: 'latch'; reason: PlanReason; message: string }
  | { do: 'start' }
  | { do: 'restart'; cause: PlanReason }
  | { do: 'stop'; cause: PlanReason /** Latched after the stop. */; hold: string | null }
  | { do: 'prove'; cause: PlanReason | 'unasked-exit' };

/** `held` and `failed` colour the exit code; `waiting` is a settled state that will change by itself. */
export type Standing = 'settled' | 'waiting' | 'held' | 'change' | 'unknown';

export type Planned = { item: PlanItem; effect: Effect | null; standing: Standing };

/** One instance's decision. The first rule that holds wins. */
export function planInstance(view: InstanceView, nowMs: number): Planned {
  const none = (reason: PlanReason, message: string, standing: Standing): Planned => ({
    item: item(view, 'none', reason, message),
    effect: null,
    standing,
  });
  const act = (action: PlanAction, reason: PlanReason, message: string, effect: Effect): Planned => ({
    item: item(view, action, reason, message),
    effect,
    standing: 'change',
  });

  // What is wrong with an env keeps nobody from stopping what runs.
  const ends = view.stoppable && isToEnd(view);
  if (view.spec === null || (view.invalid !== null && !ends))
    return none('spec-invalid', view.invalid ?? 'the spec is invalid', 'held');
  const spec = view.spec;
  if (!view.here) return elsewhere(view, spec, none);
  if (!view.copies.known) return none('unknown-process', `process state unknown: ${view.copies.reason}`, 'unknown');
  const copies = view.copies.value;
  if (copies.length > 1)
    return none(
      'two-copies',
      `${copies.length} live copies (pids ${copies.map((c) => c.pid).join(', ')}); neither is touched: end one by hand`,
      'held',
    );
  const copy = copies[0] ?? null;
  // A hard limit of what runs stops it all the same: that only its hold has to wait for.
  const breaks = copy !== null && view.decision?.kind === 'stop';
  if (view.dirtyPath === null || ends || breaks) return planOwn(view, spec, copy, nowMs, none, act);
  // Nothing is committed or started over a person's edit; a bot that loses money is stopped all the same, and a crash proved flat.
  const edited = `${view.dirtyPath} has uncommitted edits`;
  const less = planOwn({ ...view, gitTrouble: edited, published: false }, spec, copy, nowMs, none, act);
  return less.effect?.do === 'stop' || less.effect?.do === 'prove'
    ? less
    : none('held', `${edited}: commit or restore it`, 'held');
}

/** What is to be done with an instance that this host may act on, and of which at most one copy lives. */
function planOwn(
  view: InstanceView,
  spec: Instance,
  copy: ProcessCopy | null,
  nowMs: number,
  none: None,
  act: Act,
): Planned {
  if (spec.suspend !== null && !expired(spec.suspend.until, nowMs)) {
    return none(
      'suspended',
      `suspended: ${spec.suspend.reason}${spec.suspend.until === null ? '' : ` until ${spec.suspend.until}`}`,
      'waiting',
    );
  }
  if (copy !== null && view.stopInFlight) return finishStop(view, spec, act);
  if (spec.state !== 'Running') return planStopped(view, spec, copy, none, act);
  if (view.hold?.kind === 'hold') return planHeld(view, view.hold, copy, none, act);
  if (view.hold?.kind === 'park') {
    const until = view.hold.until ?? 'release';
    if (copy !== null)
      return act('stop', 'parked', `parked until ${until}: ${view.hold.reason}`, {
        do: 'stop',
        cause: 'parked',
        hold: null,
      });
    if (view.lastRun === 'unproved')
      return act('flatten', 'parked', `parked, and its last run has no flat proof`, { do: 'prove', cause: 'parked' });
    return none('parked', `parked until ${until}: ${view.hold.reason}`, 'waiting');
  }
  if (copy === null && view.stranger !== null) return none('two-copies', view.stranger, 'held');
  if (copy === null && view.failedProof !== null) {
    const message = `flat unproven: ${view.failedProof}`;
    return act('hold', 'flat-unproven', message, { do: 'latch', reason: 'flat-unproven', message });
  }
  if (copy?.remnant === true) {
    return act(
      'flatten',
      'not-running',
      `its process ended, others of its start live on (pid ${copy.pid}): ending them, then proving it flat`,
      { do: 'prove', cause: 'unasked-exit' },
    );
  }
  return copy === null ? planDead(view, nowMs, none, act) : planLive(view, copy, none, act);
}

/** A copy that was left here would be a second one as soon as its own host starts it. */
function elsewhere({ copies, name }: InstanceView, { host }: Instance, none: None): Planned {
  const pids = copies.known ? copies.value.map((c) => c.pid) : [];
  if (pids.length === 0) return none('elsewhere', `runs on ${host}`, 'settled');
  const message = `declared on ${host}, but pid ${pids.join(', ')} of it lives here: put its host back, mmfleet stop ${name}, then move it`;
  return none('elsewhere', message, 'held');
}

/** Declared to be down, and it is not, or its end is not proved. */
function isToEnd({ spec, copies, lastRun }: InstanceView): boolean {
  if (spec === null || spec.state === 'Running' || !copies.known) return false;
  return copies.value.length > 0 || lastRun === 'unproved';
}

/** Stopped, flat and held. What broke the limit may be over once the bot has written its end: then the record of the stop tells. */
function hardStop({ decision }: InstanceView, act: Act): Planned {
  const message = decision?.kind === 'stop' ? decision.message : 'its stop was cut short';
  return act('stop', 'hard-limit', message.replaceAll('\n', ' '), {
    do: 'stop',
    cause: 'hard-limit',
    hold: `hard limit: ${message}`,
  });
}

type None = (reason: PlanReason, message: string, standing: Standing) => Planned;
type Act = (action: PlanAction, reason: PlanReason, message: string, effect: Effect) => Planned;

function finishStop(view: InstanceView, spec: Instance, act: Act): Planned {
  if (spec.state === 'Running' && view.hold?.kind !== 'hold' && view.stopCause === 'hard-limit')
    return hardStop(view, act);
  if (spec.state === 'Running' && view.hold === null) {
    if (!view.published || view.stopCause === 'git-away') {
      const message = 'a stop is in flight: finishing it; it starts again once git is in order';
      return act('stop', 'git-away', message, { do: 'stop', cause: 'git-away', hold: null });
    }
    return act('restart', 'digest-drift', 'a stop is in flight: finishing it, then starting again', {
      do: 'restart',
      cause: 'digest-drift',
    });
  }
  return act(
    'stop',
    spec.state === 'Retired' ? 'retired' : spec.state === 'Stopped' ? 'state-stopped' : 'held',
    'a stop is in flight: finishing it',
    { do: 'stop', cause: 'state-stopped', hold: null },
  );
}

/** Left as it is, but for what a person wanted down: mmfleet may have been ended before it came to that. */
function planHeld(view: InstanceView, hold: Hold, copy: ProcessCopy | null, none: None, act: Act): Planned {
  if (asksToEnd(hold)) {
    if (copy !== null)
      return act('stop', 'held', `${hold.reason}, and it still runs`, { do: 'stop', cause: 'held', hold: null });
    if (view.lastRun === 'unproved' && view.failedProof === null && view.stranger === null)
      return act('flatten', 'held', `${hold.reason}, and its last run has no flat proof`, {
        do: 'prove',
        cause: 'held',
      });
  }
  return none('held', `${hold.reason}; mmfleet release ${view.name} --reason "..." lifts it`, 'held');
}

function planStopped(view: InstanceView, spec: Instance, copy: ProcessCopy | null, none: None, act: Act): Planned {
  const reason: PlanReason = spec.state === 'Retired' ? 'retired' : 'state-stopped';
  if (copy !== null) return act('stop', reason, `state is ${spec.state}`, { do: 'stop', cause: reason, hold: null });
  if (view.hold?.kind === 'hold') return none('held', view.hold.reason, 'held');
  if (view.lastRun === 'unproved')
    return act('flatten', reason, 'it is down, but its last run has no flat proof', { do: 'prove', cause: reason });
  return none(reason, `state is ${spec.state}`, 'settled');
}

/** A run that ended unasked is proved flat at once, also when its restart has to wait. */
function planDead(view: InstanceView, nowMs: number, none: None, act: Act): Planned {
  const planned = planRestart(view, nowMs, none, act);
  if (view.lastRun !== 'unproved' || (planned.effect !== null && planned.effect.do !== 'latch')) return planned;
  return act(
    'flatten',
    planned.item.reason,
    `its last run ended unasked: proving it flat; then ${planned.item.message}`,
    { do: 'prove', cause: 'unasked-exit' },
  );
}

function planRestart(view: InstanceView, nowMs: number, none: None, act: Act): Planned {
  if (view.decision?.kind === 'stop' || view.stopCause === 'hard-limit') return hardStop(view, act);
  // A step made from the values before a person's edit would leave that edit behind.
  if (view.rebase !== null) return rebase(view, none, act);
  const wanted = planDecision(view, none, act);
  const observing = view.spec?.autonomy !== 'apply';
  // An alarm of the run that just ended is answered before the same config is started again;
  // where tuning is only reported, converging goes on without it.
  if (wanted !== null && !observing && (wanted.effect !== null || (view.decision !== null && isAlarm(view.decision))))
    return wanted;
  if (view.restart.kind === 'crash-loop' && view.lastRun !== 'none') {
    return act('hold', 'crash-loop', `${view.restart.restarts} restarts without a stable period`, {
      do: 'latch',
      reason: 'crash-loop',
      message: `crash-loop: ${view.restart.restarts} restarts without a stable period`,
    });
  }
  if (view.restart.kind === 'wait')
    return none('backoff', `restarts in ${Math.ceil((view.restart.untilMs - nowMs) / 1000)} s`, 'waiting');
  if (!view.published) return none('git-away', notPublished(view), 'held');
  return act('start', 'not-running', view.lastRun === 'none' ? 'not running (first start)' : 'not running', {
    do: 'start',
  });
}

function planLive(view: InstanceView, copy: ProcessCopy, none: None, act: Act): Planned {
  // A hard limit does not wait: the next run's journal would know nothing of it.
  if (view.decision?.kind === 'stop') return hardStop(view, act);
  if (view.rebase !== null) return rebase(view, none, act);
  if (view.desired !== null && copy.digest !== view.desired.digest) {
    const from = label(copy.iter);
    const to = label(view.desired.iter);
    const what = from === to ? `${to} or its runtime block changed` : `${from} runs, ${to} is desired`;
    if (!view.published && view.gitTrouble !== null && view.driftIsAlarm) {
      const message = `${what} because of an alarm, and ${view.gitTrouble}: stopped and flat until it may be started`;
      return act('stop', 'git-away', message, { do: 'stop', cause: 'git-away', hold: null });
    }
    if (!view.published) return none('git-away', `${what}; ${notPublished(view)}`, 'held');
    return act('restart', 'digest-drift', what, { do: 'restart', cause: 'digest-drift' });
  }
  // Silence is held against it for as long as it lasts: the bot may be slow, or its journal be in another clone.
  if (typeof view.confirmation === 'object' && 'unseen' in view.confirmation)
    return none('not-confirmed', view.confirmation.unseen, 'held');
  if (typeof view.confirmation === 'object') {
    const message = `not confirmed: ${view.confirmation.mismatch}`;
    return act('hold', 'not-confirmed', message, { do: 'latch', reason: 'not-confirmed', message });
  }
  if (view.confirmation === 'pending')
    return none('not-confirmed', 'started; its journal has not confirmed the env yet', 'waiting');
  const wanted = planDecision(view, none, act);
  if (wanted !== null && wanted.effect !== null) return wanted;
  if (view.verdict !== null && view.gitTrouble === null) {
    const v = view.verdict;
    return act('verdict', 'converged', `${label(v.iter)} ${v.verdict} against ${label(v.against)} (n=${v.n})`, {
      do: 'commit-verdict',
      verdict: v,
    });
  }
  return wanted ?? none('converged', 'running as declared', 'settled');
}

function rebase(view: InstanceView, none: None, act: Act): Planned {
  if (view.spec?.autonomy === 'observe')
    return none('observe-only', 'the base env was edited; autonomy is observe, so no rebase is made', 'held');
  if (view.gitTrouble !== null)
    return none('git-away', `the base env was edited; the rebase waits: ${view.gitTrouble}`, 'held');
  return act('rebase', 'base-edited', 'the base env was edited: tuned keys move onto it', {
    do: 'commit-rebase',
    changes: view.rebase?.changes ?? [],
  });
}

/** null: the engine is content. */
function planDecision(view: InstanceView, none: None, act: Act): Planned | null {
  const decision = view.decision;
  if (decision === null) return null;
  switch (decision.kind) {
    case 'none':
      return decision.reason === 'converged' ? null : none(decision.reason, decision.message, 'settled');
    case 'stop':
      return hardStop(view, act);
    case 'tune':
    case 'recover':
    case 'undo':
    case 'park': {
      const wish = decision.message.replaceAll('\n', ' ');
      if (view.spec?.autonomy === 'observe') return none('observe-only', `would ${decision.kind}: ${wish}`, 'waiting');
      if (view.spec?.autonomy === 'propose')
        return none('proposed', `would ${decision.kind}, waits for a person: ${wish}`, 'waiting');
      if (view.guarded !== null)
        return none(view.guarded.reason, `${view.guarded.message}; would ${decision.kind}: ${wish}`, 'waiting');
      if (view.gitTrouble !== null) return withoutGit(view, view.gitTrouble, decision, none, act);
      const planned = act(decision.kind, reasonOf(decision), wish, { do: 'commit-decision', decision });
      return {
        ...planned,
        item: {
          ...planned.item,
          changes: 'changes' in decision ? decision.changes : [],
          theme: 'theme' in decision ? decision.theme : null,
          trigger: triggerText(decision),
        },
      };
    }
    default:
      return unreachable(decision);
  }
}

const notPublished = ({ gitTrouble }: InstanceView): string =>
  gitTrouble === null
    ? 'its commit is not on the remote yet'
    : `its commit is not known to be on the remote: ${gitTrouble}`;

/** Git takes no commit: an alarm still reduces risk (stop, prove flat); nothing else acts. */
function withoutGit(view: InstanceView, trouble: string, decision: TuningDecision, none: None, act: Act): Planned {
  const live = view.copies.known && view.copies.value.length === 1;
  if (isAlarm(decision) && live) {
    return act(
      'stop',
      'git-away',
      `${trouble}: stopped and flat until the change can be committed (${decision.message})`,
      { do: 'stop', cause: 'git-away', hold: null },
    );
  }
  return none('git-away', `${trouble}; would ${decision.kind}: ${decision.message}`, 'waiting');
}

/** Whether the decision answers losing fills, as against hygiene or the way back. */
export function isAlarm(decision: TuningDecision): boolean {
  return decision.kind === 'undo' || decision.kind === 'park' || (decision.kind === 'tune' && decision.urgent);
}

function reasonOf(decision: Exclude<TuningDecision, { kind: 'none' | 'stop' }>): PlanReason {
  if (decision.kind === 'recover') return 'quiet-and-proven';
  if (decision.kind === 'undo') return 'trial-alarmed';
  if (decision.kind === 'park') return 'ladder-exhausted';
  const by = decision.trigger.by;
  // The alert signal looks at the same +5 s loss as burst, sooner, after an alarm.
  if (by === 'burst' || by === 'alert') return 'alarm-burst';
  if (by === 'fast') return 'alarm-fast';
  if (by === 'slow') return 'alarm-slow';
  return 'limit';
}

/** The trigger as trailers and plans show it: `fast markout5sBps=-1.32 limit=-0.50 n=204`. */
export function triggerText(decision: Exclude<TuningDecision, { kind: 'none' }>): string {
  const t = decision.trigger;
  return `${t.by} ${t.metric}=${t.value.toFixed(2)} limit=${t.limit.toFixed(2)} n=${t.n}`;
}

/** `iter007`, or `base`. */
export function label(iter: number | null): string {
  return iter === null ? 'base' : `iter${String(iter).padStart(3, '0')}`;
}

function expired(until: string | null, nowMs: number): boolean {
  return until !== null && Date.parse(until) <= nowMs; // parsing a given text, not reading a clock
}

function item(view: InstanceView, action: PlanAction, reason: PlanReason, message: string): PlanItem {
  return { name: view.name, action, reason, message, changes: [], theme: null, trigger: null };
}

/**
 * Automatic stops and restarts a pass may make: `share` of the running instances, at least one. Starts and a person's stop
 * are free. Who goes first changes with the minute: one that fails in each of its turns must not have all of them.
 */
export function capChanges(
  planned: Planned[],
  running: number,
  fleet: Pick<Fleet['guards'], 'maxShareChangedPerPass'>,
  nowMs: number,
): Planned[] {
  const places = Math.max(1, Math.floor(running * fleet.maxShareChangedPerPass));
  const minute = Math.floor(nowMs / 60_000);
  const turns = planned
    .filter(isCounted)
    .map((p) => ({ p, turn: turnOf(p.item.name, minute) }))
    .sort((a, b) => (a.turn < b.turn ? -1 : a.turn > b.turn ? 1 : 0));
  const late = new Set(turns.slice(places).map(({ p }) => p));
  return planned.map((p) =>
    late.has(p)
      ? {
          item: {
            ...p.item,
            action: 'none',
            reason: 'guard',
            message: `waits for its turn: enough instances change in this pass (${p.item.message})`,
          },
          effect: null,
          standing: 'waiting',
        }
      : p,
  );
}

function isCounted({ effect }: Planned): boolean {
  if (effect?.do === 'restart') return true;
  return effect?.do === 'stop' && !['state-stopped', 'retired', 'hard-limit'].includes(effect.cause);
}

const turnOf = (name: string, minute: number) => createHash('sha256').update(`${minute} ${name}`).digest('hex');
