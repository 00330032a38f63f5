/** What a newcomer meets: names, exit codes, terminals and files that are not as they should be; no process is started. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/adapters/clock.ts';
import { openRepo } from '../../src/adapters/git.ts';
import { readWorktree } from '../../src/adapters/git-read.ts';
import { acquireLock } from '../../src/adapters/lock.ts';
import { isTextPath } from '../../src/shell/desired.ts';
import { processIo } from '../../src/shell/io.ts';
import { CLI } from '../support/fleet-world.ts';
import { git } from '../support/repos.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let dir: string;
let ops: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-usage-'));
  ops = join(dir, 'ops');
  mkdirSync(ops);
  git(ops, 'init', '-q', '-b', 'main');
  put('.gitignore', '/secrets/\n/data/\n/.mmfleet/\n');
  put('fleet/fleet.yaml', 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: f }\nspec: {}\n');
  for (const name of ['amzn', 'mon']) declare(name);
  commit('two that are down');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
afterEach(() => {
  git(ops, 'checkout', '-q', '.');
  git(ops, 'clean', '-q', '-f', '-d');
});

function put(path: string, text: string, root = ops): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function declare(name: string): void {
  const market = `${name.toUpperCase()}-USD`;
  put(
    `fleet/${name}.yaml`,
    `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${market}
  baseEnv: env/.env.${name}
  state: Stopped
  runtime: { process: { command: [sleep, "100"], cwd: .. } }
  venue: { journal: {} }
`,
  );
  put(`fleet/env/.env.${name}`, `MM_MARKET_NAME=${market}\nMM_ENVIRONMENT=testnet\n`);
}

function commit(message: string): void {
  git(ops, 'add', '-A');
  git(ops, 'commit', '-q', '-m', message);
}

function mmfleet(...args: string[]) {
  const end = spawnSync(process.execPath, [CLI, '-C', ops, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { code: end.status, out: end.stdout, err: end.stderr };
}

describe('names', () => {
  test('plan --worktree knows the names that the edited files declare', () => {
    declare('neu');
    expect(mmfleet('plan', 'neu', '--worktree')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^neu +- +state-stopped/m),
    });
    expect(mmfleet('plan', 'neu')).toMatchObject({ code: 3 });
  });

  test.each(['1.5', 'v2.7', '.env.mon.iter001', 'fleet/env/.env.mon.iter001'])(
    'rollback --to %s is no iteration of amzn',
    (to) => {
      const head = git(ops, 'rev-parse', 'HEAD');
      expect(mmfleet('rollback', 'amzn', '--to', to, '--reason', 'back')).toMatchObject({
        code: 3,
        err: expect.stringMatching(new RegExp(`^--to: found "${to}", want an iteration`)),
      });
      expect(git(ops, 'rev-parse', 'HEAD')).toEqual(head);
    },
  );
});

describe('exit codes', () => {
  test('3 when every selected spec is invalid, 5 when others are not', () => {
    put('fleet/amzn.yaml', 'apiVersion: mmfleet/v1\nkind: Instance\nmetadata: { name: amzn }\nspec: { markt: X }\n');
    commit('broken');
    for (const command of [['reconcile', '--once'], ['reconcile', '--once', '--allow-held'], ['plan']])
      expect(mmfleet(...command, 'amzn')).toMatchObject({
        code: 3,
        err: expect.stringContaining('spec.markt: unknown field'),
      });
    expect(mmfleet('reconcile', '--once')).toMatchObject({ code: 5 });
    expect(mmfleet('plan')).toMatchObject({ code: 0 });
    expect(mmfleet('analyse', 'amzn')).toMatchObject({ code: 3, err: expect.stringContaining('its spec is invalid') });
    expect(mmfleet('status', 'AMZN-USD')).toMatchObject({
      code: 3,
      err: expect.stringMatching(/by its name alone, as its spec is invalid: amzn\n$/),
    });
    git(ops, 'revert', '--no-edit', 'HEAD');
  });

  test('6 when another mmfleet is at work to the end of the time-out', async () => {
    const lock = await acquireLock(join(ops, '.git/mmfleet'), { timeoutMs: 0, clock: systemClock });
    if (!lock.ok) throw new Error(lock.problem.message);
    const waiting = mmfleet('reconcile', '--once', '--timeout', '200ms');
    await lock.value.release();
    expect(waiting).toMatchObject({ code: 6, err: expect.stringContaining('another mmfleet works in this clone') });
  });

  test('a time-out of a month is no time-out at once', () => {
    expect(mmfleet('reconcile', '--once', '--timeout', '30d')).toMatchObject({ code: 0, err: '' });
  });

  test('status -w that is interrupted says so', async () => {
    const watching = spawn(process.execPath, [CLI, '-C', ops, 'status', '-w'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((seen) => watching.stdout.once('data', seen));
    watching.kill('SIGINT');
    expect(await new Promise((ended) => watching.once('exit', ended))).toBe(130);
  });
});

test.each([
  ['validate', 'Validation'],
  ['plan', 'Plan'],
  ['status', 'Status'],
  ['reconcile --once', 'Reconcile'],
  ['stop amzn --reason x', 'Reconcile'],
  ['why amzn', 'Why'],
  ['history amzn', 'History'],
  ['diff amzn', 'Diff'],
  ['audit verify', 'Audit'],
])('%s --json is a document also where there is no repository', (words, kind) => {
  const end = spawnSync(process.execPath, [CLI, '-C', dir, ...words.split(' '), '--json'], { encoding: 'utf8' });
  expect({ code: end.status, err: end.stderr }).toEqual({ code: 3, err: '' });
  expect(JSON.parse(end.stdout)).toMatchObject({
    apiVersion: 'mmfleet/v1',
    kind,
    fleet: null,
    items: [],
    problems: [{ code: 'git-not-a-repository' }],
  });
});

test('a first start on the bot’s own words alone: held, and told what it takes', () => {
  const started = mmfleet('start', 'amzn', '--reason', 'try');
  expect(started).toMatchObject({
    code: 5,
    out: expect.stringContaining('a first start needs spec.venue.ccxt or command'),
  });
  expect(mmfleet('stop', 'amzn', '--reason', 'enough')).toMatchObject({ code: 5 });
  expect(mmfleet('release', 'amzn', '--reason', 'as before')).toMatchObject({ code: 5 });
});

test('a terminal that does not tell its size is not cut to nothing', () => {
  const own = Object.getOwnPropertyDescriptor(process.stdout, 'columns');
  Object.defineProperty(process.stdout, 'columns', { value: 0, configurable: true });
  try {
    expect(processIo().columns).toBe(120);
  } finally {
    if (own === undefined) Reflect.deleteProperty(process.stdout, 'columns');
    else Object.defineProperty(process.stdout, 'columns', own);
  }
});

test('of the work tree only what git would take is listed, and only specs and envs are read', async () => {
  put('data/mm_journal/mm_AMZN-USD_20260216_000000.jsonl', 'ignored');
  put('notes/large.bin', 'not read');
  const repo = await openRepo(ops);
  if (!repo.ok) throw new Error(repo.problem.message);
  const files = await readWorktree(repo.value, isTextPath);
  const texts = Object.fromEntries(files.ok ? files.value.map(({ path, text }) => [path, text]) : []);
  expect(texts).toMatchObject({ 'notes/large.bin': '', 'fleet/fleet.yaml': expect.stringContaining('kind: Fleet') });
  expect(Object.keys(texts).filter((path) => path.startsWith('data/'))).toEqual([]);
});

describe('init', () => {
  const fresh = (name: string, env: string, ignored = '') => {
    const root = join(dir, name);
    mkdirSync(root);
    git(root, 'init', '-q', '-b', 'main');
    if (ignored !== '') put('.gitignore', ignored, root);
    put('.env.amzn', env, root);
    const end = spawnSync(process.execPath, [CLI, '-C', root, 'init', '--from', '.env.amzn'], { encoding: 'utf8' });
    return { root, code: end.status, out: end.stdout, err: end.stderr };
  };
  const ENV = 'MM_MARKET_NAME=AMZN-USD\nMM_API_KEY=canary-new-5f1c\n';

  test('a key that is commented out goes where the keys go', () => {
    const made = fresh(
      'commented',
      `${ENV}# MM_API_KEY=canary-old-77aa\n#export MM_STARK_PRIVATE_KEY=0xcanary99\n# wide\n`,
    );
    expect(made).toMatchObject({ code: 0, out: expect.stringContaining('comments with values of secret keys') });
    expect(readFileSync(join(made.root, 'fleet/env/amzn/.env.amzn'), 'utf8')).toBe('MM_MARKET_NAME=AMZN-USD\n# wide\n');
    expect(readFileSync(join(made.root, 'secrets/amzn.env'), 'utf8')).toContain('canary-old-77aa');
    expect(made.out).not.toContain('canary');
  });

  test.each([
    ['MM_RPC=https://h/canary-new-5f1c', 'in that of MM_RPC'],
    ['# the key is canary-new-5f1c', 'in another line'],
  ])('a key that stands in %s is not committed with it', (line, said) => {
    const made = fresh(`left-${line.length}`, `${ENV}${line}\n`);
    expect(made).toMatchObject({ code: 3, out: '', err: expect.stringContaining(said) });
    expect(made.err).not.toContain('canary');
  });

  test('a repository that ignores all env files tracks the base env and its iterations', () => {
    const { root, code } = fresh('ignoring', ENV, '.env.*\ndata/\n');
    expect(code).toBe(0);
    put('fleet/env/amzn/.env.amzn.iter001', 'MM_MARKET_NAME=AMZN-USD\n', root);
    git(root, 'add', '-A');
    const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
    expect(tracked).toEqual(expect.arrayContaining(['fleet/env/amzn/.env.amzn', 'fleet/env/amzn/.env.amzn.iter001']));
    expect(tracked).not.toContain('.env.amzn');
    expect(tracked).not.toContain('secrets/amzn.env');
  });

  test('a folder is no env file, and a file no repository', () => {
    const run = (...args: string[]) => spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
    const folder = run('-C', ops, 'init', '--from', 'fleet');
    expect([folder.status, folder.stderr]).toEqual([3, expect.stringMatching(/^fleet: not a file\n/)]);
    const file = run('-C', join(ops, '.gitignore'), 'init');
    expect([file.status, file.stderr]).toEqual([3, expect.stringContaining('a file, want a folder')]);
  });
});
