/**
 * The daemon over a long stretch of journal time: `npm run soak` (SOAK_MINUTES=20, SOAK_INSTANCES=300, SOAK_NODE=flags). The real
 * `reconcile --watch` runs hundreds of bots (small shell processes) against real git; a market a minute of journal time a
 * second fast makes some of them lose, so that they are tuned, committed, pushed and restarted. Prints a table a minute and
 * whether memory and latency stayed flat.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { median } from './command.ts';
import { errorOfSlope, type Point, slopeBeside } from './slope.ts';
import { RUN_S, SPEED, soakFleet } from './soak-fleet.ts';

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 20);
const INSTANCES = Number(process.env['SOAK_INSTANCES'] ?? 300);
const SAMPLE_MS = 5_000;
/**
 * The first part is left out of the slopes: caches fill, code is compiled, and the runs, which all begin empty, hold their
 * usual share only once each of them has been begun anew.
 */
const WARM_UP_MINUTES = Math.max(MINUTES / 4, RUN_S / SPEED / 60 + 1);
const MOST_GROWTH_PER_HOUR = 0.1;
const MOST_SLOWER = 1.25;

type Sample = {
  minute: number;
  rssMib: number;
  /** On the heap, and in blocks beside it, without compiled code: V8 makes that for hours, and the program bounds it. */
  inUseMib: number;
  codeMib: number;
  minutesHeld: number;
  commits: number;
  descriptors: number;
  /** Of the daemon since its start, seconds. */
  cpuS: number;
};
type Pass = { minute: number; ms: number; whole: boolean };

/**
 * Says how much memory is in use once everything that can go has gone, and how much of it is compiled code. Asked after a pass
 * that found nothing to do, for then the loop waits a second: one that is under way holds the look before it as well, and one
 * that changed something is followed by the next at once. Where none comes for long, after any. The first collection lets go
 * of blocks beside the heap, the second one has counted that.
 */
const HOOK = `const fs = require('node:fs');
const { writeSync } = fs;
let nextMs = 0;
fs.writeSync = (fd, ...rest) => {
  const said = fd === 2 ? String(rest[0]) : '';
  const late = Date.now() - nextMs;
  if (said.includes('"msg":"pass"') && late >= (said.includes('"whole":false') ? 0 : 20000)) {
    nextMs = Date.now() + 5000;
    setTimeout(measure, 300).unref();
  }
  return writeSync(fd, ...rest);
};
function measure() {
  global.gc();
  global.gc();
  const { heapUsed, external } = process.memoryUsage();
  const code = require('node:v8').getHeapCodeStatistics();
  const codeBytes = code.code_and_metadata_size + code.bytecode_and_metadata_size;
  fs.writeFileSync(process.env.SOAK_HEAP + '.new', JSON.stringify([heapUsed + external, codeBytes]));
  fs.renameSync(process.env.SOAK_HEAP + '.new', process.env.SOAK_HEAP);
}`;

const fleet = await soakFleet(INSTANCES);
const heapFile = join(fleet.dir, 'heap');
const hookFile = join(fleet.dir, 'hook.cjs');
writeFileSync(heapFile, '[0, 0]');
writeFileSync(hookFile, HOOK);
const cli = join(process.cwd(), 'dist/shell/cli.js');
const daemon = execa(
  process.execPath,
  [
    ...(process.env['SOAK_NODE'] ?? '').split(' ').filter((flag) => flag !== ''),
    '--expose-gc',
    '--require',
    hookFile,
    cli,
    '-C',
    fleet.root,
    'reconcile',
    '--watch',
  ],
  { reject: false, stdin: 'ignore', stdout: 'ignore', buffer: false, env: { SOAK_HEAP: heapFile } },
);
const passes: Pass[] = [];
const said = new Map<string, number>();
const kinds = new Map<string, number>();
let startedMs = Number.POSITIVE_INFINITY;
let commits = 0;
const minuteNow = () => (performance.now() - startedMs) / 60_000;
const ended = listen();

