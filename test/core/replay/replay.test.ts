import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JournalEvent } from '../../../src/core/journal/types.ts';
import { replayMetrics } from '../../../src/core/replay/log.ts';
import { BASE, HEALTH, TUNING } from '../health/policy.ts';
import { quiet, runStart, START } from '../health/script.ts';
import { BASE_ENV, replay, spec } from './support.ts';

const HOUR = 3600;
const losing = (from: number, minutes: number) => quiet(from, minutes, { fillsPerMinute: 6, markoutBps: -3 });
const earning = (from: number, minutes: number) => quiet(from, minutes, { fillsPerMinute: 3, markoutBps: 2 });
const withId = (events: JournalEvent[], runId: string) => events.map((event) => ({ ...event, runId }));
const A = 'a'.repeat(32);
const B = 'b'.repeat(32);

describe('a recorded run', () => {
  test('that earns leads to no decision, and its time is accounted for', () => {
    const report = replay([[runStart(START), ...earning(START, 300)]]);
    expect(report.decisions).toEqual([]);
    expect(report.runs).toMatchObject([{ startTs: START, whole: true, envFile: '.env.sol' }]);
    expect(report.journalS).toBeCloseTo(report.runs[0]!.endTs - START, 6);
    expect(report.timeS.collecting).toBeGreaterThanOrEqual(HEALTH.cooldownMs / 1000);
    expect(report.timeS.ok).toBeGreaterThan(3 * HOUR);
  });

  test('that loses alarms: step, bigger step, park, each after a cooldown of its own', () => {
    const { decisions } = replay([[runStart(START), ...losing(START, 10 * 60)]]);
    expect(decisions.slice(0, 3).map((d) => [d.kind, d.step])).toEqual([
      ['tune', 'widen x1.5'],
      ['tune', 'widen x2'],
      ['park', null],
    ]);
    expect(decisions.map((d) => [d.iterFrom, d.iterTo]).slice(0, 3)).toEqual([
      [null, 1],
      [1, 2],
      [2, 2],
    ]);
    const first = decisions[0]!;
    expect(first.at - START).toBeGreaterThanOrEqual(HEALTH.cooldownMs / 1000);
    expect(first).toMatchObject({ alarm: true, by: 'burst', metric: 'markout5sBps', limit: -0.5 });
    expect(first.value).toBeCloseTo(-3, 1);
    // A step starts from the values the one before left.
    expect(first.changes[0]).toEqual({ key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '1.8' });
    expect(decisions[1]!.changes[0]).toEqual({ key: 'MM_SPREAD_MULTIPLIER', from: '1.8', to: '3.6' });
    for (let n = 1; n < decisions.length; n += 1)
      expect(decisions[n]!.at - decisions[n - 1]!.at).toBeGreaterThanOrEqual(HEALTH.cooldownMs / 1000);
  });

  test('is passed over during a park, and that time counts as parked', () => {
    const report = replay([[runStart(START), ...losing(START, 9 * 60)]]);
    const park = report.decisions.find((d) => d.kind === 'park')!;
    const later = report.decisions.filter((d) => d.at > park.at);
    expect(later.length).toBeGreaterThan(0);
    for (const decision of later)
      expect(decision.at).toBeGreaterThanOrEqual(park.at + park.forMs! / 1000 + HEALTH.cooldownMs / 1000);
    // Cut off in the middle of what follows: the first park is all that was parked.
    const cut = replay([[runStart(START), ...losing(START, Math.ceil((park.at - START) / 60) + 250)]]);
    expect(Math.abs(cut.timeS.parked! - park.forMs! / 1000)).toBeLessThan(60);
  });

  test('goes on after quiet hours: the way back leads to the base values', () => {
    const more = losing(START + 7 * HOUR, 12);
    const calm = earning(START + 7 * HOUR + 12 * 60, 8 * 60);
    const { decisions } = replay([[runStart(START), ...earning(START, 7 * 60), ...more, ...calm]]);
    expect(decisions.map((d) => d.kind)).toEqual(['tune', 'recover']);
    expect(decisions[1]!.changes).toContainEqual({ key: 'MM_SPREAD_MULTIPLIER', from: '1.8', to: '1.2' });
    expect(decisions[1]).toMatchObject({ alarm: false, by: 'quiet', iterFrom: 1, iterTo: 2 });
  });

  test('that breaks a hard limit is held until the next recorded start', () => {
    const limits = { ...HEALTH.limits, drawdownUsd: { max: 0.5, action: 'stop' as const } };
    const of = spec({ policy: { health: { ...HEALTH, limits }, tuning: TUNING } });
    const first = withId([runStart(START), ...losing(START, 180)], A);
    const second = withId([runStart(START + 4 * HOUR), ...earning(START + 4 * HOUR, 180)], B);
    const report = replay([first, second], of);
    expect(report.decisions.map((d) => d.kind)).toEqual(['stop']);
    expect(report.timeS.held).toBeGreaterThan(HOUR);
    expect(report.timeS.ok).toBeGreaterThan(HOUR);
  });
});

