/** Plans for a whole fleet: each instance by itself, what the fleet allows them together, and what a person's verb makes of it. */
import { capChanges, type Planned, planInstance } from '../core/plan/plan.ts';
import type { Fleet } from '../core/spec/types.ts';
import { fleetGuards, type Refusal, type Wish } from '../core/tuning/guards.ts';
import type { PassOptions } from './pass.ts';
import { type Context, type Situation, situationOf } from './views.ts';

/** Plans of one look, instance by instance, with what they were made from: what is the same at the next look is taken over. */
export type Plans = {
  situations: Situation[];
  planned: Planned[];
  /** Everything that every plan of the look rests on. */
  basis: readonly unknown[];
  /** Nothing of it is to be done, so that nothing waits for its turn either. */
  still: boolean;
  /** The situations before the fleet's guards, their wishes, and the plans before the fleet's caps. */
  alone: Situation[];
  wishes: Wish[];
  guards: ReadonlyMap<string, Refusal>;
  uncapped: Planned[];
};

/**
 * Plans every instance; those not selected are shown as they are, without an effect. `last`: of an earlier look; where
 * nothing was observed that is another, and time alone changes nothing, its plans stand.
 */
export function planAll(
  context: Context,
  fleet: Fleet,
  options: Pick<PassOptions, 'only' | 'force'>,
  before: Plans | null = null,
): Plans {
  const { desired, trail, git, host, tune, oldBases, nowMs } = context;
  const basis = [desired, trail, git, host, tune, oldBases, fleet, options.only, options.force];
  const last = before?.basis.every((each, i) => each === basis[i]) === true ? before : null;
  const alone = desired.instances.map((instance, i) => {
    const known = last?.alone[i];
    if (
      known === undefined ||
      known.observed !== context.observed.byName.get(instance.name) ||
      nowMs > known.steadyUntilMs
    )
      return situationOf(context, instance);
    return known;
  });
  if (last?.still === true && alone.every((s, i) => s === last.alone[i])) return last;
  // Who is not meant is left as it is, and so takes nobody's place.
  const isMeant = (name: string) => options.only === null || options.only.has(name);
  const wishes = alone.map((s, i) =>
    s === last?.alone[i] ? last.wishes[i]! : wishOf(s, nowMs, isMeant(s.instance.name)),
  );
  const guards =
    last !== null && wishes.every((wish, i) => sameWish(wish, last.wishes[i]!))
      ? last.guards
      : fleetGuards(wishes, fleet.guards);
  const situations = alone.map((s, i) => {
    const guarded = guards.get(s.instance.name) ?? null;
    const known = last?.situations[i];
    if (s === last?.alone[i] && known?.view.guarded === guarded) return known;
    return { ...s, view: { ...s.view, guarded } };
  });
  const uncapped = situations.map((s, i) =>
    s === last?.situations[i] ? last.uncapped[i]! : planInstance(s.view, nowMs),
  );
  const wanted = uncapped.map((p) => (p.effect === null || isMeant(p.item.name) ? p : { ...p, effect: null }));
  const capped = capChanges(wanted, situations.filter(isRunning).length, fleet.guards, nowMs);
  const planned = capped.map((plan, i) => {
    const p = remarked(plan, situations[i]!.remark);
    if (!isMeant(p.item.name)) return p;
    return options.force === undefined || options.force === null ? p : forced(p, situations[i]!, options.force);
  });
  const still = uncapped.every((p) => p.effect === null);
  return { situations, planned, basis, still, alone, wishes, guards, uncapped };
}

function wishOf(s: Situation, nowMs: number, isMeant: boolean): Wish {
  // A wish that could not act anyway (held, two copies, waiting for a person) must not take the place of one that could.
  const acts = isMeant && ['commit-decision', 'stop'].includes(planInstance(s.view, nowMs).effect?.do ?? '');
  return {
    name: s.instance.name,
    decision: acts ? s.view.decision : null,
    health: s.decided?.health ?? 'unknown',
    running: isRunning(s),
    unjudgedNotionalUsd: notionalCap(s),
    unjudged: (s.memory?.unjudged.length ?? 0) > 0,
  };
}

/** Whether the guards say the same of the fleet with either. */
function sameWish(a: Wish, b: Wish): boolean {
  return (
    a === b ||
    (a.name === b.name &&
      a.decision === null &&
      b.decision === null &&
      a.health === b.health &&
      a.running === b.running &&
      a.unjudgedNotionalUsd === b.unjudgedNotionalUsd &&
      a.unjudged === b.unjudged)
  );
}

/** A plan that leaves an instance as it is also says what a person should know of it. */
function remarked(planned: Planned, remark: string | null): Planned {
  if (remark === null || planned.effect !== null) return planned;
  return { ...planned, item: { ...planned.item, message: `${planned.item.message}; ${remark}` } };
}

/** `restart`, `flatten` and a `stop` that is not in git act on what may be acted on at all: one usable instance, at most one known copy. */
function forced(planned: Planned, { view }: Situation, force: 'restart' | 'flatten' | 'stop'): Planned {
  const usable = view.invalid === null || (view.stoppable && force !== 'restart');
  const reach = view.spec !== null && usable && view.here && view.copies.known && view.copies.value.length <= 1;
  if (!reach) return planned;
  if (force === 'flatten') {
    const item = {
      ...planned.item,
      action: 'flatten' as const,
      reason: 'held' as const,
      message: 'stop, cancel, close and prove flat, as asked',
    };
    return { item, standing: 'change', effect: { do: 'stop', cause: 'held', hold: null } };
  }
  if (force === 'stop') {
    const down = view.copies.known && view.copies.value.length === 0;
    if (down && view.lastRun !== 'unproved') return planned;
    const item = {
      ...planned.item,
      action: 'stop' as const,
      reason: 'state-stopped' as const,
      message: 'stop, as asked',
    };
    return { item, standing: 'change', effect: { do: 'stop', cause: 'state-stopped', hold: null } };
  }
  if (view.hold !== null || view.spec?.state !== 'Running' || view.spec.suspend !== null || view.dirtyPath !== null)
    return planned;
  // It could be stopped, but not started again, or only beside another bot of this market.
  if (!view.published || view.stranger !== null) return planned;
  const item = {
    ...planned.item,
    action: 'restart' as const,
    reason: 'not-running' as const,
    message: 'restart, as asked',
  };
  return { item, standing: 'change', effect: { do: 'restart', cause: 'not-running' } };
}

const isRunning = (s: Situation) => s.observed.copies.known && s.observed.copies.value.length > 0;

/** The position cap of an instance in USD; null when its env does not say. */
function notionalCap(s: Situation): number | null {
  const text = s.instance.env?.values['MM_MAX_POSITION_NOTIONAL_USD'];
  return text === undefined || text === '' ? null : Number(text);
}
