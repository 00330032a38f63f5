/** Commits, the trail and one instance's history in repositories of three ages. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { commitPairs, passesInTurn, running, Spent, wholeTrail } from './git-programs.ts';
import { CLI, folder, median, node, nothing, PAIRS, pair, row, run, skip } from './measure.ts';

const AGES = [10, 1_000, 10_000] as const;
const OLD = 10_000;

export function gitOfAnyAge(): void {
  if (!existsSync('/proc/self/stat')) {
    for (const goal of ['G11', 'G12', 'G13', 'G14']) skip(goal, 'git at any age', 'plain git', 'needs /proc');
    return;
  }
  const dirs = new Map(AGES.map((age) => [age, join(folder, `repository-${age}`)]));
  for (const [age, dir] of dirs) run(node('git-repository', dir, String(age)));
  reading(dirs);
  commits(dirs);
  const young = join(folder, 'repository-young');
  run(node('git-repository', young, '10'));
  years(young);
}

function commits(dirs: ReadonlyMap<number, string>): void {
  const rounds = Math.max(21, PAIRS);
  const byAge = new Map<number, Awaited<ReturnType<typeof commitPairs>>>();
  for (const [age, dir] of dirs) {
    const samples: Awaited<ReturnType<typeof commitPairs>> = JSON.parse(
      run(node('git-commits', dir, String(rounds))).stdout,
    );
    byAge.set(age, samples);
    const [one, ten, plain] = (['one', 'ten', 'plain'] as const).map((key) => samples.map((s) => s[key])) as Three;
    const peer = 'git add && git commit';
    both('G11', `one commit at ${age}`, peer, one, plain, 1.1);
    both('G11', `each of ten in one pass at ${age}`, peer, ten, plain, 0.4, 10);
  }
  const cost = (age: number) => byAge.get(age)!.map((s) => s.one);
  both('G12', `one commit at ${OLD}`, 'the same at 10', cost(OLD), cost(10), 2);
  exponent(
    'one commit, wall',
    AGES.map((age) => [age, median(cost(age).map((s) => s.wall))]),
  );
}

/** A year of a small fleet, shortened: what stays behind when every pass makes one commit. */
function years(dir: string): void {
  const passes = 400;
  const found: Awaited<ReturnType<typeof passesInTurn>> = JSON.parse(
    run(node('git-passes', dir, String(passes))).stdout,
  );
  const peer = `${passes} passes of one commit`;
  row({ goal: '', what: 'packs left', peer, ratio: found.packs, limit: 60, unit: 'packs' });
  row({ goal: '', what: 'loose objects left', peer, ratio: found.loose, limit: 500, unit: 'objects' });
  const sum = (spent: Spent[]) => spent.reduce((total, s) => total + s.cpu, 0);
  row({ goal: '', what: 'upkeep beside them, CPU', peer, ratio: sum(found.upkeep) / sum(found.costs), limit: 0.5 });
  both('G12', 'the last hundred', 'the first hundred', found.costs.slice(-100), found.costs.slice(0, 100), 1.5);
}

type Three = [Spent[], Spent[], Spent[]];

