/** Rows of Extended's replies -> values. Whatever is not exactly what the venue documents is a text that says why. */
import { Decimal, plain } from '../core/decimal.ts';
import type { CloseResult, VenueOrder, VenueReference } from '../core/ports.ts';
import { type Known, known, unknown } from '../core/problem.ts';
import { isRow, type Outcome, reasonOf } from './ccxt-client.ts';

export type Row = Record<string, unknown>;
/** The account that the API key belongs to. */
export type Account = { id: string; l2Key: string; l2Vault: string };
/** What the account must be; null = not known to us. */
export type ExpectedAccount = { vaultId: string | null; publicKey: string | null };
export type Rules = Pick<VenueReference, 'sizeStep' | 'minSize' | 'tick'> & {
  /** Prices outside are refused by the venue, and would be a bad bargain: limits around the mark price. */
  band: { low: Decimal; high: Decimal };
};
/** An order of ours; `result` null = it may still trade. */
export type OwnOrder = { result: CloseResult | null; feeUsd: Decimal };

const DECIMAL = /^\d+(\.\d+)?$/;
/** Ratio; the venue's usual distance where a market does not say. */
const USUAL_BAND = '0.05';
const FINAL = new Set(['FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED']);
const NOT_FINAL = new Set(['NEW', 'PARTIALLY_FILLED', 'UNTRIGGERED', 'TRIGGERED']);

/** `data` of a well-formed OK envelope: an empty body, HTML or null data is unknown, never an empty list. */
export function dataOf(outcome: Outcome, asOfMs: number): Known<unknown> {
  if (outcome.kind !== 'replied') return unknown(reasonOf(outcome));
  const { body } = outcome;
  if (body === '' || body === undefined) return unknown('empty reply');
  if (typeof body === 'string') return unknown('reply is not JSON');
  if (!isRow(body)) return unknown('reply is not an object');
  if (body['status'] !== 'OK') return unknown('status is not OK');
  if (body['data'] === undefined || body['data'] === null) return unknown('no data in the reply');
  return known(body['data'], asOfMs);
}

/** The same where `data` must be a list of objects. */
export function rowsOf(outcome: Outcome, asOfMs: number): Known<Row[]> {
  const data = dataOf(outcome, asOfMs);
  if (!data.known) return data;
  if (!Array.isArray(data.value)) return unknown('data is not a list');
  return data.value.every(isRow) ? known(data.value, asOfMs) : unknown('malformed rows');
}

/** The account, checked against what the instance's secrets say it is. */
export function readAccount(row: unknown, expected: ExpectedAccount): Account | string {
  if (!isRow(row)) return 'malformed account';
  const id = idOf(row['accountId']);
  const vault = idOf(row['l2Vault']);
  const key = hexOf(row['l2Key']);
  if (id === null || vault === null || key === null) return 'malformed account';
  if (expected.vaultId === null && expected.publicKey === null)
    return 'neither vault nor public key is among the secrets: the account cannot be checked';
  if (expected.vaultId !== null && idOf(expected.vaultId) !== vault) return 'another account: the vault differs';
  if (expected.publicKey !== null && hexOf(expected.publicKey) !== key)
    return 'another account: the public key differs';
  return { id, l2Key: String(row['l2Key']), l2Vault: vault };
}

/** The market's steps and price band; all must be there, or no order could be rounded and bounded. */
export function readRules(row: Row): Rules | string {
  const { tradingConfig: config, marketStats: stats } = row;
  if (!isRow(config) || !isRow(stats)) return 'market without trading rules';
  const { minOrderSizeChange: sizeStep, minOrderSize: minSize, minPriceChange: tick } = config;
  const { limitPriceCap: cap, limitPriceFloor: floor } = config;
  if (!isPositive(sizeStep) || !isPositive(minSize) || !isPositive(tick)) return 'market without trading rules';
  if (!isPositive(stats['markPrice'])) return 'market without a mark price';
  const mark = new Decimal(stats['markPrice']);
  const low = mark.times(new Decimal(1).minus(isPositive(floor) ? floor : USUAL_BAND));
  const high = mark.times(new Decimal(1).plus(isPositive(cap) ? cap : USUAL_BAND));
  return { sizeStep, minSize, tick, band: { low, high } };
}

/** Signed base quantity. No row, or rows of size zero, is the venue's way to say zero. */
export function readPosition(rows: Row[], market: string, account: Account): string | string[] {
  const open: string[] = [];
  for (const row of rows) {
    if (row['market'] !== market) return ['a position of another market'];
    if (idOf(row['accountId']) !== account.id) return ['a position of another account'];
    const { size, side } = row;
    if (!isDecimal(size)) return ['malformed position'];
    if (new Decimal(size).isZero()) continue;
    if (side !== 'LONG' && side !== 'SHORT') return ['position with an unknown side'];
    open.push(side === 'LONG' ? plain(new Decimal(size)) : plain(new Decimal(size).neg()));
  }
  return open.length > 1 ? ['several positions in one market'] : (open[0] ?? '0');
}

