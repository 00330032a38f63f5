/** The kept trail is never anything but what a whole read of git gives, whatever happened to the history or to the file. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openRepo, type Repo } from '../../src/adapters/git.ts';
import { readLog } from '../../src/adapters/git-log.ts';
import { keep } from '../../src/adapters/kept-file.ts';
import { loadTrail } from '../../src/adapters/trail-file.ts';
import { iterFileName } from '../../src/core/env/iter.ts';
import type { TuningPolicy } from '../../src/core/spec/types.ts';
import { entryWith } from '../../src/core/trail/entry.ts';
import type { TrailEntry } from '../../src/core/trail/types.ts';
import { rebuildMemory } from '../../src/core/tuning/memory.ts';
import type { TuningMemory } from '../../src/core/tuning/types.ts';
import type { DesiredInstance } from '../../src/shell/desired.ts';
import { trailsByInstance } from '../../src/shell/instance-trails.ts';
import { openMemories } from '../../src/shell/memories.ts';
import { trailReader } from '../../src/shell/trail.ts';
import { BENCH_EMAIL, basePathOf, iterMessage, iterText, writeRepository } from '../bench/git-repository.ts';
import { git } from '../support/repos.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let dir: string;
let repo: Repo;
let nextIter = 100;
const state = () => join(dir, '.mmfleet');
const file = () => join(state(), 'cache', 'trail');

beforeEach(async () => {
  dir = join(mkdtempSync(join(tmpdir(), 'mmfleet-trail-')), 'ops');
  writeRepository(dir, 240);
  const opened = await openRepo(dir);
  if (!opened.ok) throw new Error(opened.problem.message);
  repo = opened.value;
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

const must = <T>(result: { ok: true; value: T } | { ok: false; problem: { message: string } }): T => {
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
};
/** As a one-shot command reads it. */
const read = async (email = BENCH_EMAIL) => must(await trailReader(repo, state())(email));
const whole = async (email = BENCH_EMAIL) => must(await readLog(repo, { under: '', ourEmail: email })).entries;
const POLICY = {
  recover: { quietForMs: 3_600_000, probationMs: 1_800_000 },
  forgetAfterMs: 86_400_000,
  keys: {},
} as unknown as TuningPolicy;
const memoryOf = (entries: TrailEntry[]) => rebuildMemory(entries, { baseEnv: basePathOf('bot1'), policy: POLICY });
const BOT1 = { name: 'bot1', env: { basePath: basePathOf('bot1') } } as DesiredInstance;
const ABOUT = { instance: 'bot1', ourEmail: BENCH_EMAIL, baseEnv: basePathOf('bot1'), policy: POLICY };

function tune(count: number): void {
  for (let n = 0; n < count; n += 1) {
    nextIter += 1;
    writeFileSync(join(dir, iterFileName(basePathOf('bot1'), nextIter)), iterText('bot1', nextIter));
    git(dir, 'add', '-A');
    const message = iterMessage('bot1', nextIter, 1_790_000_000 + nextIter);
    git(dir, 'commit', '-q', `--author=mmfleet <${BENCH_EMAIL}>`, '-m', message);
  }
}

function edit(name: string): void {
  writeFileSync(join(dir, name), `${nextIter}\n`);
  git(dir, 'add', '-A');
  git(dir, 'commit', '-q', '--allow-empty', '-m', `Olga: "${name}"\tünï ${nextIter}`);
}

const attempt = (...args: string[]): boolean => {
  try {
    git(dir, ...args);
    return true;
  } catch {
    return false;
  }
};