function reading(dirs: ReadonlyMap<number, string>): void {
  const old = dirs.get(OLD)!;
  const log = (...args: string[]) => ['git', '-C', old, 'log', ...args];
  const whole: Awaited<ReturnType<typeof wholeTrail>> = JSON.parse(
    run(node('git-trail', old, String(OLD), String(PAIRS))).stdout,
  );
  const part = (key: 'ours' | 'bodies' | 'files') => whole.map((s) => s[key]);
  both('G13', `whole trail of ${OLD}`, 'git log --format=%B', part('ours'), part('bodies'), 3);
  both('', `whole trail of ${OLD}`, 'git log --format=%B --name-status', part('ours'), part('files'), 1.5);
  const found = new Map<number, Awaited<ReturnType<typeof running>>>();
  for (const [age, dir] of dirs) {
    const samples: Awaited<ReturnType<typeof running>> = JSON.parse(
      run(node('git-running', dir, String(Math.max(21, PAIRS)))).stdout,
    );
    found.set(age, samples);
  }
  const of = (age: number, key: keyof Awaited<ReturnType<typeof running>>[number]) =>
    found.get(age)!.map((s) => s[key]);
  const head = of(OLD, 'head');
  both('G13', `trail since a cursor at ${OLD}, 10 new`, 'spawning git rev-parse HEAD', of(OLD, 'newer'), head, 2);
  both('G13', `the same with nothing new, head asked`, 'spawning git rev-parse HEAD', of(OLD, 'same'), head, 2);
  both('G14', `history at ${OLD}, running process`, 'git log -- path', of(OLD, 'history'), of(OLD, 'path'), 0.1);
  both('', 'the same, ten commits later', 'git log -- path', of(OLD, 'later'), of(OLD, 'path'), 0.2);
  exponent(
    'history, running process, wall',
    AGES.map((age) => [age, median(of(age, 'history').map((s) => s.wall))]),
  );
  if (!existsSync(CLI)) {
    skip('G14', 'mmfleet history NAME', 'git log -- path', 'dist/shell/cli.js is not built');
    return;
  }
  const cli = (age: number) => [process.execPath, CLI, '-C', dirs.get(age)!, 'history', 'bot3'];
  const about = { goal: 'G14', what: `mmfleet history NAME at ${OLD}, CPU`, limit: 0.1 };
  run(cli(OLD));
  pair({ ...about, peer: 'node -e 0', limit: 1.5 }, cli(OLD), nothing());
  // A tenth of it, as in a running process, is less than node itself takes to start.
  const path = 'fleet/env/bot3/.env.bot3.iter001';
  pair({ ...about, goal: '', limit: 1, peer: 'git log -- path' }, cli(OLD), log('--format=%H', '--', path));
  pair(
    { goal: 'G14', what: `mmfleet history NAME at ${OLD}, CPU`, peer: 'the same at 10', limit: 1.5 },
    cli(OLD),
    cli(10),
  );
  aCommitLater(old, cli(OLD));
  const status = (age: number) => [process.execPath, CLI, '-C', dirs.get(age)!, 'status'];
  for (const age of [10, OLD]) run(status(age));
  pair({ goal: '', what: `mmfleet status at ${OLD}, CPU`, peer: 'the same at 10', limit: 3 }, status(OLD), status(10));
}

/** Asked for the first time after somebody's commit: what was kept goes on from there. */
function aCommitLater(dir: string, command: string[]): void {
  const ratios = Array.from({ length: PAIRS }, (_, n) => {
    run(['git', '-C', dir, 'commit', '--quiet', '--allow-empty', '-m', `note ${n}`]);
    return run(command).cpu / Math.max(run(nothing()).cpu, 0.001);
  });
  const what = 'mmfleet history NAME, a commit later, CPU';
  row({ goal: '', what, peer: 'node -e 0', ratio: median(ratios), limit: 2.5 });
}

/** Wall as the ratio of medians; CPU as the ratio of sums, because children are only told to the tick. */
function both(
  goal: string,
  what: string,
  peer: string,
  ours: Spent[],
  theirs: Spent[],
  limit: number,
  parts = 1,
): void {
  const wall = (spent: Spent[]) => median(spent.map((s) => s.wall));
  const cpu = (spent: Spent[]) => spent.reduce((sum, s) => sum + s.cpu, 0);
  row({ goal, what: `${what}, wall`, peer, ratio: wall(ours) / parts / wall(theirs), limit });
  row({ goal, what: `${what}, CPU`, peer, ratio: cpu(ours) / parts / Math.max(cpu(theirs), 0.001), limit });
}

/** How a cost grows with age: the slope of its logarithm over that of the age; 0 = not at all, 1 = in proportion. */
function exponent(what: string, points: [number, number][]): void {
  const logs = points.map(([age, cost]) => [Math.log(age), Math.log(cost)] as const);
  const mean = (at: 0 | 1) => logs.reduce((sum, point) => sum + point[at], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  const slope =
    logs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / logs.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  row({ goal: 'G12', what: `exponent of ${what}`, peer: 'age 10, 1000, 10000', ratio: slope, limit: 0.15 });
}
