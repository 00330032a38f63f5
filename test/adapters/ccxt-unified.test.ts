import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import {
  isListReply,
  readUnifiedMarket,
  readUnifiedOrder,
  readUnifiedOrders,
  readUnifiedPosition,
} from '../../src/adapters/ccxt-unified-rows.ts';
import { createCcxtVenue } from '../../src/adapters/ccxt-venue.ts';
import { systemClock } from '../../src/adapters/clock.ts';
import type { Known } from '../../src/core/problem.ts';
import { prove } from '../support/loopback-venue/world.ts';

const MARKET = 'BTC_USDT';
const KEYS = { EX_KEY: 'unified-key-canary', EX_SECRET: 'unified-secret-canary' };

type Lie = (response: ServerResponse) => void;
type Fake = { contracts: number; lies: Record<string, Lie | undefined>; fills: boolean };
type Sent = { method: string; path: string; body: Record<string, unknown> };

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

/** A few endpoints of a real exchange with contracts of 0.0001 base each, spoken to through ccxt's own class for it. */
async function gate(over: Partial<Fake> = {}, timeoutMs = 20_000) {
  const fake: Fake = { contracts: 0, lies: {}, fills: true, ...over };
  const sent: Sent[] = [];
  const open = [{ id: 12, size: 3, price: '49000' }];
  const row = (order: object) => ({ contract: MARKET, create_time: 1, tif: 'gtc', status: 'open', left: 3, ...order });
  const done: Record<string, object> = {};
  const answers = (method: string, path: string, body: Record<string, unknown>): unknown => {
    if (path === '/futures/usdt/contracts') return [CONTRACT];
    if (path === '/futures/usdt/positions')
      return fake.contracts === 0 ? [] : [{ contract: MARKET, size: fake.contracts, mode: 'single', entry_price: '1' }];
    if (path === '/futures/usdt/order_book')
      return { id: 1, current: 1, update: 1, asks: [{ s: 100, p: '50001' }], bids: [{ s: 100, p: '50000' }] };
    if (path === '/futures/usdt/orders' && method === 'GET') return open.map(row);
    if (path === '/futures/usdt/orders/12' && method === 'DELETE')
      return row({ ...open.splice(0)[0], status: 'finished' });
    if (path === '/futures/usdt/orders' && method === 'POST') {
      const size = Number(body['size']);
      if (fake.fills) fake.contracts += size;
      done['77'] = row({
        ...body,
        id: 77,
        left: fake.fills ? 0 : size,
        fill_price: '50000',
        status: 'finished',
        finish_as: 'filled',
      });
      return done['77'];
    }
    return path.startsWith('/futures/usdt/orders/') ? done[path.slice(21)] : [];
  };
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const path = (request.url ?? '').replace(/\?.*/, '');
      const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
      const method = request.method ?? '';
      sent.push({ method, path, body });
      const lie = fake.lies[`${method} ${path}`];
      const answer = answers(method, path, body);
      if (lie !== undefined) return lie(response);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  closers.push(
    () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  );
  const opened = createCcxtVenue({
    driver: {
      kind: 'ccxt',
      exchange: 'gate',
      apiKey: 'EX_KEY',
      privateKey: 'EX_SECRET',
      vaultId: 'EX_VAULT',
      publicKey: 'EX_PUBLIC',
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      timeoutMs,
    },
    market: MARKET,
    secrets: KEYS,
    environment: 'mainnet',
    clock: systemClock,
  });
  if (!opened.ok) throw new Error(opened.problem.message);
  return { venue: opened.value, fake, sent };
}

const CONTRACT = {
  name: MARKET,
  type: 'direct',
  quanto_multiplier: '0.0001',
  order_size_min: 1,
  order_size_max: 1_000_000,
  order_price_round: '0.1',
  leverage_min: '1',
  leverage_max: '100',
  maker_fee_rate: '0',
  taker_fee_rate: '0.0005',
  in_delisting: false,
};
const says =
  (status: number, body: string): Lie =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body);
  };
