/** `autonomy: propose`: the step goes to a branch of its own and waits for a person; merged, it converges like any commit. */
import {
  type KnownProposals,
  type ProposalMove,
  type ProposalPort,
  proposalBranch,
} from '../adapters/git-proposals.ts';
import { label } from '../core/plan/plan.ts';
import type { PlanReason } from '../core/plan/types.ts';
import { ok, type Result } from '../core/problem.ts';
import { entryOf } from '../core/trail/parse.ts';
import type { KnownSecret } from '../core/trail/secret-gate.ts';
import { parseIter } from '../core/trail/text.ts';
import { trailer } from '../core/trail/trailers.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import type { TuningDecision } from '../core/tuning/types.ts';
import { type ChangePlan, nextIter, parkChange, stepChange } from './changes.ts';
import type { Desired, DesiredInstance } from './desired.ts';
import type { Ops } from './ops.ts';
import type { Look } from './pass.ts';
import { knownProposals, wishOf } from './proposal-view.ts';
import type { Situation } from './views.ts';

/**
 * Brings the proposal branches of this host's instances to what is wished now: one for each, replaced with a lease when
 * its step changed, deleted when it is merged or no longer wished, left alone when nothing changed or a person worked on
 * it. What happened, one line each. Nothing is done while HEAD is not the remote's branch.
 */
export async function syncProposals(
  ops: Ops,
  look: Look,
  secrets: () => Promise<readonly KnownSecret[]>,
  options: { push: boolean; only?: ReadonlySet<string> | null },
): Promise<Result<string[]>> {
  const { git } = look.fleet;
  const port = ops.git.proposals;
  const concerned = look.situations.some((s) => s.instance.spec?.autonomy === 'propose');
  // Without a remote the branches are this clone's own: nothing is pushed.
  const alone = look.remote === 'none';
  if (port === undefined || look.git.trouble !== null || (!alone && (!options.push || !git.push))) return ok([]);
  if (!concerned && look.proposals.open.size === 0) return ok([]);
  const head = await ops.git.head();
  if (!head.ok) return head;
  if (head.value === null) return ok([]);
  if (!alone && head.value !== (await ops.git.remoteHead(git.remote, git.branch))) return ok([]);
  const listed = await port.list(git.remote);
  if (listed === 'away') return ok([]);
  const [desired, trail] = [
    await ops.desiredAt(head.value),
    await ops.trail(git.author.email, head.value, look.fleet.file),
  ];
  if (!desired.ok) return desired;
  if (!trail.ok) return trail;

  const entries = await port.read(git.remote, listed, git.author.email);
  const world = { ops, look, port, head: head.value, desired: desired.value, trail: trail.value, listed, entries };
  const known = await noteAnswers(world);
  const moves: (ProposalMove & { said: string })[] = [];
  for (const name of new Set([...look.situations.map((s) => s.instance.name), ...listed.keys()])) {
    if (options.only != null && !options.only.has(name)) continue;
    const wanted = await wantedOf(world, known, name);
    if (wanted === 'as-it-is') continue;
    const move = { name, expected: listed.get(name) ?? null };
    if (wanted.plan === null) {
      if (move.expected !== null) moves.push({ ...move, commit: null, said: wanted.why });
      continue;
    }
    const { files, message, at } = wanted.plan;
    const written = await port.write(
      head.value,
      { files, message, author: git.author, authorTs: at },
      {
        committer: { name: 'mmfleet', email: git.author.email },
        secrets: await secrets(),
        nowTs: at ?? ops.clock.nowMs() / 1000,
        signing: git.signing,
      },
    );
    if (!written.ok) return written;
    moves.push({ ...move, commit: written.value, said: message.split('\n')[0] ?? '' });
  }
  return moves.length === 0 ? ok([]) : pushed(world, moves);
}

type World = {
  ops: Ops;
  look: Look;
  port: ProposalPort;
  head: string;
  desired: Desired;
  trail: TrailEntry[];
  listed: ReadonlyMap<string, string>;
  /** Of the branches on the remote, by instance name. */
  entries: ReadonlyMap<string, TrailEntry>;
};

