/** Fetch and fast-forward, and what to do with commits of ours that never reached the remote. */
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import { splitMessage } from '../core/trail/trailers.ts';
import { isAncestor, type Refs, type Repo, readRefs, resolveCommit } from './git.ts';
import { type CommitOptions, importCommits, type Replay, sign } from './git-commit.ts';
import { blobsAt, healMove, moveHead, pathsBetween } from './git-move.ts';
import { gitText, runGit } from './git-run.ts';

export type SyncOptions = {
  remote: string;
  branch: string;
  /** The fleet's author e-mail: commits with it as committer are ours to move. */
  ourEmail: string;
  /** What becomes of our unpushed commits: put on top when the remote went on (default), or dropped in any case. */
  leftovers?: 'rebase' | 'drop';
  /** Of these those that are made again by who asks: they are left out. */
  again?: readonly string[];
  /** Told before commits are dropped that nobody makes again, oldest first. */
  onDropped?: (commits: readonly Dropped[]) => void;
  /** Commits put on top are signed again with it. */
  signing?: CommitOptions['signing'];
  timeoutMs?: number;
  /** Read just before; absent: read now. */
  refs?: Refs;
};

/** A commit of ours that never reached the remote: its whole message, and when it was made, Unix seconds. */
export type Dropped = { message: string; committerTs: number };

export type Synced = {
  /** `none`: no such remote is configured; `away`: it did not answer, the last good revision stays. */
  remote: 'none' | 'ok' | 'away';
  head: string;
  /** The remote branch's commit as last seen; null: never, or there is none. */
  remoteHead: string | null;
  /** What a person should know: the remote away, unpushed commits dropped. */
  notes: Problem[];
};

/**
 * Brings HEAD to the remote's branch. Problems (nothing was touched): `git-diverged` (a person's commits on both sides,
 * or the remote's history was rewritten), `git-dirty-path` (a local edit stands in the way), `git-other-branch`.
 */
export async function syncRemote(repo: Repo, options: SyncOptions): Promise<Result<Synced>> {
  const healed = await healMove(repo);
  if (!healed.ok) return healed;
  const refs = options.refs === undefined ? await readRefs(repo) : ok(options.refs);
  if (!refs.ok) return refs;
  const other = await onOtherBranch(repo, refs.value.branch, options);
  if (other !== null) return fail(other);
  const here = refs.value.head;
  const seen = seenRemote(refs.value, options.remote, options.branch);
  const listed = await listRemote(repo, options);
  if (listed === 'none') return ok({ remote: 'none', head: here, remoteHead: null, notes: [] });
  const isAway = ok<Synced>({ remote: 'away', head: here, remoteHead: seen, notes: [away(options)] });
  if (listed === 'away') return isAway;
  if (listed === null) {
    if (seen !== null) return fail(diverged(options, 'its branch is gone'));
    return ok({ remote: 'ok', head: here, remoteHead: null, notes: [] });
  }
  if (listed === here && seen === here) return ok({ remote: 'ok', head: here, remoteHead: here, notes: [] });
  if (listed !== here && !(await fetchCommit(repo, options, listed))) return isAway;
  return settle(repo, options, { here, there: listed, seen });
}

/** What a person tries on a branch of their own is nobody's desired state, and not to be pushed over the fleet's. */
async function onOtherBranch(
  repo: Repo,
  here: string,
  { remote, branch }: Pick<SyncOptions, 'remote' | 'branch'>,
): Promise<Problem | null> {
  if (here === branch) return null;
  // A clone for itself may call its only branch as it likes.
  if (!(await hasRemote(repo, remote)) && (await resolveCommit(repo, `refs/heads/${branch}`)) === null) return null;
  return {
    code: 'git-other-branch',
    message: `${repo.root} is on branch ${here}, desired state is that of ${branch}`,
    hint: `git switch ${branch}, or name the branch in spec.git.branch`,
    retry: 'stalled',
  };
}

/** The same out of refs that were read before. */
export function seenRemote(refs: Refs, remote: string, branch: string): string | null {
  return refs.own.get(seenRef(remote, branch)) ?? null;
}

/** The remote branch's commit as we last saw it accepted; null: never. No network. */
export async function remoteHead(repo: Repo, remote: string, branch: string): Promise<string | null> {
  return resolveCommit(repo, seenRef(remote, branch));
}

/** Remembers what the remote's branch is known to hold. */
export async function rememberRemote(repo: Repo, remote: string, branch: string, commit: string): Promise<void> {
  await runGit({ cwd: repo.root, args: ['update-ref', seenRef(remote, branch), commit] });
}

