/** What a fleet is known by may change under its bots: they stay its bots, and nothing is started beside them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { liveProcesses } from '../../src/adapters/process-table.ts';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';

let world: FleetWorld;
beforeAll(async () => {
  world = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }]);
  expect((await world.cli('reconcile', '--once')).code).toBe(0);
}, 60_000);
afterAll(async () => {
  for (const pid of bots()) process.kill(pid, 'SIGKILL');
  await world.end();
});

/** Every live bot of this world, whatever it carries besides. */
function bots(): number[] {
  return liveProcesses().flatMap(({ pid }) => {
    try {
      const environ = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const ours = environ.includes(`PUPPET_CONTROL=${world.control}`);
      return ours && environ.some((each) => each.startsWith('MMFLEET_INSTANCE=')) ? [pid] : [];
    } catch {
      return []; // it ended meanwhile, or is somebody else's
    }
  });
}

const asked = () => world.venueLog().length;

async function staysAsItIs(): Promise<void> {
  const [before, calls] = [bots(), asked()];
  expect(before).toHaveLength(1);
  const run = await world.cli('reconcile', '--once');
  expect([run.code, bots(), asked()]).toEqual([0, before, calls]);
  expect((await world.cli('status')).out).toMatch(/^amzn .* running /m);
}

test('under another name', async () => {
  const fleet = join(world.ops, 'fleet/fleet.yaml');
  world.put('fleet/fleet.yaml', readFileSync(fleet, 'utf8').replace('name: test', 'name: tested'));
  await world.commit('fleet: another name');
  await staysAsItIs();
  const [before] = bots();
  // Under the new name there is one as well, and the old one is gone.
  expect((await world.cli('restart', 'amzn', '--reason', 'anew')).code).toBe(0);
  expect(bots()).toHaveLength(1);
  expect(bots()).not.toEqual([before]);
  await staysAsItIs();
}, 90_000);

test('under another runtime: it is held until what was started has ended as it was started', async () => {
  const spec = readFileSync(join(world.ops, 'fleet/amzn.yaml'), 'utf8');
  const says = (status: string) => `[printf, '{"status": "${status}"}']`;
  const [before, calls] = [bots(), asked()];
  for (const status of ['stopped', 'running']) {
    const runtime = `  runtime: { command: { cwd: .., start: ["false"], stop: ["true"], status: ${says(status)} } }\n`;
    world.put('fleet/amzn.yaml', `${spec}${runtime}`);
    await world.commit(`amzn: by commands, which say ${status}`);
    const held = await world.cli('reconcile', '--once');
    expect([held.code, held.out]).toEqual([
      5,
      expect.stringContaining(`pid ${before[0]} of it was started by runtime.process`),
    ]);
    expect((await world.cli('flatten', 'amzn')).code).toBe(5);
    expect([bots(), asked()]).toEqual([before, calls]);
  }
  world.put('fleet/amzn.yaml', spec);
  await world.commit('amzn: as it was');
  expect((await world.cli('release', 'amzn', '--reason', 'as it was')).code).toBe(0);
  await staysAsItIs();
}, 90_000);

test('with another first commit', async () => {
  const anew = (await world.git(['commit-tree', '-m', 'anew, without what nobody may see', 'HEAD^{tree}'])).trim();
  await world.git(['reset', '--quiet', '--hard', anew]);
  await world.git(['push', '--quiet', '--force', 'origin', 'main']);
  await staysAsItIs();
}, 60_000);

test('without the marker: its program does not hand it on', async () => {
  const puppet = join(import.meta.dirname, '..', 'support', 'puppet-bot.mjs');
  const command = ['sh', '-c', `exec env -u MMFLEET_FLEET "${process.execPath}" "${puppet}"`];
  const spec = readFileSync(join(world.ops, 'fleet/amzn.yaml'), 'utf8');
  world.put('fleet/amzn.yaml', `${spec}  runtime: { process: { command: ${JSON.stringify(command)} } }\n`);
  await world.commit('amzn: through a wrapper');
  expect((await world.cli('reconcile', '--once')).code).toBe(0);
  await staysAsItIs();
  const [pid] = bots();
  expect((await world.cli('stop', 'amzn', '--reason', 'enough')).code).toBe(0);
  expect([bots(), world.signals('AMZN-USD').at(-1)]).toEqual([[], `${pid} SIGINT`]);
}, 90_000);
