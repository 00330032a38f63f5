import type { FillEvent, JournalEvent } from '../journal/types.ts';
import { tearEdges } from './edge-sums.ts';
import { noteEpisode } from './episodes.ts';
import { look } from './look.ts';
import { newActivity, type RunState } from './run.ts';

/** Heartbeats further apart are a gap; the bot writes one every 30 s. */
const HEARTBEAT_GAP_S = 60;
/** So is this much silence of every kind, for bots without heartbeats: more than two of their snapshots. */
const SILENCE_GAP_S = 150;
/** Lines of one moment may be this much out of order; further back is a clock that was set back. */
const REORDER_S = 5;
const FILLS_KEPT_MIN = 500;

/**
 * Folds one event of the run's journal into its state, in file order. Whenever an event begins a new journal minute there is
 * one look: minutes whose markouts are known are closed, signals and limits are evaluated, and what holds for the first time
 * is kept with its time. Events of another run are not counted.
 */
export function observe(run: RunState, event: JournalEvent): void {
  // Each once: an event may read itself out of its line whenever it is asked.
  const { type, ts, runId, mid, position } = event;
  if (!tells({ type, ts, mid, position })) return;
  if (run.startTs === null) begin(run, event);
  else if (runId !== run.runId && runId !== '') return;
  const gap = gapBefore(run, type, ts);
  if (gap !== null) restart(run, gap, ts);
  run.now = Math.max(run.now, ts);
  run.latest = Math.max(run.latest, run.now);
  if (mid !== null && mid > 0) {
    run.h5.queue.mid(ts, mid);
    run.h60.queue.mid(ts, mid);
  }
  run.h5.queue.expire(run.now);
  run.h60.queue.expire(run.now);
  const minute = Math.floor(run.now / 60);
  if (minute > run.current.minute) {
    look(run, minute);
    run.current = newActivity(minute);
  }
  count(run, event);
  if (position !== null) notePosition(run, position, ts);
  if (mid !== null && mid > 0) mark(run, mid);
}

/** What follows in the journal of this run comes after so many bytes that are left unread: a gap like any other. */
export function leaveOut(run: RunState, bytes: number): void {
  run.skippedBytes = bytes;
  run.whole = false;
}

/** A decision must not hang on lines that tell nothing: of them a bot may write any number, or none. */
export function tells({ type, ts, mid, position }: Pick<JournalEvent, 'type' | 'ts' | 'mid' | 'position'>): boolean {
  return Number.isFinite(ts) && (type !== 'other' || mid !== null || position !== null);
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
function gapBefore(run: RunState, type: JournalEvent['type'], ts: number): string | null {
  if (run.skippedBytes > 0 && run.gaps === 0)
    return `${Math.ceil(run.skippedBytes / 1e6)} MB before it are left unread`;
  const silence = ts - run.now;
  if (silence < -REORDER_S) return `clock set back ${Math.round(-silence)} s`;
  if (silence > SILENCE_GAP_S) return `no events for ${Math.round(silence)} s`;
  if (type !== 'heartbeat' || run.heartbeatTs === null) return null;
  const between = ts - run.heartbeatTs;
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
  run.fills.clear();
  run.fillMinutes = 0;
  for (const horizon of [run.h5, run.h60]) {
    horizon.queue.restore([]);
    horizon.open = [];
    horizon.closed.clear();
  }
  run.counters = { burst: 0, fast: 0, slow: 0, alert: 0 };
  run.limitCounters = {};
  run.activity.clear();
  run.current = newActivity(Math.floor(ts / 60));
  tearEdges(run.edges);
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
      const said = event.config['max_position_size'];
      const cap = typeof said === 'number' || typeof said === 'string' ? Number(said) : Number.NaN;
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
  const { ts, tradeId, side, price: priceText, qty: qtyText, fee: feeText } = event;
  if (tradeId !== '' && run.tradeIds.note(tradeId)) {
    run.duplicateFills += 1;
    return;
  }
  const price = Number(priceText);
  const qty = Number(qtyText);
  const fee = feeText === null ? 0 : Number(feeText);
  const feeBps = (1e4 * fee) / (price * qty);
  if (side === null || !(price > 0) || !(qty > 0) || !Number.isFinite(price * qty) || !Number.isFinite(feeBps)) {
    run.badFills += 1;
    return;
  }
  const sign = side === 'buy' ? 1 : -1;
  const id = run.fillsSeen;
  const { minute: inMinute } = run.current;
  run.fillsSeen += 1;
  run.current.fills += 1;
  run.fills.push({
    id,
    ts,
    minute: inMinute,
    sign,
    price: priceText,
    qty: qtyText,
    feeBps,
    edgeBps: event.edgeRecomputedBps,
  });
  trimFills(run);
  for (const horizon of [run.h5, run.h60]) {
    let minute = horizon.open.at(-1);
    if (minute === undefined || minute.minute !== inMinute) {
      minute = { minute: inMinute, n: 0, missing: 0, qty: 0, weighted: 0, waiting: 0 };
      horizon.open.push(minute);
    }
    minute.waiting += 1;
    horizon.queue.fill(id, ts, sign, price);
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
  while (run.fills.length - keep > most && !run.fills.waits(keep)) keep += 1;
  if (keep > 0) run.fills.drop(keep);
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
