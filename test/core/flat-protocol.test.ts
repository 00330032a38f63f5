import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Decimal, plain } from '../../src/core/decimal.ts';
import { clientIdPrefix, closingSize, lastAttempt, limitPrice } from '../../src/core/flat/pricing.ts';
import {
  beginProof,
  type CloseOrder,
  type FlatPolicy,
  type FlatReply,
  type FlatStep,
  nextStep,
  ORDERS_RETURNED,
  observe,
} from '../../src/core/flat/protocol.ts';
import type { CloseResult, VenueOrder } from '../../src/core/ports.ts';
import { type Known, known, unknown } from '../../src/core/problem.ts';

const POLICY: FlatPolicy = {
  settleMs: 2_000,
  dustMaxNotionalUsd: 5,
  flatten: { attempts: 5, slippageBps: { start: 20, step: 10, max: 100 }, maxCostUsd: 50 },
};
const RUN = { instance: 'amzn', runId: 'r1', pid: 7, startTicks: '99' };

type Event = { atMs: number; do: (venue: Lying) => void };

/** A venue that lies only the way venues do: late, partial, duplicated, silent; its book is the truth. */
class Lying {
  nowMs = 0;
  position = new Decimal(0);
  orders: VenueOrder[] = [];
  trades: CloseOrder[] = [];
  answers = new Map<string, CloseResult>();
  events: Event[] = [];
  /** For each call in turn: fail it, and for a close: what share fills and whether the answer is lost. */
  script: { fail: boolean; share: number; lost: boolean }[] = [];
  cancelLands = true;
  cancelLagMs = 0;
  minSize = '0.01';
  bid = '221.1';
  calls: string[] = [];

  pass(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const due = this.events.filter((e) => e.atMs <= until).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.events.splice(this.events.indexOf(due), 1);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.do(this);
    }
    this.nowMs = until;
  }

  answer(step: FlatStep): FlatReply {
    if (step.kind === 'wait') {
      this.pass(step.ms);
      return { kind: 'wait', atMs: this.nowMs };
    }
    this.calls.push(step.kind);
    this.pass(5);
    const how = this.script.shift() ?? { fail: false, share: 1, lost: false };
    const reply = <T>(value: () => T): Known<T> => (how.fail ? unknown('lied') : known(value(), this.nowMs));
    const atMs = this.nowMs;
    switch (step.kind) {
      case 'orders':
        return { kind: 'orders', reply: reply(() => [...this.orders]), atMs };
      case 'position':
        return { kind: 'position', reply: reply(() => ({ market: 'AMZN-USD', position: plain(this.position) })), atMs };
      case 'reference':
        return {
          kind: 'reference',
          reply: reply(() => ({ bid: this.bid, ask: '221.2', sizeStep: '0.01', minSize: this.minSize, tick: '0.1' })),
          atMs,
        };
      case 'cancel': {
        const ids = this.orders.map((o) => o.id);
        const land = () => {
          this.orders = this.orders.filter((o) => !ids.includes(o.id));
        };
        if (this.cancelLands) this.events.push({ atMs: this.nowMs + this.cancelLagMs, do: land });
        this.pass(0);
        return { kind: 'cancel', reply: reply(() => ({ canceled: ids.length })), atMs };
      }
      case 'close': {
        if (how.fail) return { kind: 'close', reply: unknown('time-out'), atMs };
        const result = this.answers.get(step.order.clientId) ?? this.trade(step.order, how.share);
        return { kind: 'close', reply: how.lost ? unknown('time-out') : known(result, atMs), atMs };
      }
      case 'done':
        throw new Error('done is not a call');
    }
  }

  trade(order: CloseOrder, share: number): CloseResult {
    const reduces = this.position.isNegative() ? order.side === 'buy' : order.side === 'sell';
    const most = reduces ? Decimal.min(this.position.abs(), order.size) : new Decimal(0);
    const filled = most.times(share).div('0.01').floor().times('0.01');
    this.position = this.position.plus(order.side === 'buy' ? filled : filled.negated());
    this.trades.push(order);
    const status = filled.isZero() ? 'rejected' : filled.eq(order.size) ? 'filled' : 'partial';
    const result: CloseResult = {
      clientId: order.clientId,
      status,
      filled: plain(filled),
      averagePrice: order.limitPrice,
      costUsd: '0.1',
    };
    this.answers.set(order.clientId, result);
    return result;
  }
}

