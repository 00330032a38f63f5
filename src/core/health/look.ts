import type { LimitName, SignalMetric, SignalName } from '../spec/types.ts';
import { advanceEdges } from './edge-sums.ts';
import { noteEpisode } from './episodes.ts';
import { earns, LIMIT_NAMES, readLimit } from './limits.ts';
import type { Alarm, HorizonFold, RunState } from './run.ts';
import { signalStats } from './signal.ts';

/** Looks in a row at which a limit must be broken before it may lead to a change. */
export const LIMIT_LOOKS = 30;
const SPREADS_KEPT = 240;
const MINUTES_KEPT_MAX = 7 * 24 * 60;
/** A position older than this is unknown. */
const POSITION_FRESH_S = 300;
/** Newest fills that the choice of a step looks at, and how many of them must be known. */
const CONTEXT_FILLS = 200;
const CONTEXT_FILLS_MIN = 30;

const SIGNALS: readonly SignalName[] = ['burst', 'fast', 'slow', 'alert'];
/** Limits that ask for tighter quotes: only while the run earns. */
const EARNING_LIMITS: readonly LimitName[] = ['fillCount', 'fillRatio', 'fillsPerHour'];

/** One look, at `run.now`, as the journal enters `minute`: closes what is over and keeps what holds for the first time. */
export function look(run: RunState, minute: number): void {
  const at = run.now;
  run.lastLook = at;
  closeActivity(run);
  closeMinutes(run, run.h5, 'netMarkout5sBps', minute);
  closeMinutes(run, run.h60, 'netMarkout60sBps', minute);
  advanceEdges(run.edges, at, run.since);
  lookAtHardLimits(run, at);
  const collecting = at < run.since + run.health.cooldownMs / 1000;
  const earning = earns(run);
  const stretch = { since: run.since, excess: 1 };
  noteEpisode(run.earning, earning !== null && !collecting ? { ...stretch, ...earning } : null, at);
  const share = run.activity.positionShare(run.activity.length - 1);
  const cheap = share !== null && share <= run.health.cheapMoment.maxPositionShare;
  noteEpisode(run.cheap, cheap ? { ...stretch, value: share, n: 1 } : null, at);
  noteEpisode(run.positionKnown, share === null ? null : { ...stretch, value: share, n: 1 }, at);
  for (const name of LIMIT_NAMES) {
    if (name !== 'dataAge' && run.health.limits[name].action === 'tune') {
      lookAtTuneLimit(run, name, at, collecting, earning !== null);
    }
  }
}

function closeActivity(run: RunState): void {
  const cap = run.reportedMaxPositionBase ?? run.maxPositionBase;
  const fresh = run.position !== null && run.now - run.position.ts <= POSITION_FRESH_S;
  run.current.positionShare = fresh && cap !== null && cap > 0 ? Math.abs(Number(run.position!.base)) / cap : null;
  run.activity.push(run.current);
  trimActivity(run);
  if (run.spreadBps !== null) {
    run.spreads.push(run.spreadBps);
    if (run.spreads.length > SPREADS_KEPT) run.spreads.shift();
    run.spreadBps = null;
  }
  const { money } = run;
  if (fresh && money.carriedBase !== null) {
    const reported = Number(run.position!.base);
    const expected = money.carriedBase + money.netBase;
    const fits = Math.abs(reported - expected) <= 1e-9 + 1e-6 * Math.abs(reported);
    money.misfit = fits ? 0 : money.misfit + 1;
  }
}

/** Keeps the minutes that some limit's window can still reach. */
function trimActivity(run: RunState): void {
  const { limits } = run.health;
  const reach = Math.max(limits.fillCount.overMs, limits.fillsPerHour.overMs, limits.positionShare.overMs) / 60_000;
  const placements = Math.max(
    limits.fillRatio.minPlacements,
    limits.cancelRatio.minPlacements,
    limits.postOnlyRejectRatio.minPlacements,
    limits.failureRatio.minPlacements,
  );
  const { activity } = run;
  // Trimmed now and then, not at each look: dropping from the front of a list costs its length.
  if (activity.length < 2 * Math.min(reach + 60, MINUTES_KEPT_MAX)) return;
  let placed = 0;
  let keep = activity.length;
  while (keep > 0 && (placed < placements || activity.length - keep < reach)) {
    keep -= 1;
    placed += activity.count(keep, 'placed');
    if (activity.length - keep >= MINUTES_KEPT_MAX) break;
  }
  activity.drop(keep);
}

