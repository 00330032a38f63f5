/**
 * The simulated bot: a process of its own that reads an env file, quotes on an accelerated clock, reports to the
 * simulated venue and writes the journal in the real bot's format. `DEMO_WORLD` names the folder with the shared clock.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { plain } from '../../core/decimal.ts';
import { type JournalFile, openJournal } from './bot-journal.ts';
import { botEnv, configDump } from './bot-settings.ts';
import { type CloseFill, shutDown } from './bot-shutdown.ts';
import { gridSteps, gridText } from './grid.ts';
import { exchangeId, externalId, happeningLine, line, openRun, positionText, type Run } from './journal-lines.ts';
import type { MarketName } from './listings.ts';
import type { MarketState } from './model/market.ts';
import {
  bookOf,
  type Happening,
  holdPosition,
  joinMarket,
  leaveMarket,
  type Order,
  restingOrders,
  type Sim,
  type SimContext,
  startMarket,
  stepAlone,
  stepSim,
} from './sim.ts';
import { demoListing, demoScenario, isMarketName, marketSecond, readWorld, seedOf, type World } from './story.ts';
import { type BotVenue, botVenue } from './venue-client.ts';

const TICK_MS = 100;
/** Catching up after a stall goes in bites, so that a signal is heard. */
const MAX_STEPS = 3600;
/** Without a venue for this long nobody is left to trade with. */
const VENUE_GONE_MS = 30_000;

type Bot = {
  ctx: SimContext;
  world: World;
  sim: Sim;
  run: Run;
  venue: BotVenue;
  journal: JournalFile;
  reports: number;
  /** Market second of the last heartbeat. */
  beatAtS: number;
};

const signals = { count: 0 };
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    signals.count += 1;
  });
}
void main().then((code) => {
  process.exitCode = code;
});

async function main(): Promise<number> {
  const env = botEnv(process.env, process.cwd());
  if ('refused' in env) return refuse(env.refused);
  const market = env.values['MM_MARKET_NAME'] ?? '';
  if (!isMarketName(market)) return refuse(`unknown market ${market}`);
  if (env.values['MM_ENABLED']?.toLowerCase() === 'false') return 0;
  const worldDir = resolve(process.env['DEMO_WORLD'] ?? env.values['DEMO_WORLD'] ?? 'demo');
  const world = readWorld(worldDir);
  const venue = botVenue(
    readFileSync(join(worldDir, 'venue.url'), 'utf8').trim(),
    env.values['MM_API_KEY'] ?? '',
    5000,
  );
  const listing = demoListing(market);
  const ctx = { listing, scenario: demoScenario(world.story, market), values: env.values };
  const sim = await pickUp(ctx, market, world, venue);
  const startTs = world.epochTs + sim.state.second.ts;
  const run = openRun(randomBytes(16).toString('hex'), listing, world.epochTs, startTs);
  const journal = openJournal(resolve('data/mm_journal'), market, startTs);
  const bot: Bot = { ctx, world, sim, run, venue, journal, reports: 0, beatAtS: -1e9 };
  journal.append(line(run, startTs, 'run_start', runStart(bot, env)));
  const alive = await trade(bot);
  if (alive) await leave(bot);
  journal.close();
  return alive ? 0 : 1;
}

function refuse(reason: string): number {
  process.stderr.write(`demo bot: ${reason}\n`);
  return 1;
}

/** The market goes on while no bot runs: take it over where the last bot left it, and let the missed time pass. */
async function pickUp(ctx: SimContext, market: MarketName, world: World, venue: BotVenue): Promise<Sim> {
  const { lot } = ctx.listing;
  const kept = (await venue.get(`/sim/v1/memory?market=${market}`)) as { position: string; memory: MarketState | null };
  const seed = seedOf(world, market);
  const state = kept.memory ?? startMarket(ctx, seed);
  const now = marketSecond(world, Date.now());
  while (state.second.ts < now) stepAlone(state, ctx);
  return joinMarket(ctx, state, seed, gridSteps(lot, kept.position) ?? 0);
}

function runStart(bot: Bot, env: { envFile: string; values: Record<string, string> }) {
  const { tick, lot, minLots } = bot.ctx.listing;
  return {
    environment: env.values['MM_ENVIRONMENT'] ?? 'testnet',
    config: configDump(env.values),
    market_static: {
      tick_size: gridText(tick, 1),
      min_order_size: gridText(lot, minLots),
      min_order_size_change: gridText(lot, 1),
    },
    provenance: { env_file: env.envFile, cwd: process.cwd(), git_sha: null },
  };
}

/** Quotes until a signal comes: true; false when the venue is gone. */
async function trade(bot: Bot): Promise<boolean> {
  let lastAnswerMs = Date.now();
  while (signals.count === 0) {
    const happenings = advance(bot);
    // The venue is the authority: it hears of a fill before the journal does. A lost answer is asked again, never skipped.
    while (!(await report(bot, happenings))) {
      if (signals.count > 0) return true;
      if (Date.now() - lastAnswerMs > VENUE_GONE_MS) return false;
      await pause(TICK_MS);
    }
    lastAnswerMs = Date.now();
    write(bot, happenings);
    await pause(TICK_MS);
  }
  return true;
}

