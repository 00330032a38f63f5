/** Instances that change in a pass wait for each other, but not for those that nobody meant. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { capChanges, type Planned } from '../../src/core/plan/plan.ts';
import { baseEnv, type FleetWorld, fleetWorld, THREE } from '../support/fleet-world.ts';

let w: FleetWorld;
beforeAll(async () => {
  w = await fleetWorld();
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => w.end());

/** Whose turn it is not, in this minute or the next. */
function late(): string {
  const restarts = THREE.map(({ name }) => ({ item: { name }, effect: { do: 'restart' } }) as Planned);
  const first = (atMs: number) =>
    capChanges(restarts, 3, { maxShareChangedPerPass: 0.5 }, atMs).find((p) => p.effect !== null)?.item.name;
  const firsts = [first(Date.now()), first(Date.now() + 60_000)];
  return THREE.find(({ name }) => !firsts.includes(name))!.name;
}

test('the one that is named changes now, however many others would', async () => {
  for (const { name, market } of THREE)
    w.put(`fleet/env/${name}/.env.${name}`, baseEnv(market).replace('LEVELS=2', 'LEVELS=3'));
  await w.commit('three levels everywhere');
  const before = Object.fromEntries((await w.copies()).map((c) => [c.instance, c.pid]));
  const name = late();
  const run = await w.cli('reconcile', name, '--once');
  expect([run.code, run.out]).toEqual([0, expect.not.stringContaining('waits for its turn')]);
  const after = Object.fromEntries((await w.copies()).map((c) => [c.instance, c.pid]));
  expect(THREE.filter((i) => after[i.name] !== before[i.name]).map((i) => i.name)).toEqual([name]);
}, 60_000);
