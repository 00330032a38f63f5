/** A kept lab book says what one says that is made anew, whatever happened to the history, to the specs or to the file. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { envDigest } from '../../src/core/env/digest.ts';
import { iterFileName, renderIter } from '../../src/core/env/iter.ts';
import { parseEnv } from '../../src/core/env/read.ts';
import { commitMessage } from '../../src/core/trail/message.ts';
import {
  BENCH_EMAIL,
  BENCH_INSTANCES,
  basePathOf,
  iterMessage,
  iterText,
  writeRepository,
} from '../bench/git-repository.ts';
import { CLI } from '../support/fleet-world.ts';
import { git } from '../support/repos.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let dir: string;
let log: string;
let nextIter = 100;
const BASE = basePathOf('bot1');
const state = () => join(dir, '.mmfleet');
const book = () => join(state(), 'cache', 'bot1.history');

beforeAll(() => {
  const parent = mkdtempSync(join(tmpdir(), 'mmfleet-book-'));
  dir = join(parent, 'ops');
  writeRepository(dir, 90);
  // A few are enough: each spec is read anew again and again.
  git(dir, 'rm', '-q', ...BENCH_INSTANCES.slice(6).map((name) => `fleet/${name}.yaml`));
  git(dir, 'commit', '-q', '-m', 'six markets');
  log = join(parent, 'git.log');
  // Writes down what git is asked, and asks it.
  const real = spawnSync('bash', ['-c', 'command -v git'], { encoding: 'utf8' }).stdout.trim();
  writeFileSync(join(parent, 'git'), `#!/bin/sh\nprintf '%s\\n' "$*" >> '${log}'\nexec '${real}' "$@"\n`);
  chmodSync(join(parent, 'git'), 0o755);
});
afterAll(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

const ask = (...args: string[]) => {
  const env = { ...process.env, PATH: `${join(dir, '..')}${delimiter}${process.env['PATH']}` };
  rmSync(log, { force: true });
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', env, cwd: dir });
  const processes = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
  return { said: { status, stdout, stderr }, processes };
};

/** The same question where nothing is kept. */
function askAnew(...args: string[]) {
  const aside = join(dir, '..', 'aside');
  if (existsSync(state())) renameSync(state(), aside);
  const { said } = ask(...args);
  rmSync(state(), { recursive: true, force: true });
  if (existsSync(aside)) renameSync(aside, state());
  return said;
}

function commit(files: Record<string, string | null>, message: string, ours = false): void {
  for (const [path, text] of Object.entries(files)) {
    if (text === null) git(dir, 'rm', '-q', path);
    else writeFileSync(join(dir, path), text);
  }
  git(dir, 'add', '-A');
  const author = ours ? [`--author=mmfleet <${BENCH_EMAIL}>`] : [];
  git(dir, 'commit', '-q', '--allow-empty', ...author, '-m', message);
}

function tune(name: string): void {
  nextIter += 1;
  const path = iterFileName(basePathOf(name), nextIter);
  commit({ [path]: iterText(name, nextIter) }, iterMessage(name, nextIter, 1_790_000_000 + nextIter), true);
}

const verdict = (iter: number) => `iter${iter} inconclusive edge +0.9 bps (95% -0.4..+2.2, n=214) against iter001\n`;
const spec = (name: string) => readFileSync(join(dir, `fleet/${name}.yaml`), 'utf8');
const changed = (name: string, from: string, to: string) =>
  commit({ [`fleet/${name}.yaml`]: spec(name).replace(from, to) }, `${name}: ${to}`);

/** A step on a branch of its own that a person merged as a squash: it counts, though nothing says so but its words and its file. */
function squash(): void {
  nextIter += 1;
  const what = {
    instance: 'bot1',
    market: 'BOT1-USD',
    iter: nextIter,
    parentIter: null,
    theme: 'spread-offset' as const,
    step: 'widen x1.5',
    trigger: 'fast markout5sBps=-1.32 limit=-0.50 n=204',
    changes: [{ key: 'MM_MIN_OFFSET_BPS', from: '4', to: '6' }],
  };
  const path = iterFileName(BASE, nextIter);
  const { text } = renderIter(readFileSync(join(dir, BASE), 'utf8'), '.env.bot1', what);
  const step = commitMessage({
    ...what,
    kind: 'tune',
    at: 1_790_000_000 + nextIter,
    why: [],
    proven: false,
    envDigest: envDigest(parseEnv(text, path).values),
    journal: null,
    spec: '0',
    fleetSpec: '0',
  });
  commit({ [path]: text }, `Merge what mmfleet proposes (#7)\n\n${step.replace(/^/gm, '    ')}`);
}

function merge(): void {
  git(dir, 'switch', '-q', '-c', 'side', 'HEAD~1');
  commit({ 'side.txt': `${nextIter}` }, 'beside');
  git(dir, 'switch', '-q', 'main');
  git(dir, 'merge', '-q', '--no-ff', '-m', 'join', 'side');
  git(dir, 'branch', '-q', '-D', 'side');
}

/** It has no valid spec then: no book is kept. */
const INVALID = ['another instance has its name', 'its spec is wrong'];

