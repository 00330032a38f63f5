import { expect, test } from 'vitest';
import { observe } from '../../../src/core/health/observe.ts';
import type { JournalEvent } from '../../../src/core/journal/types.ts';
import type { HealthPolicy, TuningPolicy } from '../../../src/core/spec/types.ts';
import { rebuildMemory } from '../../../src/core/tuning/memory.ts';
import type { TuningDecision } from '../../../src/core/tuning/types.ts';
import { BASE, HEALTH, TUNING } from '../health/policy.ts';
import { fill, heartbeat, quiet, runEnd, runStart, START, snapshot } from '../health/script.ts';
import { ask, BASE_ENV, commit, currentIter, feed, type Loop, newLoop, revert, valuesOf } from './loop.ts';

const LOSING = { fillsPerMinute: 4, markoutBps: (minute: number) => -3 - (minute % 3) * 0.2, position: '0' };
const EARNING = { fillsPerMinute: 2, markoutBps: (minute: number) => 2 + (minute % 3) * 0.2, position: '0' };
const HOUR = 3600;

function loopWith(
  change: { health?: Partial<HealthPolicy>; tuning?: Partial<TuningPolicy>; base?: Record<string, string> } = {},
): Loop {
  const policy = { health: { ...HEALTH, ...change.health }, tuning: { ...TUNING, ...change.tuning } };
  return newLoop(policy, { ...BASE, ...change.base });
}

/** A run of the current config from `from`; returns its end. */
function live(loop: Loop, from: number, minutes: number, shape: Parameters<typeof quiet>[2]): number {
  feed(loop, [runStart(from), ...quiet(from, minutes, shape)]);
  return from + minutes * 60;
}

function expectKind<K extends TuningDecision['kind']>(
  decision: TuningDecision,
  kind: K,
): Extract<TuningDecision, { kind: K }> {
  expect(decision).toMatchObject({ kind });
  return decision as Extract<TuningDecision, { kind: K }>;
}

/** Alarms once and commits the step; returns the end of the run. */
function alarmOnce(loop: Loop, from: number, minutes = 60): number {
  const end = live(loop, from, minutes, LOSING);
  const { decision } = ask(loop);
  expect(['tune', 'undo', 'park']).toContain(decision.kind);
  commit(loop, decision, end + 4 * HOUR);
  return end;
}

test('an alarm widens by the first factor of the ladder, in one theme', () => {
  const loop = loopWith();
  live(loop, START, 60, LOSING);
  const { decision, health, rows, sentence } = ask(loop);
  expect(expectKind(decision, 'tune')).toMatchObject({
    urgent: true,
    theme: 'spread-offset',
    step: 'widen',
    factor: 1.5,
    proven: false,
    trigger: { by: 'burst', metric: 'markout5sBps', limit: -0.5 },
    changes: [
      { key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '1.8' },
      { key: 'MM_MIN_OFFSET_BPS', from: '4', to: '6' },
    ],
  });
  expect(health).toBe('degraded');
  expect(rows.filter((row) => row.decided).map((row) => row.rule)).toEqual(['signal burst']);
  expect(sentence).toMatch(/^Signal burst: \+5 s markout averaged -3\.\d\d bps over \d+ fills, limit -0\.50/);
});

test('the second alarm of a day takes the second factor, the third parks, the next park is longer', () => {
  const loop = loopWith({ tuning: { park: { ...TUNING.park, reparkWithinMs: 0 } } });
  let now = alarmOnce(loop, START);
  live(loop, now, 60, LOSING);
  expect(expectKind(ask(loop).decision, 'tune')).toMatchObject({ factor: 2, changes: [{ to: '3.6' }, { to: '12' }] });
  commit(loop, ask(loop).decision);
  now = live(loop, now + HOUR, 60, LOSING);
  const park = expectKind(ask(loop).decision, 'park');
  expect(park).toMatchObject({ forMs: 4 * HOUR * 1000, parks: 1 });
  expect(park.message).toMatch(/2 steps within 24 h/);
  commit(loop, park, now + 4 * HOUR);
  live(loop, now + 4 * HOUR, 60, LOSING);
  expect(expectKind(ask(loop).decision, 'park')).toMatchObject({ forMs: 8 * HOUR * 1000, parks: 2 });
});

