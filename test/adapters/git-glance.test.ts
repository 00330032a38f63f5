/** What is read from git's own files is what git says, or nothing. */
import { chownSync, existsSync, mkdirSync, realpathSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { glimpse, openRepo, type Repo, readRefs } from '../../src/adapters/git.ts';
import { glanceInto, glanceRefs } from '../../src/adapters/git-glance.ts';
import { git, scratchWorld, type World } from '../support/repos.ts';

let world: World;
beforeAll(async () => {
  world = await scratchWorld();
});
afterAll(() => world.remove());

let clones = 0;
function cloned(...options: string[]): string {
  clones += 1;
  const dir = join(world.dir, `clone-${clones}`);
  git(world.dir, 'clone', '-q', ...options, `file://${world.remote}`, dir);
  return dir;
}

const amended = () => {
  const dir = cloned();
  git(dir, 'commit', '-q', '--allow-empty', '-m', 'more');
  return dir;
};
/** A clone after something was done to it, or the folder that this made. */
const after = (change: (dir: string) => unknown) => () => {
  const dir = cloned();
  const made = change(dir);
  return typeof made === 'string' && made !== '' ? made : dir;
};

test.each<[string, () => string]>([
  ['a clone', cloned],
  ['a clone with a commit more', amended],
  ['on another branch', after((dir) => git(dir, 'switch', '-q', '-c', 'side/way'))],
  ['packed refs', after((dir) => git(dir, 'pack-refs', '--all'))],
  [
    'a packed branch among others that end alike, with a commit more',
    after((dir) => {
      for (const name of ['way', 'a/side/way'])
        git(dir, 'branch', name, git(dir, 'commit-tree', '-m', name, 'HEAD^{tree}'));
      git(dir, 'switch', '-q', '-c', 'side/way');
      git(dir, 'tag', '-a', '-m', 'peeled', 'side/way', 'HEAD');
      git(dir, 'pack-refs', '--all');
      git(dir, 'commit', '-q', '--allow-empty', '-m', 'more');
      git(dir, 'pack-refs', '--all');
    }),
  ],
  [
    'reached by a link',
    after((dir) => {
      symlinkSync(dir, `${dir}-link`);
      return `${dir}-link`;
    }),
  ],
])('%s: the same without git', async (_, make) => {
  const dir = make();
  const head = git(dir, 'rev-parse', 'HEAD');
  expect(glanceInto(dir)).toBe(head);
  expect((await glimpse(dir))?.head).toBe(head);
});

test.each<[string, () => string]>([
  ['no repository', () => world.dir],
  ['no folder', () => join(world.dir, 'nowhere')],
  ['a bare one', () => world.remote],
  ['inside the git directory', after((dir) => join(dir, '.git'))],
  ['a folder of the work tree', after((dir) => join(dir, 'fleet'))],
  [
    'a shallow clone',
    () => {
      git(amended(), 'push', '-q');
      return cloned('--depth=1');
    },
  ],
  ['no commit yet', after((dir) => git(dir, 'switch', '-q', '--orphan', 'empty'))],
  ['detached', after((dir) => git(dir, 'switch', '-q', '--detach'))],
  ['in the middle of a merge', after((dir) => writeFileSync(join(dir, '.git/MERGE_HEAD'), 'x'))],
  [
    'another work tree of it',
    after((dir) => {
      git(dir, 'worktree', 'add', '-q', `${dir}-tree`);
      return `${dir}-tree`;
    }),
  ],
  [
    'the work tree elsewhere',
    after((dir) => {
      mkdirSync(`${dir}-else`);
      git(dir, 'config', 'core.worktree', `${dir}-else`);
    }),
  ],
  ['settings of its own for each work tree', after((dir) => git(dir, 'config', 'extensions.worktreeConfig', 'true'))],
  ['called bare', after((dir) => git(dir, 'config', 'core.bare', 'true'))],
  [
    'called bare in few words',
    after((dir) => writeFileSync(join(dir, '.git/config'), '[core]\nrepositoryformatversion = 0\nbare\n')),
  ],
  ['a later format', after((dir) => git(dir, 'config', 'core.repositoryFormatVersion', '1'))],
  [
    'the git directory elsewhere',
    after((dir) => {
      renameSync(join(dir, '.git'), `${dir}.git`);
      writeFileSync(join(dir, '.git'), `gitdir: ${dir}.git\n`);
    }),
  ],
  [
    'the git directory behind a link',
    after((dir) => {
      renameSync(join(dir, '.git'), `${dir}.git`);
      symlinkSync(`${dir}.git`, join(dir, '.git'));
    }),
  ],
  ['without its objects', after((dir) => renameSync(join(dir, '.git/objects'), `${dir}-objects`))],
  [
    'a branch that is another one',
    after((dir) => git(dir, 'symbolic-ref', 'refs/heads/main', 'refs/remotes/origin/main')),
  ],
])('%s: git is asked', (_, make) => {
  expect(glanceInto(make())).toBeNull();
});

test.runIf(process.geteuid?.() === 0)('of another user: git is asked, and refuses', async () => {
  const dir = cloned();
  expect(glanceInto(dir)).not.toBeNull();
  chownSync(join(dir, '.git'), 12_345, 12_345);
  expect(glanceInto(dir)).toBeNull();
  chownSync(join(dir, '.git'), 0, 0);
  chownSync(dir, 12_345, 12_345);
  expect(glanceInto(dir)).toBeNull();
});

/** A clone with refs of our own: `refs/mmfleet/` and these names, all at HEAD~1. */
const withRefs =
  (names: string[], change: (dir: string) => unknown = () => undefined) =>
  () => {
    const dir = amended();
    for (const name of names) git(dir, 'update-ref', `refs/mmfleet/${name}`, 'HEAD~1');
    const made = change(dir);
    return typeof made === 'string' && made !== '' ? made : dir;
  };
const SOME = ['seen/origin/main', 'sound', 'proposals/a-b', 'proposals/a', 'proposals/a.b/c'];

const opened = async (dir: string): Promise<Repo> => {
  const repo = await openRepo(dir);
  if (!repo.ok) throw new Error(repo.problem.message);
  return repo.value;
};

/** As git lists them. */
function listed(dir: string): { branch: string; head: string; own: [string, string][] } {
  const rows = git(dir, 'for-each-ref', '--format=%(refname) %(objectname)', 'refs/mmfleet').split('\n');
  const own = rows.filter((row) => row !== '').map((row) => row.split(' ') as [string, string]);
  return { branch: git(dir, 'symbolic-ref', '--short', 'HEAD'), head: git(dir, 'rev-parse', 'HEAD'), own };
}

test.each<[string, () => string, 'glanced' | 'asked']>([
  ['none', withRefs([]), 'glanced'],
  ['some', withRefs(SOME), 'glanced'],
  [
    'some in a linked work tree',
    withRefs(SOME, (dir) => {
      git(dir, 'worktree', 'add', '-q', '-b', 'tree', `${dir}-tree`);
      return `${dir}-tree`;
    }),
    'glanced',
  ],
  [
    'packed, and one of them moved since, one of them gone',
    withRefs(SOME, (dir) => {
      git(dir, 'pack-refs', '--all');
      git(dir, 'update-ref', 'refs/mmfleet/sound', 'HEAD');
      git(dir, 'update-ref', '-d', 'refs/mmfleet/proposals/a');
      git(dir, 'commit', '-q', '--allow-empty', '-m', 'the branch is loose again');
    }),
    'glanced',
  ],
  [
    'one that is being written',
    withRefs(SOME, (dir) => writeFileSync(join(dir, '.git/refs/mmfleet/sound.lock'), '')),
    'glanced',
  ],
  ['one that is another', withRefs(SOME, (dir) => git(dir, 'symbolic-ref', 'refs/mmfleet/x', 'HEAD')), 'asked'],
  ['a name in another script', withRefs([...SOME, 'proposals/\u00e4']), 'asked'],
  ['a packed branch', withRefs(SOME, (dir) => git(dir, 'pack-refs', '--all')), 'glanced'],
  [
    'a packed branch in another script',
    withRefs(SOME, (dir) => {
      git(dir, 'switch', '-q', '-c', 'z\u00fcrich');
      git(dir, 'pack-refs', '--all');
    }),
    'asked',
  ],
])('our own refs, %s: as git lists them', async (_, make, how) => {
  const dir = make();
  const repo = await opened(dir);
  const found = glanceRefs(repo);
  expect(found === null ? 'asked' : 'glanced').toBe(how);
  const refs = await readRefs(repo);
  if (!refs.ok) throw new Error(refs.problem.message);
  const { own, ...at } = refs.value;
  expect({ ...at, own: [...own] }).toEqual(listed(dir));
});

test('a clone is opened as git would: by a link, and with its folder named in full', async () => {
  const dir = amended();
  symlinkSync(dir, `${dir}-link`);
  for (const path of [dir, `${dir}-link`]) {
    expect(glanceInto(path)).not.toBeNull();
    const repo = await opened(path);
    const facts = git(dir, 'rev-parse', '--show-toplevel', '--absolute-git-dir').split('\n');
    expect([repo.root, repo.gitDir]).toEqual(facts);
    expect(repo.root).toBe(realpathSync(dir));
    expect(repo.rootCommit).toBe(git(dir, 'rev-list', '--max-parents=0', 'HEAD'));
    expect(existsSync(repo.ownDir)).toBe(true);
  }
});
