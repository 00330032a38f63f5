/** Extended through ccxt's raw endpoints: ccxt signs and sends, every reply is checked here. */
import { randomInt } from 'node:crypto';
import { Decimal, plain } from '../core/decimal.ts';
import type { Clock, CloseResult, VenuePort } from '../core/ports.ts';
import { type Known, known, type Result, unknown } from '../core/problem.ts';
import { attempt, createClient, type Outcome, reportByStatus } from './ccxt-client.ts';
import { type ClosingOrder, closeOnExtended } from './ccxt-extended-close.ts';
import {
  type Account,
  dataOf,
  type ExpectedAccount,
  type Row,
  readAccount,
  readBook,
  readOrders,
  readPosition,
  readRules,
  readTakerFee,
  rowsOf,
} from './ccxt-extended-rows.ts';
import type { CcxtExchangeClass, ExtendedExchange } from './ccxt-module.ts';

export type ExtendedOptions = {
  market: string;
  apiKey: string;
  /** Hex. */
  privateKey: string;
  account: ExpectedAccount;
  environment: 'testnet' | 'mainnet';
  /** Address of a loopback venue; null = the exchange's own. */
  url: string | null;
  timeoutMs: number;
  rateLimitMs?: number;
  clock: Clock;
};

/** What orders and reads need once: the right account, on a market that exists; its fee where it can be read. */
export type Ready = { account: Account; takerFee: string | null };

/** Before the fee of the account is known: ccxt's own default, above every tier of takers. */
const DEFAULT_FEE = '0.0005';

/** One market. It starts to read account, market and fees at once, so that they are there when a stop needs them. */
export function createExtendedVenue(load: Promise<Result<CcxtExchangeClass>>, options: ExtendedOptions): VenuePort {
  const { market, clock } = options;
  let touch: { bid: string | null; ask: string | null } = { bid: null, ask: null };
  const acknowledged = new Set<string>();
  const exchange = load.then((Exchange) => (Exchange.ok ? openExtended(Exchange.value, options) : null));
  const call = async (run: (ex: ExtendedExchange) => Promise<unknown>): Promise<Outcome> => {
    const ex = await exchange;
    return ex === null
      ? { kind: 'failed', reason: 'ccxt is not installed, or not in a version that can be used' }
      : attempt(() => run(ex));
  };
  const ready = once(() => warmUp(options, call));
  void ready();

  /** Reads are believed only from a key that was shown to be of the right account, on a market that exists. */
  const reading = async <T>(
    run: (ex: ExtendedExchange) => Promise<unknown>,
    read: (outcome: Outcome, at: Ready, asOfMs: number) => Known<T>,
  ): Promise<Known<T>> => {
    const at = await ready();
    if (!at.known) return at;
    const outcome = await call(run);
    return read(outcome, at.value, clock.nowMs());
  };

  return {
    evidence: 'venue',
    position: () =>
      reading(
        (ex) => ex.v1PrivateGetUserPositions({ market }),
        (outcome, { account }, asOfMs) => {
          const rows = rowsOf(outcome, asOfMs);
          if (!rows.known) return rows;
          const position = readPosition(rows.value, market, account);
          return typeof position === 'string' ? known({ market, position }, asOfMs) : unknown(position.join());
        },
      ),
    openOrders: () =>
      reading(
        (ex) => ex.v1PrivateGetUserOrders({ market }),
        (outcome, { account }, asOfMs) => {
          const rows = rowsOf(outcome, asOfMs);
          if (!rows.known) return rows;
          const orders = readOrders(rows.value, market, account);
          return typeof orders === 'string' ? unknown(orders) : known(orders, asOfMs);
        },
      ),
    // Not ccxt's cancelAllOrders: it sends `cancelAll`, which reaches the whole account.
    cancelAll: () =>
      reading(
        (ex) => ex.v1PrivatePostUserOrderMassCancel({ markets: [market] }),
        (outcome, _, asOfMs) => {
          // The venue may answer without data; what counts is the list that is read afterwards.
          const done = dataOf(outcome, asOfMs);
          const accepted = done.known || (outcome.kind === 'replied' && done.reason === 'no data in the reply');
          return accepted ? known({ canceled: null }, asOfMs) : done;
        },
      ),
    reference: async () => {
      const at = await ready();
      if (!at.known) return at;
      const row = await readMarket(market, call, clock);
      if (!row.known) return row;
      const rules = readRules(row.value);
      if (typeof rules === 'string') return unknown(rules);
      const data = dataOf(await call((ex) => ex.v1PublicGetInfoMarketsMarketOrderbook({ market })), clock.nowMs());
      if (!data.known) return data;
      const book = readBook(data.value, market, rules.band);
      if (typeof book === 'string') return unknown(book);
      touch = book;
      const { sizeStep, minSize, tick } = rules;
      return known({ ...book, sizeStep, minSize, tick }, data.asOfMs);
    },
    close: async (order) => {
      const at = await ready();
      if (!at.known) return at;
      const { limitPrice } = order;
      if (limitPrice === null) return unknown('no limit price for the closing order');
      const sent: ClosingOrder = { ...order, limitPrice, market, fee: feeOf(at.value) };
      const closed = await closeOnExtended({ call, account: at.value.account, acknowledged, clock }, sent);
      return closed.known ? known(withCost(closed.value, order.side, touch), closed.asOfMs) : closed;
    },
  };
}

