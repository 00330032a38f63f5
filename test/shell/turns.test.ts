/** Instances that change in a pass wait for each other, but not for those that nobody meant. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { capChanges, type Planned } from '../../src/core/plan/plan.ts';
import { baseEnv, type FleetWorld, fleetWorld, THREE } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

let w: FleetWorld;
beforeAll(async () => {
  w = await fleetWorld();
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

test('a stop that is pushed while a start waits for its turn: it is not started', async () => {
  const fleet = readFileSync(join(w.ops, 'fleet/fleet.yaml'), 'utf8');
  const slow = fleet
    .replace('settle: 100ms', 'settle: 2s')
    .replace('interval: 1s', 'interval: 1s\n  guards: { maxConcurrentChanges: 1 }');
  w.put('fleet/fleet.yaml', slow);
  await w.commit('fleet: one after the other, slowly');
  const ada = join(w.dir, 'ada');
  await w.git(['clone', '--quiet', w.remote, ada], w.dir);
  const pass = w.launch('reconcile', '--once');
  await until(() => w.venueLog().length > 0, 'the first is looked at', 20_000);
  const spec = join(ada, 'fleet/pump.yaml');
  const text = readFileSync(spec, 'utf8');
  writeFileSync(spec, `${text}  state: Stopped\n`);
  await w.git(['commit', '--quiet', '-am', 'pump: not today'], ada);
  await w.git(['push', '--quiet'], ada);
  expect((await pass).stderr).toContain('flat; not started: state is Stopped since');
  expect((await w.copies()).map((c) => c.instance).sort()).toEqual(['amzn', 'mon']);
  expect(w.journalOf('PUMP-USD')).toBe(null);
  await w.git(['pull', '--quiet', '--rebase']);
  w.put('fleet/fleet.yaml', fleet);
  w.put('fleet/pump.yaml', text);
  await w.commit('fleet: as it was');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect(await w.copies()).toHaveLength(3);
}, 60_000);

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
