import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

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

  // Renamed, it would be a second bot on that market.
  world.put('fleet/sun.yaml', spec('sun', 'SOL-USD', '  journal: { path: ../data/elsewhere/*.jsonl }\n'));
  world.put('fleet/env/sun/.env.sun', 'MM_MARKET_NAME=SOL-USD\nMM_SHUTDOWN_TIMEOUT_S=2\n');
  await world.commit('sol is called sun');
  const renamed = await world.cli('reconcile', '--once');
  expect([renamed.code, renamed.out]).toEqual([
    5,
    expect.stringContaining(`sol (pid ${again}), which no spec declares`),
  ]);
  expect([await world.pidOf('sun'), await world.pidOf('sol')]).toEqual([null, again]);
  await world.git(['rm', '--quiet', 'fleet/sun.yaml']);
  await world.commit('sun: never mind');
}, 120_000);

test('another market: the run that began on the old one ends there before anything starts on the new one', async () => {
  const eth = (market: string, more = '') => {
    world.put('fleet/eth.yaml', spec('eth', market, more));
    world.put('fleet/env/eth/.env.eth', `MM_MARKET_NAME=${market}\nMM_SHUTDOWN_TIMEOUT_S=2\n`);
    return world.commit(`eth: ${market}`);
  };
  await eth('ETH-USD');
  expect((await world.cli('reconcile', 'eth', '--once')).code).toBe(0);
  const pid = await world.pidOf('eth');
  world.behave('ETH-USD', { keepPosition: true });
  world.setBook('ETH-USD', { position: '3' });

  await eth('BTC-USD');
  const held = await world.cli('reconcile', 'eth', '--once');
  expect([held.code, held.out]).toEqual([5, expect.stringContaining('its run began on ETH-USD, and spec.market is')]);
  for (const verb of ['stop', 'flatten'])
    expect((await world.cli(verb, 'eth', '--reason', 'on which market?')).code).toBe(5);
  expect([await world.pidOf('eth'), world.book('ETH-USD')?.position, world.book('BTC-USD')]).toEqual([
    pid,
    '3',
    undefined,
  ]);
  // Dead or alive: what it left is on the old market.
  world.tell('ETH-USD', 'die');
  await until(async () => (await world.pidOf('eth')) === null, 'the bot is gone');
  expect(await world.cli('release', 'eth', '--reason', 'so?')).toMatchObject({ code: 5 });
  expect(world.book('BTC-USD')).toBe(undefined);

  await eth('ETH-USD');
  expect((await world.cli('flatten', 'eth')).code).toBe(0);
  expect(world.book('ETH-USD')?.position).toBe('0');
  await eth('BTC-USD');
  expect((await world.cli('release', 'eth', '--reason', 'on the new one')).code).toBe(0);
  expect(await world.pidOf('eth')).not.toBe(null);
}, 120_000);

test('another account: the run that began on the old one is not proved flat on the new one', async () => {
  const ada = async (account: string, market = 'ADA-USD') => {
    world.put('fleet/ada.yaml', spec('ada', market, `  account: ${account}\n`));
    await world.commit(`ada: account ${account}`);
  };
  world.put('fleet/env/ada/.env.ada', 'MM_MARKET_NAME=ADA-USD\nMM_SHUTDOWN_TIMEOUT_S=2\n');
  await ada('desk-1');
  expect((await world.cli('reconcile', 'ada', '--once')).code).toBe(0);
  const pid = await world.pidOf('ada');
  await ada('desk-2');
  const held = await world.cli('reconcile', 'ada', '--once');
  expect([held.code, held.out]).toEqual([
    5,
    expect.stringContaining('its run began on desk-1, and spec.account is desk-2: change it back'),
  ]);
  expect(await world.pidOf('ada')).toBe(pid);
  await ada('desk-1');
  expect((await world.cli('reconcile', 'ada', '--once')).code).toBe(0);
  expect(await world.pidOf('ada')).toBe(pid);
  expect((await world.cli('flatten', 'ada')).code).toBe(0);
  await ada('desk-2');
  expect((await world.cli('release', 'ada', '--reason', 'on the new one')).code).toBe(0);
  expect(await world.pidOf('ada')).not.toBe(null);
}, 120_000);

test('mainnet: the run that began on the testnet is not proved flat there, and the other way round', async () => {
  world.put('fleet/doge.yaml', spec('doge', 'DOGE-USD', '  allowMainnet: true\n'));
  const doge = async (line: string) => {
    world.put('fleet/env/doge/.env.doge', `MM_MARKET_NAME=DOGE-USD\nMM_SHUTDOWN_TIMEOUT_S=2\n${line}`);
    await world.commit(`doge: ${line.trim() || 'no environment named'}`);
  };
  await doge('');
  expect((await world.cli('reconcile', 'doge', '--once')).code).toBe(0);
  const pid = await world.pidOf('doge');
  await doge('MM_ENVIRONMENT=mainnet\n');
  for (const verb of ['reconcile --once', 'flatten']) {
    const held = await world.cli(...verb.split(' '), 'doge');
    expect([held.code, `${held.out}${held.err}`]).toEqual([
      5,
      expect.stringContaining('its run began on testnet, and MM_ENVIRONMENT is mainnet: change it back'),
    ]);
  }
  expect(await world.pidOf('doge')).toBe(pid);
  // Said or not said, it is the same place.
  await doge('MM_ENVIRONMENT=Testnet\n');
  expect((await world.cli('flatten', 'doge')).code).toBe(0);
  await doge('MM_ENVIRONMENT=mainnet\n');
  expect((await world.cli('release', 'doge', '--reason', 'for real now')).code).toBe(0);
  expect(await world.pidOf('doge')).not.toBe(null);
  const receipts = await world.git(['show', 'HEAD:fleet/receipts/doge.jsonl']);
  expect(
    receipts
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).environment),
  ).toEqual(['testnet', 'testnet', 'mainnet']);
}, 120_000);
