import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Decimal } from '../../../src/core/decimal.ts';
import { FORBIDDEN_KEYS } from '../../../src/core/env/keys.ts';
import { CATALOGUE, envValue, KEPT_ORDERINGS, ORDERINGS, READ_ONLY_KEYS } from '../../../src/core/tuning/catalogue.ts';
import {
  boundsOf,
  brokenOrdering,
  decimalOf,
  type StepInput,
  takeStep,
  tunableKey,
} from '../../../src/core/tuning/step-values.ts';
import { STEPS, type StepName } from '../../../src/core/tuning/steps.ts';
import { BASE } from '../health/policy.ts';

const NAMES = Object.keys(STEPS) as StepName[];

function input(change: Partial<StepInput> = {}): StepInput {
  const values = change.values ?? BASE;
  return {
    values,
    baseValues: values,
    policy: { bounds: {}, keys: {} },
    factor: 1.5,
    forgotten: () => false,
    halfSpreadBps: 4,
    ...change,
  };
}

const withBase = (values: Record<string, string>) => input({ values: { ...BASE, ...values } });

test.each([
  { step: 'widen', given: {}, want: 'widen: SPREAD_MULTIPLIER 1.2 -> 1.8, MIN_OFFSET_BPS 4 -> 6' },
  {
    step: 'widen',
    given: { MM_SPREAD_MULTIPLIER: '1.6' },
    want: 'widen: SPREAD_MULTIPLIER 1.6 -> 2.4, MIN_OFFSET_BPS 4 -> 6',
  },
  {
    step: 'widen',
    given: { MM_SPREAD_MULTIPLIER: '1.05' },
    want: 'widen: SPREAD_MULTIPLIER 1.05 -> 1.575, MIN_OFFSET_BPS 4 -> 6',
  },
  {
    step: 'widen',
    given: { MM_MAX_OFFSET_BPS: '5' },
    want: 'widen: SPREAD_MULTIPLIER 1.2 -> 1.8, MIN_OFFSET_BPS 4 -> 6, MAX_OFFSET_BPS 5 -> 7',
  },
  {
    step: 'widen',
    given: { MM_SPREAD_MULTIPLIER: '4' },
    want: 'widen: SPREAD_MULTIPLIER 4 -> 5, MIN_OFFSET_BPS 4 -> 6',
  },
  { step: 'widen', given: { MM_SPREAD_MULTIPLIER: '7' }, want: 'widen: MIN_OFFSET_BPS 4 -> 6' },
  { step: 'widen', given: { MM_SPREAD_MULTIPLIER: 'wide' }, want: 'widen: MIN_OFFSET_BPS 4 -> 6' },
  {
    step: 'widen',
    given: { MM_SPREAD_MULTIPLIER: '5', MM_MIN_OFFSET_BPS: '50' },
    want: 'widen-levels -1: NUM_PRICE_LEVELS absent -> 1',
  },
  { step: 'widen', given: { MM_OFFSET_MODE: 'fixed' }, want: 'widen-levels -1: NUM_PRICE_LEVELS absent -> 1' },
  {
    step: 'widen',
    given: { MM_OFFSET_MODE: 'fixed', MM_NUM_PRICE_LEVELS: '1' },
    want: 'widen-min-spread +0.5: MIN_SPREAD_BPS absent -> 0.5',
  },
  {
    step: 'widen',
    given: { MM_OFFSET_MODE: 'fixed', MM_NUM_PRICE_LEVELS: '1', MM_MIN_SPREAD_BPS: '3.8' },
    want: 'widen-min-spread +0.5: MIN_SPREAD_BPS 3.8 -> 4',
  },
  {
    step: 'widen',
    given: { MM_OFFSET_MODE: 'fixed', MM_NUM_PRICE_LEVELS: '1', MM_MIN_SPREAD_BPS: '4' },
    want: 'at-bound',
  },
  { step: 'tighten', given: {}, want: 'tighten /1.25: SPREAD_MULTIPLIER 1.2 -> 0.96, MIN_OFFSET_BPS 4 -> 3.2' },
  { step: 'tighten', given: { MM_SPREAD_MULTIPLIER: '0.3', MM_MIN_OFFSET_BPS: '0.5' }, want: 'at-bound' },
  {
    step: 'faster',
    given: { MM_REPRICE_TOLERANCE_PERCENT: '0.5', MM_MARKET_PROFILE: 'crypto' },
    want: 'faster x0.6: REPRICE_TOLERANCE_PERCENT 0.5 -> 0.3',
  },
  {
    step: 'faster',
    given: { MM_REPRICE_TOLERANCE_PERCENT: '0.05', MM_MARKET_PROFILE: 'crypto' },
    want: 'faster-ticks -1: MIN_REPRICE_MOVE_TICKS absent -> 1',
  },
  {
    step: 'slower',
    given: { MM_MIN_REPRICE_MOVE_TICKS: '2.0' },
    want: 'slower +0.1: REPRICE_TOLERANCE_PERCENT absent -> 0.2, MIN_REPRICE_INTERVAL_S absent -> 0.8',
  },
  {
    step: 'slower',
    given: { MM_REPRICE_TOLERANCE_PERCENT: '2', MM_MIN_REPRICE_INTERVAL_S: '10', MM_MIN_REPRICE_MOVE_TICKS: '2.0' },
    want: 'slower-ticks +1: MIN_REPRICE_MOVE_TICKS 2.0 -> 3',
  },
  {
    step: 'slower',
    given: {
      MM_REPRICE_TOLERANCE_PERCENT: '2',
      MM_MIN_REPRICE_INTERVAL_S: '10',
      MM_MIN_REPRICE_MOVE_TICKS: '2.5',
      MM_MAX_ORDER_AGE_S: '0',
    },
    want: 'slower-edge +0.25: MIN_REPRICE_EDGE_DELTA_BPS absent -> 0.75',
  },
  {
    step: 'post-only',
    given: {},
    want: 'safety-ticks +1: POST_ONLY_SAFETY_TICKS absent -> 3, POF_MAX_SAFETY_TICKS absent -> 9',
  },
  {
    step: 'post-only',
    given: { MM_POST_ONLY_SAFETY_TICKS: '20', MM_POF_MAX_SAFETY_TICKS: '40', MM_ADAPTIVE_POF_ENABLED: 'False' },
    want: 'adaptive-post-only on: ADAPTIVE_POF_ENABLED False -> true',
  },
  {
    step: 'post-only',
    given: { MM_POST_ONLY_SAFETY_TICKS: '20', MM_POF_MAX_SAFETY_TICKS: '40' },
    want: 'post-only-backoff x1.1: POF_BACKOFF_MULTIPLIER absent -> 1.87, POF_STREAK_RESET_S absent -> 60',
  },
  {
    step: 'inventory',
    given: { MM_INVENTORY_SKEW_FACTOR: '1' },
    want: 'skew-deadband -0.03: INVENTORY_DEADBAND_PCT absent -> 0.07',
  },
  { step: 'toxicity', given: {}, want: 'imbalance -0.1: IMBALANCE_PAUSE_THRESHOLD absent -> 0.6' },
  {
    step: 'toxicity',
    given: { MM_IMBALANCE_PAUSE_THRESHOLD: '0.15' },
    want: 'micro-windows x0.8: MICRO_VOL_WINDOW_S absent -> 4, IMBALANCE_WINDOW_S absent -> 1.6',
  },
  { step: 'trend', given: {}, want: 'trend: IMBALANCE_PAUSE_THRESHOLD absent -> 0.5' },
  {
    step: 'breaker',
    given: { MM_CIRCUIT_BREAKER_MAX_FAILURES: '2' },
    want: 'breaker-rate -0.05: FAILURE_RATE_TRIP absent -> 0.3, MIN_ATTEMPTS_FOR_BREAKER absent -> 8',
  },
] as { step: StepName; given: Record<string, string>; want: string }[])(
  '$step of $given: $want',
  ({ step, given, want }) => {
    const choice = takeStep(step, withBase(given));
    const changes = choice.taken
      ? choice.changes.map(({ key, from, to }) => `${key.slice(3)} ${from ?? 'absent'} -> ${to}`)
      : [];
    expect(choice.taken ? `${choice.step}: ${changes.join(', ')}` : choice.reason).toBe(want);
  },
);

