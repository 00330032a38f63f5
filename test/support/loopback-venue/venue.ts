/** A loopback HTTP server with the REST shapes of Extended that ccxt uses, over the demo's ledger, with scripted faults. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Decimal, plain } from '../../../src/core/decimal.ts';
import {
  type ClientOrder,
  cancelMarket,
  closeReduceOnly,
  type Ledger,
  type LedgerMarket,
  openLedger,
} from '../../../src/shell/demo/venue-ledger.ts';
import type { Endpoint, Fault, FaultyReply, Scenario, VenueEvent } from './scenario.ts';
import { ACCOUNT, L2_CONFIG, signatureCheck } from './stark.ts';

export const MARKET = 'AMZN-USD';
export type Seen = { endpoint: Endpoint; url: string; headers: IncomingMessage['headers']; body: unknown };

const MARK = '221.2';
/** Ids beyond 2^53, as the real venue's: a plain JSON.parse would change them. */
const FIRST_ID = 1_775_511_783_722_512_384n;

type Reply = { status: number; body: string };

export type LoopbackVenue = Awaited<ReturnType<typeof startLoopbackVenue>>;

/** Listens on a free port of 127.0.0.1; `truth` is what it really holds, `trades` what really traded. */
export async function startLoopbackVenue(
  scenario: Pick<Scenario, 'position' | 'orders' | 'book' | 'faults'>,
  chainId: 'SN_SEPOLIA' | 'SN_MAIN' = 'SN_SEPOLIA',
) {
  const ledger = openLedger();
  const market = openMarket(ledger, scenario);
  const isSigned = await signatureCheck(chainId);
  const counts = new Map<Endpoint, number>();
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await textOf(request);
    const url = new URL(request.url ?? '/', 'http://localhost');
    const endpoint = endpointOf(`${request.method} ${url.pathname}`);
    if (endpoint === null) return send(response, error(404, 1000, 'No such endpoint'));
    const body: unknown = text === '' ? null : JSON.parse(text);
    seen.push({ endpoint, url: `${url.pathname}${url.search}`, headers: request.headers, body });
    const count = (counts.get(endpoint) ?? 0) + 1;
    counts.set(endpoint, count);
    const due = scenario.faults.filter((fault) => isDue(fault, endpoint, count));
    for (const { before } of due) if (before !== undefined) happen(ledger, market, before);
    const fault = due.find((one) => one.reply !== undefined);
    const isKnown = PUBLIC.has(endpoint) || request.headers['x-api-key'] === ACCOUNT.apiKey;
    const carriesOut = fault?.carriedOut ?? isCarriedOut(fault?.reply);
    const refused = isKnown ? error(500, 1006, 'Application error') : error(401, 1002, 'Unauthorized');
    const reply = isKnown && carriesOut ? answer(endpoint, url, body) : refused;
    for (const { after } of due) if (after !== undefined) happen(ledger, market, after);
    await sendFaulty(response, fault?.reply, reply, { endpoint, market });
  }

  function answer(endpoint: Endpoint, url: URL, body: unknown): Reply {
    const asked = url.searchParams.get('market');
    switch (endpoint) {
      case 'account':
        return ok({ ...ACCOUNT_ROW });
      case 'markets':
        return ok(asked === null || asked === MARKET ? [marketRow(market)] : []);
      case 'fees':
        return ok([{ market: MARKET, makerFeeRate: '0.00000', takerFeeRate: '0.00025', builderFeeRate: '0.0001' }]);
      case 'positions':
        return ok(asked === MARKET && !market.position.isZero() ? [positionRow(market)] : []);
      case 'orders':
        return ok(asked === MARKET ? market.orders.map((order) => openOrderRow(order)) : []);
      case 'book':
        return ok(bookOf(market));
      case 'cancel': {
        const wanted = (body as { markets?: string[]; cancelAll?: boolean }).markets ?? [];
        for (const name of wanted) cancelMarket(ledger, name);
        return ok({});
      }
      case 'order':
        return place(body as Record<string, unknown>);
      case 'lookup': {
        const found = ledger.clientOrders.get(decodeURIComponent(url.pathname.split('/').at(-1) ?? ''));
        return ok(found === undefined ? [] : [ownOrderRow(found)]);
      }
    }
  }

  function place(body: Record<string, unknown>): Reply {
    if (body['reduceOnly'] !== true || body['timeInForce'] !== 'IOC' || body['market'] !== MARKET)
      return error(400, 1133, 'Invalid order parameters');
    if (!isSigned(body)) return error(400, 1101, 'Invalid Starknet signature');
    const price = String(body['price']);
    if (!new Decimal(price).mod(market.tick).isZero()) return error(400, 1125, 'Invalid price precision');
    const placed = closeReduceOnly(ledger, {
      externalId: String(body['id']),
      market: MARKET,
      side: body['side'] === 'BUY' ? 'BUY' : 'SELL',
      qty: String(body['qty']),
      price,
    });
    if ('code' in placed) return error(400, placed.code, placed.message);
    return ok({ id: bigId(placed.id), externalId: placed.externalId });
  }

  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    /** Something happens at the venue now. */
    happen: (event: VenueEvent) => happen(ledger, market, event),
    truth: () => ({ position: plain(market.position), orders: market.orders.length }),
    trades: () => [...ledger.clientOrders.values()].filter((order) => order.filledQty !== '0'),
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