test('an alarm soon after a park parks again at once, but not the slow one', () => {
  const loop = loopWith();
  let now = START;
  for (let n = 0; n < 3; n += 1) now = alarmOnce(loop, now);
  expect(loop.memory.parks).toHaveLength(1);
  // More than a day later the budget is free again, and still it parks.
  live(loop, now + 30 * HOUR, 60, LOSING);
  expect(expectKind(ask(loop).decision, 'park').message).toMatch(/soon after a park/);
  const slow = loopWith({
    health: {
      signals: {
        ...HEALTH.signals,
        burst: never(HEALTH.signals.burst),
        fast: never(HEALTH.signals.fast),
        alert: never(HEALTH.signals.alert),
      },
    },
  });
  slow.memory = { ...loop.memory };
  live(slow, now + 30 * HOUR, 90, LOSING);
  expect(expectKind(ask(slow).decision, 'tune').trigger.by).toBe('slow');
});

const never = (signal: HealthPolicy['signals']['burst']) => ({ ...signal, limit: -1e9 });

test('the alert signal looks only after a first alarm', () => {
  const health = {
    signals: {
      ...HEALTH.signals,
      burst: never(HEALTH.signals.burst),
      fast: never(HEALTH.signals.fast),
      slow: never(HEALTH.signals.slow),
    },
  };
  const fresh = loopWith({ health });
  live(fresh, START, 60, LOSING);
  expect(fresh.run.alarms.alert).toBeDefined();
  expect(ask(fresh).decision.kind).toBe('none');
  expect(ask(fresh).rows.find((row) => row.rule === 'signal alert')!.result).toBe('off');
  const alarmed = loopWith();
  const now = alarmOnce(alarmed, START);
  const after = loopWith({ health });
  after.memory = alarmed.memory;
  after.iters = alarmed.iters;
  live(after, now, 60, LOSING);
  expect(expectKind(ask(after).decision, 'tune').trigger.by).toBe('alert');
  // Half a day after the alarm it looks no more.
  const late = loopWith({ health });
  late.memory = alarmed.memory;
  late.iters = alarmed.iters;
  live(late, now + 12 * HOUR, 60, LOSING);
  expect(ask(late).decision.kind).toBe('none');
});

test('nothing in the cooldown', () => {
  const loop = loopWith();
  for (const event of [runStart(START), ...quiet(START, 31, LOSING)]) {
    observe(loop.run, event);
    if (event.ts < START + 1800) expect(ask(loop).decision).toMatchObject({ kind: 'none', reason: 'cooldown' });
  }
});

test('quotes that lose at once are made faster first, and only on the first rung', () => {
  const stale = { ...LOSING, fill: { edgeRecomputedBps: -1 } };
  const loop = loopWith();
  const now = live(loop, START, 60, stale);
  expect(expectKind(ask(loop).decision, 'tune')).toMatchObject({
    theme: 'reprice',
    step: 'faster x0.6',
    factor: null,
    changes: [
      { key: 'MM_REPRICE_TOLERANCE_PERCENT', from: null, to: '0.06' },
      { key: 'MM_MIN_REPRICE_INTERVAL_S', from: null, to: '0.3' },
    ],
  });
  commit(loop, ask(loop).decision);
  live(loop, now, 60, stale);
  expect(expectKind(ask(loop).decision, 'tune').theme).toBe('spread-offset');
});

