import { readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/adapters/clock.ts';
import { createProcessRuntime } from '../../src/adapters/process.ts';
import { environOf, liveProcess, liveProcesses } from '../../src/adapters/process-table.ts';
import { alive, scratch, until } from '../support/puppet.ts';

let world: ReturnType<typeof scratch>;
beforeEach(() => {
  world = scratch();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await world.end();
});

const events = (type: string) => world.journal().filter((e) => e['type'] === type);
const started = () => until(() => events('run_start')[0], 'run_start');
/** What a descriptor of a process leads to; null once it is closed. */
function openAt(pid: number, fd: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return null;
  }
}
/** The one other process of this start, once it is the helper: whatever started that, a shell say, is over by then. */
const helperOf = (copy: { pid: number }) =>
  until(async () => {
    const rows = liveProcesses().filter(({ pid }) => pid !== copy.pid);
    const envs = await Promise.all(rows.map(environOf));
    const [helper, more] = rows.filter((_, n) => envs[n]?.['MMFLEET_FLEET'] === world.fleetId);
    return helper !== undefined && more === undefined && commandOf(helper.pid).startsWith('sleep\0') && helper.pid;
  }, 'the helper lives');
/** Empty once it ended. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
const gone = async (copy: Parameters<typeof world.runtime.gone>[0]) => {
  const answer = await world.runtime.gone(copy);
  return answer.known && answer.value;
};

test('a start is a session leader with a clean environment, its own log and no inherited descriptors', async () => {
  vi.stubEnv('MM_SPREAD_MULTIPLIER', '9');
  vi.stubEnv('mm_leak', '1');
  vi.stubEnv('MMFLEET_DEBUG', '1');
  vi.stubEnv('ENV', '/etc/somebody-else');
  const copy = await world.start();
  const row = liveProcess(copy.pid)!;
  expect([row.session, row.group]).toEqual([copy.pid, copy.pid]);
  const env = (await environOf(row))!;
  expect(env).toMatchObject({
    MM_SPREAD_MULTIPLIER: '1.20',
    MMFLEET_ITER: '007',
    MM_API_KEY: 'sesame-0123456789',
    HOME: process.env['HOME'],
  });
  expect(Object.keys(env)).not.toContain('mm_leak');
  expect(Object.keys(env)).not.toContain('MMFLEET_DEBUG');
  expect(env['ENV']).toBe(join(world.stateDir, 'run', 'amzn', '.env.amzn.iter007'));
  await started();
  expect([openAt(copy.pid, '0'), openAt(copy.pid, '1')]).toEqual([
    '/dev/null',
    join(world.stateDir, 'logs', 'amzn.log'),
  ]);
  // What the bot opens comes and goes; what it inherited stays.
  const more = () =>
    readdirSync(`/proc/${copy.pid}/fd`)
      .filter((fd) => Number(fd) > 2)
      .map((fd) => openAt(copy.pid, fd))
      .filter((to) => to?.startsWith('/') === true && !to.startsWith('/dev/'));
  await until(() => more().length === 0, 'no file of ours is open in the bot');
});

test('the materialised env file is private, holds env and secrets, names the run, and goes with the process', async () => {
  await world.start();
  const file = join(world.stateDir, 'run', 'amzn', '.env.amzn.iter007');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700);
  expect(readFileSync(file, 'utf8')).toBe(
    "MM_MARKET_NAME=AMZN-USD\nMM_SPREAD_MULTIPLIER=1.20\nMM_API_KEY='sesame-0123456789'\n",
  );
  expect((await started())['provenance']).toMatchObject({ env_file: file });
  await world.runtime.cleanup('amzn');
  expect(() => statSync(file)).toThrow();
});

test('no secret stands on any command line', async () => {
  await world.start();
  for (const { pid } of liveProcesses()) {
    expect(commandOf(pid)).not.toContain('sesame-0123456789');
  }
});

test('another runtime object adopts what the first one started', async () => {
  const copy = await world.start();
  const other = createProcessRuntime({ fleetId: world.fleetId, stateDir: '/nowhere/.mmfleet', clock: systemClock });
  const list = await other.list();
  expect(list.known && list.value).toEqual([{ ...copy, startedAtMs: expect.any(Number) }]);
  expect(copy).toMatchObject({ instance: 'amzn', iter: 7, revision: 'abc', digest: 'd1' });
  expect(Math.abs(copy.startedAtMs - Date.now())).toBeLessThan(30_000);
  const stranger = createProcessRuntime({ fleetId: 'another-fleet', stateDir: world.stateDir, clock: systemClock });
  expect(await stranger.list()).toMatchObject({ known: true, value: [] });
});

test.each(['child', 'detached', 'double-fork'])('a %s of the bot is no second copy', async (children) => {
  world.behave({ children });
  const copy = await world.start();
  await started();
  await helperOf(copy);
  expect((await world.copies()).map((c) => c.pid)).toEqual([copy.pid]);
});

test.each(['child', 'detached', 'double-fork'])(
  'a %s that outlives the bot is a remnant, and the run is not gone',
  async (children) => {
    world.behave({ children });
    const copy = await world.start();
    await started();
    const helper = await helperOf(copy);
    world.tell('exit 0');
    await until(() => !alive(copy.pid), 'the bot ended');
    const [left] = await until(
      async () => ((await world.copies()).length > 0 ? world.copies() : null),
      'its helper is listed',
    );
    expect(left!.pid).toBe(helper);
    if (children !== 'detached') expect(left!.remnant).toBe(true);
    expect(await gone(copy)).toBe(false);
    await world.runtime.signal(left!, 'SIGKILL');
    await until(() => gone(copy), 'all of it is gone');
  },
);

describe('what carries no marker any more', () => {
  const own = () =>
    createProcessRuntime({
      fleetId: world.fleetId,
      ownDir: join(world.dir, 'own'),
      stateDir: world.stateDir,
      clock: systemClock,
    });
  const begin = async (script: string) => {
    const started = await own().start(world.order({ command: ['sh', '-c', script] }));
    if (!started.ok) throw new Error(started.problem.message);
    return started.value;
  };
  const listed = async () => {
    const all = await own().list();
    return all.known ? all.value : null;
  };

  test('a program run with an empty environment is the copy that was started, until it is gone', async () => {
    const copy = await begin('exec env -i sleep 60');
    await until(async () => (await world.copies()).length === 0, 'its markers are gone');
    expect(await listed()).toEqual([copy]);
    expect(await own().gone(copy)).toMatchObject({ known: true, value: false });
    expect(await own().signal(copy, 'SIGTERM')).toMatchObject({ ok: true });
    await until(() => gone(copy), 'gone');
    expect(await listed()).toEqual([]);
  });

  test('another process under its pid is not', async () => {
    const copy = await begin('exec sleep 60');
    await until(() => commandOf(copy.pid).startsWith('sleep'), 'the program runs');
    const path = join(world.dir, 'own', 'started', 'amzn');
    writeFileSync(path, JSON.stringify({ ...copy, startTicks: '1' }));
    const other = createProcessRuntime({
      ...{ fleetId: 'other', stateDir: world.stateDir },
      ownDir: join(world.dir, 'own'),
      clock: systemClock,
    });
    const ids = join(world.dir, 'own', 'fleets');
    rmSync(ids, { recursive: true });
    expect(await other.list()).toMatchObject({ known: true, value: [] });
    for (const text of ['', '{', '[]', '{"pid": "1"}', JSON.stringify({ ...copy, instance: 'mon' })]) {
      writeFileSync(path, text);
      expect(await other.list()).toMatchObject({ known: true, value: [] });
    }
  });
});

test('two starts are two copies', async () => {
  await world.start();
  await world.start();
  expect(await world.copies()).toHaveLength(2);
});

test('a zombie is gone', async () => {
  const copy = await world.start();
  await started();
  process.kill(copy.pid, 'SIGKILL');
  await until(() => gone(copy), 'gone');
  expect(await world.copies()).toEqual([]);
});

test('a signal goes only to the process that started then', async () => {
  const copy = await world.start();
  await started();
  const reused = await world.runtime.signal({ ...copy, startTicks: '1' }, 'SIGKILL');
  expect(reused).toMatchObject({ ok: false, problem: { code: 'runtime-process-gone' } });
  expect(alive(copy.pid)).toBe(true);
  expect(await gone({ ...copy, startTicks: '1', startId: 'none' })).toBe(true);
  expect(await world.runtime.signal(copy, 'SIGINT')).toEqual({ ok: true, value: undefined });
  await until(() => gone(copy), 'gone');
  expect(world.signals()).toEqual([`${copy.pid} SIGINT`]);
});

test.each([
  { name: 'no such program', change: { command: ['no-such-program-here'] }, want: 'runtime-command-missing' },
  { name: 'a file that is not executable', change: { command: ['./control'] }, want: 'runtime-command-missing' },
  { name: 'no such folder', change: { cwd: '/no/such/folder' }, want: 'runtime-cwd-missing' },
  { name: 'a program that cannot be executed', change: { environment: { BAD: 'a\0b' } }, want: 'runtime-start-failed' },
])('$name is a problem with a hint', async ({ change, want }) => {
  const result = await world.runtime.start(world.order(change));
  expect(result).toMatchObject({ ok: false, problem: { code: want, hint: expect.any(String), instance: 'amzn' } });
  expect(JSON.stringify(result)).not.toContain('sesame');
  expect(await world.copies()).toEqual([]);
});

test('of many starts asked for together all are made, and those that fail hold up none', async () => {
  const command = (n: number) => (n % 3 === 0 ? ['no-such-program-here'] : ['sleep', '60']);
  const orders = Array.from({ length: 12 }, (_, n) => world.order({ instance: `i${n}`, command: command(n) }));
  const started = await Promise.all(orders.map((order) => world.runtime.start(order)));
  expect(started.map((s) => s.ok)).toEqual(orders.map((_, n) => n % 3 !== 0));
  const running = (await world.copies()).map((c) => c.instance).sort();
  expect(running).toEqual(orders.flatMap((o, n) => (n % 3 === 0 ? [] : [o.instance])).sort());
});
