import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { headOf, openRepo, readRefs } from '../../src/adapters/git.ts';
import { type CommitOptions, type CommitPlan, commit, commitAll } from '../../src/adapters/git-commit.ts';
import { readLog } from '../../src/adapters/git-log.ts';
import { healMove } from '../../src/adapters/git-move.ts';
import { noteMove } from '../../src/adapters/git-move-note.ts';
import { dirtyPaths, readTree } from '../../src/adapters/git-read.ts';
import { type Clone, FLEET, OPERATOR, scratchWorld, type World } from '../support/repos.ts';
import { newKey, signedTest } from '../support/ssh-keys.ts';

let world: World;
let ops: Clone;
beforeEach(async () => {
  world = await scratchWorld();
  ops = await world.clone('ops');
});
afterEach(() => world.remove());

const OPTIONS: CommitOptions = { committer: FLEET, secrets: [], nowTs: 1_795_000_000 };
const plan = (path: string, text: string | null, message = `tune(amzn): ${path}\n`): CommitPlan => ({
  files: [{ path, text }],
  message,
  author: FLEET,
  authorTs: 1_771_243_200.25,
});
const stage = (path: string, text: string) => {
  ops.write(path, text);
  ops.git('add', path);
};
const dateOf = (revision: string) => ops.git('log', '-1', '--format=%ct', revision);
const ITER = 'fleet/env/amzn/.env.amzn.iter001';