test.each([
  {
    name: 'spread at its bound: toxicity',
    bounds: WIDE(),
    base: {},
    want: { kind: 'tune', theme: 'toxicity', step: 'imbalance -0.1' },
  },
  {
    name: 'fixed offsets: levels, not the dead knobs',
    bounds: {},
    base: { MM_OFFSET_MODE: 'fixed' },
    want: { kind: 'tune', theme: 'spread-offset', step: 'widen-levels -1' },
  },
  {
    name: 'both at their bounds: park',
    bounds: {
      ...WIDE(),
      MM_IMBALANCE_PAUSE_THRESHOLD: { min: 0.7, max: null },
      MM_MICRO_VOL_WINDOW_S: { min: 5, max: null },
      MM_IMBALANCE_WINDOW_S: { min: 2, max: null },
    },
    base: {},
    want: { kind: 'park' },
  },
])('$name', ({ bounds, base, want }) => {
  const loop = loopWith({ tuning: { bounds }, base });
  live(loop, START, 60, LOSING);
  expect(ask(loop).decision).toMatchObject(want);
});

function WIDE(): TuningPolicy['bounds'] {
  return {
    MM_SPREAD_MULTIPLIER: { min: null, max: 1.2 },
    MM_MIN_OFFSET_BPS: { min: null, max: 4 },
    MM_NUM_PRICE_LEVELS: { min: 2, max: null },
    MM_MIN_SPREAD_BPS: { min: null, max: 0 },
  };
}

test('a theme that is not allowed is not used', () => {
  const loop = loopWith({ tuning: { themes: ['toxicity'] } });
  live(loop, START, 60, LOSING);
  expect(expectKind(ask(loop).decision, 'tune').theme).toBe('toxicity');
});

/** A base that ran quiet for seven hours, then alarmed once. Returns the loop and the end. */
function provenRung(change: Parameters<typeof loopWith>[0] = {}): { loop: Loop; now: number } {
  const loop = loopWith(change);
  feed(loop, [runStart(START), ...quiet(START, 7 * 60, EARNING), ...quiet(START + 7 * HOUR, 60, LOSING)]);
  const decision = expectKind(ask(loop).decision, 'tune');
  expect(decision.proven).toBe(true);
  commit(loop, decision);
  return { loop, now: START + 8 * HOUR };
}

test('quiet and earning for six hours: one rung back to what was proven', () => {
  const { loop, now } = provenRung();
  const alarmAt = loop.memory.alarms[0]!.at;
  live(loop, now, 5 * 60, EARNING);
  expect(ask(loop).decision).toMatchObject({ kind: 'none', reason: 'converged' });
  feed(loop, quiet(now + 5 * HOUR, 60, EARNING));
  const recover = expectKind(ask(loop).decision, 'recover');
  expect(recover).toMatchObject({
    at: alarmAt + 6 * HOUR,
    theme: 'spread-offset',
    step: 'recover-to-base',
    fromIter: 1,
    toIter: null,
    changes: [
      { key: 'MM_MIN_OFFSET_BPS', from: '6', to: '4' },
      { key: 'MM_SPREAD_MULTIPLIER', from: '1.8', to: '1.2' },
    ],
  });
  commit(loop, recover);
  expect(loop.memory).toMatchObject({ rungs: [], trial: { kind: 'recover', iter: 2, fromIter: 1 } });
});

test.each([
  {
    name: 'not earning',
    shape: { ...EARNING, markoutBps: (minute: number) => (minute % 2 === 0 ? -8.6 : 8) },
    proven: true,
  },
  { name: 'no fills', shape: { position: '0' }, proven: true },
  {
    name: 'too few fill-minutes',
    shape: { ...EARNING, fillsPerMinute: (minute: number) => (minute % 40 === 0 ? 2 : 0) },
    proven: true,
  },
  { name: 'the config below was not proven', shape: EARNING, proven: false },
])('no way back: $name', ({ shape, proven }) => {
  const { loop, now } = provenRung();
  loop.memory.rungs[0]!.proven = proven;
  live(loop, now, 8 * 60, shape);
  expect(ask(loop).decision.kind).toBe('none');
});