test('a forgotten row is skipped, and said to be forgotten when nothing else moves', () => {
  const skipped = takeStep('widen', { ...input(), forgotten: (id) => id === 'widen' });
  expect(skipped).toMatchObject({ taken: true, step: 'widen-levels -1' });
  expect(takeStep('tighten', { ...input(), forgotten: () => true })).toMatchObject({
    taken: false,
    reason: 'forgotten',
  });
});

test('the book spread is unknown: the minimum spread is left alone', () => {
  const values = { ...BASE, MM_OFFSET_MODE: 'fixed', MM_NUM_PRICE_LEVELS: '1' };
  expect(takeStep('widen', input({ values, halfSpreadBps: null }))).toMatchObject({ taken: false, reason: 'at-bound' });
});

test('a spec narrows the bounds, never past the limits of the bot', () => {
  const bounds = { MM_SPREAD_MULTIPLIER: { min: 0.8, max: 1.5 }, MM_NUM_PRICE_LEVELS: { min: 0, max: 50 } };
  expect(takeStep('widen', input({ policy: { bounds, keys: {} } }))).toMatchObject({
    changes: [{ to: '1.5' }, { to: '6' }],
  });
  const levels = boundsOf('MM_NUM_PRICE_LEVELS', { bounds, keys: {} });
  expect([String(levels.min), String(levels.max)]).toEqual(['1', '20']);
});

