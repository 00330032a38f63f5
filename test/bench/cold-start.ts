/**
 * What a command costs before it does anything. Of a fleet that runs, every journal has grown since the last command: that may
 * cost as much again for each of reading what is remembered of a run, and reading on, so that both are asked alike.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CLI, folder, medianOf, nothing, pair, row, run, skip } from './measure.ts';
import { beating, writeFleet } from './thousand.ts';

export function coldStart(): void {
  for (const flag of ['--version', '--help']) {
    const what = `mmfleet ${flag}, CPU`;
    if (!existsSync(CLI)) skip('G10', what, 'node -e 0', 'dist/shell/cli.js is not built');
    else pair({ goal: 'G10', what, peer: 'node -e 0', limit: 1.15 }, [process.execPath, CLI, flag], nothing());
  }
  const what = 'mmfleet status of 1000, CPU';
  if (!existsSync(CLI)) {
    skip('G10', what, 'node -e 0', 'dist/shell/cli.js is not built');
    return;
  }
  const statusOf = (ops: string) => [process.execPath, CLI, '-C', ops, 'status'];
  const [still, alive] = [join(folder, 'thousand'), join(folder, 'beating')];
  for (const ops of [still, alive]) {
    writeFleet(ops, COUNT);
    // Runs are kept by the first look, and that they stand still by the second.
    for (let n = 0; n < 2; n += 1) run(statusOf(ops));
  }
  pair({ goal: 'G10', what, peer: 'node -e 0', limit: 1.5 }, statusOf(still), nothing());
  const beat = beating(alive, COUNT);
  const ratio = medianOf(() => {
    beat();
    return run(statusOf(alive)).cpu / run(statusOf(still)).cpu;
  });
  row({ goal: 'G10', what: 'the same, each journal grown, CPU', peer: 'where none has', limit: 3, ratio });
}

const COUNT = 1000;
