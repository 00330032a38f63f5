import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import { build } from 'esbuild';
import { afterEach, describe, expect, test } from 'vitest';
import { createClient } from '../../src/adapters/ccxt-client.ts';
import { openExtended } from '../../src/adapters/ccxt-extended.ts';
import { loadExchangeClass } from '../../src/adapters/ccxt-module.ts';
import { ccxtProblems, createCcxtVenue } from '../../src/adapters/ccxt-venue.ts';
import { systemClock } from '../../src/adapters/clock.ts';
import type { Known } from '../../src/core/problem.ts';
import type { Endpoint, FaultyReply } from '../support/loopback-venue/scenario.ts';
import { ACCOUNT } from '../support/loopback-venue/stark.ts';
import { type LoopbackVenue, MARKET } from '../support/loopback-venue/venue.ts';
import { type Given, isSilent, loopbackWorld, prove, SECRETS } from '../support/loopback-venue/world.ts';

const open: LoopbackVenue[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((venue) => venue.close()));
});

async function world(given: Given) {
  const made = await loopbackWorld(given);
  open.push(made.server);
  return made;
}

const ORDER = { side: 'sell', size: '0.42', limitPrice: '220.6', clientId: 'mmf-0123456789abcdef01234567-1' } as const;
const bodies = (server: LoopbackVenue, endpoint: Endpoint) =>
  server.seen.filter((s) => s.endpoint === endpoint).map((s) => s.body as Record<string, unknown>);
const reasonIn = (read: Known<unknown>) => (read.known ? `known: ${JSON.stringify(read.value)}` : read.reason);

describe('an honest venue', () => {
  test('position, orders and prices are exact; the market is named by its own id', async () => {
    const { venue } = await world({ position: '-0.42', orders: [{ side: 'BUY', price: '220', qty: '0.1' }] });
    expect(await venue.position()).toMatchObject({ known: true, value: { market: MARKET, position: '-0.42' } });
    expect(await venue.openOrders()).toMatchObject({
      known: true,
      value: [{ id: '1775511783722512385', side: 'buy', price: '220', size: '0.1' }],
    });
    expect(await venue.reference()).toMatchObject({
      known: true,
      value: { bid: '221.1', ask: '221.3', sizeStep: '0.01', minSize: '0.01', tick: '0.1' },
    });
  });

  test('a closing order is reduce-only, immediate, signed, and carries our client id', async () => {
    const { venue, server } = await world({ position: '0.42' });
    await venue.reference();
    expect(await venue.close(ORDER)).toMatchObject({
      known: true,
      value: { clientId: ORDER.clientId, status: 'filled', filled: '0.42', averagePrice: '221.1', costUsd: '0.023216' },
    });
    expect(bodies(server, 'order')).toMatchObject([
      {
        id: ORDER.clientId,
        market: MARKET,
        side: 'SELL',
        qty: '0.42',
        price: '220.6',
        reduceOnly: true,
        timeInForce: 'IOC',
      },
    ]);
    expect(server.truth()).toEqual({ position: '0', orders: 0 });
  });

  test('a client id seen before never trades again, also for another mmfleet', async () => {
    const { venue, server } = await world({ position: '1' });
    const first = await venue.close(ORDER);
    const again = await venue.close(ORDER);
    expect(first).toMatchObject({ known: true, value: { filled: '0.42' } });
    expect(again).toMatchObject({ known: true, value: { filled: '0.42', status: 'filled' } });
    expect(bodies(server, 'order')).toHaveLength(1);
    expect(server.truth().position).toBe('0.58');
  });

  test('attempt numbers continue past the ids of an earlier proof', async () => {
    const { venue, server } = await world({ position: '0.42' });
    const { receipt } = await prove(venue);
    const prefix = receipt.orders[0]!.clientId.replace(/\d+$/, '');
    expect(receipt.orders.map((o) => o.clientId)).toEqual([`${prefix}1`]);
    const next = await world({ position: '0.42' });
    const later = await prove(next.venue, {}, [`${prefix}1`, `${prefix}2`]);
    expect(later.receipt.orders.map((o) => o.clientId)).toEqual([`${prefix}3`]);
    expect(bodies(server, 'order')).toHaveLength(1);
  });

  test('only this market is cancelled, never the account', async () => {
    const { venue, server } = await world({ orders: [{ side: 'BUY', price: '220', qty: '0.1' }] });
    await venue.cancelAll();
    expect(bodies(server, 'cancel')).toEqual([{ markets: [MARKET] }]);
    expect(server.truth().orders).toBe(0);
  });

  test('account, market and fees are read when it is opened, so that a stop does not wait for them', async () => {
    const { server } = await world({});
    await expect.poll(() => server.seen.map((s) => s.endpoint)).toEqual(['account', 'markets', 'fees']);
  });
});