const reasonIn = (read: Known<unknown>) => (read.known ? `known: ${JSON.stringify(read.value)}` : read.reason);
const ORDER = {
  side: 'sell',
  size: '0.0005',
  limitPrice: '49900',
  clientId: 'mmf-0123456789abcdef01234567-1',
} as const;
const posts = (sent: Sent[]) => sent.filter((s) => s.method === 'POST');

describe('an exchange through the unified calls', () => {
  test('contracts become base quantities, and the market is proved flat', async () => {
    const { venue, fake, sent } = await gate({ contracts: 5 });
    expect(await venue.position()).toMatchObject({ known: true, value: { market: MARKET, position: '0.0005' } });
    expect(await venue.openOrders()).toMatchObject({ known: true, value: [{ id: '12', side: 'buy', size: '0.0003' }] });
    expect(await venue.reference()).toMatchObject({
      known: true,
      value: { bid: '50000', ask: '50001', sizeStep: '0.0001', minSize: '0.0001', tick: '0.1' },
    });
    const { verdict, receipt } = await prove(venue, { policy: { dustMaxNotionalUsd: 0 } }, [], MARKET);
    expect(verdict, receipt.rule).toEqual({ verdict: 'FLAT' });
    expect(fake.contracts).toBe(0);
    expect(posts(sent).map((s) => s.body)).toMatchObject([{ size: -5, reduce_only: true, tif: 'ioc' }]);
    expect(sent.filter((s) => s.method === 'DELETE').map((s) => s.path)).toEqual(['/futures/usdt/orders/12']);
  });

  test('a short position is bought back', async () => {
    const { venue, fake } = await gate({ contracts: -7 });
    expect(await venue.position()).toMatchObject({ known: true, value: { position: '-0.0007' } });
    const { verdict } = await prove(venue, { policy: { dustMaxNotionalUsd: 0 } }, [], MARKET);
    expect(verdict).toEqual({ verdict: 'FLAT' });
    expect(fake.contracts).toBe(0);
  });

  test.each([
    ['empty body', says(200, '')],
    ['HTML', says(200, '<html>maintenance</html>')],
    ['null', says(200, 'null')],
    ['null data', says(200, '{"data":null,"list":[]}')],
    ['an object without a list', says(200, '{"code":0}')],
    ['429', says(429, '{"label":"TOO_MANY_REQUESTS"}')],
    ['500', says(500, '')],
    ['an error with 200', says(200, '{"label":"INVALID_KEY","message":"no"}')],
    ['silence', () => {}],
  ] as [string, Lie][])('%s is unknown, never zero or empty', async (_, lie) => {
    const lies = { 'GET /futures/usdt/positions': lie, 'GET /futures/usdt/orders': lie };
    const { venue } = await gate({ contracts: 5, lies }, 400);
    expect(await venue.position()).toMatchObject({ known: false });
    expect(await venue.openOrders()).toMatchObject({ known: false });
  });

  test('an order that may have arrived is a matter for a person: it is not sent again', async () => {
    const lies = { 'POST /futures/usdt/orders': () => {} };
    const { venue, sent, fake } = await gate({ contracts: 5, lies }, 2_000);
    for (const _ of [1, 2, 3])
      expect(reasonIn(await venue.close(ORDER))).toBe('the order may have been sent; this exchange cannot say');
    expect(posts(sent)).toHaveLength(1);
    expect(fake.contracts).toBe(0);
  });

  test('a client id seen before never trades again', async () => {
    const { venue, sent, fake } = await gate({ contracts: 9 });
    expect(await venue.close(ORDER)).toMatchObject({ known: true, value: { status: 'filled', filled: '0.0005' } });
    expect(await venue.close(ORDER)).toMatchObject({ known: true, value: { status: 'filled', filled: '0.0005' } });
    expect(posts(sent)).toHaveLength(1);
    expect(fake.contracts).toBe(4);
  });

  test('its keys cannot be printed', async () => {
    const { venue } = await gate();
    const spoken = inspect(venue, { depth: 20, showHidden: true }) + reasonIn(await venue.close(ORDER));
    for (const key of Object.values(KEYS)) expect(spoken).not.toContain(key);
  });
});

