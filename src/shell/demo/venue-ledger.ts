/** The simulated venue's books, exact and pure: positions, open orders and client ids of one account, per market. */
import { Decimal, plain } from '../../core/decimal.ts';

export type LedgerOrder = { id: string; externalId: string; side: 'BUY' | 'SELL'; price: string; qty: string };

/** A taker order sent with a client id; kept for ever, so that a repeat cannot trade again. */
export type ClientOrder = {
  id: string;
  externalId: string;
  market: string;
  side: 'BUY' | 'SELL';
  qty: string;
  filledQty: string;
  averagePrice: string | null;
  fee: string;
  /** Distance from the mid plus fee, USD. */
  costUsd: string;
  status: 'FILLED' | 'PARTIALLY_FILLED' | 'CANCELLED';
};

export type LedgerMarket = {
  market: string;
  tick: string;
  sizeStep: string;
  minSize: string;
  bid: string;
  ask: string;
  position: Decimal;
  orders: LedgerOrder[];
  /** Price and quantity of each level, best first; absent = endless at the touch. */
  depth?: { bids: [price: string, qty: string][]; asks: [price: string, qty: string][] };
  /** Number of the last report taken, by run: a repeated report changes nothing. */
  lastReport: { runId: string; n: number };
  /** What the last bot knew of its market, for the next one. */
  memory: unknown;
};

export type Ledger = { markets: Map<string, LedgerMarket>; clientOrders: Map<string, ClientOrder>; nextId: number };

export type Report = {
  market: string;
  runId: string;
  n: number;
  tick: string;
  sizeStep: string;
  minSize: string;
  bid: string;
  ask: string;
  fills: { side: 'BUY' | 'SELL'; qty: string }[];
  orders: LedgerOrder[];
  memory: unknown;
};

export type Refusal = { code: number; message: string };

const TAKER_FEE_BPS = 2.5;

export function openLedger(): Ledger {
  return { markets: new Map(), clientOrders: new Map(), nextId: 1 };
}

/** Takes a bot's report once: fills change the position, the list of open orders replaces the old one. */
export function applyReport(ledger: Ledger, report: Report): LedgerMarket {
  const { fills, runId, n, ...rest } = report;
  const known = ledger.markets.get(report.market);
  if (known !== undefined && known.lastReport.runId === runId && known.lastReport.n >= n) return known;
  let position = known?.position ?? new Decimal(0);
  for (const fill of fills) position = fill.side === 'BUY' ? position.plus(fill.qty) : position.minus(fill.qty);
  const next: LedgerMarket = { ...rest, position, lastReport: { runId, n } };
  ledger.markets.set(report.market, next);
  return next;
}

/** Removes the market's open orders; returns how many there were. */
export function cancelMarket(ledger: Ledger, market: string): number {
  const found = ledger.markets.get(market);
  if (found === undefined) return 0;
  const count = found.orders.length;
  found.orders = [];
  return count;
}

/** A reduce-only, immediate-or-cancel order against the last known book. `price` null = at any price. */
export function closeReduceOnly(
  ledger: Ledger,
  order: { externalId: string; market: string; side: 'BUY' | 'SELL'; qty: string; price: string | null },
): ClientOrder | Refusal {
  if (ledger.clientOrders.has(order.externalId)) return { code: 1134, message: 'Duplicate order id' };
  const market = ledger.markets.get(order.market);
  if (market === undefined) return { code: 1001, message: 'Market not found' };
  const qty = new Decimal(order.qty);
  if (!qty.gt(0) || !qty.mod(market.sizeStep).isZero()) return { code: 1121, message: 'Invalid quantity' };
  if (qty.lt(market.minSize)) return { code: 1120, message: 'Quantity below the minimum' };
  const closable = order.side === 'SELL' ? market.position : market.position.neg();
  if (!closable.gt(0)) return { code: 1137, message: 'No position for a reduce-only order' };
  if (qty.gt(closable)) return { code: 1136, message: 'Reduce-only quantity exceeds the position' };
  const result = execute(ledger, market, order, qty);
  ledger.clientOrders.set(order.externalId, result);
  return result;
}

function execute(
  ledger: Ledger,
  market: LedgerMarket,
  order: { externalId: string; side: 'BUY' | 'SELL'; price: string | null },
  qty: Decimal,
): ClientOrder {
  const { filled, notional } = take(market, order, qty);
  const mid = new Decimal(market.bid).plus(market.ask).div(2);
  const fee = notional.times(TAKER_FEE_BPS).div(1e4);
  market.position = order.side === 'BUY' ? market.position.plus(filled) : market.position.minus(filled);
  return {
    id: String(ledger.nextId++),
    externalId: order.externalId,
    market: market.market,
    side: order.side,
    qty: plain(qty),
    filledQty: plain(filled),
    averagePrice: filled.isZero() ? null : plain(notional.div(filled)),
    fee: plain(fee.toDecimalPlaces(6)),
    costUsd: plain(notional.minus(mid.times(filled)).abs().plus(fee).toDecimalPlaces(6)),
    status: filled.eq(qty) ? 'FILLED' : 'CANCELLED',
  };
}

/** What an order takes from the book, level by level; the makers behind it fill up again at once. */
function take(
  market: LedgerMarket,
  order: { side: 'BUY' | 'SELL'; price: string | null },
  qty: Decimal,
): { filled: Decimal; notional: Decimal } {
  const buys = order.side === 'BUY';
  const endless: [string, string][] = [[buys ? market.ask : market.bid, plain(qty)]];
  const levels = (buys ? market.depth?.asks : market.depth?.bids) ?? endless;
  let filled = new Decimal(0);
  let notional = new Decimal(0);
  for (const [price, size] of levels) {
    const reaches =
      order.price === null || (buys ? new Decimal(price).lte(order.price) : new Decimal(price).gte(order.price));
    if (!reaches) break;
    const taken = Decimal.min(size, qty.minus(filled));
    filled = filled.plus(taken);
    notional = notional.plus(taken.times(price));
  }
  return { filled, notional };
}
