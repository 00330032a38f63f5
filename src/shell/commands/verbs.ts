/** Verbs that act on named instances: a wish becomes a commit, then those instances are converged. */

import { gitUser } from '../../adapters/git-user.ts';
import { NO_RESTARTS } from '../../core/flat/backoff.ts';
import type { Planned } from '../../core/plan/plan.ts';
import type { PlanItem, PlanReason } from '../../core/plan/types.ts';
import type { Problem, Result } from '../../core/problem.ts';
import { editScalar } from '../../core/spec/edit.ts';
import { parseSpecs } from '../../core/spec/parse.ts';
import { BY_HAND, byHand } from '../../core/trail/by-hand.ts';
import { commitMessage } from '../../core/trail/message.ts';
import type { WishStory } from '../../core/trail/stories.ts';
import { parseDuration } from '../../core/trail/text.ts';
import { isUtc, utcMs } from '../../core/trail/utc.ts';
import { type Builder, holdBuilder, publishChanges, secretValues } from '../apply.ts';
import { holdChange, releaseChange } from '../changes.ts';
import { type Desired, type DesiredInstance, isSpecPath } from '../desired.ts';
import { combineExit, EXIT } from '../exit.ts';
import { painter } from '../io.ts';
import { type Ops, openOps } from '../ops.ts';
import { type Look, look } from '../pass.ts';
import { reconcileOnce, withLock } from '../reconcile.ts';
import { planLine, planTable } from '../render/plan.ts';
import { exitUncommitted, goesOn, holdHere, isCommitted, saidOf } from '../uncommitted.ts';
import { deadline, phasePrinter, printJson, printProblems, refuse, select, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

export type Verb = 'start' | 'stop' | 'restart' | 'suspend' | 'resume' | 'flatten' | 'release';

/** Commits the wish for every named instance, then converges them. Fails if one of them fails. */
export async function runVerb(verb: Verb, names: string[], options: CommonOptions): Promise<number> {
  const { io } = options;
  const timeoutMs = parseDuration(options.timeout ?? '10m');
  if (timeoutMs === undefined)
    return usage(io, `--timeout: found "${options.timeout}", want a duration such as 90s or 10m`);
  if (options.until !== undefined && !isUtc(options.until))
    return usage(io, `--until: found "${options.until}", want ISO 8601 UTC such as 2026-12-01T06:00:00Z`);
  if (options.reason?.trim() === '') return usage(io, '--reason: found nothing, want a sentence for the trail');
  const opened = await openOps(options.C, { host: options.host });
  if (!opened.ok) return refuse(options, 'Reconcile', opened.problem);
  const ops = opened.value;
  if (options.until !== undefined && utcMs(options.until) <= ops.clock.nowMs())
    return usage(io, `--until: ${options.until} is over, nothing would be suspended`);
  const only = await select(ops, names, io);
  if (only === 'bad') return EXIT.usage;
  const stop = deadline(timeoutMs);
  const wished = await withLock(ops, { lockTimeoutMs: timeoutMs, signal: stop.signal }, () =>
    commitWish(ops, verb, only, options),
  );
  if (!wished.ok) {
    stop.clear();
    return refuse(options, 'Reconcile', wished.problem);
  }
  const { uncommitted, unwritten } = wished.value;
  for (const subject of wished.value.commits) io.err(`${subject}\n`);
  if (uncommitted !== null) io.err(saidOf(uncommitted));
  if (options.json !== true) printProblems(io, unwritten);
  const local = uncommitted !== null && !isCommitted(uncommitted);
  if (verb === 'release') for (const name of wished.value.names) await ops.local.writeRestarts(name, NO_RESTARTS);
  const selected = new Set(wished.value.names);
  const report = await reconcileOnce(ops, {
    only: selected,
    tune: false,
    push: true,
    local,
    signal: stop.signal,
    lockTimeoutMs: timeoutMs,
    force: verb === 'restart' || verb === 'flatten' || (verb === 'stop' && local) ? verb : null,
    onPhase: phasePrinter(io),
  });
  stop.clear();
  const mine = report.last?.planned.filter((p) => selected.has(p.item.name)) ?? [];
  const waiting = mine.filter((p) => waits(verb, p, report.last, only !== null));
  for (const { item } of waiting) io.err(`${item.name}: ${verb} waits, ${item.message}\n${hintOf(verb, item)}`);
  const exit =
    stop.exit() ??
    combineExit([
      ...(waiting.length === 0 ? [] : [EXIT.held]),
      ...(unwritten.length === 0 ? [] : [EXIT.failed]),
      report.exit === EXIT.held && expectsHold(verb, mine) ? EXIT.ok : report.exit,
      ...(uncommitted === null ? [] : [exitUncommitted(uncommitted)]),
    ]);
  const commits = [...wished.value.commits, ...report.passes.flatMap((p) => p.applied.commits)];
  if (options.json === true) {
    printJson(
      io,
      'Reconcile',
      report.last,
      mine.map((p) => p.item),
      [...(uncommitted === null ? [] : [uncommitted]), ...unwritten, ...report.problems],
      { verb, commits, exit },
    );
    return exit;
  }
  printProblems(io, report.problems);
  for (const o of report.passes.flatMap((p) => p.applied.outcomes)) io.out(`${o.name}: ${o.message}\n`);
  io.out(`${planTable(mine, painter(io.color)).split('\n').slice(0, -1).join('\n')}\n${planLine(mine)}\n`);
  return exit;
}

/** `flatten` leaves its instances held: that is what was asked for. */
const expectsHold = (verb: Verb, mine: Look['planned']) =>
  verb === 'flatten' && mine.every((p) => p.item.reason === 'held' && p.item.message.startsWith(BY_HAND.flatten));

/** Whether the asked-for state is not true because another wish stands before it, though nothing failed. */
function waits(verb: Verb, { item }: Planned, last: Look | null, named: boolean): boolean {
  const copies = last?.observed.byName.get(item.name)?.copies;
  const runs = copies?.known === true && copies.value.length > 0;
  if (verb === 'stop') return item.reason === 'suspended' && runs;
  if (verb === 'start') return (item.reason === 'suspended' || item.reason === 'parked') && !runs;
  if (verb === 'resume') return item.reason === 'suspended';
  if (verb !== 'restart') return false;
  // Of a whole fleet, what is declared to be down is not meant.
  return item.reason === 'suspended' || (named && ['parked', 'state-stopped', 'retired'].includes(item.reason));
}

function hintOf(verb: Verb, { name, reason }: PlanItem): string {
  if (verb === 'resume') return "  hint: spec.defaults of the fleet's file suspends it\n";
  const way: Partial<Record<PlanReason, string>> = { suspended: 'resume', parked: 'release', 'state-stopped': 'start' };
  const out = way[reason];
  return out === undefined ? '' : `  hint: mmfleet ${out} ${name} --reason "..."\n`;
}

/**
 * `uncommitted`: why the wish is not in git where everybody sees it, although it is carried out; null: it is. `unwritten`: why
 * some could not be told to stop, while the others are.
 */
type Wished = { names: string[]; commits: string[]; uncommitted: Problem | null; unwritten: Problem[] };

async function commitWish(
  ops: Ops,
  verb: Verb,
  only: ReadonlySet<string> | null,
  options: CommonOptions,
): Promise<{ ok: true; value: Wished } | { ok: false; problem: Problem }> {
  const ask = { only, tune: false, push: true };
  const synced = await look(ops, { ...ask, fetch: true });
  const stops = verb === 'stop' || verb === 'flatten';
  const seen =
    synced.ok || !stops || !goesOn(synced.problem) ? synced : await look(ops, { ...ask, fetch: false, local: true });
  if (!seen.ok) return seen;
  const asked = seen.value.desired.instances.filter((i) => only === null || only.has(i.name));
  // Nobody is stopped from another host, and a hold alone would leave it trading with nothing that looks after it.
  const away = verb === 'flatten' || verb === 'restart' ? asked.filter((i) => isElsewhere(seen.value, i)) : [];
  const missed = only === null ? [] : away.map((i) => elsewhere(verb, i, ops.host));
  const [lost] = missed;
  if (lost !== undefined && away.length === asked.length) return { ok: false, problem: lost };
  const chosen = asked.filter((i) => !away.includes(i));
  const names = chosen.map((i) => i.name);
  if (verb === 'restart') return { ok: true, value: { names, commits: [], uncommitted: null, unwritten: missed } };
  // A hold of this clone alone is written down before it is lifted: the trail tells of both.
  const localHolds = chosen.flatMap(({ name }) => seen.value.observed.byName.get(name)?.localHold ?? []);
  const wishes = chosen.map(
    (instance): Builder =>
      (desired) => {
        const reason = options.reason ?? '';
        const at = journalTs(ops, instance);
        if (verb === 'release')
          return releaseChange(
            desired,
            instance.name,
            reason,
            at,
            blocked(seen.value, instance) ? ops.clock.nowMs() : null,
          );
        if (verb === 'flatten')
          return holdChange(desired, instance.name, byHand(verb, reason), at, ops.clock.nowMs(), []);
        const current = desired.instances.find((i) => i.name === instance.name) ?? instance;
        const text = desired.files.get(current.file)?.text ?? '';
        const edited = editWish(text, verb, instance.name, reason, options.until ?? null);
        if (!edited.ok || edited.value === text) return null;
        const story: WishStory = {
          kind: verb,
          instance: instance.name,
          at,
          why: [],
          reason,
          until: verb === 'suspend' ? (options.until ?? null) : null,
        };
        return {
          instance: instance.name,
          files: [{ path: current.file, text: edited.value }],
          message: commitMessage(story),
          at,
        };
      },
  );
  const unwritten = isWish(verb) ? refusedEdits(seen.value.desired, chosen, verb, options) : [];
  // All or none, but for a stop: one file that cannot be written must not keep all the others trading.
  const [first] = unwritten;
  if (first !== undefined && (verb !== 'stop' || unwritten.length === chosen.length))
    return { ok: false, problem: first };
  const builders = verb === 'release' ? [...localHolds.map(holdBuilder), ...wishes] : wishes;
  const author = await gitUser(ops.repo);
  const landed = synced.ok
    ? await publishChanges(ops, seen.value, builders, await secretValues(ops, seen.value), {
        push: true,
        ...(author === null ? {} : { author }),
      })
    : synced;
  if (landed.ok) {
    if (verb === 'release') for (const name of names) await ops.local.clearHold(name);
    return {
      ok: true,
      value: { names, commits: landed.value, uncommitted: null, unwritten: [...missed, ...unwritten] },
    };
  }
  if (!stops || !goesOn(landed.problem)) return landed;
  if (!isCommitted(landed.problem)) await holdHere(ops, seen.value, names, byHand(verb, options.reason ?? ''));
  return { ok: true, value: { names, commits: [], uncommitted: landed.problem, unwritten: [...missed, ...unwritten] } };
}

const isElsewhere = (seen: Look, { name }: DesiredInstance) =>
  seen.situations.find((s) => s.instance.name === name)?.view.here === false;

function elsewhere(verb: Verb, { name, spec }: DesiredInstance, host: string): Problem {
  return {
    code: 'verb-elsewhere',
    message: `${name} runs on ${spec?.host}, and this is ${host}: nothing was done to it`,
    hint: `mmfleet ${verb} ${name} there (or with --host ${spec?.host}, if this is that host); mmfleet stop ${name} is carried out by the mmfleet there`,
    instance: name,
  };
}

/** Whether only a release brings tuning back: an incomplete memory, or steps that a person took back or declined. */
function blocked(seen: Look, instance: DesiredInstance): boolean {
  if (seen.proposals.declined.has(instance.name)) return true;
  const memory = seen.situations.find((s) => s.instance.name === instance.name)?.memory ?? null;
  return memory !== null && (!memory.complete || memory.forgotten.length > 0);
}

function journalTs(ops: Ops, instance: DesiredInstance): number | null {
  const view = instance.spec === null ? null : ops.journals.look(instance);
  return view?.state === 'ok' ? view.run.now : null;
}

type Wish = 'start' | 'stop' | 'suspend' | 'resume';

const isWish = (verb: Verb): verb is Wish => ['start', 'stop', 'suspend', 'resume'].includes(verb);

/** Edits that cannot be made, and those that would leave a spec nobody can use: a wish must not hold what it is about. */
function refusedEdits(
  desired: Desired,
  chosen: readonly DesiredInstance[],
  verb: Wish,
  { reason = '', until = null }: { reason?: string; until?: string | null },
): Problem[] {
  const edited = new Map<string, string>();
  const unwritten = chosen.flatMap(({ name, file, spec }): Problem[] => {
    const text = edited.get(file) ?? desired.files.get(file)?.text ?? '';
    const edit = editWish(text, verb, name, reason, until);
    if (edit.ok) edited.set(file, edit.value);
    if (edit.ok) return [];
    const ends = verb === 'stop' && spec !== null ? { hint: `mmfleet flatten ${name} stops it without this file` } : {};
    return [{ ...edit.problem, ...ends, instance: name, file }];
  });
  const specs = [...desired.files.values()].filter(({ path }) => isSpecPath(path));
  const { invalid } = parseSpecs(specs.map(({ path, text }) => ({ path, text: edited.get(path) ?? text })));
  const usable = new Set(chosen.flatMap(({ name, spec }) => (spec === null ? [] : [name])));
  const spoilt = invalid.filter(({ name }) => usable.has(name));
  return [...unwritten, ...spoilt.flatMap(({ problems }) => problems.slice(0, 1))];
}

function editWish(text: string, verb: Wish, name: string, reason: string, until: string | null): Result<string> {
  const path = verb === 'start' || verb === 'stop' ? ['spec', 'state'] : ['spec', 'suspend'];
  const value =
    verb === 'start'
      ? 'Running'
      : verb === 'stop'
        ? 'Stopped'
        : verb === 'resume'
          ? null
          : { reason, ...(until === null ? {} : { until }) };
  return editScalar(text, path, value, name);
}
