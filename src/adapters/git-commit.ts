/** Commits made from bytes: one fast-import for all commits of a pass, no filters, no hooks, no editor. */
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import { findSecrets, type KnownSecret } from '../core/trail/secret-gate.ts';
import { blobId, type Repo, type Tip, tipOf } from './git.ts';
import {
  advanceHead,
  asTracked,
  dirtyPath,
  followHead,
  hasSmallIndex,
  healMove,
  moveHead,
  stagedAndTracked,
} from './git-move.ts';
import { dirtyPaths } from './git-read.ts';
import { gitFailed, gitText, runGit } from './git-run.ts';

export type Person = { name: string; email: string };

/** One commit to make. `text` null removes the path. */
export type CommitPlan = {
  files: { path: string; text: string | null }[];
  message: string;
  author: Person;
  /** Unix seconds (a fraction is cut off): the journal time the decision belongs to. null: the committer's date. */
  authorTs: number | null;
  /**
   * The committer date is wall time although there is an `authorTs`: when it was done is part of what was done. Otherwise
   * it is the author date, or the parent's committer date where that is later: the same data on the same parent is the
   * same commit, whoever makes it, and dates never run backwards (`git log --since` stops at the first old one).
   */
  atWallTime?: boolean;
};

export type CommitOptions = {
  /** Whom the committer field names: the fleet's author. */
  committer: Person;
  /** Every known secret value; a hit refuses all commits of the call. */
  secrets: readonly KnownSecret[];
  /** Wall time of the commit, Unix seconds. */
  nowTs: number;
  signing?: { format: 'ssh'; key: string } | null;
  /** The head that the plans were made for; on any other one nothing is committed. Absent: whatever it is. */
  on?: Tip;
};

export type Committed = { commit: string; plan: CommitPlan };

/**
 * One commit. `no-change` when the tree would stay the same. Problems: `secret-gate`, `git-dirty-path`, `git-moved`,
 * `git-index-locked`, `git-bad-path`, `git-unborn`.
 */
export async function commit(
  repo: Repo,
  plan: CommitPlan,
  options: CommitOptions,
): Promise<Result<Committed | 'no-change'>> {
  const made = await commitAll(repo, [plan], options);
  return made.ok ? ok(made.value[0] ?? 'no-change') : made;
}

/**
 * Commits in this order, all or none; plans that change nothing are left out of the answer. Where nothing stands in the way
 * index and files follow path by path, so that the cost of a commit does not grow with the tree.
 */
export async function commitAll(repo: Repo, plans: CommitPlan[], options: CommitOptions): Promise<Result<Committed[]>> {
  const refused = gate(plans, options.secrets) ?? badPath(plans);
  if (refused !== null) return fail(refused);
  const healed = await healMove(repo);
  if (!healed.ok) return healed;
  const quick = await commitPlainly(repo, plans, options);
  if (quick !== 'ask git') return quick;
  const paths = [...new Set(plans.flatMap((plan) => plan.files.map((file) => file.path)))];
  const asked = options.on === undefined ? tipOf(repo) : ok(options.on);
  const [tip, seen] = await Promise.all([asked, stagedAndTracked(repo, paths)]);
  if (!tip.ok) return tip;
  if (tip.value === null)
    return fail({ code: 'git-unborn', message: 'the branch has no commit yet', retry: 'stalled' });
  if (!seen.ok) return seen;
  const { commit: from, committerTs } = tip.value;
  if (seen.value.head !== from) return fail(moved());

  const before = new Map(seen.value.tracked);
  const effective = plans.flatMap((plan) => withoutUnchanged(repo, plan, before));
  if (effective.length === 0) return ok([]);
  const plain = paths.every((path) => asTracked(repo, path, seen.value));
  const dirty = plain ? ok(undefined) : await dirtyAmong(repo, paths);
  if (!dirty.ok) return dirty;

  const imported = await importCommits(repo, from, effective, { ...options, parentTs: committerTs });
  if (!imported.ok) return imported;
  const signed = await sign(repo, from, imported.value, options);
  if (!signed.ok) return signed;
  const move = { from, to: signed.value.at(-1)!, why: `${effective.length} commits` };
  const written = [...new Set(effective.flatMap((plan) => plan.files.map((file) => file.path)))];
  // What is removed, linked or looked at by a filter is left to the move that knows every case.
  const simple = plain && written.every((path) => before.has(path) && asTracked(repo, path, seen.value));
  const done = simple ? await advanceHead(repo, move, written) : await moveHead(repo, move);
  if (!done.ok) return done;
  return ok(effective.map((plan, i) => ({ commit: signed.value[i]!, plan })));
}

