import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecentIds, type StoredIds } from '../../src/core/journal/recent-ids.ts';

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
  few.map((n) => 'x'.repeat(n)),
  few.map((n) => `\u20ac${n}`),
  few.map((n) => String.fromCharCode(0xd800 + n)),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 400 }),
);

test('it knows the ids of the last so many, whatever they look like', () => {
  const rising = fc.tuple(fc.bigInt({ min: 1n, max: 10n ** 18n }), fc.integer({ min: 1, max: 200 }));
  const step = fc.oneof(
    { weight: 60, arbitrary: id },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 4, arbitrary: rising },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.array(step, { maxLength: 900 }), (capacity, steps) => {
      const [ids, want] = [new RecentIds(capacity), model(capacity)];
      for (const each of steps) {
        if (each === null) {
          ids.clear();
          want.clear();
        } else if (typeof each === 'string') expect(ids.note(each)).toBe(want.note(each));
        else {
          const all = Array.from({ length: each[1] }, (_, n) => each[0] + BigInt(n * n));
          all.splice(1, all.length > 1 ? 1 : 0);
          const known = all.filter((value) => want.note(String(value))).length;
          expect(ids.noteAll(new Int32Array(new BigInt64Array(all).buffer), all.length, true)).toBe(known);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('what is stored of it and read back knows the same ids, and goes on alike', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(id, { maxLength: 300 }),
      fc.array(id, { maxLength: 100 }),
      (capacity, before, after) => {
        const ids = new RecentIds(capacity);
        for (const each of before) ids.note(each);
        const again = RecentIds.from(capacity, JSON.parse(JSON.stringify(ids)) as StoredIds);
        expect(again.size).toBe(ids.size);
        for (const each of after) expect(again.note(each)).toBe(ids.note(each));
      },
    ),
    { numRuns: 150 },
  );
});

test('an id by its two halves is the one by its digits', () => {
  const ids = new RecentIds(10);
  const value = 1_784_963_886_257_016_901n;
  const halves = new Int32Array(new BigInt64Array([value]).buffer);
  expect(ids.noteAll(halves, 1, true)).toBe(0);
  expect(ids.noteAll(halves, 1, true)).toBe(1);
  expect(ids.note(String(value))).toBe(true);
  expect(ids.note(String(value + 1n))).toBe(false);
});