const PUBLIC = new Set<Endpoint>(['markets', 'book']);

const ACCOUNT_ROW = {
  accountId: ACCOUNT.accountId,
  description: 'Main account',
  accountIndex: 0,
  status: 'ACTIVE',
  l2Key: ACCOUNT.l2Key,
  l2Vault: ACCOUNT.l2Vault,
};

function openMarket(ledger: Ledger, { position, orders, book }: Pick<Scenario, 'position' | 'orders' | 'book'>) {
  const depth = book ?? { bids: [['221.1', '1000']], asks: [['221.3', '1000']] };
  const market: LedgerMarket = {
    market: MARKET,
    tick: '0.1',
    sizeStep: '0.01',
    minSize: '0.01',
    bid: depth.bids[0]?.[0] ?? '221.1',
    ask: depth.asks[0]?.[0] ?? '221.3',
    position: new Decimal(position),
    orders: [],
    depth: { bids: [...depth.bids], asks: [...depth.asks] },
    lastReport: { runId: '', n: 0 },
    memory: null,
  };
  ledger.markets.set(MARKET, market);
  for (const rest of orders) happen(ledger, market, { rest });
  return market;
}

function happen(ledger: Ledger, market: LedgerMarket, event: VenueEvent): void {
  if ('set' in event) market.position = new Decimal(event.set);
  else if ('fill' in event) {
    const { side, qty } = event.fill;
    market.position = side === 'BUY' ? market.position.plus(qty) : market.position.minus(qty);
  } else {
    const id = String(ledger.nextId++);
    market.orders.push({ id, externalId: `bot-${id}`, ...event.rest });
  }
}

function isDue({ on, from = 1, times = 1 }: Fault, endpoint: Endpoint, count: number): boolean {
  return on === endpoint && count >= from && (times === 'always' || count < from + times);
}

/** Whether the venue does what was asked although it does not say so. */
function isCarriedOut(reply: FaultyReply | undefined): boolean {
  if (typeof reply === 'object') return 'slow' in reply;
  return reply === undefined || !/^(hang|ignored|http-)/.test(reply);
}

function endpointOf(route: string): Endpoint | null {
  if (/^GET \/api\/v1\/user\/orders\/external\/[^/]+$/.test(route)) return 'lookup';
  if (route === `GET /api/v1/info/markets/${MARKET}/orderbook`) return 'book';
  const routes: Record<string, Endpoint> = {
    'GET /api/v1/user/account/info': 'account',
    'GET /api/v1/info/markets': 'markets',
    'GET /api/v1/user/fees': 'fees',
    'GET /api/v1/user/positions': 'positions',
    'GET /api/v1/user/orders': 'orders',
    'POST /api/v1/user/order/massCancel': 'cancel',
    'POST /api/v1/user/order': 'order',
  };
  return routes[route] ?? null;
}

function marketRow(market: LedgerMarket): object {
  return {
    name: MARKET,
    category: 'Equities',
    assetName: 'AMZN',
    assetPrecision: 2,
    collateralAssetName: 'USD',
    collateralAssetPrecision: 6,
    active: true,
    status: 'ACTIVE',
    marketStats: { bidPrice: market.bid, askPrice: market.ask, markPrice: MARK },
    tradingConfig: {
      minOrderSize: market.minSize,
      minOrderSizeChange: market.sizeStep,
      minPriceChange: market.tick,
      maxLeverage: '20.00',
      limitPriceCap: '0.05',
      limitPriceFloor: '0.05',
    },
    l2Config: L2_CONFIG,
  };
}

