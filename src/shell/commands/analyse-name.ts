import { resolve } from 'node:path';
import { headOf } from '../../adapters/git.ts';
import { listMarketRuns } from '../../adapters/journal-files.ts';
import { resolveNames } from '../../core/spec/names.ts';
import { openOps } from '../ops.ts';
import { refuse, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

/** The pieces of an instance's newest run, or the exit code after it has said why there are none. */
export async function newestRun(name: string, options: CommonOptions): Promise<string[] | number> {
  const { io } = options;
  const opened = await openOps(options.C, { looksOnly: true });
  if (!opened.ok)
    return usage(
      io,
      `${name}: no such file, and ${options.C} is not an operations repository in which it could name an instance`,
    );
  const head = await headOf(opened.value.repo);
  const desired = head.ok && head.value !== null ? await opened.value.desiredAt(head.value) : null;
  if (desired === null || !desired.ok)
    return usage(io, `${name}: no such file, and the repository has no readable commit`);
  if (desired.value.instances.some((i) => i.name === name && i.spec === null))
    return usage(io, `${name}: its spec is invalid, so that its journal cannot be found; mmfleet validate`);
  const found = resolveNames(
    [name],
    desired.value.instances.flatMap((i) => (i.spec === null ? [] : [i.spec])),
  );
  if (!found.ok)
    return refuse(options, 'JournalReport', {
      ...found.problem,
      message: `${name}: no such file, and ${found.problem.message}`,
    });
  const instance = found.value[0]!;
  const runs = listMarketRuns(resolve(opened.value.repo.root, instance.journal.path), instance.market);
  if (!runs.ok) return refuse(options, 'JournalReport', { ...runs.problem, instance: instance.name });
  const newest = runs.value.at(-1);
  return newest === undefined ? usage(io, `${instance.name}: no journal of ${instance.market} yet`) : newest.paths;
}
