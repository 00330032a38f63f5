/** Edits of machine-owned files that nobody committed: what they stand in the way of, and what not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { baseEnv, type FleetWorld, fleetWorld } from '../support/fleet-world.ts';

let w: FleetWorld;

beforeAll(async () => {
  w = await fleetWorld([
    { name: 'amzn', market: 'AMZN-USD' },
    { name: 'mon', market: 'MON-USD' },
  ]);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => w.end());

test('an edit of one log of receipts keeps no other instance from its change, and its own receipt waits', async () => {
  const log = 'fleet/receipts/mon.jsonl';
  w.put(log, `${readFileSync(join(w.ops, log), 'utf8')}\n`);
  const stopped = await w.cli('stop', 'mon', '--reason', 'a rest');
  expect([stopped.out, await w.pidOf('mon')]).toEqual([expect.stringContaining('mon: stopped and flat'), null]);
  w.put('fleet/env/amzn/.env.amzn', baseEnv('AMZN-USD').replace('LEVELS=2', 'LEVELS=5'));
  await w.git(['commit', '--quiet', '-m', 'amzn: five levels', 'fleet/env/amzn/.env.amzn']);
  await w.git(['push', '--quiet', 'origin', 'main']);
  const pass = await w.cli('reconcile', '--once');
  expect([pass.code, pass.out]).toEqual([5, expect.stringContaining(`${log} has uncommitted edits`)]);
  expect(w.journalOf('AMZN-USD')?.events[0]).toMatchObject({ config: { num_price_levels: '5' } });
  await w.git(['checkout', '--quiet', 'HEAD', '--', log]);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect((await w.remoteLog()).slice(0, 2)).toEqual([
    expect.stringMatching(/^converge\(mon\)/),
    expect.stringMatching(/^converge\(amzn\)/),
  ]);
}, 90_000);
