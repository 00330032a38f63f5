/** Prints every performance goal as a ratio measured side by side, and writes test/bench/latest.json. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PAIRS = Math.max(7, Number(process.env['BENCH_PAIRS'] ?? 7));
const LARGE_MB = Number(process.env['BENCH_LARGE_MB'] ?? 300);
const MEDIUM_MB = Number(process.env['BENCH_MEDIUM_MB'] ?? 100);
const SMALL_MB = 10;
const CHILD = join(import.meta.dirname, 'child.mjs');
const CLI = join(process.cwd(), 'dist/shell/cli.js');
const folder = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'mmfleet-bench-'));

type Cost = { cpu: number; wall: number };
type Row = {
  goal: string;
  what: string;
  peer: string;
  ratio?: number;
  limit?: number;
  unit?: string;
  skipped?: string;
};
const rows: Row[] = [];

try {
  wholeFile();
  tailFirst();
  foreignLayouts();
  ticks();
  coldStart();
  converging();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const setting = { pairs: PAIRS, largeMb: LARGE_MB, mediumMb: MEDIUM_MB, node: process.version };
writeFileSync(join(process.cwd(), 'test/bench/latest.json'), `${JSON.stringify({ setting, rows }, null, 2)}\n`);

function wholeFile(): void {
  const small = generate('small', SMALL_MB);
  const medium = generate('medium', MEDIUM_MB);
  const large = generate('large', LARGE_MB);
  const ours = (path: string) => node('analyse', path);
  skip('G1', 'analyse, CPU', 'the bot’s own analyser (Python)', 'not at hand; G4 and G5 stand in');
  row({
    goal: 'G1',
    what: `analyse ${MEDIUM_MB} MB, peak MiB`,
    peer: '-',
    ratio: peak('analyse', medium),
    limit: 70,
    unit: 'MiB',
  });
  const memory = medianOf(() => peak('analyse', large) / peak('analyse', small));
  row({ goal: 'G2', what: `peak memory, ${LARGE_MB} MB`, peer: `analyse ${SMALL_MB} MB`, ratio: memory, limit: 1.2 });
  pair({ goal: 'G2', what: `analyse ${LARGE_MB} MB, CPU`, peer: 'wc -l', limit: 10 }, ours(large), ['wc', '-l', large]);
  const rg = { goal: 'G2', what: `analyse ${LARGE_MB} MB, CPU`, peer: 'ripgrep writing the fills', limit: 5 };
  if (installed('rg')) pair(rg, ours(large), ['rg', '-N', '"type": "fill"', large]);
  else skip(rg.goal, rg.what, rg.peer, 'not installed');
  const duck = { goal: 'G4', what: `analyse ${MEDIUM_MB} MB, CPU`, peer: 'DuckDB read_json', limit: 0.35 };
  const sql = `select type, count(*) from read_json('${medium}', format='newline_delimited') group by type`;
  if (installed('duckdb')) pair(duck, ours(medium), ['duckdb', '-c', sql]);
  else skip(duck.goal, duck.what, duck.peer, 'not installed');
  const plain = { goal: 'G5', what: `analyse ${MEDIUM_MB} MB, CPU`, peer: 'readline + JSON.parse', limit: 0.3 };
  pair(plain, ours(medium), node('parse-all', medium));
}

function tailFirst(): void {
  const [medium, large] = [join(folder, 'medium.jsonl'), join(folder, 'large.jsonl')];
  const what = `last 500 fills of ${LARGE_MB} MB, CPU`;
  pair({ goal: 'G3', what, peer: 'node -e 0', limit: 2 }, node('tail', large), nothing());
  pair(
    { goal: 'G3', what, peer: `the same of ${MEDIUM_MB} MB`, limit: 1.2 },
    node('tail', large),
    node('tail', medium),
  );
}

function foreignLayouts(): void {
  const [plain, compact, shuffled] = (['default', 'compact', 'shuffled'] as const).map((l) =>
    generate(`l-${l}`, 40, l),
  );
  const ours = (path: string) => node('analyse', path);
  pair(
    { goal: 'G6', what: 'compact spacing, 40 MB', peer: 'default spacing', limit: 1.2 },
    ours(compact!),
    ours(plain!),
  );
  const order = { goal: 'G6', what: 'shuffled keys, 40 MB', peer: 'readline + JSON.parse', limit: 1.3 };
  pair(order, ours(shuffled!), node('parse-all', shuffled!));
  for (const [kind, mb] of [
    ['long-line', 5],
    ['untyped', 20],
  ] as const) {
    const [one, two] = [join(folder, `${kind}-1.jsonl`), join(folder, `${kind}-2.jsonl`)];
    run(node(kind, one, String(mb * 1e6)));
    run(node(kind, two, String(2 * mb * 1e6)));
    pair({ goal: 'G6', what: `${kind}, ${2 * mb} MB`, peer: `${mb} MB`, limit: 2.2 }, ours(two), ours(one));
  }
  const twice = generate('l-double', 80);
  pair({ goal: 'G6', what: 'default, 80 MB', peer: '40 MB', limit: 2.2 }, ours(twice), ours(plain!));
}

function ticks(): void {
  const { stdout } = run(node('tick', join(folder, 'tick'), String(Math.max(PAIRS, 15))));
  const samples = JSON.parse(stdout) as { exists: number; idle: number; busy: number; all: number }[];
  const middle = (of: (sample: (typeof samples)[number]) => number) => median(samples.map(of));
  const idle = middle((s) => s.idle / s.exists);
  row({ goal: 'G8', what: 'tick of 1000, nothing new, CPU', peer: '1000 x existsSync', ratio: idle, limit: 3 });
  row({ goal: 'G8', what: 'the same in ms', peer: '-', ratio: middle((s) => s.idle), limit: 5, unit: 'ms' });
  const busy = middle((s) => s.busy / s.idle);
  row({
    goal: 'G9',
    what: 'tick of 1000, 10 lines in 10, CPU',
    peer: 'tick with nothing new',
    ratio: busy,
    limit: 2.5,
  });
  const all = middle((s) => s.busy / s.all);
  row({
    goal: 'G9',
    what: 'tick of 1000, 10 lines in 10, CPU',
    peer: 'reading all 1000 anew',
    ratio: all,
    limit: 1 / 80,
  });
}

function coldStart(): void {
  for (const flag of ['--version', '--help']) {
    const what = `mmfleet ${flag}, CPU`;
    if (!existsSync(CLI)) skip('G10', what, 'node -e 0', 'dist/shell/cli.js is not built');
    else pair({ goal: 'G10', what, peer: 'node -e 0', limit: 1.15 }, [process.execPath, CLI, flag], nothing());
  }
  skip('G10', 'mmfleet status of 1000', 'node -e 0', 'needs a fleet of 1000 instances');
}

/** Wall time, because that is what is waited for: the rest of it is git, node, the looks at the venue and its settling. */
function converging(): void {
  const goal = { goal: 'G17', what: 'push to converged, flat bot, wall', peer: 'its own stop time (3 s)' };
  if (!existsSync(CLI)) {
    skip(goal.goal, goal.what, goal.peer, 'dist/shell/cli.js is not built');
    return;
  }
  const samples = JSON.parse(run(node('converge', String(PAIRS))).stdout) as { push: number; stop: number }[];
  row({ ...goal, ratio: median(samples.map((s) => s.push / s.stop)), limit: 2.5 });
}

