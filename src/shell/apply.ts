/** The effects of a pass, in order: commits first (one push), then stops and starts, then their receipts and holds. */
import type { Receipt } from '../core/flat/types.ts';
import { type Effect, isAlarm, type Planned } from '../core/plan/plan.ts';
import { ok, type Problem, type Result } from '../core/problem.ts';
import { parseHolds } from '../core/trail/holds-file.ts';
import type { KnownSecret } from '../core/trail/secret-gate.ts';
import type { Hold, TrailEntry } from '../core/trail/types.ts';
import { utcMs } from '../core/trail/utc.ts';
import { describeBug } from './bug.ts';
import {
  type ChangePlan,
  convergeChange,
  holdChange,
  parkChange,
  rebaseChange,
  stepChange,
  verdictChange,
} from './changes.ts';
import { type ConvergeDeps, type ConvergeEffect, type ConvergeOutcome, converge } from './converge/instance.ts';
import { type Desired, type DesiredInstance, HOLDS_PATH, receiptsPath, type TreeFile } from './desired.ts';
import { observeOne } from './observe.ts';
import type { Ops } from './ops.ts';
import type { Look } from './pass.ts';
import { inPool } from './pool.ts';
import { knownProposals } from './proposal-view.ts';
import { syncProposals } from './proposals.ts';
import { withdrawals } from './withdrawn.ts';

export type ApplyOptions = {
  push: boolean;
  /** Nothing is committed. */
  local?: boolean;
  only?: ReadonlySet<string> | null;
  signal: AbortSignal;
  onPhase: ConvergeDeps['onPhase'];
};

export type Applied = {
  /** Subjects of the commits that landed, oldest first. */
  commits: string[];
  /** What was put on or taken from proposal branches, one line each. */
  proposals: string[];
  outcomes: ConvergeOutcome[];
  problems: Problem[];
};

/** Every secret value known so far, for the gate before a commit. */
export type SecretsOf = () => Promise<readonly KnownSecret[]>;

/** Makes one change against a tree; null = nothing to do any more on this head. */
export type Builder = (desired: Desired, trail: TrailEntry[]) => ChangePlan | null;

/** Acts on a plan. Problems are values; an instance that fails costs the others nothing. */
export async function apply(ops: Ops, look: Look, options: ApplyOptions): Promise<Applied> {
  const applied: Applied = { commits: [], proposals: [], outcomes: [], problems: [] };
  const met: KnownSecret[] = [];
  let cheap: Promise<KnownSecret[]> | null = null;
  // Read when something is about to be written: a quiet pass has nothing to look for.
  const secrets: SecretsOf = async () => {
    cheap ??= secretValues(ops, look);
    return [...(await cheap), ...met];
  };
  const land = async (builders: Builder[]) => {
    if (options.local === true) return false;
    // Nothing new, but commits of an earlier pass may still wait for the remote.
    if (builders.length === 0 && (look.git.published || look.git.trouble !== null)) return true;
    const landed = await publishChanges(ops, look, builders, await secrets(), options);
    if (landed.ok) applied.commits.push(...landed.value);
    else applied.problems.push(landed.problem);
    return landed.ok;
  };
  const held = localHolds(look);
  const landed = await land([...commitBuilders(ops, look), ...held.map(holdBuilder)]);
  if (landed) for (const { instance } of held) await ops.local.clearHold(instance);

  const proposed = landed && look.refused === null ? await syncProposals(ops, look, secrets, options) : ok([]);
  if (proposed.ok) applied.proposals = proposed.value;
  else applied.problems.push(proposed.problem);

  // What could not be committed adds no risk either: alarms still stop, and nothing is started.
  const wanted = landed ? look.planned : look.planned.flatMap((p) => stopForAlarm(look, p));
  const work = wanted.filter(
    (p): p is Planned & { effect: ConvergeEffect } => p.effect !== null && isConverge(p.effect),
  );
  const deps: ConvergeDeps = {
    ops,
    fleetName: look.fleet.name,
    revision: look.desired.revision ?? '',
    passStartedAtMs: look.observed.atMs,
    signal: options.signal,
    onPhase: options.onPhase,
    onSecrets: (read) => met.push(...read),
    withdrawn: withdrawals(ops, look),
  };
  applied.outcomes = await inPool(look.fleet.guards.maxConcurrentChanges, work, (p) =>
    convergeSafely(deps, look, p.item.name, p.effect),
  );
  // Receipts and holds are written down also when the pass was interrupted: they only record what is already true.
  const records = await recordBuilders(ops, look, applied.outcomes);
  if (records.length > 0) await land(records);
  return applied;
}

