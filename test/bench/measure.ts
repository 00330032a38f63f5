/** How a goal is measured: whole processes in alternating pairs, medians, one printed row each. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cost, median, run } from './command.ts';

export { type Cost, median, run };

export const PAIRS = Math.max(7, Number(process.env['BENCH_PAIRS'] ?? 7));
export const CLI = join(process.cwd(), 'dist/shell/cli.js');
/** Everything generated lives here; the whole of it is removed at the end. */
export const folder = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'mmfleet-bench-'));
const CHILD = join(import.meta.dirname, 'child.mjs');

export type Row = {
  goal: string;
  what: string;
  peer: string;
  ratio?: number;
  limit?: number;
  unit?: string;
  skipped?: string;
};
export const rows: Row[] = [];

export function generate(name: string, mb: number, layout = 'default'): string {
  const path = join(folder, `${name}.jsonl`);
  run(node('generate', path, String(mb * 1e6), layout));
  return path;
}

export function node(...args: string[]): string[] {
  return [process.execPath, CHILD, ...args];
}

export function nothing(): string[] {
  return [process.execPath, '-e', '0'];
}

/** Peak memory of a command line of mmfleet in MiB: the real one, with a word more at its exit. */
export function peak(...args: string[]): number {
  const hook = 'process.on("exit",()=>require("node:fs").writeSync(1,"@@"+process.resourceUsage().maxRSS/1024))';
  const { stdout } = run([process.execPath, '--require', hookFile(hook), CLI, ...args]);
  return Number(stdout.slice(stdout.lastIndexOf('@@') + 2));
}

/** The same of any program, as the kernel kept it until shortly before the end. */
export function peakOf(command: string[]): number {
  const look = 'while line=$(grep VmHWM "/proc/$!/status" 2>/dev/null); do last=$line; sleep 0.005; done';
  const { stdout } = run(['bash', '-c', `"$@" >/dev/null & ${look}; wait $! && echo "$last"`, 'bash', ...command]);
  return Number(/\d+/.exec(stdout)![0]) / 1024;
}

function hookFile(code: string): string {
  const path = join(folder, 'peak.cjs');
  writeFileSync(path, code);
  return path;
}

export function cli(...args: string[]): string[] {
  return [process.execPath, CLI, ...args];
}

export function pair(
  about: { goal: string; what: string; peer: string; limit: number },
  ours: string[],
  theirs: string[],
): void {
  const ratios: number[] = [];
  for (let n = 0; n < PAIRS; n += 1) {
    const [a, b] = n % 2 === 0 ? [run(ours), run(theirs)] : ((x, y) => [y, x] as const)(run(theirs), run(ours));
    ratios.push(a!.cpu / Math.max(b!.cpu, 0.001));
  }
  row({ ...about, ratio: median(ratios) });
}

export function medianOf(sample: () => number): number {
  return median(Array.from({ length: PAIRS }, sample));
}

export function installed(program: string): boolean {
  return spawnSync('bash', ['-c', `command -v ${program}`]).status === 0;
}

export function skip(goal: string, what: string, peer: string, skipped: string): void {
  row({ goal, what, peer, skipped });
}

export function row(found: Row): void {
  rows.push(found);
  const { goal, what, peer, ratio, limit, unit, skipped } = found;
  const head = `${goal.padEnd(4)} ${what.padEnd(38)} / ${peer.padEnd(32)}`;
  const verdict = ratio !== undefined && limit !== undefined && ratio <= limit ? 'hit' : 'MISS';
  const digits = (value = 0) => `${value.toPrecision(3)}${unit === undefined ? '' : ` ${unit}`}`;
  const tail = skipped === undefined ? `${digits(ratio)} (goal <= ${digits(limit)}) ${verdict}` : `skipped: ${skipped}`;
  process.stdout.write(`${head} ${tail}\n`);
}