/** Remembers what people did since the last look: branches that vanished unmerged were declined. */
async function noteAnswers({ ops, look, port, head, listed, entries }: World): Promise<KnownProposals> {
  const known = look.proposals;
  const here = (name: string) => look.situations.find((s) => s.instance.name === name)?.view.here !== false;
  const gone = new Map<string, string | null>();
  const declined = new Map<string, string | null>();
  for (const [name, entry] of known.open) {
    if (listed.has(name) || !here(name)) continue;
    gone.set(name, null);
    if (!(await isMerged(ops, entry, head, look.desired))) declined.set(name, entry.commit);
  }
  const open = new Map([...entries].flatMap(([name, { commit }]) => (here(name) ? [[name, commit] as const] : [])));
  await port.remember('open', new Map<string, string | null>([...gone, ...open]));
  await port.remember('newest', open);
  await port.remember('declined', declined);
  return knownProposals(ops, look.fleet.git.author.email);
}

/** Also as a squash, which is another commit: then what it was to bring is there. */
async function isMerged(ops: Ops, entry: TrailEntry, head: string, desired: Desired): Promise<boolean> {
  if (await ops.git.isAncestor(entry.commit, head)) return true;
  if (entry.kind === 'park') {
    const until = trailer(entry.trailers, 'Until');
    return desired.holds.some((h) => h.kind === 'park' && h.instance === entry.instance && h.until === until);
  }
  const file = entry.files.find((f) => f.status === 'A')?.path;
  return file !== undefined && desired.files.has(file);
}

type Wanted = { plan: ChangePlan; why: null } | { plan: null; why: string };

async function wantedOf(world: World, known: KnownProposals, name: string): Promise<Wanted | 'as-it-is'> {
  const { look, ops, head, entries, listed } = world;
  const there = entries.get(name);
  if (listed.has(name) && there === undefined) return 'as-it-is'; // it cannot be read: not ours to judge
  const situation = look.situations.find((s) => s.instance.name === name);
  const planned = look.planned.find((p) => p.item.name === name);
  if (situation !== undefined && !situation.view.here) return 'as-it-is';
  if (there !== undefined && (await isMerged(ops, there, head, world.desired)))
    return { plan: null, why: 'merged; the branch is removed' };
  if (there !== undefined && !there.ours) return 'as-it-is'; // a person works on it
  const end = situation === undefined ? 'no spec declares it' : endOf(situation);
  if (end === 'as-it-is') return end;
  if (end !== null) return { plan: null, why: `withdrawn: ${end}` };
  const instance = world.desired.instances.find((i) => i.name === name);
  const decision = planned === undefined || situation === undefined ? null : wishOf(planned, situation);
  if (instance?.env == null) return 'as-it-is';
  if (decision === null) {
    const parent = there === undefined ? undefined : parseIter(trailer(there.trailers, 'Parent-Iter') ?? '');
    return parent === undefined || parent === instance.env.iter
      ? 'as-it-is'
      : { plan: null, why: `withdrawn: ${label(instance.env.iter)} is desired now` };
  }
  const plan = planOf(world, known, instance, decision, there);
  if (there !== undefined && sameProposal(there, plan) && !(await outdated(world, there, plan))) return 'as-it-is';
  const declined = known.declined.get(name);
  if (there === undefined && declined !== undefined && rests(world.trail, declined, plan, situation)) return 'as-it-is';
  return { plan, why: null };
}

/** Reasons under which the evidence is not there to look at: a proposal made from it stays. */
const BLIND: readonly PlanReason[] = ['cooldown', 'sample-floor', 'journal-stale', 'journal-gap', 'guard'];

/** Why a proposal has no place any more; null = it has. */
function endOf({ instance, view }: Situation): string | null | 'as-it-is' {
  const { spec } = instance;
  if (spec === null || view.invalid !== null || spec.suspend !== null || view.decision === null) return 'as-it-is';
  if (spec.autonomy !== 'propose') return `autonomy is ${spec.autonomy}`;
  if (spec.state !== 'Running') return `state is ${spec.state}`;
  if (view.decision.kind !== 'none' || BLIND.includes(view.decision.reason)) return null;
  return view.decision.message;
}