function prove(venue: Lying, options: { policy?: FlatPolicy; mayAct?: boolean; seen?: string[] } = {}) {
  let state = beginProof(options.policy ?? POLICY, RUN, {
    mayAct: options.mayAct ?? true,
    seenClientIds: options.seen ?? [],
  });
  for (let steps = 0; steps < 2_000; steps += 1) {
    const step = nextStep(state, venue.nowMs);
    if (step.kind === 'done') return step;
    state = observe(state, venue.answer(step));
  }
  throw new Error('the protocol does not end');
}

const order = (id: string, size = '0.1', side: 'buy' | 'sell' = 'buy'): VenueOrder => ({
  id,
  side,
  price: '220',
  size,
});
const scripted = (change: (venue: Lying) => void): Lying => {
  const venue = new Lying();
  change(venue);
  return venue;
};

describe('verdicts', () => {
  const TABLE: { name: string; given: (v: Lying) => void; want: object; rule?: string; trades?: number }[] = [
    { name: 'nothing there', given: () => {}, want: { verdict: 'FLAT' }, trades: 0 },
    { name: 'orders are cancelled', given: (v) => v.orders.push(order('1'), order('2')), want: { verdict: 'FLAT' } },
    {
      name: 'a long is sold',
      given: (v) => {
        v.position = new Decimal('0.42');
      },
      want: { verdict: 'FLAT' },
      trades: 1,
    },
    {
      name: 'a short is bought',
      given: (v) => {
        v.position = new Decimal('-0.42');
      },
      want: { verdict: 'FLAT' },
      trades: 1,
    },
    {
      name: 'a fill after the cancel was acknowledged',
      given: (v) => {
        v.orders.push(order('1'));
        v.events.push({
          atMs: 700,
          do: (w) => {
            w.position = new Decimal('0.1');
          },
        });
      },
      want: { verdict: 'FLAT' },
      trades: 1,
    },
    {
      name: 'a late fill after the first zero re-opens the case',
      given: (v) =>
        v.events.push({
          atMs: 2_500,
          do: (w) => {
            w.position = new Decimal('0.3');
          },
        }),
      want: { verdict: 'FLAT' },
      trades: 1,
    },
    {
      name: 'a position that flips its sign',
      given: (v) => {
        v.position = new Decimal('0.5');
        v.events.push({
          atMs: 1_200,
          do: (w) => {
            w.position = new Decimal('-0.2');
          },
        });
      },
      want: { verdict: 'FLAT' },
    },
    {
      name: 'a remainder below the smallest size is dust',
      given: (v) => {
        v.position = new Decimal('0.005');
      },
      want: { verdict: 'DUST', sizeBase: '0.005', valueUsd: '1.1055' },
      trades: 0,
    },
    {
      name: 'a remainder above the dust limit is open',
      given: (v) => {
        v.minSize = '1';
        v.position = new Decimal('0.5');
      },
      want: { verdict: 'OPEN', sizeBase: '0.5' },
      rule: 'below-minimum',
    },
    {
      name: 'a market of stub quotes: nothing is sold for nothing',
      given: (v) => {
        v.position = new Decimal('3');
        v.bid = '0.01';
      },
      want: { verdict: 'OPEN', sizeBase: '3' },
      rule: 'no-price',
      trades: 0,
    },
    {
      name: 'closes that never fill',
      given: (v) => {
        v.position = new Decimal('1');
        v.script = Array(200).fill({ fail: false, share: 0, lost: false });
      },
      want: { verdict: 'OPEN', sizeBase: '1' },
      rule: 'attempts',
      trades: 5,
    },
    {
      name: 'a cancel that never lands',
      given: (v) => {
        v.cancelLands = false;
        v.orders.push(order('1'));
      },
      want: { verdict: 'UNKNOWN', reason: '1 orders still open after 3 cancels' },
    },
    {
      name: 'orders that return after the barrier',
      given: (v) => v.events.push({ atMs: 2_200, do: (w) => w.orders.push(order('9')) }),
      want: { verdict: 'UNKNOWN', reason: ORDERS_RETURNED },
      trades: 0,
    },
    {
      name: 'another copy that keeps quoting',
      given: (v) => {
        v.orders.push(order('0'));
        for (let n = 1; n < 60; n += 1)
          v.events.push({
            atMs: n * 400,
            do: (w) => {
              w.orders = [order(`n${n}`)];
            },
          });
      },
      want: { verdict: 'UNKNOWN', reason: ORDERS_RETURNED },
    },
    {
      name: 'a venue that does not answer',
      given: (v) => {
        v.script = Array(200).fill({ fail: true, share: 0, lost: false });
      },
      want: { verdict: 'UNKNOWN', reason: 'orders: lied' },
    },
  ];
  test.each(TABLE)('$name', ({ given, want, rule, trades }) => {
    const venue = scripted(given);
    const done = prove(venue);
    expect(done.verdict).toMatchObject(want);
    if (rule !== undefined) expect(done.rule).toBe(rule);
    if (trades !== undefined) expect(venue.trades).toHaveLength(trades);
    expect(new Set(venue.trades.map((t) => t.clientId)).size).toBe(venue.trades.length);
  });

  test('one empty list is no barrier: an order that lands late is cancelled too', () => {
    const venue = scripted((v) => {
      v.orders.push(order('1'));
      v.events.push({ atMs: 700, do: (w) => w.orders.push(order('in flight')) });
    });
    expect(prove(venue).verdict).toEqual({ verdict: 'FLAT' });
    expect(venue.calls.filter((c) => c === 'cancel')).toHaveLength(2);
  });

  test('an order list that cannot be read is no reason not to cancel', () => {
    const venue = scripted((v) => {
      v.script = Array(200).fill({ fail: true, share: 0, lost: false });
    });
    prove(venue);
    expect(venue.calls.slice(0, 2)).toEqual(['orders', 'cancel']);
  });

  test('a lost answer is looked up by its own client id before any new attempt', () => {
    const venue = scripted((v) => {
      v.position = new Decimal('0.42');
    });
    let state = beginProof(POLICY, RUN, { mayAct: true, seenClientIds: [] });
    const sent: string[] = [];
    for (;;) {
      const step = nextStep(state, venue.nowMs);
      if (step.kind === 'done') break;
      if (step.kind === 'close') {
        sent.push(step.order.clientId);
        venue.script = [{ fail: false, share: 0.5, lost: sent.length <= 2 }];
      }
      state = observe(state, venue.answer(step));
    }
    const first = `${clientIdPrefix(RUN)}1`;
    expect(sent.slice(0, 4)).toEqual([first, first, first, `${clientIdPrefix(RUN)}2`]);
    expect(venue.trades.filter((t) => t.clientId === first)).toHaveLength(1);
  });

  test('a close that is never answered is unknown, not retried under another id', () => {
    const venue = scripted((v) => {
      v.position = new Decimal('1');
    });
    venue.answer = (
      (real) => (step: FlatStep) =>
        step.kind === 'close'
          ? { kind: 'close' as const, reply: unknown('time-out'), atMs: venue.nowMs }
          : real.call(venue, step)
    )(venue.answer);
    expect(prove(venue)).toMatchObject({ rule: 'close-unresolved', verdict: { verdict: 'UNKNOWN' } });
  });

  test('only looking never acts', () => {
    const venue = scripted((v) => {
      v.position = new Decimal('1');
    });
    expect(prove(venue, { mayAct: false }).verdict).toMatchObject({ verdict: 'OPEN' });
    expect(venue.calls).not.toContain('cancel');
    expect(venue.calls).not.toContain('close');
  });

  test('the attempt number continues past ids already seen', () => {
    const venue = scripted((v) => {
      v.position = new Decimal('1');
    });
    prove(venue, { seen: [`${clientIdPrefix(RUN)}3`, 'mmf-else-9', `${clientIdPrefix(RUN)}2`] });
    expect(venue.trades[0]!.clientId).toBe(`${clientIdPrefix(RUN)}4`);
  });
});

