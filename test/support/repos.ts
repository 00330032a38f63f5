/** Scratch operations repositories with real bare remotes. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openRepo, type Repo } from '../../src/adapters/git.ts';

export const FLEET = { name: 'mmfleet', email: 'mmfleet@localhost' };
export const OPERATOR = { name: 'Olga Operator', email: 'olga@example.com' };

export type Clone = {
  dir: string;
  repo: Repo;
  /** Runs git as the operator; stdout, trimmed at its end. */
  git(...args: string[]): string;
  write(path: string, text: string): void;
};

export type World = { dir: string; remote: string; clone(name: string): Promise<Clone>; remove(): void };

/** A bare remote with one commit on main (`fleet/amzn.yaml`, `README`) and any number of clones. */
export async function scratchWorld(): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-git-'));
  const remote = join(dir, 'remote.git');
  git(dir, 'init', '-q', '--bare', '-b', 'main', remote);
  const seed = join(dir, 'seed');
  git(dir, 'init', '-q', '-b', 'main', seed);
  put(seed, 'fleet/amzn.yaml', 'kind: Instance\n');
  put(seed, 'README', 'ours\n');
  git(seed, 'add', '.');
  git(seed, 'commit', '-q', '-m', 'first');
  git(seed, 'push', '-q', remote, 'main');
  return {
    dir,
    remote,
    clone: async (name) => {
      const at = join(dir, name);
      git(dir, 'clone', '-q', remote, at);
      return cloneAt(at);
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** An existing work tree as a Clone. */
export async function cloneAt(dir: string): Promise<Clone> {
  const repo = await openRepo(dir);
  if (!repo.ok) throw new Error(repo.problem.message);
  return {
    dir,
    repo: repo.value,
    git: (...args) => git(dir, ...args),
    write: (path, text) => put(dir, path, text),
  };
}

const PLAIN = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: OPERATOR.name,
  GIT_AUTHOR_EMAIL: OPERATOR.email,
  GIT_COMMITTER_NAME: OPERATOR.name,
  GIT_COMMITTER_EMAIL: OPERATOR.email,
};

export function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd, env: PLAIN, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trimEnd();
}

function put(dir: string, path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}
