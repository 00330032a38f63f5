/** Latched holds and parks. */
import type { Hold } from './types.ts';
import { utcMs } from './utc.ts';

/** With this entry; an earlier one of the same instance and kind is replaced. */
export function addHold(holds: readonly Hold[], hold: Hold): Hold[] {
  return sortedHolds([...holds.filter((each) => each.instance !== hold.instance || each.kind !== hold.kind), hold]);
}

/** Without any entry of this instance. */
export function removeHold(holds: readonly Hold[], instance: string): Hold[] {
  return holds.filter((each) => each.instance !== instance);
}

/** What holds this instance at `nowMs` (wall time), a hold before a park; null: nothing. A park past its end is inert. */
export function activeHold(holds: readonly Hold[], instance: string, nowMs: number): Hold | null {
  const own = sortedHolds(holds.filter((each) => each.instance === instance));
  return own.find((each) => each.kind === 'hold' || each.until === null || utcMs(each.until) > nowMs) ?? null;
}

/** By instance, hold before park, oldest first. */
export function sortedHolds(holds: readonly Hold[]): Hold[] {
  const key = (hold: Hold) => `${hold.instance} ${hold.kind} ${hold.since}`;
  return [...holds].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
