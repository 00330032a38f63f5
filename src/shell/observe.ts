/** Observed state: processes, journals, stop intents, receipts. Every read may be unknown; none passes for zero. */
import { isAbsolute, join, relative, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StopIntent } from '../adapters/intents.ts';
import { NO_RESTARTS, type RestartState } from '../core/flat/backoff.ts';
import type { Receipt } from '../core/flat/types.ts';
import type { Where } from '../core/flat/where.ts';
import { STAYS_DOWN } from '../core/plan/types.ts';
import type { ProcessCopy } from '../core/ports.ts';
import { type Known, known, type Problem } from '../core/problem.ts';
import { parseReceipts } from '../core/trail/receipts.ts';
import type { Hold } from '../core/trail/types.ts';
import { type Desired, type DesiredInstance, receiptsPath } from './desired.ts';
import { envFileOf, type JournalView } from './journals.ts';
import type { Present } from './local-state.ts';
import type { Ops } from './ops.ts';
import { inPool } from './pool.ts';

/** What passes ask of receipts that are tracked. */
export type PastReceipt = Pick<
  Receipt,
  keyof Where | 'runId' | 'cause' | 'verdict' | 'rule' | 'sizeBase' | 'costUsd' | 'provedAt'
> & {
  orders: { clientId: string }[];
};

export type ObservedInstance = {
  copies: Known<ProcessCopy[]>;
  intent: Known<StopIntent | null>;
  /** A hold that could not be committed when a person asked for it; null = none. */
  localHold: Hold | null;
  journal: JournalView;
  /** The newest run was started by mmfleet for this instance: its env file is one that we materialised. */
  ownRun(): boolean;
  /** Tracked lines and those of `.mmfleet` that are not tracked yet, oldest proof first. */
  receipts: PastReceipt[];
  /** Lines not committed yet, oldest first. */
  uncommitted: { line: string; receipt: Receipt }[];
  restarts: RestartState;
  /** Names of the secret keys; a problem when a source cannot be used. */
  secretNames: { ok: true; names: string[] } | { ok: false; problem: Problem };
};

export type Observed = {
  atMs: number;
  byName: ReadonlyMap<string, ObservedInstance>;
  /** Live copies of instances that no spec declares any more: reported, never touched. */
  orphans: ProcessCopy[];
};

/** Status commands of the operator's own runtimes that run at once. */
const STATUS_COMMANDS = 32;

const INSTANCES_A_TURN = 64;

/** One look at everything outside git. `before`: an earlier look at the same revision, since when nothing was written to local state. */
export function observe(ops: Ops, desired: Desired, before: Observed | null = null): Promise<Observed> {
  const look = () => observeAll(ops, desired, before);
  return ops.journals.together?.(look) ?? look();
}

async function observeAll(ops: Ops, desired: Desired, before: Observed | null): Promise<Observed> {
  const atMs = ops.clock.nowMs();
  const all: Known<ProcessCopy[]> =
    desired.fleet === null ? known([], atMs) : await ops.processes(desired.fleet.name).list();
  const ours = all.known ? byInstance(all.value) : null;
  // Side by side: an operator's status command that hangs until its time-out keeps nobody waiting behind it.
  const asked = desired.instances.filter(({ spec }) => spec !== null && spec.runtime.kind !== 'process');
  const answers = await inPool(STATUS_COMMANDS, asked, ({ spec }) =>
    ops.runtimeOf(desired.fleet?.name ?? '', spec!).list(),
  );
  const answerOf = new Map(asked.map((each, i) => [each, answers[i]!]));
  const byName = new Map<string, ObservedInstance>();
  const secrets = secretNamesOf(ops);
  let present: ((name: string) => Present) | null = null;
  const presentOf = (name: string) => {
    present ??= ops.local.present?.() ?? (() => ALL);
    return present(name);
  };
  for (const [n, instance] of desired.instances.entries()) {
    // Reading a thousand journals takes a while: signals, timers and the other work of the process come in between.
    if (n % INSTANCES_A_TURN === INSTANCES_A_TURN - 1) await nextTurn();
    const last = before?.byName.get(instance.name);
    const answer = answerOf.get(instance);
    const own = ours?.get(instance.name) ?? [];
    const reading = ops.journals.catchUp(instance);
    if (reading !== undefined) await reading;
    if (last !== undefined && answer === undefined && all.known && stillIs(last, own, instance, ops, secrets)) {
      byName.set(instance.name, last);
      continue;
    }
    const copies = copiesOf(all, own, answer);
    const local = last ?? (await localOf(ops, desired, instance.name, presentOf(instance.name), atMs));
    byName.set(instance.name, observeWith(ops, instance, copies, local, secrets));
  }
  if (before === null) keepOnly(ops, desired);
  const orphans = all.known ? all.value.filter((c) => !byName.has(c.instance)) : [];
  return { atMs, byName, orphans };
}

