/**
 * The proof of flatness as a pure state machine: `nextStep` says what to do, `observe` takes in what came back.
 *
 *   barrier   list orders, cancel, two valid empty reads in a row
 *   position  read; zero -> confirm, small -> confirm as dust, else close and read again
 *   confirm   two equal reads at least the settle interval apart with an empty order list between them
 */
import { Decimal, plain } from '../decimal.ts';
import type { CloseResult, VenueOrder, VenuePosition, VenueReference } from '../ports.ts';
import type { Known } from '../problem.ts';
import {
  clientIdPrefix,
  closingSide,
  closingSize,
  isWithoutQuotes,
  lastAttempt,
  limitPrice,
  type RunIdentity,
  tooSmall,
  touchPrice,
} from './pricing.ts';
import type { FlatVerdict } from './types.ts';

export type FlatPolicy = {
  settleMs: number;
  /** USD; 0 = no dust allowed. */
  dustMaxNotionalUsd: number;
  /** Bps through the touch. */
  flatten: { attempts: number; slippageBps: { start: number; step: number; max: number }; maxCostUsd: number };
};

export type CloseOrder = { side: 'buy' | 'sell'; size: string; limitPrice: string | null; clientId: string };

export type FlatStep =
  | { kind: 'orders' }
  | { kind: 'cancel' }
  | { kind: 'position' }
  | { kind: 'reference' }
  | { kind: 'close'; order: CloseOrder }
  | { kind: 'wait'; ms: number }
  /** `rule` names what closed the case. */
  | { kind: 'done'; verdict: FlatVerdict; rule: string };

/** What a step brought back; `atMs` is when its answer was there, on the clock that `nextStep` is asked with. */
export type FlatReply =
  | { kind: 'orders'; reply: Known<VenueOrder[]>; atMs: number }
  | { kind: 'cancel'; reply: Known<unknown>; atMs: number }
  | { kind: 'position'; reply: Known<VenuePosition>; atMs: number }
  | { kind: 'reference'; reply: Known<VenueReference>; atMs: number }
  | { kind: 'close'; reply: Known<CloseResult>; atMs: number }
  | { kind: 'wait'; atMs: number };

type Sent = CloseOrder & { touch: string | null };
type Phase =
  | { at: 'barrier'; empty: number; cancelDue: boolean; polls: number }
  | { at: 'position' }
  | { at: 'reference'; position: string }
  | { at: 'closing'; sent: Sent; tries: number; before: string }
  /** A first read (zero, or dust worth `valueUsd`) waits for its second. */
  | { at: 'confirm'; target: string; valueUsd: string | null; sinceMs: number; ordersEmpty: boolean }
  | { at: 'done'; verdict: FlatVerdict; rule: string };

export type FlatState = {
  readonly policy: FlatPolicy;
  readonly identity: RunIdentity;
  /** false: only look; nothing is cancelled or closed. */
  readonly mayAct: boolean;
  readonly firstAttempt: number;
  readonly phase: Phase;
  readonly pauseMs: number;
  readonly attempts: number;
  readonly cancels: number;
  readonly firstOrderIds: readonly string[] | null;
  readonly failures: number;
  readonly reopened: number;
  /** USD spent by our closing orders. */
  readonly costUsd: string;
  /** Position before our last close, when that close says it filled: an equal read after it is stale. */
  readonly staleIf: string | null;
  readonly staleReads: number;
};

export const ORDERS_RETURNED = 'orders returned: second copy or a person';
const MAX_CANCELS = 3;
const POLLS_PER_CANCEL = 5;
const MAX_FAILED_READS = 5;
const MAX_CLOSE_LOOKUPS = 4;
const MAX_STALE_READS = 5;
const MAX_REOPENED = 5;

/** A fresh proof. `seenClientIds`: closing orders of this run known from earlier receipts. */
export function beginProof(
  policy: FlatPolicy,
  identity: RunIdentity,
  options: { mayAct: boolean; seenClientIds: readonly string[] },
): FlatState {
  return {
    policy,
    identity,
    mayAct: options.mayAct,
    firstAttempt: lastAttempt(identity, options.seenClientIds) + 1,
    phase: { at: 'barrier', empty: 0, cancelDue: false, polls: 0 },
    pauseMs: 0,
    attempts: 0,
    cancels: 0,
    firstOrderIds: null,
    failures: 0,
    reopened: 0,
    costUsd: '0',
    staleIf: null,
    staleReads: 0,
  };
}

/** What to do now. Deterministic: the same state and time give the same step. */
export function nextStep(state: FlatState, nowMs: number): FlatStep {
  if (state.pauseMs > 0) return { kind: 'wait', ms: state.pauseMs };
  const { phase } = state;
  switch (phase.at) {
    case 'done':
      return { kind: 'done', verdict: phase.verdict, rule: phase.rule };
    case 'barrier':
      return { kind: phase.cancelDue ? 'cancel' : 'orders' };
    case 'position':
      return { kind: 'position' };
    case 'reference':
      return { kind: 'reference' };
    case 'closing': {
      const { touch: _, ...order } = phase.sent;
      return { kind: 'close', order };
    }
    case 'confirm': {
      const left = phase.sinceMs + state.policy.settleMs - nowMs;
      if (left > 0) return { kind: 'wait', ms: left };
      return { kind: phase.ordersEmpty ? 'position' : 'orders' };
    }
  }
}