describe('where a replay begins', () => {
  const tree = { ...BASE, MM_SPREAD_MULTIPLIER: '1.5' };
  const of = spec({ iter: 4, lastIter: 4, iterValues: (n) => (n === null ? BASE : n === 4 ? tree : null) });
  const run = (envFile: string) => {
    const start = { ...runStart(START), envFile } as JournalEvent;
    return replay([[start, ...losing(START, 60)]], of);
  };
  test.each([
    { name: 'the recorded base env', envFile: '.env.sol', start: { iter: null, from: 'recorded' }, first: '1.8' },
    {
      name: 'the recorded iter',
      envFile: '/srv/.env.sol.iter004',
      start: { iter: 4, from: 'recorded' },
      first: '2.25',
    },
    { name: 'an iter the tree lost', envFile: '.env.sol.iter002', start: { iter: 4, from: 'desired' }, first: '2.25' },
    { name: 'an env of another name', envFile: '.env.other', start: { iter: 4, from: 'desired' }, first: '2.25' },
  ])('$name', ({ envFile, start, first }) => {
    const report = run(envFile);
    expect(report.start).toEqual(start);
    expect(report.decisions[0]!.changes[0]!.to).toBe(first);
    expect(report.decisions[0]!.iterTo).toBe(5);
  });
});

describe('bad journals', () => {
  test('a gap starts the windows anew: no decision stands on both sides of it', () => {
    const holed = [runStart(START), ...losing(START, 28), ...losing(START + 28 * 60 + 400, 28)];
    expect(replay([holed]).decisions).toEqual([]);
    expect(replay([holed]).gaps.count).toBe(1);
    const whole = [runStart(START), ...losing(START, 56)];
    expect(replay([whole]).decisions).not.toEqual([]);
  });

  test('two runs in one file are two runs', () => {
    const file = [
      ...withId([runStart(START), ...losing(START, 28)], A),
      ...withId([runStart(START + 29 * 60), ...losing(START + 29 * 60, 28)], B),
    ];
    const report = replay([file]);
    expect(report.runs.map((run) => run.runId)).toEqual([A, B]);
    expect(report.decisions).toEqual([]);
  });

  test('lines of a run that has ended do not count again', () => {
    const a = withId([runStart(START), ...earning(START, 60)], A);
    const b = withId([runStart(START + 2 * HOUR), ...earning(START + 2 * HOUR, 60)], B);
    const twice = replay([a, b, a]);
    expect(twice.leftOut.strayLines).toBe(a.length);
    expect(twice.logDigest).toBe(replay([a, b]).logDigest);
    expect(twice.journalS).toBe(replay([a, b]).journalS);
  });

  test('a run that begins before the end of the one before counts from there', () => {
    const a = withId([runStart(START), ...earning(START, 60)], A);
    const b = withId([runStart(START + 1800), ...earning(START + 1800, 60)], B);
    const report = replay([a, b]);
    expect(report.leftOut.overlapLines).toBeGreaterThan(0);
    expect(report.runs).toMatchObject([{ whole: true }, { whole: true }]);
    expect(report.journalS).toBeLessThan(90 * 60 + 1);
  });

  test('a run whose first piece is gone decides only on a whole window', () => {
    const torn = losing(START, 40);
    const report = replay([torn]);
    expect(report.runs).toMatchObject([{ whole: false }]);
    expect(report.start.from).toBe('desired');
    const first = report.decisions[0];
    expect(first === undefined || first.n! >= HEALTH.signals.burst.windowFills).toBe(true);
  });

  test('lines of another market are left out', () => {
    const other = losing(START, 60).map((event) => ({ ...event, market: 'BTC-USD' }));
    const report = replay([[runStart(START), ...other]]);
    expect(report.leftOut.foreignLines).toBe(other.length);
    expect(report.decisions).toEqual([]);
  });

  test('nothing at all: no run, no rate', () => {
    const report = replay([]);
    expect(report.runs).toEqual([]);
    expect(replayMetrics(report)).toMatchObject({ alarms: 0, alarmsPerDay: null, changesPerDay: null });
  });
});