function positionRow(market: LedgerMarket): object {
  return {
    id: 1,
    accountId: ACCOUNT.accountId,
    market: MARKET,
    side: market.position.gt(0) ? 'LONG' : 'SHORT',
    size: plain(market.position.abs()),
    markPrice: market.bid,
  };
}

function openOrderRow(order: LedgerMarket['orders'][number]): object {
  return {
    ...order,
    id: bigId(order.id),
    accountId: ACCOUNT.accountId,
    market: MARKET,
    type: 'LIMIT',
    status: 'NEW',
    filledQty: '0',
    reduceOnly: false,
    postOnly: true,
  };
}

function ownOrderRow(order: ClientOrder): object {
  return {
    id: bigId(order.id),
    externalId: order.externalId,
    accountId: ACCOUNT.accountId,
    market: MARKET,
    type: 'MARKET',
    side: order.side,
    status: order.status,
    qty: order.qty,
    filledQty: order.filledQty,
    averagePrice: order.averagePrice ?? '0',
    payedFee: order.fee,
    reduceOnly: true,
  };
}

function bookOf({ depth }: LedgerMarket): object {
  const levels = (side: [string, string][] = []) => side.map(([price, qty]) => ({ price, qty }));
  return { market: MARKET, bid: levels(depth?.bids), ask: levels(depth?.asks) };
}

const bigId = (id: string) => `#${FIRST_ID + BigInt(id)}#`;

function ok(data: unknown): Reply {
  return { status: 200, body: json({ status: 'OK', data }) };
}

function error(status: number, code: number, message: string): Reply {
  return { status, body: json({ status: 'ERROR', error: { code, message } }) };
}

function json(value: unknown): string {
  return JSON.stringify(value).replaceAll(/"#(\d+)#"/g, '$1');
}

async function sendFaulty(
  response: ServerResponse,
  faulty: FaultyReply | undefined,
  reply: Reply,
  at: { endpoint: Endpoint; market: LedgerMarket },
): Promise<void> {
  if (faulty === undefined) return send(response, reply);
  if (typeof faulty === 'object') {
    if ('error' in faulty) return send(response, error(faulty.error.status, faulty.error.code, 'scripted'));
    await new Promise((done) => setTimeout(done, faulty.slow));
    return send(response, reply);
  }
  const html = '<html><body>Service temporarily unavailable</body></html>';
  switch (faulty) {
    case 'empty-body':
      return send(response, { status: 200, body: '' });
    case 'html':
      return send(response, { status: 200, body: html });
    case 'null':
      return send(response, { status: 200, body: 'null' });
    case 'null-data':
      return send(response, { status: 200, body: '{"status":"OK","data":null}' });
    case 'missing-data':
      return send(response, { status: 200, body: '{"status":"OK"}' });
    case 'no-status':
      return send(response, { status: 200, body: '{"data":[]}' });
    case 'cut-off':
      return send(response, { status: 200, body: '{"status":"OK","data":[' });
    case 'http-429':
      return send(response, { status: 429, body: '' });
    case 'http-429-body':
      return send(response, error(429, 1429, 'Too many requests'));
    case 'http-500':
      return send(response, error(500, 1006, 'Application error'));
    case 'http-503-html':
      return send(response, { status: 503, body: html });
    case 'http-404':
      return send(response, { status: 404, body: html });
    case 'not-found':
      return send(response, ok([]));
    case 'ignored':
      return send(response, ok({}));
    case 'hang':
    case 'lost':
      return; // the client gives up
    case 'stalls':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"status":"OK","data":[');
      return;
    case 'endless': {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = () => {
        while (!response.destroyed && response.write(' '.repeat(1_048_576)));
      };
      response.on('drain', more);
      return more();
    }
    case 'wrong-account':
      return send(response, {
        ...reply,
        body: reply.body
          .replaceAll(`"accountId":${ACCOUNT.accountId}`, '"accountId":9999')
          .replaceAll(`"l2Vault":"${ACCOUNT.l2Vault}"`, '"l2Vault":"600600"'),
      });
    case 'wrong-market':
      return send(response, { ...reply, body: reply.body.replaceAll(MARKET, 'TSLA-USD') });
    case 'unknown-side':
      return send(response, { ...reply, body: reply.body.replaceAll(/"side":"\w+"/g, '"side":"BOTH"') });
    case 'zero-rows':
      return send(
        response,
        at.market.position.isZero()
          ? ok([{ ...positionRow(at.market), size: '0.00' }])
          : ok([positionRow(at.market), { ...positionRow(at.market), size: '0' }]),
      );
  }
}

function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, { 'content-type': 'application/json' });
  response.end(reply.body);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
