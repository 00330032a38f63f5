/** A journal as a short script: what a bot would have written, event by event, so that a test states only its difference. */

import { observe } from '../../../src/core/health/observe.ts';
import { newRunState, type RunState } from '../../../src/core/health/run.ts';
import type { FillEvent, JournalEvent, Side } from '../../../src/core/journal/types.ts';
import type { HealthPolicy } from '../../../src/core/spec/types.ts';

export const START = 1_771_200_000;
export const RUN = '5f0c0ffee0ddba115f0c0ffee0ddba11';

const common = (ts: number) => ({ ts, runId: RUN, market: 'SOL-USD', position: null, mid: null });

export function runStart(ts: number, config: Record<string, unknown> = { max_position_size: '50' }): JournalEvent {
  return {
    ...common(ts),
    type: 'run_start',
    environment: 'testnet',
    config,
    tickSize: '0.01',
    minOrderSize: '0.1',
    sizeStep: '0.1',
    envFile: '.env.sol',
  };
}

export function runEnd(ts: number): JournalEvent {
  const flatten = {
    positionBefore: '0',
    positionAfter: '0',
    enabled: true,
    attempted: true,
    submitted: false,
    attempts: 0,
    reason: 'already_flat',
    activeOrders: 0,
  };
  return { ...common(ts), type: 'run_end', reason: 'shutdown', stats: {}, flatten };
}

export function heartbeat(ts: number, position = '0'): JournalEvent {
  return { ...common(ts), position, type: 'heartbeat', activeOrders: 4 };
}

export function snapshot(ts: number, mid: number | null = 100, position = '0', spreadBps = 2): JournalEvent {
  return {
    ...common(ts),
    mid,
    position,
    type: 'snapshot',
    activeOrders: 4,
    circuitOpen: false,
    bestBid: mid === null ? null : mid * (1 - spreadBps / 2e4),
    bestAsk: mid === null ? null : mid * (1 + spreadBps / 2e4),
    spreadBps: mid === null ? null : spreadBps,
  };
}

let ids = 1;

/** A fill of quantity 1 at a price that later mids of 100 turn into the given gross markout in bps. */
export function fill(ts: number, markoutBps: number, more: Partial<FillEvent> = {}): FillEvent {
  const side: Side = more.side ?? 'buy';
  const sign = side === 'buy' ? 1 : -1;
  ids += 1;
  return {
    ...common(ts),
    mid: 100,
    type: 'fill',
    tradeId: `17849638862570${ids}`,
    side,
    sideText: side === 'buy' ? 'BUY' : 'SELL',
    price: String(100 / (1 + (sign * markoutBps) / 1e4)),
    qty: '1',
    fee: '0',
    isTaker: false,
    level: 0,
    edgeBps: 1,
    edgeRecomputedBps: 1,
    bestBid: 99.99,
    bestAsk: 100.01,
    spreadBps: 2,
    quoteLifetimeMs: 1000,
    ...more,
  };
}

export const placed = (ts: number): JournalEvent => ({
  ...common(ts),
  type: 'order_placed',
  side: 'buy',
  level: 0,
  spreadBps: 2,
});
export const cancelled = (ts: number): JournalEvent => ({ ...common(ts), type: 'order_cancelled', reason: 'reprice' });
export const rejected = (ts: number, postOnly = true): JournalEvent => ({
  ...common(ts),
  type: 'rejection',
  reason: postOnly ? 'POST_ONLY_FAILED' : 'SELF_TRADE_PROTECTION',
  postOnly,
});

/**
 * `minutes` of journal: heartbeats each 30 s, a snapshot each 10 s with the mid at 100, and `fillsPerMinute` fills whose
 * markout (bps) is given by minute; sides alternate.
 */
export function quiet(
  from: number,
  minutes: number,
  shape: {
    fillsPerMinute?: number | ((minute: number) => number);
    markoutBps?: number | ((minute: number) => number);
    placedPerMinute?: number;
    cancelledPerMinute?: number;
    postOnlyPerMinute?: number;
    position?: string | null;
    mid?: (ts: number) => number | null;
    fill?: Partial<FillEvent>;
  } = {},
): JournalEvent[] {
  const events: JournalEvent[] = [];
  const at = (value: number | ((minute: number) => number) | undefined, minute: number, other: number) =>
    typeof value === 'function' ? value(minute) : (value ?? other);
  for (let minute = 0; minute < minutes; minute += 1) {
    const start = from + minute * 60;
    for (let s = 1; s < 60; s += 10) {
      const event = snapshot(start + s, shape.mid === undefined ? 100 : shape.mid(start + s));
      events.push(shape.position === undefined ? { ...event, position: null } : { ...event, position: shape.position });
    }
    events.push(heartbeatLike(start + 5, shape.position), heartbeatLike(start + 35, shape.position));
    const fills = at(shape.fillsPerMinute, minute, 0);
    for (let n = 0; n < fills; n += 1) {
      const side = n % 2 === 0 ? 'buy' : 'sell';
      const ts = start + 2 + (n * 50) / Math.max(1, fills);
      events.push(fill(ts, at(shape.markoutBps, minute, 1), { side, ...shape.fill }));
    }
    for (let n = 0; n < (shape.placedPerMinute ?? 0); n += 1) events.push(placed(start + 20));
    for (let n = 0; n < (shape.cancelledPerMinute ?? 0); n += 1) events.push(cancelled(start + 21));
    for (let n = 0; n < (shape.postOnlyPerMinute ?? 0); n += 1) events.push(rejected(start + 22));
  }
  return events.sort((a, b) => a.ts - b.ts);
}

function heartbeatLike(ts: number, position: string | null | undefined): JournalEvent {
  return { ...heartbeat(ts), position: position ?? null };
}

export function fold(health: HealthPolicy, events: readonly JournalEvent[]): RunState {
  const run = newRunState({ health, maxPositionBase: null });
  for (const event of events) observe(run, event);
  return run;
}
