import { resolve } from 'node:path';
import { resolveCommit } from '../../adapters/git.ts';
import { fail as failed, formatProblem, ok, type Problem, type Result } from '../../core/problem.ts';
import { type FailOn, parseFailOn } from '../../core/replay/fail-on.ts';
import type { Desired } from '../desired.ts';
import { combineExit, EXIT, type ExitCode } from '../exit.ts';
import { type Io, painter } from '../io.ts';
import { type Ops, openOps } from '../ops.ts';
import { renderReplay, replayItem } from '../render/replay.ts';
import { type Progress, type ReplayOutcome, replayAll, type Trees } from '../replay-fleet.ts';
import { journalsByMarket, type MarketRuns } from '../replay-journals.ts';
import { printJson, selectFrom } from './common.ts';
import type { CommonOptions } from './options.ts';

export type ReplayOptions = CommonOptions & { journal?: string[]; baseline?: string; failOn?: string[] };

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
  const opened = await openOps(options.C, { looksOnly: true });
  if (!opened.ok) return refuse(options, [opened.problem]);
  const trees = await readTrees(opened.value, options.baseline);
  if (!trees.ok) return refuse(options, [trees.problem]);
  const only = selectFrom(trees.value.here, names, io);
  if (only === 'bad') return EXIT.usage;
  const paths = (options.journal ?? []).map((path) => resolve(options.C, path));
  const journals = journalsByMarket(paths);
  if (!journals.ok) return refuse(options, [journals.problem]);
  const chosen = trees.value.here.instances.filter((i) => only === null || only.has(i.name));
  const markets = new Set(chosen.flatMap((i) => (i.spec === null ? [] : [i.spec.market])));
  const progress = progressOf(
    [...journals.value.markets.values()].filter((runs) => markets.has(runs.market)),
    io,
  );
  const outcome = replayAll(trees.value, { only, rules, journals: journals.value, progress });
  if (outcome.results.length === 0) return refuse(options, outcome.problems);
  print(options, outcome);
  return exitOf(outcome);
}

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

const PROGRESS_FROM_BYTES = 64 * 1024 * 1024;
const BAR_CHARS = 30;

/** A bar on stderr for a person who waits for long journals. */
function progressOf(read: MarketRuns[], io: Io): Progress {
  const total = read.reduce((sum, runs) => sum + runs.bytes, 0);
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
