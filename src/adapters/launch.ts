/** What a bot is started with: its environment and its materialised env file. */
import { accessSync, constants, statSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { parseEnv } from '../core/env/read.ts';
import type { StartOrder } from '../core/ports.ts';
import { fail, ok, type Result } from '../core/problem.ts';

type Env = Record<string, string>;

/** Our own environment less every `MM_*` and `MMFLEET_*` (in either case: the bot reads keys case-insensitively). */
export function scrubbedEnvironment(own: NodeJS.ProcessEnv = process.env): Env {
  const entries = Object.entries(own).filter(([key, value]) => value !== undefined && !/^(mm|mmfleet)_/i.test(key));
  return Object.fromEntries(entries) as Env;
}

/** The whole environment of a started bot; later parts win, the markers last. */
export function childEnvironment(order: StartOrder, envFilePath: string): Env {
  const inherited = scrubbedEnvironment();
  delete inherited[order.envFileVariable];
  return {
    ...inherited,
    ...order.env,
    ...order.secrets,
    ...order.environment,
    [order.envFileVariable]: envFilePath,
    ...order.markers,
  };
}

/** Writes `.mmfleet/run/NAME/<envFileName>` (mode 0600 in a 0700 folder) and returns its path; older files there go. */
export async function materialise(stateDir: string, order: StartOrder): Promise<string> {
  const folder = runFolder(stateDir, order.instance);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  for (const old of await readdir(folder)) await rm(join(folder, old), { recursive: true, force: true });
  const path = join(folder, safeName(order.envFileName));
  await writeFile(path, withSecrets(order.envText, order.secrets), { mode: 0o600, flag: 'wx' });
  return path;
}

/** What these keys were in the files that `materialise` left; {} once they were removed, or where they cannot be read. */
export async function materialisedValues(stateDir: string, instance: string, keys: readonly string[]): Promise<Env> {
  const folder = runFolder(stateDir, instance);
  try {
    const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
    const { values } = parseEnv(texts.join('\n'), folder);
    return Object.fromEntries(keys.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])));
  } catch {
    return {};
  }
}

/** Removes the materialised files of an instance; nothing happens when there are none. */
export async function removeMaterialised(stateDir: string, instance: string): Promise<void> {
  await rm(runFolder(stateDir, instance), { recursive: true, force: true });
}

/** Whether the working directory and the program exist, before anything is touched. */
export function checkCommand(order: StartOrder): Result<void> {
  const about = { instance: order.instance, retry: 'stalled' as const };
  if (!isFolder(order.cwd)) {
    return fail({
      code: 'runtime-cwd-missing',
      message: `start ${order.instance}: working directory ${order.cwd} does not exist`,
      hint: 'correct runtime.process.cwd in the spec (relative to the file that names it)',
      ...about,
    });
  }
  const program = order.command[0] ?? '';
  const path = order.environment['PATH'] ?? order.env['PATH'] ?? process.env['PATH'] ?? '';
  const places = program.includes('/')
    ? [resolve(order.cwd, program)]
    : path.split(delimiter).map((dir) => join(dir, program));
  if (program !== '' && places.some(isExecutable)) return ok(undefined);
  return fail({
    code: 'runtime-command-missing',
    message: `start ${order.instance}: no executable ${program === '' ? '(empty command)' : program} found`,
    hint: 'correct runtime.process.command in the spec, or install the program on this host',
    ...about,
  });
}

function runFolder(stateDir: string, instance: string): string {
  if (!isAbsolute(stateDir)) throw new Error('stateDir must be absolute');
  return join(stateDir, 'run', safeName(instance));
}

/** A name that stays inside its folder; anything else is a bug of the caller. */
export function safeName(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name)) throw new Error('unsafe file name');
  return name;
}

function withSecrets(envText: string, secrets: Env): string {
  const body = envText === '' || envText.endsWith('\n') ? envText : `${envText}\n`;
  const quoted = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return (
    body +
    Object.entries(secrets)
      .map(([key, value]) => `${key}=${quoted(value)}\n`)
      .join('')
  );
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
