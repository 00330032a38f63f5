/** Every selected instance of a tree over the journals of its market, and the same under a baseline. */
import type { Problem } from '../core/problem.ts';
import { compareReplays, type ReplayDifference } from '../core/replay/compare.ts';
import { checkFailOn, type FailOn, type FailOnResult } from '../core/replay/fail-on.ts';
import { replayMetrics, wholeDigest } from '../core/replay/log.ts';
import type { ReplayMetrics, ReplayReport, ReplaySpec } from '../core/replay/types.ts';
import { type Desired, type DesiredInstance, valuesOf } from './desired.ts';
import { type MarketRuns, replayMarket } from './replay-journals.ts';

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

export type Trees = { here: Desired; baseline: Desired | null };

export type Progress = { step: (bytes: number) => void; end: () => void };

/** `progress` hears of bytes read. */
export type ReplayWork = {
  only: ReadonlySet<string> | null;
  rules: FailOn[];
  journals: { markets: Map<string, MarketRuns>; problems: Problem[] };
  progress: Progress;
};

/** What can be replayed, in the order of names; what cannot is a Problem, and never hides the others. */
export function replayAll(trees: Trees, { only, rules, journals, progress }: ReplayWork): ReplayOutcome {
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
  problems.push(...readingProblems(name, report, read.value.badLines), ...thinProblem(name, report));
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

/** No alarm over too little journal is no good news. */
function thinProblem(instance: string, { timeS, decisions }: ReplayReport): Problem[] {
  const judged = (timeS.ok ?? 0) + (timeS.watch ?? 0) + (timeS.degraded ?? 0);
  if (judged > 0 || decisions.length > 0) return [];
  const message = `${instance}: no signal came to its sample floor: too little journal to say anything`;
  const hint = 'give at least some hours of a run';
  return [{ code: 'replay-thin', message, hint, severity: 'warning', instance }];
}
