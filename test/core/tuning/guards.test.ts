import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fleetGuards, type Wish } from '../../../src/core/tuning/guards.ts';
import type { TuningDecision } from '../../../src/core/tuning/types.ts';

const GUARDS = {
  maxConcurrentChanges: 2,
  maxShareChangedPerPass: 0.5,
  marketWideShare: 0.5,
  maxUnjudgedNotionalUsd: null,
  allowMainnet: false,
};
const trigger = { by: 'fast', metric: 'markout5sBps', value: -1, limit: -0.5, n: 200, looks: 10 } as const;
const change = { key: 'MM_SPREAD_MULTIPLIER', from: '1', to: '1.5' };
const NONE: TuningDecision = { kind: 'none', reason: 'converged', message: '' };

const tune = (at: number, step = 'widen', urgent = true): TuningDecision => ({
  kind: 'tune',
  at,
  trigger,
  urgent,
  theme: 'spread-offset',
  step,
  factor: null,
  changes: [change],
  proven: false,
  message: '',
});
const recover = (at: number): TuningDecision => ({
  kind: 'recover',
  at,
  trigger,
  theme: 'spread-offset',
  step: 'recover-to-base',
  fromIter: 1,
  toIter: null,
  changes: [change],
  message: '',
});
const stop = (at: number): TuningDecision => ({ kind: 'stop', at, trigger, message: '' });
const park = (at: number): TuningDecision => ({ kind: 'park', at, trigger, forMs: 1, parks: 1, message: '' });

const wish = (name: string, decision: TuningDecision | null, more: Partial<Wish> = {}): Wish => ({
  name,
  decision,
  health: decision === null || decision.kind === 'none' || decision.kind === 'recover' ? 'ok' : 'degraded',
  running: true,
  unjudged: false,
  unjudgedNotionalUsd: 100,
  ...more,
});
const calm = (count: number) => Array.from({ length: count }, (_, n) => wish(`calm${n}`, NONE));
const refusedOf = (wishes: Wish[], guards = {}, changing = 0) =>
  Object.fromEntries(
    [...fleetGuards(wishes, { ...GUARDS, ...guards }, changing)].map(([name, { reason }]) => [name, reason]),
  );

test.each([
  { name: 'nothing wanted, nothing refused', wishes: calm(3), guards: {}, want: {} },
  { name: 'one alone always may', wishes: [wish('a', tune(5))], guards: { maxShareChangedPerPass: 0.1 }, want: {} },
  {
    name: 'at most so many at once: the older alarm first, the way back last',
    wishes: [wish('a', recover(1)), wish('b', tune(9)), wish('c', tune(5)), ...calm(9)],
    guards: {},
    want: { a: 'guard' },
  },
  {
    name: 'a share of the running instances',
    wishes: [wish('a', tune(1)), wish('b', tune(2)), ...calm(1)],
    guards: {},
    want: { b: 'guard' },
  },
  {
    name: 'a hard limit is held by nothing',
    wishes: [wish('a', stop(1)), wish('b', stop(2)), wish('c', stop(3)), wish('d', stop(4))],
    guards: { maxConcurrentChanges: 1 },
    want: {},
  },
  {
    name: 'four of six degraded: the market, not the config',
    wishes: [wish('a', tune(1)), wish('b', park(2)), wish('c', tune(3)), wish('d', stop(4)), ...calm(2)],
    guards: { maxConcurrentChanges: 9 },
    want: { a: 'market-wide', b: 'market-wide', c: 'market-wide' },
  },
  {
    name: 'three of three are too few to suspect the market',
    wishes: [wish('a', tune(1)), wish('b', tune(2)), wish('c', tune(3))],
    guards: { maxConcurrentChanges: 9, maxShareChangedPerPass: 1 },
    want: {},
  },
  {
    name: 'half is not more than half',
    wishes: [wish('a', tune(1)), wish('b', tune(2)), wish('c', tune(3)), wish('d', tune(4)), ...calm(4)],
    guards: { maxConcurrentChanges: 9 },
    want: {},
  },
])('$name', ({ wishes, guards, want }) => {
  expect(refusedOf(wishes, guards)).toEqual(want);
});

test('instances that are already being changed count', () => {
  expect(refusedOf([wish('a', tune(1)), ...calm(9)], {}, 2)).toEqual({ a: 'guard' });
});

test.each([
  {
    name: 'recover within the budget',
    wishes: [wish('a', recover(1)), wish('b', NONE, { unjudged: true })],
    max: 200,
    want: {},
  },
  {
    name: 'recover past it',
    wishes: [wish('a', recover(1)), wish('b', NONE, { unjudged: true })],
    max: 199,
    want: { a: 'budget' },
  },
  {
    name: 'tighten past it',
    wishes: [wish('a', tune(1, 'tighten /1.25', false)), wish('b', NONE, { unjudged: true })],
    max: 199,
    want: { a: 'budget' },
  },
  {
    name: 'a defensive step is never held by it',
    wishes: [wish('a', tune(1)), wish('b', NONE, { unjudged: true })],
    max: 0,
    want: {},
  },
  {
    name: 'its own unjudged iter is not counted twice',
    wishes: [wish('a', recover(1), { unjudged: true })],
    max: 100,
    want: {},
  },
  {
    name: 'an unknown cap is not zero',
    wishes: [wish('a', recover(1), { unjudgedNotionalUsd: null })],
    max: 1e9,
    want: { a: 'budget' },
  },
  {
    name: 'two at once share it',
    wishes: [wish('a', recover(1)), wish('b', recover(2)), ...calm(4)],
    max: 150,
    want: { b: 'budget' },
  },
])('unjudged exposure: $name', ({ wishes, max, want }) => {
  expect(refusedOf(wishes, { maxUnjudgedNotionalUsd: max })).toEqual(want);
});

test('any fleet: the caps hold, the order of the list does not matter, only wishes are refused', () => {
  const decision = fc.oneof(
    fc.constant(NONE),
    fc.nat(99).map((at) => tune(at)),
    fc.nat(99).map(recover),
    fc.nat(99).map(stop),
    fc.nat(99).map(park),
  );
  fc.assert(
    fc.property(
      fc.array(decision, { maxLength: 12 }),
      fc.integer({ min: 1, max: 4 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (decisions, most, share) => {
        const wishes = decisions.map((each, n) => wish(`i${String(n).padStart(2, '0')}`, each));
        const guards = { ...GUARDS, maxConcurrentChanges: most, maxShareChangedPerPass: share };
        const refused = fleetGuards(wishes, guards);
        const acting = wishes.filter(
          (each) => each.decision!.kind !== 'none' && each.decision!.kind !== 'stop' && !refused.has(each.name),
        );
        expect(acting.length).toBeLessThanOrEqual(Math.min(most, Math.max(1, Math.floor(wishes.length * share))));
        for (const name of refused.keys()) {
          const kind = wishes.find((each) => each.name === name)!.decision!.kind;
          expect(['tune', 'recover', 'park']).toContain(kind);
        }
        expect(new Map([...fleetGuards([...wishes].reverse(), guards)].sort())).toEqual(new Map([...refused].sort()));
      },
    ),
  );
});