/** What remains of a plan when its commits did not land: stops, and a stop for each live instance under an alarm. */
function stopForAlarm(look: Look, planned: Planned): Planned[] {
  const { effect } = planned;
  if (effect?.do === 'stop' || effect?.do === 'prove') return [planned];
  const live = look.observed.byName.get(planned.item.name)?.copies;
  if (effect?.do !== 'commit-decision' || !isAlarm(effect.decision) || !live?.known || live.value.length === 0)
    return [];
  return [{ ...planned, effect: { do: 'stop', cause: 'git-away', hold: null } }];
}

const isConverge = (effect: Effect): effect is ConvergeEffect =>
  ['start', 'restart', 'stop', 'prove'].includes(effect.do);

async function convergeSafely(
  deps: ConvergeDeps,
  look: Look,
  name: string,
  effect: ConvergeEffect,
): Promise<ConvergeOutcome> {
  const situation = look.situations.find((s) => s.instance.name === name);
  if (situation === undefined) throw new Error(`${name} is not in the plan`);
  try {
    return await converge(deps, situation.instance, situation.observed, effect);
  } catch (error) {
    // A bug met on one instance costs the others nothing: their steps go on and are written down.
    return { name, standing: 'failed', reason: 'unknown-process', message: describeBug(error).trimEnd(), hold: null };
  }
}

const KIND_ORDER = ['tune', 'recover', 'undo', 'park', 'rebase', 'verdict', 'hold'];

/** Commits that a plan asks for before anything is stopped: steps first, then holds. */
function commitBuilders(ops: Ops, look: Look): Builder[] {
  const nowMs = look.observed.atMs;
  const wanted = look.planned
    .filter((p) => p.effect !== null)
    .sort((a, b) => KIND_ORDER.indexOf(a.item.action) - KIND_ORDER.indexOf(b.item.action));
  const builders = wanted.flatMap(({ item, effect }): Builder[] => {
    const at = journalTs(ops, look, item.name);
    switch (effect?.do) {
      case 'commit-decision': {
        const { decision } = effect;
        // A change ends the time of the iteration before it: what is known of that one is written down with it.
        const verdict = look.situations.find((s) => s.instance.name === item.name)?.view.verdict ?? null;
        const judged: Builder[] =
          verdict === null
            ? []
            : [(desired) => withInstance(desired, item.name, (i) => verdictChange(desired, i, verdict, at))];
        const change: Builder = (desired, trail) =>
          withInstance(desired, item.name, (i) => {
            if (decision.kind === 'park') return parkChange(desired, i, decision, nowMs);
            if (!stillStands(desired, look.desired, item.name)) return null;
            return stepChange(desired, i, trail, decision, ops.journals.reference(item.name));
          });
        return [change, ...judged];
      }
      case 'commit-rebase':
        return [
          (desired, trail) =>
            withInstance(desired, item.name, (i) =>
              stillStands(desired, look.desired, item.name) ? rebaseChange(i, trail, effect.changes, at) : null,
            ),
        ];
      case 'commit-verdict':
        return [(desired) => withInstance(desired, item.name, (i) => verdictChange(desired, i, effect.verdict, at))];
      case 'latch':
        return [
          (desired) =>
            desired.holds.some((h) => h.instance === item.name && h.kind === 'hold')
              ? null
              : holdChange(desired, item.name, effect.message, at, nowMs, failedLines(look, item.name)),
        ];
      default:
        return [];
    }
  });
  return [...builders, ...leftoverReceipts(ops, look)];
}