test('opted in by a spec: a catalogue key acts, another key gets a row of its own', () => {
  const keys = {
    MM_MICRO_VOL_MAX_BPS: { type: 'decimal', min: 2, max: null, theme: 'toxicity', step: { times: 0.75 } },
    MM_VOL_REGIME_CALM_BPS: { type: 'decimal', min: 2, max: 20, theme: 'toxicity', step: { plus: -2 } },
    OTHER_GUARD: { type: 'int', min: 1, max: 9, theme: 'toxicity', step: { times: 0.5 } },
  } as const;
  expect(
    takeStep('toxicity', { ...withBase({ MM_IMBALANCE_PAUSE_THRESHOLD: '0.15' }), policy: { bounds: {}, keys } }),
  ).toMatchObject({
    step: 'micro-limits x0.75',
    changes: [{ key: 'MM_MICRO_VOL_MAX_BPS', to: '6' }],
  });
  const forgotten = (id: string) =>
    ['imbalance', 'micro-limits', 'micro-windows', 'volatility-offset', 'mm-vol-regime-calm-bps'].includes(id);
  const values = { ...BASE, OTHER_GUARD: '5' };
  expect(takeStep('toxicity', input({ values, policy: { bounds: {}, keys }, forgotten }))).toMatchObject({
    step: 'other-guard x0.5',
    changes: [{ key: 'OTHER_GUARD', from: '5', to: '2' }],
  });
  const without = takeStep('toxicity', input({ policy: { bounds: {}, keys }, forgotten }));
  expect(without.taken).toBe(false);
});

test('the catalogue holds exactly the keys that may be tuned, and no forbidden one', () => {
  expect(Object.keys(CATALOGUE)).toHaveLength(31);
  for (const [key, info] of Object.entries(CATALOGUE)) {
    expect(key).toBe(info.key);
    expect(FORBIDDEN_KEYS).not.toContain(key);
    expect(READ_ONLY_KEYS[key]).toBeUndefined();
    const { min, max } = boundsOf(key, { bounds: {}, keys: {} });
    const value = decimalOf(info.default);
    if (info.type === 'bool') continue;
    expect(value!.gte(min!) || key === 'MM_MIN_SPREAD_BPS').toBe(true);
    expect(value!.lte(max!)).toBe(true);
  }
  for (const ordering of ORDERINGS) for (const key of ordering) expect(envValue({}, key)).toBeDefined();
});

test('each key that may be tuned is moved by some step of its own theme', () => {
  const moved = new Set(NAMES.flatMap((name) => STEPS[name].rows.flatMap((row) => row.moves.map((move) => move.key))));
  expect([...moved].sort()).toEqual(Object.keys(CATALOGUE).sort());
  for (const name of NAMES) {
    for (const row of STEPS[name].rows)
      for (const move of row.moves) expect(CATALOGUE[move.key]!.theme).toBe(STEPS[name].theme);
  }
});

