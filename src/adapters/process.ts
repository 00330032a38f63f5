/** The `process` runtime: bots are nobody's children; the process table is the only register of them. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, ProcessCopy, RuntimePort, StartOrder } from '../core/ports.ts';
import { fail, type Known, known, ok, type Result, unknown } from '../core/problem.ts';
import { noteId, startedIds } from './fleet-ids.ts';
import {
  checkCommand,
  childEnvironment,
  materialise,
  materialisedValues,
  removeMaterialised,
  safeName,
} from './launch.ts';
import { type Marked, ProcessSweep } from './process-sweep.ts';
import { bootedAtMs, liveProcess, liveProcesses, startedAtMs } from './process-table.ts';
import { forgetStarted, noteStarted, startedAlive } from './started.ts';

/** A RuntimePort that also looks after what a start left in the state folder. */
export type ProcessRuntimePort = RuntimePort & {
  /** What these keys, also secret ones, were at the start of the newest run, until `cleanup`; {} where that is not known. */
  startedWith(instance: string, keys: readonly string[]): Promise<Record<string, string>>;
  /** Removes the materialised env file; call once the process is gone. */
  cleanup(instance: string): Promise<void>;
};

type Options = {
  /** Value of the MMFLEET_FLEET marker: which fleet's processes are ours. */
  fleetId: string;
  /**
   * `.git/mmfleet`: where it is noted under which ids this clone has started bots, and as which processes; absent: only the
   * marker of this fleet tells.
   */
  ownDir?: string;
  /** Absolute path of `.mmfleet`. */
  stateDir: string;
  clock: Clock;
};

/** Marks every process of one start, so that a daemonised child is told from a second copy. */
const START_ID = 'MMFLEET_START';

/** There is one process table; every runtime of this process looks at it through the same descriptors. */
const table = new ProcessSweep();

/** Runs bots as detached session leaders and finds them again through their markers. */
export function createProcessRuntime(options: Options): ProcessRuntimePort {
  return {
    list: () => readTable(options.clock, () => listed(options)),
    start: (order) => inTurn(() => start(order, options)),
    signal: async (copy, signal) => sendSignal(copy, signal),
    gone: (copy) => readTable(options.clock, () => isGone(copy, options)),
    startedWith: (instance, keys) => materialisedValues(options.stateDir, instance, keys),
    cleanup: async (instance) => {
      await removeMaterialised(options.stateDir, instance);
      if (options.ownDir !== undefined) forgetStarted(options.ownDir, instance);
    },
  };
}

async function listed(options: Options): Promise<ProcessCopy[]> {
  const found = copiesOf(await carriers(options), bootedAtMs(options.clock.nowMs()));
  if (options.ownDir === undefined) return found;
  return [...found, ...startedAlive(options.ownDir, new Set(found.map(({ instance }) => instance)))];
}

async function readTable<T>(clock: Clock, read: () => Promise<T>): Promise<Known<T>> {
  try {
    const value = await read();
    return known(value, clock.nowMs());
  } catch {
    return unknown('process table not readable');
  }
}

async function carriers({ fleetId, ownDir }: Options): Promise<Marked[]> {
  const found: Marked[] = [];
  for (const id of new Set([fleetId, ...(ownDir === undefined ? [] : startedIds(ownDir))]))
    for (const carrier of await table.marked(id))
      if (carrier.env['MMFLEET_INSTANCE'] !== undefined) found.push(carrier);
  return found;
}

/**
 * One copy per start. Its oldest session leader stands for it; when that is dead and only descendants live,
 * the oldest of them does, as a remnant: nothing may be started while one is left.
 */
function copiesOf(all: Marked[], bootMs: number): ProcessCopy[] {
  const starts = new Map<string, Marked[]>();
  for (const carrier of all) {
    const key = carrier.env[START_ID] ?? `session ${carrier.row.session}`;
    const group = starts.get(key);
    if (group === undefined) starts.set(key, [carrier]);
    else group.push(carrier);
  }
  return [...starts.values()].map((group) => {
    const [only, more] = group;
    if (more === undefined && only!.row.pid === only!.row.session) return copyOf(only!, bootMs);
    const oldestFirst = group.toSorted(
      (a, b) => Number(a.row.startTicks) - Number(b.row.startTicks) || a.row.pid - b.row.pid,
    );
    const leader = oldestFirst.find(({ row }) => row.pid === row.session);
    const copy = copyOf(leader ?? oldestFirst[0]!, bootMs);
    return leader === undefined ? { ...copy, remnant: true } : copy;
  });
}

/** The same object for a process that was seen before: only the wall clock can make it another. */
function copyOf(marked: Marked, bootMs: number): ProcessCopy {
  const known = copies.get(marked);
  if (known !== undefined && Math.abs(known.bootMs - bootMs) < CLOCK_SET_MS) return known.copy;
  const copy = madeOf(marked, bootMs);
  copies.set(marked, { copy, bootMs });
  return copy;
}