const HAPPENINGS: Record<string, (back: number) => void> = {
  'ours, a few': (back) => tune(back),
  'ours, many': () => tune(34),
  'a person edits': () => edit('notes.txt'),
  'a person reverts': (back) => {
    if (!attempt('revert', '--no-edit', `HEAD~${back}`)) attempt('revert', '--abort');
  },
  'a person merges a side branch': (back) => {
    git(dir, 'switch', '-q', '-c', 'side', `HEAD~${back}`);
    edit('side.txt');
    git(dir, 'switch', '-q', 'main');
    if (!attempt('merge', '-q', '--no-ff', '-X', 'ours', '-m', 'join', 'side')) attempt('merge', '--abort');
    git(dir, 'branch', '-q', '-D', 'side');
  },
  'a person merges main into a side branch, and that is main now': (back) => {
    git(dir, 'switch', '-q', '-c', 'side', `HEAD~${back}`);
    edit('other.txt');
    if (attempt('merge', '-q', '--no-ff', '-X', 'ours', '-m', 'join', 'main')) {
      git(dir, 'branch', '-q', '-f', 'main', 'side');
    } else attempt('merge', '--abort');
    git(dir, 'switch', '-q', 'main');
    git(dir, 'branch', '-q', '-D', 'side');
  },
  'the history is set back': (back) => git(dir, 'reset', '-q', '--hard', `HEAD~${back}`),
  'the newest commit is rewritten': () =>
    git(dir, 'commit', '-q', '--amend', '--allow-empty', '-m', `again ${nextIter}`),
};

test('over random histories with reverts, merges and rewrites the entries and the memory are those of a whole read', async () => {
  const happening = fc.tuple(fc.constantFrom(...Object.keys(HAPPENINGS)), fc.integer({ min: 1, max: 4 }));
  const seed = Number(process.env['TRAIL_SEED'] ?? 20261123);
  const story = fc.sample(happening, { numRuns: Number(process.env['TRAIL_RUNS'] ?? 24), seed });
  const running = trailReader(repo, state());
  for (const [what, back] of [['ours, a few', 1] as const, ...story]) {
    HAPPENINGS[what]!(back);
    const [want, oneShot, daemon] = [await whole(), await read(), must(await running(BENCH_EMAIL))];
    // Read as values: what is lazily read must be the same too.
    expect(valuesOf(oneShot), what).toEqual(want);
    expect(valuesOf(daemon), what).toEqual(want);
    expect(memoryOf(oneShot), what).toEqual(memoryOf(want));
    const own = trailsByInstance(oneShot, [BOT1]).get('bot1') ?? [];
    // Made or found in what the one before it kept, and found by the next.
    for (const _ of ['now', 'again']) {
      const kept = openMemories(state(), 'build-1');
      expect(kept.of(own, ABOUT), what).toEqual(rebuildMemory(own, { baseEnv: ABOUT.baseEnv, policy: POLICY }));
      kept.save();
    }
  }
  expect(must(await running(BENCH_EMAIL)).some((e) => e.parents.length > 1)).toBe(true);
});

const valuesOf = (entries: TrailEntry[]) => entries.map((entry) => entryWith(entry, {}));

test('an unchanged head asks git for nothing; only the owner may read the file', async () => {
  const want = valuesOf(await read());
  const head = git(dir, 'rev-parse', 'HEAD');
  const path = process.env['PATH'];
  process.env['PATH'] = '/nowhere';
  try {
    expect(valuesOf(must(await trailReader(repo, state())(BENCH_EMAIL, head)))).toEqual(want);
  } finally {
    process.env['PATH'] = path;
  }
  expect(statSync(file()).mode & 0o777).toBe(0o600);
});

test('another author e-mail, a damaged file, a torn one, one of another head: git is read', async () => {
  const want = await whole();
  await read();
  const bytes = readFileSync(file());
  const nobody = await read('nobody@example.org');
  expect(nobody.every((e) => !e.ours)).toBe(true);
  expect(valuesOf(nobody)).toEqual(await whole('nobody@example.org'));
  for (const at of [5, 40, 200, 3_000, bytes.length >> 1, bytes.length - 3]) {
    const broken = Buffer.from(bytes);
    broken[at] = broken[at]! ^ 1;
    writeFileSync(file(), broken);
    expect(loadTrail(file(), BENCH_EMAIL), `byte ${at}`).toBeNull();
    expect(valuesOf(await read()), `byte ${at}`).toEqual(want);
  }
  for (const length of [0, 1, 100, bytes.length - 1]) {
    writeFileSync(file(), bytes);
    truncateSync(file(), length);
    expect(valuesOf(await read()), `${length} bytes`).toEqual(want);
  }
  writeFileSync(file(), bytes);
  git(dir, 'reset', '-q', '--hard', 'HEAD~3');
  expect(valuesOf(await read())).toEqual(want.slice(3));
  rmSync(file());
  expect(valuesOf(await read())).toEqual(want.slice(3));
});