/**
 * The short way on a known head, where the index is small and nothing looks unusual: three processes. `ask git`: something
 * does, and nothing has happened but commits that nobody will find.
 */
async function commitPlainly(
  repo: Repo,
  plans: CommitPlan[],
  options: CommitOptions,
): Promise<Result<Committed[]> | 'ask git'> {
  const { on, signing } = options;
  const files = plans.flatMap((plan) => plan.files);
  const signs = signing !== undefined && signing !== null;
  if (on === undefined || signs || files.length === 0 || files.some((f) => f.text === null)) return 'ask git';
  if (!hasSmallIndex(repo)) return 'ask git';
  const paths = [...new Set(files.map((file) => file.path))];
  const imported = await importAsking(repo, on.commit, plans, { ...options, parentTs: on.committerTs, ask: paths });
  if (!imported.ok) return 'ask git';
  const { ids, tracked } = imported.value;
  const before = new Map(tracked);
  const changing = plans.every((plan) => withoutUnchanged(repo, plan, before)[0]?.files.length === plan.files.length);
  const seen = { head: on.commit, tracked, staged: tracked };
  if (!changing || !paths.every((path) => asTracked(repo, path, seen))) return 'ask git';
  const moved = await followHead(repo, { from: on.commit, to: ids.at(-1)!, why: `${plans.length} commits` });
  if (moved === 'refused') return 'ask git';
  return moved.ok ? ok(plans.map((plan, i) => ({ commit: ids[i]!, plan }))) : moved;
}

/** One commit on `parent` that no branch points at yet, behind the same gate. Problems: `secret-gate`, `git-bad-path`, `git-signing`. */
export async function commitAside(
  repo: Repo,
  parent: string,
  plan: CommitPlan,
  options: CommitOptions,
): Promise<Result<string>> {
  const refused = gate([plan], options.secrets) ?? badPath([plan]);
  if (refused !== null) return fail(refused);
  const imported = await importCommits(repo, parent, [plan], options);
  if (!imported.ok) return imported;
  const signed = await sign(repo, parent, imported.value, options);
  return signed.ok ? ok(signed.value[0] ?? '') : signed;
}

/** A commit to replay elsewhere: as `CommitPlan`, its files by blob id. */
export type Replay = {
  files: { path: string; blob: string | null; mode: string }[];
  message: string;
  author: Person;
  authorTs: number | null;
  /** Kept as it was, Unix seconds. */
  committerTs: number;
};

/** Writes commits on top of `parent` without touching branch, index or work tree; returns their ids in order. */
export async function importCommits(
  repo: Repo,
  parent: string,
  plans: (CommitPlan | Replay)[],
  options: ImportOptions,
): Promise<Result<string[]>> {
  const imported = await importAsking(repo, parent, plans, options);
  return imported.ok ? ok(imported.value.ids) : imported;
}

type ImportOptions = Pick<CommitOptions, 'committer' | 'nowTs'> & {
  /** The parent's committer date, where it is known. */
  parentTs?: number;
  /** Paths whose ids in the parent are wanted with the answer. */
  ask?: readonly string[];
};

