/** ccxt's unified structures -> values; numbers there are doubles, so that each is checked before it is believed. */
import { Decimal, plain } from '../core/decimal.ts';
import type { CloseResult, VenueOrder } from '../core/ports.ts';
import { isRow } from './ccxt-client.ts';

export type UnifiedMarket = {
  symbol: string;
  /** Base quantity of one contract. */
  contractSize: string;
  /** Base quantities and price step. */
  sizeStep: string;
  minSize: string;
  tick: string;
};

const DECIMAL_PLACES = 2;
const TICK_SIZE = 4;

/** A linear perpetual with its steps, or why it cannot be used. */
export function readUnifiedMarket(row: unknown, precisionMode: number): UnifiedMarket | string {
  if (!isRow(row) || typeof row['symbol'] !== 'string') return 'the venue does not list this market';
  if (row['swap'] !== true || row['linear'] !== true) return 'not a linear perpetual';
  const contractSize = decimalOf(row['contractSize']);
  const { precision, limits } = row;
  if (!isRow(precision) || contractSize === null || !contractSize.gt(0)) return 'market without trading rules';
  const amount = stepOf(precision['amount'], precisionMode);
  const tick = stepOf(precision['price'], precisionMode);
  if (amount === null || tick === null) return 'market without trading rules';
  const least = isRow(limits) && isRow(limits['amount']) ? decimalOf(limits['amount']['min']) : null;
  return {
    symbol: row['symbol'],
    contractSize: plain(contractSize),
    sizeStep: plain(amount.times(contractSize)),
    minSize: plain((least?.gt(0) === true ? least : amount).times(contractSize)),
    tick: plain(tick),
  };
}

/** Whether a raw reply shows a list somewhere near its top: null data, an empty body and HTML do not. */
export function isListReply(body: unknown): boolean {
  return holdsList(body, 3);
}

/** Signed base quantity; no row of the market is zero. */
export function readUnifiedPosition(rows: unknown, market: UnifiedMarket): { position: string } | string {
  if (!Array.isArray(rows)) return 'not a list';
  const open: Decimal[] = [];
  for (const row of rows as unknown[]) {
    if (!isRow(row) || typeof row['symbol'] !== 'string') return 'malformed position';
    if (row['symbol'] !== market.symbol) continue;
    const contracts = decimalOf(row['contracts']);
    if (contracts === null || contracts.lt(0)) return 'malformed position';
    if (contracts.isZero()) continue;
    if (row['side'] !== 'long' && row['side'] !== 'short') return 'position with an unknown side';
    const size = contracts.times(market.contractSize);
    open.push(row['side'] === 'long' ? size : size.neg());
  }
  if (open.length > 1) return 'several positions in one market';
  return { position: plain(open[0] ?? new Decimal(0)) };
}

export function readUnifiedOrders(rows: unknown, market: UnifiedMarket): VenueOrder[] | string {
  if (!Array.isArray(rows)) return 'not a list';
  const orders: VenueOrder[] = [];
  for (const row of rows as unknown[]) {
    if (!isRow(row) || row['symbol'] !== market.symbol) return 'malformed order';
    const { id, side } = row;
    const [price, amount] = [decimalOf(row['price'] ?? row['triggerPrice']), decimalOf(row['amount'])];
    if (typeof id !== 'string' || id === '' || (side !== 'buy' && side !== 'sell')) return 'malformed order';
    if (price === null || amount === null) return 'malformed order';
    orders.push({ id, side, price: plain(price), size: plain(amount.times(market.contractSize)) });
  }
  return orders;
}

/** Best prices; an empty side is null. */
export function readUnifiedBook(book: unknown): { bid: string | null; ask: string | null } | string {
  if (!isRow(book) || !Array.isArray(book['bids']) || !Array.isArray(book['asks'])) return 'malformed order book';
  const best = (levels: unknown[]): Decimal | null | undefined => {
    const first: unknown = levels[0];
    return first === undefined ? null : ((Array.isArray(first) ? decimalOf(first[0]) : null) ?? undefined);
  };
  const [bid, ask] = [best(book['bids']), best(book['asks'])];
  if (bid === undefined || ask === undefined) return 'malformed order book';
  return { bid: bid === null ? null : plain(bid), ask: ask === null ? null : plain(ask) };
}

/** A final order's result; a text while it is not final or not ours. */
export function readUnifiedOrder(
  row: unknown,
  market: UnifiedMarket,
  id: string,
  clientId: string,
): CloseResult | string {
  // ccxt makes an order without fields of a reply without one.
  if (!isRow(row) || row['id'] !== id) return 'order not known to the venue';
  const { status } = row;
  if (status === 'open') return 'order not final';
  if (status !== 'closed' && status !== 'canceled' && status !== 'expired' && status !== 'rejected')
    return 'order with an unknown status';
  const contracts = decimalOf(row['filled']);
  if (contracts === null || contracts.lt(0)) return 'order without its filled size';
  const average = decimalOf(row['average']);
  return {
    clientId,
    status: status === 'closed' ? 'filled' : contracts.isZero() ? 'rejected' : 'partial',
    filled: plain(contracts.times(market.contractSize)),
    averagePrice: average?.gt(0) === true ? plain(average) : null,
    costUsd: null,
  };
}

function holdsList(value: unknown, depth: number): boolean {
  if (Array.isArray(value)) return true;
  if (!isRow(value) || depth === 0) return false;
  if (value['data'] === null || value['result'] === null) return false;
  return Object.values(value).some((inner) => holdsList(inner, depth - 1));
}

function stepOf(value: unknown, mode: number): Decimal | null {
  const number = decimalOf(value);
  if (number === null) return null;
  if (mode === TICK_SIZE) return number.gt(0) ? number : null;
  return mode === DECIMAL_PLACES && number.isInteger() ? new Decimal(10).pow(number.neg()) : null;
}

/** A finite number or decimal text. */
function decimalOf(value: unknown): Decimal | null {
  if (typeof value === 'number') return Number.isFinite(value) ? new Decimal(value) : null;
  return typeof value === 'string' && /^-?\d{1,40}(\.\d{1,40})?$/.test(value) ? new Decimal(value) : null;
}