/** `answer`: of its status command, which knows nothing of what was started as a process before there was such a command. */
function copiesOf(
  all: Known<ProcessCopy[]>,
  own: readonly ProcessCopy[],
  answer: Known<ProcessCopy[]> | undefined,
): Known<ProcessCopy[]> {
  if (!all.known) return answer ?? all;
  if (answer === undefined || own.length > 0) {
    const others = answer?.known === true ? answer.value : [];
    return { ...all, value: [...own, ...others] };
  }
  return answer;
}

/** A daemon may outlive any instance: of those that are gone nothing is remembered. */
function keepOnly(ops: Ops, { instances }: Desired): void {
  const names = new Set(instances.map(({ name }) => name));
  ops.journals.keepOnly?.(names);
  ops.memories?.keepOnly(names);
  const read = parsed.get(ops.local);
  for (const name of read?.keys() ?? []) if (!names.has(name)) read?.delete(name);
}

/** Whether an earlier look at an instance, since when nothing of ours was written, would be made anew: what was made from it still holds. */
function stillIs(
  last: ObservedInstance,
  own: readonly ProcessCopy[],
  instance: DesiredInstance,
  ops: Ops,
  secretNames: Ops['secrets']['names'],
): boolean {
  const { spec } = instance;
  const { copies } = last;
  if (spec === null || !copies.known || copies.value.length !== own.length) return false;
  if (copies.value.some((copy, i) => copy !== own[i])) return false;
  return last.secretNames === secretNames(spec.secrets) && last.journal === ops.journals.look(instance);
}

/** The copies of each instance, sorted out once. */
function byInstance(all: readonly ProcessCopy[]): Map<string, ProcessCopy[]> {
  const copies = new Map<string, ProcessCopy[]>();
  for (const copy of all) {
    const own = copies.get(copy.instance);
    if (own === undefined) copies.set(copy.instance, [copy]);
    else own.push(copy);
  }
  return copies;
}

/** Most instances name the same sources: each set of them is read once in a look. */
function secretNamesOf(ops: Ops): Ops['secrets']['names'] {
  const read = new Map<string, SecretNames>();
  const last = namesBefore.get(ops) ?? new Map<string, SecretNames>();
  namesBefore.set(ops, read);
  return (sources) => {
    const key = keyOfSources(sources);
    let names = read.get(key);
    if (names === undefined) {
      names = ops.secrets.names(sources);
      const before = last.get(key);
      if (before !== undefined && JSON.stringify(before) === JSON.stringify(names)) names = before;
      read.set(key, names);
    }
    return names;
  };
}

type SecretNames = ReturnType<Ops['secrets']['names']>;

/** As the look before read them: the same object while they are the same. */
const namesBefore = new WeakMap<Ops, Map<string, SecretNames>>();

const sourceKeys = new WeakMap<object, string>();

function keyOfSources(sources: Parameters<Ops['secrets']['names']>[0]): string {
  const key = sourceKeys.get(sources) ?? JSON.stringify(sources);
  sourceKeys.set(sources, key);
  return key;
}

/** The same for one instance, with its copies as just read. */
export async function observeOne(
  ops: Ops,
  desired: Desired,
  instance: DesiredInstance,
  all: Known<ProcessCopy[]>,
): Promise<ObservedInstance> {
  await ops.journals.catchUp(instance);
  const local = await localOf(ops, desired, instance.name, ALL, ops.clock.nowMs());
  return observeWith(ops, instance, all, local, ops.secrets.names);
}

function observeWith(
  ops: Ops,
  instance: DesiredInstance,
  all: Known<ProcessCopy[]>,
  local: Local,
  secretNames: Ops['secrets']['names'],
): ObservedInstance {
  const { name, spec } = instance;
  const journal: JournalView = spec === null ? { state: 'none' } : ops.journals.look(instance);
  const { intent, localHold, receipts, uncommitted, restarts } = local;
  return {
    copies: all.known ? { ...all, value: all.value.filter((c) => c.instance === name) } : all,
    intent,
    localHold,
    journal,
    ownRun: () => isOwnRun(ops, name, journal),
    receipts,
    uncommitted,
    restarts,
    secretNames: spec === null ? { ok: true, names: [] } : secretNames(spec.secrets),
  };
}

