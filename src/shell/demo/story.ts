/** The demo's world: busier copies of the markets, what happens in them and when, and the clock they share. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MARKETS, type MarketName, type MarketParams, type Phase, type Scenario } from './scenarios.ts';

/** The clock and the plot; `world.json` in the world folder. */
export type World = {
  /** Wall time of market second 0, ms. */
  startedAtMs: number;
  /** Journal time of market second 0, Unix seconds: in the past, so that journal time stays behind the wall clock. */
  epochTs: number;
  /** Journal seconds in a wall second. */
  speed: number;
  story: StoryName;
  seed: number;
};

/**
 * PUMP-USD turns after the quiet hours in which its config is proven; the others stay as they are. `acts` are the commits
 * that must have been made for the story to be over.
 */
export const STORIES: Readonly<Record<'too-tight' | 'dead-market', Story>> = {
  'too-tight': {
    phases: [{ fromH: 2, toH: 3.25, uninformed: 0.15, informed: 10, jump: 1.45 }],
    moods: [
      'All three markets are calm.',
      'PUMP-USD: takers know more than the quotes are wide.',
      'PUMP-USD is calm again.',
    ],
    acts: ['tune(pump)', 'verdict(pump)', 'recover(pump)'],
    endsParked: false,
  },
  'dead-market': {
    phases: [{ fromH: 2, toH: null, uninformed: 0.1, informed: 16, jump: 3, vol: 1.5 }],
    moods: ['All three markets are calm.', 'PUMP-USD: only informed takers are left.'],
    acts: ['tune(pump)', 'park(pump)'],
    endsParked: true,
  },
};

type Story = { phases: readonly Phase[]; moods: readonly string[]; acts: readonly string[]; endsParked: boolean };

export type StoryName = keyof typeof STORIES;

/** Speeds the flow up, so that windows of hundreds of fills pass within minutes. */
export function demoMarket(name: MarketName): MarketParams {
  const params = MARKETS[name];
  return {
    ...params,
    uninformedPerHour: 170,
    informedPerHour: 25,
    jumpBps: 4,
    pullPerS: 0.3,
    volBps: 0.3,
    reachBps: 5,
  };
}

export function demoScenario(story: StoryName, market: MarketName): Scenario {
  const phases = market === 'PUMP-USD' ? STORIES[story].phases : [];
  return { name: story, phases, trends: null, env: {} };
}

/** The market's state at an hour, in words. */
export function moodOf(world: World, hour: number): string {
  const { phases, moods } = STORIES[world.story];
  const turns = phases.flatMap((phase) => (phase.toH === null ? [phase.fromH] : [phase.fromH, phase.toH]));
  return moods[turns.filter((at) => hour >= at).length] ?? '';
}

export function isMarketName(text: string): text is MarketName {
  return text in MARKETS;
}

export function isStoryName(text: string): text is StoryName {
  return text in STORIES;
}

/** Reads `world.json`; throws when it is missing or not ours, which only a broken demo can cause. */
export function readWorld(dir: string): World {
  const world = JSON.parse(readFileSync(join(dir, 'world.json'), 'utf8')) as World;
  if (!isStoryName(world.story) || !(world.speed > 0)) throw new Error(`${dir}/world.json is not a demo world`);
  return world;
}

/** Market seconds passed at a wall time. */
export function marketSecond(world: World, wallMs: number): number {
  return Math.floor(((wallMs - world.startedAtMs) / 1000) * world.speed);
}