test('an alarm under a trial takes the rung back, doubles the wait and forgets that step', () => {
  const { loop, now } = provenRung();
  live(loop, now, 6 * 60, EARNING);
  commit(loop, ask(loop).decision);
  const later = now + 6 * HOUR;
  live(loop, later, 60, LOSING);
  const undo = expectKind(ask(loop).decision, 'undo');
  expect(undo).toMatchObject({
    fromIter: 2,
    toIter: 1,
    waitMs: 12 * HOUR * 1000,
    forget: 'recover-to-base',
    changes: [
      { key: 'MM_MIN_OFFSET_BPS', from: '4', to: '6' },
      { key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '1.8' },
    ],
  });
  commit(loop, undo);
  expect(loop.memory).toMatchObject({
    trial: null,
    recoverWaitMs: 12 * HOUR * 1000,
    rungs: [{ fromIter: null, toIter: 3, proven: true }],
    forgotten: [{ step: 'recover-to-base', until: undo.at + 72 * HOUR }],
  });
  const quietFrom = later + HOUR;
  live(loop, quietFrom, 13 * 60, EARNING);
  expect(ask(loop).decision.kind).toBe('none');
  feed(loop, quiet(quietFrom + 13 * HOUR, 60 * 60, EARNING));
  expect(expectKind(ask(loop).decision, 'recover').at).toBeGreaterThanOrEqual(undo.at + 72 * HOUR);
});

test('after the probation an alarm is an alarm again', () => {
  const { loop, now } = provenRung();
  live(loop, now, 6 * 60, EARNING);
  commit(loop, ask(loop).decision);
  feed(loop, [
    runStart(now + 6 * HOUR),
    ...quiet(now + 6 * HOUR, 13 * 60, EARNING),
    ...quiet(now + 19 * HOUR, 60, LOSING),
  ]);
  expect(expectKind(ask(loop).decision, 'tune')).toMatchObject({ step: 'widen', proven: true });
});

test('a person reverts a step: it is not tried again until its time is over', () => {
  const loop = loopWith();
  let now = alarmOnce(loop, START);
  revert(loop, 1, now);
  expect(currentIter(loop)).toBeNull();
  expect(loop.memory).toMatchObject({ rungs: [], lastIter: 1, forgotten: [{ step: 'widen', until: now + 72 * HOUR }] });
  now = live(loop, now, 60, LOSING);
  expect(expectKind(ask(loop).decision, 'tune')).toMatchObject({ step: 'widen-levels -1' });
  const again = loopWith();
  again.memory = { ...loop.memory, alarms: [], alarmChanges: [], parks: [] };
  live(again, now + 73 * HOUR, 60, LOSING);
  expect(expectKind(ask(again).decision, 'tune')).toMatchObject({ step: 'widen' });
});

test('the trend step: on by choice, for slow losses behind good first seconds', () => {
  const health = {
    signals: { ...HEALTH.signals, burst: never(HEALTH.signals.burst), fast: never(HEALTH.signals.fast) },
  };
  const keys = {
    MM_MICRO_DRIFT_MAX_BPS: { type: 'decimal', min: null, max: null, theme: 'toxicity', step: { times: 0.75 } },
  } as const;
  const tuning = { trendStep: true, keys: { ...keys } };
  // Good at +5 s, bad at +60 s: each minute the mid is low at first, then high.
  const events: JournalEvent[] = [runStart(START)];
  for (let at = START; at < START + 5 * HOUR; at += 60) {
    events.push(fill(at + 1, 0, { price: '100', mid: null }), fill(at + 2, 0, { price: '100', mid: null }));
    events.push(snapshot(at + 3, 99.9), heartbeat(at + 5), snapshot(at + 8, 100.02), heartbeat(at + 35));
  }
  const off = loopWith({ health });
  feed(off, events);
  expect(expectKind(ask(off).decision, 'tune')).toMatchObject({ step: 'widen', trigger: { by: 'slow' } });
  const on = loopWith({ health, tuning });
  feed(on, events);
  expect(expectKind(ask(on).decision, 'tune')).toMatchObject({
    step: 'trend',
    theme: 'toxicity',
    factor: 1.5,
    changes: [
      { key: 'MM_IMBALANCE_PAUSE_THRESHOLD', from: null, to: '0.5' },
      { key: 'MM_MICRO_DRIFT_MAX_BPS', from: null, to: '4' },
    ],
  });
});

