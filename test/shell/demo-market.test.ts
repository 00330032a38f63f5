import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LISTINGS, type MarketName } from '../../src/shell/demo/listings.ts';
import { startBot, stepBot, stopBot } from '../../src/shell/demo/model/bot.ts';
import { offsetOf, skewOf } from '../../src/shell/demo/model/quoting.ts';
import { baseEnv, MARKETS, type Phase, type Scenario } from '../../src/shell/demo/model/scenarios.ts';
import { settingsOf } from '../../src/shell/demo/model/settings.ts';
import type { Bot, Money } from '../../src/shell/demo/model/state.ts';
import {
  equity,
  type Happening,
  joinMarket,
  orderLots,
  positionLots,
  type Sim,
  type SimContext,
  startMarket,
  stepAlone,
  stepSim,
} from '../../src/shell/demo/sim.ts';

const CALM: Phase = { fromH: 0, uninformed: 1, informed: 1, jump: 1, trend: 0 };
const DAYS = {
  tuned: scenario({}),
  toxic: scenario({ informed: 3 }),
  trend: scenario({ trend: 1 }),
  dead: scenario({ uninformed: 0.08, informed: 4.2, jump: 1.7 }),
} as const;

function scenario(phase: Partial<Phase>): Scenario {
  return { name: 'test', width: 1, phases: [{ ...CALM, ...phase }], onsetH: null };
}

function context(market: MarketName, day: keyof typeof DAYS, env: Record<string, string> = {}): SimContext {
  const listing = LISTINGS[market];
  return { listing, scenario: DAYS[day], values: { ...baseEnv(listing.model, DAYS[day]), ...env } };
}

function run(ctx: SimContext, seed: number, hours: number): { sim: Sim; happenings: Happening[] } {
  const sim = joinMarket(ctx, startMarket(ctx, seed), seed);
  const happenings: Happening[] = [];
  for (let s = 0; s < hours * 3600; s += 1) stepSim(sim, ctx, happenings);
  return { sim, happenings };
}

/** Mean money of several seeds, against what the asset was worth; the same seeds for every setting. */
function earned(ctx: SimContext, hours: number): number {
  const seeds = [1, 2, 3];
  return seeds.reduce((sum, seed) => sum + played(ctx, seed, hours).money.scoredUsd, 0) / seeds.length;
}

/** As `run`, without writing down what happened. */
function played(ctx: SimContext, seed: number, hours: number): Bot {
  const { state, bot } = joinMarket(ctx, startMarket(ctx, seed), seed);
  for (let s = 0; s < hours * 3600; s += 1) stepBot(bot, stepAlone(state, ctx));
  return bot;
}

const at = (bps: number) => ({ MM_SPREAD_MULTIPLIER: '0.1', MM_MIN_OFFSET_BPS: String(bps) });

