import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseEnv } from '../../src/core/env/read.ts';
import { observe } from '../../src/core/health/observe.ts';
import { newRunState, type RunState } from '../../src/core/health/run.ts';
import { parseLine } from '../../src/core/journal/parse.ts';
import { parseSpecs } from '../../src/core/spec/parse.ts';
import { decide } from '../../src/core/tuning/decide.ts';
import { emptyMemory } from '../../src/core/tuning/memory.ts';
import type { EnvValues, TuningDecision, TuningMemory } from '../../src/core/tuning/types.ts';
import { happeningLine, line, openRun } from '../../src/shell/demo/journal-lines.ts';
import { type Happening, joinMarket, startMarket, stepAlone, stepSim } from '../../src/shell/demo/sim.ts';
import { demoListing, demoScenario, type StoryName, seedOf } from '../../src/shell/demo/story.ts';

/** The demo's plot against the decision engine alone: no processes, no clock, a restart takes this much market time. */
const RESTART_S = 25 * 60;
const LOOK_S = 240;
const FLEET = join(import.meta.dirname, '..', '..', 'fleet');
const read = (path: string) => readFileSync(join(FLEET, path), 'utf8');
const files = readdirSync(FLEET).filter((name) => name.endsWith('.yaml'));
const specs = parseSpecs(files.map((name) => ({ path: `fleet/${name}`, text: read(name) })));

const MARKETS = { amzn: 'AMZN-USD', mon: 'MON-USD', pump: 'PUMP-USD' } as const;

/** What was decided, with the market hour, until the hours are over or the instance is parked. */
function play(name: keyof typeof MARKETS, story: StoryName, worldSeed: number, hours: number) {
  const seed = seedOf({ seed: worldSeed }, MARKETS[name]);
  const spec = specs.instances.find((i) => i.name === name)!;
  const listing = demoListing(MARKETS[name]);
  const scenario = demoScenario(story, MARKETS[name]);
  const base = parseEnv(read(`env/${name}/.env.${name}`), name).values;
  const iters = new Map<number | null, EnvValues>([[null, base]]);
  let iter: number | null = null;
  let memory = emptyMemory(spec.tuning);
  const state = startMarket({ listing }, seed);
  const decided: { hour: number; decision: Exclude<TuningDecision, { kind: 'none' }> }[] = [];
  while (state.second.ts < hours * 3600) {
    const values = iters.get(iter)!;
    const ctx = { listing, scenario, values };
    const sim = joinMarket(ctx, state, seed);
    const lines = openRun(state.second.ts.toString(16).padStart(32, '0'), listing, 1.7e9, 1.7e9 + state.second.ts);
    const run = newRunState({ health: spec.health, maxPositionBase: Number(values['MM_MAX_POSITION_SIZE']) });
    const started = { environment: 'testnet', config: {}, market_static: {}, provenance: { env_file: '.env' } };
    feed(run, line(lines, lines.startTs, 'run_start', started));
    let decision: TuningDecision | null = null;
    while (state.second.ts < hours * 3600 && (decision === null || decision.kind === 'none')) {
      const happenings: Happening[] = [];
      for (let s = 0; s < LOOK_S; s += 1) stepSim(sim, ctx, happenings);
      for (const h of happenings) feed(run, happeningLine(lines, h, 2));
      const input = { memory, run, policy: spec, values, iter, baseValues: base };
      decision = decide({ ...input, iterValues: (n) => iters.get(n) ?? null }).decision;
    }
    if (decision === null || decision.kind === 'none') break;
    decided.push({ hour: state.second.ts / 3600, decision });
    if (decision.kind === 'park' || decision.kind === 'stop') break;
    const next = memory.lastIter + 1;
    iters.set(next, { ...values, ...Object.fromEntries(decision.changes.map((c) => [c.key, c.to])) });
    memory = remember(memory, decision, iter, next);
    iter = next;
    for (let s = 0; s < RESTART_S; s += 1) stepAlone(state, ctx);
  }
  return decided;
}

function feed(run: RunState, text: string): void {
  const parsed = parseLine(text.trimEnd());
  if (!parsed.ok) throw new Error(parsed.reason);
  observe(run, parsed.event);
}

function remember(
  memory: TuningMemory,
  decision: Extract<TuningDecision, { kind: 'tune' | 'recover' | 'undo' }>,
  from: number | null,
  to: number,
): TuningMemory {
  const { at, theme, step } = decision;
  if (decision.kind !== 'tune') return { ...memory, lastIter: to, rungs: memory.rungs.slice(0, -1), lastRecoverAt: at };
  return {
    ...memory,
    lastIter: to,
    rungs: [...memory.rungs, { fromIter: from, toIter: to, theme, step, at, proven: decision.proven, trend: false }],
    alarms: [...memory.alarms, { at, kind: 'tune' }],
    alarmChanges: [...memory.alarmChanges, at],
  };
}

describe('the plot', () => {
  test.each([11, 1, 2])('too tight (seed %i): quiet, then widened in the bad hours, then one rung back', (seed) => {
    const decided = play('pump', 'too-tight', seed, 5.75);
    expect(decided.map((d) => d.decision.kind)).toEqual(['tune', 'recover']);
    const [tune, recover] = decided;
    expect(tune!.hour).toBeGreaterThan(2);
    expect(tune!.hour).toBeLessThan(3.25);
    expect(tune!.decision).toMatchObject({ theme: 'spread-offset', step: 'widen', proven: true });
    expect(recover!.hour).toBeGreaterThan(3.25);
    expect(recover!.decision).toMatchObject({ toIter: null });
  });

  test.each([11])('a dead market (seed %i) ends parked after two steps', (seed) => {
    expect(play('pump', 'dead-market', seed, 6).map((d) => d.decision.kind)).toEqual(['tune', 'tune', 'park']);
  });

  test.each(['amzn', 'mon'] as const)('%s has nothing decided about it', (name) => {
    expect(play(name, 'too-tight', 11, 8)).toEqual([]);
  });
});
