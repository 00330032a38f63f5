/** Observed state: processes, journals, stop intents, receipts. Every read may be unknown; none passes for zero. */
import { isAbsolute, join, relative, resolve } from 'node:path';
import type { StopIntent } from '../adapters/intents.ts';
import type { RestartState } from '../core/flat/backoff.ts';
import type { Receipt } from '../core/flat/types.ts';
import type { ProcessCopy } from '../core/ports.ts';
import { type Known, known, type Problem } from '../core/problem.ts';
import { parseReceipts } from '../core/trail/receipts.ts';
import { type Desired, type DesiredInstance, receiptsPath } from './desired.ts';
import type { JournalView } from './journals.ts';
import type { Ops } from './ops.ts';
import { inPool } from './pool.ts';

export type ObservedInstance = {
  copies: Known<ProcessCopy[]>;
  intent: Known<StopIntent | null>;
  journal: JournalView;
  /** The newest run was started by mmfleet for this instance: its env file is one that we materialised. */
  ownRun: boolean;
  /** Tracked lines and those of `.mmfleet` that are not tracked yet, oldest proof first. */
  receipts: Receipt[];
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

/** One look at everything outside git. */
export async function observe(ops: Ops, desired: Desired): Promise<Observed> {
  const atMs = ops.clock.nowMs();
  const all: Known<ProcessCopy[]> =
    desired.fleet === null ? known([], atMs) : await ops.processes(desired.fleet.name).list();
  // Side by side: an operator's status command that hangs until its time-out keeps nobody waiting behind it.
  const copies = await inPool(STATUS_COMMANDS, desired.instances, (each) => copiesOf(ops, desired, each, all));
  const byName = new Map<string, ObservedInstance>();
  for (const [i, instance] of desired.instances.entries())
    byName.set(instance.name, await observeOne(ops, desired, instance, copies[i]!));
  const orphans = all.known ? all.value.filter((c) => !byName.has(c.instance)) : [];
  return { atMs, byName, orphans };
}

/** Live copies of one instance: the process table knows ours, a command runtime is asked itself. */
async function copiesOf(
  ops: Ops,
  desired: Desired,
  { spec }: DesiredInstance,
  all: Known<ProcessCopy[]>,
): Promise<Known<ProcessCopy[]>> {
  if (spec === null || spec.runtime.kind === 'process' || desired.fleet === null) return all;
  return ops.runtimeOf(desired.fleet.name, spec).list();
}

/** The same for one instance, with its copies as just read. */
export async function observeOne(
  ops: Ops,
  desired: Desired,
  instance: DesiredInstance,
  all: Known<ProcessCopy[]>,
): Promise<ObservedInstance> {
  const { name, spec } = instance;
  const tracked = desired.files.get(receiptsPath(name))?.text ?? '';
  const local = await ops.local.receipts(name);
  const before = parseReceipts(tracked).receipts;
  const trackedLines = new Set(tracked.split('\n'));
  const uncommitted = parseReceipts(local).receipts.filter(({ line }) => !trackedLines.has(line));
  const journal: JournalView = spec === null ? { state: 'none' } : ops.journals.look(instance);
  return {
    copies: all.known ? { ...all, value: all.value.filter((c) => c.instance === name) } : all,
    intent: await ops.local.intent(name),
    journal,
    ownRun: isOwnRun(ops, name, journal),
    receipts: inOrder([...before, ...uncommitted].map((r) => r.receipt)),
    uncommitted,
    restarts: await ops.local.restarts(name),
    secretNames: spec === null ? { ok: true, names: [] } : ops.secrets.names(spec.secrets),
  };
}

function isOwnRun(ops: Ops, name: string, journal: JournalView): boolean {
  const file = journal.state === 'ok' ? journal.run.envFile : null;
  if (file === null) return false;
  const path = isAbsolute(file) ? file : resolve(ops.repo.root, file);
  return !relative(join(ops.stateDir, 'run', name), path).startsWith('..');
}

/**
 * Why somebody else seems to quote this market now: its journal grows although nothing of ours runs. null = no sign of it.
 * A bot started by hand carries no marker; its journal is the only thing that tells of it.
 */
export function strangerOf(observed: ObservedInstance, staleAfterMs: number, nowMs: number): string | null {
  const { copies, journal, receipts } = observed;
  if (!copies.known || copies.value.length > 0 || journal.state !== 'ok' || observed.ownRun) return null;
  const ended = journal.shuttingDown || receipts.some((r) => r.runId === journal.runId);
  if (ended || nowMs - journal.lastByteAtMs >= staleAfterMs) return null;
  return `run ${journal.runId.slice(0, 8)} that mmfleet did not start writes this market's journal: end that bot first`;
}

/** By the time of the proof: a line that was never committed may be older than one that was. */
function inOrder(receipts: Receipt[]): Receipt[] {
  return receipts.toSorted((a, b) => (a.provedAt < b.provedAt ? -1 : a.provedAt > b.provedAt ? 1 : 0));
}

/** Whether a stop of ours is on record that was never proved: it is cleared with each proof. */
export function stopWasOurs({ intent }: Pick<ObservedInstance, 'intent'>): boolean {
  return intent.known && intent.value !== null;
}

/** How the newest run of an instance ended: `proved` when a flat receipt names it. */
export function lastRunOf(observed: ObservedInstance): 'none' | 'proved' | 'unproved' {
  const { journal, receipts, copies } = observed;
  if (copies.known && copies.value.length > 0) return 'unproved';
  const newest = receipts.at(-1);
  const provedIds = new Set(receipts.filter((r) => r.verdict === 'FLAT' || r.verdict === 'DUST').map((r) => r.runId));
  if (journal.state === 'ok') return provedIds.has(journal.runId) ? 'proved' : 'unproved';
  if (journal.state === 'unknown') return 'unproved';
  if (observed.restarts.lastStartMs !== null && newest === undefined) return 'unproved';
  return newest === undefined ? 'none' : newest.verdict === 'FLAT' || newest.verdict === 'DUST' ? 'proved' : 'unproved';
}
