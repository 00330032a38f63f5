/** Any other perpetual exchange through ccxt's unified calls, believed only where a reply can be checked. */
import { createHash } from 'node:crypto';
import { Decimal } from '../core/decimal.ts';
import type { Clock, CloseResult, VenuePort } from '../core/ports.ts';
import { type Known, known, type Problem, type Result, unknown } from '../core/problem.ts';
import { attempt, createClient, reasonOf, recordReplies } from './ccxt-client.ts';
import type { CcxtExchange, CcxtExchangeClass } from './ccxt-module.ts';
import {
  isListReply,
  readUnifiedBook,
  readUnifiedMarket,
  readUnifiedOrder,
  readUnifiedOrders,
  readUnifiedPosition,
  type UnifiedMarket,
} from './ccxt-unified-rows.ts';

export type UnifiedOptions = {
  /** The venue's own id or ccxt's symbol. */
  market: string;
  apiKey: string;
  /** The API secret, or the private key of an exchange that signs with one. */
  privateKey: string;
  environment: 'testnet' | 'mainnet';
  /** Address of a loopback venue; null = the exchange's own. */
  url: string | null;
  timeoutMs: number;
  rateLimitMs?: number;
  clock: Clock;
};

type Unified = CcxtExchange &
  Record<
    | 'loadMarkets'
    | 'fetchPositions'
    | 'fetchOpenOrders'
    | 'cancelOrder'
    | 'fetchOrderBook'
    | 'createOrder'
    | 'fetchOrder',
    (...args: unknown[]) => Promise<unknown>
  > & { market(symbol: string): unknown; precisionMode: number };

type Call = <T>(
  what: string,
  run: (ex: Unified, market: UnifiedMarket) => Promise<unknown>,
  read: (found: unknown, market: UnifiedMarket) => T | string,
) => Promise<Known<T>>;

const NEEDED = ['fetchPositions', 'fetchOpenOrders', 'cancelOrder', 'fetchOrderBook', 'createOrder', 'fetchOrder'];
const CREDENTIALS = new Set(['apiKey', 'secret', 'privateKey', 'walletAddress']);
const LOOKS = 5;
const LOOK_AGAIN_MS = 300;

/** Why an exchange cannot prove a market flat (errors), or how much less it proves than Extended (a warning). */
export function unifiedProblems(exchange: string, Exchange: CcxtExchangeClass): Problem[] {
  const lacking = lacks(Exchange);
  if (lacking.length > 0) {
    return [
      {
        code: 'ccxt-not-provable',
        message: `venue.ccxt.exchange: ${exchange} cannot prove a market flat through ccxt: no ${lacking.join(', ')}`,
        hint: 'use venue.command',
        retry: 'stalled',
      },
    ];
  }
  return [
    {
      code: 'ccxt-unified',
      message: `venue.ccxt.exchange: ${exchange} is read through ccxt's unified calls: the shape of its replies is checked, the account and stop orders are not`,
      hint: 'prove a flatten on a small position first, or use venue.command; an order that may or may not have arrived becomes a hold',
      severity: 'warning',
    },
  ];
}

/** One market of an exchange without code of its own. Reads are unknown where the raw reply shows no list. */
export function createUnifiedVenue(load: Promise<Result<CcxtExchangeClass>>, options: UnifiedOptions): VenuePort {
  const { clock } = options;
  const opened = load.then((Exchange) => (Exchange.ok ? openUnified(Exchange.value, options) : null));
  const call: Call = async (what, run, read) => {
    const at = await opened;
    if (at === null) return unknown('ccxt is not installed, or cannot prove this exchange flat');
    const market = await at.market();
    if (!market.known) return market;
    const before = at.replies.length;
    at.replies.splice(0, before);
    const outcome = await attempt(() => run(at.exchange, market.value));
    if (outcome.kind !== 'replied') return unknown(`${what}: ${reasonOf(outcome)}`);
    if (at.replies.length === 0 || at.replies.some((r) => r.status < 200 || r.status >= 300))
      return unknown(`${what}: no valid reply`);
    if ((what === 'position' || what === 'orders') && !at.replies.every((r) => isListReply(r.body)))
      return unknown(`${what}: no list in the reply`);
    const value = read(outcome.body, market.value);
    return typeof value === 'string' ? unknown(`${what}: ${value}`) : known(value, clock.nowMs());
  };
  const orders = () => call('orders', (ex, m) => ex.fetchOpenOrders(m.symbol), readUnifiedOrders);
  /** Sends that may have arrived and have no id to ask for: never repeated. */
  const lost = new Set<string>();
  const answered = new Map<string, string>();
  return {
    evidence: 'venue',
    position: async () => {
      const read = await call('position', (ex, m) => ex.fetchPositions([m.symbol]), readUnifiedPosition);
      return read.known ? known({ market: options.market, position: read.value.position }, read.asOfMs) : read;
    },
    openOrders: orders,
    // One by one: what "all" reaches differs between exchanges.
    cancelAll: async () => {
      const open = await orders();
      if (!open.known) return open;
      for (const { id } of open.value)
        await call(
          'cancel',
          (ex, m) => ex.cancelOrder(id, m.symbol),
          () => ({}),
        );
      return known({ canceled: null }, clock.nowMs());
    },
    reference: () =>
      call(
        'reference',
        (ex, m) => ex.fetchOrderBook(m.symbol, 5),
        (book, m) => {
          const best = readUnifiedBook(book);
          return typeof best === 'string' ? best : { ...best, sizeStep: m.sizeStep, minSize: m.minSize, tick: m.tick };
        },
      ),
    close: async (order) => {
      if (order.limitPrice === null) return unknown('no limit price for the closing order');
      if (lost.has(order.clientId)) return unknown('the order may have been sent; this exchange cannot say');
      if (!answered.has(order.clientId)) {
        const at = await opened;
        if (at === null) return unknown('ccxt is not installed, or cannot prove this exchange flat');
        const sent = await send(at, order, order.limitPrice);
        if (sent === 'turned-down') return known(nothing(order.clientId), clock.nowMs());
        if (sent === null) {
          lost.add(order.clientId);
          return unknown('the order may have been sent; this exchange cannot say');
        }
        answered.set(order.clientId, sent);
      }
      return settled(call, clock, order.clientId, answered.get(order.clientId) ?? '');
    },
  };
}