function generate(name: string, mb: number, layout = 'default'): string {
  const path = join(folder, `${name}.jsonl`);
  run(node('generate', path, String(mb * 1e6), layout));
  return path;
}

function node(...args: string[]): string[] {
  return [process.execPath, CHILD, ...args];
}

function nothing(): string[] {
  return [process.execPath, '-e', '0'];
}

/** Runs a command to its end; CPU (user and system, children included) and wall time in seconds by the shell's own clock. */
function run(command: string[], env: Record<string, string> = {}): Cost & { stdout: string } {
  const script = 'TIMEFORMAT="@@ %R %U %S"; time "$@"';
  const args = ['-c', script, 'bash', ...command];
  const done = spawnSync('bash', args, { encoding: 'utf8', maxBuffer: 1 << 30, env: { ...process.env, ...env } });
  const times = /@@ (\S+) (\S+) (\S+)\s*$/.exec(done.stderr);
  if (done.status !== 0 || times === null) throw new Error(`${command.join(' ')}: ${done.stderr}`);
  const [wall, user, system] = times.slice(1).map(Number) as [number, number, number];
  return { wall, cpu: user + system, stdout: done.stdout };
}

function peak(program: string, path: string): number {
  return Number(run(node(program, path), { BENCH_RSS: '1' }).stdout);
}

function pair(
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

function medianOf(sample: () => number): number {
  return median(Array.from({ length: PAIRS }, sample));
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function installed(program: string): boolean {
  return spawnSync('bash', ['-c', `command -v ${program}`]).status === 0;
}

function skip(goal: string, what: string, peer: string, skipped: string): void {
  row({ goal, what, peer, skipped });
}

function row(found: Row): void {
  rows.push(found);
  const { goal, what, peer, ratio, limit, unit, skipped } = found;
  const head = `${goal.padEnd(4)} ${what.padEnd(38)} / ${peer.padEnd(32)}`;
  const verdict = ratio !== undefined && limit !== undefined && ratio <= limit ? 'hit' : 'MISS';
  const digits = (value = 0) => `${value.toPrecision(3)}${unit === undefined ? '' : ` ${unit}`}`;
  const tail = skipped === undefined ? `${digits(ratio)} (goal <= ${digits(limit)}) ${verdict}` : `skipped: ${skipped}`;
  process.stdout.write(`${head} ${tail}\n`);
}
