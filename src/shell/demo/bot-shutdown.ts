/** The bot's own way out: cancel, read the position, close it in a few attempts. */
import { Decimal, plain } from '../../core/decimal.ts';
import type { PyValue } from './python-json.ts';
import type { BotVenue } from './venue-client.ts';

/** A closing trade at the venue. */
export type CloseFill = { side: 'BUY' | 'SELL'; qty: string; price: string; fee: string; bid: string; ask: string };

export type FlattenReport = {
  /** The `shutdown_*` fields of `run_end.stats`. */
  stats: Record<string, PyValue>;
  position: string;
  activeOrders: number;
  fills: CloseFill[];
};

const RETRIES = 3;

/** Cancels and flattens; a second signal (`forced`) leaves the rest as it is. Never throws. */
export async function shutDown(
  venue: BotVenue,
  market: string,
  runId: string,
  forced: () => boolean,
): Promise<FlattenReport> {
  const fills: CloseFill[] = [];
  let before = '0';
  let attempts = 0;
  let reason = 'already_flat';
  let activeOrders = 0;
  try {
    await venue.post('/api/v1/user/order/massCancel', { markets: [market] });
    before = await readPosition(venue, market);
    for (let position = before; position !== '0' && attempts < RETRIES; position = await readPosition(venue, market)) {
      if (forced()) break;
      attempts += 1;
      reason = await attempt(venue, market, position, `${runId}-flatten-${attempts}`, 20 + 10 * (attempts - 1), fills);
    }
    activeOrders = ((await venue.get(`/api/v1/user/orders?market=${market}`)) as unknown[]).length;
  } catch (error) {
    reason = `exception:${error instanceof Error ? error.message : 'unknown'}`;
  }
  const after = await readPosition(venue, market).catch(() => before);
  if (forced() && after !== '0') reason = 'force_exit';
  const stats = {
    shutdown_position_before_flatten: before,
    shutdown_position_after_flatten: after,
    shutdown_flatten_enabled: true,
    shutdown_flatten_attempted: attempts > 0,
    shutdown_flatten_submitted: fills.length > 0,
    shutdown_flatten_attempts: attempts,
    shutdown_flatten_reason: attempts > 0 && after === '0' ? 'flattened' : reason,
  };
  return { stats, position: after, activeOrders, fills };
}

async function readPosition(venue: BotVenue, market: string): Promise<string> {
  const rows = (await venue.get(`/api/v1/user/positions?market=${market}`)) as { size: string; side: string }[];
  const row = rows[0];
  if (row === undefined) return '0';
  return row.side === 'LONG' ? row.size : `-${row.size}`;
}

async function attempt(
  venue: BotVenue,
  market: string,
  position: string,
  externalId: string,
  slippageBps: number,
  fills: CloseFill[],
): Promise<string> {
  const [info] = (await venue.get(`/api/v1/info/markets?market=${market}`)) as {
    marketStats: { bidPrice: string; askPrice: string };
    tradingConfig: { minPriceChange: string };
  }[];
  if (info === undefined) return 'missing_orderbook_price';
  const { bidPrice: bid, askPrice: ask } = info.marketStats;
  const tick = new Decimal(info.tradingConfig.minPriceChange);
  const side = position.startsWith('-') ? 'BUY' : 'SELL';
  const away = new Decimal(slippageBps).div(1e4);
  const steps =
    side === 'BUY'
      ? new Decimal(ask).times(away.plus(1)).div(tick).ceil()
      : new Decimal(bid).times(away.neg().plus(1)).div(tick).floor();
  const qty = plain(new Decimal(position).abs());
  const order = { id: externalId, market, type: 'MARKET', side, qty, price: plain(steps.times(tick)) };
  await venue.post('/api/v1/user/order', { ...order, reduceOnly: true, timeInForce: 'IOC' });
  const [done] = (await venue.get(`/api/v1/user/orders/external/${externalId}`)) as {
    filledQty: string;
    averagePrice: string | null;
    payedFee: string;
  }[];
  if (done === undefined || done.averagePrice === null) return 'submitted';
  fills.push({ side, qty: done.filledQty, price: done.averagePrice, fee: done.payedFee, bid, ask });
  return 'submitted';
}