/** Holds that a person asked for while nothing could be committed; nor can they be on a head that is not in order. */
function localHolds(look: Look): Hold[] {
  if (look.refused !== null) return [];
  return look.situations.flatMap(({ observed: { localHold } }) => (localHold === null ? [] : [localHold]));
}

/** A hold of this clone as a commit; where git has a hold already, that one stays as it is. */
export const holdBuilder =
  ({ instance, reason, since }: Hold): Builder =>
  (desired) =>
    desired.holds.some((h) => h.instance === instance && h.kind === 'hold')
      ? null
      : holdChange(desired, instance, reason, null, utcMs(since), []);

/** Lines of proofs that failed and whose hold was never committed. */
function failedLines(look: Look, name: string): string[] {
  const uncommitted = look.observed.byName.get(name)?.uncommitted ?? [];
  return uncommitted.filter((u) => !isProved(u)).map((u) => u.line);
}

/** Flat receipts of an earlier pass that were never committed; a proof that failed is taken again instead. */
function leftoverReceipts(ops: Ops, look: Look): Builder[] {
  return look.situations.flatMap(({ instance, observed }) =>
    (isLogEdited(look, instance.name) ? [] : observed.uncommitted.filter(isProved)).map(
      ({ line, receipt }): Builder =>
        (desired) =>
          tracked(desired, instance.name, line)
            ? null
            : convergeChange(desired, instance.name, line, receipt, journalTs(ops, look, instance.name)),
    ),
  );
}

/** An edit of its tracked log that nobody committed stands in the way of its own receipts, which wait, and of no other commit. */
const isLogEdited = ({ git }: Look, name: string): boolean => git.dirty.has(receiptsPath(name));

const isProved = ({ receipt }: { receipt: Receipt }) => receipt.verdict === 'FLAT' || receipt.verdict === 'DUST';

/** After converging: each new receipt is a `converge` commit; what could not be proved latches a `hold` with its receipt. */
async function recordBuilders(ops: Ops, look: Look, outcomes: ConvergeOutcome[]): Promise<Builder[]> {
  const builders: Builder[] = [];
  for (const outcome of outcomes) {
    const instance = look.desired.instances.find((i) => i.name === outcome.name);
    if (instance === undefined) continue;
    const all = { known: true as const, value: [], asOfMs: 0 };
    const found = await observeOne(ops, look.desired, instance, all);
    const uncommitted = isLogEdited(look, outcome.name) ? [] : found.uncommitted;
    const at = journalTs(ops, look, outcome.name);
    const proved = uncommitted.filter(isProved);
    const unproved = uncommitted.filter((u) => !proved.includes(u)).map((u) => u.line);
    for (const { line, receipt } of proved)
      builders.push((desired) =>
        tracked(desired, outcome.name, line)
          ? null
          : convergeChange(desired, outcome.name, line, receipt, at, outcome.standing !== 'failed'),
      );
    const { hold } = outcome;
    if (hold !== null)
      builders.push((desired) => holdChange(desired, outcome.name, hold, at, ops.clock.nowMs(), unproved));
  }
  return builders;
}

const tracked = (desired: Desired, name: string, line: string) =>
  desired.files.get(`fleet/receipts/${name}.jsonl`)?.text.split('\n').includes(line) === true;

/** Whether the env, its base and the specs on this head are those a change was decided on; else the next pass decides anew. */
export function stillStands(now: Desired, then: Desired, name: string): boolean {
  const facts = ({ instances, fleetBlob }: Desired) => {
    const instance = instances.find((i) => i.name === name);
    const { path, text, baseBlob } = instance?.env ?? {};
    return [path, text, baseBlob, instance?.specBlob, fleetBlob];
  };
  const before = facts(then);
  return facts(now).every((fact, i) => fact === before[i]);
}

function withInstance(
  desired: Desired,
  name: string,
  change: (instance: DesiredInstance) => ChangePlan | null,
): ChangePlan | null {
  const instance = desired.instances.find((i) => i.name === name);
  return instance === undefined || instance.env === null ? null : change(instance);
}

