import type { Planned } from '../../core/plan/plan.ts';
import { asList, formatProblem } from '../../core/problem.ts';
import { EXIT, exitOfLook } from '../exit.ts';
import { type Io, painter } from '../io.ts';
import { filterItems, type ItemFilter, parseFilter } from '../item-filters.ts';
import { type Ops, openOps } from '../ops.ts';
import { type Look, lookStalledOrNot } from '../pass.ts';
import { PLAN_COLUMNS, planSummary, planTable } from '../render/plan.ts';
import { statusItems } from '../status-items.ts';
import { allInvalid, failOrChat, printJson, printProblems, problemsOf, select, selectFrom, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

/** `plan`: what a pass would do, and why. Fetches, changes nothing. */
export async function runPlan(
  names: string[],
  options: CommonOptions & { tune?: boolean; push?: boolean },
): Promise<number> {
  const { io } = options;
  const { host, skipSecrets } = options;
  const opened = await openOps(options.C, { host, skipSecrets, looksOnly: true });
  if (!opened.ok) return failOrChat(null, options, 'Plan', opened.problem);
  const only = await (options.worktree === true ? selectInWorktree : select)(opened.value, names, io);
  if (only === 'bad') return EXIT.usage;
  const filter = parseFilter(options, PLAN_COLUMNS);
  if (!filter.ok) return usage(io, formatProblem(filter.problem));
  const seen = await lookStalledOrNot(opened.value, {
    only,
    tune: options.tune ?? true,
    push: options.push ?? true,
    fetch: true,
    worktree: options.worktree === true,
  });
  if (!seen.ok) return failOrChat(opened.value, options, 'Plan', seen.problem);
  const all = seen.value.planned.filter((p) => only === null || only.has(p.item.name));
  const planned = shown(seen.value, all, filter.value);
  if (options.chat === true)
    return (await import('../chat.ts')).printChat(
      opened.value,
      io,
      { ...seen.value, planned },
      [],
      asList(seen.value.stalled),
    );
  if (options.json === true) {
    printJson(
      io,
      'Plan',
      seen.value,
      planned.map((p) => p.item),
      problemsOf(seen.value, only),
      planSummary(all),
    );
  } else {
    printProblems(io, problemsOf(seen.value, only));
    const width = io.outTTY ? { width: io.columns } : {};
    io.out(`${planTable(planned, painter(io.color), { columns: filter.value.columns, all, ...width })}\n`);
  }
  if (allInvalid(seen.value, all)) return EXIT.usage;
  if (seen.value.stalled !== null) return exitOfLook(seen.value);
  return options.detailedExitcode === true && all.some((p) => p.effect !== null) ? EXIT.differences : EXIT.ok;
}

/** By the names that the edited files declare; where they cannot be read, the look says why. */
async function selectInWorktree(ops: Ops, names: string[], io: Io): ReturnType<typeof select> {
  if (names.length === 0) return null;
  const edited = await ops.desiredInWorktree();
  return edited.ok ? selectFrom(edited.value, names, io) : select(ops, names, io);
}

/** The plan in the order and choice of the status that goes with it. */
function shown(look: Look, planned: Planned[], filter: ItemFilter): Planned[] {
  if (filter.states === null && filter.healths === null && filter.sort === null) return planned;
  const byName = new Map(planned.map((p) => [p.item.name, p]));
  return filterItems(statusItems(look), filter).flatMap((item) => byName.get(item.name) ?? []);
}