/** ccxt's class set up for one account, the chain id said outright; null = not a version that can be used. */
export function openExtended(
  Exchange: CcxtExchangeClass,
  options: Omit<ExtendedOptions, 'market' | 'account' | 'clock'>,
): ExtendedExchange | null {
  try {
    const exchange = createClient(Exchange, {
      config: {
        apiKey: options.apiKey,
        privateKey: options.privateKey,
        // Outside the sandbox ccxt charges each order a builder fee unless the rate itself is zero.
        options: {
          builderFeeRate: '0',
          builderId: undefined,
          chainId: options.environment === 'testnet' ? 'SN_SEPOLIA' : 'SN_MAIN',
        },
      },
      timeoutMs: options.timeoutMs,
      ...(options.rateLimitMs === undefined ? {} : { rateLimitMs: options.rateLimitMs }),
    }) as ExtendedExchange;
    if (options.environment === 'testnet') exchange.setSandboxMode(true);
    if (options.url !== null) exchange.urls.api = { rest: options.url };
    if (!isAddressOf(options, exchange)) return null;
    reportByStatus(exchange);
    // ccxt's nonce is the second: two attempts within one would be the same order.
    exchange.nonce = () => randomInt(1, 2 ** 31 - 1);
    return typeof exchange.createExtendedOrderRequest === 'function' ? exchange : null;
  } catch {
    return null;
  }
}

/** Orders of a testnet instance never reach the real exchange, nor the other way round. */
function isAddressOf(
  { environment, url }: Pick<ExtendedOptions, 'environment' | 'url'>,
  exchange: ExtendedExchange,
): boolean {
  if (url !== null) return true;
  const { api } = exchange.urls;
  const address = typeof api === 'string' ? api : (api['rest'] ?? '');
  return address.startsWith('https://') && address.includes('sepolia') === (environment === 'testnet');
}

type Call = (run: (ex: ExtendedExchange) => Promise<unknown>) => Promise<Outcome>;

async function warmUp({ market, account: expected, clock }: ExtendedOptions, call: Call): Promise<Known<Ready>> {
  const info = dataOf(await call((ex) => ex.v1PrivateGetUserAccountInfo({})), clock.nowMs());
  if (!info.known) return unknown(`account: ${info.reason}`);
  const account = readAccount(info.value, expected);
  if (typeof account === 'string') return unknown(account);
  const row = await readMarket(market, call, clock);
  if (!row.known) return row;
  const rules = readRules(row.value);
  if (typeof rules === 'string') return unknown(rules);
  // What ccxt would load itself (and keep, also when it is empty) is given to it checked.
  const set = await call(async (ex) => {
    ex.setMarkets([ex.parseMarket(row.value)]);
    ex.options['account'] = { l2Key: account.l2Key, l2Vault: account.l2Vault };
  });
  if (set.kind !== 'replied') return unknown('ccxt cannot read the market');
  const fees = rowsOf(await call((ex) => ex.v1PrivateGetUserFees({ market })), clock.nowMs());
  return known({ account, takerFee: fees.known ? readTakerFee(fees.value, market) : null }, clock.nowMs());
}

/** The market's row; a market the venue does not list is unknown. */
async function readMarket(market: string, call: Call, clock: Clock): Promise<Known<Row>> {
  const rows = rowsOf(await call((ex) => ex.v1PublicGetInfoMarkets({ market })), clock.nowMs());
  if (!rows.known) return unknown(`market: ${rows.reason}`);
  const row = rows.value.find((r) => r['name'] === market);
  return row === undefined ? unknown('the venue does not list this market') : known(row, rows.asOfMs);
}

/** The highest fee accepted: the account's own where it is more than the default. */
function feeOf({ takerFee }: Ready): string {
  return takerFee === null ? DEFAULT_FEE : plain(Decimal.max(takerFee, DEFAULT_FEE));
}

/** USD: distance of the average price from the best price last seen on that side, plus the fee that was paid. */
function withCost(
  { feeUsd, ...result }: CloseResult & { feeUsd: Decimal },
  side: 'buy' | 'sell',
  touch: { bid: string | null; ask: string | null },
): CloseResult {
  const best = side === 'buy' ? touch.ask : touch.bid;
  if (result.averagePrice === null || best === null) return result;
  const distance = new Decimal(result.averagePrice).minus(best).abs().times(result.filled);
  return { ...result, costUsd: plain(distance.plus(feeUsd)) };
}

/** A value that is read once and kept; a failure is not kept, and two callers share one read. */
function once<T>(read: () => Promise<Known<T>>): () => Promise<Known<T>> {
  let pending: Promise<Known<T>> | null = null;
  return () => {
    pending ??= read().then((found) => {
      if (!found.known) pending = null;
      return found;
    });
    return pending;
  };
}