/** Less than this is how exactly the time of the boot can be told. */
const CLOCK_SET_MS = 500;
const copies = new WeakMap<Marked, { copy: ProcessCopy; bootMs: number }>();

function madeOf({ row, env }: Marked, bootMs: number): ProcessCopy {
  const iter = env['MMFLEET_ITER'] ?? '';
  const startId = env[START_ID];
  return {
    pid: row.pid,
    startTicks: row.startTicks,
    startedAtMs: startedAtMs(row.startTicks, bootMs),
    instance: env['MMFLEET_INSTANCE'] ?? '',
    iter: /^\d+$/.test(iter) ? Number(iter) : null,
    revision: env['MMFLEET_REVISION'] ?? '',
    digest: env['MMFLEET_DIGEST'] ?? '',
    ...(startId === undefined ? {} : { startId }),
  };
}

async function start(order: StartOrder, { stateDir, ownDir, clock, fleetId }: Options): Promise<Result<ProcessCopy>> {
  const check = checkCommand(order);
  if (!check.ok) return check;
  const markers = {
    ...order.markers,
    MMFLEET_FLEET: fleetId,
    MMFLEET_INSTANCE: order.instance,
    [START_ID]: randomUUID(),
  };
  try {
    if (ownDir !== undefined) noteId(ownDir, fleetId);
    const envFile = await materialise(stateDir, order);
    const env = childEnvironment({ ...order, markers }, envFile);
    await mkdir(join(stateDir, 'logs'), { recursive: true, mode: 0o700 });
    const log = await open(join(stateDir, 'logs', `${safeName(order.instance)}.log`), 'a', 0o600);
    try {
      const child = spawn(order.command[0]!, order.command.slice(1), {
        cwd: order.cwd,
        env,
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
      await once(child, 'spawn');
      child.unref();
      const row = liveProcess(child.pid!);
      if (row === null) return startFailed(order, 'it ended at once', 'see its log: mmfleet logs NAME');
      const copy = copyOf({ row, env }, bootedAtMs(clock.nowMs()));
      if (ownDir !== undefined) noteStarted(ownDir, copy);
      return ok(copy);
    } finally {
      await log.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    return startFailed(order, code, 'check runtime.process and that .mmfleet is writable');
  }
}

/**
 * A spawn blocks the loop for some milliseconds: however many starts are asked for together, only a few are under way, in
 * the order of the calls, and so never more than that many fall into one turn.
 */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  while (underWay >= STARTS_UNDER_WAY) await new Promise<void>((go) => waiting.push(go));
  underWay += 1;
  try {
    return await work();
  } finally {
    underWay -= 1;
    waiting.shift()?.();
  }
}

const STARTS_UNDER_WAY = 2;
const waiting: (() => void)[] = [];
let underWay = 0;

function startFailed(order: StartOrder, why: string, hint: string): Result<never> {
  const message = `start ${order.instance}: ${order.command[0] ?? ''} did not start (${why})`;
  return fail({ code: 'runtime-start-failed', message, hint, retry: 'backoff', instance: order.instance });
}

/** SIGKILL goes to the whole group, so that no child is left; every other signal to the one process. */
function sendSignal(copy: ProcessCopy, signal: NodeJS.Signals): Result<void> {
  const about = { instance: copy.instance, retry: 'backoff' as const };
  const row = rowOrError(copy.pid);
  if (row instanceof Error) return signalFailed(copy, signal, row);
  if (row === null || row.startTicks !== copy.startTicks) {
    return fail({
      code: 'runtime-process-gone',
      message: `${signal} to ${copy.instance}: pid ${copy.pid} is gone`,
      ...about,
    });
  }
  try {
    process.kill(signal === 'SIGKILL' && row.group === row.pid ? -row.pid : row.pid, signal);
    return ok(undefined);
  } catch (error) {
    return signalFailed(copy, signal, error as Error);
  }
}

function signalFailed({ instance, pid }: ProcessCopy, signal: NodeJS.Signals, error: Error): Result<never> {
  const message = `${signal} to ${instance}: pid ${pid} (${(error as NodeJS.ErrnoException).code ?? 'error'})`;
  return fail({ code: 'runtime-signal-failed', message, instance, retry: 'backoff' });
}

/** An Error: the process table cannot be read, which is not the same as gone. */
function rowOrError(pid: number): ReturnType<typeof liveProcess> | Error {
  try {
    return liveProcess(pid);
  } catch (error) {
    return error as Error;
  }
}

async function isGone(copy: ProcessCopy, options: Options): Promise<boolean> {
  if (liveProcess(copy.pid)?.startTicks === copy.startTicks) return false;
  const rows = liveProcesses();
  const holder = rows.find((row) => row.pid === copy.pid);
  // A pid is not given away while its group lives: a different holder means that our group is empty.
  if (holder === undefined && rows.some((row) => row.group === copy.pid || row.session === copy.pid)) return false;
  if (copy.startId === undefined) return true;
  return !(await carriers(options)).some(({ env }) => env[START_ID] === copy.startId);
}