describe('no order pays a builder', () => {
  test.each(['testnet', 'mainnet'] as const)('%s', async (environment) => {
    const { venue, server } = await world({ position: '0.42', environment });
    expect(await venue.close(ORDER)).toMatchObject({ known: true, value: { status: 'filled' } });
    const [body] = bodies(server, 'order');
    expect(body).toMatchObject({ fee: '0.0005' });
    expect(body).not.toHaveProperty('builderId');
    expect(Number(body?.['builderFee'] ?? 0)).toBe(0);
  });

  test('ccxt left to itself would: the trap is still there', async () => {
    const Exchange = await loadExchangeClass('extended');
    if (!Exchange.ok) throw new Error(Exchange.problem.message);
    expect(new Exchange.value({}).options).toMatchObject({ builderFeeRate: '0.0001', builderId: '257624' });
  });
});

describe('testnet and mainnet', () => {
  const keys = { apiKey: ACCOUNT.apiKey, privateKey: ACCOUNT.privateKey, url: null, timeoutMs: 100 };
  test.each([
    ['testnet', 'https://api.starknet.sepolia.{hostname}', 'SN_SEPOLIA'],
    ['mainnet', 'https://api.starknet.{hostname}', 'SN_MAIN'],
  ] as const)('%s is at its own address, with its own chain id', async (environment, rest, chainId) => {
    const Exchange = await loadExchangeClass('extended');
    if (!Exchange.ok) throw new Error(Exchange.problem.message);
    const exchange = openExtended(Exchange.value, { ...keys, environment });
    expect(exchange?.urls.api).toEqual({ rest });
    expect(exchange?.options).toMatchObject({ chainId, builderFeeRate: '0' });
  });

  test('a version whose test address is not one of the test network is not used', async () => {
    const Exchange = await loadExchangeClass('extended');
    if (!Exchange.ok) throw new Error(Exchange.problem.message);
    class Moved extends Exchange.value {
      constructor(config: Record<string, unknown>) {
        super({ ...config, urls: { test: { rest: 'https://api.starknet.{hostname}' } } });
      }
    }
    expect(openExtended(Moved, { ...keys, environment: 'testnet' })).toBeNull();
  });
});

test('without ccxt it is said what to install', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-no-ccxt-'));
  const outfile = join(dir, 'module.mjs');
  const entry = join(import.meta.dirname, '..', '..', 'src', 'adapters', 'ccxt-module.ts');
  await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' });
  const script = `const { loadExchangeClass } = await import(${JSON.stringify(outfile)});
    console.log(JSON.stringify(await loadExchangeClass('extended')));`;
  const { stdout } = await promisify(execFile)('node', ['--input-type=module', '-e', script], { cwd: dir });
  rmSync(dir, { recursive: true });
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    problem: { code: 'ccxt-missing', hint: 'npm install ccxt@^4.5.84 next to mmfleet' },
  });
});

test('an order signed for the other network is refused', async () => {
  const { server, venue } = await world({ position: '0.42', environment: 'mainnet' });
  expect(await venue.close(ORDER)).toMatchObject({ known: true });
  // The same venue, opened as a testnet instance would: its chain id is another.
  const opened = createCcxtVenue({
    driver: driver(server.url),
    market: MARKET,
    secrets: SECRETS,
    environment: 'testnet',
    clock: systemClock,
  });
  if (!opened.ok) throw new Error(opened.problem.message);
  expect(reasonIn(await opened.value.close({ ...ORDER, clientId: `${ORDER.clientId}9` }))).toContain('code 1101');
});