test.each([
  { key: 'MM_SPREAD_MULTIPLIER', values: {}, acts: /OFFSET_MODE=fixed/ },
  { key: 'MM_SPREAD_MULTIPLIER', values: { MM_OFFSET_MODE: 'Fixed ' }, acts: /OFFSET_MODE=fixed/ },
  { key: 'MM_SPREAD_MULTIPLIER', values: { MM_OFFSET_MODE: 'dynamic' }, acts: true },
  { key: 'MM_MAX_ORDER_AGE_S', values: { MM_MARKET_PROFILE: 'crypto' }, acts: /crypto/ },
  { key: 'MM_MAX_ORDER_AGE_S', values: {}, acts: true },
  { key: 'MM_MICRO_VOL_MAX_BPS', values: {}, acts: /no longer/ },
  { key: 'MM_VOLATILITY_OFFSET_MULTIPLIER', values: { MM_OFFSET_MODE: 'dynamic' }, acts: /no longer/ },
  { key: 'MM_IMBALANCE_PAUSE_THRESHOLD', values: {}, acts: true },
])('$key under $values acts: $acts', ({ key, values, acts }) => {
  const answer = CATALOGUE[key]!.acts(values as Record<string, string>);
  if (acts === true) expect(answer).toBe(true);
  else expect(answer).toMatch(acts as RegExp);
});

const anyValue = fc.oneof(
  fc.constantFrom('0', '1', 'x', '', 'true', '1E-7', '1e3', '-4', ' 2 ', 'NaN', '0.10', '99999'),
  fc.double({ min: 0, max: 120, noNaN: true }).map((value) => value.toFixed(3)),
  fc.integer({ min: 0, max: 60 }).map(String),
);
const anyEnv = fc
  .dictionary(fc.constantFrom(...Object.keys(CATALOGUE), ...Object.keys(READ_ONLY_KEYS)), anyValue, { maxKeys: 20 })
  .chain((values) => fc.constantFrom('fixed', 'dynamic').map((mode) => ({ ...values, MM_OFFSET_MODE: mode })));
const anyBounds = fc.dictionary(
  fc.constantFrom(...Object.keys(CATALOGUE)),
  fc.record({
    min: fc.option(fc.double({ min: 0, max: 5, noNaN: true })),
    max: fc.option(fc.double({ min: 5, max: 100, noNaN: true })),
  }),
  { maxKeys: 6 },
);

test('any step from any env: one theme, inside its bounds, whole numbers whole, in order, acting keys only, few digits', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...NAMES),
      anyEnv,
      anyBounds,
      fc.double({ min: 1.01, max: 4, noNaN: true }),
      (name, values, bounds, factor) => {
        const policy = { bounds, keys: {} };
        const choice = takeStep(name, input({ values, policy, factor: Number(factor.toFixed(2)) }));
        if (!choice.taken) return;
        expect(choice.changes.length).toBeGreaterThan(0);
        for (const { key, from, to } of choice.changes) {
          const info = tunableKey(key, policy)!;
          expect(info.theme).toBe(choice.theme);
          expect(info.acts(values)).toBe(true);
          expect(FORBIDDEN_KEYS).not.toContain(key);
          expect(from).toBe((values as Record<string, string>)[key] ?? null);
          if (info.type === 'bool') continue;
          const value = new Decimal(to);
          const { min, max, exclusiveMin } = boundsOf(key, policy);
          expect(max === null || value.lte(max)).toBe(true);
          expect(min === null || (exclusiveMin ? value.gt(min) : value.gte(min))).toBe(true);
          expect(value.eq(decimalOf(from ?? info.default)!)).toBe(false);
          if (info.type === 'int') expect(value.isInteger()).toBe(true);
          expect(to).not.toMatch(/e/i);
        }
        const after = { ...values, ...Object.fromEntries(choice.changes.map(({ key, to }) => [key, to])) };
        const touched = KEPT_ORDERINGS.filter((ordering) =>
          ordering.some((key) => choice.changes.some((change) => change.key === key)),
        );
        for (const ordering of touched) {
          const subset = Object.fromEntries(ordering.map((key) => [key, envValue(after, key) ?? '']));
          expect(brokenOrdering({ ...subset })).toBeNull();
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('repeated without end, a step comes to rest inside its bounds', () => {
  for (const name of NAMES) {
    let values: Record<string, string> = { ...BASE };
    let steps = 0;
    for (; steps < 500; steps += 1) {
      const choice = takeStep(name, input({ values, baseValues: BASE }));
      if (!choice.taken) break;
      values = { ...values, ...Object.fromEntries(choice.changes.map(({ key, to }) => [key, to])) };
    }
    expect(steps).toBeLessThan(500);
    for (const value of Object.values(values)) expect(value.length).toBeLessThan(12);
  }
});
