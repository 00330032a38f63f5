/** What is read from git's own files is what git says, or nothing. */
import { chownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { glimpse } from '../../src/adapters/git.ts';
import { glanceInto } from '../../src/adapters/git-glance.ts';
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
  ['packed refs', after((dir) => git(dir, 'pack-refs', '--all'))],
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
