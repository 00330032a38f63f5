import { EXIT } from '../exit.ts';
import { painter } from '../io.ts';
import { openOps } from '../ops.ts';
import { look } from '../pass.ts';
import { planSummary, planTable } from '../render/plan.ts';
import { failOrChat, printJson, printProblems, problemsOf, select } from './common.ts';
import type { CommonOptions } from './options.ts';

/** `plan`: what a pass would do, and why. Fetches, changes nothing. */
export async function runPlan(
  names: string[],
  options: CommonOptions & { tune?: boolean; push?: boolean },
): Promise<number> {
  const { io } = options;
  const opened = await openOps(options.C, { host: options.host });
  if (!opened.ok) return failOrChat(null, options, opened.problem);
  const only = await select(opened.value, names, io);
  if (only === 'bad') return EXIT.usage;
  const seen = await look(opened.value, {
    only,
    tune: options.tune ?? true,
    push: options.push ?? true,
    fetch: true,
    worktree: options.worktree === true,
  });
  if (!seen.ok) return failOrChat(opened.value, options, seen.problem);
  const planned = seen.value.planned.filter((p) => only === null || only.has(p.item.name));
  if (options.chat === true)
    return (await import('../chat.ts')).printChat(opened.value, io, { ...seen.value, planned }, [], []);
  if (options.json === true) {
    printJson(
      io,
      'Plan',
      seen.value,
      planned.map((p) => p.item),
      problemsOf(seen.value, only),
      planSummary(planned),
    );
  } else {
    printProblems(io, problemsOf(seen.value, only));
    io.out(`${planTable(planned, painter(io.color))}\n`);
  }
  return options.detailedExitcode === true && planned.some((p) => p.effect !== null) ? EXIT.differences : EXIT.ok;
}
