import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  equity,
  flatten,
  type Happening,
  type Sim,
  type SimContext,
  startSim,
  stepSim,
} from '../../src/shell/demo/market.ts';
import { offsetBps, quoteSettings, skewBps } from '../../src/shell/demo/quoting.ts';
import { MARKETS, type MarketName, SCENARIOS, type ScenarioName } from '../../src/shell/demo/scenarios.ts';

const TUNED = {
  MM_OFFSET_MODE: 'dynamic',
  MM_SPREAD_MULTIPLIER: '2',
  MM_MIN_OFFSET_BPS: '4.5',
  MM_MAX_OFFSET_BPS: '40',
  MM_REPRICE_TOLERANCE_PERCENT: '0.3',
  MM_MIN_REPRICE_INTERVAL_S: '2',
  MM_MAX_ORDER_AGE_S: '60',
  MM_INVENTORY_SKEW_FACTOR: '0.3',
};

function context(market: MarketName, scenario: ScenarioName, env: Record<string, string> = {}): SimContext {
  const params = MARKETS[market];
  return { params, scenario: SCENARIOS[scenario], settings: quoteSettings({ ...TUNED, ...env }, params) };
}

function run(ctx: SimContext, seed: number, hours: number): { sim: Sim; happenings: Happening[] } {
  const sim = startSim(ctx, seed);
  const happenings: Happening[] = [];
  for (let s = 0; s < hours * 3600; s += 1) stepSim(sim, ctx, happenings);
  return { sim, happenings };
}

/** Mean money of several seeds; the same seeds for every setting. */
function earned(ctx: SimContext, hours: number): number {
  const seeds = [1, 2, 3];
  return seeds.reduce((sum, seed) => sum + equity(run(ctx, seed, hours).sim, ctx.params), 0) / seeds.length;
}

const at = (bps: number) => ({ MM_SPREAD_MULTIPLIER: '0.1', MM_MIN_OFFSET_BPS: String(bps) });

describe('market', () => {
  test.each(Object.keys(MARKETS) as MarketName[])(
    '%s: quotes near the mid lose to informed takers, wider ones earn',
    (market) => {
      expect(earned(context(market, 'too-tight', at(1)), 10)).toBeLessThan(0);
      expect(earned(context(market, 'too-tight', at(6)), 10)).toBeGreaterThan(0);
    },
  );

  test('informed flow is what costs: the same near quotes earn more where there is less of it', () => {
    expect(earned(context('AMZN-USD', 'tuned', at(2)), 10)).toBeGreaterThan(
      earned(context('AMZN-USD', 'too-tight', at(2)), 10),
    );
  });

  test('very wide quotes are seldom reached', () => {
    const fills = (bps: number) =>
      run(context('MON-USD', 'tuned', at(bps)), 5, 12).happenings.filter((h) => h.kind === 'fill').length;
    expect(fills(16)).toBeLessThan(fills(4) / 4);
  });

  test('a dead market loses money at any distance a step can reach', () => {
    for (const bps of [2, 4.5, 9]) expect(earned(context('PUMP-USD', 'dead', at(bps)), 5)).toBeLessThan(0);
  });

  test('the same seed gives the same day, another seed another', () => {
    const ctx = context('PUMP-USD', 'trend');
    expect(run(ctx, 3, 2).happenings).toEqual(run(ctx, 3, 2).happenings);
    expect(run(ctx, 3, 2).happenings).not.toEqual(run(ctx, 4, 2).happenings);
  });

  test('a state that was stored and reloaded goes on the same way', () => {
    const ctx = context('MON-USD', 'tuned');
    const { sim } = run(ctx, 9, 1);
    const copy = JSON.parse(JSON.stringify(sim)) as Sim;
    const [a, b]: Happening[][] = [[], []];
    for (let s = 0; s < 3600; s += 1) {
      stepSim(sim, ctx, a!);
      stepSim(copy, ctx, b!);
    }
    expect(b).toEqual(a);
  });

  test('flattening leaves no position and is paid for', () => {
    const ctx = context('AMZN-USD', 'tuned');
    const { sim, happenings } = run(ctx, 2, 3);
    while (sim.desk.positionLots === 0) stepSim(sim, ctx, happenings);
    const before = equity(sim, ctx.params);
    flatten(sim, ctx, 2, happenings);
    expect(sim.desk.positionLots).toBe(0);
    expect(equity(sim, ctx.params)).toBeLessThan(before);
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
        const ctx = context('PUMP-USD', 'too-tight', env);
        const { sim, happenings } = run(ctx, seed, 0.5);
        let position = 0;
        let lastS = -1;
        const trades = new Set<number>();
        for (const h of happenings) {
          expect(h.atS).toBeGreaterThanOrEqual(lastS);
          lastS = h.atS;
          expect(h.book.askTicks).toBeGreaterThan(h.book.bidTicks);
          if (h.kind !== 'fill') continue;
          position += h.order.side === 'buy' ? h.lots : -h.lots;
          expect(h.positionLots).toBe(position);
          expect(Math.abs(position)).toBeLessThanOrEqual(ctx.settings.maxLots);
          expect(h.lots).toBeGreaterThan(0);
          expect(trades.has(h.trade)).toBe(false);
          trades.add(h.trade);
        }
        expect(sim.desk.positionLots).toBe(position);
      }),
      { numRuns: 20 },
    );
  });
});