test('a broken hygiene limit waits for a small position', () => {
  const shape = { ...EARNING, placedPerMinute: 10, cancelledPerMinute: 10, position: '20' };
  const loop = loopWith();
  live(loop, START, 65, shape);
  expect(ask(loop).decision.kind).toBe('none');
  feed(loop, quiet(START + 65 * 60, 30, shape));
  expect(ask(loop).decision).toMatchObject({ kind: 'none', reason: 'cheap-moment' });
  feed(loop, quiet(START + 95 * 60, 2, { ...shape, position: '1' }));
  const { decision } = ask(loop);
  expect(expectKind(decision, 'tune')).toMatchObject({
    urgent: false,
    theme: 'reprice',
    step: 'slower +0.1',
    trigger: { by: 'cancelRatio', value: 1, limit: 0.995 },
    changes: [
      { key: 'MM_REPRICE_TOLERANCE_PERCENT', to: '0.2' },
      { key: 'MM_MIN_REPRICE_INTERVAL_S', to: '0.8' },
    ],
  });
});

test('no small position comes: it acts at the end of the wait; an unknown one never is a moment', () => {
  const shape = { ...EARNING, placedPerMinute: 10, cancelledPerMinute: 10, position: '20' };
  const large = loopWith();
  live(large, START, 120, shape);
  const unknown = loopWith();
  live(unknown, START, 120, { ...shape, position: null });
  const due = large.run.limitEpisodes.cancelRatio![0]!.from;
  expect(expectKind(ask(large).decision, 'tune').at).toBeGreaterThanOrEqual(due + 1800);
  expect(ask(unknown).decision).toMatchObject({ kind: 'none', reason: 'cheap-moment' });
});

test('one hygiene change a day; among limits broken at once the largest ratio', () => {
  const shape = { ...EARNING, placedPerMinute: 10, cancelledPerMinute: 10, postOnlyPerMinute: 3, position: '0' };
  const loop = loopWith({
    health: { limits: { ...HEALTH.limits, cancelRatio: { max: 0.995, minPlacements: 200, action: 'tune' } } },
  });
  const now = live(loop, START, 90, shape);
  // 0.3 of 0.05 is six times the limit, 1 of 0.995 hardly more than the limit.
  expect(expectKind(ask(loop).decision, 'tune')).toMatchObject({
    theme: 'post-only',
    trigger: { by: 'postOnlyRejectRatio' },
  });
  commit(loop, ask(loop).decision);
  live(loop, now, 120, shape);
  expect(ask(loop).decision).toMatchObject({ kind: 'none', reason: 'budget' });
  feed(loop, quiet(now + 2 * HOUR, 23 * 60, shape));
  expect(expectKind(ask(loop).decision, 'tune').urgent).toBe(false);
});