/** The same; `tracked`: what the parent holds under the paths that were asked for. */
async function importAsking(
  repo: Repo,
  parent: string,
  plans: (CommitPlan | Replay)[],
  options: ImportOptions,
): Promise<Result<{ ids: string[]; tracked: Map<string, string> }>> {
  const parentTs = options.parentTs === undefined ? await committerTsOf(repo, parent) : ok(options.parentTs);
  if (!parentTs.ok) return parentTs;
  let newestTs = parentTs.value;
  const commands = plans.flatMap((plan, i) => {
    const nowTs = committerDate(plan, options.nowTs, newestTs);
    newestTs = nowTs;
    return commitCommands(plan, i + 1, i === 0 ? parent : `:${i}`, { ...options, nowTs });
  });
  // The ref only carried them through the import; it is gone before anybody could find it.
  commands.push(Buffer.from(`reset ${CARRIER}\nfrom ${'0'.repeat(parent.length)}\n\n`));
  const asked = (options.ask ?? []).map((path) => `ls ${parent} ${path}\n`);
  const run = {
    cwd: repo.root,
    // Kept as the small pack it is: taking it apart would be a process of its own. Maintenance joins such packs.
    args: ['-c', 'fastimport.unpackLimit=1', 'fast-import', '--quiet', '--force', '--date-format=raw'],
    input: Buffer.concat([Buffer.from(asked.join('')), ...commands]),
  };
  const end = await runGit(run);
  const lines = end.stdout.toString('utf8').split('\n');
  const ids = lines.slice(asked.length).filter((line) => /^[0-9a-f]{40,64}$/.test(line));
  if (end.code !== 0 || ids.length !== plans.length) return fail(gitFailed(run, end));
  const found = (options.ask ?? []).flatMap((path, i): [string, string][] => {
    const id = /^\d+ (?:blob|tree|commit) ([0-9a-f]+)\t/.exec(lines[i] ?? '')?.[1];
    return id === undefined ? [] : [[path, id]];
  });
  return ok({ ids, tracked: new Map(found) });
}

async function committerTsOf(repo: Repo, commit: string): Promise<Result<number>> {
  const shown = await gitText({ cwd: repo.root, args: ['show', '-s', '--no-show-signature', '--format=%ct', commit] });
  return shown.ok ? ok(Number(shown.value.trim())) : shown;
}

function committerDate(plan: CommitPlan | Replay, wallTs: number, parentTs: number): number {
  if ('committerTs' in plan) return plan.committerTs;
  if (plan.authorTs === null || plan.atWallTime === true) return wallTs;
  return Math.max(wholeSeconds(plan.authorTs) ?? 0, parentTs);
}

const CARRIER = 'refs/mmfleet/import';

function gate(plans: CommitPlan[], secrets: readonly KnownSecret[]): Problem | null {
  for (const plan of plans) {
    const staged = plan.files.flatMap(({ path, text }) => (text === null ? [] : [{ path, text }]));
    const names = { path: 'file names', text: plan.files.map((file) => file.path).join('\n') };
    const people = { path: 'author', text: `${plan.author.name} <${plan.author.email}>` };
    const hit = findSecrets([...staged, { path: 'commit message', text: plan.message }, names, people], secrets)[0];
    if (hit === undefined) continue;
    return {
      code: 'secret-gate',
      message: `${hit.file}:${hit.line}: holds the value of ${hit.key} (${hit.form}); the commit was refused`,
      hint: 'keep secret values in the secrets file only; rotate this one if it was ever pushed',
      retry: 'stalled',
      file: hit.file,
      line: hit.line,
    };
  }
  return null;
}

