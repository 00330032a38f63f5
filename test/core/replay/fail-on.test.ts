import { describe, expect, test } from 'vitest';
import { compareReplays } from '../../../src/core/replay/compare.ts';
import { checkFailOn, parseFailOn } from '../../../src/core/replay/fail-on.ts';
import type { ReplayDecision, ReplayMetrics } from '../../../src/core/replay/types.ts';

const METRICS: ReplayMetrics = {
  alarms: 1,
  alarmsPerDay: 0.5,
  changes: 2,
  changesPerDay: 1,
  parks: 0,
  stops: 0,
  boundHits: 3,
};

describe('rules', () => {
  test.each([
    { text: 'alarmsPerDay>0.5', broken: false },
    { text: 'alarmsPerDay>=0.5', broken: true },
    { text: 'alarmsPerDay > 0.49', broken: true },
    { text: 'changesPerDay<1', broken: false },
    { text: 'changesPerDay <= 1', broken: true },
    { text: ' parks>0 ', broken: false },
    { text: 'boundHits>2', broken: true },
    { text: 'boundHits>-1.5', broken: true },
    { text: 'boundHits<.5', broken: false },
  ])('$text', ({ text, broken }) => {
    const rule = parseFailOn(text);
    expect(rule.ok && checkFailOn(rule.value, METRICS).broken).toBe(broken);
  });

  test('a number that could not be computed breaks its rule, whatever it asks', () => {
    const rule = parseFailOn('alarmsPerDay>100');
    expect(rule.ok && checkFailOn(rule.value, { ...METRICS, alarmsPerDay: null })).toMatchObject({
      value: null,
      broken: true,
    });
  });

  test.each([
    { text: 'alarmPerDay>0.5', hint: 'did you mean "alarmsPerDay"?' },
    { text: 'park>0', hint: 'did you mean "parks"?' },
    { text: 'profit>0', hint: 'metrics: alarmsPerDay, changesPerDay, parks, boundHits' },
    { text: 'parks', hint: 'write for example' },
    { text: 'parks=1', hint: 'write for example' },
    { text: 'parks>many', hint: 'write for example' },
    { text: 'parks>1,boundHits>1', hint: 'write for example' },
    { text: '', hint: 'write for example' },
  ])('"$text" is refused', ({ text, hint }) => {
    const rule = parseFailOn(text);
    expect(rule.ok).toBe(false);
    if (!rule.ok) {
      expect(rule.problem.code).toBe('replay-bad-rule');
      expect(rule.problem.hint).toContain(hint);
    }
  });
});

describe('comparison', () => {
  const step = (at: number, more: Partial<ReplayDecision> = {}): ReplayDecision => ({
    at,
    kind: 'tune',
    alarm: true,
    by: 'burst',
    metric: 'markout5sBps',
    value: -1,
    limit: -0.5,
    n: 60,
    looks: 3,
    theme: 'spread-offset',
    step: 'widen x1.5',
    iterFrom: null,
    iterTo: 1,
    changes: [{ key: 'MM_SPREAD_MULTIPLIER', from: '1', to: '1.5' }],
    forMs: null,
    boundHits: [],
    message: 'words',
    ...more,
  });

  test('equal logs do not diverge; words and numbers behind a decision do not make it another one', () => {
    const difference = compareReplays([step(1), step(2)], [step(1), step(2, { message: 'other', value: -2 })]);
    expect(difference).toEqual({ same: 2, onlyHere: [], onlyBaseline: [], firstDivergence: null });
  });

  test.each([
    { name: 'one more here', here: [step(1), step(2)], baseline: [step(1)], at: 2, only: [1, 0] },
    { name: 'one more there', here: [step(2)], baseline: [step(1), step(2)], at: 1, only: [0, 1] },
    { name: 'later', here: [step(5)], baseline: [step(4)], at: 4, only: [1, 1] },
    { name: 'another value', here: [step(1, { changes: [] })], baseline: [step(1)], at: 1, only: [1, 1] },
  ])('$name', ({ here, baseline, at, only }) => {
    const difference = compareReplays(here, baseline);
    expect(difference.firstDivergence?.at).toBe(at);
    expect([difference.onlyHere.length, difference.onlyBaseline.length]).toEqual(only);
  });
});
