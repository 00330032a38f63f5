import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CLI, type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

type Line = {
  level: string;
  pass?: number;
  msg: string;
  instance?: string;
  commit?: string;
  unchanged?: number;
  code?: string;
  midFlight?: string[];
};

let world: FleetWorld;
let ada: string;
const lines: Line[] = [];
let daemon: ReturnType<typeof start>;

function start() {
  const child = execa('node', [CLI, '-C', world.ops, 'reconcile', '--watch'], { reject: false, stdin: 'ignore' });
  let rest = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString('utf8')).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) lines.push(JSON.parse(line) as Line);
  });
  return child;
}

const passes = () => lines.filter((l) => l.msg === 'pass');
const quiet = () => passes().at(-1)?.unchanged === 3;

beforeAll(async () => {
  world = await fleetWorld();
  ada = join(world.dir, 'ada');
  await world.git(['clone', '--quiet', world.remote, ada], world.dir);
  daemon = start();
  await until(async () => (await world.copies()).length === 3 && quiet(), 'three bots run', 30_000);
}, 60_000);

afterAll(async () => {
  daemon.kill('SIGKILL');
  await world.end();
});

test('a push of another base env restarts that instance alone', async () => {
  const before = Object.fromEntries((await world.copies()).map((c) => [c.instance, c.pid]));
  await world.git(['pull', '--quiet', '--rebase'], ada);
  await execa('sed', ['-i', 's/MM_MIN_OFFSET_BPS=4/MM_MIN_OFFSET_BPS=5/', 'fleet/env/mon/.env.mon'], { cwd: ada });
  await world.git(['commit', '--quiet', '-am', 'mon: wider'], ada);
  await world.git(['push', '--quiet'], ada);
  await until(() => lines.some((l) => l.commit?.startsWith('converge(mon): base -> base')), 'mon converges', 20_000);
  const after = Object.fromEntries((await world.copies()).map((c) => [c.instance, c.pid]));
  expect(after['mon']).not.toBe(before['mon']);
  expect([after['amzn'], after['pump']]).toEqual([before['amzn'], before['pump']]);
  expect(world.journalOf('MON-USD')?.events[0]).toMatchObject({ type: 'run_start', config: { min_offset_bps: '5' } });
}, 40_000);

test('a push of other thresholds restarts nothing', async () => {
  const before = (await world.copies()).map((c) => c.pid).sort();
  await world.git(['pull', '--quiet', '--rebase'], ada);
  await execa('sh', ['-c', 'printf "  health: { cooldown: 10m }\\n" >> fleet/amzn.yaml'], { cwd: ada });
  await world.git(['commit', '--quiet', '-am', 'amzn: a shorter cooldown'], ada);
  await world.git(['push', '--quiet'], ada);
  const pushed = (await world.git(['rev-parse', 'HEAD'], ada)).trim();
  await until(async () => (await world.git(['rev-parse', 'HEAD'])).trim() === pushed, 'the push is fetched', 20_000);
  const seen = passes().length;
  await until(() => passes().length >= seen + 2, 'two more passes', 20_000);
  expect((await world.copies()).map((c) => c.pid).sort()).toEqual(before);
}, 40_000);

test('an invalid push holds that instance, which runs on, and the others go on', async () => {
  const before = (await world.copies()).map((c) => c.pid).sort();
  await world.git(['pull', '--quiet', '--rebase'], ada);
  await execa('sed', ['-i', 's/cooldown: 10m/cooldwon: 10m/', 'fleet/amzn.yaml'], { cwd: ada });
  await world.git(['commit', '--quiet', '-am', 'amzn: a typo'], ada);
  await world.git(['push', '--quiet'], ada);
  await until(() => lines.some((l) => l.msg === 'held' && l.instance === 'amzn'), 'amzn is held', 20_000);
  expect((await world.copies()).map((c) => c.pid).sort()).toEqual(before);
  const status = await world.cli('status', 'amzn');
  expect(status.out + status.err).toContain('did you mean "cooldown"');
  await world.git(['revert', '--no-edit', 'HEAD'], ada);
  await world.git(['push', '--quiet'], ada);
  await until(() => quiet(), 'amzn is well again', 20_000);
}, 60_000);

test('where nothing can be written the daemon says so, and goes on once it can', async () => {
  const [own, aside] = [join(world.ops, '.git/mmfleet'), join(world.ops, '.git/mmfleet.aside')];
  renameSync(own, aside);
  writeFileSync(own, '');
  await until(() => lines.some((l) => l.code === 'lock-unwritable'), 'it says so', 20_000);
  rmSync(own);
  renameSync(aside, own);
  const seen = passes().length;
  await until(() => passes().length > seen && quiet(), 'a pass', 20_000);
}, 60_000);

test('a quiet fleet logs one line a pass, and the first SIGINT ends it with the bots running', async () => {
  const from = lines.length;
  const seen = passes().length;
  await until(() => passes().length >= seen + 3, 'three quiet passes', 20_000);
  expect(lines.slice(from).map((l) => l.msg)).toEqual(Array.from({ length: lines.length - from }, () => 'pass'));
  daemon.kill('SIGINT');
  expect((await daemon).exitCode).toBe(130);
  expect(await world.copies()).toHaveLength(3);
  expect(existsSync(join(world.ops, '.git/mmfleet/lock'))).toBe(false);
}, 40_000);

test('a second signal ends it at once and says which instance is mid-flight', async () => {
  world.faults([{ call: 'cancel', market: 'MON-USD', fault: 'hang' }]);
  await world.git(['pull', '--quiet', '--rebase'], ada);
  await execa('sed', ['-i', 's/MM_MIN_OFFSET_BPS=5/MM_MIN_OFFSET_BPS=6/', 'fleet/env/mon/.env.mon'], { cwd: ada });
  await world.git(['commit', '--quiet', '-am', 'mon: wider still'], ada);
  await world.git(['push', '--quiet'], ada);
  const from = lines.length;
  daemon = start();
  // A signal before that ends the daemon without a second one: there is no step in hand yet that it waits for.
  const asked = () => world.venueLog().some((call) => call.market === 'MON-USD' && call.fault === 'hang');
  await until(asked, 'mon is stopped, and the venue is asked', 20_000);
  daemon.kill('SIGINT');
  const heard = () => lines.slice(from).some((l) => l.msg.startsWith('stopping after'));
  await until(heard, 'the first signal is heard', 20_000);
  daemon.kill('SIGINT');
  expect((await daemon).exitCode).toBe(130);
  expect(lines.slice(from).find((l) => l.msg.startsWith('stopped at once'))).toMatchObject({ midFlight: ['mon'] });
  const { items } = JSON.parse((await world.cli('status', 'mon', '--json')).out) as { items: object[] };
  expect(items).toMatchObject([{ lifecycle: 'flattening', positionBase: { unavailable: 'not proved flat' } }]);
}, 60_000);
