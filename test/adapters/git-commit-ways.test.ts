/** The short way of a commit on a known head and the long way that asks git give the same answer, whatever lies in the clone. */
import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { tipOf } from '../../src/adapters/git.ts';
import { type CommitOptions, type CommitPlan, commitAll } from '../../src/adapters/git-commit.ts';
import { notedMoves } from '../../src/adapters/git-move-note.ts';
import { type Clone, FLEET, scratchWorld, type World } from '../support/repos.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let world: World;
beforeAll(async () => {
  world = await scratchWorld();
});
afterAll(() => world.remove());

const BASE = 'fleet/env/amzn/.env.amzn';
const ITER = `${BASE}.iter001`;
const OPTIONS: CommitOptions = { committer: FLEET, secrets: [], nowTs: 1_795_000_000 };
const plan = (path: string, text: string | null, message = `tune(amzn): ${path}\n`): CommitPlan => ({
  files: [{ path, text }],
  message,
  author: FLEET,
  authorTs: 1_771_243_200,
});

type Situation = { name: string; before?: (clone: Clone) => void; plans: CommitPlan[] };

const SITUATIONS: Situation[] = [
  { name: 'a new file', plans: [plan(ITER, 'A=1\n')] },
  { name: 'a changed file', plans: [plan(BASE, 'A=2\n')] },
  { name: 'several commits over one file', plans: [plan(ITER, 'A=1\n'), plan(ITER, 'A=2\n'), plan(BASE, 'A=3\n')] },
  { name: 'a removed file', plans: [plan(BASE, null)] },
  { name: 'nothing to change', plans: [plan(BASE, 'A=0\n')] },
  { name: 'one of two changes nothing', plans: [plan(BASE, 'A=0\n'), plan(ITER, 'A=1\n')] },
  { name: 'no plan', plans: [] },
  { name: 'carriage returns', plans: [plan(ITER, 'A=1\r\nB=2\n')] },
  { name: 'a name with blanks and letters of the world', plans: [plan('fleet/env/amzn/.env grün 1', 'A=1\n')] },
  { name: 'edited', before: (c) => c.write(BASE, 'A=9\n'), plans: [plan(BASE, 'A=2\n')] },
  {
    name: 'edited and staged',
    before: (c) => {
      c.write(BASE, 'A=9\n');
      c.git('add', '-A');
    },
    plans: [plan(BASE, 'A=2\n')],
  },
  {
    name: 'staged, and the file as it was',
    before: (c) => {
      c.write(BASE, 'A=9\n');
      c.git('add', '-A');
      c.write(BASE, 'A=0\n');
    },
    plans: [plan(BASE, 'A=2\n')],
  },
  { name: 'gone from disk', before: (c) => rmSync(join(c.dir, BASE)), plans: [plan(BASE, 'A=2\n')] },
  {
    name: 'gone from disk, and nothing to change',
    before: (c) => rmSync(join(c.dir, BASE)),
    plans: [plan(BASE, 'A=0\n')],
  },
  { name: 'untracked in the way', before: (c) => c.write(ITER, 'mine\n'), plans: [plan(ITER, 'A=1\n')] },
  { name: 'the same untracked', before: (c) => c.write(ITER, 'A=1\n'), plans: [plan(ITER, 'A=1\n')] },
  {
    name: 'ignored in the way',
    before: (c) => {
      c.write('.git/info/exclude', '*.iter001\n');
      c.write(ITER, 'mine\n');
    },
    plans: [plan(ITER, 'A=1\n')],
  },
  {
    name: 'the same ignored',
    before: (c) => {
      c.write('.git/info/exclude', '*.iter001\n');
      c.write(ITER, 'A=1\n');
    },
    plans: [plan(ITER, 'A=1\n')],
  },
  { name: 'a folder in the way', before: (c) => mkdirSync(join(c.dir, ITER)), plans: [plan(ITER, 'A=1\n')] },
  { name: 'a file where a folder is wanted', plans: [plan(`${BASE}/deep`, 'A=1\n')] },
  {
    name: 'behind a link',
    before: (c) => {
      mkdirSync(join(c.dir, 'elsewhere'));
      symlinkSync('../elsewhere', join(c.dir, 'fleet/linked'));
    },
    plans: [plan('fleet/linked/a', 'A=1\n')],
  },
  { name: 'made executable', before: (c) => chmodSync(join(c.dir, BASE), 0o755), plans: [plan(BASE, 'A=2\n')] },
  {
    name: 'a person has staged something else',
    before: (c) => {
      c.write('README', 'staged\n');
      c.git('add', 'README');
      c.write('README', 'staged and more\n');
    },
    plans: [plan(ITER, 'A=1\n')],
  },
  {
    name: 'a filter that changes line ends',
    before: (c) => {
      c.write('.git/info/attributes', '* text eol=crlf\n');
      c.git('config', 'core.autocrlf', 'true');
    },
    plans: [plan(ITER, 'A=1\n'), plan(BASE, 'A=2\n')],
  },
];

/** What a person would see afterwards. */
const seen = (clone: Clone) => ({
  head: clone.git('rev-parse', 'HEAD'),
  status: clone.git('status', '--porcelain', '--ignored'),
  index: clone.git('ls-files', '-s'),
  refs: clone.git('for-each-ref', 'refs/mmfleet'),
  unfinished: notedMoves(clone.repo),
});

test.each(SITUATIONS)('$name', async ({ name, before, plans }) => {
  const outcomes = [];
  for (const way of ['asks', 'knows']) {
    const clone = await world.clone(`${name.replaceAll(' ', '-')}-${way}`);
    clone.write(BASE, 'A=0\n');
    clone.git('add', '-A');
    clone.git('commit', '-q', '-m', 'base');
    before?.(clone);
    const tip = await tipOf(clone.repo);
    if (!tip.ok || tip.value === null) throw new Error('no tip');
    const made = await commitAll(clone.repo, plans, { ...OPTIONS, ...(way === 'knows' ? { on: tip.value } : {}) });
    const { head, ...rest } = seen(clone);
    outcomes.push({
      made: made.ok ? made.value.map((each) => each.plan) : [made.problem.code, made.problem.file],
      tree: clone.git('rev-parse', `${head}^{tree}`),
      log: clone.git('log', '--format=%an %cn %T %s%n%b'),
      ...rest,
    });
  }
  expect(outcomes[1]).toEqual(outcomes[0]);
});

test('on a head that is no longer the head nothing is committed', async () => {
  const clone = await world.clone('moved');
  const tip = await tipOf(clone.repo);
  if (!tip.ok || tip.value === null) throw new Error('no tip');
  clone.write('README', 'on top\n');
  clone.git('commit', '-q', '-a', '-m', 'a person was faster');
  const before = seen(clone);
  const made = await commitAll(clone.repo, [plan(ITER, 'A=1\n')], { ...OPTIONS, on: tip.value });
  expect(made).toMatchObject({ ok: false, problem: { code: 'git-moved' } });
  expect(seen(clone)).toEqual(before);
});
