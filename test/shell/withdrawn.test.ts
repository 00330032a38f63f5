/** One look at git serves everybody who asked before it began. */
import { expect, test } from 'vitest';
import { shared } from '../../src/shell/withdrawn.ts';

/** A question whose answers come when told to, numbered in the order in which they were begun. */
function question() {
  const ends: ((failed?: Error) => void)[] = [];
  const ask = () =>
    new Promise<number>((resolve, reject) => {
      const number = ends.length + 1;
      ends.push((failed) => (failed === undefined ? resolve(number) : reject(failed)));
    });
  return { ask: shared(ask), ends, turn: () => new Promise((resolve) => setImmediate(resolve)) };
}

test('who asks while a look is under way shares the next one, never the one under way', async () => {
  const { ask, ends, turn } = question();
  const first = ask();
  await turn();
  const [second, third] = [ask(), ask()];
  await turn();
  expect(ends).toHaveLength(1);
  ends[0]!();
  expect(await first).toBe(1);
  await turn();
  const fourth = ask();
  await turn();
  expect(ends).toHaveLength(2);
  ends[1]!();
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  await turn();
  ends[2]!();
  expect(await fourth).toBe(3);
});

test('a look that fails does not stand in the way of the next', async () => {
  const { ask, ends, turn } = question();
  const failing = ask();
  await turn();
  const next = ask();
  ends[0]!(new Error('away'));
  await expect(failing).rejects.toThrow('away');
  await turn();
  ends[1]!();
  expect(await next).toBe(2);
});
