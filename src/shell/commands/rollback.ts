/** `rollback NAME --to ITER --reason R`: a new iter with the values of an earlier one, then that instance is converged. */
import { basename } from 'node:path';
import { gitUser } from '../../adapters/git-user.ts';
import { iterFileName } from '../../core/env/iter.ts';
import { parseEnv } from '../../core/env/read.ts';
import { validateEnv } from '../../core/env/validate.ts';
import { label } from '../../core/plan/plan.ts';
import { ok, fail as problem, type Result } from '../../core/problem.ts';
import { parseDuration } from '../../core/trail/text.ts';
import type { TrailEntry } from '../../core/trail/types.ts';
import type { EnvValues } from '../../core/tuning/types.ts';
import { type Builder, publishChanges, secretValues } from '../apply.ts';
import { type DesiredInstance, valuesOf } from '../desired.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { painter } from '../io.ts';
import { type Ops, openOps } from '../ops.ts';
import { type Look, look } from '../pass.ts';
import { reconcileOnce, withLock } from '../reconcile.ts';
import { planLine, planTable } from '../render/plan.ts';
import { rollbackChange } from '../rollback-change.ts';
import { deadline, phasePrinter, printJson, printProblems, refuse, select, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

export type RollbackOptions = CommonOptions & { to: string; reason: string };

/** Commits the rollback in the name of the person, then converges that instance. Repeating it changes nothing. */
export async function runRollback(names: string[], options: RollbackOptions): Promise<number> {
  const { io } = options;
  const timeoutMs = parseDuration(options.timeout ?? '10m');
  if (timeoutMs === undefined)
    return usage(io, `--timeout: found "${options.timeout}", want a duration such as 90s or 10m`);
  const to = iterWord(options.to);
  if (to === undefined) return usage(io, `--to: found "${options.to}", want an iteration such as iter007, or base`);
  if (options.reason.trim() === '') return usage(io, '--reason: found nothing, want a sentence for the trail');
  const opened = await openOps(options.C, { host: options.host });
  if (!opened.ok) return refuse(options, 'Reconcile', opened.problem);
  const ops = opened.value;
  const only = await select(ops, names, io);
  if (only === 'bad') return EXIT.usage;
  const name = [...(only ?? [])][0];
  if (name === undefined || only?.size !== 1) return usage(io, 'rollback takes one instance');
  const stop = deadline(timeoutMs);
  const landed = await withLock(ops, { lockTimeoutMs: timeoutMs, signal: stop.signal }, () =>
    commitRollback(ops, name, to, options),
  );
  if (!landed.ok) {
    stop.clear();
    const code = refuse(options, 'Reconcile', landed.problem);
    return landed.problem.code.startsWith('rollback-') ? EXIT.usage : code;
  }
  for (const line of landed.value.said) io.err(`${line}\n`);
  const report = await reconcileOnce(ops, {
    only: new Set([name]),
    tune: false,
    push: true,
    signal: stop.signal,
    lockTimeoutMs: timeoutMs,
    onPhase: phasePrinter(io),
  });
  stop.clear();
  const exit: ExitCode = stop.exit() ?? report.exit;
  const mine = report.last?.planned.filter((p) => p.item.name === name) ?? [];
  if (options.json === true) {
    const commits = [...landed.value.commits, ...report.passes.flatMap((p) => p.applied.commits)];
    const items = mine.map((p) => p.item);
    printJson(io, 'Reconcile', report.last, items, report.problems, { verb: 'rollback', commits, exit });
    return exit;
  }
  printProblems(io, report.problems);
  for (const subject of landed.value.commits) io.out(`${subject}\n`);
  for (const o of report.passes.flatMap((p) => p.applied.outcomes)) io.out(`${o.name}: ${o.message}\n`);
  io.out(`${planTable(mine, painter(io.color)).split('\n').slice(0, -1).join('\n')}\n${planLine(mine)}\n`);
  return exit;
}

/** `iter007`, `007`, `7`, `.env.amzn.iter007` -> 7; `base` -> null; anything else undefined. */
export function iterWord(text: string): number | null | undefined {
  if (text === 'base') return null;
  const digits = /^(?:(?:.+\.)?iter)?0*([1-9]\d{0,8})$/.exec(text.trim())?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether a file's name before its number is that of another base env. */
function isOfAnother(basePath: string, text: string): boolean {
  const file = /^(.+)\.iter\d+$/.exec(text.trim())?.[1];
  return file !== undefined && basename(file) !== basename(basePath);
}

type Landed = { commits: string[] /** For stderr. */; said: string[] };

async function commitRollback(
  ops: Ops,
  name: string,
  to: number | null,
  options: RollbackOptions,
): Promise<Result<Landed>> {
  const seen = await look(ops, { only: new Set([name]), tune: false, push: true, fetch: true });
  if (!seen.ok) return seen;
  const instance = seen.value.desired.instances.find((i) => i.name === name);
  if (instance?.spec === null || instance?.env === null || instance === undefined)
    return problem({
      code: 'rollback-spec',
      message: `${name}: its spec or base env cannot be used`,
      hint: 'mmfleet validate',
      retry: 'stalled',
    });
  if (isOfAnother(instance.env.basePath, options.to))
    return problem({
      code: 'rollback-other-env',
      message: `--to: found "${options.to}", want an iteration of ${basename(instance.env.basePath)}`,
      hint: `mmfleet history ${name} lists them`,
      retry: 'stalled',
    });
  const target = await targetValues(ops, seen.value, instance, to);
  if (!target.ok) return target;
  const at = journalTs(ops, instance);
  const said = new Set<string>();
  let refused: Result<never> | null = null;
  const build: Builder = (desired, trail) => {
    const current = desired.instances.find((i) => i.name === name);
    if (current?.spec == null || current.env === null) return null;
    const made = rollbackChange(current, trail, { to, target: target.value, reason: options.reason, at });
    if (made === null) {
      said.add(`${name}: ${label(current.env.iter)} already has the values of ${label(to)}`);
      return null;
    }
    for (const text of made.rolled.outOfBounds) said.add(`${name}: ${text}: kept as asked; tuning would not choose it`);
    if (made.rolled.kept.length > 0)
      said.add(`${name}: ${made.rolled.kept.join(', ')}: not tunable, the base env's value stands`);
    const file = made.plan.files[0];
    const wrong = validateEnv(parseEnv(file?.text ?? '', file?.path ?? ''), file?.text ?? '', file?.path ?? '');
    const first = wrong.find((p) => p.severity !== 'warning');
    if (first === undefined) return made.plan;
    refused = problem({
      ...first,
      code: 'rollback-refused',
      message: `${label(to)}: ${first.message}`,
      instance: name,
    });
    return null;
  };
  const author = await gitUser(ops.repo);
  const secrets = await secretValues(ops, seen.value);
  const landed = await publishChanges(ops, seen.value, [build], secrets, {
    push: true,
    ...(author === null ? {} : { author }),
  });
  if (!landed.ok) return landed;
  return refused ?? ok({ commits: landed.value, said: [...said] });
}

/** The values of an iter as they were last in git: in the tree, or as its last commit left them when it was reverted. */
async function targetValues(
  ops: Ops,
  seen: Look,
  instance: DesiredInstance,
  to: number | null,
): Promise<Result<EnvValues>> {
  const { env } = instance;
  if (env === null) throw new Error(`${instance.name} has no env`);
  const here = valuesOf(seen.desired, env, to);
  if (here !== null) return ok(here);
  const path = to === null ? env.basePath : iterFileName(env.basePath, to);
  const commit = lastWriter(seen.trail, path);
  const text = commit === null ? null : await ops.git.fileAt(commit, path);
  if (text !== null) return ok(parseEnv(text, path).values);
  const known = env.iters.map((iter) => label(iter)).join(', ');
  return problem({
    code: 'rollback-unknown-iter',
    message: `${label(to)} of ${instance.name} is neither in the tree nor in its history`,
    hint: `known: base${known === '' ? '' : `, ${known}`}; mmfleet history ${instance.name}`,
    retry: 'stalled',
  });
}

const lastWriter = (trail: readonly TrailEntry[], path: string): string | null =>
  trail.find((e) => e.files.some((f) => f.path === path && f.status !== 'D'))?.commit ?? null;

function journalTs(ops: Ops, instance: DesiredInstance): number | null {
  const view = ops.journals.look(instance);
  return view.state === 'ok' ? view.run.now : null;
}
