/** The model bot's journal as the reader would give it: events without the text in between. */
import type { JournalEvent } from '../../../src/core/journal/types.ts';
import { usd } from '../../../src/shell/demo/model/bot.ts';
import type { Second } from '../../../src/shell/demo/model/market.ts';
import type { Bot, Happened, Sink } from '../../../src/shell/demo/model/state.ts';

/** One run's journal; `null` where nobody reads it. */
export type RunJournal = {
  sink: Sink | null;
  announce(ts: number, maxPosition: string): void;
  beat(bot: Bot, second: Second): void;
};

/** Gives what happens in the run to `observe`, in order. */
export function runJournal(runId: string, observe: ((event: JournalEvent) => void) | null): RunJournal {
  if (observe === null) return { sink: null, announce: () => {}, beat: () => {} };
  let trades = 0;
  return {
    sink: (bot, second, happened) => {
      if (happened.kind === 'fill') trades += 1;
      const event = eventOf(runId, trades, bot, second, happened);
      if (event !== null) observe(event);
    },
    announce: (ts, maxPosition) => observe(runStart(runId, ts, maxPosition)),
    beat: (bot, second) => beat(runId, bot, second, observe),
  };
}

function eventOf(runId: string, trade: number, bot: Bot, second: Second, happened: Happened): JournalEvent | null {
  const { sign, level } = happened.quote;
  switch (happened.kind) {
    case 'fill':
      return fillEvent(runId, trade, bot, second, happened);
    case 'failed':
      return { ...common(runId, second, 0.6), type: 'error', stackTraceHash: '0a1b2c3d4e5f' };
    case 'placed':
      return {
        ...common(runId, second, 0.6),
        mid: usd(bot.market, second.mid),
        type: 'order_placed',
        side: sign > 0 ? 'buy' : 'sell',
        level,
        spreadBps: second.spread,
      };
    case 'rejected':
      return { ...common(runId, second, 0.7), type: 'rejection', reason: 'POST_ONLY_FAILED', postOnly: true };
    case 'cancelled':
      return { ...common(runId, second, 0.5), type: 'order_cancelled', reason: happened.reason };
    case 'moving':
      return null;
  }
}

function fillEvent(
  runId: string,
  trade: number,
  { market, position, settings }: Bot,
  second: Second,
  { quote, feeUsd }: Extract<Happened, { kind: 'fill' }>,
): JournalEvent {
  const mid = usd(market, second.mid);
  const price = usd(market, quote.price);
  return {
    ...common(runId, second, 0.2),
    mid,
    position: String(position),
    type: 'fill',
    tradeId: `${runId}-${trade}`,
    side: quote.sign > 0 ? 'buy' : 'sell',
    sideText: quote.sign > 0 ? 'BUY' : 'SELL',
    price: String(price),
    qty: String(settings.orderQty),
    fee: String(feeUsd),
    isTaker: false,
    level: quote.level,
    edgeBps: null,
    edgeRecomputedBps: (quote.sign * (mid - price) * 1e4) / mid,
    bestBid: null,
    bestAsk: null,
    spreadBps: second.spread,
    quoteLifetimeMs: null,
  };
}

function beat(runId: string, bot: Bot, second: Second, observe: (event: JournalEvent) => void): void {
  if (second.ts % 30 !== 0) return;
  const position = String(bot.position);
  observe({ ...common(runId, second, 0.8), position, type: 'heartbeat', activeOrders: bot.slots.length });
  if (second.ts % 60 !== 0) return;
  observe({
    ...common(runId, second, 0.9),
    position,
    mid: usd(bot.market, second.mid),
    type: 'snapshot',
    activeOrders: bot.slots.length,
    circuitOpen: second.ts < bot.brokenUntil,
    bestBid: null,
    bestAsk: null,
    spreadBps: second.spread,
  });
}

function runStart(runId: string, ts: number, maxPosition: string): JournalEvent {
  return {
    ts,
    runId,
    market: '',
    position: '0',
    mid: null,
    type: 'run_start',
    environment: 'testnet',
    config: { max_position_size: maxPosition },
    tickSize: null,
    minOrderSize: null,
    sizeStep: null,
    envFile: null,
  };
}

/** Within a second: takers first, then what the bot does about it. */
function common(runId: string, second: Second, offset: number) {
  return {
    ts: second.ts + offset,
    runId,
    market: '',
    position: null as string | null,
    mid: null as number | null,
  };
}
