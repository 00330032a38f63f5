/** Prints every performance goal as a ratio measured side by side, and writes test/bench/latest.json. `BENCH_ONLY=cold,git` runs those groups alone. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { coldStart } from './cold-start.ts';
import { converging } from './fleet.ts';
import { gitOfAnyAge } from './git.ts';
import { foreignLayouts, LARGE_MB, longRun, MEDIUM_MB, tailFirst, wholeFile } from './journals.ts';
import { folder, PAIRS, rows } from './measure.ts';
import { processes } from './processes.ts';
import { scale } from './scale.ts';
import { specs } from './specs.ts';
import { ticks } from './ticks.ts';

const GROUPS: Record<string, () => void> = {
  journal: () => {
    wholeFile();
    tailFirst();
    longRun();
  },
  layouts: foreignLayouts,
  ticks,
  processes,
  scale,
  cold: coldStart,
  specs,
  fleet: converging,
  git: gitOfAnyAge,
};
const only = (process.env['BENCH_ONLY'] ?? '').split(',').filter((name) => name !== '');

try {
  for (const [name, measure] of Object.entries(GROUPS)) if (only.length === 0 || only.includes(name)) measure();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const setting = { pairs: PAIRS, largeMb: LARGE_MB, mediumMb: MEDIUM_MB, node: process.version };
writeFileSync(join(process.cwd(), 'test/bench/latest.json'), `${JSON.stringify({ setting, rows }, null, 2)}\n`);
