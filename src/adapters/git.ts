/** The operations repository as a value, and the reads that every pass makes. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import { glanceInto, glanceRefs, IN_PROGRESS } from './git-glance.ts';
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
};

/** Opens the repository that contains `dir`. Problems: `git-not-a-repository`, `git-bare`, `git-shallow`. */
export async function openRepo(dir: string): Promise<Result<Repo>> {
  if (!existsSync(dir)) return fail(notARepository(dir));
  const [bare, gitDir = '', shallow, objectFormat, root, head] = plainFacts(dir) ?? (await readFacts(dir));
  if (bare === undefined) return fail(notARepository(dir));
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
    rootCommit: head === undefined || !/^[0-9a-f]{40,64}$/.test(head) ? null : await rootCommitOf(root, ownDir, head),
    objectFormat: objectFormat === 'sha256' ? 'sha256' : 'sha1',
  });
}

/** Root and commit of a whole clone with a work tree, in one process; null: it is none, or has no commit yet. */
export async function glimpse(dir: string): Promise<{ root: string; head: string } | null> {
  const [bare, , shallow, , root, head] = await readFacts(dir);
  if (bare !== 'false' || shallow !== 'false' || root === undefined || head === undefined) return null;
  return /^[0-9a-f]{40,64}$/.test(head) ? { root, head } : null;
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

/** Where the clone stands, all of one moment. */
export type Refs = {
  /** The branch checked out; '' = none. */
  branch: string;
  /** Its commit, or the one checked out. */
  head: string;
  /** Commits of our own refs (`refs/mmfleet/...`), by full name. */
  own: ReadonlyMap<string, string>;
};

/**
 * Without a process, or in one. Problems: `git-unborn`, and but for `anyHead` `git-detached` and `git-in-progress` (merge, rebase,
 * ...): on such a head nothing can be committed.
 */
export async function readRefs(repo: Repo, { anyHead = false } = {}): Promise<Result<Refs>> {
  const busy = IN_PROGRESS.find(([file]) => existsSync(join(repo.gitDir, file)));
  if (busy !== undefined && !anyHead) {
    return fail({
      code: 'git-in-progress',
      message: `a ${busy[1]} is in progress in ${repo.root}, want none`,
      hint: `finish it or run git ${busy[1]} --abort`,
      retry: 'stalled',
    });
  }
  const glanced = glanceRefs(repo);
  if (glanced !== null) return ok(glanced);
  const args = ['for-each-ref', '--format=%(HEAD)%(objectname) %(refname)', 'refs/heads', 'refs/mmfleet'];
  const listed = await gitText({ cwd: repo.root, args });
  if (!listed.ok) return listed;
  const own = new Map<string, string>();
  let at: Pick<Refs, 'branch' | 'head'> | null = null;
  for (const line of listed.value.split('\n')) {
    const [, here, commit = '', name = ''] = /^([* ])([0-9a-f]+) (.+)$/.exec(line) ?? [];
    if (here === '*') at = { branch: name.slice('refs/heads/'.length), head: commit };
    if (name.startsWith('refs/mmfleet/')) own.set(name, commit);
  }
  if (at !== null) return ok({ ...at, own });
  const head = anyHead ? await headOf(repo) : ok(null);
  return head.ok && head.value !== null ? ok({ branch: '', head: head.value, own }) : fail(await noBranch(repo));
}

async function noBranch(repo: Repo): Promise<Problem> {
  const end = await runGit({ cwd: repo.root, args: ['symbolic-ref', '--quiet', '--short', 'HEAD'] });
  if (end.code !== 0) {
    return {
      code: 'git-detached',
      message: `HEAD of ${repo.root} is detached, want a branch`,
      hint: 'git switch main',
      retry: 'stalled',
    };
  }
  return {
    code: 'git-unborn',
    message: `branch ${end.stdout.toString('utf8').trim()} has no commit yet`,
    hint: 'commit the fleet folder first, or run mmfleet init',
    retry: 'stalled',
  };
}

/** Id git gives these bytes as a file. */
export function blobId(bytes: string | Buffer, objectFormat: Repo['objectFormat'] = 'sha1'): string {
  const content = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
  return createHash(objectFormat).update(`blob ${content.length}\0`).update(content).digest('hex');
}

/** Whether `ancestor` is `descendant` or in its history; a missing object is false. */
export async function isAncestor(repo: Repo, ancestor: string, descendant: string): Promise<boolean> {
  if (ancestor === descendant) return true;
  const end = await runGit({
    cwd: repo.root,
    args: ['merge-base', '--is-ancestor', ancestor, descendant],
    silent: true,
  });
  return end.code === 0;
}

/** Commit id a revision names; null: none. */
export async function resolveCommit(repo: Repo, revision: string): Promise<string | null> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`];
  const end = await runGit({ cwd: repo.root, args });
  return end.code === 0 ? end.stdout.toString('utf8').trim() : null;
}

/** What git would say of a clone of the plainest kind; null: it has to be asked. */
function plainFacts(dir: string): string[] | null {
  const head = glanceInto(dir);
  if (head === null) return null;
  const root = realpathSync(dir);
  return ['false', join(root, '.git'), 'false', 'sha1', root, head];
}

/** What git says of a folder, in one process; it stops at the first thing that it cannot say. */
async function readFacts(dir: string): Promise<string[]> {
  const args = ['--is-bare-repository', '--absolute-git-dir', '--is-shallow-repository', '--show-object-format'];
  const end = await runGit({ cwd: dir, args: ['rev-parse', ...args, '--show-toplevel', 'HEAD^{commit}'] });
  const lines = end.stdout.toString('utf8').split('\n');
  return lines.slice(0, -1);
}

/**
 * The oldest commit below `head`. Kept with the head it was found for: finding it walks the whole history, and telling that
 * newer commits brought no other one does not.
 */
async function rootCommitOf(root: string, ownDir: string, head: string): Promise<string | null> {
  const known = readKnownRoot(ownDir);
  if (known?.head === head) return known.root;
  if (known !== null) {
    const brought = await gitText({
      cwd: root,
      args: ['rev-list', '--max-parents=0', `${known.head}...${head}`, '--'],
    });
    if (brought.ok && brought.value === '') {
      keepRoot(ownDir, { head, root: known.root });
      return known.root;
    }
  }
  const run = await gitText({ cwd: root, args: ['rev-list', '--max-parents=0', head, '--'] });
  if (!run.ok) return null;
  const roots = run.value.trim().split('\n');
  // Joined histories have several roots: the last listed is the oldest along the walk. Only a single one is kept.
  const oldest = roots.at(-1) ?? null;
  if (roots.length === 1 && oldest !== null) keepRoot(ownDir, { head, root: oldest });
  return oldest;
}

type KnownRoot = { head: string; root: string };

const ROOT_FILE = 'root-commit';

const rootLine = ({ head, root }: KnownRoot): string =>
  `${head} ${root} ${createHash('sha256').update(`${head} ${root}`).digest('hex')}\n`;

/** null: absent or damaged. */
function readKnownRoot(ownDir: string): KnownRoot | null {
  try {
    const text = readFileSync(join(ownDir, ROOT_FILE), 'utf8');
    const [head = '', root = ''] = text.split(' ');
    return text === rootLine({ head, root }) ? { head, root } : null;
  } catch {
    return null;
  }
}

function keepRoot(ownDir: string, known: KnownRoot): void {
  try {
    const beside = join(ownDir, `${ROOT_FILE}.${process.pid}.tmp`);
    writeFileSync(beside, rootLine(known), { mode: 0o600 });
    renameSync(beside, join(ownDir, ROOT_FILE));
  } catch {
    // Read-only or full: it is only found anew the next time.
  }
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
