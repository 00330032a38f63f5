/** What a command costs before it does anything. */
import { existsSync } from 'node:fs';
import { CLI, nothing, pair, skip } from './measure.ts';

export function coldStart(): void {
  for (const flag of ['--version', '--help']) {
    const what = `mmfleet ${flag}, CPU`;
    if (!existsSync(CLI)) skip('G10', what, 'node -e 0', 'dist/shell/cli.js is not built');
    else pair({ goal: 'G10', what, peer: 'node -e 0', limit: 1.15 }, [process.execPath, CLI, flag], nothing());
  }
  skip('G10', 'mmfleet status of 1000', 'node -e 0', 'needs a fleet of 1000 instances');
}
