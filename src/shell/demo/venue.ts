/** The simulated venue: a loopback HTTP server with the REST shapes of Extended over an exact ledger. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { plain } from '../../core/decimal.ts';
import {
  applyReport,
  type ClientOrder,
  cancelMarket,
  closeReduceOnly,
  type Ledger,
  type LedgerMarket,
  openLedger,
  type Report,
} from './venue-ledger.ts';

export type RunningVenue = { url: string; ledger: Ledger; close(): Promise<void> };

const MAX_BODY_BYTES = 4 * 1024 * 1024;

type Reply = { status: number; body: unknown };

/** Listens on a free loopback port; every call needs the key in `X-Api-Key`. */
export async function startVenue(apiKey: string): Promise<RunningVenue> {
  const ledger = openLedger();
  const server = createServer((request, response) => {
    answer(ledger, apiKey, request).then(
      (reply) => send(response, reply),
      () => send(response, error(400, 1000, 'Malformed request')),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    ledger,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function answer(ledger: Ledger, apiKey: string, request: IncomingMessage): Promise<Reply> {
  if (request.headers['x-api-key'] !== apiKey) return error(401, 1002, 'Unauthorized');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const route = `${request.method} ${url.pathname}`;
  const market = url.searchParams.get('market');
  const lookUp = /^GET \/api\/v1\/user\/orders\/external\/([^/]+)$/.exec(route);
  if (lookUp !== null) {
    const found = ledger.clientOrders.get(decodeURIComponent(lookUp[1]!));
    return found === undefined ? error(404, 1006, 'Order not found') : ok([orderRow(found)]);
  }
  switch (route) {
    case 'GET /api/v1/user/positions':
      return ok(selected(ledger, market).flatMap(positionRow));
    case 'GET /api/v1/user/orders':
      return ok(selected(ledger, market).flatMap(openOrderRows));
    case 'GET /api/v1/info/markets':
      return ok(selected(ledger, market).map(marketRow));
    case 'POST /api/v1/user/order/massCancel': {
      const { markets } = (await json(request)) as { markets: string[] };
      return ok({ canceled: markets.reduce((sum, name) => sum + cancelMarket(ledger, name), 0) });
    }
    case 'POST /api/v1/user/order':
      return placeOrder(ledger, (await json(request)) as Record<string, unknown>);
    case 'POST /sim/v1/report': {
      const after = applyReport(ledger, (await json(request)) as Report);
      return ok({ position: plain(after.position) });
    }
    case 'GET /sim/v1/memory': {
      const found = market === null ? undefined : ledger.markets.get(market);
      return ok({ position: found === undefined ? '0' : plain(found.position), memory: found?.memory ?? null });
    }
    default:
      return error(404, 1000, 'No such endpoint');
  }
}

function placeOrder(ledger: Ledger, body: Record<string, unknown>): Reply {
  const { id, market, side, qty, price } = body;
  const texts = typeof id === 'string' && typeof market === 'string' && typeof qty === 'string';
  if (!texts || (side !== 'BUY' && side !== 'SELL')) return error(400, 1000, 'Malformed order');
  if (body['reduceOnly'] !== true || body['timeInForce'] !== 'IOC')
    return error(400, 1000, 'Only reduce-only IOC orders');
  const result = closeReduceOnly(ledger, {
    externalId: id,
    market,
    side,
    qty,
    price: typeof price === 'string' ? price : null,
  });
  if ('code' in result) return error(400, result.code, result.message);
  return ok({ id: Number(result.id), externalId: result.externalId });
}

function selected(ledger: Ledger, market: string | null): LedgerMarket[] {
  const all = [...ledger.markets.values()];
  return market === null ? all : all.filter((entry) => entry.market === market);
}

/** As the real one: a flat market has no row. */
function positionRow(entry: LedgerMarket): object[] {
  if (entry.position.isZero()) return [];
  const side = entry.position.gt(0) ? 'LONG' : 'SHORT';
  return [{ accountId: 1, market: entry.market, side, size: plain(entry.position.abs()), markPrice: entry.bid }];
}

function openOrderRows(entry: LedgerMarket): object[] {
  return entry.orders.map((order) => ({
    ...order,
    accountId: 1,
    market: entry.market,
    type: 'LIMIT',
    status: 'NEW',
    filledQty: '0',
    reduceOnly: false,
    postOnly: true,
  }));
}

function orderRow(order: ClientOrder): object {
  const { fee, ...rest } = order;
  return { ...rest, accountId: 1, type: 'MARKET', reduceOnly: true, postOnly: false, payedFee: fee };
}

function marketRow(entry: LedgerMarket): object {
  return {
    name: entry.market,
    status: 'ACTIVE',
    marketStats: { bidPrice: entry.bid, askPrice: entry.ask, markPrice: entry.bid },
    tradingConfig: { minOrderSize: entry.minSize, minOrderSizeChange: entry.sizeStep, minPriceChange: entry.tick },
  };
}

async function json(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BODY_BYTES) throw new Error('body too large');
    chunks.push(chunk as Buffer);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

function ok(data: unknown): Reply {
  return { status: 200, body: { status: 'OK', data } };
}

function error(status: number, code: number, message: string): Reply {
  return { status, body: { status: 'ERROR', error: { code, message } } };
}

function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(reply.body));
}