test('what was committed under the e-mail that the fleet named before is ours; a stranger’s words are not', async () => {
  const before = memoryOf(await whole());
  expect([before.complete, before.rungs.length > 0]).toEqual([true, true]);
  const fleet = join(dir, 'fleet/fleet.yaml');
  writeFileSync(fleet, readFileSync(fleet, 'utf8').replace(BENCH_EMAIL, 'bots@example.org'));
  git(dir, 'commit', '-q', '-am', 'fleet: an address of its own');
  const readNow = async () => must(await trailReader(repo, state())('bots@example.org', undefined, 'fleet/fleet.yaml'));
  expect(memoryOf(await readNow())).toEqual(before);
  // One that was decided under the old e-mail and comes later, to what is kept.
  tune(1);
  expect((await readNow())[0]).toMatchObject({ kind: 'tune', ours: true });
  expect(memoryOf(await readNow())).toEqual(memoryOf(await whole()));
  git(dir, 'commit', '-q', '--allow-empty', '--author=Eve <eve@example.org>', '-m', iterMessage('bot1', 999, 1));
  expect((await readNow())[0]).toMatchObject({ kind: null, ours: false, authorName: 'Eve' });
});

test('a kept memory is that of the same commits under the same policy alone, and a damaged one is none', async () => {
  tune(40);
  const own = trailsByInstance(await read(), [BOT1]).get('bot1') ?? [];
  const path = join(state(), 'cache', 'fleet.memories');
  const open = () => openMemories(state(), 'build-1');
  const first = open();
  const memory = first.of(own, ABOUT);
  first.save();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const bytes = readFileSync(path);
  // What says another thing, in its own words, shows that it is read and not made.
  const marked = { ...memory, lastIter: 12_345 };
  const key = bytes.toString('utf8').split('\t')[1];
  keep(path, 'build-1', `bot1\t${key}\t${JSON.stringify(marked)}\n`);
  expect(open().of(own, ABOUT)).toEqual(marked);
  const others: [string, () => TuningMemory, TuningMemory][] = [
    ['fewer commits', () => open().of(own.slice(1), ABOUT), rebuildMemory(own.slice(1), ABOUT)],
    ['another e-mail', () => open().of(own, { ...ABOUT, ourEmail: 'b@example.org' }), memory],
    ['another instance', () => open().of(own, { ...ABOUT, instance: 'bot2' }), memory],
    ['another base', () => open().of(own, { ...ABOUT, baseEnv: 'x' }), rebuildMemory(own, { ...ABOUT, baseEnv: 'x' })],
    ['another build', () => openMemories(state(), 'build-2').of(own, ABOUT), memory],
    ['no build', () => openMemories(state(), null).of(own, ABOUT), memory],
  ];
  const policy = { ...POLICY, forgetAfterMs: 1 };
  others.push(['another policy', () => open().of(own, { ...ABOUT, policy }), rebuildMemory(own, { ...ABOUT, policy })]);
  for (const [what, found, want] of others) expect(found(), what).toEqual(want);
  for (const at of [0, 65, 200, bytes.length >> 1, bytes.length - 2]) {
    const broken = Buffer.from(bytes);
    broken[at] = broken[at]! ^ 1;
    writeFileSync(path, broken);
    expect(open().of(own, ABOUT), `byte ${at}`).toEqual(memory);
  }
});

test('settings and replaced objects of this clone change nothing of what is read', async () => {
  const want = await whole();
  git(dir, 'config', 'log.showRoot', 'false');
  git(dir, 'config', 'diff.orderFile', '/nowhere');
  git(dir, 'config', 'log.mailmap', 'true');
  git(dir, 'replace', 'HEAD~2', 'HEAD~5');
  expect(await whole()).toEqual(want);
});
