import { resolve } from 'node:path';
import { resolveCommit } from '../../adapters/git.ts';
import { fail as failed, formatProblem, ok, type Problem, type Result } from '../../core/problem.ts';
import { compareReplays, type ReplayDifference } from '../../core/replay/compare.ts';
import { checkFailOn, type FailOn, type FailOnResult, parseFailOn } from '../../core/replay/fail-on.ts';
import { replayMetrics, wholeDigest } from '../../core/replay/log.ts';
import type { ReplayMetrics, ReplayReport, ReplaySpec } from '../../core/replay/types.ts';
import { type Desired, type DesiredInstance, valuesOf } from '../desired.ts';
import { combineExit, EXIT, type ExitCode } from '../exit.ts';
import { type Io, painter } from '../io.ts';
import { type Ops, openOps } from '../ops.ts';
import { renderReplay, replayItem } from '../render/replay.ts';
import { journalsByMarket, type MarketRuns, replayMarket } from '../replay-journals.ts';
import { printJson, selectFrom } from './common.ts';
import type { CommonOptions } from './options.ts';

export type ReplayOptions = CommonOptions & { journal?: string[]; baseline?: string; failOn?: string[] };

/** What one instance's spec decides, and what the baseline's does. */
export type ReplayResult = {
  name: string;
  spec: NonNullable<DesiredInstance['spec']>;
  files: string[];
  badLines: number;
  here: ReplayReport;
  metrics: ReplayMetrics;
  /** null: not asked for, or it cannot be had (a Problem says why). */
  baseline: { report: ReplayReport; metrics: ReplayMetrics; difference: ReplayDifference } | null;
  rules: FailOnResult[];
};

export type ReplayOutcome = {
  fleet: { name: string } | null;
  /** Commit id; null: no baseline. */
  baseline: string | null;
  results: ReplayResult[];
  problems: Problem[];
  digest: string;
};

/**
 * `replay [I...] --journal PATH...`: what the working tree's specs would have decided over recorded journals, and with
 * `--baseline REV` what that revision's would have. Reads only. Exit 8 when a `--fail-on` rule is broken.
 */
export async function runReplay(names: string[], options: ReplayOptions): Promise<number> {
  const { io } = options;
  const rules: FailOn[] = [];
  for (const text of options.failOn ?? []) {
    const rule = parseFailOn(text);
    if (!rule.ok) return refuse(options, [rule.problem]);
    rules.push(rule.value);
  }
  const opened = await openOps(options.C);
  if (!opened.ok) return refuse(options, [opened.problem]);
  const trees = await readTrees(opened.value, options.baseline);
  if (!trees.ok) return refuse(options, [trees.problem]);
  const only = selectFrom(trees.value.here, names, io);
  if (only === 'bad') return EXIT.usage;
  const paths = (options.journal ?? []).map((path) => resolve(options.C, path));
  const journals = journalsByMarket(paths);
  if (!journals.ok) return refuse(options, [journals.problem]);
  const progress = progressOf(journals.value.markets, io);
  const outcome = replayAll(trees.value, { only, rules, journals: journals.value, progress });
  if (outcome.results.length === 0) return refuse(options, outcome.problems);
  print(options, outcome);
  return exitOf(outcome);
}

type Trees = { here: Desired; baseline: Desired | null };

async function readTrees(ops: Ops, revision: string | undefined): Promise<Result<Trees>> {
  const here = await ops.desiredInWorktree();
  if (!here.ok) return here;
  if (here.value.fleet === null) return failed(noFleet(here.value));
  if (revision === undefined) return ok({ here: here.value, baseline: null });
  const commit = await resolveCommit(ops.repo, revision);
  if (commit === null) {
    const message = `--baseline ${revision}: no such revision in this repository`;
    return failed({ code: 'git-unknown-revision', message, hint: 'git log --oneline', retry: 'stalled' });
  }
  const baseline = await ops.desiredAt(commit);
  return baseline.ok ? ok({ here: here.value, baseline: baseline.value }) : baseline;
}

function noFleet(desired: Desired): Problem {
  const cause = desired.problems.find((p) => p.instance === undefined && p.severity !== 'warning');
  const hint = 'mmfleet init writes one';
  return cause ?? { code: 'fleet-missing', message: 'no document of kind Fleet in fleet/*.yaml', hint };
}