async function listen(): Promise<void> {
  for await (const text of createInterface({ input: daemon.stderr! })) {
    const line = parsed(text);
    count(said, line.msg);
    if (line.msg === 'committed') commits += 1;
    if (line.commit !== undefined) count(kinds, line.commit.split('(')[0] ?? '');
    if (line.level === 'error') process.stdout.write(`${text}\n`);
    if (line.msg === 'pass' && line.ms !== undefined && performance.now() > startedMs)
      passes.push({ minute: minuteNow(), ms: line.ms, whole: line.whole === true });
  }
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
try {
  process.stdout.write(`${INSTANCES} bots, ${MINUTES} minutes at ${SPEED} times the speed, in ${fleet.dir}\n`);
  await allRun();
  startedMs = performance.now();
  const samples = await watch();
  process.stdout.write(`\n${verdicts(samples).join('\n')}\n`);
  process.stdout.write(`logged: ${[...said].map(([msg, n]) => `${n} ${msg}`).join(', ')}\n`);
} finally {
  daemon.kill('SIGTERM');
  const late = setTimeout(30_000).then(() => daemon.kill('SIGKILL'));
  await Promise.race([daemon, late]);
  await ended;
  await fleet.end();
  process.exit();
}

/** Until every bot has written its first line; the market stands still meanwhile. */
async function allRun(): Promise<void> {
  const untilMs = performance.now() + 10 * 60_000;
  while (fleet.running() < INSTANCES) {
    if (performance.now() > untilMs || daemon.exitCode != null || stop.signal.aborted)
      throw new Error(`${fleet.running()} of ${INSTANCES} run`);
    await setTimeout(500);
  }
}

async function watch(): Promise<Sample[]> {
  const samples: Sample[] = [];
  let rowAt = 1;
  let sampleAt = 0;
  header();
  for (let second = 0; rowAt <= MINUTES && !stop.signal.aborted && daemon.exitCode == null; second += 1) {
    fleet.trade();
    if (performance.now() >= sampleAt) {
      sampleAt = performance.now() + SAMPLE_MS;
      samples.push(sample());
    }
    if (minuteNow() >= rowAt) {
      row(samples, rowAt);
      rowAt += 1;
    }
    await setTimeout(Math.max(0, (second + 1) * 1000 - (performance.now() - startedMs)));
  }
  return samples;
}

function sample(): Sample {
  const proc = `/proc/${daemon.pid}`;
  const [inUse, code] = JSON.parse(readFileSync(heapFile, 'utf8')) as [number, number];
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`${proc}/status`, 'utf8'))?.[1];
  return {
    minute: minuteNow(),
    rssMib: Number(kib) / 1024,
    inUseMib: (inUse - code) / 2 ** 20,
    codeMib: code / 2 ** 20,
    minutesHeld: fleet.minutesHeld(),
    commits,
    descriptors: readdirSync(`${proc}/fd`).length,
    cpuS: cpuOf(readFileSync(`${proc}/stat`, 'utf8')),
  };
}

/** User and system time of a stat line, seconds; a tick is a hundredth. */
function cpuOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function header(): void {
  const names = [
    'min',
    'passes',
    'quiet ms',
    'whole ms',
    'CPU s',
    'load',
    'RSS MiB',
    'in use MiB',
    'code MiB',
    'fds',
    'commits',
    'journals',
    'minutes held',
    'cache files',
    '.mmfleet MiB',
    '.git MiB',
  ];
  process.stdout.write(`| ${names.join(' | ')} |\n|${names.map(() => '---:|').join('')}\n`);
}