/** What mmfleet itself wrote down about an instance. */
type Local = Pick<ObservedInstance, 'intent' | 'localHold' | 'receipts' | 'uncommitted' | 'restarts'>;

const ALL: Present = { intent: true, hold: true, receipts: true, restarts: true };

async function localOf(ops: Ops, desired: Desired, name: string, has: Present, atMs: number): Promise<Local> {
  const isNone = !has.receipts && !desired.files.has(receiptsPath(name));
  return {
    intent: has.intent ? await ops.local.intent(name) : known(null, atMs),
    localHold: has.hold ? await ops.local.hold(name) : null,
    ...(isNone ? NO_RECEIPTS : await receiptsOf(ops, desired, name, has.receipts)),
    restarts: has.restarts ? await ops.local.restarts(name) : NO_RESTARTS,
  };
}

const NO_RECEIPTS: Receipts = { receipts: [], uncommitted: [] };

type Receipts = Pick<ObservedInstance, 'receipts' | 'uncommitted'>;

/** Files that are the same as at the last look are not read again; of what is tracked only what passes ask about is kept. */
async function receiptsOf(ops: Ops, desired: Desired, name: string, mayHave: boolean): Promise<Receipts> {
  const known = parsed.get(ops.local) ?? new Map<string, Read>();
  parsed.set(ops.local, known);
  const file = desired.files.get(receiptsPath(name));
  const blob = file?.blob ?? 'none';
  const version = mayHave ? (ops.local.receiptsVersion?.(name) ?? null) : 'none';
  const last = known.get(name);
  if (last !== undefined && version !== null && last.version === version && last.blob === blob) return last.receipts;
  const tracked = file?.text ?? '';
  const before = parseReceipts(tracked).receipts;
  const trackedLines = new Set(tracked.split('\n'));
  const local = mayHave ? await ops.local.receipts(name) : '';
  const uncommitted = parseReceipts(local).receipts.filter(({ line }) => !trackedLines.has(line));
  const all = [...before.map((r) => pastOf(r.receipt)), ...uncommitted.map((r) => r.receipt)];
  const receipts = { receipts: inOrder(all), uncommitted };
  // Nothing may also mean that the file could not be read just now, and a file of the working tree may have no id.
  if (version === null || (local === '' && version !== 'none') || blob === '') known.delete(name);
  else known.set(name, { blob, version, receipts });
  return receipts;
}

type Read = { blob: string; version: string; receipts: Receipts };

const parsed = new WeakMap<Ops['local'], Map<string, Read>>();

function pastOf(receipt: Receipt): PastReceipt {
  const { market, account, exchange, environment } = receipt;
  const { runId, cause, verdict, rule, sizeBase, costUsd, provedAt, orders } = receipt;
  return {
    market,
    ...(account === undefined ? {} : { account }),
    ...(exchange === undefined ? {} : { exchange }),
    ...(environment === undefined ? {} : { environment }),
    runId,
    cause,
    verdict,
    rule,
    sizeBase,
    costUsd,
    provedAt,
    orders: orders.map(({ clientId }) => ({ clientId })),
  };
}

function isOwnRun(ops: Ops, name: string, journal: JournalView): boolean {
  const file = journal.state === 'ok' ? envFileOf(journal) : null;
  if (file === null) return false;
  // Plain cases first: this is asked of every instance whose bot is down.
  if (file.startsWith(`${ops.stateDir}/run/${name}/`) && !file.includes('..')) return true;
  if (!file.includes(name) && !ops.repo.root.includes(name)) return false;
  const path = isAbsolute(file) ? file : resolve(ops.repo.root, file);
  return !relative(join(ops.stateDir, 'run', name), path).startsWith('..');
}

/**
 * Why somebody else seems to quote this market now: its journal grows although nothing of ours runs. null = no sign of it.
 * A bot started by hand carries no marker; its journal is the only thing that tells of it.
 */
export function strangerOf(observed: ObservedInstance, staleAfterMs: number, nowMs: number): string | null {
  const { copies, journal, receipts } = observed;
  if (!copies.known || copies.value.length > 0 || journal.state !== 'ok') return null;
  if (nowMs - journal.lastByteAtMs >= staleAfterMs || journal.shuttingDown) return null;
  if (endedRuns(receipts).has(journal.runId) || observed.ownRun()) return null;
  return `run ${journal.runId.slice(0, 8)} that mmfleet did not start writes this market's journal: end that bot first`;
}

