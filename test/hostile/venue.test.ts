/** Venue replies that nobody meant well: unknown, or exactly what stands there. Never zero by accident, never an exception. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  dataOf,
  readAccount,
  readBook,
  readOrders,
  readOwnOrder,
  readPosition,
  readRules,
  rowsOf,
} from '../../src/adapters/ccxt-extended-rows.ts';
import { systemClock } from '../../src/adapters/clock.ts';
import { createCommandVenue } from '../../src/adapters/command-venue.ts';
import { createSimVenue } from '../../src/adapters/sim-venue.ts';
import { Decimal } from '../../src/core/decimal.ts';
import { pollutedKeys } from './support.ts';

const MARKET = 'AMZN-USD';
const CLOSE = { side: 'sell', size: '0.42', limitPrice: '100', clientId: 'c-1' } as const;

/** A value somewhere inside replaced, or removed. */
function mutated(value: unknown, path: number[], by: unknown): unknown {
  if (typeof value !== 'object' || value === null || path.length === 0) return by;
  const keys = Object.keys(value);
  const key = keys[path[0]! % Math.max(1, keys.length)];
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...value };
  if (key === undefined) return by;
  const inner = mutated((value as Record<string, unknown>)[key], path.slice(1), by);
  if (inner === undefined) delete (copy as Record<string, unknown>)[key];
  else (copy as Record<string, unknown>)[key] = inner;
  return copy;
}

const garbage = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    '',
    '0',
    '-0.42',
    '0.42abc',
    ' 0.42',
    '4.2e-1',
    'NaN',
    'Infinity',
    '1e999',
    [],
    {},
    true,
  ),
  fc.constantFrom<unknown>(
    0,
    -1,
    1e308,
    'LONG',
    'SHORT',
    'Long',
    'OK',
    MARKET,
    '__proto__',
    '9'.repeat(100),
    '\u0000',
    '0.'.padEnd(5000, '0'),
  ),
  fc.jsonValue({ maxDepth: 2 }),
);
const mutation = fc.tuple(fc.array(fc.nat(20), { maxLength: 5 }), garbage);

describe('the loopback venue', () => {
  const row = {
    market: MARKET,
    side: 'LONG',
    size: '0.42',
    id: 7,
    price: '100',
    qty: '0.42',
    filledQty: '0.42',
    status: 'FILLED',
    externalId: 'c-1',
  };
  const truth = { status: 'OK', data: [row] };
  let server: Server;
  let reply: string | Buffer = '';
  let venue: ReturnType<typeof createSimVenue>;
  beforeAll(async () => {
    server = createServer((_, response) => response.end(reply));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    venue = createSimVenue({ url: `http://127.0.0.1:${port}`, market: MARKET, apiKey: 'k', timeoutMs: 5_000 });
  });
  afterAll(() => server.close());

  test('the truth that the cases below change is read', async () => {
    reply = JSON.stringify(truth);
    expect(await venue.position()).toMatchObject({ known: true, value: { position: '0.42' } });
    expect(await venue.openOrders()).toMatchObject({ known: false });
  });

  test('property: a changed reply is unknown, or says what stands in it', async () => {
    await fc.assert(
      fc.asyncProperty(mutation, async ([path, by]) => {
        const changed = mutated(truth, path, by);
        reply = JSON.stringify(changed) ?? '';
        const position = await venue.position();
        const rows = (changed as typeof truth | undefined)?.data;
        if (position.known) {
          expect(rows).toBeInstanceOf(Array);
          const size = rows!.length === 0 ? '0' : String(rows![0]!.size);
          expect(position.value.position.replace('-', '')).toBe(/^0*(\.0*)?$/.test(size) ? '0' : size);
        }
        const orders = await venue.openOrders();
        if (orders.known) expect(orders.value).toHaveLength(rows!.length);
        for (const read of [await venue.reference(), await venue.cancelAll(), await venue.close(CLOSE)])
          expect(read.known === true || read.reason.length < 200).toBe(true);
      }),
      { numRuns: 150, interruptAfterTimeLimit: 10_000 },
    );
    expect(pollutedKeys()).toEqual([]);
  });

  test('property: any bytes are unknown', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
        reply = Buffer.from(bytes);
        expect((await venue.position()).known).toBe(false);
      }),
      { numRuns: 100, interruptAfterTimeLimit: 5_000 },
    );
  });

  test.each([
    ['twenty megabytes', Buffer.alloc(20 * 1024 * 1024, 32), 'more reply than an answer can have'],
    ['lists a hundred thousand deep', '['.repeat(100_000) + ']'.repeat(100_000), 'reply is not an object'],
    ['__proto__ as the envelope', '{"__proto__": {"status": "OK", "data": []}}', 'status is not OK'],
    ['a byte order mark', `\ufeff\ufeff${JSON.stringify(truth)}`, 'reply is not JSON'],
  ])('%s: unknown', async (_name, body, reason) => {
    reply = body;
    expect(await venue.position()).toEqual({ known: false, reason });
  });
});

