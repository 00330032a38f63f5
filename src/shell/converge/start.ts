/** Start one instance on a proof of this pass, looking again right before, and confirm that it runs what git says. */
import { Decimal } from '../../core/decimal.ts';
import type { Confirmation } from '../../core/flat/confirm.ts';
import type { Lifecycle, PlanReason } from '../../core/plan/types.ts';
import type { Clock, ProcessCopy, RuntimePort, StartOrder, VenuePort } from '../../core/ports.ts';
import { type Known, known, type Problem, unknown } from '../../core/problem.ts';
import { positionOf, twice } from './flatten.ts';
import type { FlatProof } from './proof.ts';
import { copiesOf } from './stop.ts';

export type StartContext = {
  instance: string;
  market: string;
  runtime: RuntimePort & { cleanup?: (instance: string) => Promise<void> };
  venue: VenuePort;
  clock: Clock;
  order: StartOrder;
  proof: FlatProof;
  /** Wall time in ms at which this pass began: an older proof does not count. */
  passStartedAtMs: number;
  /** Wall time, ms. */
  startTimeoutMs: number;
  /** Reads the new run's first event: `no` = not there yet. */
  confirm: () => Promise<Confirmation>;
  signal?: AbortSignal;
  onPhase?: (phase: Lifecycle, detail: string) => void;
};

export type StartResult =
  | { outcome: 'running'; copy: ProcessCopy }
  /** It runs and shows something else than git says: the shell latches `not-confirmed`. */
  | { outcome: 'not-confirmed'; reason: 'not-confirmed'; message: string; copy: ProcessCopy }
  /** It runs and has shown nothing in its time: it is held for as long as it does not. */
  | { outcome: 'unseen'; message: string; copy: ProcessCopy }
  /** It ended before it confirmed. */
  | { outcome: 'exited'; message: string; copy: ProcessCopy }
  /** The wait was interrupted; the process lives and a later pass confirms it. */
  | { outcome: 'interrupted'; message: string; copy: ProcessCopy }
  /** Nothing was started. */
  | { outcome: 'refused'; reason: PlanReason; message: string; hold: boolean }
  | { outcome: 'failed'; problem: Problem };

const POLL_MS = 200;

/** Starts on a fresh proof; refuses when a copy lives, anything is unknown, or the market is not as it was proved. */
export async function startInstance(ctx: StartContext): Promise<StartResult> {
  const { proof } = ctx;
  if (proof.instance !== ctx.instance || proof.market !== ctx.market || proof.provedAtMs < ctx.passStartedAtMs) {
    return refused('flat-unproven', 'the proof is of another instance or an earlier pass', false);
  }
  const before = await refusedByCopies(ctx);
  if (before !== null) return before;
  const still = await stillAsProved(ctx);
  if (!still.known) return refused('unknown-position', `looked again: ${still.reason}`, false);
  if (still.value !== null) return refused('flat-unproven', `looked again: ${still.value}`, false);
  if (ctx.signal?.aborted === true) return refused('unknown-process', 'interrupted before the start', false);
  const copies = await refusedByCopies(ctx);
  if (copies !== null) return copies;
  ctx.onPhase?.('starting', ctx.order.envFileName);
  const started = await ctx.runtime.start(ctx.order);
  if (!started.ok) {
    const left = await copiesOf(ctx);
    if (left.known && left.value.length === 0) await ctx.runtime.cleanup?.(ctx.instance);
    return { outcome: 'failed', problem: started.problem };
  }
  return confirmStart(ctx, started.value);
}

/** Waits for a started or adopted copy to confirm itself, until the start time-out after its start. */
export async function confirmStart(
  ctx: Pick<StartContext, 'instance' | 'runtime' | 'clock' | 'startTimeoutMs' | 'confirm' | 'signal' | 'onPhase'>,
  copy: ProcessCopy,
): Promise<StartResult> {
  const agoMs = Math.max(0, ctx.clock.nowMs() - copy.startedAtMs);
  const endMs = ctx.clock.steadyMs() + ctx.startTimeoutMs - agoMs;
  for (;;) {
    const gone = await ctx.runtime.gone(copy);
    const answer = await ctx.confirm();
    if (gone.known && gone.value) return { outcome: 'exited', message: `pid ${copy.pid} ended during its start`, copy };
    if (typeof answer === 'object')
      return { outcome: 'not-confirmed', reason: 'not-confirmed', message: answer.mismatch, copy };
    if (answer === 'yes') {
      ctx.onPhase?.('running', `pid ${copy.pid} confirmed`);
      return { outcome: 'running', copy };
    }
    if (ctx.signal?.aborted === true)
      return { outcome: 'interrupted', message: 'interrupted before it confirmed', copy };
    const leftMs = endMs - ctx.clock.steadyMs();
    if (leftMs <= 0) {
      const message = `no run_start that names its env file within ${ctx.startTimeoutMs / 1000}s`;
      return { outcome: 'unseen', message, copy };
    }
    await ctx.clock.sleep(Math.min(POLL_MS, leftMs), ctx.signal);
  }
}

async function refusedByCopies(ctx: StartContext): Promise<StartResult | null> {
  const copies = await copiesOf(ctx);
  if (!copies.known) return refused('unknown-process', copies.reason, false);
  if (copies.value.length === 0) return null;
  if (copies.value.length > 1) return refused('two-copies', `${ctx.instance} runs ${copies.value.length} times`, true);
  return refused('unknown-process', `${ctx.instance} has a live process (pid ${copies.value[0]!.pid})`, false);
}

/** null: as proved; a text: what is different now. */
async function stillAsProved({ venue, market, proof }: StartContext): Promise<Known<string | null>> {
  const orders = await twice(() => venue.openOrders());
  if (!orders.known) return unknown(`orders: ${orders.reason}`);
  const position = await twice(() => positionOf(venue, market));
  if (!position.known) return unknown(`position: ${position.reason}`);
  const want = proof.verdict.verdict === 'DUST' ? proof.verdict.sizeBase : '0';
  if (orders.value.length > 0) return known(`${orders.value.length} orders open`, orders.asOfMs);
  if (!new Decimal(position.value.position).eq(want)) {
    return known(`position ${position.value.position}, proved ${want}`, position.asOfMs);
  }
  return known(null, position.asOfMs);
}

function refused(reason: PlanReason, message: string, hold: boolean): StartResult {
  return { outcome: 'refused', reason, message, hold };
}
