import type { FillEvent, JournalEvent } from '../journal/types.ts';
import type { LimitName, SignalName } from '../spec/types.ts';
import { advanceEdges, tearEdges } from './edge-sums.ts';
import { noteEpisode } from './episodes.ts';
import { earns, LIMIT_NAMES, readLimit } from './limits.ts';
import { type Alarm, type HorizonFold, newActivity, type RunFill, type RunState } from './run.ts';
import { signalStats } from './signal.ts';

/** Heartbeats further apart are a gap; the bot writes one every 30 s. */
const HEARTBEAT_GAP_S = 60;
/** So is this much silence of every kind, for bots without heartbeats: more than two of their snapshots. */
const SILENCE_GAP_S = 150;
/** Lines of one moment may be this much out of order; further back is a clock that was set back. */
const REORDER_S = 5;
/** Trade ids remembered to count a fill once. */
const TRADE_IDS_KEPT = 10_000;
/** Looks in a row at which a limit must be broken before it may lead to a change. */
export const LIMIT_LOOKS = 30;
const SPREADS_KEPT = 240;
const FILLS_KEPT_MIN = 500;
const MINUTES_KEPT_MAX = 7 * 24 * 60;
/** A position older than this is unknown. */
const POSITION_FRESH_S = 300;
/** Newest fills that the choice of a step looks at, and how many of them must be known. */
const CONTEXT_FILLS = 200;
const CONTEXT_FILLS_MIN = 30;

const SIGNALS: readonly SignalName[] = ['burst', 'fast', 'slow', 'alert'];

/**
 * Folds one event of the run's journal into its state, in file order. Whenever an event begins a new journal minute there is
 * one look: minutes whose markouts are known are closed, signals and limits are evaluated, and what holds for the first time
 * is kept with its time. Events of another run are not counted.
 */
export function observe(run: RunState, event: JournalEvent): void {
  if (!Number.isFinite(event.ts)) return;
  // Lines that tell nothing are passed over by the reader, all but the last of a block: a decision must not hang on which.
  if (event.type === 'other' && event.mid === null && event.position === null) return;
  if (run.startTs === null) begin(run, event);
  else if (event.runId !== run.runId && event.runId !== '') return;
  const gap = gapBefore(run, event);
  if (gap !== null) restart(run, gap, event.ts);
  run.now = Math.max(run.now, event.ts);
  run.latest = Math.max(run.latest, run.now);
  if (event.mid !== null && event.mid > 0) {
    run.h5.queue.mid(event.ts, event.mid);
    run.h60.queue.mid(event.ts, event.mid);
  }
  run.h5.queue.expire(run.now);
  run.h60.queue.expire(run.now);
  const minute = Math.floor(run.now / 60);
  if (minute > run.current.minute) {
    look(run, minute);
    run.current = newActivity(minute);
  }
  count(run, event);
  if (event.position !== null) notePosition(run, event.position, event.ts);
  if (event.mid !== null && event.mid > 0) mark(run, event.mid);
}

function begin(run: RunState, event: JournalEvent): void {
  run.runId = event.runId;
  run.startTs = event.ts;
  run.now = event.ts;
  run.latest = event.ts;
  run.since = event.ts;
  run.current = newActivity(Math.floor(event.ts / 60));
  run.whole = event.type === 'run_start';
  if (!run.whole) {
    run.gap = 'the first piece of the journal is missing';
    run.gaps += 1;
  }
}

/** Why the journal up to this event has a hole; null = it has none. */
function gapBefore(run: RunState, event: JournalEvent): string | null {
  const silence = event.ts - run.now;
  if (silence < -REORDER_S) return `clock set back ${Math.round(-silence)} s`;
  if (silence > SILENCE_GAP_S) return `no events for ${Math.round(silence)} s`;
  if (event.type !== 'heartbeat' || run.heartbeatTs === null) return null;
  const between = event.ts - run.heartbeatTs;
  return between > HEARTBEAT_GAP_S ? `no heartbeat for ${Math.round(between)} s` : null;
}

/** Windows begin anew; what was found before the gap stays found. */
function restart(run: RunState, gap: string, ts: number): void {
  // Just after the last moment that was seen: what held then held, nothing is known of the time after it.
  const end = run.now + 0.001;
  for (const episodes of [run.cheap, run.positionKnown, run.earning, ...Object.values(run.limitEpisodes)]) {
    noteEpisode(episodes, null, end);
  }
  run.gap = gap;
  run.gaps += 1;
  run.since = ts;
  run.now = ts;
  run.heartbeatTs = null;
  run.fills = [];
  run.fillMinutes = 0;
  for (const horizon of [run.h5, run.h60]) {
    horizon.queue.restore([]);
    horizon.open = [];
    horizon.closed = [];
  }
  run.counters = { burst: 0, fast: 0, slow: 0, alert: 0 };
  run.limitCounters = {};
  run.activity = [];
  run.current = newActivity(Math.floor(ts / 60));
  tearEdges(run.edges);
}

