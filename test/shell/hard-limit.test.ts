/** A hard limit stops for good, also where mmfleet itself is ended in the middle of that stop. */
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

let w: FleetWorld;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }], { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => w.end());

const spec = (more: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: amzn }
spec:
  market: AMZN-USD
  baseEnv: env/amzn/.env.amzn
  autonomy: observe
${more}`;

const LIMIT = '  health: { limits: { dataAge: { max: 1ms, action: stop } } }\n';

async function wellAgain(): Promise<void> {
  w.put('fleet/amzn.yaml', spec(''));
  await w.commit('amzn: silence is nothing');
  expect(await w.cli('release', 'amzn', '--reason', 'well again')).toMatchObject({ code: 0 });
  expect(await w.pidOf('amzn')).not.toBe(null);
}

test('its hold could not be pushed: it is held as soon as it can be, and not started before', async () => {
  w.put('fleet/amzn.yaml', spec(LIMIT));
  await w.commit('amzn: silence is a hard limit');
  const hook = join(w.remote, 'hooks/pre-receive');
  writeFileSync(hook, '#!/bin/sh\nexit 1\n');
  chmodSync(hook, 0o755);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 6 });
  expect(await w.pidOf('amzn')).toBe(null);
  rmSync(hook);
  const told = w.signals('AMZN-USD').length;
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 5 });
  expect([await w.pidOf('amzn'), w.signals('AMZN-USD').length]).toEqual([null, told]);
  expect(await w.remoteLog()).toContainEqual(expect.stringMatching(/^hold\(amzn\): hard limit: /));
  await wellAgain();
}, 60_000);

test.each(['SIGKILL', 'SIGTERM'] as const)(
  '%s while its bot ends: the bot is proved flat and held, not started again',
  async (signal) => {
    w.put('fleet/amzn.yaml', spec(LIMIT));
    await w.commit(`amzn: silence is a hard limit (${signal})`);
    const before = w.signals('AMZN-USD').length;
    w.behave('AMZN-USD', { holdStop: true });
    const pass = w.launch('reconcile', '--once');
    await until(() => w.signals('AMZN-USD').length > before, 'the bot is told to stop', 20_000);
    pass.kill(signal);
    await pass;
    expect(await w.pidOf('amzn')).not.toBe(null);
    // Its end is written down: from then on its journal is not silent any more.
    w.behave('AMZN-USD', {});
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 5 });
    expect([await w.pidOf('amzn'), w.signals('AMZN-USD').length]).toEqual([null, before + 1]);
    expect((await w.remoteLog())[0]).toMatch(/^hold\(amzn\): hard limit: /);
    await wellAgain();
  },
  60_000,
);