/** Ids of the runs that a receipt names, whatever it says of them. */
export function endedRuns(receipts: readonly PastReceipt[]): ReadonlySet<string | null> {
  return runsOf(receipts).ended;
}

/** Ids of runs that receipts name: at all, with a newest word of flat, ever proved flat. */
type Runs = Record<'ended' | 'proved' | 'everProved', ReadonlySet<string | null>>;

const runs = new WeakMap<readonly PastReceipt[], Runs>();

function runsOf(receipts: readonly PastReceipt[]): Runs {
  const known = runs.get(receipts);
  if (known !== undefined) return known;
  const newest = new Map(receipts.map((r) => [r.runId, r]));
  const idsOf = (some: Iterable<PastReceipt>) => new Set([...some].filter(isFlat).map((r) => r.runId));
  const found = {
    ended: new Set(newest.keys()),
    proved: idsOf(newest.values()),
    everProved: idsOf(receipts),
  };
  runs.set(receipts, found);
  return found;
}

const isFlat = ({ verdict }: PastReceipt) => verdict === 'FLAT' || verdict === 'DUST';

/** By the time of the proof: a line that was never committed may be older than one that was. */
function inOrder(receipts: PastReceipt[]): PastReceipt[] {
  return receipts.toSorted((a, b) => (a.provedAt < b.provedAt ? -1 : a.provedAt > b.provedAt ? 1 : 0));
}

/** Whether a stop of ours is on record that was never proved: it is cleared with each proof. */
export function stopWasOurs({ intent }: Pick<ObservedInstance, 'intent'>): boolean {
  return intent.known && intent.value !== null;
}

/** How the newest run of an instance ended: `proved` when the newest receipt that names it is flat. */
export function lastRunOf(observed: ObservedInstance): 'none' | 'proved' | 'unproved' {
  const { journal, receipts, copies, restarts } = observed;
  if (copies.known && copies.value.length > 0) return 'unproved';
  const newest = receipts.at(-1);
  if (newest === undefined) return journal.state === 'none' && restarts.lastStartMs === null ? 'none' : 'unproved';
  if (isSilent(observed)) return 'unproved';
  if (journal.state === 'ok') return runsOf(receipts).proved.has(journal.runId) ? 'proved' : 'unproved';
  // While its journal cannot be read, a run may have begun after a proof unless that is known of our own starts.
  if (journal.state === 'unknown' && restarts.lastStartMs === null && !STAYS_DOWN.includes(newest.cause))
    return 'unproved';
  return isFlat(newest) ? 'proved' : 'unproved';
}

/** It was started after its newest proof, and no journal tells of that run. */
function isSilent(observed: ObservedInstance): boolean {
  const { journal, receipts } = observed;
  return startedSince(observed) && (journal.state !== 'ok' || endedRuns(receipts).has(journal.runId));
}

/** Whether one that was started since the newest proof runs, or is known to have run. */
function startedSince({ copies, receipts, restarts }: ObservedInstance): boolean {
  if (copies.known && copies.value.length > 0) return true;
  const newest = receipts.at(-1);
  return newest !== undefined && restarts.lastStartMs !== null && restarts.lastStartMs >= Date.parse(newest.provedAt);
}

/** Whether the words of a run are not those of the one that ended last: it said nothing where it is listened to. */
export function areOlderWords(observed: ObservedInstance, runId: string | null): boolean {
  return startedSince(observed) && endedRuns(observed.receipts).has(runId);
}

/** The last orders of a run may show so much later than its proof. */
const LATE_MS = 10 * 60_000;

/**
 * Whether what is found in the market while nothing runs may be what the newest run left: it is ours, and was never proved
 * flat, or only just. What came up later is somebody else's.
 */
export function mayHaveLeft(observed: ObservedInstance, nowMs: number): boolean {
  const { journal, receipts } = observed;
  if (!observed.ownRun()) return false;
  if (journal.state !== 'ok' || isSilent(observed)) return true;
  if (!runsOf(receipts).everProved.has(journal.runId)) return true;
  const proved = receipts.findLast((r) => isFlat(r) && r.runId === journal.runId);
  return proved === undefined || nowMs - Date.parse(proved.provedAt) < LATE_MS;
}
