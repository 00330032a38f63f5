/** The demo's world: busier copies of the markets, what happens in them and when, and the clock they share. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LISTINGS, type Listing, type MarketName } from './listings.ts';
import type { Phase, Scenario } from './model/scenarios.ts';

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

const CALM: Phase = { fromH: 0, uninformed: 1, informed: 1, jump: 1, trend: 0 };

/**
 * PUMP-USD turns after the quiet hours in which its config is proven; the others stay as they are. `acts` are the commits
 * that must have been made for the story to be over.
 */
export const STORIES: Readonly<Record<'too-tight' | 'dead-market', Story>> = {
  'too-tight': {
    phases: [CALM, { fromH: 2, uninformed: 0.5, informed: 4, jump: 1.3, trend: 0 }, { ...CALM, fromH: 3.25 }],
    moods: [
      'All three markets are calm.',
      'PUMP-USD: takers know more than the quotes are wide.',
      'PUMP-USD is calm again.',
    ],
    acts: ['tune(pump)', 'verdict(pump)', 'recover(pump)'],
    endsParked: false,
  },
  'dead-market': {
    phases: [CALM, { fromH: 2, uninformed: 0.08, informed: 6, jump: 2.2, trend: 0 }],
    moods: ['All three markets are calm.', 'PUMP-USD: only informed takers are left.'],
    acts: ['tune(pump)', 'park(pump)'],
    endsParked: true,
  },
};

/** Phases in order of their hour, the first from 0; `moods` has a line for each. */
type Story = { phases: readonly Phase[]; moods: readonly string[]; acts: readonly string[]; endsParked: boolean };

export type StoryName = keyof typeof STORIES;

/** How many times as many takers come as on the model's ordinary days. */
const BUSY = 5;

/** The listing with its flow sped up, so that windows of hundreds of fills pass within minutes. */
export function demoListing(name: MarketName): Listing {
  const listing = LISTINGS[name];
  const { uninformed, informed } = listing.model;
  return { ...listing, model: { ...listing.model, uninformed: BUSY * uninformed, informed: BUSY * informed } };
}

/** What happens in a market of the story. */
export function demoScenario(story: StoryName, market: MarketName): Scenario {
  const { phases } = STORIES[story];
  return { name: story, width: 1, phases: market === 'PUMP-USD' ? phases : [CALM], onsetH: null };
}

/** Each market has days of its own. */
export function seedOf({ seed }: Pick<World, 'seed'>, market: MarketName): number {
  return seed + market.length * 7919 + market.charCodeAt(0);
}

/** The market's state at an hour, in words. */
export function moodOf(world: World, hour: number): string {
  const { phases, moods } = STORIES[world.story];
  return moods[phases.filter((phase) => hour >= phase.fromH).length - 1] ?? '';
}

export function isMarketName(text: string): text is MarketName {
  return Object.hasOwn(LISTINGS, text);
}

export function isStoryName(text: string): text is StoryName {
  return Object.hasOwn(STORIES, text);
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