/** Closes the minutes that are over and whose fills all have their markout, and evaluates the signals after each. */
function closeMinutes(run: RunState, horizon: HorizonFold, metric: SignalMetric, minute: number): void {
  for (;;) {
    const first = horizon.open[0];
    if (first === undefined || first.minute >= minute || first.waiting > 0) return;
    horizon.open.shift();
    if (first.n === 0) continue;
    horizon.closed.push(first);
    if (metric === 'netMarkout60sBps') run.fillMinutes += 1;
    for (const name of SIGNALS) {
      if (run.health.signals[name].metric === metric) lookAtSignal(run, name, horizon);
    }
    trimMinutes(run, horizon);
  }
}

function lookAtSignal(run: RunState, name: SignalName, horizon: HorizonFold): void {
  const policy = run.health.signals[name];
  const stats = signalStats(horizon.closed, policy);
  // After a gap the floor is not enough: only a whole window without gaps counts.
  const whole = stats !== null && (run.gap === null || stats.fills >= policy.windowFills);
  if (stats === null || !stats.breach || !whole) {
    run.counters[name] = 0;
    return;
  }
  run.counters[name] += 1;
  if (run.counters[name] < policy.consecutive || run.alarms[name] !== undefined) return;
  if (run.now < run.since + run.health.cooldownMs / 1000) return;
  run.alarms[name] = {
    signal: name,
    metric: policy.metric,
    at: run.now,
    valueBps: stats.meanBps,
    limitBps: policy.limit,
    n: stats.fills,
    looks: run.counters[name],
    ...contextOf(run),
  };
}

function contextOf(run: RunState): Pick<Alarm, 'adverseShare' | 'mean5sBps' | 'halfSpreadBps'> {
  const newest = run.fills.newest(CONTEXT_FILLS);
  const edges = newest.flatMap((fill) => (fill.edgeBps === null ? [] : [fill.edgeBps]));
  const markouts = newest.flatMap((fill) => (typeof fill.m5 === 'number' ? [fill.m5] : []));
  const spreads = [...run.spreads].sort((a, b) => a - b);
  return {
    adverseShare: edges.length < CONTEXT_FILLS_MIN ? null : edges.filter((edge) => edge < 0).length / edges.length,
    mean5sBps: markouts.length < CONTEXT_FILLS_MIN ? null : markouts.reduce((a, b) => a + b, 0) / markouts.length,
    halfSpreadBps: spreads.length === 0 ? null : spreads[Math.floor(spreads.length / 2)]! / 2,
  };
}

function trimMinutes(run: RunState, horizon: HorizonFold): void {
  const most = Math.max(...SIGNALS.map((name) => run.health.signals[name].windowFills));
  const { closed } = horizon;
  if (closed.length < 2 * most) return;
  let fills = 0;
  let keep = closed.length;
  while (keep > 0 && fills < most) {
    keep -= 1;
    fills += closed.n(keep);
  }
  closed.drop(keep);
}

function lookAtHardLimits(run: RunState, at: number): void {
  if (run.hardStop !== null) return;
  for (const name of LIMIT_NAMES) {
    if (name === 'dataAge' || run.health.limits[name].action !== 'stop') continue;
    const reading = readLimit(run, name);
    if (!reading.breach) continue;
    run.hardStop = {
      limit: name,
      at,
      value: reading.value!,
      limitValue: reading.limitValue!,
      n: reading.n ?? 0,
    };
    return;
  }
}

function lookAtTuneLimit(run: RunState, name: LimitName, at: number, collecting: boolean, earning: boolean): void {
  const reading = readLimit(run, name);
  const counts = reading.breach && (earning || !EARNING_LIMITS.includes(name));
  const looks = counts ? (run.limitCounters[name] ?? 0) + 1 : 0;
  run.limitCounters[name] = looks;
  run.limitEpisodes[name] ??= [];
  const holds = looks >= LIMIT_LOOKS && !collecting;
  const episode = { since: run.since, value: reading.value ?? 0, n: reading.n ?? 0, excess: reading.excess };
  noteEpisode(run.limitEpisodes[name], holds ? episode : null, at);
}
