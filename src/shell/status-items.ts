/** Status of every instance out of one look. Pure. */
import { Decimal } from '../core/decimal.ts';
import type { RunGlance } from '../core/health/glance.ts';
import type { Planned } from '../core/plan/plan.ts';
import type { Metric, StatusItem } from '../core/plan/status.ts';
import type { Health, Lifecycle, PlanReason } from '../core/plan/types.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import { isCurrentRun } from './decisions.ts';
import { toldBy } from './journals.ts';
import { stopWasOurs } from './observe.ts';
import type { Look } from './pass.ts';
import type { Situation } from './views.ts';

/** One item per declared instance, then the orphans. */
export function statusItems(look: Look): StatusItem[] {
  const items = look.situations.map((s, i) => statusOf(look, s, look.planned[i]));
  const orphans = look.observed.orphans.map(
    (copy): StatusItem => ({
      ...blank(copy.instance, '-'),
      lifecycle: 'orphan',
      health: 'unknown',
      iter: { desired: null, running: copy.iter },
      pid: copy.pid,
      note: 'no spec declares it: left alone',
    }),
  );
  return [...items, ...orphans];
}

function statusOf(look: Look, situation: Situation, planned: Planned | undefined): StatusItem {
  const { instance, observed, view, decided } = situation;
  const copy = observed.copies.known ? observed.copies.value[0] : undefined;
  const { journal } = observed;
  const run = journal.state === 'ok' ? toldBy(journal) : null;
  const dataAgeMs = journal.state === 'ok' ? look.observed.atMs - journal.lastByteAtMs : null;
  const live = copy !== undefined;
  return {
    ...blank(instance.name, instance.spec?.market ?? '-'),
    lifecycle: lifecycleOf(situation, planned),
    health: live
      ? healthOf(
          freshly(decided?.health ?? 'unknown', instance.spec !== null && !isCurrentRun(instance, observed)),
          instance.spec?.health.limits.dataAge.maxMs ?? null,
          dataAgeMs,
        )
      : 'unknown',
    iter: { desired: instance.env?.iter ?? null, running: copy === undefined ? undefined : copy.iter },
    pid: copy?.pid ?? null,
    positionBase: positionOf(situation, run),
    positionUsd:
      run === null || run.positionBase === null || run.lastPrice === null
        ? null
        : new Decimal(run.positionBase).times(run.lastPrice).toFixed(),
    metrics: run === null ? NO_METRICS : run.metrics,
    dataAgeS: dataAgeMs === null ? null : Math.max(0, Math.round(dataAgeMs / 1000)),
    restarts: observed.restarts.restarts,
    held: heldOf(situation, planned),
    lastAction: lastAction(look.trail, instance.name),
    note: noteOf(view.name, planned) ?? situation.remark,
  };
}

const none: Metric = { unavailable: 'no journal' };
const NO_METRICS: StatusItem['metrics'] = {
  realizedPnlUsd: none,
  markout5sBps: none,
  cancelRatio: none,
  postOnlyRejectRatio: none,
  fillsPerHour: none,
};

function blank(name: string, market: string): StatusItem {
  return {
    name,
    market,
    lifecycle: 'unknown',
    health: 'unknown',
    iter: { desired: null, running: undefined },
    pid: null,
    positionBase: { unavailable: 'no journal' },
    positionUsd: null,
    metrics: NO_METRICS,
    dataAgeS: null,
    restarts: 0,
    held: null,
    lastAction: null,
    note: null,
  };
}

function lifecycleOf({ view, observed }: Situation, planned: Planned | undefined): Lifecycle {
  if (!view.here) return 'elsewhere';
  if (!observed.copies.known) return 'unknown';
  const live = observed.copies.value.length > 0;
  if (planned?.item.reason === 'suspended') return 'suspended';
  if (planned?.standing === 'held') return 'held';
  if (live) return view.stopInFlight ? 'draining' : view.confirmation === 'pending' ? 'starting' : 'running';
  // Told to stop, gone, and no word yet that its market is flat: that is not stopped.
  if (view.lastRun === 'unproved' && stopWasOurs(observed)) return 'flattening';
  if (view.hold?.kind === 'park') return 'parked';
  if (planned?.item.reason === 'backoff') return 'backoff';
  return 'stopped';
}

/** A config that runs and has written nothing yet is not unknown: there is only too little of it. */
const freshly = (health: Health, fresh: boolean): Health => (fresh && health === 'unknown' ? 'insufficient' : health);

function healthOf(health: Health, maxAgeMs: number | null, ageMs: number | null): Health {
  return maxAgeMs !== null && ageMs !== null && ageMs > maxAgeMs ? 'stale' : health;
}

/** The journal's last position; after a flat proof the proof's word, because a stopped bot writes no more. */
function positionOf({ observed, view }: Situation, run: RunGlance | null): Metric {
  const live = observed.copies.known && observed.copies.value.length > 0;
  if (!live && view.lastRun === 'proved') return { value: observed.receipts.at(-1)?.sizeBase ?? '0' };
  if (!live && view.lastRun === 'unproved') return { unavailable: 'not proved flat' };
  if (run === null || run.positionBase === null)
    return live ? { unavailable: 'not reported' } : { unavailable: 'never ran' };
  return { value: new Decimal(run.positionBase).toFixed() };
}

function heldOf({ view }: Situation, planned: Planned | undefined): StatusItem['held'] {
  if (view.hold?.kind === 'hold') return { reason: view.hold.reason, since: view.hold.since };
  return planned?.standing === 'held' ? { reason: planned.item.message, since: null } : null;
}

const TOLD: readonly PlanReason[] = ['parked', 'suspended', 'backoff', 'proposed'];

function noteOf(name: string, planned: Planned | undefined): string | null {
  if (planned === undefined) return null;
  const { item, standing } = planned;
  if (standing === 'held')
    return item.reason === 'held'
      ? `${item.message.split(';')[0]}: mmfleet release ${name} --reason ...`
      : item.message;
  return standing === 'unknown' || TOLD.includes(item.reason) ? item.message : null;
}

/** The newest change of an instance; receipts and verdicts only when there is nothing else. */
function lastAction(trail: TrailEntry[], name: string): StatusItem['lastAction'] {
  const entry = lastActs(trail).get(name);
  if (entry === undefined) return null;
  const theme = entry.trailers.find((t) => t.key === 'Theme')?.value;
  return { atTs: entry.committerTs, text: theme === undefined ? (entry.kind ?? '') : `${entry.kind} ${theme}` };
}

const sorted = new WeakMap<readonly TrailEntry[], Map<string, TrailEntry>>();

/** For all instances in one walk over the trail. */
function lastActs(trail: readonly TrailEntry[]): Map<string, TrailEntry> {
  const known = sorted.get(trail);
  if (known !== undefined) return known;
  const change = new Map<string, TrailEntry>();
  const other = new Map<string, TrailEntry>();
  for (const entry of trail) {
    if (entry.instance === null || entry.kind === null) continue;
    const acts = entry.kind === 'converge' || entry.kind === 'verdict' ? other : change;
    if (!acts.has(entry.instance)) acts.set(entry.instance, entry);
  }
  const acts = new Map([...other, ...change]);
  sorted.set(trail, acts);
  return acts;
}
