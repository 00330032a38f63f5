/** `history`: iterations from git alone, newest first; of one instance, or of all. */
import { type HistoryRow, historyRows } from '../../core/trail/history.ts';
import { parseDuration } from '../../core/trail/text.ts';
import type { TrailEntry } from '../../core/trail/types.ts';
import { isUtc, utcMs } from '../../core/trail/utc.ts';
import { BUILD } from '../build-id.ts';
import { type Desired, verdictsPath } from '../desired.ts';
import { EXIT } from '../exit.ts';
import { historyBooks, ownFiles } from '../history-book.ts';
import { trailsByInstance } from '../instance-trails.ts';
import type { HistoryBook } from '../known-book.ts';
import { openOps } from '../ops.ts';
import { historyChart, historyText, type NamedRow } from '../render/history.ts';
import { refuse, selectFrom, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

export type HistoryOptions = CommonOptions & {
  all?: boolean;
  since?: string;
  /** true: what the iterations share; a text: `effect` or a metric's name. */
  plot?: string | true;
};

/** Reads the last fetched revision; no journal, no process, no network. */
export async function runHistory(names: string[], options: HistoryOptions): Promise<number> {
  const { io } = options;
  if (options.all === true && names.length > 0) return usage(io, 'history takes one instance, or --all');
  if (options.all === true && options.plot !== undefined) return usage(io, '--plot draws one instance');
  const opened = await openOps(options.C, { looksOnly: true });
  if (!opened.ok) return refuse(options, 'History', opened.problem);
  const ops = opened.value;
  const sinceMs = sinceOf(options.since, ops.clock.nowMs());
  if (sinceMs === undefined)
    return usage(
      io,
      `--since: found "${options.since}", want a date such as 2026-11-01, a UTC time or a duration such as 7d`,
    );
  const head = await ops.git.head();
  if (!head.ok) return refuse(options, 'History', head.problem);
  if (head.value === null) return usage(io, 'the repository has no commit');
  const books = historyBooks(ops.repo, ops.stateDir, BUILD);
  const known = names.length === 1 ? await books.at(names[0]!, head.value) : null;
  if (known !== null) return printOne(known, sinceMs, options);
  const desired = await ops.desiredAt(head.value);
  if (!desired.ok) return refuse(options, 'History', desired.problem);
  ops.keepDesired?.(desired.value);
  const { fleet: declared } = desired.value;
  const trail = await ops.trail(declared?.git.author.email ?? '', head.value, declared?.file);
  if (!trail.ok) return refuse(options, 'History', trail.problem);

  const only = selectFrom(desired.value, names, io);
  if (only === 'bad') return EXIT.usage;
  if (options.all !== true && only?.size !== 1) return usage(io, 'history takes one instance, or --all');
  const [name = ''] = only ?? [];
  const instance = only === null ? undefined : desired.value.instances.find((i) => i.name === name);
  const book = instance === undefined ? null : books.make(desired.value, trail.value, instance);
  if (book !== null) return printOne(book, sinceMs, options);
  const chosen = only === null ? everyName(desired.value, trail.value) : [...only];
  const own = ownTrails(desired.value, trail.value, chosen);
  const rows = chosen.flatMap((each) =>
    rowsOf(desired.value, own.get(each) ?? [], each).map((row) => ({ instance: each, ...row })),
  );
  const fleet = desired.value.fleet?.name ?? null;
  if (only !== null) return printRows(fleet, name, rows, sinceMs, options);
  rows.sort((a, b) => (a.when < b.when ? 1 : a.when > b.when ? -1 : 0));
  return printRows(fleet, null, rows, sinceMs, options);
}

const isSince = (row: HistoryRow, sinceMs: number | null) => sinceMs === null || utcMs(row.when) >= sinceMs;

function printOne({ fleet, name, rows }: HistoryBook, sinceMs: number | null, options: HistoryOptions): number {
  const named = rows.map((row) => ({ instance: name, ...row }));
  return printRows(fleet, name, named, sinceMs, options);
}

/** `name` null: of every instance. */
function printRows(
  fleet: string | null,
  name: string | null,
  all: NamedRow[],
  sinceMs: number | null,
  options: HistoryOptions,
): number {
  const { io, json, plot } = options;
  const rows = all.filter((row) => isSince(row, sinceMs));
  if (json !== true && plot !== undefined && rows.length > 0)
    io.out(`${historyChart(rows, plot === true ? null : plot, io.outTTY ? io.columns : 100).join('\n')}\n`);
  else io.out(historyText(fleet, name, rows, json === true, all.length > 0));
  return EXIT.ok;
}

/** Sorted out for all at once; a name that is no longer declared has what its commits say of it. */
function ownTrails(desired: Desired, trail: TrailEntry[], names: readonly string[]): Map<string, TrailEntry[]> {
  const declared = desired.instances.filter((i) => names.includes(i.name));
  const own = new Map(trailsByInstance(trail, declared));
  for (const name of names) if (!own.has(name)) own.set(name, []);
  const gone = new Set(names.filter((name) => declared.every((i) => i.name !== name)));
  for (const entry of trail)
    if (entry.instance !== null && gone.has(entry.instance)) own.get(entry.instance)?.push(entry);
  return own;
}

function rowsOf(desired: Desired, trail: TrailEntry[], name: string): HistoryRow[] {
  const instance = desired.instances.find((i) => i.name === name);
  const env = instance?.env ?? null;
  const verdicts = env === null ? '' : (desired.files.get(verdictsPath(env.basePath))?.text ?? '');
  return historyRows(env === null ? trail : ownFiles(trail, env.basePath), verdicts);
}

/** Those declared, and those that only the trail still knows. */
function everyName(desired: Desired, trail: TrailEntry[]): string[] {
  const told = trail.flatMap((e) => (e.instance === null ? [] : [e.instance]));
  return [...new Set([...desired.instances.map((i) => i.name), ...told])].sort();
}

/** Wall time in ms; null = no limit; undefined = not readable. */
function sinceOf(text: string | undefined, nowMs: number): number | null | undefined {
  if (text === undefined) return null;
  const duration = parseDuration(text);
  if (duration !== undefined) return nowMs - duration;
  const utc = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text;
  return isUtc(utc) ? utcMs(utc) : undefined;
}