test('property: never FLAT while the venue holds a position or an order', () => {
  const size = fc.integer({ min: -300, max: 300 }).map((n) => new Decimal(n).div(100));
  const schedule = fc.record({
    position: size,
    fine: fc.constantFrom('0', '0', '0.003'),
    resting: fc.nat(3),
    // What the bot still had in flight lands within the settle interval of our first look.
    late: fc.array(fc.record({ atMs: fc.integer({ min: 0, max: 2_000 }), by: size, fillsOrder: fc.boolean() }), {
      maxLength: 4,
    }),
    // A fill that shows up late: always before the settle interval after the last one is over.
    afterZero: fc.option(fc.record({ atMs: fc.integer({ min: 500, max: 4_000 }), by: size }), { nil: null }),
    cancelLagMs: fc.constantFrom(0, 50, 700, 1_500),
    cancelLands: fc.boolean(),
    foreign: fc.option(fc.integer({ min: 0, max: 1_900 }), { nil: null }),
    script: fc.array(fc.record({ fail: fc.boolean(), share: fc.constantFrom(0, 0.3, 0.5, 1), lost: fc.boolean() }), {
      maxLength: 40,
    }),
    settleMs: fc.constantFrom(2_000, 3_000),
    dust: fc.constantFrom(0, 5, 500),
  });
  const verdicts = new Map<string, number>();
  fc.assert(
    fc.property(schedule, (s) => {
      const venue = new Lying();
      venue.position = s.position.plus(s.fine);
      venue.cancelLagMs = s.cancelLagMs;
      venue.cancelLands = s.cancelLands;
      venue.script = [...s.script];
      for (let n = 0; n < s.resting; n += 1) venue.orders.push(order(`bot-${n}`));
      const move = (by: Decimal, fills: boolean) => (v: Lying) => {
        v.position = v.position.plus(by);
        if (fills) v.orders.shift();
      };
      for (const l of s.late) venue.events.push({ atMs: l.atMs, do: move(l.by, l.fillsOrder) });
      if (s.afterZero !== null) venue.events.push({ atMs: s.afterZero.atMs, do: move(s.afterZero.by, false) });
      if (s.foreign !== null) venue.events.push({ atMs: s.foreign, do: (v) => v.orders.push(order('foreign')) });
      const policy = { ...POLICY, settleMs: s.settleMs, dustMaxNotionalUsd: s.dust };
      const { verdict } = prove(venue, { policy });
      verdicts.set(verdict.verdict, (verdicts.get(verdict.verdict) ?? 0) + 1);
      if (verdict.verdict === 'FLAT') {
        expect(plain(venue.position)).toBe('0');
        expect(venue.orders).toEqual([]);
      }
      if (verdict.verdict === 'DUST') {
        expect(plain(venue.position)).toBe(verdict.sizeBase);
        expect(Number(verdict.valueUsd)).toBeLessThanOrEqual(s.dust);
        expect(venue.orders).toEqual([]);
      }
      expect(venue.trades.length).toBeLessThanOrEqual(5);
      expect(new Set(venue.trades.map((t) => t.clientId)).size).toBe(venue.trades.length);
    }),
    { numRuns: 3_000 },
  );
  for (const verdict of ['FLAT', 'DUST', 'OPEN', 'UNKNOWN']) expect(verdicts.get(verdict), verdict).toBeGreaterThan(10);
});