test('too few fills: tighten while the run earns and no rung is open, on trial', () => {
  const rare = { ...EARNING, fillsPerMinute: (minute: number) => (minute % 12 === 0 ? 1 : 0) };
  const loop = loopWith();
  const now = live(loop, START, 5 * 60, rare);
  expect(expectKind(ask(loop).decision, 'tune')).toMatchObject({
    step: 'tighten /1.25',
    trigger: { by: 'fillsPerHour', limit: 10 },
    changes: [
      { key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '0.96' },
      { key: 'MM_MIN_OFFSET_BPS', from: '4', to: '3.2' },
    ],
  });
  commit(loop, ask(loop).decision);
  expect(loop.memory.trial).toMatchObject({ kind: 'tighten', iter: 1, fromIter: null });
  live(loop, now, 60, LOSING);
  expect(expectKind(ask(loop).decision, 'undo')).toMatchObject({
    forget: 'tighten',
    changes: [{ to: '4' }, { to: '1.2' }],
  });
  const rung = loopWith();
  const after = alarmOnce(rung, START);
  live(rung, after, 5 * 60, rare);
  expect(ask(rung).decision).toMatchObject({ kind: 'none', reason: 'guard' });
  // Why nothing is done is told by a rule as well.
  expect(ask(rung).rows.filter((row) => row.decided)).toMatchObject([{ rule: 'limit fillsPerHour' }]);
});

test('fills on one side only, or none: reported at most', () => {
  const oneSided = { ...EARNING, fill: { side: 'buy' as const } };
  const loop = loopWith({
    health: { limits: { ...HEALTH.limits, realizedPnlUsd: { lastFills: 10, min: 0, action: 'tune' } } },
  });
  live(loop, START, 300, oneSided);
  expect(ask(loop).rows.find((row) => row.rule === 'limit realizedPnlUsd')).toMatchObject({ value: 0, result: 'ok' });
  expect(ask(loop).decision.kind).toBe('none');
  const none = loopWith();
  live(none, START, 24 * 60, { position: '0' });
  expect(ask(none)).toMatchObject({ decision: { kind: 'none', reason: 'sample-floor' }, health: 'watch' });
  expect(ask(none).rows.find((row) => row.rule === 'limit fillCount')).toMatchObject({ value: 0, result: 'breach' });
  expect(ask(none).rows.filter((row) => row.decided)).toMatchObject([{ rule: 'signal burst', nMin: 60 }]);
});

test('the literal seed rule is there when asked for: realised PnL of the last ten fills', () => {
  const health = {
    limits: { ...HEALTH.limits, realizedPnlUsd: { lastFills: 10, min: 0, action: 'tune' as const } },
    signals: {
      ...HEALTH.signals,
      burst: never(HEALTH.signals.burst),
      fast: never(HEALTH.signals.fast),
      slow: never(HEALTH.signals.slow),
    },
  };
  const loop = loopWith({ health });
  live(loop, START, 80, LOSING);
  expect(expectKind(ask(loop).decision, 'tune')).toMatchObject({ trigger: { by: 'realizedPnlUsd' }, step: 'widen' });
});

test('a hard limit stops at once, also in the cooldown', () => {
  const health = { limits: { ...HEALTH.limits, drawdownUsd: { max: 5, action: 'stop' as const } } };
  const loop = loopWith({ health });
  feed(loop, [
    runStart(START),
    fill(START + 10, 0, { price: '100', qty: '10' }),
    snapshot(START + 20, 99, '10'),
    snapshot(START + 70, 99, '10'),
  ]);
  const { decision, health: state } = ask(loop);
  expect(decision).toMatchObject({ kind: 'stop', at: START + 70, trigger: { by: 'drawdownUsd', value: 10, limit: 5 } });
  expect(state).toBe('degraded');
});

test.each([
  { name: 'a stale journal', ask: { dataAgeMs: 4 * 60_000 }, reason: 'journal-stale', health: 'stale' },
  { name: 'memory that is incomplete', ask: {}, reason: 'memory-incomplete', health: 'ok' },
])('$name: nothing', ({ ask: more, reason, health }) => {
  const loop = loopWith();
  live(loop, START, 60, LOSING);
  if (reason === 'memory-incomplete')
    loop.memory = { ...loop.memory, complete: false, incompleteReason: 'iter003 was added without its story' };
  expect(ask(loop, more).decision).toMatchObject({ kind: 'none', reason });
  if (health === 'stale') expect(ask(loop, more).health).toBe('stale');
});

