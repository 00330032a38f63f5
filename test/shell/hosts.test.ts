/** An instance of another host: what can be done to it from here, and what only there; with the real CLI. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { alive, until } from '../support/puppet.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PAIR = [
  { name: 'amzn', market: 'AMZN-USD', host: 'there' },
  { name: 'mon', market: 'MON-USD', host: 'yonder' },
];
let w: FleetWorld;

beforeAll(async () => {
  w = await fleetWorld(PAIR);
  for (const { name, host } of PAIR) w.put(`fleet/${name}.yaml`, `${text(`fleet/${name}.yaml`)}  host: ${host}\n`);
  w.put('fleet/fleet.yaml', text('fleet/fleet.yaml').replace('initial: 4s, max: 4s', 'initial: 1ms, max: 1ms'));
  await w.commit('fleet: a host each');
  expect(await w.cli('reconcile', '--once', '--host', 'there')).toMatchObject({ code: 0 });
});
afterAll(() => w.end());

const text = (path: string) => readFileSync(join(w.ops, path), 'utf8');
const head = async () => (await w.git(['rev-parse', 'HEAD'])).trim();

test.each(['flatten', 'restart'])('%s from another host is refused, and holds nothing that trades on', async (verb) => {
  const [before, pid] = [await head(), await w.pidOf('amzn')];
  expect(await w.cli(verb, 'amzn', '--reason', 'now')).toEqual({
    code: 4,
    out: '',
    err: expect.stringMatching(/^amzn runs on there, and this is .*\n {2}hint: .*--host there/),
  });
  expect([await head(), await w.pidOf('amzn')]).toEqual([before, pid]);
});

test('every command goes by the name that the daemon of this host is given', async () => {
  for (const command of [['status'], ['plan'], ['why', 'amzn'], ['diff', 'amzn']]) {
    const end = await w.cli(...command, '--host', 'there');
    expect([end.code, end.out]).toEqual([0, expect.not.stringMatching(/^amzn .*elsewhere/m)]);
  }
  const flattened = await w.cli('flatten', 'amzn', 'mon', '--host', 'there');
  expect(flattened).toMatchObject({ code: 4, err: expect.stringContaining('mon runs on yonder') });
  expect(await w.pidOf('amzn')).toBe(null);
  expect(text('fleet/holds.yaml')).toMatch(/instance: amzn/);
  expect(text('fleet/holds.yaml')).not.toMatch(/instance: mon/);
  expect(await w.cli('release', 'amzn', '--reason', 'on', '--host', 'there')).toMatchObject({ code: 0 });
  expect(await w.pidOf('amzn')).not.toBe(null);
});

test('a crash loop that is released from another clone counts anew', async () => {
  const laptop = join(w.dir, 'laptop');
  for (const looped of [false, false, false, true]) {
    const pid = (await w.pidOf('amzn')) ?? 0;
    w.tell('AMZN-USD', 'die');
    await until(() => !alive(pid), `the end of ${pid}`);
    expect((await w.cli('reconcile', '--once', '--host', 'there')).code).toBe(looped ? 5 : 0);
  }
  await w.git(['clone', '--quiet', w.remote, laptop], w.dir);
  cpSync(join(w.ops, 'secrets'), join(laptop, 'secrets'), { recursive: true });
  expect(await w.cliWith({}, '-C', laptop, 'release', 'amzn', '--reason', 'mended')).toMatchObject({ code: 0 });
  expect(await w.pidOf('amzn')).toBe(null);
  expect(await w.cli('reconcile', '--once', '--host', 'there')).toMatchObject({ code: 0 });
  expect(await w.pidOf('amzn')).not.toBe(null);
});
