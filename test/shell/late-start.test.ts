/** A bot whose journal has not said yet which env it runs: it is held while that lasts, and nothing is latched for it. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

let w: FleetWorld;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }]);
  w.put(
    'fleet/amzn.yaml',
    `${await w.git(['show', 'HEAD:fleet/amzn.yaml'])}\n  runtime: { process: { startTimeout: 1s } }\n`,
  );
  await w.commit('amzn: a start is quick');
}, 60_000);
afterAll(() => w.end());

const begun = () => w.journalOf('AMZN-USD')?.events[0]?.['type'] === 'run_start';
const holds = async () => (await w.remoteLog()).filter((s) => s.startsWith('hold('));

test('one that comes late is held until it is there, and then no longer', async () => {
  w.behave('AMZN-USD', { startDelayMs: 6_000 });
  const slow = await w.cli('reconcile', '--once');
  expect([slow.code, slow.out]).toEqual([5, expect.stringMatching(/amzn .*not-confirmed .*no run_start/)]);
  const pid = await w.pidOf('amzn');
  await until(begun, 'its run_start', 20_000);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect([await w.pidOf('amzn'), await holds()]).toEqual([pid, []]);
}, 60_000);

test('a second clone without the journals of the first holds nobody', async () => {
  const second = join(w.dir, 'second');
  await w.git(['clone', '--quiet', w.remote, second], w.dir);
  cpSync(join(w.ops, 'secrets'), join(second, 'secrets'), { recursive: true });
  const pid = await w.pidOf('amzn');
  const there = await w.cliWith({}, '-C', second, 'reconcile', '--once');
  expect([there.code, there.out]).toEqual([5, expect.stringMatching(/amzn .*not-confirmed .*no run_start/)]);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect([await w.pidOf('amzn'), await holds()]).toEqual([pid, []]);
}, 60_000);
