/** One pass: look at git and the world, plan, and (in apply.ts) act. */
import type { Refs } from '../adapters/git.ts';
import type { KnownProposals } from '../adapters/git-proposals.ts';
import type { Planned } from '../core/plan/plan.ts';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import type { Fleet } from '../core/spec/types.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import { lastingDecision } from './decisions.ts';
import { type Desired, type DesiredInstance, FLEET_FOLDER } from './desired.ts';
import { trailsByInstance } from './instance-trails.ts';
import { type Observed, observe } from './observe.ts';
import type { Ops } from './ops.ts';
import { type Plans, planAll } from './plans.ts';
import { knownProposals, withProposal } from './proposal-view.ts';
import { earned, needsWholeRun, readUnread, type Unread } from './unread.ts';
import { addingCommit, baseEditedAfter, type Context, type GitState, type Situation } from './views.ts';

export type PassOptions = {
  /** Names to act on; null = all. */
  only: ReadonlySet<string> | null;
  tune: boolean;
  push: boolean;
  /** A person's verb: what is done to every named instance whatever the plan says. */
  force?: 'restart' | 'flatten' | 'stop' | null;
};

export type RemoteState = 'ok' | 'none' | 'away';

/** Everything a pass knows before it acts. */
export type Look = {
  desired: Desired;
  fleet: Fleet;
  observed: Observed;
  trail: TrailEntry[];
  situations: Situation[];
  planned: Planned[];
  /** The same before proposals are looked at, with what it was made from. */
  plans: Plans;
  git: GitState;
  /** Steps that wait for a person on branches of their own, as this clone last saw them. */
  proposals: KnownProposals;
  /** Whether the remote answered; `none`: there is none, or it was not asked. */
  remote: RemoteState;
  /** Why an older revision than the head is in force: its changes are not signed as `git.verify` asks; null: it is the head. */
  refused: Problem | null;
  /** Why this clone cannot be brought to its remote until somebody looks: what takes risk away goes on, nothing else; null: it can. */
  stalled: Problem | null;
  /** Diagnostics that do not stop the pass: the remote is away, a leftover was recomputed. */
  notes: Problem[];
  /** The branch checked out. */
  branch: string;
  oldBases: ReadonlyMap<string, string>;
  /** What local state was when it was looked at; null: it was being written. */
  localVersion: string | null;
};

type LookOptions = PassOptions & {
  fetch: boolean;
  local?: boolean;
  worktree?: boolean;
  remote?: RemoteState;
  stalled?: Problem | null;
};

/**
 * A look that git does not end: where histories diverged, an edit stands in the way or a merge is in progress, it is at the fleet's
 * branch as this clone has it. `stalled` says why: bots that lose money must not trade on until a person has mended a clone.
 */
export async function lookStalledOrNot(ops: Ops, options: LookOptions): Promise<Result<Look>> {
  const seen = await look(ops, options);
  if (seen.ok || options.worktree === true || !seen.problem.code.startsWith('git-')) return seen;
  const here = await look(ops, { ...options, fetch: false, local: true, stalled: seen.problem });
  return here.ok ? here : seen;
}

/**
 * Reads git (fetch + fast-forward), the tree at HEAD, the world, and plans. Problems end the pass before any effect. `local`: for
 * what only stops, from the fleet's branch as this clone has it, whatever is checked out or in progress; `stalled`: and why.
 */
export async function look(ops: Ops, options: LookOptions): Promise<Result<Look>> {
  const refs = await (options.local === true ? ops.git.refsAsTheyAre() : ops.git.refs());
  if (!refs.ok) return refs;
  let { head } = refs.value;
  const first = await soundDesired(ops, head, refs.value);
  if (!first.ok) return first;
  if (first.value.desired.fleet === null) return fail(noFleet(first.value.desired));
  const notes: Problem[] = [];
  let remote = options.remote ?? 'none';
  const { fleet } = first.value.desired;
  let remoteHead = await ops.git.remoteHead(fleet.git.remote, fleet.git.branch, refs.value);
  if (options.local === true && refs.value.branch !== fleet.git.branch)
    head = (await ops.git.branchHead(fleet.git.branch)) ?? head;
  if (options.fetch) {
    const { remote: from, branch, author, signing } = fleet.git;
    const synced = await ops.git.sync({ remote: from, branch, ourEmail: author.email, signing, refs: refs.value });
    // What is under review is planned as it lies there, on whichever branch.
    if (!synced.ok && (options.worktree !== true || synced.problem.code !== 'git-other-branch')) return synced;
    if (synced.ok) {
      remote = synced.value.remote;
      head = synced.value.head;
      remoteHead = synced.value.remoteHead;
      notes.push(...synced.value.notes);
    }
  }
  const sound = options.worktree === true ? await worktreeDesired(ops) : await soundDesired(ops, head, refs.value);
  if (!sound.ok) return sound;
  const { desired, refused } = sound.value;
  if (desired.fleet === null) return fail(noFleet(desired));
  if (refused !== null) notes.push(refused);
  const at = { refs: refs.value, head, remoteHead };
  const { branch } = refs.value;
  const found = { remote, refused, stalled: options.stalled ?? null, notes, branch };
  return lookAt(ops, desired, desired.fleet, found, at, options);
}

