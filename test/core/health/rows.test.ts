import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FillRows, type NewFill } from '../../../src/core/health/fill-rows.ts';
import { Activities, FillMinutes } from '../../../src/core/health/minute-rows.ts';
import type { Activity, RunFill } from '../../../src/core/health/run.ts';
import type { FillMinute } from '../../../src/core/health/signal.ts';

const whole = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const number = fc.double({ noNaN: true });
const decimal = fc.oneof(
  fc.stringMatching(/^\d{1,9}(\.\d{1,12})?$/),
  fc.constantFrom('100.005000', '0.10', '007', '1.', '.5', '1.2.3', '1e-7', '-0', '+1', '9007199254740993', ''),
  fc.stringMatching(/^0\.\d{30,33}$/),
);
const given = fc.record<Omit<NewFill, 'id'>>({
  ts: number,
  minute: number,
  sign: fc.constantFrom(1, -1),
  price: decimal,
  qty: decimal,
  feeBps: number,
  edgeBps: fc.option(number),
});
const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ push: given }) },
  {
    weight: 20,
    arbitrary: fc.record({
      settle: fc.nat({ max: 60 }),
      horizon: fc.constantFrom('h5' as const, 'h60' as const),
      bps: fc.option(number),
    }),
  },
  { weight: 2, arbitrary: fc.record({ drop: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.constant('clear' as const) },
);

/** As a file gives it back. */
const again = <T>(stored: T) => JSON.parse(JSON.stringify(stored)) as T;

test('fills come back as they were given, with the markouts they got since', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const rows = new FillRows();
      let model: RunFill[] = [];
      let id = 0;
      for (const each of steps) {
        if (each === 'clear') {
          rows.clear();
          model = [];
        } else if ('push' in each) {
          rows.push({ id, ...each.push });
          model.push({ id, ...each.push, m5: undefined, waits60: true });
          id += 1;
        } else if ('drop' in each) {
          const count = Math.floor(each.drop * model.length);
          rows.drop(count);
          model = model.slice(count);
        } else {
          const fill = model.find((one) => one.id === each.settle);
          if (fill !== undefined && each.horizon === 'h5') fill.m5 = each.bps;
          if (fill !== undefined && each.horizon === 'h60') fill.waits60 = false;
          expect(rows.settle(each.settle, each.horizon, each.bps)).toEqual(fill);
        }
        expect(rows.toArray()).toEqual(model);
        expect(new FillRows(again(rows.toJSON())).toArray()).toEqual(model);
        expect(rows.newest(3)).toEqual(model.slice(-3));
        for (const [at, { m5, waits60, edgeBps }] of model.entries()) {
          expect(rows.m5(at)).toBe(m5);
          expect(rows.edgeBps(at)).toBe(edgeBps);
          expect(rows.waits(at)).toBe(waits60 || m5 === undefined);
        }
      }
    }),
    { numRuns: 100 },
  );
});

test('minutes come back as they were given', () => {
  const minute = fc.record<FillMinute>({ minute: number, n: whole, missing: whole, qty: number, weighted: number });
  const activity = fc.record<Activity>({
    minute: number,
    placed: whole,
    cancelled: whole,
    rejected: whole,
    postOnly: whole,
    errors: whole,
    fills: whole,
    positionShare: fc.option(fc.double({ min: 0, noNaN: true })),
  });
  const drops = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(minute), fc.array(activity), fc.array(minute), drops, (minutes, activities, more, share) => {
      const [fills, acts] = [FillMinutes.of(minutes), Activities.of(activities)];
      expect(fills.toArray()).toEqual(minutes);
      expect(acts.toArray()).toEqual(activities);
      expect(FillMinutes.from(again(fills.toJSON())).toArray()).toEqual(minutes);
      expect(Activities.from(again(acts.toJSON())).toArray()).toEqual(activities);
      const [a, b] = [Math.floor(share * minutes.length), Math.floor(share * activities.length)];
      fills.drop(a);
      acts.drop(b);
      for (const each of more) fills.push(each);
      expect(fills.toArray()).toEqual([...minutes.slice(a), ...more]);
      expect(acts.toArray()).toEqual(activities.slice(b));
      expect(acts.sum('errors', 1)).toBe(activities.slice(b + 1).reduce((sum, each) => sum + each.errors, 0));
    }),
  );
});