/** The remote branch's commit read now; null: no such branch; `none`: no such remote; `away`: no answer in time. */
export async function listRemote(
  repo: Repo,
  options: Pick<SyncOptions, 'remote' | 'branch' | 'timeoutMs'>,
): Promise<string | null | 'none' | 'away'> {
  const ref = `refs/heads/${options.branch}`;
  if (!(await hasRemote(repo, options.remote))) return 'none';
  const end = await runGit({
    ...(await network(repo, options)),
    args: ['ls-remote', '--end-of-options', options.remote, ref],
  });
  if (end.code !== 0) {
    KNOWN_REMOTES.get(repo)?.delete(options.remote);
    return (await hasRemote(repo, options.remote)) ? 'away' : 'none';
  }
  for (const line of end.stdout.toString('utf8').split('\n')) {
    const [id = '', name] = line.split('\t');
    if (name === ref && /^[0-9a-f]{40,64}$/.test(id)) return id;
  }
  return null;
}

/** Whether a remote of this name is configured. A yes is kept until that remote does not answer. */
export async function hasRemote(repo: Repo, remote: string): Promise<boolean> {
  const known = KNOWN_REMOTES.get(repo) ?? new Set();
  if (known.has(remote)) return true;
  const { urls } = await settingsOf(repo);
  if (urls.has(remote)) KNOWN_REMOTES.set(repo, known.add(remote));
  return urls.has(remote);
}

/** Options of a command that talks to the remote: bounded, and never a prompt. */
export async function network(repo: Repo, options: Pick<SyncOptions, 'timeoutMs'>) {
  const own = SSH_COMMANDS.get(repo) ?? (await settingsOf(repo)).sshCommand;
  return { cwd: repo.root, env: { GIT_SSH_COMMAND: own }, timeoutMs: options.timeoutMs ?? NETWORK_TIMEOUT_MS };
}

const KNOWN_REMOTES = new WeakMap<Repo, Set<string>>();
const SSH_COMMANDS = new WeakMap<Repo, string>();

/** What the configuration says of remotes, in one process; ssh without prompts, keeping what the user configured. */
async function settingsOf(repo: Repo): Promise<{ urls: Set<string>; sshCommand: string }> {
  const args = ['config', '-z', '--get-regexp', '^(remote\\..*\\.url|core\\.sshcommand)$'];
  const end = await runGit({ cwd: repo.root, args });
  const urls = new Set<string>();
  let configured = '';
  for (const setting of end.stdout.toString('utf8').split('\0')) {
    const [name = '', ...value] = setting.split('\n');
    if (name === 'core.sshcommand') configured = value.join('\n').trim();
    else if (name.startsWith('remote.')) urls.add(name.slice('remote.'.length, -'.url'.length));
  }
  const own = process.env['GIT_SSH_COMMAND'] ?? configured;
  const sshCommand = `${own === '' ? 'ssh' : own} -o BatchMode=yes -o ConnectTimeout=10`;
  SSH_COMMANDS.set(repo, sshCommand);
  return { urls, sshCommand };
}

const NETWORK_TIMEOUT_MS = 30_000;

/** Ours alone: a person's fetch does not move it, so a rewritten history is noticed. */
const seenRef = (remote: string, branch: string): string => `refs/mmfleet/remotes/${remote}/${branch}`;

async function fetchCommit(repo: Repo, options: SyncOptions, commit: string): Promise<boolean> {
  if ((await resolveCommit(repo, commit)) !== null) return true;
  const refspec = `+refs/heads/${options.branch}:refs/remotes/${options.remote}/${options.branch}`;
  const args = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--end-of-options', options.remote, refspec];
  const end = await runGit({ ...(await network(repo, options)), args });
  return end.code === 0 && (await resolveCommit(repo, commit)) !== null;
}

type Tips = { here: string; there: string; seen: string | null };

async function settle(repo: Repo, options: SyncOptions, tips: Tips): Promise<Result<Synced>> {
  const { here, there, seen } = tips;
  const done = async (head: string, notes: Problem[] = []): Promise<Result<Synced>> => {
    if (seen !== there) await rememberRemote(repo, options.remote, options.branch, there);
    return ok({ remote: 'ok', head, remoteHead: there, notes });
  };
  if (await isAncestor(repo, here, there)) {
    const moved = await moveHead(repo, { from: here, to: there, why: 'fast-forward' });
    return moved.ok ? done(there) : moved;
  }
  // What the remote once had and no longer has was taken away by a person: putting it back would undo their work.
  if (seen !== null && !(await isAncestor(repo, seen, there)))
    return fail(diverged(options, 'its history was rewritten'));
  const ahead = await isAncestor(repo, there, here);
  if (ahead && options.leftovers !== 'drop') return done(here);

  const local = await localCommits(repo, tips, options.ourEmail);
  if (!local.ok) return local;
  if (local.value === null) {
    // A person's own commits that are merely not pushed yet are theirs to push; on both sides they are theirs to join.
    return ahead ? done(here) : fail(diverged(options, 'and here are commits that are not on it'));
  }
  const kept = local.value.filter(({ commit }) => options.again?.includes(commit) !== true);
  const goesOn = options.leftovers !== 'drop' && kept.length > 0;
  const target = goesOn ? await replayed(repo, tips, kept, options) : ok(null);
  if (!target.ok) return target;
  const dropped = target.value === null ? kept : [];
  if (dropped.length > 0) options.onDropped?.(dropped);
  const moved = await moveHead(repo, { from: here, to: target.value ?? there, why: 'on top of the remote' });
  return moved.ok ? done(target.value ?? there, dropped.length === 0 ? [] : [droppedNote(dropped)]) : moved;
}

