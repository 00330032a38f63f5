/** The way back to an earlier iteration that a person asks for. Pure. */
import { iterFileName } from '../core/env/iter.ts';
import { type RolledBack, rollbackValues } from '../core/env/rollback.ts';
import { setValues } from '../core/env/write.ts';
import { label } from '../core/plan/plan.ts';
import { commitMessage } from '../core/trail/message.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import type { EnvValues } from '../core/tuning/types.ts';
import { type ChangePlan, nextIter } from './changes.ts';
import type { DesiredInstance } from './desired.ts';

export type Rollback = { plan: ChangePlan; rolled: RolledBack };

/** A new iter with the tunable values of another one (`to` null: of the base env); null when nothing would change. */
export function rollbackChange(
  instance: DesiredInstance,
  trail: TrailEntry[],
  { to, target, reason, at }: { to: number | null; target: EnvValues; reason: string; at: number | null },
): Rollback | null {
  const { env, spec } = instance;
  if (env === null || spec === null) throw new Error(`${instance.name} has no usable spec`);
  const rolled = rollbackValues({ base: env.baseValues, desired: env.values, target }, spec.tuning);
  if (rolled.changes.length === 0) return null;
  const iter = nextIter(instance, trail);
  const file = env.basePath.split('/').at(-1) ?? '';
  const header = `# mmfleet ${label(iter)} of ${file}, parent ${label(env.iter)}, values of ${label(to)}\n`;
  const message = commitMessage({
    kind: 'rollback',
    instance: instance.name,
    at,
    why: [reason, ...rolled.outOfBounds.map((text) => `Outside the bounds, as asked: ${text}.`)],
    iter,
    to,
    base: env.baseBlob,
    changes: rolled.changes,
  });
  const text = header + setValues(env.baseText, rolled.onBase);
  return {
    plan: { instance: instance.name, files: [{ path: iterFileName(env.basePath, iter), text }], message, at },
    rolled,
  };
}