describe('a reply that is not to be believed is unknown, never zero or empty', () => {
  const lies: [FaultyReply, string][] = [
    ['empty-body', 'empty reply'],
    ['html', 'reply is not JSON'],
    ['null', 'reply is not JSON'],
    ['null-data', 'no data in the reply'],
    ['missing-data', 'no data in the reply'],
    ['no-status', 'status is not OK'],
    ['cut-off', 'reply is not JSON'],
    ['http-429', 'rate limited'],
    ['http-429-body', 'rate limited'],
    ['http-500', 'refused with code 1006 (HTTP 500)'],
    ['http-503-html', 'HTTP 503'],
    ['http-404', 'HTTP 404'],
    ['hang', 'timed out'],
    ['stalls', 'timed out'],
    [{ error: { status: 400, code: 1001 } }, 'refused with code 1001 (HTTP 400)'],
    [{ error: { status: 200, code: 1006 } }, 'refused with code 1006 (HTTP 200)'],
    [{ error: { status: 403, code: 1009 } }, 'API key refused'],
    ['wrong-account', 'another account'],
    ['wrong-market', 'another market'],
  ];
  test.each(lies)('%j: %s', async (reply, want) => {
    const faults = (['positions', 'orders'] as const).map((on) => ({ on, reply, times: 'always' as const }));
    const given = { position: '0.1', orders: [{ side: 'BUY' as const, price: '220', qty: '1' }], faults };
    const { venue } = await world({ ...given, ...(isSilent(reply) ? { timeoutMs: 300 } : {}) });
    expect(reasonIn(await venue.position())).toContain(want);
    expect(reasonIn(await venue.openOrders())).toContain(want);
  });

  test('a reply without end is cut off', async () => {
    const { venue } = await world({ faults: [{ on: 'positions', reply: 'endless' }] });
    expect(reasonIn(await venue.position())).toBe('reply too large');
  });

  test('a side nobody knows', async () => {
    const { venue } = await world({ position: '0.1', faults: [{ on: 'positions', reply: 'unknown-side' }] });
    expect(reasonIn(await venue.position())).toBe('position with an unknown side');
  });

  test('rows of size zero are zero, beside a position they are nothing', async () => {
    const faults = [{ on: 'positions', reply: 'zero-rows', times: 'always' } as const];
    const flat = await world({ position: '0', faults });
    expect(await flat.venue.position()).toMatchObject({ known: true, value: { position: '0' } });
    const short = await world({ position: '-2.50', faults });
    expect(await short.venue.position()).toMatchObject({ known: true, value: { position: '-2.5' } });
  });

  test('an order that cannot be found is not an order that did nothing', async () => {
    const faults = [
      { on: 'order', reply: 'lost' } as const,
      { on: 'lookup', reply: 'not-found', times: 'always' } as const,
    ];
    const { venue, server } = await world({ position: '0.42', faults });
    expect(reasonIn(await venue.close(ORDER))).toBe('order not known to the venue');
    expect(server.truth().position).toBe('0');
  });
});

describe('the right account, or nothing', () => {
  const cases: [string, Record<string, string>, string][] = [
    ['another vault', { ...SECRETS, MM_VAULT_ID: '1' }, 'another account: the vault differs'],
    ['another key', { ...SECRETS, MM_STARK_PUBLIC_KEY: '0x1' }, 'another account: the public key differs'],
    ['an API key of nobody', { ...SECRETS, MM_API_KEY: 'somebody-elses-key' }, 'account: API key refused'],
    [
      'nothing to compare with',
      { MM_API_KEY: ACCOUNT.apiKey, MM_STARK_PRIVATE_KEY: ACCOUNT.privateKey },
      'neither vault nor public key is among the secrets: the account cannot be checked',
    ],
  ];
  test.each(cases)('%s', async (_, secrets, want) => {
    const { venue, server } = await world({ secrets });
    for (const read of [venue.position(), venue.openOrders(), venue.cancelAll(), venue.close(ORDER)])
      expect(reasonIn(await read)).toBe(want);
    expect(new Set(server.seen.map((s) => s.endpoint))).toEqual(new Set(['account']));
  });

  test('a market the venue does not list is not a flat one', async () => {
    const { venue } = await world({ market: 'AMZM-USD' });
    expect(reasonIn(await venue.position())).toBe('the venue does not list this market');
  });
});

describe('refusals by the venue say what they mean', () => {
  const refused = (code: number, status = 400) => ({ on: 'order', reply: { error: { status, code } } }) as const;
  test.each([1120, 1121, 1124, 1136, 1137, 1138, 1141])('%i: nothing was traded, read again', async (code) => {
    const { venue, server } = await world({ position: '0.42', faults: [refused(code)] });
    expect(await venue.close(ORDER)).toMatchObject({ known: true, value: { status: 'rejected', filled: '0' } });
    expect(server.truth().position).toBe('0.42');
  });

  test('1134: it is looked up', async () => {
    const faults = [{ ...refused(1134), carriedOut: true }];
    const { venue } = await world({ position: '0.42', faults });
    expect(await venue.close(ORDER)).toMatchObject({ known: true, value: { status: 'filled', filled: '0.42' } });
  });

  test.each([
    [1101, 'refused with code 1101 (HTTP 400)'],
    [1128, 'refused with code 1128 (HTTP 400)'],
  ])('%i: unknown with its code', async (code, want) => {
    const { venue } = await world({ position: '0.42', faults: [refused(code)] });
    expect(reasonIn(await venue.close(ORDER))).toBe(want);
  });
});

