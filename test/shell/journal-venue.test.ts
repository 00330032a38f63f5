/** A market whose flatness only the bot's own words tell. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';

let w: FleetWorld;
let spec: string;
beforeAll(async () => {
  w = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }]);
  spec = `${readFileSync(join(w.ops, 'fleet/amzn.yaml'), 'utf8')}  venue: { journal: {} }\n`;
  w.put('fleet/amzn.yaml', spec);
  await w.commit('amzn: believed at its word');
}, 60_000);
afterAll(() => w.end());

test('the words of the run before are no proof for one that wrote into another journal', async () => {
  w.tell('AMZN-USD', 'line {"type":"heartbeat","position":"0","active_orders":0}');
  const first = await w.cli('reconcile', '--once');
  // It never ran: there are no words yet, and so no start on them.
  expect(first.code).toBe(5);
  w.put('fleet/amzn.yaml', spec.replace('  venue: { journal: {} }\n', ''));
  await w.commit('amzn: its first run, with a venue');
  expect(await w.cli('release', 'amzn', '--reason', 'with a venue')).toMatchObject({ code: 0 });
  w.put('fleet/amzn.yaml', spec);
  await w.commit('amzn: believed at its word from now on');
  expect(await w.cli('restart', 'amzn', '--reason', 'it says that it is flat')).toMatchObject({ code: 0 });

  const elsewhere = `{ process: { environment: { PUPPET_JOURNAL: ${join(w.dir, 'elsewhere')} }, startTimeout: 1s } }`;
  w.put('fleet/amzn.yaml', `${spec}  runtime: ${elsewhere}\n`);
  await w.commit('amzn: writes elsewhere');
  const unseen = await w.cli('reconcile', '--once');
  expect([unseen.code, unseen.out]).toEqual([5, expect.stringMatching(/not.confirmed/)]);
  const flattened = await w.cli('flatten', 'amzn');
  expect([flattened.code, await w.pidOf('amzn')]).toEqual([5, null]);
  expect(flattened.out).toContain('flat unproven');
}, 90_000);
