/** A command that finds what an earlier one kept says what one says that finds nothing; and it loads no more than it needs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { nameOf, specText, writeFleet } from '../bench/thousand.ts';
import { CLI } from '../support/fleet-world.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const ROOT = join(import.meta.dirname, '../..');
const COUNT = 6;
let dir: string;
let ops: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-cold-'));
  ops = join(dir, 'ops');
  writeFleet(ops, COUNT);
  timeless();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const journals = () => readdirSync(join(ops, 'data/mm_journal')).map((name) => join(ops, 'data/mm_journal', name));

/** Journals of the future have no age, so that two commands a second apart say the same. */
function timeless(): void {
  for (const path of journals()) utimesSync(path, 4e9, 4e9);
}

const COMMANDS = [
  ['status', '--json'],
  ['plan', '--json'],
  ['why', nameOf(2), '--json'],
];

const said = () =>
  COMMANDS.map((args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, '-C', ops, ...args], { encoding: 'utf8' });
    return { args, status, stdout, stderr };
  });

function forget(): void {
  rmSync(join(ops, '.mmfleet'), { recursive: true, force: true });
}

function commit(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) writeFileSync(join(ops, path), text);
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd: ops });
  git('add', '-A');
  git('commit', '--quiet', '-m', 'change');
  git('push', '--quiet');
}

const CHANGES: [string, () => void][] = [
  ['nothing', () => {}],
  ['a spec', () => commit({ [`fleet/${nameOf(1)}.yaml`]: specText(1).replace('Stopped', 'Running') })],
  ['a base env', () => appendFileTo(`fleet/env/${nameOf(2)}/.env.${nameOf(2)}`, 'MM_POST_ONLY=true\n')],
  ['an invalid spec', () => commit({ [`fleet/${nameOf(3)}.yaml`]: specText(3).replace('state:', 'statee:') })],
  ['more of a journal', () => appendJournal()],
];

function appendFileTo(path: string, text: string): void {
  commit({ [path]: readFileSync(join(ops, path), 'utf8') + text });
}

function appendJournal(): void {
  const [path = ''] = journals();
  const lines = readFileSync(path, 'utf8').split('\n').slice(-12);
  appendFileSync(path, lines.join('\n'));
  timeless();
}

test('status, plan and why say the same with what was kept, with a part of it and without', () => {
  expect(said().map(({ status }) => status)).toEqual(COMMANDS.map(() => 0));
  for (const [what, change] of CHANGES) {
    change();
    const first = said();
    expect(said(), `after ${what}, kept`).toEqual(first);
    forget();
    expect(said(), `after ${what}, nothing kept`).toEqual(first);
  }
});

describe('what a command loads', () => {
  const COMMAND_FILES = readdirSync(join(ROOT, 'src/shell/commands')).map((name) => name.replace(/\.ts$/, ''));
  let outputs: Metafile['outputs'];
  beforeAll(async () => {
    const entries = COMMAND_FILES.map((name) => [name, `src/shell/commands/${name}.ts`]);
    const built = await build({
      absWorkingDir: ROOT,
      entryPoints: { main: 'src/shell/main.ts', ...Object.fromEntries(entries) },
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      metafile: true,
      write: false,
      outdir: 'out',
    });
    outputs = built.metafile.outputs;
  });

  /** Libraries that are loaded before the command does anything. */
  function libraries(entry: string, seen = new Set<string>()): Set<string> {
    const found = new Set<string>();
    for (const { path, kind, external } of outputs[entry]?.imports ?? []) {
      if (kind !== 'import-statement' || seen.has(path)) continue;
      seen.add(path);
      if (external === true) {
        if (!path.startsWith('node:')) found.add(path.split('/')[0]!);
      } else for (const name of libraries(path, seen)) found.add(name);
    }
    return found;
  }
  const loads = (name: string) => [...libraries(`out/${name}.js`)].sort();

  test('before a command is known: the parser of the command line alone', () => {
    expect(loads('main')).toEqual(['commander']);
  });

  test('what looks: no YAML, no schemas, no processes but git', () => {
    for (const name of ['status', 'plan', 'why', 'diff', 'history', 'logs'])
      expect(loads(name), name).toEqual(['decimal.js']);
    expect(loads('analyse-cli')).toEqual(['decimal.js']);
  });

  test('nothing compiles a schema, watches or logs before it is asked to', () => {
    for (const name of COMMAND_FILES.filter((each) => !['demo', 'init'].includes(each)))
      for (const library of ['chokidar', 'pino', 'execa', 'ccxt']) expect(loads(name), name).not.toContain(library);
  });
});