describe('key material stays inside', () => {
  test('neither the venue nor a client can be printed', async () => {
    const { venue } = await world({ secrets: { ...SECRETS, MM_STARK_PRIVATE_KEY: 'not-hex-canary-91ab' } });
    const spoken = [
      inspect(venue, { depth: 20, showHidden: true }),
      JSON.stringify(venue),
      reasonIn(await venue.close(ORDER)),
      reasonIn(await venue.position()),
    ].join('\n');
    for (const secret of ['not-hex-canary-91ab', ...Object.values(SECRETS)]) expect(spoken).not.toContain(secret);
    expect(spoken).toContain('the order cannot be signed');
  });

  test('the client itself prints as its name', async () => {
    const Exchange = await loadExchangeClass('extended');
    if (!Exchange.ok) throw new Error(Exchange.problem.message);
    const config = { apiKey: ACCOUNT.apiKey, privateKey: ACCOUNT.privateKey };
    const client = createClient(Exchange.value, { config, timeoutMs: 100 });
    for (const text of [inspect(client), JSON.stringify(client), inspect({ client }, { depth: 9 })]) {
      expect(text).toContain('[ccxt extended]');
      expect(text).not.toContain(ACCOUNT.privateKey);
      expect(text).not.toContain(ACCOUNT.apiKey);
    }
  });

  test.each([
    ['apiKey', 'MM_API_KEY'],
    ['privateKey', 'MM_STARK_PRIVATE_KEY'],
  ])('a missing %s is a problem that names the key', (field, name) => {
    const { [name]: _, ...secrets } = SECRETS;
    const opened = openOffline({ secrets });
    expect(opened).toMatchObject({ ok: false, problem: { code: 'venue-key-missing' } });
    expect(JSON.stringify(opened)).toContain(`venue.ccxt.${field}: ${name} is not among`);
  });
});

test('an environment that is neither testnet nor mainnet opens nothing', () => {
  expect(openOffline({ environment: 'staging' })).toMatchObject({ ok: false, problem: { code: 'venue-environment' } });
});

describe('what validate can say about an exchange', () => {
  const cases: [string, string[]][] = [
    ['extended', []],
    ['binance', ['ccxt-unified']],
    ['bitstamp', ['ccxt-not-provable']],
    ['nosuchexchange', ['ccxt-unknown-exchange']],
    ['../../../../etc/passwd', ['ccxt-unknown-exchange']],
  ];
  test.each(cases)('%s: %j', async (exchange, want) => {
    expect((await ccxtProblems(exchange)).map((p) => p.code)).toEqual(want);
  });
});

test('one exchange file is loaded, not the whole library', async () => {
  const script = `
    const before = process.memoryUsage().rss;
    await import(new URL('./src/extended.js', import.meta.resolve('ccxt')));
    console.log(process.memoryUsage().rss - before);`;
  const cwd = `${import.meta.dirname}/../..`;
  const { stdout } = await promisify(execFile)('node', ['--input-type=module', '-e', script], { cwd });
  expect(Number(stdout)).toBeGreaterThan(0);
  expect(Number(stdout)).toBeLessThan(70 * 1024 * 1024);
});

function driver(url: string | null) {
  return {
    kind: 'ccxt',
    exchange: 'extended',
    apiKey: 'MM_API_KEY',
    privateKey: 'MM_STARK_PRIVATE_KEY',
    vaultId: 'MM_VAULT_ID',
    publicKey: 'MM_STARK_PUBLIC_KEY',
    url,
    timeoutMs: 20_000,
  } as const;
}

/** Opened far from any network: port 9 of the loopback address answers nobody. */
function openOffline(over: { secrets?: Record<string, string>; environment?: string }) {
  return createCcxtVenue({
    driver: driver('http://127.0.0.1:9'),
    market: MARKET,
    secrets: over.secrets ?? SECRETS,
    environment: over.environment ?? 'testnet',
    clock: systemClock,
  });
}
