/** The loopback venue's client: every reply's envelope is checked before anything in it is believed. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { CloseResult, VenueOrder, VenuePort, VenueReference } from '../core/ports.ts';
import { type Known, known, unknown } from '../core/problem.ts';

export type SimVenueOptions = {
  /** `http://127.0.0.1:PORT`, or `file:PATH` naming a file that holds it, read at each call. */
  url: string;
  /** What a relative PATH is relative to; absent = the working directory. */
  root?: string;
  market: string;
  apiKey: string;
  timeoutMs: number;
};

type Row = Record<string, unknown>;
type Envelope = { data: unknown } | { error: number };

const DECIMAL = /^\d+(\.\d+)?$/;
const DUPLICATE_ID = 1134;
const NOT_FOUND = 1006;
/** Refusals that say for sure that nothing was traded: bad quantity, reduce-only exceeded, no position. */
const REFUSED = new Set([1120, 1121, 1136, 1137]);

/** A market of the simulated venue. Reads never throw; whatever is not a valid reply is unknown with a short reason. */
export function createSimVenue(options: SimVenueOptions): VenuePort {
  const { market } = options;
  const query = `market=${encodeURIComponent(market)}`;
  const rows = (path: string) => readRows(options, path);
  return {
    evidence: 'venue',
    position: async () => {
      const read = await rows(`/api/v1/user/positions?${query}`);
      if (!read.known) return read;
      const position = positionOf(read.value, market);
      return position === null ? unknown('malformed position') : known({ market, position }, read.asOfMs);
    },
    openOrders: async () => {
      const read = await rows(`/api/v1/user/orders?${query}`);
      if (!read.known) return read;
      const orders = read.value.map((row) => orderOf(row, market));
      if (orders.includes(null)) return unknown('malformed order');
      return known(orders as VenueOrder[], read.asOfMs);
    },
    cancelAll: async () => {
      const sent = await call(options, 'POST', '/api/v1/user/order/massCancel', { markets: [market] });
      if (!sent.known) return sent;
      if ('error' in sent.value) return unknown(`refused with code ${sent.value.error}`);
      const count = isRow(sent.value.data) ? sent.value.data['canceled'] : null;
      return known({ canceled: typeof count === 'number' ? count : null }, sent.asOfMs);
    },
    reference: async () => {
      const read = await rows(`/api/v1/info/markets?${query}`);
      if (!read.known) return read;
      const found = read.value.find((row) => row['name'] === market);
      return found === undefined ? unknown('market not listed') : known(referenceOf(found), read.asOfMs);
    },
    close: (order) => close(options, order),
  };
}

async function close(options: SimVenueOptions, order: Parameters<VenuePort['close']>[0]): Promise<Known<CloseResult>> {
  const sent = await call(options, 'POST', '/api/v1/user/order', {
    id: order.clientId,
    market: options.market,
    type: 'MARKET',
    side: order.side.toUpperCase(),
    qty: order.size,
    ...(order.limitPrice === null ? {} : { price: order.limitPrice }),
    reduceOnly: true,
    timeInForce: 'IOC',
  });
  // A send that may or may not have arrived is resolved by its client id, never by sending another.
  if (!sent.known) return lookUp(options, order.clientId);
  if ('error' in sent.value && REFUSED.has(sent.value.error)) {
    const nothing = {
      clientId: order.clientId,
      status: 'rejected',
      filled: '0',
      averagePrice: null,
      costUsd: '0',
    } as const;
    return known(nothing, sent.asOfMs);
  }
  if ('error' in sent.value && sent.value.error !== DUPLICATE_ID)
    return unknown(`refused with code ${sent.value.error}`);
  return lookUp(options, order.clientId);
}

async function lookUp(options: SimVenueOptions, clientId: string): Promise<Known<CloseResult>> {
  const path = `/api/v1/user/orders/external/${encodeURIComponent(clientId)}`;
  const read = await call(options, 'GET', path, null);
  if (!read.known) return read;
  if ('error' in read.value) {
    return unknown(
      read.value.error === NOT_FOUND ? 'order not known to the venue' : `refused with code ${read.value.error}`,
    );
  }
  const row = Array.isArray(read.value.data) ? (read.value.data as unknown[]).find(isRow) : undefined;
  const result = row === undefined ? null : closeResultOf(row, clientId, options.market);
  return result === null ? unknown('malformed order') : known(result, read.asOfMs);
}

function closeResultOf(row: Row, clientId: string, market: string): CloseResult | null {
  const { externalId, status, qty, filledQty, averagePrice, costUsd } = row;
  if (externalId !== clientId || row['market'] !== market) return null;
  if (!isDecimal(qty) || !isDecimal(filledQty)) return null;
  if (status !== 'FILLED' && status !== 'PARTIALLY_FILLED' && status !== 'CANCELLED') return null;
  const none = /^0*(\.0*)?$/.test(filledQty);
  return {
    clientId,
    status: status === 'FILLED' ? 'filled' : none ? 'rejected' : 'partial',
    filled: filledQty,
    averagePrice: isDecimal(averagePrice) ? averagePrice : null,
    costUsd: isDecimal(costUsd) ? costUsd : null,
  };
}

