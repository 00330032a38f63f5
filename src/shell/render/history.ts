/** The lab book as a table and as a small chart. */
import type { HistoryRow } from '../../core/trail/history.ts';
import { documentText } from './document.ts';
import { table } from './table.ts';

export type NamedRow = { instance: string } & HistoryRow;

/**
 * The whole answer but the chart: a table, or the JSON document. `name` null: of every instance; `fleet`: its name, where it
 * is known; `older`: there are others, which were not asked for.
 */
export function historyText(
  fleet: string | null,
  name: string | null,
  rows: readonly NamedRow[],
  json: boolean,
  older = false,
): string {
  if (json) {
    const items = name === null ? rows : rows.map(({ instance: _instance, ...row }) => row);
    return documentText('History', fleet, items, [], { ...(name === null ? {} : { name }), iterations: rows.length });
  }
  if (rows.length > 0) return `${historyTable(rows, name === null).join('\n')}\n`;
  if (older) return `${name === null ? 'no iterations' : `${name} has no iterations`} since then\n`;
  return `${name === null ? 'no iterations' : `${name} has no iterations yet: it runs its base env`}\n`;
}

const TITLES = ['ITER', 'COMMIT', 'WHEN', 'THEME', 'CHANGE', 'TRIGGER', 'VERDICT', 'N', 'EFFECT'];

/** ITER COMMIT WHEN THEME CHANGE TRIGGER VERDICT N EFFECT; of several instances with INSTANCE before it. */
export function historyTable(rows: readonly NamedRow[], named: boolean): string[] {
  const titles = named ? ['INSTANCE', ...TITLES] : TITLES;
  return table(
    titles.map((title) => ({ title })),
    rows.map((row) => (named ? [row.instance, ...cells(row)] : cells(row))),
  );
}

const cells = (row: HistoryRow): string[] => [
  row.iter,
  row.commit,
  row.when,
  row.theme ?? '-',
  row.change === '' ? '-' : row.change,
  row.trigger ?? '-',
  row.verdict,
  row.n === null ? '-' : String(row.n),
  row.effect ?? '-',
];

type Point = { iter: string; value: number; limit: number | null; verdict: string };

/**
 * What triggered each iteration, or the effect it had, oldest on the left. `what`: `effect` or a metric's name; null = the
 * metric that most iterations were triggered by. The mark of an iteration is its verdict.
 */
export function historyChart(rows: readonly HistoryRow[], what: string | null, columns: number): string[] {
  const oldestFirst = rows.toReversed();
  const shown = what ?? commonMetric(oldestFirst);
  const points = oldestFirst.flatMap((row) => pointOf(row, shown));
  if (points.length === 0) {
    const known = ['effect', ...new Set(oldestFirst.flatMap((row) => triggerOf(row)?.metric ?? []))];
    return [`no iteration has a value of ${shown}; known: ${known.join(', ')}`];
  }
  const fitting = points.slice(-Math.max(1, Math.floor((columns - LABEL_CHARS - 3) / STEP_CHARS)));
  const left = rows.length - points.length;
  const cut = points.length - fitting.length;
  return [
    shown === 'effect' ? 'effect, bps per fill against the iteration before' : `${shown} when it triggered`,
    ...chart(fitting),
    '+ helped  x hurt  o inconclusive  * pending  r reverted'.concat(
      fitting.some((p) => p.limit !== null) ? '  - limit' : '',
    ),
    ...(left > 0 ? [`${left} iteration${left === 1 ? '' : 's'} without it`] : []),
    ...(cut > 0 ? [`${cut} older not shown`] : []),
  ];
}

const HEIGHT = 10;
const LABEL_CHARS = 9;
const STEP_CHARS = 5;
const MARKS: Readonly<Record<string, string>> = { helped: '+', hurt: 'x', inconclusive: 'o', reverted: 'r' };

function chart(points: readonly Point[]): string[] {
  const values = points.flatMap((p) => (p.limit === null ? [p.value] : [p.value, p.limit]));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low;
  const rowOf = (value: number) =>
    span === 0 ? Math.floor(HEIGHT / 2) : Math.round(((high - value) / span) * (HEIGHT - 1));
  const lines = Array.from({ length: HEIGHT }, (_, row) => {
    const cells = points.map((p) => {
      const mark = rowOf(p.value) === row ? (MARKS[p.verdict] ?? '*') : null;
      const limit = p.limit !== null && rowOf(p.limit) === row;
      return mark !== null ? `  ${mark}  ` : limit ? '-----' : '     ';
    });
    const value = span === 0 ? (row === Math.floor(HEIGHT / 2) ? high : null) : high - (span * row) / (HEIGHT - 1);
    const label = value === null ? '' : value.toFixed(digitsFor(span, high));
    return `${label.padStart(LABEL_CHARS)} |${cells.join('')}`.trimEnd();
  });
  const axis = `${' '.repeat(LABEL_CHARS)} +${'-'.repeat(points.length * STEP_CHARS)}`;
  const names = points.map((p) => ` ${p.iter.padEnd(STEP_CHARS - 1)}`).join('');
  return [...lines, axis, `${' '.repeat(LABEL_CHARS)}  ${names}`.trimEnd()];
}

/** Enough decimals that two neighbouring labels differ. */
function digitsFor(span: number, high: number): number {
  if (span === 0) return Number.isInteger(high) ? 0 : 2;
  const step = span / (HEIGHT - 1);
  return Math.min(6, Math.max(0, Math.ceil(-Math.log10(step)) + 1));
}

function pointOf(row: HistoryRow, what: string): Point[] {
  if (what === 'effect') {
    const value = row.effect === null ? Number.NaN : Number.parseFloat(row.effect);
    return Number.isFinite(value) ? [{ iter: row.iter, value, limit: null, verdict: row.verdict }] : [];
  }
  const trigger = triggerOf(row);
  if (trigger === null || trigger.metric !== what) return [];
  return [{ iter: row.iter, value: trigger.value, limit: trigger.limit, verdict: row.verdict }];
}

/** `fast markout5sBps=-1.32 limit=-0.50 n=204`; null: the row has none in that form. */
function triggerOf(row: HistoryRow): { metric: string; value: number; limit: number | null } | null {
  const match = /^\S+ ([A-Za-z0-9]+)=([+-]?[\d.]+)(?: limit=([+-]?[\d.]+))?/.exec(row.trigger ?? '');
  if (match === null || !Number.isFinite(Number(match[2]))) return null;
  const limit = match[3] === undefined ? Number.NaN : Number(match[3]);
  return { metric: match[1]!, value: Number(match[2]), limit: Number.isFinite(limit) ? limit : null };
}

function commonMetric(rows: readonly HistoryRow[]): string {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const metric = triggerOf(row)?.metric;
    if (metric !== undefined) counts.set(metric, (counts.get(metric) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'effect';
}