test('a run that has written its end is complete: its alarm is answered however long ago that was', () => {
  const loop = loopWith();
  const end = live(loop, START, 60, LOSING);
  feed(loop, [runEnd(end)]);
  expectKind(ask(loop, { dataAgeMs: 5 * HOUR * 1000 }).decision, 'tune');
});

test('a gap: nothing until a whole window without one', () => {
  const loop = loopWith();
  live(loop, START, 60, EARNING);
  feed(loop, quiet(START + 2 * HOUR, 40, { ...EARNING, fillsPerMinute: 1 }));
  expect(ask(loop).decision).toMatchObject({ kind: 'none', reason: 'journal-gap' });
  feed(loop, quiet(START + 2 * HOUR + 40 * 60, 40, EARNING));
  expect(ask(loop).decision).toMatchObject({ kind: 'none', reason: 'converged' });
});

test('an alarm goes before a pending step back', () => {
  const { loop, now } = provenRung();
  live(loop, now, 7 * 60, EARNING);
  expect(ask(loop).decision.kind).toBe('recover');
  feed(loop, quiet(now + 7 * HOUR, 60, LOSING));
  const { decision, log } = ask(loop);
  expect(decision.kind).toBe('tune');
  expect(log.map((each) => each.kind)).toEqual(['recover', 'tune']);
});

test('what was acted on is not decided again from the same run', () => {
  const loop = loopWith();
  live(loop, START, 60, LOSING);
  const { run } = loop;
  commit(loop, ask(loop).decision);
  loop.run = run;
  expect(ask(loop).decision).toMatchObject({ kind: 'none', reason: 'guard' });
  // The bot writes on until it is stopped; nothing it shows by then is news.
  feed(loop, quiet(START + HOUR, 60, LOSING));
  expect(ask(loop).decision.kind).toBe('none');
});

test('no run yet: nothing, and unknown', () => {
  const loop = loopWith();
  expect(ask(loop)).toMatchObject({ decision: { kind: 'none' }, health: 'unknown', rows: [] });
});

test('every rule has its row, in the order it is looked at', () => {
  const loop = loopWith();
  live(loop, START, 60, EARNING);
  expect(ask(loop).rows.map((row) => row.rule)).toEqual([
    'memory',
    'journal',
    'limit drawdownUsd',
    'cooldown',
    'signal burst',
    'signal fast',
    'signal slow',
    'signal alert',
    'trial',
    'budget',
    're-park',
    'cheap moment',
    'recover',
    'limit realizedPnlUsd',
    'limit markout5sBps',
    'limit fillCount',
    'limit fillRatio',
    'limit cancelRatio',
    'limit postOnlyRejectRatio',
    'limit failureRatio',
    'limit fillsPerHour',
    'limit positionShare',
    'limit dataAge',
  ]);
  for (const row of ask(loop).rows) expect(row.value === null).toBe(row.unavailable !== null);
});

test('only the instance itself counts: the same run decides the same beside any other', () => {
  const a = loopWith();
  const b = loopWith();
  live(a, START, 60, LOSING);
  live(b, START, 60, EARNING);
  const alone = JSON.stringify(ask(a));
  ask(b);
  expect(JSON.stringify(ask(a))).toBe(alone);
  expect(ask(b).decision).toMatchObject({ kind: 'none', reason: 'converged' });
});

test('an empty trail is an empty, complete memory', () => {
  expect(rebuildMemory([], { baseEnv: BASE_ENV, policy: TUNING })).toMatchObject({
    complete: true,
    lastIter: 0,
    rungs: [],
    recoverWaitMs: 6 * HOUR * 1000,
  });
  expect(valuesOf(loopWith(), null)).toMatchObject({ MM_SPREAD_MULTIPLIER: '1.2' });
});
