import type { Planned } from '../../core/plan/plan.ts';
import type { Paint } from '../io.ts';
import { clip, NARROW_BELOW, table, WIDE_FROM } from './table.ts';

export const PLAN_COLUMNS: readonly string[] = ['NAME', 'ACTION', 'REASON', 'WHY'];
const NARROW: readonly string[] = ['NAME', 'ACTION', 'WHY'];

/**
 * One line per instance and the closing `plan:` line, which counts `all` where only some are shown. `width` in characters:
 * lines of several instances are cut to it below a wide terminal's; absent = nothing is cut.
 */
export function planTable(
  planned: Planned[],
  paint: Paint,
  { columns, all, width }: { columns?: readonly string[] | null; all?: Planned[]; width?: number } = {},
): string {
  const narrow = width !== undefined && width < NARROW_BELOW;
  const at = (columns ?? (narrow ? NARROW : PLAN_COLUMNS)).map((title) => PLAN_COLUMNS.indexOf(title));
  const rows = planned.map(({ item, standing }) => {
    const what = item.action === 'none' ? '-' : item.action;
    const painted =
      standing === 'held' || standing === 'unknown'
        ? paint('red', what)
        : item.action === 'none'
          ? paint('dim', what)
          : paint('yellow', what);
    const cells = [item.name, painted, item.reason, item.message];
    return at.map((i) => cells[i] ?? '');
  });
  const changes = planned.flatMap(({ item }) =>
    item.changes.map((c) => `  ${item.name}: ${c.key} ${c.from ?? '(absent)'} -> ${c.to}`),
  );
  const lines = table(
    at.map((i) => ({ title: PLAN_COLUMNS[i] ?? '' })),
    rows,
  );
  const chosen = all === undefined || all.length === planned.length ? '' : `; ${planned.length} shown`;
  return [
    ...(width === undefined || width >= WIDE_FROM || planned.length === 1
      ? lines
      : lines.map((line) => clip(line, width))),
    ...changes,
    `${planLine(all ?? planned)}${chosen}`,
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