describe('bounds', () => {
  test('a value that ends on its bound is a bound hit', () => {
    const bounds = { MM_SPREAD_MULTIPLIER: { min: 0.8, max: 1.5 } };
    const of = spec({ policy: { health: HEALTH, tuning: { ...TUNING, bounds } } });
    const { decisions } = replay([[runStart(START), ...losing(START, 60)]], of);
    expect(decisions[0]!.boundHits).toEqual(['MM_SPREAD_MULTIPLIER']);
    expect(decisions[0]!.changes[0]!.to).toBe('1.5');
  });

  test('a park because nothing can move names the keys', () => {
    const at = (value: number) => ({ min: value, max: value });
    const bounds = {
      MM_SPREAD_MULTIPLIER: at(1.2),
      MM_MIN_OFFSET_BPS: at(4),
      MM_NUM_PRICE_LEVELS: at(2),
      MM_MIN_SPREAD_BPS: at(0),
    };
    const of = spec({ policy: { health: HEALTH, tuning: { ...TUNING, bounds, themes: ['spread-offset'] } } });
    const report = replay([[runStart(START), ...losing(START, 60)]], of);
    expect(report.decisions[0]!.kind).toBe('park');
    expect(report.decisions[0]!.boundHits).toContain('MM_SPREAD_MULTIPLIER');
    expect(replayMetrics(report).boundHits).toBe(1);
  });

  test('a limit that asks for what no key can do is told once', () => {
    const at = (value: number) => ({ min: value, max: value });
    const bounds = { MM_SPREAD_MULTIPLIER: at(1.2), MM_MIN_OFFSET_BPS: at(4) };
    const of = spec({ policy: { health: HEALTH, tuning: { ...TUNING, bounds } } });
    const slow = quiet(START, 9 * 60, {
      fillsPerMinute: (minute) => (minute < 240 ? 2 : minute % 20 === 0 ? 1 : 0),
      markoutBps: 2,
      position: '0',
    });
    const { decisions } = replay([[runStart(START), ...slow]], of);
    expect(decisions.map((d) => d.kind)).toEqual(['blocked']);
    expect(decisions[0]!.boundHits).toContain('MM_SPREAD_MULTIPLIER');
  });
});

describe('determinism', () => {
  const stretch = fc.record({
    minutes: fc.integer({ min: 5, max: 60 }),
    fills: fc.integer({ min: 0, max: 6 }),
    markout: fc.integer({ min: -4, max: 3 }),
    pauseS: fc.constantFrom(0, 0, 0, 200),
    restart: fc.constantFrom(false, false, true),
  });
  type Stretch = typeof stretch extends fc.Arbitrary<infer T> ? T : never;

  function filesOf(stretches: Stretch[]): JournalEvent[][] {
    const files: JournalEvent[][] = [];
    let at = START;
    for (const { minutes, fills, markout, pauseS, restart } of stretches) {
      if (restart || files.length === 0) files.push([runStart(at)]);
      files.at(-1)!.push(...quiet(at, minutes, { fillsPerMinute: fills, markoutBps: markout }));
      at += minutes * 60 + pauseS;
    }
    return files.map((events, n) => withId(events, String(n).padStart(32, '0')));
  }

  test('the same journals give the same log, in one file or in several', () => {
    fc.assert(
      fc.property(fc.array(stretch, { minLength: 1, maxLength: 6 }), (stretches) => {
        const files = filesOf(stretches);
        const report = replay(files);
        expect(replay(files)).toEqual(report);
        expect(replay([files.flat()]).logDigest).toBe(report.logDigest);
      }),
      { numRuns: 20 },
    );
  });

  test('lines without a number do not matter: a scanner may pass over any of them', () => {
    const start = runStart(START);
    const events = [start, ...losing(START, 150)];
    const idle = (ts: number): JournalEvent => {
      const { runId, market } = start;
      return { ts, runId, market, position: null, mid: null, type: 'other', name: 'reprice_decision' };
    };
    const full = events.flatMap((event) => [idle(Math.max(START, event.ts - 0.9)), event, idle(event.ts + 0.05)]);
    const some = full.filter((event, n) => event.type !== 'other' || n % 3 === 0);
    const digest = replay([events]).logDigest;
    expect([replay([full]).logDigest, replay([some]).logDigest]).toEqual([digest, digest]);
  });

  test('nothing is decided within a cooldown, nor while parked; iters count up; caps hold', () => {
    fc.assert(
      fc.property(fc.array(stretch, { minLength: 1, maxLength: 8 }), (stretches) => {
        const { decisions, runs } = replay(filesOf(stretches));
        let iter = 0;
        decisions.forEach((d, n) => {
          const started = Math.max(...runs.map((run) => run.startTs).filter((ts) => ts <= d.at));
          const before = decisions[n - 1];
          const from = before === undefined ? started : before.at + (before.forMs ?? 0) / 1000;
          expect(d.at).toBeGreaterThanOrEqual(Math.max(from, started) + HEALTH.cooldownMs / 1000);
          if (d.changes.length > 0) {
            expect(d.iterTo).toBe(iter + 1);
            iter += 1;
          }
          const day = decisions.filter((o) => o.kind === 'tune' && o.alarm && o.at <= d.at && o.at > d.at - 86_400);
          expect(day.length).toBeLessThanOrEqual(TUNING.maxChangesPerDay);
        });
      }),
      { numRuns: 20 },
    );
  });
});

test('the base env path gives the names of the simulated iters', () => {
  // The memory is rebuilt from commits that add `<base>.iterNNN`; a wrong path would leave it incomplete and silent.
  const { decisions } = replay([[runStart(START), ...losing(START, 150)]], spec({ baseEnv: `x/${BASE_ENV}` }));
  expect(decisions.length).toBeGreaterThan(1);
});
