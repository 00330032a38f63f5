import type { StatusItem } from '../../core/plan/status.ts';
import { asList, formatProblem } from '../../core/problem.ts';
import { EXIT, exitOfLook } from '../exit.ts';
import { painter } from '../io.ts';
import { filterItems, type ItemFilter, parseFilter } from '../item-filters.ts';
import { type Ops, openOps } from '../ops.ts';
import { type Look, lookStalledOrNot } from '../pass.ts';
import { STATUS_COLUMNS, statusTable, summary } from '../render/status.ts';
import { statusLong } from '../render/status-long.ts';
import { statusItems } from '../status-items.ts';
import { deadline, failOrChat, printJson, printProblems, problemsOf, select, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

const REFRESH_MS = 2_000;

/** `status`: what the last fetched revision declares and what runs. Reads only; no network. */
export async function runStatus(names: string[], options: CommonOptions): Promise<number> {
  const { io } = options;
  const opened = await openOps(options.C, { host: options.host, looksOnly: true });
  if (!opened.ok) return failOrChat(null, options, 'Status', opened.problem);
  const ops = opened.value;
  const only = await select(ops, names, io);
  if (only === 'bad') return EXIT.usage;
  const filter = parseFilter(options, STATUS_COLUMNS);
  if (!filter.ok) return usage(io, formatProblem(filter.problem));
  if (options.watch === true) return refresh(ops, only, filter.value, options);
  const seen = await read(ops);
  if (!seen.ok) return failOrChat(ops, options, 'Status', seen.problem);
  const all = chosen(statusItems(seen.value), only);
  const items = filterItems(all, filter.value);
  if (options.chat === true)
    return (await import('../chat.ts')).printChat(
      ops,
      io,
      { ...seen.value, planned: seen.value.planned.filter((p) => only === null || only.has(p.item.name)) },
      [],
      asList(seen.value.stalled),
    );
  if (options.json === true) {
    printJson(io, 'Status', seen.value, items, problemsOf(seen.value, only), {
      text: summary(items),
      instances: items.length,
    });
    return exitOfLook(seen.value);
  }
  printProblems(io, problemsOf(seen.value, only));
  if (names.length === 1 && items.length === 1) io.out(`${statusLong(items[0]!, seen.value, painter(io.color))}\n`);
  else io.out(`${table(all, filter.value, ops, options)}\n`);
  return exitOfLook(seen.value);
}

/** Where nobody looks at a terminal nothing is cut and no column left out. */
function table(all: StatusItem[], filter: ItemFilter, ops: Ops, { io }: CommonOptions): string {
  const width = io.outTTY ? io.columns : UNCUT;
  const items = filterItems(all, filter);
  return statusTable(items, ops.clock.nowMs(), painter(io.color), width, { columns: filter.columns, all });
}

const UNCUT = 1000;

const read = (ops: Ops) => lookStalledOrNot(ops, { only: null, tune: true, push: true, fetch: false });

const chosen = (items: StatusItem[], only: ReadonlySet<string> | null) =>
  items.filter((i) => only === null || only.has(i.name));

async function refresh(
  ops: Ops,
  only: ReadonlySet<string> | null,
  filter: ItemFilter,
  options: CommonOptions,
): Promise<number> {
  const { io } = options;
  const stop = deadline(2 ** 31 - 1);
  while (!stop.signal.aborted) {
    const seen: Awaited<ReturnType<typeof read>> = await read(ops);
    const text = seen.ok
      ? table(chosen(statusItems(seen.value satisfies Look), only), filter, ops, options)
      : formatProblem(seen.problem);
    io.out(`${io.outTTY ? '\u001b[H\u001b[2J' : ''}${text}\n`);
    await ops.clock.sleep(REFRESH_MS, stop.signal);
  }
  stop.clear();
  return stop.exit() ?? EXIT.ok;
}