/** The state after a step's reply. */
export function observe(state: FlatState, got: FlatReply): FlatState {
  const s: FlatState = { ...state, pauseMs: 0 };
  switch (got.kind) {
    case 'wait':
      return s;
    case 'cancel':
      // Its answer proves nothing either way; the reads that follow do.
      return { ...s, phase: { at: 'barrier', empty: 0, cancelDue: false, polls: 0 }, pauseMs: pollMs(s) };
    case 'orders':
      return got.reply.known ? onOrders(s, got.reply.value) : failedRead(s, `orders: ${got.reply.reason}`);
    case 'position':
      return got.reply.known
        ? onPosition(s, got.reply.value.position, got.atMs)
        : failedRead(s, `position: ${got.reply.reason}`);
    case 'reference':
      return got.reply.known ? onReference(s, got.reply.value, got.atMs) : failedReference(s, got.reply.reason);
    case 'close':
      return onClose(s, got.reply);
  }
}

function onOrders(state: FlatState, orders: VenueOrder[]): FlatState {
  const s = { ...state, failures: 0 };
  const { phase } = s;
  if (phase.at === 'confirm') {
    return orders.length === 0
      ? { ...s, phase: { ...phase, ordersEmpty: true } }
      : giveUp(s, ORDERS_RETURNED, 'orders-returned');
  }
  if (phase.at !== 'barrier') return s;
  const firstOrderIds = s.firstOrderIds ?? orders.map((o) => o.id);
  if (orders.length > 0 && !s.mayAct) return giveUp(s, `${orders.length} orders open`, 'orders-open');
  if (s.mayAct && s.cancels === 0) return cancelNext({ ...s, firstOrderIds });
  if (orders.length === 0) {
    const empty = phase.empty + 1;
    if (empty >= 2) return { ...s, firstOrderIds, phase: { at: 'position' } };
    return { ...s, firstOrderIds, phase: { ...phase, empty, polls: phase.polls + 1 }, pauseMs: pollMs(s) };
  }
  const polls = phase.polls + 1;
  if (polls < POLLS_PER_CANCEL) return { ...s, phase: { ...phase, empty: 0, polls }, pauseMs: pollMs(s) };
  if (s.cancels < MAX_CANCELS) return cancelNext(s);
  if (orders.some((o) => !firstOrderIds.includes(o.id))) return giveUp(s, ORDERS_RETURNED, 'orders-returned');
  return giveUp(s, `${orders.length} orders still open after ${s.cancels} cancels`, 'cancel-never-landed');
}

function cancelNext(s: FlatState): FlatState {
  return { ...s, cancels: s.cancels + 1, phase: { at: 'barrier', empty: 0, cancelDue: true, polls: 0 } };
}

function onPosition(state: FlatState, position: string, atMs: number): FlatState {
  const s = { ...state, failures: 0 };
  const { phase } = s;
  const value = new Decimal(position);
  if (phase.at === 'confirm') {
    if (value.eq(phase.target)) return confirmed(s, phase.target, phase.valueUsd);
    // It moved after it had looked settled: a late fill opens the case again.
    if (s.reopened >= MAX_REOPENED) return giveUp(s, 'the position keeps changing', 'unsettled');
    return onPosition({ ...s, reopened: s.reopened + 1, phase: { at: 'position' } }, position, atMs);
  }
  if (phase.at !== 'position') return s;
  if (s.staleIf !== null && value.eq(s.staleIf) && s.staleReads < MAX_STALE_READS) {
    return { ...s, staleReads: s.staleReads + 1, pauseMs: pollMs(s) };
  }
  const fresh = { ...s, staleIf: null, staleReads: 0 };
  if (value.isZero()) return confirm(fresh, '0', null, atMs);
  return { ...fresh, phase: { at: 'reference', position: plain(value) } };
}

