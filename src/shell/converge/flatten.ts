/** Runs the proof of flatness against a venue and writes down what it saw. */
import { Decimal } from '../../core/decimal.ts';
import type { RunIdentity } from '../../core/flat/pricing.ts';
import {
  beginProof,
  type FlatPolicy,
  type FlatReply,
  type FlatState,
  type FlatStep,
  nextStep,
  observe,
} from '../../core/flat/protocol.ts';
import type { FlatVerdict, Receipt } from '../../core/flat/types.ts';
import type { Where } from '../../core/flat/where.ts';
import type { Lifecycle } from '../../core/plan/types.ts';
import type { Clock, VenuePort } from '../../core/ports.ts';
import { type Known, unknown, unreachable } from '../../core/problem.ts';

export type FlatContext = {
  instance: string;
  where: Where;
  venue: VenuePort;
  clock: Clock;
  policy: FlatPolicy;
  /** Names the run that held the position; client ids derive from it. */
  identity: RunIdentity;
  /** Closing orders of earlier proofs of the same run (from the receipts). */
  seenClientIds: readonly string[];
  /** false: nothing is cancelled or closed (first start, or not attributable to a run of this instance). */
  mayClose: boolean;
  /** Why it was stopped; goes into the receipt. */
  cause: string;
  iterFrom: number | null;
  iterTo: number | null;
  /** How the process ended, when one did. */
  ended: { signalAt: string | null; exitedAt: string | null; killed: boolean };
  botSays: Receipt['botSays'];
  /** Wall time in ms at which the proof gives up as UNKNOWN. */
  deadlineMs: number;
  signal?: AbortSignal;
  onPhase?: (phase: Lifecycle, detail: string) => void;
};

export type Proved = { verdict: FlatVerdict; receipt: Receipt };

type Book = Pick<Receipt, 'reads' | 'orders'>;

/** A bound on what one receipt remembers of a venue that never settles; the newest reads are kept. */
const MAX_READS = 200;

/** Cancel, close and prove one market flat. Expected outcomes are verdicts; interrupted or late is UNKNOWN. */
export async function proveFlat(ctx: FlatContext): Promise<Proved> {
  const mayAct = ctx.mayClose && ctx.venue.evidence === 'venue';
  let state = beginProof(ctx.policy, ctx.identity, { mayAct, seenClientIds: ctx.seenClientIds });
  const book: Book = { reads: [], orders: [] };
  // A clock that is set in the middle must neither end a wait nor make it longer.
  const { clock } = ctx;
  const endMs = clock.steadyMs() + ctx.deadlineMs - clock.nowMs();
  for (;;) {
    const step = nextStep(state, clock.steadyMs());
    if (step.kind === 'done') return proved(ctx, step.verdict, step.rule, state, book);
    if (ctx.signal?.aborted === true)
      return proved(ctx, { verdict: 'UNKNOWN', reason: 'interrupted' }, 'interrupted', state, book);
    if (clock.steadyMs() >= endMs) {
      return proved(
        ctx,
        { verdict: 'UNKNOWN', reason: `no proof before the deadline (${step.kind} was next)` },
        'deadline',
        state,
        book,
      );
    }
    ctx.onPhase?.('flattening', describe(step));
    const reply = await carryOut(ctx, step, endMs);
    write(book, step, reply, iso(clock.nowMs()));
    state = observe(state, reply);
  }
}

/** Two valid replies that name the market, each tried twice, before the first stop of an instance. */
export async function preflight(venue: VenuePort, market: string): Promise<Known<void>> {
  const position = await twice(() => positionOf(venue, market));
  if (!position.known) return unknown(`position: ${position.reason}`);
  const orders = await twice(() => venue.openOrders());
  if (!orders.known) return unknown(`orders: ${orders.reason}`);
  return { known: true, value: undefined, asOfMs: orders.asOfMs };
}

/** One read of the position; another market's answer is unknown. */
export async function positionOf(venue: VenuePort, market: string): ReturnType<VenuePort['position']> {
  const reply = await venue.position();
  return reply.known && reply.value.market !== market
    ? unknown(`answer names ${reply.value.market}, want ${market}`)
    : reply;
}

