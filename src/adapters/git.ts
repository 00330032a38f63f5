/** The operations repository as a value, and the reads that every pass makes. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { CheckRepoActions, simpleGit } from 'simple-git';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import { gitText, runGit } from './git-run.ts';

/** An opened repository: facts that do not change while it is open. */
export type Repo = {
  /** Absolute path of the work tree. */
  root: string;
  /** Absolute path of the git directory of this work tree. */
  gitDir: string;
  /** `.git/mmfleet`: lock, stop intents, what a commit in progress moves. Local to the clone. */
  ownDir: string;
  /** The oldest commit's id: the fleet's identity on a host. null: no commit yet. */
  rootCommit: string | null;
  objectFormat: 'sha1' | 'sha256';
  /** ssh without prompts, keeping what the user configured. */
  sshCommand: string;
};

/** Opens the repository that contains `dir`. Problems: `git-not-a-repository`, `git-bare`, `git-shallow`. */
export async function openRepo(dir: string): Promise<Result<Repo>> {
  if (!existsSync(dir)) return fail(notARepository(dir));
  const facts = await readFacts(dir);
  if (facts === null) return fail(notARepository(dir));
  const [bare, gitDir = '', shallow, objectFormat, root] = facts;
  if (bare === 'true' || root === undefined) {
    return fail({
      code: 'git-bare',
      message: `${dir}: a bare repository, want a clone with a work tree`,
      retry: 'stalled',
    });
  }
  if (shallow === 'true') {
    return fail({
      code: 'git-shallow',
      message: `${dir}: a shallow clone, want the whole history (iterations and verdicts are read from it)`,
      hint: 'git fetch --unshallow',
      retry: 'stalled',
    });
  }
  const ownDir = join(gitDir, 'mmfleet');
  mkdirSync(ownDir, { recursive: true });
  return ok({
    root,
    gitDir,
    ownDir,
    rootCommit: await rootCommitOf(root),
    objectFormat: objectFormat === 'sha256' ? 'sha256' : 'sha1',
    sshCommand: await sshCommandOf(root),
  });
}