describe('quoting keys act', () => {
  const orders = (env: Record<string, string>) => {
    const { happenings } = run(context('PUMP-USD', 'too-tight', env), 6, 4);
    const count = (kind: Happening['kind']) => happenings.filter((h) => h.kind === kind).length;
    const position = Math.max(...happenings.map((h) => Math.abs(h.positionLots)));
    return { placed: count('placed'), fills: count('fill'), rejected: count('rejected'), position };
  };
  const base = orders({});

  test.each([
    ['MM_SPREAD_MULTIPLIER', '4', (o: typeof base) => o.fills < base.fills],
    ['MM_MIN_OFFSET_BPS', '12', (o: typeof base) => o.fills < base.fills],
    ['MM_NUM_PRICE_LEVELS', '1', (o: typeof base) => o.placed < base.placed],
    ['MM_REPRICE_TOLERANCE_PERCENT', '0.9', (o: typeof base) => o.placed < base.placed],
    ['MM_MIN_REPRICE_INTERVAL_S', '10', (o: typeof base) => o.placed < base.placed],
    ['MM_MAX_ORDER_AGE_S', '5', (o: typeof base) => o.placed > base.placed],
    ['MM_IMBALANCE_PAUSE_THRESHOLD', '0.2', (o: typeof base) => o.fills < base.fills],
    ['MM_INVENTORY_SKEW_FACTOR', '1', (o: typeof base) => o.position < base.position],
  ])('%s=%s', (key, value, holds) => {
    expect(orders({ [key]: value })).toSatisfy(holds);
  });

  test('safety ticks keep placements out of the book', () => {
    const tight = { MM_SPREAD_MULTIPLIER: '0.1', MM_MIN_OFFSET_BPS: '0.01', MM_ADAPTIVE_POF_ENABLED: 'false' };
    const rejected = (ticks: string) => orders({ ...tight, MM_POST_ONLY_SAFETY_TICKS: ticks }).rejected;
    expect(rejected('0')).toBeGreaterThan(rejected('6'));
  });

  test.each([
    ['the multiplier of the spread', {}, 3, 6],
    ['never under the minimum', {}, 1, 4.5],
    ['never over the maximum', {}, 30, 40],
    ['a fixed offset ignores all three', { MM_OFFSET_MODE: 'fixed' }, 3, 30],
  ])('offset: %s', (_, env, spreadBps, want) => {
    expect(offsetBps(context('AMZN-USD', 'tuned', env).settings, spreadBps)).toBeCloseTo(want);
  });

  test('skew leans against the inventory, and not within the dead band', () => {
    const { settings } = context('AMZN-USD', 'tuned');
    expect(skewBps(settings, Math.floor(settings.maxLots * 0.05))).toBe(0);
    expect(skewBps(settings, settings.maxLots)).toBeCloseTo(6);
    expect(skewBps(settings, -settings.maxLots)).toBeCloseTo(-6);
  });
});
