/** Maintenance joins what passes leave behind, and one that fails or stands in somebody's way harms nothing. */
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type CommitOptions, commit } from '../../src/adapters/git-commit.ts';
import { maintain, needsMaintenance } from '../../src/adapters/git-maintain.ts';
import { fleetGit } from '../../src/shell/fleet-git.ts';
import { type Clone, FLEET, scratchWorld, type World } from '../support/repos.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let world: World;
let ops: Clone;
beforeEach(async () => {
  world = await scratchWorld();
  ops = await world.clone('ops');
});
afterEach(() => world.remove());

const OPTIONS: CommitOptions = { committer: FLEET, secrets: [], nowTs: 1_795_000_000 };
const never = new AbortController().signal;
const packs = () => readdirSync(join(ops.dir, '.git/objects/pack')).filter((name) => name.endsWith('.pack')).length;

let made = 0;

async function passes(count: number): Promise<void> {
  for (let end = made + count; made < end; made += 1) {
    const n = made;
    const files = [{ path: `fleet/env/amzn/.env.amzn.iter${String(n + 1).padStart(3, '0')}`, text: `A=${n}\n` }];
    const done = await commit(ops.repo, { files, message: `tune(amzn): ${n}\n`, author: FLEET, authorTs: n }, OPTIONS);
    if (!done.ok || done.value === 'no-change') throw new Error('no commit');
  }
}

/** What a person would see of the clone. */
const seen = () => [
  ops.git('rev-parse', 'HEAD'),
  ops.git('log', '--format=%H %s'),
  ops.git('status', '--porcelain'),
  ops.git('ls-files', '-s'),
  readFileSync(join(ops.dir, '.git/config'), 'utf8'),
];

test('after fifty passes their packs become one, with a commit-graph; what the clone holds stays the same', async () => {
  await passes(49);
  expect(needsMaintenance(ops.repo)).toBe(false);
  await passes(4);
  const [before, many] = [seen(), packs()];
  expect(many).toBeGreaterThanOrEqual(50);
  expect(needsMaintenance(ops.repo)).toBe(true);
  expect(await fleetGit(ops.repo).maintain?.(never)).toBeNull();
  expect(packs()).toBeLessThan(5);
  expect(needsMaintenance(ops.repo)).toBe(false);
  expect(existsSync(join(ops.dir, '.git/objects/info/commit-graphs/commit-graph-chain'))).toBe(true);
  expect(seen()).toEqual(before);
  ops.git('fsck', '--strict');
});

test('while the index is locked, or after the end of the daemon, it leaves the clone alone', async () => {
  await passes(3);
  const lock = join(ops.dir, '.git/index.lock');
  writeFileSync(lock, '');
  const before = readdirSync(join(ops.dir, '.git/objects/pack')).sort();
  expect(await maintain(ops.repo, never)).toBeNull();
  expect(await maintain(ops.repo, AbortSignal.abort())).toBeNull();
  expect(readdirSync(join(ops.dir, '.git/objects/pack')).sort()).toEqual(before);
  expect(existsSync(join(ops.dir, '.git/objects/info/commit-graphs'))).toBe(false);
});

test('one that fails says so and harms nothing: the next commit is made as ever', async () => {
  await passes(2);
  writeFileSync(join(ops.dir, '.git/objects/info/commit-graphs'), 'a file where git wants a folder');
  const head = ops.git('rev-parse', 'HEAD');
  expect(await maintain(ops.repo, never)).toMatch(/commit-graph/);
  expect(ops.git('rev-parse', 'HEAD')).toBe(head);
  const files = [{ path: 'fleet/env/amzn/.env.amzn.iter009', text: 'A=9\n' }];
  const made = await commit(ops.repo, { files, message: 'tune(amzn): 9\n', author: FLEET, authorTs: 9 }, OPTIONS);
  expect(made.ok).toBe(true);
  expect(ops.git('status', '--porcelain')).toBe('');
});

test('what another git left behind long ago is not for ever in the way', async () => {
  await passes(3);
  const lock = join(ops.dir, '.git/gc.pid');
  writeFileSync(lock, '1 elsewhere\n');
  expect(await maintain(ops.repo, never)).toBeNull();
  expect(packs()).toBeGreaterThanOrEqual(3);
  utimesSync(lock, 1_700_000_000, 1_700_000_000);
  expect(await maintain(ops.repo, never)).toBeNull();
  expect(packs()).toBeLessThan(3);
});
