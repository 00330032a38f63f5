/** The rule this project replaces: realised PnL of the last N fills below zero, then every rule that fires, all at once. */
import { realizedPnl, type Trade } from '../../../src/core/journal/fifo.ts';
import { MarkoutQueue } from '../../../src/core/journal/markout.ts';
import type { JournalEvent } from '../../../src/core/journal/types.ts';
import type { Engine } from './engines.ts';

type Run = {
  trades: Trade[];
  fills: number;
  checked: number;
  markouts: { sum: number; n: number };
  adverse: number;
  placed: number;
  cancelled: number;
  postOnly: number;
  position: number;
  queue: MarkoutQueue;
};

export function originEngine(base: Readonly<Record<string, string>>, lastFills: number): Engine {
  let values: Record<string, string> = { ...base };
  let run = newRun();
  return {
    observe: (event) => note(run, event, lastFills),
    look: () => {
      if (run.fills < lastFills || run.fills === run.checked) return null;
      run.checked = run.fills;
      if (!realizedPnl(run.trades).lt(0)) return null;
      values = { ...values, ...updates(run, values) };
      run = newRun();
      return { values, parkS: 0, alarm: true, what: 'restart' };
    },
  };
}

function newRun(): Run {
  const markouts = { sum: 0, n: 0 };
  const queue = new MarkoutQueue(5, (_, bps) => {
    if (bps === null) return;
    markouts.sum += bps;
    markouts.n += 1;
  });
  return {
    trades: [],
    fills: 0,
    checked: 0,
    markouts,
    adverse: 0,
    placed: 0,
    cancelled: 0,
    postOnly: 0,
    position: 0,
    queue,
  };
}

function note(run: Run, event: JournalEvent, lastFills: number): void {
  if (event.mid !== null) run.queue.mid(event.ts, event.mid);
  if (event.position !== null) run.position = Number(event.position);
  if (event.type === 'order_placed') run.placed += 1;
  if (event.type === 'order_cancelled') run.cancelled += 1;
  if (event.type === 'rejection') run.postOnly += 1;
  if (event.type !== 'fill') return;
  const sign = event.side === 'buy' ? 1 : -1;
  run.fills += 1;
  run.trades.push({ sign, price: event.price, qty: event.qty });
  if (run.trades.length > lastFills) run.trades.shift();
  if ((event.edgeRecomputedBps ?? 0) < 0) run.adverse += 1;
  run.queue.fill(run.fills, event.ts, sign, Number(event.price));
}

const BOUNDS: Record<string, [number, number]> = {
  SPREAD_MULTIPLIER: [0.05, 5],
  MIN_OFFSET_BPS: [0, 50],
  MAX_OFFSET_BPS: [1, 100],
  MIN_SPREAD_BPS: [0, 50],
  REPRICE_TOLERANCE_PERCENT: [0.05, 2],
  MIN_REPRICE_INTERVAL_S: [0, 10],
  MIN_REPRICE_MOVE_TICKS: [0, 20],
  MIN_REPRICE_EDGE_DELTA_BPS: [0, 20],
  POST_ONLY_SAFETY_TICKS: [1, 20],
  POF_MAX_SAFETY_TICKS: [1, 40],
  POF_BACKOFF_MULTIPLIER: [1, 5],
  INVENTORY_SKEW_FACTOR: [0, 1],
  INVENTORY_DEADBAND_PCT: [0, 0.5],
  SKEW_MAX_BPS: [0, 100],
};

/** Every rule of the origin's tuner in its order; a later one overwrites an earlier one on the same key. */
function updates(run: Run, values: Readonly<Record<string, string>>): Record<string, string> {
  const out: Record<string, string> = {};
  const set = (key: string, change: (value: number) => number): void => {
    const [low, high] = BOUNDS[key]!;
    const value = Math.min(high, Math.max(low, change(Number(values[`MM_${key}`]))));
    out[`MM_${key}`] = String(Number(value.toFixed(6)));
  };
  const markout = run.markouts.n === 0 ? null : Math.round((100 * run.markouts.sum) / run.markouts.n) / 100;
  const fillPercent = run.placed === 0 ? null : Math.round((1000 * run.fills) / run.placed) / 10;
  if ((markout !== null && markout < -0.5) || run.adverse / run.fills > 0.3) {
    set('SPREAD_MULTIPLIER', (v) => v * 1.1);
    set('MIN_OFFSET_BPS', (v) => v + 0.5);
    set('MIN_SPREAD_BPS', (v) => v + 0.5);
    set('MIN_REPRICE_MOVE_TICKS', (v) => v + 1);
    set('MIN_REPRICE_EDGE_DELTA_BPS', (v) => v + 0.25);
    set('MIN_REPRICE_INTERVAL_S', (v) => v + 0.2);
  }
  if (fillPercent !== null && fillPercent < 0.5 && markout !== null && markout >= 0) {
    set('SPREAD_MULTIPLIER', (v) => v * 0.95);
    set('MIN_OFFSET_BPS', (v) => v - 0.3);
    set('MIN_SPREAD_BPS', (v) => v - 0.5);
  }
  if (run.placed > 0 && (100 * run.cancelled) / run.placed > 97) {
    set('REPRICE_TOLERANCE_PERCENT', (v) => v + 0.1);
    set('MIN_REPRICE_INTERVAL_S', (v) => v + 0.3);
    set('MIN_REPRICE_MOVE_TICKS', (v) => v + 1);
  }
  if (run.placed > 0 && (100 * run.postOnly) / run.placed > 1) {
    set('POST_ONLY_SAFETY_TICKS', (v) => v + 1);
    set('POF_MAX_SAFETY_TICKS', (v) => v + 1);
    set('POF_BACKOFF_MULTIPLIER', (v) => v * 1.1);
  }
  if (Math.abs(run.position) > 0.7 * Number(values['MM_MAX_POSITION_SIZE'])) {
    set('INVENTORY_SKEW_FACTOR', (v) => v + 0.05);
    set('INVENTORY_DEADBAND_PCT', (v) => v - 0.02);
    set('SKEW_MAX_BPS', (v) => v + 2);
  }
  return out;
}