function look(run: RunState, minute: number): void {
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
  const share = run.activity.at(-1)!.positionShare;
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
    placed += activity[keep]!.placed;
    if (activity.length - keep >= MINUTES_KEPT_MAX) break;
  }
  run.activity = activity.slice(keep);
}

/** Closes the minutes that are over and whose fills all have their markout, and evaluates the signals after each. */
function closeMinutes(
  run: RunState,
  horizon: HorizonFold,
  metric: 'netMarkout5sBps' | 'netMarkout60sBps',
  minute: number,
): void {
  for (;;) {
    const first = horizon.open[0];
    if (first === undefined || first.minute >= minute || first.waiting > 0) return;
    horizon.open.shift();
    if (first.n === 0) continue;
    const { waiting: _, ...closed } = first;
    horizon.closed.push(closed);
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
  const newest = run.fills.slice(-CONTEXT_FILLS);
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
    fills += closed[keep]!.n;
  }
  horizon.closed = closed.slice(keep);
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

/** Limits that ask for tighter quotes: only while the run earns. */
export const EARNING_LIMITS: readonly LimitName[] = ['fillCount', 'fillRatio', 'fillsPerHour'];

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

function count(run: RunState, event: JournalEvent): void {
  switch (event.type) {
    case 'fill':
      addFill(run, event);
      return;
    case 'order_placed':
      run.current.placed += 1;
      run.spreadBps = event.spreadBps ?? run.spreadBps;
      return;
    case 'order_cancelled':
      run.current.cancelled += 1;
      return;
    case 'rejection':
      run.current.rejected += 1;
      if (event.postOnly) run.current.postOnly += 1;
      return;
    case 'error':
      run.current.errors += 1;
      return;
    case 'snapshot':
      run.spreadBps = event.spreadBps ?? run.spreadBps;
      return;
    case 'heartbeat':
      run.heartbeatTs = event.ts;
      return;
    case 'run_start': {
      run.envFile = event.envFile;
      const cap = Number(event.config['max_position_size'] ?? Number.NaN);
      run.reportedMaxPositionBase = Number.isFinite(cap) && cap > 0 ? cap : null;
      return;
    }
    case 'run_end':
      run.endReason = event.reason;
      return;
    case 'drawdown_stop':
    case 'other':
      return;
  }
}

function addFill(run: RunState, event: FillEvent): void {
  if (event.tradeId !== '') {
    if (run.tradeIds.has(event.tradeId)) {
      run.duplicateFills += 1;
      return;
    }
    run.tradeIds.add(event.tradeId);
    if (run.tradeIds.size > TRADE_IDS_KEPT) run.tradeIds.delete(run.tradeIds.values().next().value!);
  }
  const price = Number(event.price);
  const qty = Number(event.qty);
  const fee = event.fee === null ? 0 : Number(event.fee);
  if (event.side === null || !(price > 0) || !(qty > 0) || !Number.isFinite(price * qty) || !Number.isFinite(fee)) {
    run.badFills += 1;
    return;
  }
  const sign = event.side === 'buy' ? 1 : -1;
  const fill: RunFill = {
    id: run.fillsSeen,
    ts: event.ts,
    minute: run.current.minute,
    sign,
    price: event.price,
    qty: event.qty,
    feeBps: (1e4 * fee) / (price * qty),
    edgeBps: event.edgeRecomputedBps,
  };
  run.fillsSeen += 1;
  run.current.fills += 1;
  run.fills.push(fill);
  trimFills(run);
  for (const horizon of [run.h5, run.h60]) {
    let minute = horizon.open.at(-1);
    if (minute === undefined || minute.minute !== fill.minute) {
      minute = { minute: fill.minute, n: 0, missing: 0, qty: 0, weighted: 0, waiting: 0 };
      horizon.open.push(minute);
    }
    minute.waiting += 1;
    horizon.queue.fill(fill.id, event.ts, sign, price);
  }
  run.money.cash -= sign * price * qty + fee;
  run.money.netBase += sign * qty;
}

/** Keeps the newest fills that a limit or the choice of a step looks at, and every fill still waiting for a markout. */
function trimFills(run: RunState): void {
  const { limits } = run.health;
  const most = Math.max(FILLS_KEPT_MIN, limits.realizedPnlUsd.lastFills, 2 * limits.markout5sBps.lastFills);
  if (run.fills.length < 2 * most) return;
  let keep = 0;
  while (run.fills.length - keep > most && run.fills[keep]!.m60 !== undefined && run.fills[keep]!.m5 !== undefined) {
    keep += 1;
  }
  if (keep > 0) run.fills = run.fills.slice(keep);
}

function notePosition(run: RunState, base: string, ts: number): void {
  if (run.money.carriedBase === null) run.money.carriedBase = run.fillsSeen === 0 ? Number(base) : 0;
  run.position = { base, ts };
}

function mark(run: RunState, mid: number): void {
  const { money } = run;
  // Carried dust is left out: it was there before the run and is not the run's doing.
  money.equity = money.cash + money.netBase * mid;
  money.peak = Math.max(money.peak, money.equity);
  money.drawdown = money.peak - money.equity;
}
