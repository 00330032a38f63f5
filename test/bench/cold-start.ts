/** What a command costs before it does anything. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CLI, folder, nothing, pair, run, skip } from './measure.ts';
import { writeFleet } from './thousand.ts';

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
  const ops = join(folder, 'thousand');
  writeFleet(ops, 1000);
  const status = [process.execPath, CLI, '-C', ops, 'status'];
  run(status);
  pair({ goal: 'G10', what, peer: 'node -e 0', limit: 1.5 }, status, nothing());
}
