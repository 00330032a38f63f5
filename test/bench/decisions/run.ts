/**
 * npm run bench:decisions -- [--seeds N] [--days N] [--first-seed N] [--engines a,b] [--trend-step]
 * Four ways to look after an instance over three markets and seven scenarios. The numbers are a model world's; the sizes of
 * the noise carry over better than the dollars. Exits 1 when a check does not hold.
 */
import { MARKETS, SCENARIOS } from '../../../src/shell/demo/model/scenarios.ts';
import type { EngineName } from './engines.ts';
import { benchPolicy } from './policy.ts';
import { type Cell, report } from './report.ts';
import { simulate } from './simulate.ts';

const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const seeds = option('seeds', 6);
const days = option('days', 3);
const firstSeed = option('first-seed', 1);
const policy = benchPolicy({ tuning: { trendStep: process.argv.includes('--trend-step') } });
const engines: readonly EngineName[] = ['never', 'origin N=10', 'origin N=100', 'ours'];

const cells: Cell[] = [];
const started = process.cpuUsage();
for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
  for (const market of MARKETS) {
    for (const scenario of SCENARIOS) {
      for (const engine of engines) {
        const outcome = simulate({ market, scenario, engine, policy, seed, days });
        cells.push({ market: market.name, scenario: scenario.name, engine, seed, outcome });
      }
    }
  }
  if (process.stderr.isTTY) process.stderr.write(`seed ${seed} of ${firstSeed + seeds - 1}\r`);
}
const used = process.cpuUsage(started);
const cpuS = (used.user + used.system) / 1e6;
const { lines, checks } = report(cells);
console.log(lines.join('\n'));
console.log('');
for (const { name, measured, want, holds } of checks) {
  console.log(`${holds ? 'ok  ' : 'MISS'} ${name.padEnd(54)} ${measured.padEnd(24)} must reach ${want}`);
}
console.log(
  `\n${cells.length * days} instance-days in ${cpuS.toFixed(0)} s of CPU (${((cells.length * days) / cpuS).toFixed(1)} a second), seeds ${firstSeed}..${firstSeed + seeds - 1}`,
);
process.exitCode = checks.every((check) => check.holds) ? 0 : 1;
