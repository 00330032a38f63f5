/** What a fleet allows its instances to do together. Pure: all wishes in, the refused ones out. */
import type { Health, PlanReason } from '../plan/types.ts';
import type { Fleet } from '../spec/types.ts';
import { stepId } from './steps.ts';
import type { TuningDecision } from './types.ts';

export type Wish = {
  name: string;
  /** null = there was nothing to decide on. */
  decision: TuningDecision | null;
  health: Health;
  running: boolean;
  /** Whether the iter that runs has no verdict yet. */
  unjudged: boolean;
  /** Its position cap in USD; null = unknown. */
  unjudgedNotionalUsd: number | null;
};

export type Refusal = { reason: PlanReason; message: string };

/** Instances that must be degraded together before the whole market is suspected. */
const MARKET_WIDE_MIN = 4;

/**
 * The wishes that may not act now, by name; the others may. A hard limit and an alarm come before the way back and hygiene;
 * older wishes before newer ones. `changing` instances are being stopped or started already.
 */
export function fleetGuards(wishes: readonly Wish[], guards: Fleet['guards'], changing = 0): Map<string, Refusal> {
  const refused = new Map<string, Refusal>();
  const marketWide = marketWideRefusal(wishes, guards);
  const running = wishes.filter((wish) => wish.running).length;
  const perPass = Math.max(1, Math.floor(running * guards.maxShareChangedPerPass));
  let exposed = exposure(wishes);
  let places = Math.max(0, Math.min(guards.maxConcurrentChanges - changing, perPass));
  for (const wish of [...wishes].sort(byUrgency)) {
    const { decision, name } = wish;
    // A hard limit only reduces risk, and fast: no guard holds it.
    if (decision === null || decision.kind === 'none' || decision.kind === 'stop') continue;
    if (marketWide !== null) {
      refused.set(name, marketWide);
      continue;
    }
    if (addsRisk(decision)) {
      const added = wish.unjudged ? 0 : wish.unjudgedNotionalUsd;
      const refusal = budgetRefusal(exposed, added, guards.maxUnjudgedNotionalUsd);
      if (refusal !== null) {
        refused.set(name, refusal);
        continue;
      }
      if (exposed !== null) exposed += added ?? 0;
    }
    if (places === 0) {
      refused.set(name, {
        reason: 'guard',
        message: `only ${Math.min(guards.maxConcurrentChanges, perPass)} may change at once`,
      });
      continue;
    }
    places -= 1;
  }
  return refused;
}

/** Recover and tighten expose more; every other step is defensive. */
function addsRisk(decision: TuningDecision): boolean {
  return decision.kind === 'recover' || (decision.kind === 'tune' && stepId(decision.step) === 'tighten');
}

function marketWideRefusal(wishes: readonly Wish[], guards: Fleet['guards']): Refusal | null {
  const running = wishes.filter((wish) => wish.running);
  const degraded = running.filter((wish) => wish.health === 'degraded').length;
  if (running.length < MARKET_WIDE_MIN || degraded < MARKET_WIDE_MIN) return null;
  if (degraded <= running.length * guards.marketWideShare) return null;
  return {
    reason: 'market-wide',
    message: `${degraded} of ${running.length} instances degraded together: tuning is held`,
  };
}

/** Position caps under iters without a verdict; null = one of them is unknown. */
function exposure(wishes: readonly Wish[]): number | null {
  let sum = 0;
  for (const wish of wishes) {
    if (!wish.unjudged || !wish.running) continue;
    if (wish.unjudgedNotionalUsd === null) return null;
    sum += wish.unjudgedNotionalUsd;
  }
  return sum;
}

function budgetRefusal(exposed: number | null, added: number | null, max: number | null): Refusal | null {
  if (max === null) return null;
  if (exposed === null || added === null) {
    return { reason: 'budget', message: `a position cap in USD is unknown; unjudged changes may hold ${max} USD` };
  }
  if (exposed + added <= max) return null;
  return { reason: 'budget', message: `unjudged changes hold ${exposed} USD; ${added} more would pass ${max} USD` };
}

function byUrgency(a: Wish, b: Wish): number {
  return urgency(a.decision) - urgency(b.decision) || atOf(a.decision) - atOf(b.decision) || (a.name < b.name ? -1 : 1);
}

function urgency(decision: TuningDecision | null): number {
  if (decision === null || decision.kind === 'none') return 3;
  if (decision.kind === 'stop') return 0;
  return decision.kind === 'recover' || (decision.kind === 'tune' && !decision.urgent) ? 2 : 1;
}

function atOf(decision: TuningDecision | null): number {
  return decision === null || decision.kind === 'none' ? Number.POSITIVE_INFINITY : decision.at;
}
