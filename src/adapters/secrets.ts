/** Reads secret values from the sources a spec names. No value, and no output of a command, ever stands in an error. */
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { parseEnv } from '../core/env/read.ts';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import type { SecretSource } from '../core/spec/types.ts';

const COMMAND_TIMEOUT_MS = 20_000;
const MAX_BYTES = 1_000_000;

/** Every value of every source by key; later sources win. A source that cannot be read in full fails the whole read. */
export async function readSecrets(
  sources: readonly SecretSource[],
  repoRoot: string,
): Promise<Result<Record<string, string>>> {
  const values: Record<string, string> = {};
  for (const source of sources) {
    const read = await readSource(source, repoRoot);
    if (!read.ok) return read;
    Object.assign(values, read.value);
  }
  return ok(values);
}

/**
 * The names of the keys, sorted, without running anything: a command stands for its keys as `command:ARGUMENTS`, and a
 * name taken from the environment is given whether or not it is set. A file is read under the same rules as its values;
 * `onValues` gets what stood there, for hiding it.
 */
export function readSecretNames(
  sources: readonly SecretSource[],
  repoRoot: string,
  onValues: (values: string[]) => void = () => undefined,
): { ok: true; names: string[] } | { ok: false; problem: Problem } {
  const names = new Set<string>();
  for (const source of sources) {
    if (source.kind === 'command') names.add(`command:${source.command.join(' ')}`);
    else if (source.kind === 'fromEnv') for (const name of source.names) names.add(name);
    else {
      const read = readEnvFile(source.path, repoRoot);
      if (!read.ok) return read;
      onValues(Object.values(read.value));
      for (const name of Object.keys(read.value)) names.add(name);
    }
  }
  return { ok: true, names: [...names].sort() };
}

async function readSource(source: SecretSource, repoRoot: string): Promise<Result<Record<string, string>>> {
  switch (source.kind) {
    case 'envFile':
      return readEnvFile(source.path, repoRoot);
    case 'command':
      return runCommand(source.command, repoRoot);
    case 'fromEnv':
      return takeFromEnv(source.names);
  }
}

function readEnvFile(path: string, repoRoot: string): Result<Record<string, string>> {
  const place = isAbsolute(path) ? path : join(repoRoot, path);
  const outside = leadsOutside(path, place, repoRoot);
  if (outside === 'missing') return missingFile(path);
  if (outside === 'yes') {
    return problem('secrets-symlink', `${path} is a link to a file outside its folder`, 'name the file itself', path);
  }
  let handle: number;
  try {
    // One handle for check and read: what was checked is what is read. Not blocking, should it be a pipe.
    handle = openSync(place, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return problem(
      'secrets-unreadable',
      `${path} could not be opened`,
      `it must belong to the user that runs mmfleet: chown, then chmod 600 ${path}`,
      path,
    );
  }
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile())
      return problem('secrets-not-a-file', `${path} is not a regular file`, 'name a file of KEY=VALUE lines', path);
    if ((stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
      return problem(
        'secrets-open-to-others',
        `${path} has mode ${mode}, want 0600: others could read it`,
        `chmod 600 ${path}`,
        path,
      );
    }
    if (stat.size > MAX_BYTES)
      return problem(
        'secrets-too-large',
        `${path} has ${stat.size} bytes, want at most ${MAX_BYTES}`,
        'name a file of KEY=VALUE lines',
        path,
      );
    return parseValues(readFileSync(handle, 'utf8'), path, path);
  } catch {
    return problem('secrets-unreadable', `${path} could not be read`, 'check the disk', path);
  } finally {
    closeSync(handle);
  }
}

/** Whether a path leads, through links, to another place than it names: a checkout could point anywhere. */
function leadsOutside(path: string, place: string, repoRoot: string): 'yes' | 'no' | 'missing' {
  try {
    const real = realpathSync(place);
    const inside = !isAbsolute(path) && !path.startsWith('../');
    const root = realpathSync(inside ? repoRoot : join(place, '..'));
    const way = relative(root, real);
    return way.startsWith('..') || (!inside && way.includes('/')) ? 'yes' : 'no';
  } catch {
    return 'missing';
  }
}

async function runCommand(command: readonly string[], repoRoot: string): Promise<Result<Record<string, string>>> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('a secrets command has at least its program');
  // Loaded for a command only: it takes longer to load than most of what mmfleet does.
  const { execa } = await import('execa');
  const run = await execa(program, args, {
    cwd: repoRoot,
    reject: false,
    stdin: 'ignore',
    timeout: COMMAND_TIMEOUT_MS,
    maxBuffer: MAX_BYTES,
    forceKillAfterDelay: 1000,
  });
  // Its arguments may name accounts, so only the program is told.
  const name = `the secrets command ${program}`;
  const hint = 'run it by hand; it must print KEY=VALUE lines and exit 0';
  if (run.timedOut) return problem('secrets-command', `${name} took longer than ${COMMAND_TIMEOUT_MS / 1000} s`, hint);
  if (run.isMaxBuffer) return problem('secrets-command', `${name} printed more than ${MAX_BYTES} characters`, hint);
  if (run.exitCode === undefined)
    return problem('secrets-command', `${name} could not be started, or died of a signal`, hint);
  if (run.exitCode !== 0) return problem('secrets-command', `${name} exited with ${run.exitCode}`, hint);
  return parseValues(run.stdout, undefined, name);
}

function takeFromEnv(names: readonly string[]): Result<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value === undefined || value === '') {
      return problem(
        'secrets-from-env',
        `${name} is not set in mmfleet's own environment`,
        `set ${name} where mmfleet is started`,
      );
    }
    values[name] = value;
  }
  return ok(values);
}

/** A line that does not parse would silently lose a key: that is an error here. */
function parseValues(text: string, file: string | undefined, name: string): Result<Record<string, string>> {
  const { values, problems } = parseEnv(text, name);
  const bad = problems[0];
  if (bad === undefined) return ok(values);
  const line = bad.line === undefined ? '' : ` (line ${bad.line})`;
  const [what, hint] = SAID[bad.code] ?? [
    'holds a line that is not KEY=VALUE',
    'values with blanks or # belong in quotes',
  ];
  return problem('secrets-bad-line', `${name} ${what}${line}`, hint, file, bad.line);
}

/** In words of our own: what is said of an env file may quote a part of the line, and here that may be a part of a key. */
const SAID: Readonly<Record<string, [what: string, hint: string]>> = {
  'env-unknown-reference': [
    'refers to another name, which no line above sets',
    'the bot would read it as empty: write the value out',
  ],
  'env-byte-order-mark': ['starts with a byte order mark', 'save it as UTF-8 without a byte order mark'],
  'env-encoding': ['is not UTF-8 text', 'save it as UTF-8'],
};

function missingFile(path: string): Result<never> {
  return problem(
    'secrets-missing',
    `${path} does not exist`,
    `write KEY=VALUE lines into it, then chmod 600 ${path}`,
    path,
  );
}

function problem(
  code: string,
  message: string,
  hint: string,
  file?: string,
  line?: number,
): { ok: false; problem: Problem } {
  return fail({
    code,
    message,
    hint,
    retry: 'stalled',
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
  });
}