/** The commit the step would have been; the same env keeps its number, another one gets a number never seen. */
function planOf(
  { look, ops, desired, trail }: World,
  known: KnownProposals,
  instance: DesiredInstance,
  decision: Exclude<TuningDecision, { kind: 'none' | 'stop' }>,
  there: TrailEntry | undefined,
): ChangePlan {
  if (decision.kind === 'park') return parkChange(desired, instance, decision, look.observed.atMs);
  const newest = known.newest.get(instance.name);
  const journal = ops.journals.reference(instance.name);
  const seen = [newest, there].filter((e) => e !== undefined);
  const fresh = stepChange(desired, instance, [...trail, ...seen], decision, journal);
  const number = there === undefined ? null : parseIter(trailer(there.trailers, 'Iter') ?? '');
  if (there === undefined || number == null || !sameValues(there, fresh)) return fresh;
  return nextIter(instance, trail) > number ? fresh : stepChange(desired, instance, trail, decision, journal, number);
}

const MOVING = ['Iter', 'Journal', 'Until'];
const EVIDENCE = [...MOVING, 'Trigger', 'At', 'Proven', 'Spec', 'Fleet-Spec', 'Parks', 'Wait'];

const without = (entry: TrailEntry, keys: readonly string[]) =>
  JSON.stringify([entry.kind, entry.trailers.filter(({ key }) => !keys.includes(key))]);

/** Whether a proposal says what would be said now: a growing journal alone is no news. */
const sameProposal = (there: TrailEntry, plan: ChangePlan) =>
  without(there, MOVING) === without(entryOfPlan(plan), MOVING);

const sameValues = (there: TrailEntry, plan: ChangePlan) =>
  without(there, EVIDENCE) === without(entryOfPlan(plan), EVIDENCE);

/** A file it changes was changed on the branch since, or its time is over: merging it would not do what it says. */
async function outdated({ ops, desired, look }: World, there: TrailEntry, plan: ChangePlan): Promise<boolean> {
  const until = trailer(there.trailers, 'Until');
  if (until !== undefined && Date.parse(until) <= look.observed.atMs) return true;
  const parent = there.parents[0];
  for (const { path } of plan.files) {
    if (parent === undefined) return true;
    const before = await ops.git.fileAt(parent, path);
    if ((before ?? undefined) !== desired.files.get(path)?.text) return true;
  }
  return false;
}

/** A person said no to this step: it rests as long as a reverted one, or until a release. */
function rests(trail: TrailEntry[], declined: TrailEntry, plan: ChangePlan, situation: Situation | undefined): boolean {
  const { instance } = plan;
  const spec = situation?.instance.spec;
  const released = trail.some(
    (e) => e.kind === 'release' && e.instance === instance && e.committerTs > declined.committerTs,
  );
  if (spec == null || released || !sameValues(declined, plan)) return false;
  return (plan.at ?? declined.at) - declined.at < spec.tuning.forgetAfterMs / 1000;
}

async function pushed(world: World, moves: (ProposalMove & { said: string })[]): Promise<Result<string[]>> {
  const { port, look } = world;
  const { remote } = look.fleet.git;
  // Forgotten before they go: a branch that vanished by our own hand was not declined by anybody.
  await port.remember('open', new Map(moves.flatMap((m) => (m.commit === null ? [[m.name, null] as const] : []))));
  const after = await port.push(remote, moves);
  if (after === 'away') return ok([]);
  const done = moves.filter(({ name, commit }) => (after.get(name) ?? null) === commit);
  const made = new Map(done.flatMap(({ name, commit }) => (commit === null ? [] : [[name, commit] as const])));
  await port.remember('open', made);
  await port.remember('newest', made);
  await port.remember('declined', new Map(done.map(({ name }) => [name, null])));
  // A remote that refuses these branches costs the rest of the pass nothing: it is said, and tried again.
  const refused = moves.filter((m) => !done.includes(m) && (after.get(m.name) ?? null) === m.expected);
  const told = refused.map(
    ({ name }) => `${proposalBranch(name)}: refused by ${remote} (a hook or a protected branch)`,
  );
  return ok([...told, ...done.map(({ name, said }) => `${proposalBranch(name)}: ${said}`)]);
}

/** A plan as the trail would read it back. */
function entryOfPlan(plan: ChangePlan): TrailEntry {
  return entryOf(['', '', '', '', '0', '0', plan.message], '');
}
