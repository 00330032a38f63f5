/** What a plan found that it must know before it may stand, and that takes reading long journals. */
import { iterFileName } from '../core/env/iter.ts';
import type { EdgeSums } from '../core/health/edge-sums.ts';
import { isCurrentRun } from './decisions.ts';
import type { DesiredInstance } from './desired.ts';
import type { Ops } from './ops.ts';
import type { Situation } from './views.ts';

export type Unread = {
  /** Instances about which more is decided than "nothing", from the end of their run alone. */
  wholeRuns: DesiredInstance[];
  /** Earlier iterations that a verdict compares with. */
  earlier: { instance: DesiredInstance; envFileName: string }[];
};

/** What the iteration before earned; null = its journal is not at hand, or noted as unread. */
export function earned(ops: Ops, instance: DesiredInstance, iter: number | null, unread: Unread): EdgeSums | null {
  if (instance.env === null) return null;
  const { basePath } = instance.env;
  const envFileName = (iter === null ? basePath : iterFileName(basePath, iter)).split('/').at(-1) ?? '';
  const known = ops.journals.edgesOf(instance, envFileName);
  if (known === undefined) unread.earlier.push({ instance, envFileName });
  return known ?? null;
}

/**
 * Whether the end of its run is not enough: something would be done, or an iteration waits for its verdict, which is a sum
 * over the run. That nothing is to be done may be said of the end alone.
 */
export function needsWholeRun({ instance, observed, decided, memory }: Situation): boolean {
  const { journal } = observed;
  if (journal.state !== 'ok' || decided === null) return false;
  const { skippedBytes } = journal.glance ?? journal.run;
  if (skippedBytes === 0) return false;
  if (!isCurrentRun(instance, observed)) return false;
  const waits = memory?.unjudged.some(({ iter }) => iter === instance.env?.iter) ?? false;
  return decided.decision.kind !== 'none' || decided.verdict !== null || waits;
}

/** Reads it; false: there was nothing to read, so that the plan stands. */
export async function readUnread(ops: Ops, { wholeRuns, earlier }: Unread): Promise<boolean> {
  if (wholeRuns.length + earlier.length === 0) return false;
  const read = async () => {
    for (const instance of wholeRuns) await ops.journals.readWhole(instance);
    for (const { instance, envFileName } of earlier) await ops.journals.readEarlier(instance, envFileName);
  };
  await (ops.journals.together?.(read) ?? read());
  return true;
}
