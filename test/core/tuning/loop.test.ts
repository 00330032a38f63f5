/** The engine against whole days of random markets, its own commits read back from their text. */
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FORBIDDEN_KEYS, isSecretKey } from '../../../src/core/env/keys.ts';
import { observe } from '../../../src/core/health/observe.ts';
import { loadRun, newRunState, type RunState, storeRun } from '../../../src/core/health/run.ts';
import type { JournalEvent } from '../../../src/core/journal/types.ts';
import { CATALOGUE } from '../../../src/core/tuning/catalogue.ts';
import { boundsOf, brokenOrdering, decimalOf } from '../../../src/core/tuning/step-values.ts';
import { stepId } from '../../../src/core/tuning/steps.ts';
import { BASE, HEALTH, TUNING } from '../health/policy.ts';
import { quiet, runStart, START } from '../health/script.ts';
import { ask, commit, currentIter, decided, type Loop, newLoop, valuesOf } from './loop.ts';

const DAY = 86_400;
const HOUR = 3600;

/** A market whose takers hurt tight quotes in some hours: bps a fill at the loop's present spread. */
type Weather = { seed: number; toxicity: number[]; fillsPerMinute: number; position: string | null; cancels: number };

const weather = fc.record({
  seed: fc.integer({ min: 1, max: 1e6 }),
  toxicity: fc.array(fc.constantFrom(0, 0, 1, 4), { minLength: 12, maxLength: 12 }),
  fillsPerMinute: fc.constantFrom(0.5, 2, 4),
  position: fc.constantFrom('0', '45', null),
  cancels: fc.constantFrom(0, 5),
});

function minuteOf(w: Weather, loop: Loop, at: number): JournalEvent[] {
  const minute = Math.floor((at - START) / 60);
  const noise = Math.sin(minute * 12.9898 + w.seed) * 43758.5453;
  const wave = (noise - Math.floor(noise) - 0.5) * 6;
  const spread = Number(valuesOf(loop, currentIter(loop))!['MM_SPREAD_MULTIPLIER']);
  const toxic = w.toxicity[Math.floor(minute / 240) % w.toxicity.length]!;
  const fills = w.fillsPerMinute < 1 ? minute % 2 : w.fillsPerMinute;
  return quiet(at, 1, {
    fillsPerMinute: fills,
    markoutBps: spread - toxic + wave,
    placedPerMinute: 5,
    cancelledPerMinute: w.cancels,
    position: w.position,
  });
}

/** Lives for some days, acting at once on every decision; returns what was decided. */
function live(w: Weather, days: number, check: (loop: Loop, at: number) => void): { loop: Loop; log: string[] } {
  const loop = newLoop({ health: HEALTH, tuning: TUNING }, { ...BASE, MM_SPREAD_MULTIPLIER: '1' });
  const log: string[] = [];
  let started = false;
  for (let at = START; at < START + days * DAY; at += 60) {
    if (!started) observe(loop.run, runStart(at));
    started = true;
    for (const event of minuteOf(w, loop, at)) observe(loop.run, event);
    if (decided(loop).length === 0) continue;
    const { decision } = ask(loop);
    if (decision.kind === 'none') continue;
    check(loop, at);
    log.push(JSON.stringify(decision));
    const resume = decision.kind === 'park' ? at + decision.forMs / 1000 : at;
    commit(loop, decision, decision.at + (decision.kind === 'park' ? decision.forMs / 1000 : 0));
    at = Math.ceil(resume / 60) * 60;
    started = false;
  }
  return { loop, log };
}

test('any market: caps, cooldown, one theme, bounds, order, whole numbers, nothing forbidden or forgotten', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(weather, (w) => {
      const { loop } = live(w, 3, (now) => {
        const { decision } = ask(now);
        if (decision.kind === 'none') return;
        seen.add(decision.kind === 'tune' ? stepId(decision.step) : decision.kind);
        const { memory, run } = now;
        expect(decision.at).toBeGreaterThanOrEqual(run.startTs! + HEALTH.cooldownMs / 1000);
        expect(decision.at).toBeLessThanOrEqual(run.latest);
        if (decision.kind === 'tune' && decision.urgent) {
          expect(memory.alarmChanges.filter((at) => at > decision.at - DAY).length).toBeLessThan(
            TUNING.maxChangesPerDay,
          );
        }
        if (decision.kind === 'tune' && !decision.urgent) {
          expect(memory.hygieneChanges.filter((at) => at > decision.at - DAY).length).toBeLessThan(
            TUNING.hygieneChangesPerDay,
          );
        }
        if (!('changes' in decision)) return;
        const values = valuesOf(now, currentIter(now))!;
        const forgotten = memory.forgotten.filter((step) => step.until > decision.at).map((step) => step.step);
        if (decision.kind !== 'undo') expect(forgotten).not.toContain(stepId(decision.step));
        expect(decision.changes.length).toBeGreaterThan(0);
        for (const { key, from, to } of decision.changes) {
          expect(CATALOGUE[key]!.theme).toBe(decision.theme);
          expect(FORBIDDEN_KEYS).not.toContain(key);
          expect(isSecretKey(key)).toBe(false);
          expect(from).toBe(values[key] ?? null);
          const value = decimalOf(to)!;
          const { min, max } = boundsOf(key, TUNING);
          expect(value.gte(min!) && value.lte(max!)).toBe(true);
          if (CATALOGUE[key]!.type === 'int') expect(value.isInteger()).toBe(true);
        }
        const after = { ...values, ...Object.fromEntries(decision.changes.map(({ key, to }) => [key, to])) };
        expect(brokenOrdering(after)).toBeNull();
      });
      // The ladder never loses its place: every rung leads to an iter that is there.
      for (const rung of loop.memory.rungs) expect(valuesOf(loop, rung.fromIter)).not.toBeNull();
      expect(loop.memory.complete).toBe(true);
    }),
    { numRuns: 10, seed: 11 },
  );
  // The markets are rough enough to try the whole ladder.
  for (const kind of ['widen', 'park', 'recover', 'undo', 'slower']) expect([...seen]).toContain(kind);
}, 120_000);