/** A read, tried once more when it failed. */
export async function twice<T>(read: () => Promise<Known<T>>): Promise<Known<T>> {
  const first = await read();
  return first.known ? first : read();
}

async function carryOut(
  ctx: FlatContext,
  step: Exclude<FlatStep, { kind: 'done' }>,
  endMs: number,
): Promise<FlatReply> {
  const { venue, clock } = ctx;
  switch (step.kind) {
    case 'wait':
      await clock.sleep(Math.min(step.ms, Math.max(1, endMs - clock.steadyMs())), ctx.signal);
      return { kind: 'wait', atMs: clock.steadyMs() };
    case 'orders': {
      const reply = await venue.openOrders();
      return { kind: 'orders', reply, atMs: clock.steadyMs() };
    }
    case 'position': {
      const reply = await positionOf(venue, ctx.where.market);
      return { kind: 'position', reply, atMs: clock.steadyMs() };
    }
    case 'reference': {
      const reply = await venue.reference();
      return { kind: 'reference', reply, atMs: clock.steadyMs() };
    }
    case 'cancel': {
      const reply = await venue.cancelAll();
      return { kind: 'cancel', reply, atMs: clock.steadyMs() };
    }
    case 'close': {
      const reply = await venue.close(step.order);
      return { kind: 'close', reply, atMs: clock.steadyMs() };
    }
    default:
      return unreachable(step);
  }
}

function write(book: Book, step: FlatStep, got: FlatReply, at: string): void {
  if (got.kind === 'position') {
    book.reads.push({
      at,
      what: 'position',
      value: got.reply.known ? got.reply.value.position : `unknown: ${got.reply.reason}`,
    });
  } else if (got.kind === 'orders') {
    book.reads.push({
      at,
      what: 'orders',
      value: got.reply.known ? String(got.reply.value.length) : `unknown: ${got.reply.reason}`,
    });
  } else if (got.kind === 'close' && step.kind === 'close') {
    const result = got.reply.known ? got.reply.value : null;
    const line = {
      ...step.order,
      status: result?.status ?? 'unknown',
      filled: result?.filled ?? '0',
      costUsd: result?.costUsd ?? null,
    };
    const before = book.orders.findIndex((o) => o.clientId === line.clientId);
    if (before === -1) book.orders.push(line);
    else book.orders[before] = line;
  }
  if (book.reads.length > MAX_READS) book.reads.splice(1, 1);
}

function proved(ctx: FlatContext, verdict: FlatVerdict, rule: string, state: FlatState, book: Book): Proved {
  const first = book.reads.find((r) => r.what === 'position' && !r.value.startsWith('unknown'))?.value;
  const receipt: Receipt = {
    v: 1,
    instance: ctx.instance,
    ...ctx.where,
    cause: ctx.cause,
    runId: ctx.identity.runId,
    pid: ctx.identity.pid,
    startTicks: ctx.identity.startTicks,
    iterFrom: ctx.iterFrom,
    iterTo: ctx.iterTo,
    ...ctx.ended,
    ...book,
    costUsd: state.costUsd,
    botSays: ctx.botSays,
    disagreement: disagreement(ctx.botSays?.positionAfter ?? null, first),
    verdict: verdict.verdict,
    sizeBase: 'sizeBase' in verdict ? verdict.sizeBase : null,
    rule: verdict.verdict === 'UNKNOWN' || verdict.verdict === 'OPEN' ? `${rule}: ${verdict.reason}` : rule,
    provedAt: iso(ctx.clock.nowMs()),
  };
  return { verdict, receipt };
}

/** The venue wins; what the bot said otherwise is only recorded. */
function disagreement(botSays: string | null, venueSays: string | undefined): string | null {
  if (botSays === null || venueSays === undefined || new Decimal(botSays).eq(venueSays)) return null;
  return `bot says ${botSays}, venue says ${venueSays}`;
}

function describe(step: FlatStep): string {
  if (step.kind === 'close') return `close ${step.order.side} ${step.order.size} (${step.order.clientId})`;
  return step.kind === 'wait' ? 'settling' : step.kind;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
