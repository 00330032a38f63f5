/** Wishes as commits: at the next safe point of a running convergence, and for several instances at once. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { baseEnv, type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

let w: FleetWorld;
let ada: string;

beforeAll(async () => {
  w = await fleetWorld(
    [
      { name: 'amzn', market: 'AMZN-USD' },
      { name: 'mon', market: 'MON-USD' },
    ],
    { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } },
  );
  ada = join(w.dir, 'ada');
  const fleet = readFileSync(join(w.ops, 'fleet/fleet.yaml'), 'utf8');
  w.put('fleet/fleet.yaml', fleet.replace('timeout: 2s', 'timeout: 60s'));
  await w.commit('fleet: patient stops');
  await w.git(['clone', '--quiet', w.remote, ada], w.dir);
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => w.end());

const runs = (market: string) => {
  const folder = join(w.ops, 'data/mm_journal');
  const names = readdirSync(folder).filter((n) => n.startsWith(`mm_${market}_`) && !n.includes('latest'));
  return names.flatMap((n) => readFileSync(join(folder, n), 'utf8').match(/"run_start"/g) ?? []).length;
};

test('a stop that is pushed while a restart waits for the bot to end: it is not started again', async () => {
  w.behave('AMZN-USD', { ignoreSignals: true });
  w.put('fleet/env/amzn/.env.amzn', baseEnv('AMZN-USD').replace('LEVELS=2', 'LEVELS=3'));
  await w.commit('amzn: three levels');
  const pass = w.launch('reconcile', '--once');
  await until(() => w.signals('AMZN-USD').length > 0, 'the bot is told to stop', 20_000);
  await w.git(['pull', '--quiet', '--rebase'], ada);
  const spec = join(ada, 'fleet/amzn.yaml');
  writeFileSync(spec, `${readFileSync(spec, 'utf8')}  state: Stopped\n`);
  await w.git(['commit', '--quiet', '-am', 'amzn: stop'], ada);
  await w.git(['push', '--quiet'], ada);
  w.behave('AMZN-USD', {});
  w.tell('AMZN-USD', 'stop');
  const end = await pass;
  expect([end.exitCode, end.stderr]).toEqual([0, expect.stringContaining('not started again: state is Stopped since')]);
  expect([runs('AMZN-USD'), await w.pidOf('amzn')]).toEqual([1, null]);
  expect((await w.remoteLog()).slice(0, 2)).toEqual([expect.stringMatching(/^converge\(amzn\)/), 'amzn: stop']);
  expect(await w.pidOf('mon')).not.toBe(null);
}, 90_000);

test('another host that is pushed while a restart waits for the bot to end: it is not started here again', async () => {
  expect(await w.cli('start', 'amzn', '--reason', 'go on')).toMatchObject({ code: 0 });
  const [before, started] = [w.signals('AMZN-USD').length, runs('AMZN-USD')];
  w.behave('AMZN-USD', { ignoreSignals: true });
  const pass = w.launch('restart', 'amzn', '--reason', 'anew');
  await until(() => w.signals('AMZN-USD').length > before, 'the bot is told to stop', 20_000);
  await w.git(['pull', '--quiet', '--rebase'], ada);
  const spec = join(ada, 'fleet/amzn.yaml');
  const text = readFileSync(spec, 'utf8');
  writeFileSync(spec, `${text}  host: elsewhere\n`);
  await w.git(['commit', '--quiet', '-am', 'amzn: moves'], ada);
  await w.git(['push', '--quiet'], ada);
  w.behave('AMZN-USD', {});
  w.tell('AMZN-USD', 'stop');
  const end = await pass;
  expect(end.stdout).toContain('not started again: it runs on elsewhere since');
  expect([runs('AMZN-USD'), await w.pidOf('amzn')]).toEqual([started, null]);
  await w.git(['pull', '--quiet', '--rebase'], ada);
  writeFileSync(spec, text);
  await w.git(['commit', '--quiet', '-am', 'amzn: is back'], ada);
  await w.git(['push', '--quiet'], ada);
}, 90_000);

test('a verb for several fails if one of them fails, and the others are done', async () => {
  expect(await w.cli('stop', 'mon', '--reason', 'a rest')).toMatchObject({ code: 0 });
  w.behave('MON-USD', { exitAtStart: 1 });
  const started = await w.cli('start', 'amzn', 'mon', '--reason', 'go on');
  expect(started.code).toBe(4);
  expect([await w.pidOf('amzn'), await w.pidOf('mon')]).toEqual([expect.any(Number), null]);
  const subjects = (await w.remoteLog()).filter((s) => s.startsWith('start('));
  expect(subjects.map((s) => s.slice(0, s.indexOf(')') + 1)).sort()).toEqual(['start(amzn)', 'start(mon)']);
}, 90_000);

test('a file that cannot be written keeps the others from nothing but a start', async () => {
  await w.git(['pull', '--quiet', '--rebase']);
  const broken = `${readFileSync(join(w.ops, 'fleet/mon.yaml'), 'utf8')}  state: Running\n`;
  w.put('fleet/mon.yaml', broken);
  await w.commit('mon: twice');
  const before = await w.remoteLog();
  expect(await w.cli('suspend', 'amzn', 'mon', '--reason', 'both')).toMatchObject({ code: 3 });
  expect(await w.remoteLog()).toEqual(before);
  const stopped = await w.cli('stop', '--reason', 'everything, now');
  expect(stopped).toMatchObject({ code: 4, out: expect.stringContaining('amzn: stopped and flat') });
  expect(stopped.err).toContain('fleet/mon.yaml cannot change spec.state');
  expect(await w.pidOf('amzn')).toBe(null);
}, 60_000);

test('the name of an instance whose spec is invalid means that one alone', async () => {
  const { items } = JSON.parse((await w.cli('plan', 'mon', '--json')).out) as { items: { name: string }[] };
  expect(items.map(({ name }) => name)).toEqual(['mon']);
  const before = await w.git(['rev-parse', 'HEAD']);
  expect(await w.cli('flatten', 'mon', '--reason', 'this one')).toMatchObject({ code: 5 });
  const made = await w.git(['log', '--format=%s', `${before}..HEAD`]);
  expect(made).toBe('hold(mon): flattened by hand: this one');
}, 60_000);
