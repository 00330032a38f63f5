/** What is decided about an instance, once for the same memory and the same bytes of its journal, also between commands. */
import { parseIterName } from '../core/env/iter.ts';
import { type Decided, type DecideInput, decide } from '../core/tuning/decide.ts';
import type { TuningMemory } from '../core/tuning/types.ts';
import { type Desired, type DesiredInstance, desiredDigest, valuesOf } from './desired.ts';
import { envFileOf } from './journals.ts';
import { endedRuns, type ObservedInstance } from './observe.ts';
import type { Context, Situation } from './views.ts';

/** The decision as it stands: an earlier one where nothing that has a say is another now. */
export function decisionOf(
  context: Context,
  instance: DesiredInstance,
  observed: ObservedInstance,
  memory: TuningMemory,
): Decided {
  const before = decidedBefore(context, instance, observed, memory);
  return before ?? decideOnce(context, instance, inputOf(context, instance, observed, memory));
}

/** What an instance's decision is made from. */
export function inputOf(
  context: Pick<Context, 'desired' | 'nowMs' | 'edgesOf'>,
  instance: DesiredInstance,
  observed: ObservedInstance,
  memory: TuningMemory,
): DecideInput {
  const { spec, env } = instance;
  if (spec === null || env === null) throw new Error(`${instance.name} has a memory and no spec`);
  const { journal } = observed;
  const unjudged = memory.unjudged.find((u) => u.iter === env.iter);
  const run = journal.state === 'ok' && isCurrentRun(instance, observed) ? journal.run : null;
  const dataAgeMs = dataAgeOf(context, journal);
  return {
    memory,
    // Another one than was looked at began just now: of that one nothing else is known.
    run: journal.state === 'ok' && run?.runId === journal.runId ? run : null,
    policy: { health: spec.health, tuning: spec.tuning },
    values: env.values,
    baseValues: env.baseValues,
    iter: env.iter,
    iterValues: (iter) => valuesOf(context.desired, env, iter),
    dataAgeMs,
    before: unjudged === undefined ? null : context.edgesOf(instance, unjudged.against),
  };
}

/** Wall time since the journal's last byte, ms; null = unknown. */
function dataAgeOf(context: Pick<Context, 'nowMs'>, journal: ObservedInstance['journal']): number | null {
  return journal.state === 'ok' ? Math.max(0, context.nowMs - journal.lastByteAtMs) : null;
}

/** What an earlier command decided, where nothing that has a say is another now; null: it has to be decided. */
function decidedBefore(
  context: Context,
  instance: DesiredInstance,
  observed: ObservedInstance,
  memory: TuningMemory,
): Decided | null {
  const { journal } = observed;
  if (journal.state !== 'ok' || journal.glance === undefined || journal.decided === undefined) return null;
  const { of, decided } = journal.decided;
  if (of !== context.gitOf || !isOfRunAlone(instance, memory) || !isCurrentRun(instance, observed)) return null;
  const maxMs = instance.spec?.health.limits.dataAge.maxMs ?? null;
  // A run that has written its end has no age.
  const aged = !journal.glance.ended && maxMs !== null && (dataAgeOf(context, journal) ?? 0) > maxMs;
  return aged ? null : decided;
}

/** A decision that another command may take over; null: it rests on more than git and the newest run's bytes. */
export function lastingDecision(situation: Situation | undefined): Decided | null {
  if (situation === undefined || situation.memory === null || situation.decided === null) return null;
  const { instance, observed, memory, decided } = situation;
  if (!isOfRunAlone(instance, memory) || !isCurrentRun(instance, observed)) return null;
  return decided.health === 'stale' ? null : decided;
}

/** Whether no other run is compared with the one that runs. */
function isOfRunAlone({ env }: DesiredInstance, memory: TuningMemory): boolean {
  return memory.unjudged.every(({ iter }) => iter !== env?.iter);
}

/** Decides again only when something came that has a say. What is kept must not hold on to the look it was made in. */
function decideOnce(context: Context, instance: DesiredInstance, input: DecideInput): Decided {
  const { memory, run } = input;
  const from = run === null ? null : (context.foldedFrom?.(instance) ?? null);
  const { maxMs } = input.policy.health.limits.dataAge;
  const dataAgeMs = input.dataAgeMs ?? 0;
  // Wall time has a say only through the age of the data: while that is in its limit, and nothing new came, nothing changes.
  if (from === null || (maxMs !== null && dataAgeMs > maxMs)) return decide(input);
  const basis = [memory, run, from, idOf(context.desired.files), input.before];
  const known = decisions.get(instance);
  if (known?.basis.every((each, i) => each === basis[i])) return known.decided;
  const decided = decide(input);
  decisions.set(instance, { basis, decided });
  return decided;
}

const ids = new WeakMap<object, number>();
let lastId = 0;

/** A number for each tree, which can be remembered without it. */
function idOf(files: Desired['files']): number {
  let id = ids.get(files);
  if (id === undefined) {
    lastId += 1;
    id = lastId;
    ids.set(files, id);
  }
  return id;
}

const decisions = new WeakMap<DesiredInstance, { basis: unknown[]; decided: Decided }>();

/**
 * Whether the newest journal run belongs to the desired env: no decision is taken from another iteration's fills. The one
 * before it counts while it runs the very same values: a comment in the base env makes a new iter and restarts nothing.
 */
export function isCurrentRun(instance: DesiredInstance, observed: ObservedInstance): boolean {
  const { journal, copies, receipts, secretNames } = observed;
  if (journal.state !== 'ok' || instance.env === null) return false;
  const live = copies.known && copies.value.length === 1;
  if (live && endedRuns(receipts).has(journal.runId)) return false; // the new process has written nothing yet
  const name = envFileOf(journal)?.split('/').at(-1);
  if (name === undefined || name === instance.env.path.split('/').at(-1)) return true;
  const copy = copies.known ? copies.value[0] : undefined;
  if (!live || copy === undefined || !secretNames.ok) return false;
  return copy.digest === digestOf(instance, secretNames.names) && iterOfPath(name, instance.env.basePath) === copy.iter;
}

const digests = new WeakMap<DesiredInstance, { names: string; digest: string | null }>();

/** A hash of everything that is declared: made once for a declaration and the names of its secrets. */
export function digestOf(instance: DesiredInstance, secretNames: readonly string[]): string | null {
  const names = secretNames.join('\n');
  const known = digests.get(instance);
  if (known?.names === names) return known.digest;
  const digest = desiredDigest(instance, secretNames);
  digests.set(instance, { names, digest });
  return digest;
}

/** Iter number a process or journal names by its env file; undefined when it names none of ours. */
export function iterOfPath(path: string, basePath: string): number | null | undefined {
  const name = path.split('/').at(-1) ?? '';
  const base = basePath.split('/').at(-1) ?? '';
  if (name === base) return null;
  const parsed = parseIterName(name);
  return parsed !== null && parsed.basePath === base ? parsed.iter : undefined;
}