/** The newest journal time of an instance, Unix seconds; null without a journal. */
function journalTs(ops: Ops, look: Look, name: string): number | null {
  const instance = look.desired.instances.find((i) => i.name === name);
  const view = instance === undefined || instance.spec === null ? null : ops.journals.look(instance);
  return view?.state === 'ok' ? view.run.now : null;
}

/** Builds the changes on the current head, one after the other, commits and pushes them; on a race, again on the new head. */
export async function publishChanges(
  ops: Ops,
  look: Pick<Look, 'fleet' | 'trail'>,
  builders: Builder[],
  secrets: readonly KnownSecret[],
  options: { push: boolean; author?: { name: string; email: string } },
): Promise<Result<string[]>> {
  const { git } = look.fleet;
  const tip = look.trail[0];
  const result = await ops.git.publish({
    ...(tip === undefined ? {} : { tip }),
    remote: git.remote,
    branch: git.branch,
    push: options.push && git.push,
    author: options.author ?? git.author,
    committer: git.author,
    secrets,
    signing: git.signing,
    clock: ops.clock,
    build: async (head) => {
      const trusted = await ops.trusted?.(head);
      if (trusted?.ok === false) return trusted;
      if (trusted !== undefined && trusted.value.refused !== null) return { ok: false, problem: trusted.value.refused };
      const desired = await ops.desiredAt(head);
      if (!desired.ok) return desired;
      // Writing a new list over one that cannot be read would lift holds that nobody lifted.
      const unreadable = desired.value.problems.find((p) => p.code === 'holds-invalid');
      if (unreadable !== undefined && builders.length > 0) return { ok: false, problem: unreadable };
      const trail = await ops.trail(git.author.email, head, look.fleet.file);
      if (!trail.ok) return trail;
      // Numbers on proposal branches are taken, merged or not.
      const { newest } = await knownProposals(ops, git.author.email);
      const plans = buildAll(desired.value, [...trail.value, ...newest.values()], builders);
      return ok(plans.map((plan) => ({ ...plan, atWallTime: options.author !== undefined || touchesHolds(plan) })));
    },
  });
  return result;
}

/** Holds and parks begin and end by wall time: when they were written down counts, not only what the journal said then. */
const touchesHolds = (plan: ChangePlan) => plan.files.some((f) => f.path === HOLDS_PATH);

/** Each change sees the files of those before it, so that two holds of one pass both stay. */
export function buildAll(desired: Desired, trail: TrailEntry[], builders: Builder[]): ChangePlan[] {
  const plans: ChangePlan[] = [];
  let current = desired;
  for (const build of builders) {
    const plan = build(current, trail);
    if (plan === null || plan.files.every((f) => current.files.get(f.path)?.text === f.text)) continue;
    plans.push(plan);
    current = withFiles(current, plan.files);
  }
  return plans;
}

function withFiles(desired: Desired, changed: ChangePlan['files']): Desired {
  const files = new Map<string, TreeFile>(desired.files);
  for (const { path, text } of changed) {
    if (text === null) files.delete(path);
    else files.set(path, { path, text, blob: '' });
  }
  return { ...desired, files, holds: parseHolds(files.get(HOLDS_PATH)?.text ?? '', HOLDS_PATH).holds };
}

/** Values the gate looks for before every commit: what files and variables give now, and what starts of this pass read. */
export async function secretValues(ops: Ops, look: Pick<Look, 'desired'>): Promise<KnownSecret[]> {
  const values: KnownSecret[] = [];
  const sources = look.desired.instances.map(({ spec }) => spec?.secrets.filter((s) => s.kind !== 'command') ?? []);
  // Most instances name the same ones.
  for (const cheap of new Map(sources.map((each) => [JSON.stringify(each), each])).values()) {
    const read = await ops.secrets.read(cheap);
    if (read.ok) values.push(...Object.entries(read.value).map(([key, value]) => ({ key, value })));
  }
  return values;
}
