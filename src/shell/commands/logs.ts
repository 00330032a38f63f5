import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { headOf } from '../../adapters/git.ts';
import { isSecretKey } from '../../core/env/keys.ts';
import { parseEnv } from '../../core/env/read.ts';
import type { DesiredInstance } from '../desired.ts';
import { EXIT } from '../exit.ts';
import { hide } from '../hidden.ts';
import { type Ops, openOps } from '../ops.ts';
import { fail, select, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

const TAIL_LIMIT_BYTES = 4 * 1024 * 1024;
const POLL_MS = 300;

/**
 * `logs`: the last lines of each instance's output, prefixed by its name when there are several. The file is the bot's own
 * (mode 0600) and stays as the bot wrote it; what is printed here shows no value of its secrets and no terminal codes.
 */
export async function runLogs(names: string[], options: CommonOptions): Promise<number> {
  const { io } = options;
  const lines = Number(options.lines ?? '120');
  if (!Number.isSafeInteger(lines) || lines < 0)
    return usage(io, `-n: found "${options.lines}", want a number of lines`);
  const opened = await openOps(options.C, { looksOnly: true });
  if (!opened.ok) return fail(io, opened.problem);
  const ops = opened.value;
  const only = await select(ops, names, io);
  if (only === 'bad') return EXIT.usage;
  const head = await headOf(ops.repo);
  const desired = head.ok && head.value !== null ? await ops.desiredAt(head.value) : null;
  if (desired === null || !desired.ok) return usage(io, 'the repository has no readable commit');
  const instances = desired.value.instances.filter((i) => only === null || only.has(i.name));
  for (const instance of instances) hideSecretsOf(ops, instance);
  const chosen = instances.map((i) => i.name);
  const followed = chosen.map((name) => ({
    name,
    path: join(ops.stateDir, 'logs', `${name}.log`),
    offset: 0,
    rest: '',
  }));
  const prefix = (name: string) => (chosen.length > 1 ? `${name} | ` : '');
  const print = (name: string, line: string) => io.out(`${prefix(name)}${line.replace(/\r$/, '')}\n`);
  for (const log of followed) {
    const tail = readTail(log.path);
    if (tail === null) {
      io.err(`${log.name}: no output yet (it was not started from this clone)\n`);
      continue;
    }
    log.offset = tail.end;
    const all = tail.text.split('\n');
    if (all.at(-1) === '') all.pop();
    for (const line of lines === 0 ? [] : all.slice(-lines)) print(log.name, line);
  }
  if (options.follow !== true) return EXIT.ok;
  return follow(followed, print);
}

/** What its sources give without running a command, and what the running bot was given, wherever that came from. */
function hideSecretsOf(ops: Ops, { name, spec, env }: DesiredInstance): void {
  if (spec !== null) ops.secrets.names(spec.secrets);
  const { values } = parseEnv(startedEnv(join(ops.stateDir, 'run', name)), '');
  const secret = Object.keys(values).filter((key) => isSecretKey(key) || env?.values[key] === undefined);
  hide(secret.map((key) => values[key]!));
}

/** The env file the running bot was given; '' when it does not run or goes away at this moment. */
function startedEnv(folder: string): string {
  try {
    return readdirSync(folder)
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join('\n');
  } catch {
    return '';
  }
}

type Followed = { name: string; path: string; offset: number; rest: string };

async function follow(logs: Followed[], print: (name: string, line: string) => void): Promise<number> {
  let stop: number | null = null;
  process.once('SIGINT', () => {
    stop = EXIT.interrupted;
  });
  process.once('SIGTERM', () => {
    stop = EXIT.terminated;
  });
  while (stop === null) {
    for (const log of logs) {
      const size = statSync(log.path, { throwIfNoEntry: false })?.size ?? 0;
      if (size < log.offset) log.offset = 0; // truncated: start again
      if (size === log.offset) continue;
      const lines = (log.rest + readRange(log.path, log.offset, size)).split('\n');
      log.rest = lines.pop() ?? '';
      log.offset = size;
      for (const line of lines) print(log.name, line);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return stop;
}

function readTail(path: string): { text: string; end: number } | null {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  return size === undefined ? null : { text: readRange(path, Math.max(0, size - TAIL_LIMIT_BYTES), size), end: size };
}

function readRange(path: string, from: number, to: number): string {
  const bytes = Buffer.alloc(Math.min(to - from, TAIL_LIMIT_BYTES));
  const fd = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, from)).toString('utf8');
  } finally {
    closeSync(fd);
  }
}