describe('the command venue', () => {
  let folder: string;
  let file: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mmfleet-hostile-venue-'));
    file = join(folder, 'reply');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const cat = () => ['cat', file];
  const venue = () =>
    createCommandVenue({
      driver: {
        kind: 'command',
        position: cat(),
        orders: cat(),
        cancel: cat(),
        close: cat(),
        reference: cat(),
        timeoutMs: 5_000,
      },
      market: MARKET,
      cwd: folder,
      secrets: {},
      clock: systemClock,
    });
  const truth = {
    market: MARKET,
    position: '0.42',
    orders: [{ id: '1', side: 'buy', price: '1', size: '1' }],
    status: 'filled',
    filled: '0.42',
    clientId: 'c-1',
  };

  test('property: a changed answer is unknown, or says what stands in it', async () => {
    await fc.assert(
      fc.asyncProperty(mutation, async ([path, by]) => {
        const changed = mutated(truth, path, by);
        writeFileSync(file, JSON.stringify(changed) ?? '');
        const [position, orders, close] = await Promise.all([
          venue().position(),
          venue().openOrders(),
          venue().close(CLOSE),
        ]);
        if (position.known) expect(position.value.position).toBe((changed as typeof truth).position);
        if (position.known) expect(new Decimal(position.value.position).isFinite()).toBe(true);
        if (orders.known) expect(orders.value).toHaveLength((changed as typeof truth).orders.length);
        if (close.known) expect(close.value.clientId).toBe('c-1');
      }),
      { numRuns: 60, interruptAfterTimeLimit: 10_000 },
    );
  });

  test.each([
    ['two megabytes of blanks', ' '.repeat(2 * 1024 * 1024)],
    ['NUL', '\0'],
    ['two answers', JSON.stringify(truth).repeat(2)],
    ['another market', JSON.stringify({ ...truth, market: 'AMZN' })],
    ['a number for the position', JSON.stringify({ ...truth, position: 0 })],
    ['a position of three hundred digits', JSON.stringify({ ...truth, position: '0'.repeat(300) })],
    ['an exponent of three digits', JSON.stringify({ ...truth, position: '0e999' })],
    ['__proto__', '{"__proto__": {"market": "AMZN-USD", "position": "0"}}'],
  ])('%s: unknown', async (_name, text) => {
    writeFileSync(file, text);
    expect((await venue().position()).known).toBe(false);
  });

  test('a market name is one argument, whatever it holds', async () => {
    for (const market of [
      '$(touch pwned)',
      '`touch pwned`',
      '; touch pwned',
      '| touch pwned',
      "' && touch pwned '",
      '{size}',
    ]) {
      const print = [
        'node',
        '-e',
        'process.stdout.write(JSON.stringify({market: process.argv[1], position: "1"}))',
        '{market}',
      ];
      const own = createCommandVenue({
        driver: {
          kind: 'command',
          position: print,
          orders: print,
          cancel: print,
          close: print,
          reference: null,
          timeoutMs: 10_000,
        },
        market,
        cwd: folder,
        secrets: {},
        clock: systemClock,
      });
      expect(await own.position()).toMatchObject({ known: true, value: { market, position: '1' } });
    }
  });
});

describe('rows of the exchange', () => {
  const account = { id: '1001', l2Key: '0xabc', l2Vault: '2002' };
  const row = {
    ...{
      market: MARKET,
      accountId: 1001,
      side: 'LONG',
      size: '0.42',
      id: 5,
      price: '100',
      qty: '0.42',
      status: 'FILLED',
    },
    ...{ filledQty: '0.42', externalId: 'c-1', averagePrice: '100', payedFee: '0.01', l2Key: '0xabc', l2Vault: 2002 },
    tradingConfig: { minOrderSizeChange: '0.01', minOrderSize: '0.01', minPriceChange: '0.1' },
    marketStats: { markPrice: '100' },
    bid: [{ price: '99', qty: '1' }],
    ask: [{ price: '101', qty: '1' }],
  };
  const truth = { status: 'OK', data: [row] };

  test('property: a changed reply is a reason, or says what stands in it', () => {
    fc.assert(
      fc.property(mutation, ([path, by]) => {
        const body: unknown = JSON.parse(JSON.stringify(mutated(truth, path, by) ?? null));
        const rows = rowsOf({ kind: 'replied', status: 200, body } as Parameters<typeof rowsOf>[0], 0);
        expect(dataOf({ kind: 'replied', status: 200, body } as Parameters<typeof dataOf>[0], 0)).toHaveProperty(
          'known',
        );
        if (!rows.known) return;
        const position = readPosition(rows.value, MARKET, account);
        if (typeof position === 'string' && position === '0')
          expect(rows.value.every(({ size }) => new Decimal(String(size)).isZero())).toBe(true);
        const orders = readOrders(rows.value, MARKET, account);
        if (typeof orders !== 'string') expect(orders).toHaveLength(rows.value.length);
        const own = readOwnOrder(rows.value, MARKET, 'c-1');
        if (own !== null && typeof own !== 'string' && own.result !== null) expect(own.result.clientId).toBe('c-1');
        for (const each of rows.value) {
          readAccount(each, { vaultId: '2002', publicKey: '0xabc' });
          const rules = readRules(each);
          if (typeof rules !== 'string') expect(rules.band.low.isFinite() && rules.band.high.isFinite()).toBe(true);
          readBook(each, MARKET, { low: new Decimal(1), high: new Decimal(1000) });
        }
      }),
      { numRuns: 2000, interruptAfterTimeLimit: 8_000 },
    );
  });

  test('a book of three hundred thousand levels', () => {
    const levels = (price: string) => Array.from({ length: 300_000 }, () => ({ price, qty: '1' }));
    const book = { market: MARKET, bid: levels('99'), ask: levels('101') };
    expect(readBook(book, MARKET, { low: new Decimal(1), high: new Decimal(1000) })).toEqual({ bid: '99', ask: '101' });
  });
});
