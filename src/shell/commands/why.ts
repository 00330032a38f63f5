import { asList } from '../../core/problem.ts';
import { EXIT, exitOfLook } from '../exit.ts';
import { painter } from '../io.ts';
import { openOps } from '../ops.ts';
import { lookStalledOrNot } from '../pass.ts';
import { whyTable } from '../render/why.ts';
import { printJson, printProblems, refuse, select, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

export type WhyOptions = CommonOptions & { at?: string };

/** `why NAME`: every rule of the decision as it stands now, also when it is "nothing"; `--at COMMIT`: a past one. Reads only. */
export async function runWhy(names: string[], options: WhyOptions): Promise<number> {
  const { io } = options;
  if (options.at !== undefined) return (await import('./why-at.ts')).runWhyAt(names, options.at, options);
  const opened = await openOps(options.C, { host: options.host, looksOnly: true });
  if (!opened.ok) return refuse(options, 'Why', opened.problem);
  const only = await select(opened.value, names, io);
  if (only === 'bad') return EXIT.usage;
  if (only === null || only.size !== 1) return usage(io, 'why takes one instance');
  const seen = await lookStalledOrNot(opened.value, { only, tune: true, push: true, fetch: false, worktree: false });
  if (!seen.ok) return refuse(options, 'Why', seen.problem);
  const name = [...only][0] ?? '';
  const situation = seen.value.situations.find((s) => s.instance.name === name);
  const planned = seen.value.planned.find((p) => p.item.name === name);
  const decided = situation?.decided ?? null;
  const plan =
    planned === undefined
      ? ''
      : `${planned.item.action === 'none' ? 'nothing to do' : planned.item.action} (${planned.item.reason}): ${planned.item.message}`;
  if (options.json === true) {
    printJson(io, 'Why', seen.value, situation?.rules() ?? [], asList(seen.value.stalled), {
      name,
      plan: planned?.item ?? null,
      decision: decided?.decision ?? null,
      sentence: decided?.sentence ?? plan,
      health: decided?.health ?? 'unknown',
    });
    return exitOfLook(seen.value);
  }
  io.out(
    `${whyTable(name, situation?.rules() ?? [], decided?.sentence ?? 'no rule could be looked at', painter(io.color))}\n`,
  );
  io.out(`plan: ${plan}\n`);
  printProblems(io, asList(seen.value.stalled));
  return exitOfLook(seen.value);
}
