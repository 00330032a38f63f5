import type { Planned } from '../../core/plan/plan.ts';
import type { Paint } from '../io.ts';
import { table } from './table.ts';

/** One line per instance and the closing `plan:` line. */
export function planTable(planned: Planned[], paint: Paint): string {
  const rows = planned.map(({ item, standing }) => {
    const what = item.action === 'none' ? '-' : item.action;
    const painted =
      standing === 'held' || standing === 'unknown'
        ? paint('red', what)
        : item.action === 'none'
          ? paint('dim', what)
          : paint('yellow', what);
    return [item.name, painted, item.reason, item.message];
  });
  const changes = planned.flatMap(({ item }) =>
    item.changes.map((c) => `  ${item.name}: ${c.key} ${c.from ?? '(absent)'} -> ${c.to}`),
  );
  return [
    ...table(
      ['NAME', 'ACTION', 'REASON', 'WHY'].map((title) => ({ title })),
      rows,
    ),
    ...changes,
    planLine(planned),
  ].join('\n');
}

const TUNING = ['tune', 'recover', 'undo', 'park', 'rebase', 'verdict'];

export type PlanSummary = { converge: number; tune: number; held: number; unchanged: number; unknown: number };

export function planSummary(planned: Planned[]): PlanSummary {
  const count = (test: (p: Planned) => boolean) => planned.filter(test).length;
  return {
    converge: count((p) => p.standing === 'change' && !TUNING.includes(p.item.action)),
    tune: count((p) => p.standing === 'change' && TUNING.includes(p.item.action)),
    held: count((p) => p.standing === 'held'),
    unchanged: count((p) => p.standing === 'settled' || p.standing === 'waiting'),
    unknown: count((p) => p.standing === 'unknown'),
  };
}

/** `plan: 2 to converge, 1 to tune, 3 held, 194 unchanged, 0 unknown`. */
export function planLine(planned: Planned[]): string {
  const s = planSummary(planned);
  return `plan: ${s.converge} to converge, ${s.tune} to tune, ${s.held} held, ${s.unchanged} unchanged, ${s.unknown} unknown`;
}
