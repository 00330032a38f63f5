import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';

let world: FleetWorld;

const spec = (name: string, market: string, more = '') =>
  `apiVersion: mmfleet/v1\nkind: Instance\nmetadata: { name: ${name} }\nspec:\n  market: ${market}\n  baseEnv: env/${name}/.env.${name}\n${more}`;

beforeAll(async () => {
  world = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }]);
});

afterAll(() => world.end());

test('an instance is added, another is retired, a third gets another runtime, and a file that vanishes stops nothing', async () => {
  expect((await world.cli('reconcile', '--once')).code).toBe(0);
  const amzn = await world.pidOf('amzn');

  world.put('fleet/sol.yaml', spec('sol', 'SOL-USD'));
  world.put('fleet/env/sol/.env.sol', 'MM_MARKET_NAME=SOL-USD\nMM_SHUTDOWN_TIMEOUT_S=2\n');
  await world.commit('sol: a new instance');
  expect((await world.cli('reconcile', '--once')).code).toBe(0);
  const sol = await world.pidOf('sol');
  expect([await world.pidOf('amzn'), typeof sol]).toEqual([amzn, 'number']);

  world.put('fleet/amzn.yaml', spec('amzn', 'AMZN-USD', '  state: Retired\n'));
  world.put('fleet/sol.yaml', spec('sol', 'SOL-USD', '  runtime: { process: { startTimeout: 14s } }\n'));
  await world.commit('amzn retires, sol has another runtime block');
  expect((await world.cli('reconcile', '--once')).code).toBe(0);
  const again = await world.pidOf('sol');
  expect([await world.pidOf('amzn'), again === sol, typeof again]).toEqual([null, false, 'number']);

  await world.git(['rm', '--quiet', 'fleet/sol.yaml']);
  await world.commit('sol: its file is gone');
  expect((await world.cli('reconcile', '--once')).code).toBe(0);
  expect(await world.pidOf('sol')).toBe(again);
  expect((await world.cli('status')).out).toMatch(/^sol .*orphan .*left alone$/m);
}, 120_000);
