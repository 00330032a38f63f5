/** Journal lines in the bot's exact format, from what happened in the market. */
import { Decimal, plain } from '../../core/decimal.ts';
import { type Grid, gridText } from './grid.ts';
import type { Listing } from './listings.ts';
import { type PyValue, pyJson } from './python-json.ts';
import type { Book, Happening, Order } from './sim.ts';

export type Run = {
  runId: string;
  listing: Listing;
  /** Journal time of market second 0, Unix seconds. */
  epochTs: number;
  /** Journal time of the run's first line. */
  startTs: number;
  seq: number;
  lastTs: number;
  totals: { fills: number; cancellations: number; rejections: number; fees: Decimal };
};

type Fields = Record<string, PyValue>;

/** A run with nothing written yet. */
export function openRun(runId: string, listing: Listing, epochTs: number, startTs: number): Run {
  const totals = { fills: 0, cancellations: 0, rejections: 0, fees: new Decimal(0) };
  return { runId, listing, epochTs, startTs, seq: 0, lastTs: 0, totals };
}

/** One event with its envelope and line feed. Times never run backwards within a run. */
export function line(run: Run, ts: number, type: string, fields: Fields): string {
  run.seq += 1;
  run.lastTs = Math.round(Math.max(ts, run.lastTs + 1e-5) * 1e6) / 1e6;
  const envelope = {
    ts: { float: run.lastTs },
    seq: run.seq,
    run_id: run.runId,
    schema_version: 2,
    type,
    market: run.listing.market,
  };
  return `${pyJson({ ...envelope, ...fields })}\n`;
}

/** The lines of one happening; a book happening is the minute's snapshot. */
export function happeningLine(run: Run, event: Happening, activeOrders: number): string {
  const ts = run.epochTs + event.atS;
  const { totals } = run;
  switch (event.kind) {
    case 'placed':
      return line(run, ts, 'order_placed', {
        ...placed(run, event.order),
        ...bbo(run, event.book),
        position: held(run, event),
      });
    case 'cancelled':
      totals.cancellations += 1;
      return line(run, ts, 'order_cancelled', {
        ...ids(run, event.order),
        level: event.order.level,
        reason: event.reason,
      });
    case 'rejected': {
      totals.rejections += 1;
      const price = gridText(run.listing.tick, event.order.ticks);
      return line(run, ts, 'rejection', { ...ids(run, event.order), price, reason: event.reason });
    }
    case 'fill':
      totals.fills += 1;
      totals.fees = totals.fees.plus(feeText(event.fee));
      return line(run, ts, 'fill', fillFields(run, event));
    case 'failed':
      return line(run, ts, 'error', failureFields(event.order));
    case 'decision':
      return line(run, ts, 'reprice_decision', decisionFields(run, event));
    case 'book':
      return line(run, ts, 'snapshot', {
        position: held(run, event),
        ...bbo(run, event.book),
        active_orders: activeOrders,
        total_fills: totals.fills,
        total_fees: plain(totals.fees),
        circuit_open: event.circuitOpen,
      });
  }
}

/** Signed base quantity as the journal writes it. */
export function positionText(lot: Grid, lots: number): string {
  const text = gridText(lot, lots);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** 19-digit ids that never repeat between runs: the run's start in microseconds, then the number. */
export function exchangeId(run: Run, order: number): bigint {
  return BigInt(Math.floor(run.startTs)) * 1_000_000_000n + BigInt(order);
}

export function externalId(run: Run, order: Order): string {
  return `mm-${run.runId.slice(0, 6)}-${order.id}`;
}

function ids(run: Run, order: Order): Fields {
  return {
    external_id: externalId(run, order),
    exchange_id: String(exchangeId(run, order.id)),
    side: order.side.toUpperCase(),
  };
}

function placed(run: Run, order: Order): Fields {
  const { tick, lot } = run.listing;
  return {
    ...ids(run, order),
    price: gridText(tick, order.ticks),
    size: positionText(lot, order.lots),
    level: order.level,
  };
}

function fillFields(run: Run, event: Extract<Happening, { kind: 'fill' }>): Fields {
  const { order, book } = event;
  const { tick, lot } = run.listing;
  const mid = new Decimal(book.bidTicks + book.askTicks).div(2);
  const edge = (order.side === 'buy' ? mid.minus(order.ticks) : new Decimal(order.ticks).minus(mid))
    .div(mid)
    .times(1e4);
  const midText = plain(mid.times(tick.unit).div(new Decimal(10).pow(tick.scale)));
  const top = { best_bid: gridText(tick, book.bidTicks), best_ask: gridText(tick, book.askTicks) };
  return {
    trade_id: exchangeId(run, 500_000_000 + event.trade),
    order_id: exchangeId(run, order.id),
    side: order.side.toUpperCase(),
    price: gridText(tick, order.ticks),
    qty: positionText(lot, event.lots),
    fee: feeText(event.fee),
    is_taker: event.taker,
    level: order.level < 0 ? null : order.level,
    ...top,
    mid: midText,
    spread_bps: spread(book),
    edge_bps: plain(edge),
    position: held(run, event),
    quote_lifetime_ms: String(Math.max(0, Math.round((event.atS - order.placedAt) * 1000))),
    market_snapshot: {
      ...top,
      mid: midText,
      spread_bps: spread(book),
      bids_top: [{ price: top.best_bid, size: positionText(lot, run.listing.orderLots) }],
      asks_top: [{ price: top.best_ask, size: positionText(lot, run.listing.orderLots) }],
      micro_vol_bps: null,
      micro_drift_bps: null,
      imbalance: book.imbalance.toFixed(4),
      is_stale: false,
      seconds_since_update: { float: 0.1 },
      depth: 5,
    },
  };
}

function decisionFields(run: Run, event: Extract<Happening, { kind: 'decision' }>): Fields {
  const { tick } = run.listing;
  const { order, book } = event;
  return {
    side: order.side.toUpperCase(),
    level: order.level,
    reason: event.reason,
    current_best: gridText(tick, order.side === 'buy' ? book.bidTicks : book.askTicks),
    prev_price: gridText(tick, order.ticks),
    target_price: gridText(tick, event.targetTicks),
    spread_bps: spread(book),
    extra_offset_bps: '0',
    regime: 'NORMAL',
    trend_direction: 'NEUTRAL',
    trend_strength: '0',
    inventory_band: 'NORMAL',
    funding_bias_bps: '0',
  };
}

/** A placement that the venue's interface did not take, as the bot's task logs it. */
function failureFields({ side, level }: Order): Fields {
  return {
    component: `level_task_${side.toUpperCase()}_L${level}`,
    exception_type: 'ConnectionError',
    message: 'the venue did not answer',
    stack_trace_hash: '0a1b2c3d4e5f',
    stack_trace: null,
  };
}

function bbo(run: Run, book: Book): Fields {
  const { tick } = run.listing;
  return {
    best_bid: gridText(tick, book.bidTicks),
    best_ask: gridText(tick, book.askTicks),
    spread_bps: spread(book),
  };
}

function spread(book: Book): string {
  const mid = new Decimal(book.askTicks + book.bidTicks).div(2);
  return plain(new Decimal(book.askTicks - book.bidTicks).div(mid).times(1e4));
}

function held(run: Run, event: Happening): string {
  return positionText(run.listing.lot, event.positionLots);
}

function feeText(fee: number): string {
  return fee === 0 ? '0' : plain(new Decimal(fee.toFixed(8)));
}
