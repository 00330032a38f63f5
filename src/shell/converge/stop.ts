/** Stop one instance: one signal, patience, proof of death, proof of flatness, receipt. Every step can be taken up again. */
import type { StopIntent } from '../../adapters/intents.ts';
import type { FlatPolicy } from '../../core/flat/protocol.ts';
import type { Receipt } from '../../core/flat/types.ts';
import type { Where } from '../../core/flat/where.ts';
import type { Lifecycle, PlanReason } from '../../core/plan/types.ts';
import type { Clock, ProcessCopy, RuntimePort, VenuePort } from '../../core/ports.ts';
import type { Known } from '../../core/problem.ts';
import type { StopSignal } from '../../core/spec/types.ts';
import type { LocalState } from '../local-state.ts';
import { preflight, proveFlat } from './flatten.ts';
import { type FlatProof, proofOf } from './proof.ts';

/** What the journal tells about the run, read after its process is gone. */
export type RunFacts = { runId: string | null; botSays: Receipt['botSays'] };

export type StopContext = {
  instance: string;
  where: Where;
  /** Where stop intents and receipts are kept. */
  local: Pick<LocalState, 'intent' | 'writeIntent' | 'clearIntent' | 'appendReceipt'>;
  runtime: RuntimePort & { cleanup?: (instance: string) => Promise<void> };
  venue: VenuePort;
  clock: Clock;
  policy: FlatPolicy;
  stop: { signal: StopSignal; timeoutMs: number };
  /** Effective values of the env it runs on: its own shutdown limit is among them. */
  envValues: Readonly<Record<string, string>>;
  /** The journal shows a shutdown going on (run_end, drawdown_stop, margin_guard_shutdown) while the process lives. */
  shuttingDown: boolean;
  /** Ask the venue twice before the signal; a failed answer stops nothing. */
  preflight: boolean;
  /** false: a position or order found is foreign and stays as it is. */
  mayClose: boolean;
  cause: string;
  iterFrom: number | null;
  iterTo: number | null;
  /** Called after the process is gone and before the proof. */
  runFacts: (ended: { killed: boolean }) => Promise<RunFacts>;
  seenClientIds: readonly string[];
  /** Added to the stop limit before SIGKILL, ms; default 5000. */
  marginMs?: number;
  /** How long the proof of flatness may take, ms; default 180000. */
  flatTimeoutMs?: number;
  /** Interrupts between effects; a later pass takes up where this one left. */
  signal?: AbortSignal;
  onPhase?: (phase: Lifecycle, detail: string) => void;
};

type Proven = { proof: FlatProof; receipt: Receipt; killed: boolean };

export type StopResult =
  | ({ outcome: 'flat' } & Proven)
  | ({ outcome: 'dust' } & Proven)
  | {
      outcome: 'open' | 'unknown' | 'foreign-position';
      reason: PlanReason;
      message: string;
      /** Whether the shell latches a hold: false for what ends by itself (interrupted, unreadable for now). */
      hold: boolean;
      receipt: Receipt | null;
      killed: boolean;
    };

const BOT_LIMIT_S = 30;
const MARGIN_MS = 5_000;
const POLL_MS = 100;
const KILL_WAIT_MS = 10_000;
const FLAT_TIMEOUT_MS = 180_000;

type Ended = { intent: StopIntent | null; exitedAtMs: number | null };

/** Stops, proves dead, proves flat and appends the receipt; also for an instance that is dead already. */
export async function stopInstance(ctx: StopContext): Promise<StopResult> {
  const copies = await copiesOf(ctx);
  if (!copies.known) return undecided('unknown-process', copies.reason, false);
  if (copies.value.length > 1) return twoCopies(ctx, copies.value);
  const copy = copies.value[0];
  const ended = copy === undefined ? await deadAlready(ctx) : await quiesce(ctx, copy);
  if ('outcome' in ended) return ended;
  const left = await copiesOf(ctx);
  if (!left.known) return undecided('unknown-process', left.reason, false);
  if (left.value.length > 0)
    return undecided('unknown-process', `${ctx.instance}: another copy appeared while it was stopped`, true);
  return proveAndRecord(ctx, ended);
}

/** How long a bot may take to stop, ms: its own limit (`MM_SHUTDOWN_TIMEOUT_S`) or the spec's, whichever is longer. */
export function stopLimitMs(envValues: Readonly<Record<string, string>>, timeoutMs: number): number {
  const text = envValues['MM_SHUTDOWN_TIMEOUT_S'] ?? '';
  const seconds = text.trim() === '' ? Number.NaN : Number(text);
  return Math.max(Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : BOT_LIMIT_S * 1000, timeoutMs);
}

