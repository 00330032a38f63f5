import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterExit, afterRestart, NO_RESTARTS, nextRestart } from '../../src/core/flat/backoff.ts';
import { confirmRun } from '../../src/core/flat/confirm.ts';
import type { RunStartEvent } from '../../src/core/journal/types.ts';

const POLICY = { initialMs: 1_000, maxMs: 5_000, stableAfterMs: 60_000, crashLoopAfter: 5 };

describe('back-off', () => {
  test('now, then 1 s, 2 s, 4 s, 5 s (cap), then a crash loop', () => {
    let state = NO_RESTARTS;
    let now = 1_000_000;
    const waits: unknown[] = [];
    for (let exits = 0; exits < 6; exits += 1) {
      now += 100;
      state = afterExit(state, now);
      const next = nextRestart(state, POLICY, now);
      waits.push(typeof next === 'object' ? next.waitUntilMs - now : next);
      if (typeof next === 'object') {
        expect(nextRestart(state, POLICY, next.waitUntilMs - 1)).toEqual(next);
        now = next.waitUntilMs;
        expect(nextRestart(state, POLICY, now)).toBe('now');
      }
      if (next !== 'crash-loop') state = afterRestart(state, POLICY, now);
    }
    expect(waits).toEqual(['now', 1_000, 2_000, 4_000, 5_000, 'crash-loop']);
  });

  test('a stable run starts the count anew', () => {
    const tired = { restarts: 4, lastStartMs: 0, exitedMs: null };
    expect(nextRestart(afterExit(tired, 59_999), POLICY, 59_999)).toEqual({ waitUntilMs: 64_999 });
    expect(nextRestart(afterExit(tired, 60_000), POLICY, 60_000)).toBe('now');
    expect(afterRestart(afterExit(tired, 60_000), POLICY, 60_001).restarts).toBe(1);
  });

  test('looking again at the same exit does not push the wait away', () => {
    const state = afterExit({ restarts: 1, lastStartMs: 0, exitedMs: null }, 500);
    expect(afterExit(state, 900)).toEqual(state);
  });

  test('an exit that was never written down is waited for once, from the start on', () => {
    const state = { restarts: 1, lastStartMs: 10_000, exitedMs: null };
    expect(nextRestart(state, POLICY, 10_400)).toEqual({ waitUntilMs: 11_000 });
    expect(nextRestart(state, POLICY, 11_000)).toBe('now');
    expect(nextRestart({ ...state, lastStartMs: null }, POLICY, 11_000)).toBe('now');
  });

  test('the wait is never longer than the cap, whatever the clock does', () => {
    const times = fc.integer({ min: 0, max: 1e9 });
    fc.assert(
      fc.property(fc.nat(4), times, times, (restarts, exitedMs, nowMs) => {
        const next = nextRestart({ restarts, lastStartMs: exitedMs, exitedMs }, POLICY, nowMs);
        if (typeof next === 'object') expect(next.waitUntilMs - nowMs).toBeLessThanOrEqual(POLICY.maxMs);
      }),
    );
  });
});

describe('confirmation', () => {
  const CONFIG = {
    spread_multiplier: '1.20',
    num_levels: 2,
    adaptive_pof_enabled: true,
    offset_mode: 'FIXED',
    api_key: '***redacted***',
    funding: { a: 1 },
    reprice_interval_s: null,
  };
  const run = (envFile: string | null = '/x/run/amzn/.env.amzn.iter007') =>
    ({ type: 'run_start', config: CONFIG, envFile }) as unknown as RunStartEvent;
  test.each<{ name: string; values: Record<string, string>; want: unknown }>([
    { name: 'numbers compare as numbers', values: { MM_SPREAD_MULTIPLIER: '1.2', MM_NUM_LEVELS: '2.0' }, want: 'yes' },
    {
      name: 'another number',
      values: { MM_SPREAD_MULTIPLIER: '1.21' },
      want: { mismatch: 'MM_SPREAD_MULTIPLIER runs as 1.20, want 1.21' },
    },
    { name: 'flags in any spelling', values: { MM_ADAPTIVE_POF_ENABLED: 'yes' }, want: 'yes' },
    {
      name: 'another flag',
      values: { MM_ADAPTIVE_POF_ENABLED: 'false' },
      want: { mismatch: 'MM_ADAPTIVE_POF_ENABLED runs as true, want false' },
    },
    { name: 'words in any case', values: { MM_OFFSET_MODE: 'fixed' }, want: 'yes' },
    {
      name: 'absent, redacted and composed fields are ignored',
      values: { MM_X: '1', MM_API_KEY: 'k', MM_FUNDING: '3', MM_REPRICE_INTERVAL_S: '4' },
      want: 'yes',
    },
  ])('$name', ({ values, want }) => {
    expect(confirmRun(run(), { envFileName: '.env.amzn.iter007', values })).toEqual(want);
  });
  test.each([null, '/x/.env', '.env.amzn.iter006', ''])('env file %s is not ours', (file) => {
    expect(confirmRun(run(file), { envFileName: '.env.amzn.iter007', values: {} })).toHaveProperty('mismatch');
  });
});
