import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSimVenue } from '../../src/adapters/sim-venue.ts';
import type { VenuePort } from '../../src/core/ports.ts';
import { type RunningVenue, startVenue } from '../../src/shell/demo/venue.ts';
import { applyReport, closeReduceOnly, openLedger, type Report } from '../../src/shell/demo/venue-ledger.ts';

const MARKET = 'AMZN-USD';
const KEY = 'demo-0123456789abcdef';

/** A server that says what the test tells it to, to every call. */
let say: (response: ServerResponse) => void = (response) => void response.end();
const liar = createServer((request, response) => {
  request.resume();
  request.on('end', () => say(response));
});
let liarUrl = '';
let venue: RunningVenue;

beforeAll(async () => {
  await new Promise<void>((done) => liar.listen(0, '127.0.0.1', done));
  liarUrl = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`;
  venue = await startVenue(KEY);
});

afterAll(async () => {
  liar.closeAllConnections();
  await new Promise((done) => liar.close(done));
  await venue.close();
});

const client = (url: string, apiKey = KEY, timeoutMs = 20_000): VenuePort =>
  createSimVenue({ url, market: MARKET, apiKey, timeoutMs });

const answer = (status: number, body: string) => (response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
};
const data = (value: unknown) => answer(200, JSON.stringify({ status: 'OK', data: value }));
const row = (over: object) => ({ market: MARKET, side: 'LONG', size: '0.42', ...over });

describe('a reply that is not to be believed is unknown, never zero', () => {
  const lies: [string, (response: ServerResponse) => void, string][] = [
    ['empty body', answer(200, ''), 'empty reply'],
    ['HTML', answer(200, '<html>maintenance</html>'), 'reply is not JSON'],
    ['null', answer(200, 'null'), 'reply is not an object'],
    ['a list', answer(200, '[]'), 'reply is not an object'],
    ['null data', data(null), 'no data in the reply'],
    ['missing data', answer(200, '{"status":"OK"}'), 'no data in the reply'],
    ['data that is an object', data({}), 'no data in the reply'],
    ['status missing', answer(200, '{"data":[]}'), 'status is not OK'],
    ['status ERROR with 200', answer(200, '{"status":"ERROR","data":[]}'), 'status is not OK'],
    ['an error code', answer(400, '{"status":"ERROR","error":{"code":1001}}'), 'refused with code 1001'],
    ['OK in a 404', answer(404, '{"status":"OK","data":[]}'), 'HTTP 404'],
    ['429 with a body', answer(429, '{"status":"OK","data":[]}'), 'rate limited'],
    ['429 without', answer(429, ''), 'rate limited'],
    ['500', answer(500, '{"status":"OK","data":[]}'), 'HTTP 500'],
    ['key refused', answer(401, '{"status":"ERROR","error":{"code":1}}'), 'API key refused'],
    ['rows that are not objects', data([null]), 'malformed rows'],
    ['connection closed', (response) => void response.destroy(), 'not reachable'],
  ];

  test.each(lies)('%s', async (_, lie, reason) => {
    say = lie;
    const liarClient = client(liarUrl);
    const want = { known: false, reason };
    expect(await liarClient.position()).toEqual(want);
    expect(await liarClient.openOrders()).toEqual(want);
    expect(await liarClient.reference()).toEqual(want);
  });

  test('a reply that does not come', async () => {
    say = () => {};
    const hasty = client(liarUrl, KEY, 50);
    expect(await hasty.position()).toEqual({ known: false, reason: 'timed out' });
    expect(await hasty.cancelAll()).toEqual({ known: false, reason: 'timed out' });
    const order = { side: 'sell', size: '1', limitPrice: null, clientId: 'x-1' } as const;
    expect(await hasty.close(order)).toEqual({ known: false, reason: 'timed out' });
  });

  test.each([
    ['a long', [row({})], '0.42'],
    ['a short', [row({ side: 'SHORT' })], '-0.42'],
    ['no row', [], '0'],
    ['a row of zero, whatever its side', [row({ size: '0.00', side: 'NONE' })], '0'],
  ])('position: %s', async (_, rows, position) => {
    say = data(rows);
    expect(await client(liarUrl).position()).toMatchObject({ known: true, value: { market: MARKET, position } });
  });

  test.each([
    ['an unknown side', [row({ side: 'BOTH' })]],
    ['a size that is a number', [row({ size: 0.42 })]],
    ['a negative size', [row({ size: '-0.42' })]],
    ['an exponent', [row({ size: '1e-7' })]],
    ['another market', [row({ market: 'MON-USD' })]],
    ['another market beside ours', [row({}), row({ market: 'MON-USD' })]],
    ['two rows for ours', [row({}), row({})]],
  ])('position: %s is unknown', async (_, rows) => {
    say = data(rows);
    expect(await client(liarUrl).position()).toEqual({ known: false, reason: 'malformed position' });
  });

  test('one bad order makes the whole list unknown', async () => {
    const good = { id: 17, market: MARKET, side: 'BUY', price: '221.1', qty: '0.1' };
    say = data([good]);
    const want = [{ id: '17', side: 'buy', price: '221.1', size: '0.1' }];
    expect(await client(liarUrl).openOrders()).toMatchObject({ known: true, value: want });
    say = data([good, { ...good, side: '' }]);
    expect(await client(liarUrl).openOrders()).toEqual({ known: false, reason: 'malformed order' });
  });

  test('a close is what the look-up says, and only if it names our id and market', async () => {
    const order = { side: 'sell', size: '0.42', limitPrice: '220', clientId: 'x-2' } as const;
    const found = {
      externalId: 'x-2',
      market: MARKET,
      status: 'PARTIALLY_FILLED',
      qty: '0.42',
      filledQty: '0.4',
      averagePrice: '221',
    };
    say = data([found]);
    expect(await client(liarUrl).close(order)).toMatchObject({
      known: true,
      value: { status: 'partial', filled: '0.4' },
    });
    say = data([{ ...found, externalId: 'x-1' }]);
    expect(await client(liarUrl).close(order)).toEqual({ known: false, reason: 'malformed order' });
    say = data([{ ...found, status: 'NEW' }]);
    expect(await client(liarUrl).close(order)).toEqual({ known: false, reason: 'malformed order' });
  });
});

const report = (over: Partial<Report>): Report => ({
  market: MARKET,
  runId: 'r1',
  n: 1,
  tick: '0.01',
  sizeStep: '0.01',
  minSize: '0.02',
  bid: '221.00',
  ask: '221.10',
  fills: [],
  orders: [],
  memory: null,
  ...over,
});

describe('against the venue itself', () => {
  test('reads, cancels and closes once, whatever is repeated', async () => {
    const order = { id: '1', externalId: 'mm-1', side: 'BUY' as const, price: '220.5', qty: '0.1' };
    applyReport(venue.ledger, report({ fills: [{ side: 'BUY', qty: '0.42' }], orders: [order] }));
    const ours = client(venue.url);
    expect(await ours.position()).toMatchObject({ value: { position: '0.42' } });
    expect(await ours.openOrders()).toMatchObject({ value: [{ id: '1', side: 'buy', price: '220.5', size: '0.1' }] });
    expect(await ours.reference()).toMatchObject({
      value: { bid: '221.00', ask: '221.10', sizeStep: '0.01', minSize: '0.02', tick: '0.01' },
    });
    expect(await ours.cancelAll()).toMatchObject({ value: { canceled: 1 } });
    expect(await ours.openOrders()).toMatchObject({ known: true, value: [] });

    const tooDear = { side: 'sell', size: '0.42', limitPrice: '221.05', clientId: 'close-1' } as const;
    expect(await ours.close(tooDear)).toMatchObject({ value: { status: 'rejected', filled: '0' } });
    const close = { side: 'sell', size: '0.40', limitPrice: '220.50', clientId: 'close-2' } as const;
    const first = await ours.close(close);
    // 0.40 x (half of the 0.10 spread) + 0.40 x 221 x 2.5 bps
    expect(first).toMatchObject({ value: { status: 'filled', filled: '0.4', averagePrice: '221', costUsd: '0.0421' } });
    expect(await ours.close(close)).toMatchObject({ value: first.known ? first.value : {} });
    expect(await ours.position()).toMatchObject({ value: { position: '0.02' } });
  });

  test.each([
    ['the wrong side', { side: 'buy', size: '0.02', clientId: 'c-1' }],
    ['more than there is', { side: 'sell', size: '0.5', clientId: 'c-2' }],
    ['less than the minimum', { side: 'sell', size: '0.01', clientId: 'c-3' }],
    ['off the step', { side: 'sell', size: '0.025', clientId: 'c-4' }],
  ] as const)('a close of %s trades nothing', async (_, order) => {
    applyReport(venue.ledger, report({ runId: order.clientId, fills: [] }));
    const ours = client(venue.url);
    const before = await ours.position();
    expect(await ours.close({ ...order, limitPrice: null })).toMatchObject({
      value: { status: 'rejected', filled: '0' },
    });
    expect(await ours.position()).toMatchObject({ value: before.known ? before.value : {} });
  });

  test('a wrong key is refused', async () => {
    expect(await client(venue.url, 'other').position()).toEqual({ known: false, reason: 'API key refused' });
  });

  test('the address may stand in a file, read at each call', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sim-venue-'));
    const fromFile = createSimVenue({
      url: 'file:demo.url',
      root: dir,
      market: MARKET,
      apiKey: KEY,
      timeoutMs: 20_000,
    });
    expect(await fromFile.position()).toEqual({ known: false, reason: 'venue address not readable' });
    writeFileSync(join(dir, 'demo.url'), 'https://example.com\n');
    expect(await fromFile.position()).toEqual({ known: false, reason: 'venue address not readable' });
    writeFileSync(join(dir, 'demo.url'), `${venue.url}\n`);
    expect(await fromFile.position()).toMatchObject({ known: true });
    rmSync(dir, { recursive: true });
  });
});

describe('ledger', () => {
  const fills = fc.array(
    fc.record({
      side: fc.constantFrom('BUY' as const, 'SELL' as const),
      qty: fc.integer({ min: 1, max: 900 }).map((n) => (n / 100).toFixed(2)),
    }),
    { maxLength: 12 },
  );

  test('a report that is repeated changes nothing, and hundredths add up exactly', () => {
    fc.assert(
      fc.property(fills, (list) => {
        const ledger = openLedger();
        applyReport(ledger, report({ fills: list }));
        const after = applyReport(ledger, report({ fills: list }));
        const cents = list.reduce((sum, f) => sum + (f.side === 'BUY' ? 1 : -1) * Math.round(Number(f.qty) * 100), 0);
        expect(after.position.times(100).toNumber()).toBe(cents);
      }),
    );
  });

  test('a reduce-only order never opens and never flips a position', () => {
    const orders = fc.array(
      fc.tuple(fc.constantFrom('BUY' as const, 'SELL' as const), fc.integer({ min: 1, max: 900 })),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(fills, orders, (list, closes) => {
        const ledger = openLedger();
        const market = applyReport(ledger, report({ fills: list }));
        closes.forEach(([side, cents], i) => {
          const before = market.position;
          closeReduceOnly(ledger, {
            externalId: `c${i}`,
            market: MARKET,
            side,
            qty: (cents / 100).toFixed(2),
            price: null,
          });
          expect(market.position.abs().lte(before.abs())).toBe(true);
          expect(market.position.times(before).gte(0)).toBe(true);
        });
      }),
    );
  });
});