/** Live copies of this instance. */
export async function copiesOf(ctx: { runtime: RuntimePort; instance: string }): Promise<Known<ProcessCopy[]>> {
  const all = await ctx.runtime.list();
  return all.known ? { ...all, value: all.value.filter((c) => c.instance === ctx.instance) } : all;
}

async function deadAlready(ctx: StopContext): Promise<Ended> {
  const intent = await ctx.local.intent(ctx.instance);
  return { intent: intent.known ? intent.value : null, exitedAtMs: null };
}

async function quiesce(ctx: StopContext, copy: ProcessCopy): Promise<Ended | StopResult> {
  const limitMs = stopLimitMs(ctx.envValues, ctx.stop.timeoutMs);
  const found = await ctx.local.intent(ctx.instance);
  let intent = found.known && found.value !== null && sameProcess(found.value, copy) ? found.value : null;
  if (intent === null && (!found.known || ctx.shuttingDown)) {
    // Somebody may have signalled it already: a second signal would make it skip its own flatten.
    ctx.onPhase?.('draining', 'found shutting down: waiting a full stop limit before any signal');
    const early = await waitGone(ctx, copy, limitMs);
    if (early === 'interrupted') return interrupted(false);
    if (early === 'gone') return { intent: null, exitedAtMs: ctx.clock.nowMs() };
  }
  if (intent === null) {
    if (ctx.preflight && ctx.venue.evidence === 'venue') {
      const ready = await preflight(ctx.venue, ctx.where.market);
      if (!ready.known)
        return undecided('unknown-position', `not stopped, the venue does not answer: ${ready.reason}`, false);
    }
    if (ctx.signal?.aborted === true) return interrupted(false);
    intent = {
      pid: copy.pid,
      startTicks: copy.startTicks,
      signal: ctx.stop.signal,
      at: new Date(ctx.clock.nowMs()).toISOString(),
      cause: ctx.cause,
    };
    const noted = intent;
    const lost = await unwritten(() => ctx.local.writeIntent(ctx.instance, noted));
    if (lost !== null) {
      const message = `not stopped: that it is told to stop cannot be written down (${lost}; is the disk full?)`;
      return undecided('unknown-process', message, false);
    }
    const sent = await ctx.runtime.signal(copy, ctx.stop.signal);
    if (!sent.ok && sent.problem.code !== 'runtime-process-gone')
      return undecided('unknown-process', sent.problem.message, false);
  }
  ctx.onPhase?.('draining', `waiting for pid ${copy.pid} to stop`);
  // A clock that was set back must not make the wait longer than the wait itself.
  const sinceMs = Math.max(0, ctx.clock.nowMs() - Date.parse(intent.at));
  const waited = await waitGone(ctx, copy, limitMs + (ctx.marginMs ?? MARGIN_MS) - sinceMs);
  if (waited === 'interrupted') return interrupted(false);
  return waited === 'gone' ? { intent, exitedAtMs: ctx.clock.nowMs() } : kill(ctx, copy, intent);
}

async function kill(ctx: StopContext, copy: ProcessCopy, stopping: StopIntent): Promise<Ended | StopResult> {
  ctx.onPhase?.('draining', `pid ${copy.pid} did not stop in time: SIGKILL`);
  const intent = { ...stopping, signal: 'SIGKILL' };
  // Without it a later pass believes the bot's own words: no reason to let it live.
  await unwritten(() => ctx.local.writeIntent(ctx.instance, intent));
  const endMs = ctx.clock.steadyMs() + KILL_WAIT_MS;
  for (;;) {
    const left = await copiesOf(ctx);
    // Only processes of the start that was told to stop: another start is a second copy and not ours to kill.
    const ours = left.known
      ? left.value.filter((c) => sameProcess(c, copy) || (c.startId !== undefined && c.startId === copy.startId))
      : [];
    for (const one of ours) {
      const sent = await ctx.runtime.signal(one, 'SIGKILL');
      if (!sent.ok && sent.problem.code !== 'runtime-process-gone')
        return undecided('unknown-process', sent.problem.message, true);
    }
    if ((await waitGone(ctx, copy, Math.min(endMs - ctx.clock.steadyMs(), 1_000))) === 'gone')
      return { intent, exitedAtMs: ctx.clock.nowMs() };
    if (ctx.signal?.aborted === true) return interrupted(true);
    if (ctx.clock.steadyMs() >= endMs) {
      return {
        ...undecided('unknown-process', `pid ${copy.pid} or its group lives on after SIGKILL`, true),
        killed: true,
      };
    }
  }
}