function badPath(plans: CommitPlan[]): Problem | null {
  const safe = (path: string) =>
    path !== '' &&
    !/[\u0000-\u001f\\"]/.test(path) &&
    path.split('/').every((part) => part !== '' && !/^(\.{1,2}|\.git)$/i.test(part));
  const bad = plans.flatMap((plan) => plan.files).find((file) => !safe(file.path));
  if (bad === undefined) return null;
  const message = `${JSON.stringify(bad.path)}: not a plain path inside the repository`;
  return { code: 'git-bad-path', message, retry: 'stalled' };
}

async function dirtyAmong(repo: Repo, paths: string[]): Promise<Result<void>> {
  if (paths.length === 0) return ok(undefined);
  const dirty = await dirtyPaths(repo, paths);
  if (!dirty.ok) return dirty;
  // A literal pathspec also names a folder; only exact paths are ours to write.
  const first = dirty.value.find((each) => paths.includes(each.path));
  return first === undefined ? ok(undefined) : fail(dirtyPath(first.path));
}

function moved(): Problem {
  const message = 'the branch moved while mmfleet was committing; nothing was committed';
  return { code: 'git-moved', message, hint: 'run it again', retry: 'backoff' };
}

/** Drops files that stay as they are, then the plan when none is left; remembers the rest for the plans after it. */
function withoutUnchanged(repo: Repo, plan: CommitPlan, blobs: Map<string, string>): CommitPlan[] {
  const files = plan.files.filter(({ path, text }) => {
    const wanted = text === null ? undefined : blobId(text, repo.objectFormat);
    return blobs.get(path) !== wanted;
  });
  for (const { path, text } of files) {
    if (text === null) blobs.delete(path);
    else blobs.set(path, blobId(text, repo.objectFormat));
  }
  return files.length === 0 ? [] : [{ ...plan, files }];
}

function commitCommands(
  plan: CommitPlan | Replay,
  mark: number,
  from: string,
  options: Pick<CommitOptions, 'committer' | 'nowTs'>,
): Buffer[] {
  const nowTs = wholeSeconds(options.nowTs) ?? 0;
  const authorTs = wholeSeconds(plan.authorTs) ?? nowTs;
  const parts: Buffer[] = [];
  const line = (text: string) => parts.push(Buffer.from(`${text}\n`, 'utf8'));
  const data = (text: string) => {
    const bytes = Buffer.from(text, 'utf8');
    line(`data ${bytes.length}`);
    parts.push(bytes, Buffer.from('\n'));
  };
  line(`commit ${CARRIER}`);
  line(`mark :${mark}`);
  line(`author ${identity(plan.author)} ${authorTs} +0000`);
  line(`committer ${identity(options.committer)} ${nowTs} +0000`);
  data(plan.message.replaceAll('\0', ' '));
  line(`from ${from}`);
  for (const file of plan.files) {
    if ('blob' in file) line(file.blob === null ? `D ${file.path}` : `M ${file.mode} ${file.blob} ${file.path}`);
    else if (file.text === null) line(`D ${file.path}`);
    else {
      line(`M 100644 inline ${file.path}`);
      data(file.text);
    }
  }
  line('');
  line(`get-mark :${mark}`);
  return parts;
}

const clean = (text: string): string => text.replace(/[<>\u0000-\u001f]/g, ' ').trim();

const identity = (person: Person): string => `${clean(person.name) || 'unknown'} <${clean(person.email)}>`;

/** Whole seconds git can hold, else null. */
function wholeSeconds(ts: number | null): number | null {
  return ts !== null && Number.isFinite(ts) && ts >= 0 && ts < 2 ** 40 ? Math.floor(ts) : null;
}

/** fast-import cannot sign: the same trees and messages are written once more as signed commits. Problem: `git-signing`. */
export async function sign(
  repo: Repo,
  parent: string,
  commits: string[],
  options: Pick<CommitOptions, 'signing'>,
): Promise<Result<string[]>> {
  if (options.signing === undefined || options.signing === null) return ok(commits);
  const config = ['-c', `gpg.format=${options.signing.format}`, '-c', `user.signingKey=${options.signing.key}`];
  const signed: string[] = [];
  for (const each of commits) {
    const shown = await gitText({
      cwd: repo.root,
      args: ['show', '-s', '--no-show-signature', '--format=%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B', each],
    });
    if (!shown.ok) return shown;
    const [an = '', ae = '', at = '', cn = '', ce = '', ct = '', message = ''] = shown.value.split('\0');
    const env = {
      GIT_AUTHOR_NAME: an,
      GIT_AUTHOR_EMAIL: ae,
      GIT_AUTHOR_DATE: `@${at} +0000`,
      GIT_COMMITTER_NAME: cn,
      GIT_COMMITTER_EMAIL: ce,
      GIT_COMMITTER_DATE: `@${ct} +0000`,
    };
    const args = [...config, 'commit-tree', '-S', `${each}^{tree}`, '-p', signed.at(-1) ?? parent, '-F', '-'];
    const made = await gitText({ cwd: repo.root, args, env, input: `${message.trimEnd()}\n` });
    if (!made.ok) {
      const message = 'a commit could not be signed with the configured ssh key; nothing was committed';
      return fail({ code: 'git-signing', message, hint: 'check git.signing.key in fleet.yaml', retry: 'stalled' });
    }
    signed.push(made.value.trim());
  }
  return ok(signed);
}