function onReference(state: FlatState, reference: VenueReference, atMs: number): FlatState {
  const s = { ...state, failures: 0 };
  if (s.phase.at !== 'reference') return s;
  const { position } = s.phase;
  if (isWithoutQuotes(reference)) return failedReference(state, 'bid and ask are too far apart');
  const value = new Decimal(position);
  const side = closingSide(value);
  const touch = touchPrice(side, reference);
  const valueUsd = touch === null ? null : plain(value.abs().times(touch).toDecimalPlaces(8));
  const isDust =
    valueUsd !== null && s.policy.dustMaxNotionalUsd > 0 && new Decimal(valueUsd).lte(s.policy.dustMaxNotionalUsd);
  const stop = (reason: string, rule: string) =>
    isDust ? confirm(s, position, valueUsd, atMs) : open(s, position, valueUsd, reason, rule);

  if (!s.mayAct) return stop('only looking: nothing may be closed', 'not-closed');
  const size = closingSize(value, reference.sizeStep);
  if (tooSmall(size, reference.minSize)) return stop('below the smallest size the venue accepts', 'below-minimum');
  if (s.attempts >= s.policy.flatten.attempts) return stop(`not closed after ${s.attempts} attempts`, 'attempts');
  // A market whose steps are known but that shows no price is an empty book, not a venue without references; it counts
  // as a failure, or a book that stays empty would be looked at until the deadline.
  if (touch === null && Object.values(reference).some((v) => v !== null)) return failedReference(state, 'empty book');

  const { start, step, max } = s.policy.flatten.slippageBps;
  const left = new Decimal(s.policy.flatten.maxCostUsd).minus(s.costUsd);
  if (left.lte(0)) return stop(`cost limit: ${s.costUsd} USD spent`, 'cost-limit');
  const ladder = new Decimal(Math.min(start + step * s.attempts, max));
  // The limit price itself keeps the worst case inside what may still be spent.
  const slippage = touch === null ? ladder : Decimal.min(ladder, left.div(size.times(touch)).times(10_000));
  const sent: Sent = {
    side,
    size: plain(size),
    limitPrice: touch === null ? null : limitPrice(side, touch, slippage, reference.tick),
    clientId: `${clientIdPrefix(s.identity)}${s.firstAttempt + s.attempts}`,
    touch: touch === null ? null : plain(touch),
  };
  return { ...s, attempts: s.attempts + 1, phase: { at: 'closing', sent, tries: 0, before: position } };
}

function onClose(s: FlatState, reply: Known<CloseResult>): FlatState {
  if (s.phase.at !== 'closing') return s;
  const { sent, tries, before } = s.phase;
  if (!reply.known) {
    // Ambiguous: it may have traded. The same client id is asked again, which never trades twice.
    if (tries + 1 < MAX_CLOSE_LOOKUPS) return { ...s, phase: { ...s.phase, tries: tries + 1 }, pauseMs: pollMs(s) };
    return giveUp(s, `close ${sent.clientId} unresolved: ${reply.reason}`, 'close-unresolved');
  }
  const filled = new Decimal(reply.value.filled);
  const costUsd = plain(new Decimal(s.costUsd).plus(closeCost(reply.value, sent)));
  return {
    ...s,
    costUsd,
    staleIf: filled.isZero() ? null : before,
    staleReads: 0,
    phase: { at: 'position' },
    pauseMs: pollMs(s),
  };
}

/** USD: what the venue says, else the distance of the average (worst case: the limit) from the touch. */
function closeCost(result: CloseResult, sent: Sent): Decimal {
  if (result.costUsd !== null) return Decimal.max(0, result.costUsd);
  const price = result.averagePrice ?? sent.limitPrice;
  if (price === null || sent.touch === null) return new Decimal(0);
  return new Decimal(price).minus(sent.touch).abs().times(result.filled);
}

function confirm(s: FlatState, target: string, valueUsd: string | null, atMs: number): FlatState {
  return { ...s, phase: { at: 'confirm', target, valueUsd, sinceMs: atMs, ordersEmpty: false } };
}

function confirmed(s: FlatState, target: string, valueUsd: string | null): FlatState {
  const verdict: FlatVerdict =
    valueUsd === null ? { verdict: 'FLAT' } : { verdict: 'DUST', sizeBase: target, valueUsd };
  const rule = valueUsd === null ? 'two zero reads' : 'two equal dust reads';
  return { ...s, phase: { at: 'done', verdict, rule } };
}

function failedRead(s: FlatState, reason: string): FlatState {
  const failures = s.failures + 1;
  if (failures >= MAX_FAILED_READS) return giveUp(s, reason, 'read-failed');
  // Cancelling only reduces risk: it does not wait for a list that cannot be read.
  if (s.phase.at === 'barrier' && s.mayAct && s.cancels === 0) return cancelNext({ ...s, failures });
  const phase = s.phase.at === 'barrier' ? { ...s.phase, empty: 0 } : s.phase;
  return { ...s, failures, phase, pauseMs: pollMs(s) };
}

/** Without a price a position cannot be closed inside the limits: it stays open and is said to be. */
function failedReference(s: FlatState, reason: string): FlatState {
  if (s.phase.at !== 'reference') return s;
  const failures = s.failures + 1;
  if (failures >= MAX_FAILED_READS) return open(s, s.phase.position, null, `no price: ${reason}`, 'no-price');
  return { ...s, failures, pauseMs: pollMs(s) };
}

function open(s: FlatState, sizeBase: string, valueUsd: string | null, reason: string, rule: string): FlatState {
  return { ...s, phase: { at: 'done', verdict: { verdict: 'OPEN', sizeBase, valueUsd, reason }, rule } };
}

function giveUp(s: FlatState, reason: string, rule: string): FlatState {
  return { ...s, phase: { at: 'done', verdict: { verdict: 'UNKNOWN', reason }, rule } };
}

/** Between two looks at the same thing: a quarter of the settle interval, 20 ms to 1 s. */
function pollMs(s: FlatState): number {
  return Math.min(1_000, Math.max(20, Math.round(s.policy.settleMs / 4)));
}
