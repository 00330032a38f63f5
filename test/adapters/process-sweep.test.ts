/** The sweep against the plain reading of every process, on real processes that exec, fork, become daemons and end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ProcessSweep } from '../../src/adapters/process-sweep.ts';
import { environOf, liveProcess, liveProcesses, whyEmpty } from '../../src/adapters/process-table.ts';
import { scratch, until } from '../support/puppet.ts';

/** The kernel gives the number after this one to the next process. */
const NEXT_PID = '/proc/sys/kernel/ns_last_pid';

let sweep: ProcessSweep;
let world: ReturnType<typeof scratch>;
const children: ChildProcess[] = [];
beforeEach(async () => {
  sweep = new ProcessSweep();
  // It remembers from its second look on.
  await sweep.marked('none');
  world = scratch();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  sweep.close();
  await world.end();
});

/** A shell with these variables and nothing else but a PATH. */
function shell(script: string, env: Record<string, string> = {}): ChildProcess {
  const child = spawn('sh', ['-c', script], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  children.push(child);
  return child;
}
const ours = (instance: string) => ({ MMFLEET_FLEET: world.fleetId, MMFLEET_INSTANCE: instance });
const say = (child: ChildProcess) => child.stdin!.write('go\n');
const nameOf = (pid: number) => {
  try {
    return readlinkSync(`/proc/${pid}/exe`).split('/').at(-1);
  } catch {
    return null;
  }
};
/** The shell has become its last command, `sleep`. */
const sleeps = ({ pid }: ChildProcess) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep\0');

type Found = { pid: number; session: number; startTicks: string; instance: string | undefined };
const inOrder = (found: Found[]) => found.sort((a, b) => a.pid - b.pid);

async function swept(): Promise<Found[]> {
  const all = await sweep.marked(world.fleetId);
  return inOrder(all.map(({ row, env }) => ({ ...shown(row), instance: env['MMFLEET_INSTANCE'] })));
}
/** Every process read anew. */
async function plain(): Promise<Found[]> {
  const found: Found[] = [];
  for (const row of liveProcesses()) {
    const env = await environOf(row);
    if (env?.['MMFLEET_FLEET'] === world.fleetId) found.push({ ...shown(row), instance: env['MMFLEET_INSTANCE'] });
  }
  return inOrder(found);
}
const shown = ({ pid, session, startTicks }: NonNullable<ReturnType<typeof liveProcess>>) => ({
  pid,
  session,
  startTicks,
});
/** Both ways agree, and the sweep has seen it: the instances it names. */
async function agreed(): Promise<(string | undefined)[]> {
  const found = await swept();
  expect(found).toEqual(await plain());
  return found.map((f) => f.instance);
}

test('a process that takes on our markers by an exec is found, whatever was seen of its pid before', async () => {
  const child = shell(`read go; exec env MMFLEET_FLEET=${world.fleetId} MMFLEET_INSTANCE=amzn sleep 60`);
  expect(await agreed()).toEqual([]);
  say(child);
  await until(() => sleeps(child), 'it sleeps');
  expect(await agreed()).toEqual(['amzn']);
});

test('a process that drops or changes its markers by an exec is what it is now, with the same pid and start', async () => {
  const drops = shell('read go; exec env -u MMFLEET_INSTANCE -u MMFLEET_FLEET sleep 60', ours('amzn'));
  const changes = shell('read go; exec env MMFLEET_INSTANCE=mon sleep 60', ours('pump'));
  const before = await swept();
  const of = ({ pid }: ChildProcess) => before.find((f) => f.pid === pid)!;
  expect([of(drops).instance, of(changes).instance]).toEqual(['amzn', 'pump']);
  for (const child of [drops, changes]) say(child);
  for (const child of [drops, changes]) await until(() => sleeps(child), 'it sleeps');
  expect(await agreed()).toEqual(['mon']);
  expect((await swept())[0]).toMatchObject({ pid: changes.pid, startTicks: of(changes).startTicks });
});

test('children of a bot come and go, also those that lead a session of their own later', async () => {
  const child = shell('sleep 60 & read go; setsid sleep 60 & read go; exit 0', ours('amzn'));
  await until(async () => (await swept()).length === 2, 'a child');
  expect(await agreed()).toEqual(['amzn', 'amzn']);
  say(child);
  await until(async () => (await plain()).some((f) => f.session === f.pid), 'a session leader');
  expect(await agreed()).toHaveLength(3);
  say(child);
  await until(() => liveProcess(child.pid!) === null, 'the bot ended');
  expect(await agreed()).toHaveLength(2);
  for (const { pid } of await plain()) process.kill(pid, 'SIGKILL');
  await until(async () => (await plain()).length === 0, 'all ended');
  expect(await agreed()).toEqual([]);
});

test('a process that hands over to a child and ends, again and again, is never missed', async () => {
  const relay = join(world.dir, 'relay.sh');
  writeFileSync(relay, 'sleep 0.01\nsh "$0" &\n');
  shell(`exec sh ${relay}`, ours('amzn'));
  for (let look = 0; look < 200; look += 1) expect((await swept()).length, `look ${look}`).toBeGreaterThan(0);
  rmSync(relay);
  // Not the plain reading: it misses one that hands over meanwhile.
  await until(async () => (await swept()).length === 0, 'the last of them ended');
  expect(await plain()).toEqual([]);
});

test('a process without any environment is none of ours, at once', async () => {
  const child = shell('read go; exec env -i sleep 60', ours('amzn'));
  expect(await agreed()).toEqual(['amzn']);
  say(child);
  await until(() => sleeps(child), 'it sleeps');
  expect(whyEmpty(readFileSync(`/proc/${child.pid}/stat`, 'utf8'))).toBe('none');
  expect(await agreed()).toEqual([]);
});

test('a process that becomes its own session leader without an exec is shown as one', async () => {
  const script = 'import os, sys\nsys.stdin.readline()\nos.setsid()\nsys.stdin.readline()';
  const child = spawn('python3', ['-c', script], {
    env: { ...process.env, ...ours('amzn') },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  if (child.pid === undefined) return;
  children.push(child);
  await until(async () => (await swept()).length === 1 && nameOf(child.pid!)?.startsWith('python') === true, 'it runs');
  expect((await swept())[0]!.session).not.toBe(child.pid);
  say(child);
  await until(() => liveProcess(child.pid!)?.session === child.pid, 'setsid');
  expect(await agreed()).toEqual(['amzn']);
  expect((await swept())[0]!.session).toBe(child.pid);
});

test('a zombie that nobody waits for is not listed', async () => {
  const child = shell('sleep 60 & exec sleep 60', ours('amzn'));
  await until(async () => (await swept()).length === 2, 'both live');
  await until(() => sleeps(child), 'its parent is no shell, which would wait for it');
  const { pid } = (await swept()).find((f) => f.pid !== child.pid)!;
  process.kill(pid, 'SIGKILL'); // its parent does not wait for it
  await until(() => liveProcess(pid) === null, 'it is a zombie');
  expect(readdirSync('/proc')).toContain(String(pid));
  expect((await swept()).map((f) => f.pid)).toEqual([child.pid]);
  expect(await agreed()).toEqual(['amzn']);
});

test('a program whose first thread has ended lives for as long as another one does', async () => {
  const script = [
    'import ctypes, sys, threading, time',
    'threading.Thread(target=lambda: time.sleep(60)).start()',
    'sys.stdin.readline()',
    `ctypes.CDLL(None).syscall(${process.arch === 'x64' ? 60 : 93}, 0)`,
  ].join('\n');
  const env = { ...process.env, ...ours('amzn') };
  const child = spawn('python3', ['-c', script], { env, stdio: ['pipe', 'ignore', 'ignore'] });
  if (child.pid === undefined) return;
  children.push(child);
  const { pid } = child;
  await until(async () => (await swept()).length === 1 && nameOf(pid)?.startsWith('python') === true, 'it runs');
  say(child);
  await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '), 'its first thread ended');
  expect(await agreed()).toEqual(['amzn']);
  sweep.close();
  expect(await agreed()).toEqual(['amzn']);
  process.kill(pid, 'SIGKILL');
  await until(() => liveProcess(pid) === null, 'all of it ended');
  expect(await agreed()).toEqual([]);
});

test.skipIf(!mayChoosePids())('a pid that another process holds now is read anew', async () => {
  // A pid that a stranger was quicker to get may be his for long: then it is tried with another one.
  const second = await until(async () => {
    const first = shell('exec sleep 60', ours('amzn'));
    await until(async () => (await swept()).some((f) => f.pid === first.pid), 'it runs');
    first.kill('SIGKILL');
    await until(() => first.signalCode !== null, 'it ended');
    writeFileSync(NEXT_PID, String(first.pid! - 1));
    const child = shell('exec sleep 60', ours('mon'));
    if (child.pid === first.pid) return child;
    child.kill('SIGKILL');
    return null;
  }, 'another process with that pid');
  await until(async () => (await plain()).some((f) => f.pid === second.pid), 'it runs');
  expect((await swept()).filter((f) => f.pid === second.pid).map((f) => f.instance)).toEqual(['mon']);
});

test('a first look finds the same and keeps no descriptor', async () => {
  const some = Array.from({ length: 3 }, (_, n) => shell('exec sleep 60', ours(`i${n}`)));
  await until(async () => (await plain()).length === 3, 'three run');
  const first = new ProcessSweep();
  const found = await first.marked(world.fleetId);
  expect(inOrder(found.map(({ row, env }) => ({ ...shown(row), instance: env['MMFLEET_INSTANCE'] })))).toEqual(
    await plain(),
  );
  expect(some.map((c) => descriptorsOf(c.pid!))).toEqual([0, 0, 0]);
  first.close();
});

test('one descriptor for each process that is known, none for those that ended', async () => {
  const some = Array.from({ length: 5 }, (_, n) => shell('exec sleep 60', ours(`i${n}`)));
  await until(async () => (await swept()).length === 5, 'five run');
  await swept();
  expect(some.map((c) => descriptorsOf(c.pid!))).toEqual([1, 1, 1, 1, 1]);
  for (const child of some) child.kill('SIGKILL');
  await until(() => some.every((c) => c.signalCode !== null), 'all ended');
  expect(await agreed()).toEqual([]);
  expect(some.map((c) => descriptorsOf(c.pid!))).toEqual([0, 0, 0, 0, 0]);
});

/** Whether this user may say which pid comes next. */
function mayChoosePids(): boolean {
  try {
    writeFileSync(NEXT_PID, readFileSync(NEXT_PID, 'utf8').trim());
    return true;
  } catch {
    return false;
  }
}

/** How many descriptors of this process lead to an environ of that one. */
function descriptorsOf(pid: number): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === `/proc/${pid}/environ`;
    } catch {
      return false;
    }
  }).length;
}

test('two fleets on one host see their own processes, also those whose session was never looked at', async () => {
  const other = `${world.fleetId}-other`;
  const child = shell('read go; setsid sleep 60 & read go', { ...ours('amzn'), MMFLEET_FLEET: other });
  await until(async () => (await sweep.marked(other)).length === 1, 'it runs');
  expect(await agreed()).toEqual([]);
  say(child);
  const leads = async () => (await sweep.marked(other)).filter(({ row }) => row.pid === row.session);
  await until(async () => (await agreed()).length === 0 && (await leads()).length === 1, 'its child leads a session');
  expect((await leads())[0]!.row).toEqual(liveProcess((await leads())[0]!.row.pid));
  process.kill((await leads())[0]!.row.pid, 'SIGKILL');
});

test('only markers are remembered, no secret of an environment', async () => {
  const child = shell('exec sleep 60', { ...ours('amzn'), MM_API_KEY: 'sesame-0123456789' });
  await until(async () => (await swept()).length === 1, 'it runs');
  const all = await sweep.marked(world.fleetId);
  const own = all.find(({ row }) => row.pid === child.pid)!;
  expect(own.env).toEqual({ ...ours('amzn') });
});
