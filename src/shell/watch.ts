/** The daemon: passes woken by the interval and by file events, which only end the wait early. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { pino } from 'pino';
import { type Watcher, watchFleet } from '../adapters/watcher.ts';
import { type Reminder, remind } from '../core/plan/reminders.ts';
import type { Problem } from '../core/problem.ts';
import { select, usage } from './commands/common.ts';
import type { WatchOptions } from './commands/options.ts';
import { EXIT, exitOfProblem } from './exit.ts';
import { shown } from './hidden.ts';
import type { Ops } from './ops.ts';
import type { Look } from './pass.ts';
import { type PassReport, pass, quietPass } from './reconcile.ts';
import { planSummary } from './render/plan.ts';

export type WatchDeps = {
  only: ReadonlySet<string> | null;
  tune: boolean;
  push: boolean;
  /** Ends the loop after the step in hand. */
  signal: AbortSignal;
  log: pino.Logger;
  onPass?: (report: PassReport) => void | Promise<void>;
  /** Progress of converging, besides the log. */
  onPhase?: (name: string, phase: string, detail: string) => void;
};

const QUIET_MS = 250;
const MIN_WAIT_MS = 1_000;
const FIRST_INTERVAL_MS = 5_000;
const LOCK_TIMEOUT_MS = 60_000;
const MAX_FAILURES_SHIFT = 5;

/**
 * Runs passes until the signal; a Problem when the first one finds nothing it could watch. A pass that changed something is
 * followed by the next at once. Git is asked at every interval; between, a pass that file events woke asks only processes
 * and journals, for as long as there is nothing to do.
 */
export async function watchLoop(ops: Ops, deps: WatchDeps): Promise<Problem | null> {
  const wakes = wakesOf(ops);
  const upkeep = upkeepOf(ops, deps.signal);
  let failures = 0;
  let said: Said = { held: new Map(), faults: new Map() };
  /** The last look, when it left nothing to do. */
  let settled: Look | null = null;
  let wholeAtMs = 0;
  deps.signal.addEventListener('abort', () => wakes.wake(), { once: true });
  for (let n = 1; !deps.signal.aborted; n += 1) {
    const log = deps.log.child({ pass: n });
    const options = {
      only: deps.only,
      tune: deps.tune,
      push: deps.push,
      signal: deps.signal,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      onPhase: (instance: string, phase: string, detail: string) => {
        log.debug({ instance, phase, detail }, 'converging');
        deps.onPhase?.(instance, phase, detail);
      },
    };
    const atMs = ops.clock.nowMs();
    // A clock that was set back must not keep git waiting.
    const due = settled === null || atMs < wholeAtMs || atMs - wholeAtMs >= settled.fleet.intervalMs;
    const again: PassReport | null =
      wakes.edited() || settled === null || due ? null : await quietPass(ops, settled, options);
    const report: PassReport = again ?? (await pass(ops, options));
    if (again === null) wholeAtMs = atMs;
    const nowMs = ops.clock.nowMs();
    said = logPass(log, report, said, { nowMs, ms: nowMs - atMs, whole: again === null });
    if (n === 1) await ops.git.readyToMaintain?.();
    if (report.applied.commits.length > 0) upkeep.begin(log);
    await deps.onPass?.(report);
    // At the start a repository or fleet that cannot be used is a mistake to be told; later it is a fault to be outlived.
    const unusable =
      n === 1 && (report.look === null || report.look.stalled !== null)
        ? report.problems.find((p) => exitOfProblem(p) === EXIT.usage)
        : undefined;
    if (unusable !== undefined) return unusable;
    // While git is in the way alarms are looked for as often as ever.
    failures = report.applied.problems.length > 0 || report.look === null ? failures + 1 : 0;
    if (again === null) wakes.watch(report.look);
    if (deps.signal.aborted) break;
    const changed = report.applied.commits.length > 0 || report.applied.outcomes.some((o) => o.standing === 'done');
    settled = changed || failures > 0 || report.applied.outcomes.length > 0 ? null : report.look;
    if (changed && failures === 0) continue;
    const intervalMs =
      (report.look?.fleet.intervalMs ?? FIRST_INTERVAL_MS) * 2 ** Math.min(failures, MAX_FAILURES_SHIFT);
    const leftMs = settled === null ? intervalMs : wholeAtMs + intervalMs - ops.clock.nowMs();
    await wakes.wait(Math.min(intervalMs, Math.max(0, leftMs)), intervalMs, deps.signal);
  }
  await ops.journals.save();
  wakes.close();
  await upkeep.end();
  return null;
}