/**
 * Looks again at processes and journals where an earlier look found nothing to do and git stands where it stood: the plan
 * that a whole look would make, as long as nobody pushed or edited since, and git takes commits or not as before. null: it takes
 * a whole look, because something is to be done, waits for git, or would be told to git.
 */
export async function lookAgain(ops: Ops, last: Look, options: PassOptions): Promise<Look | null> {
  const takesCommits = last.git.trouble === null;
  if (last.refused !== null || (takesCommits && (!last.git.published || last.notes.length > 0))) return null;
  const now = ops.git.glance?.() ?? null;
  if (now === null || now.head !== last.desired.revision || now.branch !== last.branch) return null;
  const again = await planned(ops, last, last, options);
  const quiet = again.situations.every((s, i) => {
    const plan = again.planned[i]!;
    if (plan.effect !== null) return false;
    // What is to be written down waits for as long as git takes no commit.
    if (takesCommits && (s.observed.uncommitted.length > 0 || s.observed.localHold !== null)) return false;
    // A proposal is brought up to date with what is planned; that takes git.
    return s.view.spec?.autonomy !== 'propose' || plan.item.message === last.planned[i]?.item.message;
  });
  return quiet ? again : null;
}

async function lookAt(
  ops: Ops,
  desired: Desired,
  fleet: Fleet,
  found: Pick<Look, 'remote' | 'refused' | 'stalled' | 'notes' | 'branch'>,
  at: { refs: Refs; head: string; remoteHead: string | null },
  options: PassOptions & { worktree?: boolean },
): Promise<Result<Look>> {
  const { remote, stalled } = found;
  const trail = await ops.trail(fleet.git.author.email, at.head, fleet.file);
  if (!trail.ok) return trail;
  const dirty = await ops.git.dirty(ownedFolders(desired));
  const git: GitState = {
    trouble: gitTrouble(found),
    // What the working tree says is asked about as if it were pushed: else its plan could only say that it is not.
    published:
      stalled === null &&
      (desired.revision === null ||
        remote === 'none' ||
        !options.push ||
        !fleet.git.push ||
        (await isPublished(ops, at.remoteHead, desired.revision))),
    // Where nothing is committed or started, an edit stands in nobody's way.
    dirty: new Set(dirty.ok && stalled === null ? dirty.value.map((d) => d.path) : []),
  };
  const proposals = await knownProposals(ops, fleet.git.author.email, at.refs);
  const bases = await oldBases(ops, desired, trail.value);
  const known = { desired, fleet, trail: trail.value, git, ...found, proposals, oldBases: bases };
  const look = await planned(ops, known, null, options);
  // What was read of the journals need not be read again; the files as edited may declare what HEAD does not.
  if (options.worktree !== true) await saveJournals(ops, look, gitOf(desired, trail.value));
  return ok(look);
}

/** Why nothing can be committed: on a head that is not in order that is so, too. */
function gitTrouble({ remote, refused, stalled }: Pick<Look, 'remote' | 'refused' | 'stalled'>): string | null {
  if (stalled !== null) return `git is in the way (${stalled.code})`;
  if (refused !== null) return `the head is refused (${refused.code})`;
  return remote === 'away' ? 'the remote is away' : null;
}

/** How much of the journals a daemon reads again after a kill, at most. */
const SAVE_EVERY_MS = 60_000;

const savedAtMs = new WeakMap<Ops, number>();

/** At the first look, and then now and then: every instance's file is written anew. */
async function saveJournals(ops: Ops, { situations }: Look, of: string | null): Promise<void> {
  const nowMs = ops.clock.nowMs();
  const sinceMs = nowMs - (savedAtMs.get(ops) ?? Number.NEGATIVE_INFINITY);
  if (sinceMs >= 0 && sinceMs < SAVE_EVERY_MS) return;
  savedAtMs.set(ops, nowMs);
  ops.memories?.save();
  const byName = new Map(situations.map((s) => [s.instance.name, s]));
  const decidedOf = (name: string) => lastingDecision(byName.get(name));
  await ops.journals.save(of === null ? null : { of, decidedOf });
}

/** All of git that a decision can rest on; null: the working tree is not git. */
function gitOf({ revision }: Desired, trail: TrailEntry[]): string | null {
  return revision === null ? null : `${revision} ${trail[0]?.commit ?? ''} ${trail.length}`;
}

