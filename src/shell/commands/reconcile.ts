import type { Planned } from '../../core/plan/plan.ts';
import { parseDuration } from '../../core/trail/text.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { painter } from '../io.ts';
import { type Ops, openOps } from '../ops.ts';
import { type OnceReport, reconcileOnce } from '../reconcile.ts';
import { planLine, planTable } from '../render/plan.ts';
import {
  allInvalid,
  deadline,
  failOrChat,
  phasePrinter,
  printJson,
  printProblems,
  problemsOf,
  select,
  usage,
} from './common.ts';
import type { WatchOptions } from './options.ts';

/** `reconcile --once | --watch`. */
export async function runReconcile(names: string[], options: WatchOptions): Promise<number> {
  const { io } = options;
  if (options.once === true && options.watch === true) return usage(io, '--once and --watch exclude each other');
  if (options.dryRun === true) return (await import('./plan.ts')).runPlan(names, options);
  if (options.once !== true && options.watch !== true) return usage(io, 'reconcile needs --once or --watch');
  const opened = await openOps(options.C, { host: options.host });
  if (!opened.ok) return failOrChat(null, options, 'Reconcile', opened.problem);
  if (options.watch === true) return (await import('../watch.ts')).runWatch(opened.value, names, options);
  const exit = await once(opened.value, names, options);
  // What was asked for is done and said; a clone that only ever sees one-shot runs is kept in order by them.
  await opened.value.git.maintain?.(AbortSignal.timeout(UPKEEP_MS));
  return exit;
}

const UPKEEP_MS = 20_000;

/** `ended`: what ended it before its time; null: nothing did. */
function exitOf(
  { exit, last, problems, passes }: OnceReport,
  ended: ExitCode | null,
  planned: Planned[],
  { allowHeld }: WatchOptions,
): ExitCode {
  // Waiting for another mmfleet ends with the deadline: nothing was begun, and it may be run again.
  if (ended === EXIT.deadline && problems.some(({ code }) => code === 'lock-held')) return EXIT.moved;
  if (ended !== null || exit !== EXIT.held) return ended ?? exit;
  const touched = passes.some(({ applied }) => applied.commits.length + applied.outcomes.length > 0);
  if (!touched && last !== null && allInvalid(last, planned)) return EXIT.usage;
  return allowHeld === true ? EXIT.ok : exit;
}

async function once(ops: Ops, names: string[], options: WatchOptions): Promise<number> {
  const { io } = options;
  const timeoutMs = parseDuration(options.timeout ?? '10m');
  if (timeoutMs === undefined)
    return usage(io, `--timeout: found "${options.timeout}", want a duration such as 90s or 10m`);
  const only = await select(ops, names, io);
  if (only === 'bad') return EXIT.usage;
  const stop = deadline(timeoutMs);
  const quiet = options.chat === true;
  const report = await reconcileOnce(ops, {
    only,
    tune: options.tune,
    push: options.push,
    signal: stop.signal,
    lockTimeoutMs: timeoutMs,
    onPhase: quiet ? () => undefined : phasePrinter(io),
  });
  stop.clear();
  const commits = report.passes.flatMap((p) => p.applied.commits);
  const proposals = report.passes.flatMap((p) => p.applied.proposals);
  const planned = report.last?.planned.filter((p) => only === null || only.has(p.item.name)) ?? [];
  const found = report.last === null ? [] : problemsOf(report.last, only);
  const notes = report.passes.flatMap((p) => p.look?.notes ?? []);
  const problems = [...notes, ...found, ...report.problems];
  const exit = exitOf(report, stop.exit(), planned, options);
  if (options.chat === true)
    return (await import('../chat.ts')).printChat(ops, io, report.last, [...commits, ...proposals], report.problems);
  if (options.json === true) {
    printJson(
      io,
      'Reconcile',
      report.last,
      planned.map((p) => p.item),
      problems,
      {
        passes: report.passes.length,
        commits,
        proposals,
        exit,
      },
    );
    return exit;
  }
  printProblems(io, problems);
  for (const outcome of report.passes.flatMap((p) => p.applied.outcomes)) {
    if (outcome.standing !== 'done') io.err(`${outcome.name} ${outcome.standing}: ${outcome.message}\n`);
  }
  for (const subject of [...commits, ...proposals]) io.out(`${subject}\n`);
  if (report.last !== null) {
    const interesting = planned.filter((p) => p.standing !== 'settled');
    io.out(
      `${interesting.length > 0 ? planTable(interesting, painter(io.color)).split('\n').slice(0, -1).concat(planLine(planned)).join('\n') : planLine(planned)}\n`,
    );
  }
  return exit;
}