/** Maintenance of the clone beside the passes: one at a time, no pass waits for it, and it ends with the daemon. */
function upkeepOf(ops: Ops, signal: AbortSignal) {
  let running: Promise<void> | null = null;
  return {
    begin(log: pino.Logger): void {
      if (ops.git.maintain === undefined || running !== null) return;
      running = ops.git.maintain(signal).then((trouble) => {
        if (trouble !== null) log.debug({ trouble }, 'maintenance of the clone failed; it is tried again later');
        running = null;
      });
    },
    end: async (): Promise<void> => running ?? undefined,
  };
}

/** What ends a wait early: file events of the specs and the journals, and an end. */
function wakesOf(ops: Ops) {
  const specs = join(ops.repo.root, 'fleet');
  let early = new AbortController();
  let edited = false;
  let watched = '';
  let watcher: Watcher | null = null;
  const wake = () => early.abort();
  return {
    wake,
    /** Whether specs were touched since the last call. */
    edited(): boolean {
      const was = edited;
      edited = false;
      return was;
    },
    watch(look: Look | null): void {
      const journals = look === null ? [] : journalFolders(ops, look);
      if (watcher !== null && journals.join('\n') === watched) return;
      watched = journals.join('\n');
      watcher?.close();
      watcher = watchFleet(
        { specs, journals },
        (changed) => {
          if (changed.has('specs')) edited = true;
          wake();
        },
        QUIET_MS,
      );
    },
    /** At most `mostMs`. File events shorten it to a second at least: a busy journal must not turn the loop into a spin. */
    async wait(mostMs: number, intervalMs: number, signal: AbortSignal): Promise<void> {
      early = new AbortController();
      const minimum = ops.clock.sleep(Math.min(intervalMs, MIN_WAIT_MS), signal);
      if (!signal.aborted) await ops.clock.sleep(mostMs, early.signal);
      await minimum;
    },
    close: () => watcher?.close(),
  };
}

/** `reconcile --watch`: logs one line per quiet pass; the first signal finishes the step in hand, the second ends at once. */
export async function runWatch(ops: Ops, names: string[], options: WatchOptions): Promise<number> {
  const only = await select(ops, names, options.io);
  if (only === 'bad') return EXIT.usage;
  if (options.chat === true) return usage(options.io, '--chat goes with --once');
  const log = daemonLog();
  const controller = new AbortController();
  let exit: number = EXIT.ok;
  const midFlight = new Set<string>();
  const onSignal = (code: number) => () => {
    if (controller.signal.aborted) {
      log.warn({ midFlight: [...midFlight] }, 'stopped at once; a later pass takes these up');
      process.exit(code);
    }
    exit = code;
    controller.abort();
    log.info('stopping after the step in hand; a second signal stops at once');
  };
  process.on('SIGINT', onSignal(EXIT.interrupted));
  process.on('SIGTERM', onSignal(EXIT.terminated));
  log.info({ repository: ops.repo.root, host: ops.host, pid: process.pid }, 'watching');
  keepMemorySmall();
  const unusable = await watchLoop(ops, {
    only,
    tune: options.tune,
    push: options.push,
    signal: controller.signal,
    log,
    onPhase: (name, phase) => (phase === 'running' ? midFlight.delete(name) : midFlight.add(name)),
    onPass: () => midFlight.clear(),
  });
  return unusable === null ? exit : EXIT.usage;
}

