/** One schedule: a world from a seed, runs of mmfleet that are killed or not, and what people do meanwhile. */
import { reconcileOnce } from '../../src/shell/reconcile.ts';
import { baseEnv } from './fleet-world.ts';
import { GENTLE, type Temper } from './sim-bots.ts';
import { unsettled } from './sim-checks.ts';
import type { KillPlan, Life } from './sim-loop.ts';
import { instanceYaml, marketOf, NAMES, SimWorld } from './sim-world.ts';

/**
 * `kills`: everything works, only mmfleet is killed: it must end converged, without a hold.
 * `storm`: everything may fail for a while: it must end converged or held.
 * `lame`: one instance can never converge: the others must, without a hold.
 * `strangers`: people start copies and trade by hand.
 */
export const WEATHERS = ['kills', 'storm', 'lame', 'strangers'] as const;
export type Weather = (typeof WEATHERS)[number];

export type ScheduleEnd = {
  seed: number;
  weather: Weather;
  kills: number;
  killPoints: Set<string>;
  effects: number;
  starts: number;
  signals: number;
  receipts: number;
  tunes: number;
  holds: number;
};

const CALM_ROUNDS = 40;

/** Throws a BrokenPromise; the world's story tells what led there. */
export async function runSchedule(
  seed: number,
  onWorld: (world: SimWorld) => void = () => undefined,
): Promise<ScheduleEnd> {
  const weather = WEATHERS[seed % WEATHERS.length]!;
  const state = { calm: false };
  const world = new SimWorld(seed, (name, w) => temperOf(w, state.calm ? 'kills' : weather, name, lame));
  onWorld(world);
  const { dice } = world.loop;
  const lame = weather === 'lame' ? dice.pick(NAMES) : null;
  for (const name of NAMES)
    world.natures.set(name, dice.chance(0.25) ? 'loses-on-base' : dice.chance(0.05) ? 'loses-always' : 'healthy');
  if (lame !== null) world.natures.set(lame, 'healthy');
  const end = { kills: 0, killPoints: new Set<string>() };
  const once = async (plan: KillPlan | null, options: { abort: boolean }) => {
    const life = world.loop.newLife(plan);
    if (options.abort) world.loop.after(dice.whole(0, 20_000), () => life.abort.abort());
    const done = await world.loop.run(life, () => reconcileOnce(world.ops(life), runOptions(life)));
    world.loop.note(`#${life.number} ${done === 'killed' ? 'is dead' : `exit ${done.exit}`}`);
    if (done !== 'killed') {
      for (const { item } of done.last?.planned ?? [])
        world.loop.note(`#${life.number} ${item.name}: ${item.action}, ${item.reason}: ${item.message}`);
    }
    if (life.diedAt !== null) {
      end.kills += 1;
      end.killPoints.add(
        `${life.diedAt.side} ${life.diedAt.label.replace(/\d[\d.]*/g, 'N').replace(/amzn|mon|pump|spx/gi, 'X')}`,
      );
    }
    return done;
  };

  const lives = dice.whole(2, 6);
  for (let n = 0; n < lives; n += 1) {
    setMoods(world, weather, lame);
    for (let k = dice.whole(0, 2); k > 0; k -= 1) somebodyActs(world, weather, lame);
    await once(killPlan(world), { abort: dice.chance(0.1) });
    world.loop.pass(dice.whole(0, 40_000));
  }

  state.calm = true;
  setMoods(world, weather === 'lame' ? 'lame' : 'kills', lame);
  world.loop.pass(70_000); // timers of the storm run out
  for (let n = 0; ; n += 1) {
    const before = world.effects();
    const done = await once(null, { abort: false });
    const waiting =
      done !== 'killed' && (done.last?.planned ?? []).some(({ item }) => /its turn|at once/.test(item.message));
    if (world.effects() === before && !waiting) break;
    if (n === CALM_ROUNDS) world.broken('P12', `not at rest after ${n} calm runs`);
    world.loop.pass(30_000);
  }
  settledOrBroken(world, weather, lame);
  const holds = NAMES.filter((name) => world.wantedAt(world.git.remote).get(name)?.held).length;
  const tunes = world.git.trail().filter((entry) => entry.kind === 'tune').length;
  return { seed, weather, ...end, effects: world.effects(), ...world.counts, tunes, holds };
}

function settledOrBroken(world: SimWorld, weather: Weather, lame: string | null): void {
  for (const name of NAMES) {
    const why = unsettled(world, name);
    const held = world.wantedAt(world.git.remote).get(name)?.held === true;
    if (name === lame) continue;
    const promise = weather === 'lame' ? 'P13' : 'P12';
    if (why !== null) world.broken(promise, `${name} at the end: ${why}`);
    if (held && (weather === 'kills' || weather === 'lame'))
      world.broken(promise, `${name} at the end: held without a cause`);
  }
  world.loop.check();
}

const runOptions = (life: Life) => ({
  only: null,
  tune: true,
  push: true,
  force: null,
  signal: life.abort.signal,
  onPhase: () => undefined,
  lockTimeoutMs: 60_000,
});