/** A recorded journal with everything in it: good hours, toxic hours, a gap, a silent hour. */
function recorded(): JournalEvent[] {
  const good = {
    fillsPerMinute: 3,
    markoutBps: (m: number) => 2 + (m % 5) - 2,
    position: '0',
    placedPerMinute: 5,
    cancelledPerMinute: 5,
  };
  const bad = { ...good, markoutBps: (m: number) => -4 + (m % 5) - 2 };
  return [
    runStart(START),
    ...quiet(START, 420, { ...good, position: '30' }),
    ...quiet(START + 7 * HOUR, 60, good),
    ...quiet(START + 9 * HOUR, 600, good),
    ...quiet(START + 19 * HOUR, 120, bad),
  ];
}

const hashOf = (log: unknown): string => createHash('sha256').update(JSON.stringify(log)).digest('hex');

/** The decisions a loop sees that looks after every `stepS` seconds of journal: each once, in the order they appear. */
function logFed(events: JournalEvent[], stepS: number, reload: boolean): string {
  const loop = newLoop({ health: HEALTH, tuning: TUNING }, BASE);
  loop.run = newRunState({ health: HEALTH, maxPositionBase: 50 });
  const seen: string[] = [];
  let next = START + stepS;
  const look = () => {
    if (reload) loop.run = loadRun(storeRun(loop.run), { health: HEALTH, maxPositionBase: 50 }) as RunState;
    for (const candidate of decided(loop)) {
      const text = JSON.stringify(candidate);
      if (!seen.includes(text)) seen.push(text);
    }
  };
  for (const event of events) {
    if (event.ts >= next) {
      look();
      next = event.ts + stepS;
    }
    observe(loop.run, event);
  }
  look();
  return hashOf(seen);
}

test('the same journal gives the same decisions, however it is fed', () => {
  const events = recorded();
  const byMinute = logFed(events, 60, false);
  expect(logFed(events, HOUR, false)).toBe(byMinute);
  expect(logFed(events, 5 * HOUR, false)).toBe(byMinute);
  expect(logFed(events, 1e9, false)).toBe(byMinute);
  expect(byMinute).not.toBe(hashOf([]));
});

test('stored and loaded again every minute: the same decisions', () => {
  const events = [
    runStart(START),
    ...quiet(START, 150, { fillsPerMinute: 3, markoutBps: (m) => (m % 5) - 6, position: '0' }),
  ];
  expect(logFed(events, 60, true)).toBe(logFed(events, 60, false));
  expect(logFed(events, 60, true)).not.toBe(hashOf([]));
});

test('random journals, random feeding: the same decisions', () => {
  fc.assert(
    fc.property(weather, fc.constantFrom(600, HOUR, 7 * HOUR), (w, stepS) => {
      const fixed = newLoop({ health: HEALTH, tuning: TUNING }, { ...BASE, MM_SPREAD_MULTIPLIER: '1' });
      const events: JournalEvent[] = [runStart(START)];
      for (let at = START; at < START + DAY; at += 60) events.push(...minuteOf(w, fixed, at));
      expect(logFed(events, stepS, false)).toBe(logFed(events, 60, false));
    }),
    { numRuns: 4, seed: 5 },
  );
}, 120_000);

test('the same days give the same history', () => {
  const w: Weather = {
    seed: 3,
    toxicity: [0, 4, 0, 0, 1, 4, 0, 0, 0, 4, 0, 0],
    fillsPerMinute: 2,
    position: '0',
    cancels: 5,
  };
  const first = live(w, 3, () => undefined);
  expect(first.log.length).toBeGreaterThan(3);
  expect(hashOf(live(w, 3, () => undefined).log)).toBe(hashOf(first.log));
});

test('unknown observations only ever lead to less', () => {
  const w: Weather = {
    seed: 9,
    toxicity: [0, 4, 0, 0, 1, 4, 0, 0, 0, 4, 0, 0],
    fillsPerMinute: 2,
    position: '0',
    cancels: 5,
  };
  const shrink = (event: JournalEvent): JournalEvent[] => {
    if (event.type === 'fill' && event.ts % 7 < 3) return [{ ...event, side: null, sideText: '?' }];
    return [{ ...event, position: null }];
  };
  const known = newLoop({ health: HEALTH, tuning: TUNING }, { ...BASE, MM_SPREAD_MULTIPLIER: '1' });
  const dim = newLoop({ health: HEALTH, tuning: TUNING }, { ...BASE, MM_SPREAD_MULTIPLIER: '1' });
  observe(known.run, runStart(START));
  observe(dim.run, runStart(START, {}));
  const firstAt = new Map<Loop, number>();
  for (let at = START; at < START + DAY; at += 60) {
    const events = minuteOf(w, known, at);
    for (const event of events) observe(known.run, event);
    for (const event of events.flatMap(shrink)) observe(dim.run, event);
    for (const loop of [known, dim]) {
      if (!firstAt.has(loop) && decided(loop).length > 0) firstAt.set(loop, at);
    }
  }
  expect(firstAt.get(known)).toBeDefined();
  expect(firstAt.get(dim) ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(firstAt.get(known)!);
});