function row(samples: Sample[], minute: number): void {
  const here = passes.filter((p) => p.minute >= minute - 1 && p.minute < minute);
  const of = (whole: boolean) => here.filter((p) => p.whole === whole).map((p) => p.ms);
  const last = samples.at(-1)!;
  const cells = [
    minute,
    here.length,
    middle(of(false)),
    middle(of(true)),
    cpuAMinute(samples.filter((s) => s.minute >= minute - 1)).toFixed(1),
    loadavg()[0]!.toFixed(1),
    last.rssMib.toFixed(0),
    last.inUseMib.toFixed(1),
    last.codeMib.toFixed(1),
    last.descriptors,
    commits,
    readdirSync(join(fleet.root, 'data/mm_journal')).length,
    last.minutesHeld,
    filesIn(join(fleet.root, '.mmfleet/cache')),
    (bytesOf(join(fleet.root, '.mmfleet')) / 2 ** 20).toFixed(1),
    (bytesOf(join(fleet.root, '.git')) / 2 ** 20).toFixed(1),
  ];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

/** CPU of the daemon in each minute between the first and the last of these, seconds: what there is to do is given by time. */
function cpuAMinute(samples: Sample[]): number {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  return (last.cpuS - first.cpuS) / (last.minute - first.minute);
}

/** The trail grows with each commit by right, so that a growth is also told as what each of them would cost. */
function commitsAnHour(samples: Sample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return Number.NaN;
  return ((last.commits - first.commits) / (last.minute - first.minute)) * 60;
}

function verdicts(samples: Sample[]): string[] {
  const settled = samples.filter((s) => s.minute >= WARM_UP_MINUTES && s.inUseMib > 0);
  const memory = (name: string, of: (s: Sample) => number) => {
    const all = middle(settled.map(of));
    const minutes = byMinute(settled, of);
    const [growth, error] = [slopeBeside(minutes) / all, errorOfSlope(minutes) / all];
    const rate = `${percent(growth)} % an hour (+-${percent(error)}) of ${all.toFixed(1)} MiB after the warm-up`;
    const each = `${((growth * all * 1024) / commitsAnHour(settled)).toFixed(1)} KiB a commit`;
    return `${name}: ${rate}, ${each}: ${verdictOn(growth, error)}`;
  };
  const half = MINUTES / 2;
  const quiet = passes.filter((p) => !p.whole);
  const latency =
    middle(quiet.filter((p) => p.minute >= half).map((p) => p.ms)) /
    middle(quiet.filter((p) => p.minute < half).map((p) => p.ms));
  const cpu = cpuAMinute(samples.filter((s) => s.minute >= half)) / cpuAMinute(settled.filter((s) => s.minute < half));
  return [
    memory('memory (RSS)', (s) => s.rssMib),
    memory('in use after a collection, code aside', (s) => s.inUseMib),
    `quiet pass, second half / first half: ${latency.toFixed(2)}: ${latency <= MOST_SLOWER ? 'flat' : 'GROWS'}`,
    `CPU a minute, second half / first half after the warm-up: ${cpu.toFixed(2)}: ${cpu <= MOST_SLOWER ? 'flat' : 'GROWS'}`,
    `descriptors: ${settled[0]?.descriptors} -> ${samples.at(-1)?.descriptors}`,
    `commits: ${[...kinds].map(([kind, n]) => `${n} ${kind}`).join(', ')}`,
  ];
}

/**
 * Two standard errors on either side: what is called flat would be within the rule if it had come out as badly as it may once
 * in forty, and what is called growing would be beyond it at its best. Between the two nothing is said.
 */
function verdictOn(growth: number, error: number): string {
  if (growth + 2 * error <= MOST_GROWTH_PER_HOUR) return 'flat';
  return growth - 2 * error > MOST_GROWTH_PER_HOUR ? 'GROWS' : 'NOT DECIDED: too noisy, run longer';
}

/**
 * Samples follow each other too closely to be each a measurement of its own, and one that fell into a pass all the same holds
 * too much: of each minute the least counts. By hours.
 */
function byMinute(samples: Sample[], of: (s: Sample) => number): Point[] {
  const minutes = new Map<number, Sample[]>();
  for (const s of samples) {
    const minute = Math.floor(s.minute);
    minutes.set(minute, [...(minutes.get(minute) ?? []), s]);
  }
  return [...minutes].map(([minute, all]) => {
    const least = all.reduce((a, b) => (of(b) < of(a) ? b : a));
    return { x: minute / 60, y: of(least), beside: least.minutesHeld };
  });
}

function percent(share: number): string {
  return (share * 100).toFixed(1);
}

function middle(values: number[]): number {
  return values.length === 0 ? Number.NaN : median(values);
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

function parsed(text: string): { msg: string; level?: string; commit?: string; ms?: number; whole?: boolean } {
  try {
    return JSON.parse(text) as { msg: string };
  } catch {
    return { msg: text.slice(0, 200), level: 'error' };
  }
}

function filesIn(folder: string): number {
  try {
    return readdirSync(folder).length;
  } catch {
    return 0;
  }
}

function bytesOf(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
