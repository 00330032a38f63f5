/** What commands share: errors on stderr, selection by name, deadlines, the one JSON document. */
import { headOf } from '../../adapters/git.ts';
import type { Planned } from '../../core/plan/plan.ts';
import { asList, formatProblem, type Problem } from '../../core/problem.ts';
import { resolveNames } from '../../core/spec/names.ts';
import type { Desired } from '../desired.ts';
import { EXIT, type ExitCode, exitOfProblem } from '../exit.ts';
import type { Io } from '../io.ts';
import type { Ops } from '../ops.ts';
import type { Look } from '../pass.ts';
import { documentText } from '../render/document.ts';
import type { CommonOptions } from './options.ts';

/** Prints a Problem and gives its exit code. */
export function fail(io: Io, problem: Problem): ExitCode {
  io.err(`${formatProblem(problem)}\n`);
  return exitOfProblem(problem);
}

/** The same for a command that may be asked for a document: then the Problem is in it, and it is the whole answer. */
export function refuse({ io, json }: CommonOptions, kind: string, problem: Problem): ExitCode {
  if (json !== true) return fail(io, problem);
  printJson(io, kind, null, [], [problem], {});
  return exitOfProblem(problem);
}

/** What a look found wrong: errors of specs, envs and secrets of the named instances (null = all), and notes such as a remote that is away. */
export function problemsOf(look: Look, only: ReadonlySet<string> | null): Problem[] {
  const secrets = look.situations.flatMap(({ instance, observed: { secretNames } }) =>
    secretNames.ok ? [] : [{ ...secretNames.problem, instance: instance.name }],
  );
  const found = [
    ...asList(look.stalled),
    ...look.notes,
    ...look.desired.problems.filter((p) => p.severity !== 'warning'),
    ...secrets,
  ];
  return found.filter((p) => p.instance === undefined || only === null || only.has(p.instance));
}

/** Whether every one of them is held because of what is declared: nothing of it can be carried out. */
export function allInvalid({ desired }: Look, planned: readonly Planned[]): boolean {
  const wrong = new Set(
    desired.instances.flatMap(({ name, problems }) => (problems.some((p) => p.code !== 'holds-invalid') ? [name] : [])),
  );
  return planned.length > 0 && planned.every(({ item }) => item.reason === 'spec-invalid' && wrong.has(item.name));
}

/** Each text once: a fault in the fleet's defaults concerns every instance, and every pass finds it again. */
export function printProblems(io: Io, problems: readonly Problem[]): void {
  for (const text of new Set(problems.map((p) => `${formatProblem(p)}\n`))) io.err(text);
}

/** The same, or for `--chat` the quiet answer that says it is unavailable. */
export async function failOrChat(
  ops: Ops | null,
  options: CommonOptions,
  kind: string,
  problem: Problem,
): Promise<number> {
  if (options.chat !== true) return refuse(options, kind, problem);
  const chat = await import('../chat.ts');
  return ops === null ? chat.chatUnopened(options.io, problem) : chat.printChat(ops, options.io, null, [], [problem]);
}

/** Bad usage: one line, exit code 3. */
export function usage(io: Io, message: string): ExitCode {
  io.err(`${message}\n`);
  return EXIT.usage;
}

/** Names on the command line -> instance names at HEAD; null = all; `bad` after it has said why. */
export async function select(ops: Ops, names: string[], io: Io): Promise<ReadonlySet<string> | null | 'bad'> {
  if (names.length === 0) return null;
  const head = await headOf(ops.repo);
  // A refused head must not take the names away by which an instance can be stopped.
  const trusted = head.ok && head.value !== null ? await ops.trusted?.(head.value) : undefined;
  const revision = trusted?.ok === true ? trusted.value.revision : head.ok ? head.value : null;
  const desired = revision === null ? null : await ops.desiredAt(revision);
  if (desired === null || !desired.ok) {
    io.err('no instance can be named: the repository has no readable commit\n');
    return 'bad';
  }
  return selectFrom(desired.value, names, io);
}

/** The same against a tree already read. */
export function selectFrom(desired: Desired, names: string[], io: Io): ReadonlySet<string> | null | 'bad' {
  if (names.length === 0) return null;
  const known = desired.instances.flatMap((i) => (i.spec === null ? [] : [i.spec]));
  const invalid = desired.instances.filter((i) => i.spec === null).map((i) => i.name);
  const chosen = new Set(names.filter((name) => invalid.includes(name)));
  const rest = names.filter((name) => !chosen.has(name));
  // No name at all would mean every instance: those who are named by their invalid specs alone are all that is meant.
  if (rest.length === 0) return chosen;
  const resolved = resolveNames(rest, known);
  if (!resolved.ok) {
    // Of these nothing but the name is known: no market and no env leads to them.
    const others = invalid.length === 0 ? '' : `; by its name alone, as its spec is invalid: ${invalid.join(', ')}`;
    const hint = `${resolved.problem.hint ?? ''}${others}`;
    io.err(`${formatProblem({ ...resolved.problem, hint })}\n`);
    return 'bad';
  }
  for (const instance of resolved.value) chosen.add(instance.name);
  return chosen;
}

export type Deadline = {
  signal: AbortSignal;
  clear(): void /** 124, 130 or 143 when that ended it; null otherwise. */;
  exit(): ExitCode | null;
};

/** Aborts after `ms`, or on SIGINT/SIGTERM: the step in hand is finished; a second signal ends the process at once. */
export function deadline(ms: number): Deadline {
  const controller = new AbortController();
  let cause: ExitCode | null = null;
  const end = (code: ExitCode) => () => {
    if (cause !== null && code !== EXIT.deadline) process.exit(code);
    cause ??= code;
    controller.abort();
  };
  // Further than this node counts no time: it would be over at once.
  const timer = setTimeout(end(EXIT.deadline), Math.min(ms, LONGEST_MS));
  const onInt = end(EXIT.interrupted);
  const onTerm = end(EXIT.terminated);
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      process.off('SIGINT', onInt);
      process.off('SIGTERM', onTerm);
    },
    exit: () => cause,
  };
}

const LONGEST_MS = 2 ** 31 - 1;

/** The one JSON document of a command. */
export function printJson(
  io: Io,
  kind: string,
  from: { fleet: { name: string } } | null,
  items: unknown[],
  problems: readonly Problem[],
  summary: Record<string, unknown>,
): void {
  io.out(documentText(kind, from?.fleet.name ?? null, items, distinct(problems), summary));
}

/** What two looks both found stands there once. */
const distinct = (problems: readonly Problem[]): Problem[] => [
  ...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values(),
];

/** Progress of converging, one line per step a person cares about: each new phase, and each closing order. */
export function phasePrinter(io: Io): (name: string, phase: string, detail: string) => void {
  const last = new Map<string, string>();
  return (name, phase, detail) => {
    if (last.get(name) === phase && !detail.startsWith('close ')) return;
    last.set(name, phase);
    io.err(`${name} ${phase}${PLAIN_STEPS.includes(detail) ? '' : `: ${detail}`}\n`);
  };
}

const PLAIN_STEPS = ['orders', 'cancel', 'position', 'reference', 'settling'];