/** Commits of `here` that are not in `there`, oldest first; null: some are not ours, or are merges. */
async function localCommits(
  repo: Repo,
  { here, there }: Tips,
  ourEmail: string,
): Promise<Result<LocalCommit[] | null>> {
  const format = '--format=%H%x00%P%x00%an%x00%ae%x00%at%x00%ce%x00%ct%x00%B%x00';
  const args = [
    'log',
    '-z',
    '--reverse',
    '--topo-order',
    '--no-show-signature',
    '--no-mailmap',
    '--encoding=UTF-8',
    format,
  ];
  const log = await gitText({ cwd: repo.root, args: [...args, `${there}..${here}`, '--'] });
  if (!log.ok) return log;
  const words = log.value.split('\0');
  const commits: LocalCommit[] = [];
  for (let i = 0; i + 8 < words.length; i += 9) {
    const [commit = '', parent = '', name = '', email = '', at = '', committer = '', ct = '', message = ''] =
      words.slice(i, i + 8);
    // Somebody who works under our e-mail does not write our subjects.
    const ours = committer === ourEmail && splitMessage(message).kind !== null;
    if (!ours || parent.includes(' ')) return ok(null);
    commits.push({ commit, parent, author: { name, email }, authorTs: Number(at), committerTs: Number(ct), message });
  }
  return ok(commits);
}

type LocalCommit = Omit<Replay, 'files'> & { commit: string; parent: string };

/** Our commits on top of `there`, path by path; null: a path of theirs was changed on both sides. */
async function replayed(
  repo: Repo,
  { here, there }: Tips,
  local: LocalCommit[],
  options: SyncOptions,
): Promise<Result<string | null>> {
  const base = await gitText({ cwd: repo.root, args: ['merge-base', here, there] });
  if (!base.ok) return base;
  const replays: Replay[] = [];
  for (const each of local) {
    const moved = await pathsBetween(repo, each.parent, each.commit);
    if (!moved.ok) return moved;
    const files = moved.value.map(({ path, toBlob, mode }) => ({ path, blob: toBlob, mode }));
    const { message, author, authorTs, committerTs } = each;
    replays.push({ files, message, author, authorTs, committerTs });
  }
  const paths = [...new Set(replays.flatMap((replay) => replay.files.map((file) => file.path)))];
  const [before, after] = [await blobsAt(repo, base.value.trim(), paths), await blobsAt(repo, there, paths)];
  if (!before.ok) return before;
  if (!after.ok) return after;
  if (paths.some((path) => before.value.get(path) !== after.value.get(path))) return ok(null);
  const committer = { name: 'mmfleet', email: options.ourEmail };
  const imported = await importCommits(repo, there, replays, { committer, nowTs: 0 });
  if (!imported.ok) return imported;
  const signed = await sign(repo, there, imported.value, { signing: options.signing ?? null });
  return signed.ok ? ok(signed.value.at(-1) ?? null) : signed;
}

function away(options: SyncOptions): Problem {
  return {
    code: 'git-remote-away',
    message: `${options.remote}: did not answer; the last good revision stays`,
    hint: `git ls-remote ${options.remote}`,
    retry: 'backoff',
  };
}

function diverged(options: SyncOptions, what: string): Problem {
  return {
    code: 'git-diverged',
    message: `${options.remote}/${options.branch}: ${what}; nothing was touched`,
    hint: `git fetch ${options.remote}, then merge or git reset --keep ${options.remote}/${options.branch}`,
    retry: 'stalled',
  };
}

function droppedNote(dropped: readonly Dropped[]): Problem {
  const subjects = dropped.map(({ message }) => message.split('\n')[0]);
  const more = subjects.length > SHOWN ? ` and ${subjects.length - SHOWN} more` : '';
  const what = `${subjects.length} unpushed commit${subjects.length === 1 ? '' : 's'} of mmfleet`;
  return {
    code: 'git-leftovers-dropped',
    message: `${what} no longer fit the remote and are dropped: ${subjects.slice(0, SHOWN).join('; ')}${more}`,
    hint: 'what mmfleet decides it decides again, and what was stopped stays down; ask anew for any other wish',
    retry: 'backoff',
  };
}

const SHOWN = 5;