/** Open orders of the market, or why they are not known. */
export function readOrders(rows: Row[], market: string, account: Account): VenueOrder[] | string {
  const orders: VenueOrder[] = [];
  for (const row of rows) {
    if (row['market'] !== market) return 'an order of another market';
    if (idOf(row['accountId']) !== account.id) return 'an order of another account';
    const id = idOf(row['id']);
    const { side, qty } = row;
    // A conditional order may have no price but that of its trigger.
    const price = row['price'] ?? (isRow(row['trigger']) ? row['trigger']['triggerPrice'] : undefined);
    if (id === null || (side !== 'BUY' && side !== 'SELL') || !isDecimal(price) || !isDecimal(qty))
      return 'malformed order';
    orders.push({ id, side: side === 'BUY' ? 'buy' : 'sell', price, size: qty });
  }
  return orders;
}

/** Best prices of an order book; a side that is empty, or outside the band, is null: there is nobody to trade with. */
export function readBook(
  data: unknown,
  market: string,
  { low, high }: Rules['band'],
): { bid: string | null; ask: string | null } | string {
  if (!isRow(data) || data['market'] !== market) return 'order book of another market';
  const bids = pricesOf(data['bid']);
  const asks = pricesOf(data['ask']);
  if (bids === null || asks === null) return 'malformed order book';
  const bid = best(bids, (price, other) => price.gt(other));
  const ask = best(asks, (price, other) => price.lt(other));
  if (bid !== null && ask !== null && bid.gte(ask)) return 'crossed order book';
  const inside = (price: Decimal | null) => (price?.gte(low) === true && price.lte(high) ? plain(price) : null);
  return { bid: inside(bid), ask: inside(ask) };
}

/** Taker fee as a ratio, or null when the reply does not say. */
export function readTakerFee(rows: Row[], market: string): string | null {
  const fee = rows.find((row) => row['market'] === market)?.['takerFeeRate'];
  return isDecimal(fee) ? fee : null;
}

/** The order with our client id; null = the venue has none (a row without an id is none). */
export function readOwnOrder(rows: Row[], market: string, clientId: string): OwnOrder | null | string {
  const [row, ...more] = rows.filter((r) => idOf(r['id']) !== null);
  if (row === undefined) return null;
  if (more.length > 0) return 'several orders with one client id';
  if (row['externalId'] !== clientId || row['market'] !== market) return 'another order under our client id';
  const { status, qty, filledQty, averagePrice, payedFee } = row;
  if (typeof status !== 'string' || !isDecimal(qty) || !(filledQty === undefined || isDecimal(filledQty)))
    return 'malformed order';
  if (!FINAL.has(status) && !NOT_FINAL.has(status)) return 'order with an unknown status';
  // What a final order filled must be said; zero is not assumed.
  if (FINAL.has(status) && filledQty === undefined) return 'order without its filled size';
  const filled = filledQty ?? '0';
  const feeUsd = new Decimal(isDecimal(payedFee) ? payedFee : 0);
  if (!FINAL.has(status)) return { result: null, feeUsd };
  const ending = status === 'FILLED' ? 'filled' : new Decimal(filled).isZero() ? 'rejected' : 'partial';
  const price = isPositive(averagePrice) ? averagePrice : null;
  return { result: { clientId, status: ending, filled, averagePrice: price, costUsd: null }, feeUsd };
}

/** Ids are digits: numbers on the wire, texts where they are beyond 2^53. */
function idOf(value: unknown): string | null {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value);
  return typeof value === 'string' && /^\d{1,40}$/.test(value.trim()) ? BigInt(value.trim()).toString() : null;
}

function hexOf(value: unknown): string | null {
  const text = typeof value === 'string' ? value.trim().toLowerCase().replace(/^0x/, '') : '';
  return /^[0-9a-f]{1,64}$/.test(text) ? BigInt(`0x${text}`).toString(16) : null;
}

function best(prices: string[], beats: (price: Decimal, other: Decimal) => boolean): Decimal | null {
  let found: Decimal | null = null;
  for (const text of prices) {
    const price = new Decimal(text);
    if (found === null || beats(price, found)) found = price;
  }
  return found;
}

function pricesOf(levels: unknown): string[] | null {
  if (!Array.isArray(levels)) return null;
  const prices: string[] = [];
  for (const level of levels as unknown[]) {
    if (!isRow(level) || !isPositive(level['price']) || !isDecimal(level['qty'])) return null;
    if (isPositive(level['qty'])) prices.push(level['price']);
  }
  return prices;
}

function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 64 && DECIMAL.test(value);
}

function isPositive(value: unknown): value is string {
  return isDecimal(value) && new Decimal(value).gt(0);
}