type Work = {
  only: ReadonlySet<string> | null;
  rules: FailOn[];
  journals: { markets: Map<string, MarketRuns>; problems: Problem[] };
  progress: Progress;
};

function replayAll(trees: Trees, { only, rules, journals, progress }: Work): ReplayOutcome {
  const problems = [...journals.problems];
  const results: ReplayResult[] = [];
  for (const instance of trees.here.instances) {
    if (only !== null && !only.has(instance.name)) continue;
    const spec = specOf(trees.here, instance);
    if (spec === null) {
      problems.push(unusable(instance));
      continue;
    }
    const runs = journals.markets.get(spec.market);
    if (runs === undefined) {
      problems.push(noJournal(spec, only !== null));
      continue;
    }
    const result = replayOne(trees, instance, spec, runs, progress, problems);
    if (result !== null) results.push({ ...result, rules: rules.map((rule) => checkFailOn(rule, result.metrics)) });
  }
  progress.end();
  const markets = new Set(trees.here.instances.flatMap((i) => (i.spec === null ? [] : [i.spec.market])));
  for (const market of journals.markets.keys()) if (!markets.has(market)) problems.push(unmatched(market));
  return {
    fleet: trees.here.fleet,
    baseline: trees.baseline?.revision ?? null,
    results,
    problems,
    digest: wholeDigest(results.map((r) => r.here)),
  };
}

function replayOne(
  trees: Trees,
  instance: DesiredInstance,
  here: ReplaySpec,
  runs: MarketRuns,
  progress: Progress,
  problems: Problem[],
): Omit<ReplayResult, 'rules'> | null {
  const { name, spec } = instance;
  if (spec === null) return null;
  const old = trees.baseline === null ? null : baselineSpec(trees.baseline, here, problems);
  const read = replayMarket(runs, old === null ? [here] : [here, old], progress.step);
  if (!read.ok) {
    problems.push({ ...read.problem, instance: name });
    return null;
  }
  const [report, before] = read.value.reports as [ReplayReport, ReplayReport?];
  problems.push(...readingProblems(name, report, read.value.badLines));
  return {
    name,
    spec,
    files: runs.runs.flat(),
    badLines: read.value.badLines,
    here: report,
    metrics: replayMetrics(report),
    baseline:
      before === undefined
        ? null
        : {
            report: before,
            metrics: replayMetrics(before),
            difference: compareReplays(report.decisions, before.decisions),
          },
  };
}

/** null: this tree cannot say what the instance should do. */
function specOf(desired: Desired, instance: DesiredInstance): ReplaySpec | null {
  const { name, spec, env, problems } = instance;
  if (spec === null || env === null || problems.length > 0) return null;
  return {
    instance: name,
    market: spec.market,
    policy: { health: spec.health, tuning: spec.tuning },
    baseEnv: env.basePath,
    baseValues: env.baseValues,
    iter: env.iter,
    lastIter: env.iters.at(-1) ?? 0,
    iterValues: (iter) => valuesOf(desired, env, iter),
  };
}

function baselineSpec(baseline: Desired, here: ReplaySpec, problems: Problem[]): ReplaySpec | null {
  const instance = baseline.instances.find((i) => i.name === here.instance);
  const spec = instance === undefined ? null : specOf(baseline, instance);
  if (spec !== null && spec.market === here.market) return spec;
  const short = (baseline.revision ?? '').slice(0, 12);
  const why =
    spec !== null ? `traded ${spec.market}` : instance === undefined ? 'did not exist' : 'had a spec that is invalid';
  const message = `${here.instance} ${why} at ${short}: nothing to compare with`;
  problems.push({ code: 'replay-no-baseline', message, severity: 'warning', instance: here.instance });
  return null;
}

function unusable(instance: DesiredInstance): Problem {
  const first = instance.problems[0];
  if (first !== undefined) return { ...first, instance: instance.name };
  const message = `${instance.name}: its base env cannot be read`;
  return { code: 'env-missing', message, hint: 'mmfleet validate', instance: instance.name };
}

function noJournal({ instance, market }: ReplaySpec, named: boolean): Problem {
  const message = `${instance}: no journal of ${market} among those given`;
  const hint = `journals are matched by market; name files such as mm_${market}_YYYYMMDD_HHMMSS.jsonl`;
  return { code: 'replay-no-journal', message, hint, instance, ...(named ? {} : { severity: 'warning' }) };
}