/** Steps up to the wall clock, or one bite of it. */
function advance(bot: Bot): Happening[] {
  const out: Happening[] = [];
  const until = Math.min(marketSecond(bot.world, Date.now()), bot.sim.state.second.ts + MAX_STEPS);
  while (bot.sim.state.second.ts < until) stepSim(bot.sim, bot.ctx, out);
  bot.reports += 1;
  return out;
}

async function report(bot: Bot, happenings: readonly Happening[]): Promise<boolean> {
  const { run, sim, ctx, reports } = bot;
  const { tick, lot, minLots, market } = ctx.listing;
  const fills = happenings.flatMap((event) =>
    event.kind === 'fill'
      ? [{ side: event.order.side === 'buy' ? 'BUY' : 'SELL', qty: positionText(lot, event.lots) }]
      : [],
  );
  const orders = restingOrders(sim, ctx).map((order) => ({
    id: String(exchangeId(run, order.id)),
    externalId: externalId(run, order),
    side: order.side.toUpperCase(),
    price: gridText(tick, order.ticks),
    qty: positionText(lot, order.lots),
  }));
  const book = bookOf(ctx, sim.state.second);
  const body = {
    market,
    runId: run.runId,
    n: reports,
    tick: gridText(tick, 1),
    sizeStep: gridText(lot, 1),
    minSize: gridText(lot, minLots),
    bid: gridText(tick, book.bidTicks),
    ask: gridText(tick, book.askTicks),
    fills,
    orders,
    memory: sim.state,
  };
  try {
    const after = (await bot.venue.post('/sim/v1/report', body)) as { position: string };
    const lots = gridSteps(lot, after.position);
    if (lots !== null) holdPosition(sim, ctx.listing, lots);
    return true;
  } catch {
    return false;
  }
}

/** Appends the lines of these happenings, and a heartbeat each 30 s of journal time. */
function write(bot: Bot, happenings: readonly Happening[]): void {
  const { run, journal } = bot;
  let text = '';
  for (const event of happenings) {
    text += happeningLine(run, event, activeOrders(bot));
    if (event.kind === 'book' || event.atS - bot.beatAtS >= 30) text += heartbeat(bot, event.atS, event.positionLots);
  }
  journal.append(text);
}

function heartbeat(bot: Bot, atS: number, positionLots: number): string {
  bot.beatAtS = atS;
  const ts = bot.run.epochTs + atS;
  return line(bot.run, ts, 'heartbeat', {
    position: positionText(bot.ctx.listing.lot, positionLots),
    event_count: bot.run.seq,
    active_orders: activeOrders(bot),
    uptime_s: { float: Math.max(0, Math.round((ts - bot.run.startTs) * 1e5) / 1e5) },
  });
}

function activeOrders(bot: Bot): number {
  return bot.sim.bot.slots.filter((slot) => slot.price !== null).length;
}

async function leave(bot: Bot): Promise<void> {
  const { run, ctx, sim } = bot;
  const cancels: Happening[] = [];
  leaveMarket(sim, ctx, cancels);
  write(bot, cancels);
  const done = await shutDown(bot.venue, ctx.listing.market, run.runId, () => signals.count > 1);
  let lots = gridSteps(ctx.listing.lot, String(done.stats['shutdown_position_before_flatten'])) ?? 0;
  for (const fill of done.fills) {
    lots += (fill.side === 'BUY' ? 1 : -1) * (gridSteps(ctx.listing.lot, fill.qty) ?? 0);
    bot.journal.append(closeLine(bot, fill, lots));
  }
  const { totals } = run;
  bot.journal.append(
    line(run, run.lastTs, 'run_end', {
      reason: 'shutdown',
      stats: {
        position: done.position,
        active_orders: done.activeOrders,
        fills: totals.fills,
        cancellations: totals.cancellations,
        rejections: totals.rejections,
        post_only_failures: totals.rejections,
        total_fees: plain(totals.fees),
        consecutive_failures: 0,
        circuit_open: false,
        uptime_s: String(Math.round((run.lastTs - run.startTs) * 1e5) / 1e5),
        ...done.stats,
      },
    }),
  );
}

/** A closing trade as the journal shows it: a taker fill without a level. */
function closeLine(bot: Bot, fill: CloseFill, positionLots: number): string {
  const { tick, lot } = bot.ctx.listing;
  const { sim, run } = bot;
  const book = { bidTicks: gridSteps(tick, fill.bid) ?? 0, askTicks: gridSteps(tick, fill.ask) ?? 0, imbalance: 0 };
  sim.bot.orders += 1;
  const order: Order = {
    id: sim.bot.orders,
    side: fill.side === 'BUY' ? 'buy' : 'sell',
    level: -1,
    ticks: gridSteps(tick, fill.price) ?? 0,
    lots: gridSteps(lot, fill.qty) ?? 0,
    placedAt: sim.state.second.ts,
  };
  sim.trades += 1;
  const event = {
    atS: sim.state.second.ts,
    book,
    positionLots,
    kind: 'fill' as const,
    trade: sim.trades,
    order,
    lots: order.lots,
    fee: Number(fill.fee),
    taker: true,
  };
  return happeningLine(run, event, 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