/** `kept`: whether the book that was there goes on; where it does, the whole trail is not read. */
const HAPPENINGS: [what: string, happens: () => void, kept: boolean][] = [
  ['nothing', () => {}, true],
  ['its own step', () => tune('bot1'), true],
  ['steps of others', () => ['bot2', 'bot3', 'bot2'].forEach(tune), true],
  ['its verdict', () => commit({ [`${BASE}.verdicts`]: verdict(101) }, 'judged', true), true],
  [
    'one more step and one more verdict',
    () => {
      tune('bot1');
      commit({ [`${BASE}.verdicts`]: verdict(101) + verdict(nextIter) }, 'judged', true);
    },
    true,
  ],
  ['a person reverts its newest step', () => commit({ [iterFileName(BASE, nextIter)]: null }, 'not that one'), true],
  ['a person makes the iter again', () => commit({ [iterFileName(BASE, nextIter)]: 'MM_X=1\n' }, 'or that one'), true],
  ['a person squashes a step', squash, false],
  ['a merge', merge, false],
  ['the history is set back', () => git(dir, 'reset', '-q', '--hard', 'HEAD~3'), false],
  ['the newest commit is rewritten', () => git(dir, 'commit', '-q', '--amend', '-m', 'in other words'), false],
  ['its spec says more', () => changed('bot1', 'venue:', '# calm\n  venue:'), false],
  [
    'the base env is edited',
    () => commit({ [BASE]: `${readFileSync(join(dir, BASE), 'utf8')}MM_Y=2\n` }, 'base'),
    false,
  ],
  [
    'the verdicts become a link',
    () => {
      writeFileSync(join(dir, `${BASE}.verdicts`), '');
      unlinkSync(join(dir, `${BASE}.verdicts`));
      symlinkSync('.env.bot1', join(dir, `${BASE}.verdicts`));
      commit({}, 'a link');
    },
    true,
  ],
  ['the verdicts are gone', () => commit({ [`${BASE}.verdicts`]: null }, 'gone'), true],
  [
    'mmfleet is another author',
    () => commit({ 'fleet/fleet.yaml': spec('fleet').replace(BENCH_EMAIL, 'b@c.org') }, 'who'),
    false,
  ],
  ['the fleet file is wrong', () => commit({ 'fleet/fleet.yaml': 'kind: Fleet\n' }, 'oops'), false],
  ['the fleet file is right again', () => git(dir, 'reset', '-q', '--hard', 'HEAD~2'), false],
  ['another instance is called as its market is', () => changed('bot2', 'name: bot2', 'name: bot1-usd'), false],
  ['another instance has its name', () => changed('bot2', 'name: bot1-usd', 'name: bot1'), false],
  [
    'its spec is wrong',
    () => {
      git(dir, 'reset', '-q', '--hard', 'HEAD~2');
      changed('bot1', 'venue:', 'venues:');
    },
    false,
  ],
  ['it is declared no more', () => commit({ 'fleet/bot1.yaml': null }, 'bye'), false],
];

test('after everything that can happen it is what a clone without it says, as a table and as JSON', () => {
  ask('history', 'bot1');
  for (const [n, [what, happens, kept]] of HAPPENINGS.entries()) {
    happens();
    const [now, again, json] = [[], ['-C', '.'], []].map((before, i) =>
      ask(...before, 'history', ...(i === 2 ? ['--json'] : []), 'bot1'),
    );
    const want = askAnew('history', 'bot1');
    expect(now!.said, what).toEqual(want);
    expect(again!.said, what).toEqual(want);
    // Every way to ask, in turns: each takes a process that finds nothing kept.
    const ways = [['bot1', '--json'], ['BOT1-USD'], ['bot1', '--since', '2026-09-21'], ['bot1', '--plot']];
    const way = ways[n % ways.length]!;
    const anew = askAnew('history', ...way);
    expect(ask('history', ...way).said, `${what}: ${way}`).toEqual(anew);
    if (way.includes('--json')) expect(json!.said, what).toEqual(anew);
    const listed = now!.processes.some((args) => / (ls|diff)-tree /.test(args) && !/ -- \S/.test(args));
    expect(listed, what).toBe(!kept);
    if (want.status === 0 && !INVALID.includes(what))
      expect([again!.processes, json!.processes], what).toEqual([[], []]);
  }
});

test('a damaged, a torn and a foreign book are no answer; only the owner may read it', () => {
  git(dir, 'reset', '-q', '--hard', 'HEAD~2');
  const want = askAnew('history', 'bot1');
  expect(want.status).toBe(0);
  expect(ask('history', 'bot1').said).toEqual(want);
  expect(statSync(book()).mode & 0o777).toBe(0o600);
  const bytes = readFileSync(book());
  const spoilt = [0, 70, 200, bytes.length >> 1, bytes.length - 1].map((at) => {
    const broken = Buffer.from(bytes);
    broken[at] = broken[at]! ^ 1;
    return broken;
  });
  for (const length of [0, 1, 64, 65, bytes.length - 1]) spoilt.push(bytes.subarray(0, length));
  for (const [n, broken] of spoilt.entries()) {
    writeFileSync(book(), broken);
    const { said, processes } = ask('history', 'bot1');
    expect(said, `${n}`).toEqual(want);
    expect(processes, `${n}`).not.toEqual([]);
    expect(readFileSync(book()), `${n}`).toEqual(bytes);
  }
  writeFileSync(join(state(), 'cache', 'bot3.history'), bytes);
  expect(ask('history', 'bot3').said).toEqual(askAnew('history', 'bot3'));
});