/** No row for the market is the venue's way to say zero; null = not a reply to believe. */
function positionOf(rows: Row[], market: string): string | null {
  const ours = rows.filter((row) => row['market'] === market);
  if (ours.length !== rows.length || ours.length > 1) return null;
  const row = ours[0];
  if (row === undefined) return '0';
  const { size, side } = row;
  if (!isDecimal(size)) return null;
  if (/^0*(\.0*)?$/.test(size)) return '0';
  if (side === 'LONG') return size;
  return side === 'SHORT' ? `-${size}` : null;
}

function orderOf(row: Row, market: string): VenueOrder | null {
  const { id, side, price, qty } = row;
  if (row['market'] !== market || (side !== 'BUY' && side !== 'SELL')) return null;
  if ((typeof id !== 'string' && typeof id !== 'number') || !isDecimal(price) || !isDecimal(qty)) return null;
  return { id: String(id), side: side === 'BUY' ? 'buy' : 'sell', price, size: qty };
}

function referenceOf(row: Row): VenueReference {
  const part = (outer: string, inner: string): string | null => {
    const value = isRow(row[outer]) ? row[outer][inner] : undefined;
    return isDecimal(value) ? value : null;
  };
  return {
    bid: part('marketStats', 'bidPrice'),
    ask: part('marketStats', 'askPrice'),
    sizeStep: part('tradingConfig', 'minOrderSizeChange'),
    minSize: part('tradingConfig', 'minOrderSize'),
    tick: part('tradingConfig', 'minPriceChange'),
  };
}

async function readRows(options: SimVenueOptions, path: string): Promise<Known<Row[]>> {
  const read = await call(options, 'GET', path, null);
  if (!read.known) return read;
  if ('error' in read.value) return unknown(`refused with code ${read.value.error}`);
  const { data } = read.value;
  if (!Array.isArray(data)) return unknown('no data in the reply');
  return data.every(isRow) ? known(data, read.asOfMs) : unknown('malformed rows');
}

/** One call; known means a well-formed envelope: OK with data, or an error with a code on a 4xx. */
async function call(
  options: SimVenueOptions,
  method: string,
  path: string,
  body: Row | null,
): Promise<Known<Envelope>> {
  const base = await baseUrl(options);
  if (base === null) return unknown('venue address not readable');
  let status: number;
  let text: string;
  try {
    const response = await fetch(base + path, {
      method,
      headers: { 'x-api-key': options.apiKey, 'content-type': 'application/json' },
      ...(body === null ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(options.timeoutMs),
    });
    status = response.status;
    const whole = await boundedText(response);
    if (whole === null) return unknown('more reply than an answer can have');
    text = whole;
  } catch (error) {
    return unknown(error instanceof Error && error.name === 'TimeoutError' ? 'timed out' : 'not reachable');
  }
  return envelope(status, text);
}

/** A reply of this many bytes is not an answer. */
const MAX_REPLY_BYTES = 4 * 1024 * 1024;

/** The body as text; null when it is too long, which is known without holding it. */
async function boundedText({ body }: Response): Promise<string | null> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body ?? []) {
    length += part.length;
    if (length > MAX_REPLY_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function envelope(status: number, text: string): Known<Envelope> {
  if (status === 429) return unknown('rate limited');
  if (status >= 500) return unknown(`HTTP ${status}`);
  if (status === 401 || status === 403) return unknown('API key refused');
  if (text.trim() === '') return unknown('empty reply');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return unknown('reply is not JSON');
  }
  if (!isRow(parsed)) return unknown('reply is not an object');
  if (status === 200 && parsed['status'] === 'OK') return known({ data: parsed['data'] }, Date.now());
  const code = isRow(parsed['error']) ? parsed['error']['code'] : undefined;
  if (parsed['status'] === 'ERROR' && typeof code === 'number') return known({ error: code }, Date.now());
  return unknown(status === 200 ? 'status is not OK' : `HTTP ${status}`);
}

async function baseUrl({ url, root }: SimVenueOptions): Promise<string | null> {
  if (!url.startsWith('file:')) return url.replace(/\/+$/, '');
  try {
    const text = (await readFile(resolve(root ?? '.', url.slice('file:'.length)), 'utf8')).trim();
    return /^http:\/\/(127\.0\.0\.1|localhost|\[::1\]):\d+$/.test(text) ? text : null;
  } catch {
    return null;
  }
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && DECIMAL.test(value);
}
