/**
 * The whole shell against a simulated world, killed at every kind of effect. A schedule is one number:
 *
 *   SIM_SEED=17 npx vitest run test/sim       that one, with its whole story
 *   SIM_COUNT=5000 npx vitest run test/sim    more of each weather
 */
import { describe, expect, test } from 'vitest';
import { runSchedule, type ScheduleEnd, WEATHERS } from '../support/sim-schedule.ts';
import type { SimWorld } from '../support/sim-world.ts';

const ONE = process.env['SIM_SEED'];
const COUNT = Number(process.env['SIM_COUNT'] ?? 300);
const TAIL = 60;

const ends: ScheduleEnd[] = [];

/** Fails with what was broken, how to see it again, and the last of what happened. */
async function replay(seed: number, tail: number): Promise<ScheduleEnd> {
  let world: SimWorld | undefined;
  try {
    return await runSchedule(seed, (made) => {
      world = made;
    });
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    const story = world?.loop.story.slice(-tail).join('\n');
    throw new Error(`seed ${seed}: ${what}\n\nSIM_SEED=${seed} npx vitest run test/sim\n\n${story}`, { cause: error });
  }
}

test.runIf(ONE !== undefined)(`schedule ${ONE}`, { timeout: 60_000 }, async () => {
  const end = await replay(Number(ONE), Number.POSITIVE_INFINITY);
  expect(end.seed).toBe(Number(ONE));
});

describe.runIf(ONE === undefined)('schedules', () => {
  test.each(WEATHERS.map((weather, first) => ({ weather, first })))(
    '$weather: every promise holds after every step',
    { timeout: 1_200_000 },
    async ({ weather, first }) => {
      for (let n = 0; n < COUNT; n += 1) {
        const end = await replay(first + n * WEATHERS.length, TAIL);
        expect(end.weather).toBe(weather);
        ends.push(end);
      }
    },
  );

  test('they did what they are for: kills at many points, starts, stops, proofs, holds', () => {
    const sum = (of: (end: ScheduleEnd) => number) => ends.reduce((total, end) => total + of(end), 0);
    const printed = [
      ['schedules simulated', ends.length],
      ['kills of mmfleet in them', sum((e) => e.kills)],
      ['effects carried out', sum((e) => e.effects)],
      ['starts, each only after a proof: without FLAT 0, double 0', sum((e) => e.starts)],
      ['processes signalled, each once', sum((e) => e.signals)],
    ];
    console.log(printed.map(([what, n]) => `| ${what} | ${n} |`).join('\n'));
    const points = new Set(ends.flatMap((end) => [...end.killPoints]));
    expect(sum((e) => e.kills)).toBeGreaterThan(ends.length);
    console.log(`| different points of a kill | ${points.size} |`);
    expect(points.size).toBeGreaterThan(COUNT >= 250 ? 30 : 0);
    expect(sum((e) => e.starts)).toBeGreaterThan(4 * ends.length);
    expect(sum((e) => e.signals)).toBeGreaterThan(ends.length / 2);
    expect(sum((e) => e.receipts)).toBeGreaterThan(4 * ends.length);
    expect(sum((e) => e.tunes)).toBeGreaterThan(ends.length / 4);
    expect(sum((e) => e.holds)).toBeGreaterThan(ends.length / 8);
  });

  test('the same seed is the same schedule', async () => {
    const stories: string[] = [];
    for (let n = 0; n < 2; n += 1) {
      await runSchedule(6, (world) => {
        world.loop.onNote = (line) => stories.push(`${n} ${line}`);
      });
    }
    const of = (n: number) => stories.filter((s) => s.startsWith(`${n} `)).map((s) => s.slice(2));
    expect(of(0).length).toBeGreaterThan(200);
    expect(of(1)).toEqual(of(0));
  });
});
