import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { glanceOf } from '../../../src/core/health/glance.ts';
import { observe } from '../../../src/core/health/observe.ts';
import { loadRun, newRunState, storeRun } from '../../../src/core/health/run.ts';
import { HEALTH } from './policy.ts';
import { fill, fold, heartbeat, quiet, RUN, runStart, START, snapshot } from './script.ts';

const LOSING = { fillsPerMinute: 4, markoutBps: (minute: number) => -3 - (minute % 3) * 0.2 };
const EARNING = { fillsPerMinute: 4, markoutBps: (minute: number) => 2 + (minute % 3) * 0.2 };

test('a losing market alarms after the cooldown, at the first look that may', () => {
  const run = fold(HEALTH, [runStart(START), ...quiet(START, 90, LOSING)]);
  expect(run.alarms.burst).toMatchObject({ signal: 'burst', limitBps: -0.5, looks: expect.any(Number) });
  expect(run.alarms.burst!.at - START).toBeGreaterThanOrEqual(1800);
  expect(run.alarms.burst!.at - START).toBeLessThan(1800 + 130);
  expect(run.alarms.burst!.valueBps).toBeLessThan(-3);
});

test('an earning market never alarms', () => {
  const run = fold(HEALTH, [runStart(START), ...quiet(START, 600, EARNING)]);
  expect(run.alarms).toEqual({});
  expect(run.earning.at(-1)).toMatchObject({ to: null });
});

test('fees are part of the edge: a gross gain that fees eat alarms, a rebate does not', () => {
  const gross = { fillsPerMinute: 4, markoutBps: (minute: number) => 0.2 + (minute % 2) * 0.1 };
  const paid = fold(HEALTH, [runStart(START), ...quiet(START, 300, { ...gross, fill: { fee: '0.02' } })]);
  const free = fold(HEALTH, [runStart(START), ...quiet(START, 300, { ...gross, fill: { fee: null } })]);
  const rebate = fold(HEALTH, [runStart(START), ...quiet(START, 300, { ...gross, fill: { fee: '-0.02' } })]);
  expect(Object.keys(paid.alarms)).toContain('fast');
  expect(free.alarms).toEqual({});
  expect(rebate.alarms).toEqual({});
  expect(rebate.fills.at(0).feeBps).toBeCloseTo(-2, 1);
});

test('stored and loaded after every minute, the run is the same', () => {
  const events = [runStart(START), ...quiet(START, 120, LOSING)];
  const whole = fold(HEALTH, events);
  let run = newRunState({ health: HEALTH, maxPositionBase: null });
  let minute = 0;
  for (const event of events) {
    if (Math.floor(event.ts / 60) > minute) {
      minute = Math.floor(event.ts / 60);
      run = loadRun(storeRun(run), { health: HEALTH, maxPositionBase: null })!;
    }
    observe(run, event);
  }
  expect(storeRun(run)).toBe(storeRun(whole));
  expect(whole.alarms.burst).toBeDefined();
});

test('a state stored under another policy or cap is not used', () => {
  const text = storeRun(fold(HEALTH, [runStart(START)]));
  expect(loadRun(text, { health: HEALTH, maxPositionBase: 5 })).toBeNull();
  expect(loadRun(text, { health: { ...HEALTH, cooldownMs: 1 }, maxPositionBase: null })).toBeNull();
  expect(loadRun(text, { health: HEALTH, maxPositionBase: null })).not.toBeNull();
});

test('what the run holds does not grow with the journal', () => {
  const busy = { fillsPerMinute: 30, markoutBps: 1 };
  const run = fold(HEALTH, [runStart(START), ...quiet(START, 6 * 60, busy)]);
  const first = storeRun(run).length;
  for (const event of quiet(START + 6 * 3600, 12 * 60, busy)) observe(run, event);
  expect(run.fillsSeen).toBe(18 * 60 * 30);
  expect(storeRun(run).length).toBeLessThan(1.3 * first);
});

test.each([
  { name: 'a heartbeat gap', hole: [heartbeat(START + 3700)], gap: /no heartbeat/ },
  { name: 'silence without heartbeats', hole: [snapshot(START + 3600 + 200)], gap: /no events for/ },
  { name: 'a clock set back', hole: [snapshot(START + 1800)], gap: /clock set back/ },
])('$name: windows restart and a whole window is asked again', ({ hole, gap }) => {
  const before = quiet(START, 60, { fillsPerMinute: 3, markoutBps: 1 });
  const end = hole[0]!.ts;
  // 150 fills are the floor of `fast`, 200 its window: after the gap only the window counts.
  const run = fold(HEALTH, [runStart(START), ...before, ...hole, ...quiet(end + 60 - (end % 60), 48, LOSING)]);
  expect(run.gap).toMatch(gap);
  expect(run.gaps).toBe(1);
  expect(run.counters.fast).toBe(0);
  expect(run.since).toBe(end);
  const longer = fold(HEALTH, [runStart(START), ...before, ...hole, ...quiet(end + 60 - (end % 60), 70, LOSING)]);
  expect(longer.alarms.fast!.n).toBeGreaterThanOrEqual(200);
});

test('what was found before a gap stays found', () => {
  const found = fold(HEALTH, [runStart(START), ...quiet(START, 60, LOSING)]);
  const later = fold(HEALTH, [runStart(START), ...quiet(START, 60, LOSING), snapshot(START + 9000)]);
  expect(later.alarms).toEqual(found.alarms);
});

test('a journal without its first piece: evidence only from a whole window', () => {
  const run = fold(HEALTH, quiet(START, 48, LOSING));
  expect(run.whole).toBe(false);
  expect(run.gap).toMatch(/first piece/);
  expect(run.counters.fast).toBe(0);
});