describe('market', () => {
  test.each(Object.keys(LISTINGS) as MarketName[])(
    '%s: quotes near the mid lose to informed takers, wider ones earn',
    (market) => {
      const { minOffsetBps } = LISTINGS[market].model;
      expect(earned(context(market, 'tuned', at(minOffsetBps / 3)), 10)).toBeLessThan(0);
      expect(earned(context(market, 'tuned', at(minOffsetBps * 1.5)), 10)).toBeGreaterThan(0);
    },
  );

  test.each(Object.values(LISTINGS))('$market: a tick of the grid is a tick of the model', (listing) => {
    expect(listing.model.tickBps * listing.startTicks).toBeCloseTo(1e4, 6);
    const model = MARKETS.find((market) => market.name === listing.model.name)!;
    expect(listing.model.tickBps / model.tickBps).toBeCloseTo(1, 1);
  });

  test('informed flow is what costs: the same near quotes earn more where there is less of it', () => {
    expect(earned(context('AMZN-USD', 'tuned', at(2)), 10)).toBeGreaterThan(
      earned(context('AMZN-USD', 'toxic', at(2)), 10),
    );
  });

  test('very wide quotes are seldom reached', () => {
    const fills = (bps: number) => played(context('MON-USD', 'tuned', at(bps)), 5, 12).money.fills;
    expect(fills(32)).toBeLessThan(fills(8) / 4);
  });

  test('a dead market loses money at any distance a step can reach', () => {
    for (const bps of [6, 12, 24]) expect(earned(context('PUMP-USD', 'dead', at(bps)), 5)).toBeLessThan(0);
  });

  test('the same seed gives the same day, another seed another', () => {
    const ctx = context('PUMP-USD', 'trend');
    expect(run(ctx, 3, 2).happenings).toEqual(run(ctx, 3, 2).happenings);
    expect(run(ctx, 3, 2).happenings).not.toEqual(run(ctx, 4, 2).happenings);
  });

  test('a state that was stored and reloaded goes on the same way', () => {
    const ctx = context('MON-USD', 'tuned');
    const { state } = run(ctx, 9, 1).sim;
    const [a, b]: Happening[][] = [[], []];
    const copy = joinMarket(ctx, JSON.parse(JSON.stringify(state)) as Sim['state'], 9, 4000);
    const sim = joinMarket(ctx, state, 9, 4000);
    for (let s = 0; s < 3600; s += 1) {
      stepSim(sim, ctx, a!);
      stepSim(copy, ctx, b!);
    }
    expect(a!.some((h) => h.kind === 'fill')).toBe(true);
    expect(b).toEqual(a);
  });

  test('the market does not look at the bot', () => {
    const wide = run(context('MON-USD', 'tuned', at(30)), 9, 1).sim;
    const near = run(context('MON-USD', 'tuned', at(3)), 9, 1).sim;
    expect(near.bot.money.fills).toBeGreaterThan(wide.bot.money.fills);
    expect(near.state).toEqual(wide.state);
  });

  test('flattening leaves no position and is paid for', () => {
    const ctx = context('AMZN-USD', 'tuned');
    const { sim, happenings } = run(ctx, 2, 3);
    while (sim.bot.position === 0) stepSim(sim, ctx, happenings);
    const before = equity(sim);
    stopBot(sim.bot, sim.state.second);
    expect(sim.bot.position).toBe(0);
    expect(sim.bot.money.rawUsd).toBeLessThan(before);
  });

  test('whatever the settings: books stay consistent', () => {
    const settings = fc.record({
      MM_NUM_PRICE_LEVELS: fc.integer({ min: 1, max: 6 }).map(String),
      MM_SPREAD_MULTIPLIER: fc.double({ min: 0.3, max: 5, noNaN: true }).map(String),
      MM_MIN_OFFSET_BPS: fc.double({ min: 0.1, max: 20, noNaN: true }).map(String),
      MM_POST_ONLY_SAFETY_TICKS: fc.integer({ min: 0, max: 6 }).map(String),
      MM_IMBALANCE_PAUSE_THRESHOLD: fc.double({ min: 0.15, max: 0.95, noNaN: true }).map(String),
      MM_INVENTORY_SKEW_FACTOR: fc.double({ min: 0, max: 1, noNaN: true }).map(String),
    });
    fc.assert(
      fc.property(settings, fc.integer({ min: 1, max: 1e6 }), (env, seed) => {
        const ctx = context('PUMP-USD', 'toxic', env);
        const { sim, happenings } = run(ctx, seed, 0.5);
        // What rests when the cap is reached may still be hit.
        const most = 12 * orderLots(ctx) + Number(env.MM_NUM_PRICE_LEVELS) * orderLots(ctx);
        let position = 0;
        let lastS = -1;
        const trades = new Set<number>();
        const wrong = happenings.filter((h, i) => {
          const inOrder = h.atS >= lastS && h.book.askTicks > h.book.bidTicks;
          lastS = h.atS;
          if (h.kind === 'placed') {
            const { side, ticks, id } = h.order;
            const takes = side === 'buy' ? ticks >= h.book.askTicks : ticks <= h.book.bidTicks;
            const next = happenings[i + 1];
            return !inOrder || (next?.kind === 'rejected' && next.order.id === id) !== takes;
          }
          if (h.kind !== 'fill') return !inOrder;
          position += h.order.side === 'buy' ? h.lots : -h.lots;
          const known = trades.has(h.trade);
          trades.add(h.trade);
          return !inOrder || known || h.lots <= 0 || h.positionLots !== position || Math.abs(position) > most;
        });
        expect(wrong).toEqual([]);
        expect(positionLots(sim, ctx.listing)).toBe(position);
      }),
      { numRuns: 20 },
    );
  });
});

