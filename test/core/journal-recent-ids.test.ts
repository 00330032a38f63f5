import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecentIds } from '../../src/core/journal/recent-ids.ts';

/** The same with a set of texts. */
function model(capacity: number) {
  let ids = new Set<string>();
  return {
    note: (id: string) => {
      if (ids.has(id)) return true;
      ids.add(id);
      if (ids.size > capacity) ids = new Set([...ids].slice(1));
      return false;
    },
    clear: () => ids.clear(),
  };
}

const few = fc.integer({ min: 1, max: 40 });
const id = fc.oneof(
  few.map(String),
  few.map((n) => String(1_784_963_886_257_016_832n + (BigInt(n) << 30n))),
  few.map((n) => `9999999999999999${n + 900}`),
  few.map((n) => `0${n}`),
  few.map((n) => `id-${n}`),
  fc.stringMatching(/^\d{1,21}$/),
);

test('it knows the ids of the last so many, whatever they look like', () => {
  const step = fc.oneof({ weight: 60, arbitrary: id }, { weight: 1, arbitrary: fc.constant(null) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.array(step, { maxLength: 900 }), (capacity, steps) => {
      const [ids, want] = [new RecentIds(capacity), model(capacity)];
      for (const each of steps) {
        if (each === null) {
          ids.clear();
          want.clear();
        } else expect(ids.note(each)).toBe(want.note(each));
      }
    }),
    { numRuns: 150 },
  );
});

test('an id by its two halves is the one by its digits', () => {
  const ids = new RecentIds(10);
  const value = 1_784_963_886_257_016_901n;
  expect(ids.noteNumber(Number(BigInt.asIntN(32, value)), Number(value >> 32n))).toBe(false);
  expect(ids.note(String(value))).toBe(true);
  expect(ids.note(String(value + 1n))).toBe(false);
});