test('mids missing for minutes: those fills are counted and carry no evidence', () => {
  const mid = (ts: number) => (ts > START + 600 && ts < START + 4000 ? null : 100);
  const run = fold(HEALTH, [runStart(START), ...quiet(START, 50, { ...LOSING, mid, fill: { mid: null } })]);
  const missing = run.h5.closed.toArray().reduce((sum, each) => sum + each.missing, 0);
  expect(run.h5.closed.toArray().reduce((sum, each) => sum + each.n, 0)).toBeLessThan(60);
  expect(run.fills.toArray().filter((each) => each.m5 === null).length).toBeGreaterThan(100);
  expect(run.alarms).toEqual({});
  expect(missing).toBeGreaterThanOrEqual(0);
});

test('a day without fills: nothing to say', () => {
  const run = fold(HEALTH, [runStart(START), ...quiet(START, 24 * 60, { position: '0' })]);
  expect(run.alarms).toEqual({});
  expect(run.earning).toEqual([]);
  expect(run.limitEpisodes.fillsPerHour).toEqual([]);
});

test('sides in no known form are bad fills, duplicates count once, another run not at all', () => {
  const twin = fill(START + 61, -3);
  const run = fold(HEALTH, [
    runStart(START),
    twin,
    twin,
    fill(START + 62, -3, { side: null, sideText: 'BID' }),
    fill(START + 63, -3, { qty: '0' }),
    fill(START + 64, -3, { price: '-1' }),
    { ...fill(START + 65, -3), runId: 'f'.repeat(32) },
    fill(START + 66, -3, { tradeId: '' }),
    fill(START + 66, -3, { tradeId: '' }),
  ]);
  expect(run).toMatchObject({ fillsSeen: 3, duplicateFills: 1, badFills: 3 });
  expect(run.runId).toBe(RUN);
});

test('two trades whose ids differ in the last digit are two trades', () => {
  const a = fill(START + 61, -3, { tradeId: '1784963886257016900' });
  const b = fill(START + 61, -3, { tradeId: '1784963886257016901' });
  expect(fold(HEALTH, [runStart(START), a, b]).fillsSeen).toBe(2);
});

test('remembered trade ids are bounded', () => {
  const events = Array.from({ length: 10_500 }, (_, n) => fill(START + n / 100, 1));
  expect(fold(HEALTH, [runStart(START), ...events]).tradeIds.size).toBe(10_000);
});

test('drawdown: from the highest equity of fills and mids, fees included', () => {
  const health = { ...HEALTH, limits: { ...HEALTH.limits, drawdownUsd: { max: 5, action: 'stop' as const } } };
  const bought = fill(START + 10, 0, { price: '100', qty: '10', fee: '0.5' });
  const run = fold(health, [
    runStart(START),
    bought,
    snapshot(START + 20, 101, '10'),
    snapshot(START + 30, 100.4, '10'),
  ]);
  // 10 bought at 100, fee 0.5: equity 9.5 at 101, 3.5 at 100.4.
  expect(run.money.peak).toBeCloseTo(9.5, 9);
  expect(run.money.drawdown).toBeCloseTo(6, 9);
  observe(run, snapshot(START + 70, 100.4, '10'));
  expect(run.hardStop).toMatchObject({ limit: 'drawdownUsd', at: START + 70, limitValue: 5 });
});

test('a drawdown over missing fills is unknown, not a stop', () => {
  const health = { ...HEALTH, limits: { ...HEALTH.limits, drawdownUsd: { max: 5, action: 'stop' as const } } };
  const bought = fill(START + 10, 0, { price: '100', qty: '10', fee: '0' });
  // The journal's position says that the position was closed; the selling fill is not in the journal.
  const run = fold(health, [
    runStart(START),
    bought,
    ...quiet(START + 60, 8, { position: '0' }),
    snapshot(START + 560, 50, '0'),
  ]);
  observe(run, snapshot(START + 610, 50, '0'));
  expect(run.money.drawdown).toBeGreaterThan(100);
  expect(run.hardStop).toBeNull();
});

test('any events in any order: never a throw, never an alarm from less than its floor', () => {
  const event = fc.oneof(
    fc
      .record({
        ts: fc.integer({ min: START - 100, max: START + 9000 }),
        bps: fc.double({ min: -50, max: 50, noNaN: true }),
      })
      .map(({ ts, bps }) => fill(ts, bps)),
    fc.integer({ min: START - 100, max: START + 9000 }).map((ts) => snapshot(ts)),
    fc.integer({ min: START - 100, max: START + 9000 }).map((ts) => heartbeat(ts)),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const run = fold(HEALTH, events);
      for (const alarm of Object.values(run.alarms)) {
        expect(alarm.n).toBeGreaterThanOrEqual(HEALTH.signals[alarm.signal].minFills);
      }
      expect(loadRun(storeRun(run), { health: HEALTH, maxPositionBase: null })).not.toBeNull();
    }),
    { numRuns: 100 },
  );
});

test('fills an hour go by the clock, also where whole minutes have no line', () => {
  const pace = (minutes: number, every: number) => {
    const times = Array.from({ length: minutes / every }, (_, i) => START + 60 * every * (i + 1));
    return glanceOf(fold(HEALTH, [runStart(START), ...times.map((ts) => fill(ts, 1))])).metrics.fillsPerHour;
  };
  expect(pace(120, 1)).toEqual({ value: 60, n: 120 });
  expect(pace(120, 2)).toEqual({ value: 30, n: 60 });
  expect(glanceOf(fold(HEALTH, [runStart(START + 59), fill(START + 61, 1)])).metrics.fillsPerHour).toEqual({
    unavailable: 'less than a minute of journal',
  });
});