describe('prices and sizes', () => {
  test.each([
    { side: 'buy' as const, touch: '221.2', bps: 20, tick: '0.1', want: '221.7' },
    { side: 'sell' as const, touch: '221.1', bps: 20, tick: '0.1', want: '220.6' },
    { side: 'buy' as const, touch: '100', bps: 10, tick: '0.1', want: '100.1' },
    { side: 'sell' as const, touch: '0.05', bps: 100, tick: '0.1', want: '0.1' },
    { side: 'sell' as const, touch: '3', bps: 50, tick: null, want: '2.985' },
  ])('$side $touch by $bps bps on $tick is $want', ({ side, touch, bps, tick, want }) => {
    expect(limitPrice(side, new Decimal(touch), new Decimal(bps), tick)).toBe(want);
  });

  test('the limit is never less aggressive than asked, by less than a tick', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('buy', 'sell'),
        fc.integer({ min: 100, max: 1e6 }),
        fc.integer({ min: 0, max: 200 }),
        (side, cents, bps) => {
          const touch = new Decimal(cents).div(100);
          const sign = side === 'buy' ? 1 : -1;
          const asked = touch.times(1 + (sign * bps) / 1e4);
          const off = new Decimal(limitPrice(side as 'buy', touch, new Decimal(bps), '0.05')).minus(asked).times(sign);
          expect(off.gte(-1e-9) && off.lt('0.05')).toBe(true);
        },
      ),
    );
  });

  test('sizes round down to the step and never above the position', () => {
    expect(plain(closingSize(new Decimal('-0.4299'), '0.01'))).toBe('0.42');
    expect(plain(closingSize(new Decimal('0.3'), '0.1'))).toBe('0.3');
    expect(plain(closingSize(new Decimal('0.3'), null))).toBe('0.3');
  });

  test('the limit price keeps the worst case inside the cost limit', () => {
    const venue = scripted((v) => {
      v.position = new Decimal('500');
    });
    prove(venue);
    // 500 at 221.1 is 110550 USD: 50 USD are 4.5 bps, not the 20 the ladder starts with.
    const worst = new Decimal('221.1').minus(venue.trades[0]!.limitPrice!).times(500);
    expect(worst.lte(new Decimal(50).plus(500 * 0.1))).toBe(true);
    expect(venue.trades[0]!.limitPrice).toBe('221');
  });

  test('ids of other runs do not count', () => {
    expect(lastAttempt(RUN, [`${clientIdPrefix({ ...RUN, pid: 8 })}4`])).toBe(0);
  });
});
