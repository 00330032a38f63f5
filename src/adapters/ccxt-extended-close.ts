/** One closing order on Extended: looked up before and after, sent at most once, checked before it leaves. */
import { Decimal } from '../core/decimal.ts';
import type { Clock, CloseResult } from '../core/ports.ts';
import { type Known, known, unknown } from '../core/problem.ts';
import { type Outcome, reasonOf } from './ccxt-client.ts';
import { type Account, dataOf, type OwnOrder, readOwnOrder, rowsOf } from './ccxt-extended-rows.ts';
import type { ExtendedExchange } from './ccxt-module.ts';

export type ClosingOrder = {
  market: string;
  side: 'buy' | 'sell';
  size: string;
  limitPrice: string;
  clientId: string;
  /** Highest fee rate accepted. */
  fee: string;
};

export type CloseDeps = {
  call: (run: (ex: ExtendedExchange) => Promise<unknown>) => Promise<Outcome>;
  account: Account;
  /** Client ids the venue said it took: never sent again. */
  acknowledged: Set<string>;
  clock: Clock;
};

export type Closed = CloseResult & { feeUsd: Decimal };

const DUPLICATE = 1134;
/**
 * Refusals that say for sure that nothing was traded: quantity and price rules (1120-1125, 1141), more than the position
 * (1136: read it again), no position (1137) or one on the other side (1138).
 */
const NOTHING_TRADED = new Set([1120, 1121, 1122, 1123, 1124, 1125, 1136, 1137, 1138, 1141]);
const LOOKS = 5;
const LOOK_AGAIN_MS = 200;

/** Known once the order is final; anything else is unknown and may be asked again with the same client id. */
export async function closeOnExtended(deps: CloseDeps, order: ClosingOrder): Promise<Known<Closed>> {
  const { call, acknowledged, clock } = deps;
  const before = await lookUp(deps, order);
  if (!before.known) return before;
  if (before.value !== null || acknowledged.has(order.clientId)) return settled(deps, order);

  const request = await signed(deps, order);
  if (typeof request === 'string') return unknown(request);
  const sent = await call((ex) => ex.v1PrivatePostUserOrder(request));
  if (dataOf(sent, clock.nowMs()).known) acknowledged.add(order.clientId);
  if (sent.kind === 'refused' && isRefusal(sent.httpStatus) && sent.code !== null && sent.code !== DUPLICATE) {
    return NOTHING_TRADED.has(sent.code)
      ? known({ ...nothing(order.clientId), feeUsd: new Decimal(0) }, clock.nowMs())
      : unknown(reasonOf(sent));
  }
  // Accepted, a duplicate, or nobody knows: the client id says which.
  return settled(deps, order);
}

/** Reads our order until it is final. */
async function settled(deps: CloseDeps, order: ClosingOrder): Promise<Known<Closed>> {
  let last: Known<Closed> = unknown('order not looked up');
  for (let look = 0; look < LOOKS; look += 1) {
    if (look > 0) await deps.clock.sleep(LOOK_AGAIN_MS);
    const found = await lookUp(deps, order);
    if (!found.known) last = found;
    else if (found.value === null) last = unknown('order not known to the venue');
    else if (found.value.result === null) last = unknown('order not final');
    else return known({ ...found.value.result, feeUsd: found.value.feeUsd }, found.asOfMs);
  }
  return last;
}

/** null = the venue has no such order. */
async function lookUp({ call, clock }: CloseDeps, { clientId, market }: ClosingOrder): Promise<Known<OwnOrder | null>> {
  const outcome = await call((ex) => ex.v1PrivateGetUserOrdersExternalExternalId({ externalId: clientId }));
  // Only a refusal in the venue's own words is "not found"; a bare 404 may be anything on the way.
  if (outcome.kind === 'refused' && outcome.httpStatus === 404 && outcome.code !== null)
    return known(null, clock.nowMs());
  const rows = rowsOf(outcome, clock.nowMs());
  if (!rows.known) return unknown(`order: ${rows.reason}`);
  const order = readOwnOrder(rows.value, market, clientId);
  return typeof order === 'string' ? unknown(order) : known(order, rows.asOfMs);
}

/** The signed body, or why it must not be sent: ccxt rounds and adds fees, so that what it made is compared. */
async function signed({ call, account }: CloseDeps, order: ClosingOrder): Promise<Record<string, unknown> | string> {
  const made = await call(async (ex) => {
    ex.options['account'] = { l2Key: account.l2Key, l2Vault: account.l2Vault };
    const params = { clientOrderId: order.clientId, reduceOnly: true, timeInForce: 'IOC', fee: order.fee };
    return ex.createExtendedOrderRequest(order.market, 'market', order.side, order.size, order.limitPrice, params);
  });
  if (made.kind !== 'replied') return 'the order cannot be signed (is the private key a hex number?)';
  const { request } = made.body as { request: Record<string, unknown> };
  const same =
    request['id'] === order.clientId &&
    request['market'] === order.market &&
    request['side'] === order.side.toUpperCase() &&
    request['reduceOnly'] === true &&
    request['timeInForce'] === 'IOC' &&
    equal(request['qty'], order.size) &&
    equal(request['price'], order.limitPrice);
  if (!same) return 'ccxt made another order than was asked for: not sent';
  if (request['builderId'] !== undefined || !equal(request['builderFee'] ?? '0', '0'))
    return 'ccxt added a builder fee: not sent';
  return request;
}

function equal(found: unknown, want: string): boolean {
  return typeof found === 'string' && /^\d+(\.\d+)?$/.test(found) && new Decimal(found).eq(want);
}

/** A client error other than "too slow" and "too often" comes before any trade. */
function isRefusal(httpStatus: number): boolean {
  return httpStatus < 500 && httpStatus !== 408 && httpStatus !== 429;
}

function nothing(clientId: string): CloseResult {
  return { clientId, status: 'rejected', filled: '0', averagePrice: null, costUsd: '0' };
}