/**
 * V8 doubles the space for new objects, now and then and for good, up to 32 MiB (64 in Node 24): a daemon that makes few of them
 * collects as cheaply in the 2 MiB it begins with.
 */
function keepMemorySmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** JSON lines on stderr; anything that looks like a secret is cut out, whoever logs it. */
export function daemonLog(): pino.Logger {
  const paths = ['secrets', 'env', '*.secrets', '*.env', 'apiKey', '*.apiKey', 'privateKey', '*.privateKey'];
  const stderr = pino.destination({ dest: 2, sync: true });
  return pino(
    {
      level: process.env['MMFLEET_LOG'] ?? 'info',
      base: null,
      formatters: { level: (level) => ({ level }) },
      redact: { paths, censor: '(secret)' },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    { write: (line) => void stderr.write(`${shown(line.trimEnd(), false)}\n`) },
  );
}

/** What was said of instances that are held, and of faults, and when to say it again. */
type Said = { held: ReadonlyMap<string, Reminder>; faults: ReadonlyMap<string, Reminder> };

/** Logs what happened; what needs a person is repeated with growing intervals. Gives what was said, for the next pass. */
function logPass(
  log: pino.Logger,
  report: PassReport,
  said: Said,
  /** When it ended, how long it took, and whether git was asked as well. */
  { nowMs, ...how }: { nowMs: number; ms: number; whole: boolean },
): Said {
  const faults = logFaults(log, report, said.faults, nowMs);
  for (const commit of report.applied.commits) log.info({ commit }, 'committed');
  for (const proposal of report.applied.proposals) log.info({ proposal }, 'proposed');
  for (const o of report.applied.outcomes)
    (o.standing === 'done' ? log.info.bind(log) : log.warn.bind(log))(
      { instance: o.name, standing: o.standing, reason: o.reason, detail: o.message },
      'converged',
    );
  if (report.look === null) return { held: said.held, faults };
  const held = report.look.planned.filter((p) => p.standing === 'held' || p.standing === 'unknown');
  const told = remind(
    said.held,
    new Map(held.map(({ item }) => [item.name, `${item.reason}: ${item.message}`])),
    report.look.observed.atMs,
  );
  for (const { item } of held.filter((p) => told.say.some((s) => s.name === p.item.name)))
    log.warn({ instance: item.name, reason: item.reason, detail: item.message }, 'held');
  for (const instance of told.over) log.info({ instance }, 'no longer held');
  log.info(
    { revision: report.look.desired.revision?.slice(0, 12), ...planSummary(report.look.planned), ...how },
    'pass',
  );
  return { held: told.reminders, faults };
}

/** What is in git's way, or the fleet file's: said at once, and as long as it lasts with growing intervals. */
function logFaults(
  log: pino.Logger,
  { problems, look }: PassReport,
  before: Said['faults'],
  nowMs: number,
): Said['faults'] {
  const notes = look?.notes ?? [];
  const faults = [...notes, ...problems];
  const keyOf = ({ code, instance = '' }: Problem) => `${code} ${instance}`;
  const lasting = faults.filter(({ code, retry }) => retry === 'stalled' || code === 'git-remote-away');
  const told = remind(before, new Map(lasting.map((problem) => [keyOf(problem), problem.message])), nowMs);
  for (const problem of faults) {
    const key = keyOf(problem);
    if (told.reminders.has(key) && !told.say.some(({ name }) => name === key)) continue;
    const { code, hint, instance, message } = problem;
    log[notes.includes(problem) ? 'warn' : 'error']({ code, hint, instance }, message);
  }
  for (const key of told.over) log.info({ code: key.split(' ')[0] }, 'over');
  return told.reminders;
}

/** Those that are there already; another one is watched once a run has made it. */
function journalFolders(ops: Ops, look: Look): string[] {
  const folders = look.desired.instances.flatMap((i) =>
    i.spec === null ? [] : [dirname(resolve(ops.repo.root, i.spec.journal.path))],
  );
  return [...new Set(folders)].filter((f) => existsSync(f)).sort();
}