function unmatched(market: string): Problem {
  const message = `journals of ${market} were given, and no instance trades it`;
  return { code: 'replay-unmatched', message, severity: 'warning' };
}

/** What was in the files and could not count. */
function readingProblems(instance: string, report: ReplayReport, badLines: number): Problem[] {
  const { leftOut, runs } = report;
  const texts: [number, string, string][] = [
    [badLines, 'journal-bad-lines', 'could not be read and were left out; what they held is missing from the replay'],
    [leftOut.strayLines, 'journal-stray-lines', 'belong to a run that had ended (a copy, or two bots in one file)'],
    [leftOut.overlapLines, 'journal-overlap', 'lie before the end of the run before them and were left out'],
    [leftOut.foreignLines, 'journal-foreign-lines', `are of another market than ${report.market} and were left out`],
    [
      runs.filter((run) => !run.whole).length,
      'journal-torn-run',
      'begin without a run_start: a first piece is missing',
    ],
  ];
  return texts.flatMap(([count, code, text]): Problem[] => {
    const noun = code === 'journal-torn-run' ? 'run' : 'line';
    const message = `${instance}: ${count} ${noun}${count === 1 ? '' : 's'} ${text}`;
    return count === 0 ? [] : [{ code, message, severity: 'warning', instance }];
  });
}

function print(options: ReplayOptions, outcome: ReplayOutcome): void {
  const { io } = options;
  if (options.json !== true) {
    for (const problem of outcome.problems) io.err(`${shown(problem)}\n`);
    io.out(`${renderReplay(outcome, painter(io.color))}\n`);
    return;
  }
  const { results, baseline, digest } = outcome;
  const summary = {
    instances: results.length,
    baseline,
    logDigest: digest,
    compares: 'decisions, not profit',
    broken: results.flatMap((r) => r.rules.filter((rule) => rule.broken).map((rule) => `${r.name}: ${rule.text}`)),
  };
  const from = outcome.fleet === null ? null : { fleet: outcome.fleet };
  printJson(io, 'Replay', from, results.map(replayItem), outcome.problems, summary);
}

/** A broken rule is a failed check; an instance that could not be replayed is not a passed one. */
function exitOf({ results, problems }: ReplayOutcome): ExitCode {
  const codes: ExitCode[] = [];
  if (results.some((r) => r.rules.some((rule) => rule.broken))) codes.push(EXIT.verification);
  if (problems.some((p) => p.severity !== 'warning')) codes.push(EXIT.held);
  return combineExit(codes);
}

function refuse(options: ReplayOptions, problems: Problem[]): ExitCode {
  const nothing = { code: 'replay-nothing', message: 'no instance to replay', hint: 'mmfleet validate lists them' };
  const all = problems.length === 0 ? [nothing] : problems;
  if (options.json === true) printJson(options.io, 'Replay', null, [], all, { instances: 0 });
  else for (const problem of all) options.io.err(`${shown(problem)}\n`);
  return EXIT.usage;
}

const shown = (problem: Problem) => `${problem.severity === 'warning' ? 'warning: ' : ''}${formatProblem(problem)}`;

type Progress = { step: (bytes: number) => void; end: () => void };

const PROGRESS_FROM_BYTES = 64 * 1024 * 1024;
const BAR_CHARS = 30;

/** A bar on stderr for a person who waits for long journals. */
function progressOf(markets: Map<string, MarketRuns>, io: Io): Progress {
  const total = [...markets.values()].reduce((sum, runs) => sum + runs.bytes, 0);
  if (!io.errTTY || total < PROGRESS_FROM_BYTES) return { step: () => {}, end: () => {} };
  let done = 0;
  let before = -1;
  const step = (bytes: number) => {
    done += bytes;
    const percent = Math.min(100, Math.floor((100 * done) / total));
    if (percent === before) return;
    before = percent;
    const full = Math.round((percent / 100) * BAR_CHARS);
    io.err(`\r[${'#'.repeat(full)}${'.'.repeat(BAR_CHARS - full)}] ${String(percent).padStart(3)} %`);
  };
  return { step, end: () => io.err('\r\x1b[K') };
}