/** Commit id at HEAD; null: no commit yet. */
export async function headOf(repo: Repo): Promise<Result<string | null>> {
  const end = await runGit({ cwd: repo.root, args: ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'] });
  if (end.code === 0) return ok(end.stdout.toString('utf8').trim());
  const branch = await runGit({ cwd: repo.root, args: ['symbolic-ref', '--quiet', 'HEAD'] });
  if (branch.code === 0) return ok(null);
  return fail(unreadableHead());
}

/** A commit with its committer date, Unix seconds. */
export type Tip = { commit: string; committerTs: number };

/** The commit at HEAD; null: no commit yet. */
export async function tipOf(repo: Repo): Promise<Result<Tip | null>> {
  const args = ['log', '-1', '--no-show-signature', '--format=%H %ct', 'HEAD', '--'];
  const end = await runGit({ cwd: repo.root, args });
  const [commit = '', date = ''] = end.stdout.toString('utf8').trim().split(' ');
  if (end.code === 0 && commit !== '') return ok({ commit, committerTs: Number(date) });
  const head = await headOf(repo);
  if (!head.ok) return head;
  return head.value === null ? ok(null) : fail(unreadableHead());
}

/** The branch checked out. Problems: `git-detached`, `git-unborn`, `git-in-progress` (merge, rebase, ...). */
export async function currentBranch(repo: Repo): Promise<Result<string>> {
  const busy = IN_PROGRESS.find(([file]) => existsSync(join(repo.gitDir, file)));
  if (busy !== undefined) {
    return fail({
      code: 'git-in-progress',
      message: `a ${busy[1]} is in progress in ${repo.root}, want none`,
      hint: `finish it or run git ${busy[1]} --abort`,
      retry: 'stalled',
    });
  }
  const end = await runGit({ cwd: repo.root, args: ['symbolic-ref', '--quiet', '--short', 'HEAD'] });
  if (end.code !== 0) {
    return fail({
      code: 'git-detached',
      message: `HEAD of ${repo.root} is detached, want a branch`,
      hint: 'git switch main',
      retry: 'stalled',
    });
  }
  const branch = end.stdout.toString('utf8').trim();
  const head = await headOf(repo);
  if (!head.ok) return head;
  if (head.value === null) {
    return fail({
      code: 'git-unborn',
      message: `branch ${branch} has no commit yet`,
      hint: 'commit the fleet folder first, or run mmfleet init',
      retry: 'stalled',
    });
  }
  return ok(branch);
}

/** Id git gives these bytes as a file. */
export function blobId(bytes: string | Buffer, objectFormat: Repo['objectFormat'] = 'sha1'): string {
  const content = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
  return createHash(objectFormat).update(`blob ${content.length}\0`).update(content).digest('hex');
}

/** Whether `ancestor` is `descendant` or in its history; a missing object is false. */
export async function isAncestor(repo: Repo, ancestor: string, descendant: string): Promise<boolean> {
  if (ancestor === descendant) return true;
  const end = await runGit({ cwd: repo.root, args: ['merge-base', '--is-ancestor', ancestor, descendant] });
  return end.code === 0;
}

/** Commit id a revision names; null: none. */
export async function resolveCommit(repo: Repo, revision: string): Promise<string | null> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`];
  const end = await runGit({ cwd: repo.root, args });
  return end.code === 0 ? end.stdout.toString('utf8').trim() : null;
}

/** Files that stand in the git directory while something is under way, and its name. */
export const IN_PROGRESS: readonly [string, string][] = [
  ['MERGE_HEAD', 'merge'],
  ['rebase-merge', 'rebase'],
  ['rebase-apply', 'rebase'],
  ['CHERRY_PICK_HEAD', 'cherry-pick'],
  ['REVERT_HEAD', 'revert'],
  ['BISECT_LOG', 'bisect'],
];

async function readFacts(dir: string): Promise<string[] | null> {
  // A hook that starts us exports GIT_DIR and friends; simple-git passes only what it is given.
  try {
    const git = simpleGit({ baseDir: realpathSync(dir) }).env(simpleEnvironment());
    if (await git.checkIsRepo(CheckRepoActions.BARE)) return ['true'];
    const args = ['--is-bare-repository', '--absolute-git-dir', '--is-shallow-repository', '--show-object-format'];
    const lines = (await git.revparse([...args, '--show-toplevel'])).split('\n');
    return lines.length === 5 ? lines : null;
  } catch {
    return null;
  }
}

function simpleEnvironment(): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: 'C' };
  for (const name of ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'USERPROFILE', 'SYSTEMROOT']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

async function rootCommitOf(root: string): Promise<string | null> {
  const run = await gitText({ cwd: root, args: ['rev-list', '--max-parents=0', 'HEAD', '--'] });
  // Joined histories have several roots: the last listed is the oldest along the walk.
  return run.ok ? (run.value.trim().split('\n').at(-1) ?? null) : null;
}

async function sshCommandOf(root: string): Promise<string> {
  const configured = await runGit({ cwd: root, args: ['config', '--get', 'core.sshCommand'] });
  const own =
    process.env['GIT_SSH_COMMAND'] ?? (configured.code === 0 ? configured.stdout.toString('utf8').trim() : '');
  return `${own === '' ? 'ssh' : own} -o BatchMode=yes -o ConnectTimeout=10`;
}

function unreadableHead(): Problem {
  return { code: 'git-failed', message: 'HEAD could not be read', hint: 'git status', retry: 'backoff' };
}

function notARepository(dir: string): Problem {
  const where = isAbsolute(dir) ? dir : resolve(dir);
  return {
    code: 'git-not-a-repository',
    message: `${where}: not a git repository`,
    hint: 'mmfleet init, or name the operations repository with -C DIR',
    retry: 'stalled',
  };
}