/** The world as it is now, and the plan for it. */
async function planned(
  ops: Ops,
  known: Omit<Look, 'observed' | 'situations' | 'planned' | 'plans' | 'localVersion'>,
  before: Look | null,
  options: PassOptions,
): Promise<Look> {
  const { desired, fleet, trail, git, proposals, oldBases } = known;
  const localVersion = ops.local.version?.() ?? null;
  const same = before !== null && localVersion !== null && localVersion === before.localVersion;
  let observed = await observe(ops, desired, same ? before.observed : null);
  for (;;) {
    const unread: Unread = { wholeRuns: [], earlier: [] };
    const context: Context = {
      desired,
      observed,
      trail,
      git,
      host: ops.host,
      tune: options.tune,
      nowMs: observed.atMs,
      edgesOf: earnedBy(ops, unread),
      oldBases,
      foldedFrom: foldedIn(ops, observed),
      gitOf: gitOf(desired, trail),
      ...(ops.memories === undefined ? {} : { memories: ops.memories }),
    };
    const plans = planAll(context, fleet, options, before?.plans ?? null);
    const { situations } = plans;
    if (options.tune) unread.wholeRuns.push(...situations.filter(needsWholeRun).map((s) => s.instance));
    if (await readUnread(ops, unread)) {
      observed = await observe(ops, desired, observed);
      continue;
    }
    return {
      ...known,
      localVersion,
      observed,
      situations,
      plans,
      planned: plans.planned.map((p, i) => withProposal(p, situations[i]!, proposals)),
    };
  }
}

/** Each of these holds on to no more than it is given: what is made in one look may be asked in a later one. */
function earnedBy(ops: Ops, unread: Unread): Context['edgesOf'] {
  return (instance, iter) => earned(ops, instance, iter, unread);
}

/** The bytes a run was folded from: the piece, how far it was read, and when it was last written. */
function foldedIn(ops: Ops, { byName }: Observed): NonNullable<Context['foldedFrom']> {
  return ({ name }) => {
    const journal = byName.get(name)?.journal;
    const reference = ops.journals.reference(name);
    return journal?.state !== 'ok' || reference === null ? null : `${reference} ${journal.lastByteAtMs}`;
  };
}

/** Folders in which mmfleet writes, none of them within another: git compares every file with each. */
function ownedFolders(desired: Desired): string[] {
  const bases = desired.instances.flatMap((i) =>
    i.env === null ? [] : [i.env.basePath.split('/').slice(0, -1).join('/') || '.'],
  );
  const folders = new Set([FLEET_FOLDER, ...bases]);
  return [...folders].filter((folder) => !isWithinOne(folder, folders));
}

/** `.` is the whole repository. */
function isWithinOne(folder: string, folders: ReadonlySet<string>): boolean {
  if (folder !== '.' && folders.has('.')) return true;
  for (let end = folder.indexOf('/'); end !== -1; end = folder.indexOf('/', end + 1))
    if (folders.has(folder.slice(0, end))) return true;
  return false;
}

type Sound = { desired: Desired; refused: Problem | null };

/** The tree at the head, or at the newest revision before it that may be acted on. */
async function soundDesired(ops: Ops, head: string, refs: Refs): Promise<Result<Sound>> {
  const trusted = (await ops.trusted?.(head, refs)) ?? ok({ revision: head, refused: null });
  if (!trusted.ok) return trusted;
  const desired = await ops.desiredAt(trusted.value.revision);
  if (desired.ok) ops.keepDesired?.(desired.value);
  return desired.ok ? ok({ desired: desired.value, refused: trusted.value.refused }) : desired;
}

async function worktreeDesired(ops: Ops): Promise<Result<Sound>> {
  const desired = await ops.desiredInWorktree();
  return desired.ok ? ok({ desired: desired.value, refused: null }) : desired;
}

/** A fleet file that is missing or wrong stops everything: an unreadable fleet is not an empty one. */
function noFleet(desired: Desired): Problem {
  const cause = desired.problems.find((p) => p.instance === undefined && p.severity !== 'warning');
  return (
    cause ?? {
      code: 'fleet-missing',
      message: 'no document of kind Fleet in fleet/*.yaml',
      hint: 'mmfleet init writes one',
      retry: 'stalled',
    }
  );
}

async function isPublished(ops: Ops, remote: string | null, revision: string | null): Promise<boolean> {
  return remote !== null && revision !== null && (await ops.git.isAncestor(revision, remote));
}

/** Base env texts at the commits that added the newest iters, where the base may have been touched since. */
async function oldBases(ops: Ops, desired: Desired, trail: TrailEntry[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const newestMerge = trail.findIndex((entry) => entry.parents.length > 1);
  const trails = trailsByInstance(trail, desired.instances);
  for (const instance of desired.instances) {
    const text = await oldBase(ops, instance, trail, trails.get(instance.name) ?? [], newestMerge);
    if (text !== null) texts.set(instance.name, text);
  }
  return texts;
}

async function oldBase(
  ops: Ops,
  instance: DesiredInstance,
  trail: TrailEntry[],
  own: TrailEntry[],
  newestMerge: number,
): Promise<string | null> {
  const { env } = instance;
  if (env === null || env.iter === null) return null;
  const commit = addingCommit(own, env.path);
  if (commit === null) return null;
  // Below a merge the order of the log says nothing: an edit beside the iter's commit may stand under it.
  const merged = newestMerge >= 0 && newestMerge < trail.findIndex((entry) => entry.commit === commit);
  if (!merged && !baseEditedAfter(own, env.basePath, env.path)) return null;
  return ops.git.fileAt(commit, env.basePath);
}