function killPlan({ loop: { dice } }: SimWorld): KillPlan | null {
  if (dice.chance(0.15)) return null;
  const of = dice.chance(0.7) ? 'changes' : 'all';
  return {
    of,
    n: dice.whole(1, dice.pick(of === 'changes' ? [5, 12, 30] : [40, 120, 250])),
    side: dice.pick(['before', 'after'] as const),
  };
}

function setMoods(world: SimWorld, weather: Weather, lame: string | null): void {
  const { dice } = world.loop;
  const rough = weather === 'storm' || weather === 'strangers';
  const some = (p: number) => (rough && dice.chance(0.5) ? dice.unit() * p : 0);
  world.loop.slownessMs = rough && dice.chance(0.2) ? 900 : 60;
  world.bots.mood = { failing: some(0.2), failingStarts: some(0.3) };
  world.git.mood = { away: rough && dice.chance(0.2), refuses: rough && dice.chance(0.1), lostAnswer: some(0.3) };
  for (const [name, market] of world.exchange.markets) {
    const down =
      (rough && dice.chance(0.1)) ||
      (lame !== null &&
        name === marketOf(lame) &&
        world.lameness === 'venue-down' &&
        world.bots.procs.some((p) => p.copy.instance === lame));
    market.mood = { down, failing: some(0.4), losing: some(0.5), thin: some(0.8) };
    // An outage may end in the middle of a proof.
    if (down && rough)
      world.loop.after(dice.whole(500, 20_000), () => {
        market.mood = { ...market.mood, down: false };
      });
  }
}

function temperOf(world: SimWorld, weather: Weather, name: string, lame: string | null): Temper {
  const { dice } = world.loop;
  const gentle: Temper = {
    ...GENTLE,
    startDelayMs: dice.whole(50, 1_500),
    stopMs: dice.whole(50, 1_900),
    flattens: dice.chance(0.6),
  };
  if (name === lame) {
    if (world.lameness === 'crash-loop') return { ...gentle, crashAfterMs: dice.whole(50, 3_000) };
    if (world.lameness === 'silent') return { ...gentle, startDelayMs: null };
    return gentle;
  }
  if (weather === 'kills' || weather === 'lame') return gentle;
  return {
    startDelayMs: dice.chance(0.03) ? null : dice.whole(50, 6_000),
    wrongEnv: dice.chance(0.02),
    crashAfterMs: dice.chance(0.2) ? dice.whole(0, 60_000) : null,
    ignoresSignals: dice.chance(0.15),
    stopMs: dice.chance(0.1) ? dice.whole(2_000, 12_000) : dice.whole(50, 1_900),
    flattens: dice.chance(0.6),
    helperMs: dice.chance(0.1) ? dice.whole(100, 15_000) : 0,
  };
}

/** One thing a person does at some moment of the next run. */
function somebodyActs(world: SimWorld, weather: Weather, lame: string | null): void {
  const { loop, git, bots, exchange } = world;
  const { dice } = loop;
  const name = dice.pick(NAMES);
  const path = `fleet/env/${name}/.env.${name}`;
  const acts: (() => void)[] = [
    () => git.pushByHand([{ path: 'README.md', text: `ours, ${loop.nowMs}\n` }], 'readme'),
    () =>
      git.pushByHand(
        [{ path, text: baseEnv(marketOf(name)).replace('=1.2', `=1.${dice.whole(1, 9)}`) }],
        `${name}: another base`,
      ),
    () =>
      git.pushByHand(
        [{ path: `fleet/${name}.yaml`, text: instanceYaml(name, dice.pick(['Running', 'Stopped'])) }],
        `${name}: another state`,
      ),
    () => revert(world, name),
    () => world.loseState(),
  ];
  if (weather === 'lame' && lame !== null) {
    const base = `fleet/env/${lame}/.env.${lame}`;
    acts.push(() =>
      git.pushByHand(
        [{ path: base, text: baseEnv(marketOf(lame)).replace('=1.2', `=2.${dice.whole(1, 9)}`) }],
        `${lame}: another base`,
      ),
    );
  }
  if (weather === 'lame' && lame !== null && world.lameness === 'bad-spec')
    acts.push(() => git.pushByHand([{ path: `fleet/${lame}.yaml`, text: instanceYaml(lame, 'Sideways') }], 'a slip'));
  if (weather === 'strangers') {
    acts.push(() => {
      const trade = dice.whole(-30, 30);
      exchange.market(marketOf(name)).strangerMs = loop.nowMs;
      exchange.trade(marketOf(name), trade);
    });
    acts.push(() => {
      const own = bots.live(name)[0];
      if (own === undefined) return;
      loop.note(`person starts another ${name}`);
      exchange.market(marketOf(name)).strangerMs = Number.POSITIVE_INFINITY;
      bots.copyByHand(own);
    });
  }
  loop.after(dice.whole(0, 20_000), dice.pick(acts));
}

/** A person takes the newest iteration of an instance back. */
function revert({ git }: SimWorld, name: string): void {
  const newest = [...git.remote.tree.keys()]
    .filter((p) => p.includes(`/.env.${name}.iter`))
    .sort()
    .at(-1);
  if (newest !== undefined) git.pushByHand([{ path: newest, text: null }], `Revert "tune(${name})"`);
}
