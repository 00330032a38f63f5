/** Commands run to their end, timed. */
import { spawnSync } from 'node:child_process';

/** Seconds, of the process and its children. */
export type Cost = { cpu: number; wall: number };
/** Runs a command to its end; CPU (user and system, children included) and wall time in seconds by the shell's own clock. */
export function run(command: string[], env: Record<string, string> = {}): Cost & { stdout: string } {
  const script = 'TIMEFORMAT="@@ %R %U %S"; time "$@"';
  const args = ['-c', script, 'bash', ...command];
  const done = spawnSync('bash', args, { encoding: 'utf8', maxBuffer: 1 << 30, env: { ...process.env, ...env } });
  const times = /@@ (\S+) (\S+) (\S+)\s*$/.exec(done.stderr);
  if (done.status !== 0 || times === null) throw new Error(`${command.join(' ')}: ${done.stderr}`);
  const [wall, user, system] = times.slice(1).map(Number) as [number, number, number];
  return { wall, cpu: user + system, stdout: done.stdout };
}

export function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** CPU of one piece of work inside a process of the benchmark, ms (user and system). */
export async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
