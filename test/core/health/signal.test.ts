import { expect, test } from 'vitest';
import { FillMinutes } from '../../../src/core/health/minute-rows.ts';
import { type FillMinute, signalStats } from '../../../src/core/health/signal.ts';
import { HEALTH } from './policy.ts';

const minute = (at: number, nets: number[], qty = 1, missing = 0): FillMinute => ({
  minute: at,
  n: nets.length,
  missing,
  qty: nets.length * qty,
  weighted: nets.reduce((a, b) => a + b * qty, 0),
});

const policy = { ...HEALTH.signals.burst, limit: -0.5, windowFills: 4, minFills: 3, confidence: 0.95 as const };

test('Z, M and V by hand: two minutes of two fills', () => {
  // limit -0.5, all quantities equal, so w = 1: Z1 = (-1+0.5)+(-2+0.5) = -2, Z2 = (0+0.5)+(-3+0.5) = -2.
  const stats = signalStats(FillMinutes.of([minute(1, [-1, -2]), minute(2, [0, -3])]), policy);
  expect(stats).toMatchObject({ fills: 4, minutes: 2, meanBps: -1.5, meanZ: -2, breach: true });
  expect(stats!.ci95).toEqual([-1.5, -1.5]);
});

test('quantities weigh: w = qty / mean qty of the window', () => {
  // Quantities 3 and 1, mean 2: w = 1.5 and 0.5. Z1 = 1.5 * (-1.5 + 0.5) = -1.5, Z2 = 0.5 * (2.5 + 0.5) = 1.5.
  const stats = signalStats(FillMinutes.of([minute(1, [-1.5], 3), minute(2, [2.5], 1)]), { ...policy, minFills: 2 });
  expect(stats!.meanZ).toBeCloseTo(0, 12);
  expect(stats!.meanBps).toBeCloseTo(-0.5, 12);
  // V = ((-1.5)^2 + 1.5^2) / 1 = 4.5, se = sqrt(4.5 / 2) = 1.5, one fill a minute: mean +- 1.96 * 1.5.
  expect(stats!.ci95![0]).toBeCloseTo(-0.5 - 1.96 * 1.5, 12);
  expect(stats!.ci95![1]).toBeCloseTo(-0.5 + 1.96 * 1.5, 12);
  expect(stats!.breach).toBe(false);
});

test.each([
  {
    name: 'the window drops the oldest minute while the rest still has enough',
    minutes: [[-9], [-1, -1], [-1, -1]],
    fills: 4,
    mean: -1,
  },
  { name: 'a minute is never split', minutes: [[-9], [-1], [-1, -1, -1, -1, -1]], fills: 5, mean: -1 },
  { name: 'fewer fills than the window: all of them', minutes: [[-2], [0]], fills: 2, mean: -1 },
])('$name', ({ minutes, fills, mean }) => {
  const stats = signalStats(FillMinutes.of(minutes.map((nets, at) => minute(at, nets))), policy);
  expect(stats).toMatchObject({ fills, meanBps: mean });
});

test.each([
  { name: 'below the floor', minutes: [minute(1, [-9]), minute(2, [-9])], change: {}, breach: false },
  {
    name: 'exactly at the limit',
    minutes: [minute(1, [-0.5, -0.5]), minute(2, [-0.5, -0.5])],
    change: {},
    breach: false,
  },
  {
    name: 'one minute has no spread, so no confidence',
    minutes: [minute(1, [-9, -9, -9, -9])],
    change: {},
    breach: false,
  },
  {
    name: 'one minute, the mean itself asked',
    minutes: [minute(1, [-9, -9, -9, -9])],
    change: { confidence: null },
    breach: true,
  },
  {
    name: 'noise hides the mean',
    minutes: [minute(1, [-8, 1]), minute(2, [5, 1]), minute(3, [-4, -4])],
    change: {},
    breach: false,
  },
  {
    name: 'the same mean without a confidence',
    minutes: [minute(2, [5, 1]), minute(3, [-8, -4])],
    change: { confidence: null },
    breach: true,
  },
  {
    name: 'more fills without a mid than with one are no evidence',
    minutes: [minute(1, [-9, -9], 1, 3), minute(2, [-9, -9], 1, 3)],
    change: {},
    breach: false,
  },
])('$name: breach $breach', ({ minutes, change, breach }) => {
  expect(signalStats(FillMinutes.of(minutes), { ...policy, ...change })!.breach).toBe(breach);
});

test('no minute, no statistics', () => {
  expect(signalStats(new FillMinutes(), policy)).toBeNull();
});
