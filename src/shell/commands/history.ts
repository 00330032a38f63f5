import { historyRows } from '../../core/trail/history.ts';
import { verdictsPath } from '../desired.ts';
import { EXIT } from '../exit.ts';
import { openOps } from '../ops.ts';
import { look } from '../pass.ts';
import { table } from '../render/table.ts';
import { fail, printJson, select, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

/** `history NAME`: iterations from git alone, newest first. */
export async function runHistory(names: string[], options: CommonOptions): Promise<number> {
  const { io } = options;
  const opened = await openOps(options.C);
  if (!opened.ok) return fail(io, opened.problem);
  const only = await select(opened.value, names, io);
  if (only === 'bad') return EXIT.usage;
  if (only === null || only.size !== 1) return usage(io, 'history takes one instance');
  const seen = await look(opened.value, { only, tune: false, push: true, fetch: false });
  if (!seen.ok) return fail(io, seen.problem);
  const name = [...only][0] ?? '';
  const env = seen.value.desired.instances.find((i) => i.name === name)?.env ?? null;
  const verdicts = env === null ? '' : (seen.value.desired.files.get(verdictsPath(env.basePath))?.text ?? '');
  const rows = historyRows(
    seen.value.trail.filter((e) => e.instance === name),
    verdicts,
  );
  if (options.json === true) {
    printJson(io, 'History', seen.value, rows, [], { name, iterations: rows.length });
    return EXIT.ok;
  }
  const titles = ['ITER', 'COMMIT', 'WHEN', 'THEME', 'CHANGE', 'TRIGGER', 'VERDICT', 'N', 'EFFECT'];
  io.out(
    `${
      rows.length === 0
        ? `${name} has no iterations yet: it runs its base env`
        : table(
            titles.map((title) => ({ title })),
            rows.map(cells),
          ).join('\n')
    }\n`,
  );
  return EXIT.ok;
}

type Row = ReturnType<typeof historyRows>[number];

const cells = (row: Row): string[] => Object.values(row).map((v) => (v === null ? '-' : String(v)));
