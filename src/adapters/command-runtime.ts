/** The `command` runtime: the operator's own start, stop and status commands, one instance each. */
import type { Clock, ProcessCopy, StartOrder } from '../core/ports.ts';
import { fail, type Known, known, ok, type Result, unknown } from '../core/problem.ts';
import type { CommandRuntime } from '../core/spec/types.ts';
import {
  checkCommand,
  childEnvironment,
  materialise,
  materialisedValues,
  removeMaterialised,
  scrubbedEnvironment,
} from './launch.ts';
import type { ProcessRuntimePort } from './process.ts';
import { bootedAtMs, liveProcess, startedAtMs } from './process-table.ts';
import { fillArguments, oneObject, runCommand } from './run-command.ts';

type Options = {
  instance: string;
  market: string;
  runtime: CommandRuntime;
  /** Absolute. */
  cwd: string;
  /** Absolute path of `.mmfleet`. */
  stateDir: string;
  clock: Clock;
};

/** Status prints `{"status": "running" | "stopped", "pid"?, "iter"?, "digest"?}`; anything else is unknown. */
export function createCommandRuntime(options: Options): ProcessRuntimePort {
  return {
    list: () => status(options),
    start: (order) => start(options, order),
    signal: (_copy, signal) => stop(options, signal),
    gone: async (copy) => {
      // The command may call a bot stopped whose process still ends: the process table has a say where it knows it.
      const lives = copy.startTicks === '' ? null : rowOf(copy.pid);
      if (lives === 'unreadable') return unknown('process table not readable');
      if (lives !== null && lives.startTicks === copy.startTicks) return known(false, options.clock.nowMs());
      const copies = await status(options);
      return copies.known ? { ...copies, value: copies.value.length === 0 } : copies;
    },
    startedWith: (instance, keys) => materialisedValues(options.stateDir, instance, keys),
    cleanup: (instance) => removeMaterialised(options.stateDir, instance),
  };
}

async function status(options: Options): Promise<Known<ProcessCopy[]>> {
  const run = await runCommand(filled(options, options.runtime.status, ''), {
    cwd: options.cwd,
    env: scrubbedEnvironment(),
    timeoutMs: options.runtime.timeoutMs,
  });
  if (!run.ok) return unknown(`status command: ${run.reason}`);
  const answer = oneObject(run.stdout);
  const nowMs = options.clock.nowMs();
  if (answer?.['status'] === 'stopped') return known([], nowMs);
  if (answer?.['status'] !== 'running') return unknown('status command: printed neither running nor stopped');
  const { pid = 0, iter = '', digest = '' } = answer;
  if (!Number.isSafeInteger(pid) || typeof iter !== 'string' || typeof digest !== 'string') {
    return unknown('status command: pid, iter or digest is malformed');
  }
  const row = (pid as number) > 0 ? rowOf(pid as number) : null;
  if (row === 'unreadable') return unknown('process table not readable');
  const copy: ProcessCopy = {
    pid: pid as number,
    startTicks: row?.startTicks ?? '',
    startedAtMs: row === null ? nowMs : startedAtMs(row.startTicks, bootedAtMs(nowMs)),
    instance: options.instance,
    iter: /^\d+$/.test(iter) ? Number(iter) : null,
    revision: '',
    digest,
  };
  return known([copy], nowMs);
}

function rowOf(pid: number): ReturnType<typeof liveProcess> | 'unreadable' {
  try {
    return liveProcess(pid);
  } catch {
    return 'unreadable';
  }
}

async function start(options: Options, order: StartOrder): Promise<Result<ProcessCopy>> {
  const check = checkCommand({ ...order, command: options.runtime.start, cwd: options.cwd });
  if (!check.ok) return check;
  const envFile = await materialise(options.stateDir, order);
  const run = await runCommand(filled(options, options.runtime.start, envFile), {
    cwd: options.cwd,
    env: childEnvironment(order, envFile),
    timeoutMs: options.runtime.startTimeoutMs,
    leaveGroup: true,
  });
  if (!run.ok) return failed(options, `start command: ${run.reason}`);
  const copies = await status(options);
  const copy = copies.known ? copies.value[0] : undefined;
  return copy === undefined ? failed(options, 'start command ended, and status does not say running') : ok(copy);
}

/** Whatever the signal, the stop command is the one way; it cannot kill. */
async function stop(options: Options, signal: NodeJS.Signals): Promise<Result<void>> {
  if (signal === 'SIGKILL') return failed(options, 'a command runtime cannot kill');
  const run = await runCommand(filled(options, options.runtime.stop, ''), {
    cwd: options.cwd,
    env: scrubbedEnvironment(),
    timeoutMs: options.runtime.timeoutMs,
    leaveGroup: true,
  });
  return run.ok ? ok(undefined) : failed(options, `stop command: ${run.reason}`);
}

function filled({ instance, market }: Options, command: readonly string[], env: string): string[] {
  return fillArguments(command, { instance, market, env });
}

function failed({ instance }: Options, why: string): { ok: false; problem: ReturnType<typeof fail>['problem'] } {
  const hint = 'run the command by hand and look at its own log';
  return fail({ code: 'runtime-command-failed', message: `${instance}: ${why}`, hint, retry: 'backoff', instance });
}
