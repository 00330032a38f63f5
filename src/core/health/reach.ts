/** How much of the end of a run the rules look at: what a first look at a long run reads of it. */
import type { HealthPolicy, LimitName, SignalName } from '../spec/types.ts';
import { LIMIT_NAMES, limitThreshold } from './limits.ts';
import { LIMIT_LOOKS } from './look.ts';
import type { FillMinutes } from './minute-rows.ts';
import type { RunState } from './run.ts';

/** Whole minutes are cut off at its beginning, and fills at its end wait for their markouts. */
const MARGIN_S = 600;

/**
 * Seconds of journal that hold every window of a policy which is a length of time. null: some rule needs the run from its
 * start, as one that stops does (what it found once stays found) and drawdown (a sum over the run).
 */
export function reachOf(health: HealthPolicy): number | null {
  const checked = checkedLimits(health);
  if (checked.some((name) => name === 'drawdownUsd' || health.limits[name].action === 'stop')) return null;
  const overMs = checked.map((name) => {
    const limit = health.limits[name];
    return 'overMs' in limit ? limit.overMs : 0;
  });
  return Math.max(health.cooldownMs, ...overMs) / 1000 + LIMIT_LOOKS * 60 + MARGIN_S;
}

/**
 * Whether a run that was read from its end holds all windows that are counted in fills or placements, as of the first of the
 * looks in a row that its newest look may be the last of.
 */
export function reachesBack({ health, h5, h60, fills, fillsSeen, activity, gaps }: RunState): boolean {
  // All windows began anew at a gap of the journal itself: what lies before it is in none of them.
  if (gaps > 1) return true;
  const signals = Object.keys(health.signals) as SignalName[];
  const [looks, windowFills] = [
    Math.max(...signals.map((name) => health.signals[name].consecutive)),
    Math.max(...signals.map((name) => health.signals[name].windowFills)),
  ];
  const limits = checkedLimits(health).map((name) => health.limits[name]);
  const lastFills = Math.max(0, ...limits.map((limit) => ('lastFills' in limit ? limit.lastFills : 0)));
  const placements = Math.max(0, ...limits.map((limit) => ('minPlacements' in limit ? limit.minPlacements : 0)));
  const horizons = [h5, h60].every(({ closed }) => fillsOf(closed, closed.length - looks) >= windowFills);
  const before = Math.max(0, activity.length - LIMIT_LOOKS);
  const recent = activity.sum('fills', before);
  let known = 0;
  for (let at = 0; at < fills.length; at += 1) if (typeof fills.m5(at) === 'number') known += 1;
  return (
    horizons && Math.min(known, fillsSeen - recent) >= lastFills && activity.sum('placed', 0, before) >= placements
  );
}

/** Those with a threshold; `dataAge` looks at no line. */
function checkedLimits(health: HealthPolicy): Exclude<LimitName, 'dataAge'>[] {
  return LIMIT_NAMES.filter((name) => name !== 'dataAge').filter((name) => limitThreshold(health, name) !== null);
}

/** Fills with a markout in the first `count` minutes. */
function fillsOf(minutes: FillMinutes, count: number): number {
  let fills = 0;
  for (let at = 0; at < count; at += 1) fills += minutes.n(at);
  return fills;
}