describe('quoting keys act', () => {
  const orders = (env: Record<string, string>) => {
    const { happenings } = run(context('PUMP-USD', 'toxic', env), 6, 4);
    const count = (kind: Happening['kind']) => happenings.filter((h) => h.kind === kind).length;
    const position = happenings.reduce((sum, h) => sum + Math.abs(h.positionLots), 0) / happenings.length;
    return { placed: count('placed'), fills: count('fill'), rejected: count('rejected'), position };
  };
  const base = orders({});

  test.each([
    ['MM_SPREAD_MULTIPLIER', '4', (o: typeof base) => o.fills < base.fills],
    ['MM_MIN_OFFSET_BPS', '30', (o: typeof base) => o.fills < base.fills],
    ['MM_NUM_PRICE_LEVELS', '1', (o: typeof base) => o.placed < base.placed],
    ['MM_REPRICE_TOLERANCE_PERCENT', '0.9', (o: typeof base) => o.placed < base.placed],
    ['MM_MIN_REPRICE_INTERVAL_S', '10', (o: typeof base) => o.placed < base.placed],
    ['MM_MAX_ORDER_AGE_S', '5', (o: typeof base) => o.placed > base.placed],
    ['MM_MICRO_VOL_MAX_BPS', '8', (o: typeof base) => o.fills < base.fills],
    ['MM_MICRO_DRIFT_MAX_BPS', '4', (o: typeof base) => o.fills < base.fills],
    ['MM_IMBALANCE_PAUSE_THRESHOLD', '0.2', (o: typeof base) => o.fills < base.fills],
    ['MM_INVENTORY_SKEW_FACTOR', '1', (o: typeof base) => o.position < base.position],
  ])('%s=%s', (key, value, holds) => {
    expect(orders({ [key]: value })).toSatisfy(holds);
  });

  test('safety ticks keep placements out of the book', () => {
    const tight = { MM_SPREAD_MULTIPLIER: '0.1', MM_MIN_OFFSET_BPS: '0.01', MM_ADAPTIVE_POF_ENABLED: 'false' };
    const skewed = { ...tight, MM_INVENTORY_SKEW_FACTOR: '1' };
    const rejected = (ticks: string) => orders({ ...skewed, MM_POST_ONLY_SAFETY_TICKS: ticks }).rejected;
    expect(rejected('0')).toBeGreaterThan(rejected('6'));
  });

  const settings = (env: Record<string, string>) => {
    const { listing, values } = context('AMZN-USD', 'tuned', {
      MM_MIN_OFFSET_BPS: '4.5',
      MM_MAX_OFFSET_BPS: '40',
      ...env,
    });
    return settingsOf({ ...values, MM_SPREAD_MULTIPLIER: '2', MM_SKEW_MAX_BPS: '12' }, listing.model, 2);
  };

  test.each([
    ['the multiplier of the spread', {}, 3, 6],
    ['never under the minimum', {}, 1, 4.5],
    ['never over the maximum', {}, 30, 40],
    ['a fixed offset ignores all three', { MM_OFFSET_MODE: 'fixed' }, 3, 30],
  ])('offset: %s', (_, env, spreadBps, want) => {
    expect(offsetOf(settings(env), spreadBps)).toBeCloseTo(want);
  });

  test('skew leans against the inventory, and not within the dead band', () => {
    const s = settings({});
    expect(skewOf(s, s.maxPosition * 0.05)).toBe(0);
    expect(skewOf(s, s.maxPosition)).toBeCloseTo(6);
    expect(skewOf(s, -s.maxPosition)).toBeCloseTo(-6);
  });

  test('a key that the env leaves out has the default of the bot', () => {
    const money: Money = { scoredUsd: 0, rawUsd: 0, fills: 0 };
    const { model } = LISTINGS['AMZN-USD'];
    expect(startBot(model, {}, money, 1, null).settings).toMatchObject({ levels: 2, interval: 0.5, pofAdaptive: true });
    expect(startBot(model, {}, money, 1, null).slots).toHaveLength(4);
    expect(Object.values(startBot(model, {}, money, 1, null).settings)).not.toContain(Number.NaN);
  });
});
