/** Status of every instance out of one look. Pure. */
import { Decimal } from '../core/decimal.ts';
import type { RunState } from '../core/health/run.ts';
import { realizedPnl } from '../core/journal/fifo.ts';
import type { Planned } from '../core/plan/plan.ts';
import type { Metric, StatusItem } from '../core/plan/status.ts';
import type { Health, Lifecycle, PlanReason } from '../core/plan/types.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import type { Look } from './pass.ts';
import { isCurrentRun, type Situation } from './views.ts';

const PNL_FILLS = 50;
const MARKOUT_FILLS = 200;
const MARKOUT_MIN_FILLS = 30;
const RATIO_MIN_PLACEMENTS = 50;

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
  const run = journal.state === 'ok' ? journal.run : null;
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
      run?.position == null || run.fills.length === 0
        ? null
        : Number(run.position.base) * Number(run.fills.at(-1)?.price),
    metrics: run === null ? NO_METRICS : metricsOf(run),
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
function positionOf({ observed, view }: Situation, run: RunState | null): Metric {
  const live = observed.copies.known && observed.copies.value.length > 0;
  if (!live && view.lastRun === 'proved') return { value: observed.receipts.at(-1)?.sizeBase ?? '0' };
  if (!live && view.lastRun === 'unproved') return { unavailable: 'not proved flat' };
  if (run?.position == null) return live ? { unavailable: 'not reported' } : { unavailable: 'never ran' };
  return { value: new Decimal(run.position.base).toFixed() };
}

function metricsOf(run: RunState): StatusItem['metrics'] {
  const last = run.fills.slice(-PNL_FILLS);
  const marked = run.fills.slice(-MARKOUT_FILLS).flatMap((f) => (typeof f.m5 === 'number' ? [f.m5] : []));
  const sum = (pick: 'placed' | 'cancelled' | 'postOnly' | 'fills') =>
    run.activity.reduce((total, a) => total + a[pick], run.current[pick]);
  const placed = sum('placed');
  const ratio = (count: number): Metric =>
    placed < RATIO_MIN_PLACEMENTS
      ? { unavailable: 'too few placements', n: placed, nMin: RATIO_MIN_PLACEMENTS }
      : { value: count / placed, n: placed };
  const hours = run.activity.length / 60;
  return {
    realizedPnlUsd:
      last.length < PNL_FILLS
        ? { unavailable: 'too few fills', n: last.length, nMin: PNL_FILLS }
        : { value: realizedPnl(last).toFixed(), n: last.length },
    markout5sBps:
      marked.length < MARKOUT_MIN_FILLS
        ? { unavailable: 'too few fills', n: marked.length, nMin: MARKOUT_MIN_FILLS }
        : { value: marked.reduce((a, b) => a + b, 0) / marked.length, n: marked.length },
    cancelRatio: ratio(sum('cancelled')),
    postOnlyRejectRatio: ratio(sum('postOnly')),
    fillsPerHour:
      hours === 0 ? { unavailable: 'less than a minute of journal' } : { value: sum('fills') / hours, n: sum('fills') },
  };
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
