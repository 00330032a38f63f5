import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

let world: FleetWorld;
let byHand: ReturnType<typeof spawn> | null = null;

beforeAll(async () => {
  world = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }]);
});

afterAll(async () => {
  byHand?.kill('SIGKILL');
  await world.end();
});

test('a bot started by hand on the same market keeps ours from starting; when it is gone, ours starts', async () => {
  const envFile = join(world.dir, '.env.by-hand');
  writeFileSync(envFile, 'MM_MARKET_NAME=AMZN-USD\n');
  byHand = spawn(process.execPath, [join(import.meta.dirname, '..', 'support', 'puppet-bot.mjs')], {
    cwd: world.ops,
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      ENV: envFile,
      MM_MARKET_NAME: 'AMZN-USD',
      MM_SHUTDOWN_TIMEOUT_S: '2',
      PUPPET_CONTROL: world.control,
      PUPPET_VENUE: world.venueState,
    },
  });
  await until(() => (world.journalOf('AMZN-USD')?.events.length ?? 0) > 2, 'the stranger writes');
  const held = await world.cli('reconcile', '--once');
  expect([held.code, await world.copies()]).toEqual([5, []]);
  expect(held.out).toContain('that mmfleet did not start');
  expect(world.signals('AMZN-USD')).toEqual([]);
  // Flat and without an order just now, it would not keep ours from a proof.
  const asked = await world.cli('restart', 'amzn', '--reason', 'does it start now?');
  expect([asked.code, await world.copies()]).toEqual([5, []]);
  byHand.kill('SIGINT');
  await until(() => world.journalOf('AMZN-USD')?.events.at(-1)?.['type'] === 'run_end', 'the stranger ends');
  expect((await world.cli('reconcile', '--once')).code).toBe(0);
  expect(await world.copies()).toHaveLength(1);
}, 90_000);