/** Unreadable is not gone: it waits on. Neither a clock that is set nor a machine that sleeps uses up the patience. */
async function waitGone(ctx: StopContext, copy: ProcessCopy, mostMs: number): Promise<'gone' | 'late' | 'interrupted'> {
  const endMs = ctx.clock.steadyMs() + mostMs;
  for (;;) {
    const gone = await ctx.runtime.gone(copy);
    if (gone.known && gone.value) return 'gone';
    if (ctx.signal?.aborted === true) return 'interrupted';
    const leftMs = endMs - ctx.clock.steadyMs();
    if (leftMs <= 0) return 'late';
    await ctx.clock.sleep(Math.min(POLL_MS, leftMs), ctx.signal);
  }
}

async function proveAndRecord(ctx: StopContext, { intent, exitedAtMs }: Ended): Promise<StopResult> {
  const killed = intent?.signal === 'SIGKILL';
  const { runId, botSays } = await ctx.runFacts({ killed });
  const { verdict, receipt } = await proveFlat({
    ...ctx,
    identity: { instance: ctx.instance, runId, pid: intent?.pid ?? null, startTicks: intent?.startTicks ?? null },
    ended: {
      signalAt: intent?.at ?? null,
      exitedAt: exitedAtMs === null ? null : new Date(exitedAtMs).toISOString(),
      killed,
    },
    // Whatever a killed bot said of its own flatten is not evidence.
    botSays: killed ? null : botSays,
    deadlineMs: ctx.clock.nowMs() + (ctx.flatTimeoutMs ?? FLAT_TIMEOUT_MS),
  });
  if (receipt.rule.startsWith('interrupted')) return interrupted(killed);
  const lost = await unwritten(() => ctx.local.appendReceipt(receipt));
  const isFlat = verdict.verdict === 'FLAT' || verdict.verdict === 'DUST';
  if (lost !== null && isFlat) {
    const message = `flat, but its receipt cannot be written (${lost}; is the disk full?): it is proved again`;
    return { ...undecided('flat-unproven', message, false), killed };
  }
  await ctx.local.clearIntent(ctx.instance);
  if (verdict.verdict === 'FLAT' || verdict.verdict === 'DUST') {
    // Until now it tells which account the run was on: other secrets would prove another one flat.
    await ctx.runtime.cleanup?.(ctx.instance);
    ctx.onPhase?.('flat', receipt.rule);
    const proof = proofOf(ctx.instance, ctx.where.market, verdict, ctx.clock.nowMs());
    return { outcome: verdict.verdict === 'FLAT' ? 'flat' : 'dust', proof, receipt, killed };
  }
  const foreign = !ctx.mayClose && (verdict.verdict === 'OPEN' || receipt.rule.startsWith('orders-open'));
  if (foreign)
    return {
      outcome: 'foreign-position',
      reason: 'foreign-position',
      message: verdict.reason,
      hold: true,
      receipt,
      killed,
    };
  const outcome = verdict.verdict === 'OPEN' ? 'open' : 'unknown';
  return { outcome, reason: 'flat-unproven', message: verdict.reason, hold: true, receipt, killed };
}

/** What the disk has against it; null: it is written. */
async function unwritten(write: () => Promise<void>): Promise<string | null> {
  try {
    await write();
    return null;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string') throw error;
    return code;
  }
}

function sameProcess(a: { pid: number; startTicks: string }, b: { pid: number; startTicks: string }): boolean {
  return a.pid === b.pid && a.startTicks === b.startTicks;
}

function undecided(reason: PlanReason, message: string, hold: boolean): Extract<StopResult, { hold: boolean }> {
  return { outcome: 'unknown', reason, message, hold, receipt: null, killed: false };
}

function interrupted(killed: boolean): StopResult {
  return { ...undecided('unknown-process', 'interrupted: a later pass takes it up', false), killed };
}

function twoCopies(ctx: StopContext, copies: ProcessCopy[]): StopResult {
  const pids = copies.map((c) => c.pid).join(', ');
  return undecided(
    'two-copies',
    `${ctx.instance} runs ${copies.length} times (pids ${pids}): nothing was stopped`,
    true,
  );
}