type Opened = {
  exchange: Unified;
  replies: { status: number; body: unknown }[];
  market(): Promise<Known<UnifiedMarket>>;
};

function openUnified(Exchange: CcxtExchangeClass, options: UnifiedOptions): Opened | null {
  try {
    if (lacks(Exchange).length > 0) return null;
    const { apiKey, privateKey } = options;
    const exchange = createClient(Exchange, {
      config: { apiKey, secret: privateKey, privateKey, walletAddress: apiKey, options: { defaultType: 'swap' } },
      timeoutMs: options.timeoutMs,
      ...(options.rateLimitMs === undefined ? {} : { rateLimitMs: options.rateLimitMs }),
    }) as Unified;
    if (options.environment === 'testnet' && options.url === null) exchange.setSandboxMode(true);
    if (options.url !== null) exchange.urls.api = everyAddress(exchange.urls.api, options.url);
    const replies = recordReplies(exchange);
    let loaded = false;
    return {
      exchange,
      replies,
      market: async () => {
        // ccxt keeps an empty or failed list of markets for ever: it is asked again until ours is in it.
        const outcome = await attempt(async () => {
          await exchange.loadMarkets(!loaded);
          return exchange.market(options.market);
        });
        if (outcome.kind !== 'replied') return unknown(`market: ${reasonOf(outcome)}`);
        const market = readUnifiedMarket(outcome.body, exchange.precisionMode);
        if (typeof market === 'string') return unknown(market);
        loaded = true;
        return known(market, options.clock.nowMs());
      },
    };
  } catch {
    return null;
  }
}

/** The venue's id of an accepted order; null = nobody knows whether it arrived. */
async function send(
  { exchange, market }: Opened,
  order: Parameters<VenuePort['close']>[0],
  limitPrice: string,
): Promise<string | 'turned-down' | null> {
  const at = await market();
  if (!at.known) return 'turned-down'; // nothing was sent
  const contracts = new Decimal(order.size).div(at.value.contractSize).toNumber();
  const outcome = await attempt(() =>
    exchange.createOrder(at.value.symbol, 'limit', order.side, contracts, new Decimal(limitPrice).toNumber(), {
      reduceOnly: true,
      timeInForce: 'IOC',
      clientOrderId: shortId(order.clientId),
    }),
  );
  if (outcome.kind === 'failed' && outcome.turnedDown === true) return 'turned-down';
  const id = outcome.kind === 'replied' ? (outcome.body as { id?: unknown } | undefined)?.id : undefined;
  return typeof id === 'string' && id !== '' ? id : null;
}

/** Exchanges allow as few as 28 characters, some letters and digits only: one id of ours is always the same id of theirs. */
function shortId(clientId: string): string {
  return `mmf${createHash('sha256').update(clientId).digest('hex').slice(0, 17)}`;
}

async function settled(call: Call, clock: Clock, clientId: string, id: string): Promise<Known<CloseResult>> {
  let last: Known<CloseResult> = unknown('order not looked up');
  for (let look = 0; look < LOOKS; look += 1) {
    if (look > 0) await clock.sleep(LOOK_AGAIN_MS);
    last = await call(
      'order',
      (ex, m) => ex.fetchOrder(id, m.symbol),
      (row, m) => readUnifiedOrder(row, m, id, clientId),
    );
    if (last.known) return last;
  }
  return last;
}

function lacks(Exchange: CcxtExchangeClass): string[] {
  const { has, requiredCredentials } = new Exchange({});
  const methods = NEEDED.filter((name) => has[name] !== true && has[name] !== 'emulated');
  const keys = Object.entries(requiredCredentials)
    .filter(([name, needed]) => needed && !CREDENTIALS.has(name))
    .map(([name]) => `way to give it ${name}`);
  return [...(has['swap'] === true ? [] : ['perpetual markets']), ...methods, ...keys];
}

function everyAddress(api: unknown, url: string): Record<string, string> | string {
  if (typeof api !== 'object' || api === null) return url;
  return Object.fromEntries(Object.entries(api).map(([name, inner]) => [name, everyAddress(inner, url)])) as Record<
    string,
    string
  >;
}

function nothing(clientId: string): CloseResult {
  return { clientId, status: 'rejected', filled: '0', averagePrice: null, costUsd: '0' };
}