const BTC = { symbol: 'BTC/USDT:USDT', contractSize: '0.001', sizeStep: '0.001', minSize: '0.001', tick: '0.1' };
const position = (over: object) => ({ symbol: BTC.symbol, contracts: 2, side: 'long', ...over });

describe('unified rows', () => {
  test.each([
    ['none', [], { position: '0' }],
    ['long', [position({})], { position: '0.002' }],
    ['short', [position({ side: 'short' })], { position: '-0.002' }],
    ['zero', [position({ contracts: 0, side: undefined })], { position: '0' }],
    ['a text', [position({ contracts: '2.5' })], { position: '0.0025' }],
    ['another market', [position({ symbol: 'ETH/USDT:USDT' })], { position: '0' }],
    ['no size', [position({ contracts: undefined })], 'malformed position'],
    ['not a number', [position({ contracts: Number.NaN })], 'malformed position'],
    ['no side', [position({ side: undefined })], 'position with an unknown side'],
    ['no symbol', [{ contracts: 2 }], 'malformed position'],
    ['hedged', [position({}), position({ side: 'short' })], 'several positions in one market'],
    ['not a list', null, 'not a list'],
  ])('position: %s', (_, rows, want) => {
    expect(readUnifiedPosition(rows, BTC)).toEqual(want);
  });

  test.each([
    [
      { id: '1', symbol: BTC.symbol, side: 'buy', price: 5, amount: 3 },
      [{ id: '1', side: 'buy', price: '5', size: '0.003' }],
    ],
    [{ id: '', symbol: BTC.symbol, side: 'buy', price: 5, amount: 3 }, 'malformed order'],
    [{ id: '1', symbol: 'X', side: 'buy', price: 5, amount: 3 }, 'malformed order'],
    [{ id: '1', symbol: BTC.symbol, side: 'long', price: 5, amount: 3 }, 'malformed order'],
    [{ id: '1', symbol: BTC.symbol, side: 'buy', price: 5 }, 'malformed order'],
  ])('order %j', (row, want) => {
    expect(readUnifiedOrders([row], BTC)).toEqual(want);
  });

  test.each([
    ['closed', { filled: 2 }, { status: 'filled', filled: '0.002' }],
    ['canceled', { filled: 1 }, { status: 'partial', filled: '0.001' }],
    ['canceled', { filled: 0 }, { status: 'rejected', filled: '0' }],
    ['closed', {}, 'order without its filled size'],
    ['open', { filled: 1 }, 'order not final'],
    [undefined, { filled: 1 }, 'order with an unknown status'],
    ['closed', { id: undefined, filled: 2 }, 'order not known to the venue'],
  ])('own order %s %j', (status, over, want) => {
    const got = readUnifiedOrder({ id: '7', status, ...over }, BTC, '7', 'c');
    if (typeof want === 'string') expect(got).toBe(want);
    else expect(got).toMatchObject({ clientId: 'c', ...want });
  });

  test.each([
    [[], true],
    [{ data: [] }, true],
    [{ result: { list: [] } }, true],
    [{ data: null, rows: [] }, false],
    [{ code: 0 }, false],
    [undefined, false],
    ['', false],
  ])('a list in %j: %s', (body, want) => {
    expect(isListReply(body)).toBe(want);
  });

  test.each([
    ['spot', { swap: false }, 'not a linear perpetual'],
    ['inverse', { linear: false }, 'not a linear perpetual'],
    ['no steps', { precision: {} }, 'market without trading rules'],
    ['no contract size', { contractSize: undefined }, 'market without trading rules'],
  ])('market: %s', (_, over, want) => {
    const row = {
      symbol: BTC.symbol,
      swap: true,
      linear: true,
      contractSize: 1,
      precision: { amount: 0.1, price: 0.5 },
    };
    expect(readUnifiedMarket(row, 4)).toMatchObject({ sizeStep: '0.1', tick: '0.5' });
    expect(readUnifiedMarket({ ...row, ...over }, 4)).toBe(want);
  });
});
