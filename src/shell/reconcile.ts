/** Passes: look, act, until nothing is left to do. Used by `reconcile --once`, the daemon, the verbs and the demo. */
import { setMaxListeners } from 'node:events';
import type { Planned } from '../core/plan/plan.ts';
import type { Lifecycle } from '../core/plan/types.ts';
import { asList, ok, type Problem, type Result } from '../core/problem.ts';
import { type Applied, apply } from './apply.ts';
import { combineExit, EXIT, type ExitCode, exitOfProblem } from './exit.ts';
import type { Ops } from './ops.ts';
import { type Look, look, lookAgain, lookStalledOrNot, type PassOptions } from './pass.ts';

export type RunOptions = PassOptions & {
  signal: AbortSignal;
  onPhase: (name: string, phase: Lifecycle, detail: string) => void;
  /** Acts on what this clone has, without git: nothing is fetched or committed; receipts wait for the next pass. */
  local?: boolean;
  /** How long to wait for another mmfleet that holds the lock, ms. */
  lockTimeoutMs: number;
};

export type PassReport = {
  /** null: the pass ended before it could plan. */
  look: Look | null;
  applied: Applied;
  problems: Problem[];
};

const NOTHING: Applied = { commits: [], proposals: [], outcomes: [], problems: [] };

/** One pass under the lock. Never throws for expected outcomes. */
export async function pass(ops: Ops, options: RunOptions): Promise<PassReport> {
  // Each instance in hand waits on it: how many those are the fleet says, and node would warn of a leak at eleven.
  setMaxListeners(0, options.signal);
  const report = await withLock(ops, options, async () => {
    const seen = await lookStalledOrNot(ops, { ...options, fetch: options.local !== true });
    if (!seen.ok) return seen;
    if (options.signal.aborted) return ok<PassReport>({ look: seen.value, applied: NOTHING, problems: [] });
    const stalled = asList(seen.value.stalled);
    const applied = await apply(ops, seen.value, stalled.length === 0 ? options : { ...options, local: true });
    return ok<PassReport>({ look: seen.value, applied, problems: [...stalled, ...applied.problems] });
  });
  return report.ok ? report.value : { look: null, applied: NOTHING, problems: [report.problem] };
}

/**
 * A pass after one that found nothing to do: when there is still nothing, it asks git nothing. null: it takes a whole pass
 * (also while another mmfleet works here).
 */
export async function quietPass(ops: Ops, last: Look, options: RunOptions): Promise<PassReport | null> {
  const seen = await withLock(ops, { ...options, lockTimeoutMs: 0 }, async () =>
    ok(await lookAgain(ops, last, options)),
  );
  if (!seen.ok || seen.value === null) return null;
  return { look: seen.value, applied: NOTHING, problems: asList(seen.value.stalled) };
}

/** Runs alone among all mmfleets of this clone; waits for another one until the time-out (`lock-held`). */
export async function withLock<T>(
  ops: Ops,
  options: Pick<RunOptions, 'lockTimeoutMs' | 'signal'>,
  work: () => Promise<Result<T>>,
): Promise<Result<T>> {
  const lock = await ops.local.lock({
    timeoutMs: options.lockTimeoutMs,
    clock: ops.clock,
    signal: options.signal,
  });
  if (!lock.ok) return lock;
  try {
    return await work();
  } finally {
    await lock.value.release();
  }
}

export type OnceReport = { passes: PassReport[]; last: Look | null; exit: ExitCode; problems: Problem[] };

const MAX_PASSES = 4;

/** Passes until the plan is empty, at most four; then a last look, so that what is reported is what is. */
export async function reconcileOnce(ops: Ops, options: RunOptions): Promise<OnceReport> {
  const passes: PassReport[] = [];
  for (let i = 0; i < MAX_PASSES && !options.signal.aborted; i += 1) {
    const report = await pass(ops, i === 0 ? options : { ...options, force: null });
    passes.push(report);
    if (report.problems.length > 0 || report.look === null) break;
    // Commits that waited for the remote went out just now: what waited for them may act in the next pass.
    const published = !report.look.git.published && report.look.git.trouble === null;
    if (!isWorking(report.look.planned) && !published) break;
  }
  const last = passes.at(-1);
  const settled = last?.look ?? null;
  const final = settled !== null && isWorking(settled.planned) ? await lookWhereWeAre(ops, settled, options) : null;
  const shown = final?.ok === true ? final.value : settled;
  const problems = passes.flatMap((p) => p.problems);
  return { passes, last: shown, problems, exit: exitOf(passes, shown, problems, options.only) };
}

/** What a pass has left, with git as it found it. */
function lookWhereWeAre(ops: Ops, { remote, stalled }: Look, options: RunOptions): Promise<Result<Look>> {
  const here = stalled === null ? {} : { local: true, stalled };
  return look(ops, { ...options, ...here, fetch: false, remote });
}

/** Whether a plan holds something to do. */
export function isWorking(planned: Planned[]): boolean {
  return planned.some((p) => p.effect !== null);
}

function exitOf(
  passes: PassReport[],
  last: Look | null,
  problems: Problem[],
  only: ReadonlySet<string> | null,
): ExitCode {
  const outcomes = passes.flatMap((p) => p.applied.outcomes);
  const codes: ExitCode[] = problems.map(exitOfProblem).map((code) =>
    // That says that nothing was touched.
    code === EXIT.usage && outcomes.length > 0 ? EXIT.failed : code,
  );
  if (codes.includes(EXIT.usage)) return EXIT.usage;
  if (last === null) return problems.length === 0 ? EXIT.ok : (combineOrFirst(codes) ?? EXIT.internal);
  if (last.refused !== null) codes.push(EXIT.verification);
  const planned = last.planned.filter((p) => only === null || only.has(p.item.name));
  const newest = new Map(outcomes.map((o) => [o.name, o.standing]));
  const failed = new Set(outcomes.filter((o) => o.standing === 'failed').map((o) => o.name));
  if (
    [...newest.values()].includes('failed') ||
    // Its start came to nothing just now, and what that left was proved flat since.
    planned.some(({ item }) => item.reason === 'backoff' && failed.has(item.name)) ||
    planned.some((p) => p.standing === 'unknown' || (p.standing === 'change' && p.effect !== null))
  )
    codes.push(EXIT.failed);
  if (planned.some((p) => p.standing === 'held')) codes.push(EXIT.held);
  return combineOrFirst(codes) ?? EXIT.ok;
}

function combineOrFirst(codes: ExitCode[]): ExitCode | null {
  const combined = combineExit(codes);
  return combined === EXIT.ok ? (codes[0] ?? null) : combined;
}
