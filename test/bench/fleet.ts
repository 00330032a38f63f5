/** From a push to a converged fleet. */
import { existsSync } from 'node:fs';
import { CLI, median, node, PAIRS, row, run, skip } from './measure.ts';

/** Wall time, because that is what is waited for: the rest of it is git, node, the looks at the venue and its settling. */
export function converging(): void {
  const goal = { goal: 'G17', what: 'push to converged, flat bot, wall', peer: 'its own stop time (3 s)' };
  if (!existsSync(CLI)) {
    skip(goal.goal, goal.what, goal.peer, 'dist/shell/cli.js is not built');
    return;
  }
  const samples = JSON.parse(run(node('converge', String(PAIRS))).stdout) as { push: number; stop: number }[];
  row({ ...goal, ratio: median(samples.map((s) => s.push / s.stop)), limit: 2.5 });
}