test('a commit carries author, journal time and bytes, and leaves a clean tree, with no user configured and hooks and signing set', async () => {
  ops.git('config', 'commit.gpgsign', 'true');
  ops.git('config', 'core.autocrlf', 'true');
  writeFileSync(join(ops.dir, '.git/hooks/pre-commit'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const text = 'MM_A=1\r\nMM_B=2\n';
  const made = await commit(ops.repo, plan(ITER, text), OPTIONS);
  expect(made).toMatchObject({ ok: true });
  expect(ops.git('log', '-1', '--format=%an %ae %at %cn %ce %ct %s')).toBe(
    `mmfleet mmfleet@localhost 1771243200 mmfleet mmfleet@localhost ${dateOf('HEAD~1')} tune(amzn): ${ITER}`,
  );
  expect(ops.git('cat-file', 'blob', `HEAD:${ITER}`)).toBe(text.trimEnd());
  expect(readFileSync(join(ops.dir, ITER), 'utf8')).toBe(text);
  expect(ops.git('status', '--porcelain')).toBe('');
  expect(ops.git('for-each-ref', 'refs/mmfleet')).toBe('');
});

test('what would change nothing is no commit, also within one call', async () => {
  const first = await commitAll(ops.repo, [plan(ITER, 'A=1\n'), plan(ITER, 'A=1\n'), plan('gone', null)], OPTIONS);
  expect(first.ok && first.value.length).toBe(1);
  expect(await commit(ops.repo, plan(ITER, 'A=1\n'), OPTIONS)).toEqual({ ok: true, value: 'no-change' });
  expect(ops.git('rev-list', '--count', 'HEAD')).toBe('2');
});

test("a person's staged and unstaged edits stay exactly as they were", async () => {
  ops.write('README', 'staged\n');
  ops.git('add', 'README');
  ops.write('README', 'staged and more\n');
  ops.write('fleet/amzn.yaml', 'kind: Instance # mine\n');
  ops.write('notes', 'new\n');
  const before = ops.git('status', '--porcelain=v2');
  expect((await commitAll(ops.repo, [plan(ITER, 'A=1\n'), plan(`${ITER}2`, 'B=1\n')], OPTIONS)).ok).toBe(true);
  expect(ops.git('status', '--porcelain=v2')).toBe(before);
  expect(ops.git('show', ':README')).toBe('staged');
  expect(ops.git('show', '--stat', '--format=', 'HEAD', '--', 'README')).toBe('');
});

test('a file that was only written again, with the same text, is not an edit', async () => {
  const path = 'fleet/amzn.yaml';
  expect((await commit(ops.repo, plan(path, 'kind: Instance # 1\n'), OPTIONS)).ok).toBe(true);
  const later = new Date(Date.now() + 60_000);
  utimesSync(join(ops.dir, path), later, later);
  expect((await commit(ops.repo, plan(path, 'kind: Instance # 2\n'), OPTIONS)).ok).toBe(true);
  expect(readFileSync(join(ops.dir, path), 'utf8')).toBe('kind: Instance # 2\n');
});

test.each([
  { name: 'changed on disk', dirty: () => ops.write(ITER, 'A=9\n'), file: ITER },
  { name: 'staged', dirty: () => stage(ITER, 'A=9\n'), file: ITER },
  { name: 'deleted', dirty: () => ops.git('rm', '-q', ITER), file: ITER },
])('a machine-owned path that is $name refuses the commit and names the file', async ({ dirty, file }) => {
  await commit(ops.repo, plan(ITER, 'A=1\n'), OPTIONS);
  dirty();
  const before = [ops.git('status', '--porcelain=v2'), ops.git('rev-parse', 'HEAD')];
  const refused = await commit(ops.repo, plan(ITER, 'A=2\n'), OPTIONS);
  expect(refused).toMatchObject({ ok: false, problem: { code: 'git-dirty-path', file } });
  expect([ops.git('status', '--porcelain=v2'), ops.git('rev-parse', 'HEAD')]).toEqual(before);
});

test.each([
  { name: 'untracked', ignore: '' },
  { name: 'ignored', ignore: 'fleet/env/\n' },
])('an $name file in the place of a new one is never overwritten', async ({ ignore }) => {
  writeFileSync(join(ops.dir, '.git/info/exclude'), ignore);
  ops.write(ITER, 'precious\n');
  expect(await commit(ops.repo, plan(ITER, 'A=1\n'), OPTIONS)).toMatchObject({
    ok: false,
    problem: { code: 'git-dirty-path' },
  });
  expect(readFileSync(join(ops.dir, ITER), 'utf8')).toBe('precious\n');
  expect(ops.git('rev-list', '--count', 'HEAD')).toBe('1');
});

test('a secret in the bytes, the message or a file name refuses every commit of the call', async () => {
  const secrets = [{ key: 'MM_API_KEY', value: 'hunter2-hunter2' }];
  const encoded = Buffer.from('x hunter2-hunter2 y').toString('base64');
  for (const bad of [
    plan(ITER, `A=1\nB=${encoded}\n`),
    plan(ITER, 'A=1\n', 'tune(amzn): hunter2-hunter2\n'),
    plan('hunter2-hunter2', 'x'),
  ]) {
    const refused = await commitAll(ops.repo, [plan('fleet/fine', 'x\n'), bad], { ...OPTIONS, secrets });
    expect(refused).toMatchObject({ ok: false, problem: { code: 'secret-gate' } });
    expect(JSON.stringify(refused)).not.toContain('hunter2');
  }
  expect(ops.git('rev-list', '--count', 'HEAD')).toBe('1');
  expect(existsSync(join(ops.dir, ITER))).toBe(false);
});

test.each(['../x', '/x', 'a/../b', '.git/config', 'a//b', '', 'a\nb'])('the path %j is refused', async (path) => {
  expect(await commit(ops.repo, plan(path, 'x'), OPTIONS)).toMatchObject({
    ok: false,
    problem: { code: 'git-bad-path' },
  });
});

test('a new file behind a link out of the repository is refused', async () => {
  ops.git('config', 'core.symlinks', 'true');
  const { symlinkSync, mkdirSync } = await import('node:fs');
  mkdirSync(join(world.dir, 'outside'));
  symlinkSync(join(world.dir, 'outside'), join(ops.dir, 'link'));
  expect((await commit(ops.repo, plan('link/x', 'x'), OPTIONS)).ok).toBe(false);
  expect(existsSync(join(world.dir, 'outside/x'))).toBe(false);
});

test('git revert of a tuning commit applies after later commits, and removes only its iter', async () => {
  const verdicts = 'fleet/env/amzn/.env.amzn.verdicts';
  const made = await commitAll(
    ops.repo,
    [
      plan(ITER, 'A=1\n'),
      plan(verdicts, 'iter001 helped\n', 'verdict(amzn): x\n'),
      plan(ITER.replace('001', '002'), 'A=2\n'),
    ],
    OPTIONS,
  );
  ops.git('revert', '--no-edit', made.ok ? made.value[0]!.commit : '');
  expect(existsSync(join(ops.dir, ITER))).toBe(false);
  expect(existsSync(join(ops.dir, verdicts))).toBe(true);
  const log = await readLog(ops.repo, { under: 'fleet/', ourEmail: FLEET.email });
  expect(log.ok && log.value.entries[0]).toMatchObject({
    kind: null,
    ours: false,
    files: [{ status: 'D', path: ITER }],
  });
});

test.each([
  { name: 'before anything moved', index: false, disk: false },
  { name: 'after some files', index: false, disk: true },
  { name: 'after files and index', index: true, disk: true },
  { name: 'by an earlier version', index: true, disk: true, older: true },
])('a move cut off $name is mended, edits of others stay', async ({ index, disk, older }) => {
  const made = await commitAll(
    ops.repo,
    [plan('fleet/a', 'old\n'), plan('fleet/a', 'new\n'), plan('fleet/b', 'b\n')],
    OPTIONS,
  );
  if (!made.ok) throw new Error(made.problem.message);
  const from = made.value[0]!.commit;
  const to = made.value[2]!.commit;
  ops.git('reset', '-q', '--hard', from);
  ops.write('README', 'mine\n');
  if (older === true) writeFileSync(join(ops.repo.ownDir, 'move.json'), JSON.stringify({ from, to }));
  else noteMove(ops.repo, { from, to });
  if (index) ops.git('read-tree', '-m', '-u', from, to);
  else if (disk) ops.write('fleet/a', 'new\n');
  const healed = await healMove(ops.repo);
  expect(healed.ok && healed.value.length > 0).toBe(disk);
  expect(ops.git('status', '--porcelain')).toBe(' M README');
  expect(readdirSync(ops.repo.ownDir).filter((name) => name.startsWith('move'))).toEqual([]);
  expect((await commit(ops.repo, plan('fleet/a', 'new\n'), OPTIONS)).ok).toBe(true);
});

test('a move that fails half-way, as on a full disk, leaves nothing behind', async () => {
  await commitAll(ops.repo, [plan('fleet/a', 'old\n')], OPTIONS);
  ops.write('README', 'mine\n');
  writeFileSync(join(ops.dir, '.git/info/attributes'), 'fleet/z filter=broken\n');
  ops.git('config', 'filter.broken.required', 'true');
  ops.git('config', 'filter.broken.smudge', 'false');
  const plans = [plan('fleet/a', 'new\n'), plan('fleet/b', 'b\n'), plan('fleet/z', 'z\n')];
  expect(await commitAll(ops.repo, plans, OPTIONS)).toMatchObject({ ok: false, problem: { code: 'git-failed' } });
  expect(ops.git('status', '--porcelain')).toBe(' M README');
  expect(readFileSync(join(ops.dir, 'fleet/a'), 'utf8')).toBe('old\n');
  ops.git('config', '--remove-section', 'filter.broken');
  expect(await commitAll(ops.repo, plans, OPTIONS)).toMatchObject({ ok: true });
  expect(ops.git('status', '--porcelain')).toBe(' M README');
});

test('the log is read whole, then only what is new; files elsewhere are left out', async () => {
  const first = await readLog(ops.repo, { under: 'fleet/', ourEmail: FLEET.email });
  expect(first.ok && first.value.entries.map((e) => e.files)).toEqual([[{ status: 'A', path: 'fleet/amzn.yaml' }]]);
  const seen = ops.git('rev-parse', 'HEAD');
  await commitAll(
    ops.repo,
    [plan(ITER, 'A=1\n', 'tune(amzn): iter001\n\nMmfleet-Instance: amzn\nMmfleet-At: 12.5\n'), plan('x', 'y')],
    OPTIONS,
  );
  const log = await readLog(ops.repo, { since: seen, under: 'fleet/', ourEmail: FLEET.email });
  if (!log.ok) throw new Error(log.problem.message);
  expect(log.value.whole).toBe(false);
  expect(log.value.entries).toMatchObject([
    { subject: 'tune(amzn): x', files: [], at: Number(dateOf('HEAD')), ours: true },
    { kind: 'tune', instance: 'amzn', at: 12.5, authorTs: 1_771_243_200, files: [{ status: 'A', path: ITER }] },
  ]);
  const lost = await readLog(ops.repo, { since: 'f'.repeat(40), under: 'fleet/', ourEmail: FLEET.email });
  expect(lost.ok && [lost.value.whole, lost.value.entries.length]).toEqual([true, 3]);
});

test('trees read back with text, blob and mode; dirty paths by kind', async () => {
  ops.write('fleet/empty', '');
  ops.write('fleet/ünï code', 'a\0b\n\n');
  ops.git('add', '.');
  ops.git('commit', '-q', '-m', 'two');
  const tree = await readTree(ops.repo, 'HEAD', 'fleet/');
  expect(tree.ok && tree.value.map((f) => [f.path, f.text, f.mode])).toEqual([
    ['fleet/amzn.yaml', 'kind: Instance\n', '100644'],
    ['fleet/empty', '', '100644'],
    ['fleet/ünï code', 'a\0b\n\n', '100644'],
  ]);
  ops.write('fleet/empty', 'x');
  ops.write('fleet/new', 'x');
  const dirty = await dirtyPaths(ops.repo, ['fleet']);
  expect(dirty.ok && dirty.value).toEqual([
    { path: 'fleet/empty', how: 'worktree' },
    { path: 'fleet/new', how: 'untracked' },
  ]);
});

test('what is no usable repository is a problem with its code', async () => {
  expect(await openRepo(world.dir)).toMatchObject({ ok: false, problem: { code: 'git-not-a-repository' } });
  expect(await openRepo(join(world.dir, 'none'))).toMatchObject({
    ok: false,
    problem: { code: 'git-not-a-repository' },
  });
  expect(await openRepo(world.remote)).toMatchObject({ ok: false, problem: { code: 'git-bare' } });
  await commit(ops.repo, plan('x', 'y'), OPTIONS);
  ops.git('clone', '-q', '--depth', '1', `file://${ops.dir}`, join(world.dir, 'shallow'));
  expect(await openRepo(join(world.dir, 'shallow'))).toMatchObject({ ok: false, problem: { code: 'git-shallow' } });
  ops.git('checkout', '-q', '--detach');
  expect(await readRefs(ops.repo)).toMatchObject({ ok: false, problem: { code: 'git-detached' } });
  ops.git('checkout', '-q', '--orphan', 'fresh');
  expect(await readRefs(ops.repo)).toMatchObject({ ok: false, problem: { code: 'git-unborn' } });
  expect(await headOf(ops.repo)).toEqual({ ok: true, value: null });
});

test('GIT_DIR of a hook that started us does not point us elsewhere', async () => {
  process.env['GIT_DIR'] = world.remote;
  try {
    const repo = await openRepo(ops.dir);
    expect(repo.ok && repo.value.root).toBe(ops.repo.root);
    expect((await commit(ops.repo, { ...plan('x', 'y'), author: OPERATOR }, OPTIONS)).ok).toBe(true);
  } finally {
    delete process.env['GIT_DIR'];
  }
  expect(ops.git('log', '-1', '--format=%an')).toBe(OPERATOR.name);
});

test('dates are those of the data, never before the parent; wall time only where it is part of what was done', async () => {
  const later = Number(dateOf('HEAD')) + 100;
  const dates: [Partial<CommitPlan>, number, number][] = [
    [{ authorTs: later + 0.5 }, later, later],
    [{ authorTs: 5 }, 5, later],
    [{ authorTs: null }, OPTIONS.nowTs, OPTIONS.nowTs],
    [{ authorTs: later, atWallTime: true }, later, OPTIONS.nowTs],
  ];
  for (const [i, [change, authorTs, committerTs]] of dates.entries()) {
    expect((await commit(ops.repo, { ...plan('a', `${i}`), ...change }, OPTIONS)).ok).toBe(true);
    expect(ops.git('log', '-1', '--format=%at %ct')).toBe(`${authorTs} ${committerTs}`);
  }
});

signedTest(
  'with a signing key every commit of the call is signed and keeps its dates; without a usable key none is made',
  async () => {
    const key = join(world.dir, 'key');
    newKey(key, FLEET.email);
    const signing = { format: 'ssh' as const, key };
    const made = await commitAll(ops.repo, [plan('a', '1'), plan('b', '2')], { ...OPTIONS, signing });
    expect(made.ok && made.value.length).toBe(2);
    const raw = ops.git('cat-file', 'commit', 'HEAD~1');
    expect(raw).toContain('gpgsig -----BEGIN SSH SIGNATURE-----');
    expect(raw).toContain('author mmfleet <mmfleet@localhost> 1771243200 +0000');
    expect(raw).toContain(`committer mmfleet <mmfleet@localhost> ${dateOf('HEAD~2')} +0000`);
    expect(ops.git('log', '--format=%s', '-2')).toBe('tune(amzn): b\ntune(amzn): a');
    const head = ops.git('rev-parse', 'HEAD');
    const refused = await commit(ops.repo, plan('c', '3'), {
      ...OPTIONS,
      signing: { format: 'ssh', key: join(world.dir, 'no') },
    });
    expect(refused).toMatchObject({ ok: false, problem: { code: 'git-signing' } });
    expect(ops.git('rev-parse', 'HEAD')).toBe(head);
  },
);
