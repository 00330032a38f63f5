import { label } from '../../core/plan/plan.ts';
import type { Metric, StatusItem } from '../../core/plan/status.ts';
import type { Paint } from '../io.ts';
import { age, clip, NARROW_BELOW, signed, table, WIDE_FROM } from './table.ts';

export const STATUS_COLUMNS: readonly string[] = [
  'NAME',
  'MARKET',
  'STATE',
  'HEALTH',
  'ITER',
  'POSITION',
  'PNL/50',
  'MO+5S',
  'CANCEL',
  'POST-ONLY',
  'FILLS/H',
  'DATA',
  'LAST ACTION',
];

/** What still fits a small terminal: the market is told by the name, hygiene by the health. */
const NARROW: readonly string[] = ['NAME', 'STATE', 'HEALTH', 'ITER', 'POSITION', 'PNL/50'];
const NORMAL: readonly string[] = [
  'NAME',
  'STATE',
  'HEALTH',
  'ITER',
  'POSITION',
  'PNL/50',
  'MO+5S',
  'DATA',
  'LAST ACTION',
];

/** The columns of a terminal this wide, in characters. */
export function columnsFor(width: number): readonly string[] {
  return width < NARROW_BELOW ? NARROW : width < WIDE_FROM ? NORMAL : STATUS_COLUMNS;
}

/**
 * The status table with its summary line; every cell that is unknown says so with `?`, never 0. `width` in characters
 * chooses the columns unless they are named; `all`: the fleet that `items` were chosen from.
 */
export function statusTable(
  items: StatusItem[],
  nowMs: number,
  paint: Paint,
  width: number,
  { columns, all }: { columns?: readonly string[] | null; all?: StatusItem[] } = {},
): string {
  const titles = columns ?? columnsFor(width);
  const at = titles.map((title) => STATUS_COLUMNS.indexOf(title)).filter((i) => i >= 0);
  const rows = items.map((item) => {
    const cells = row(item, nowMs, paint);
    return at.map((i) => cells[i] ?? '');
  });
  const chosen = all === undefined || all.length === items.length ? '' : `; ${items.length} shown`;
  return [
    ...table(
      at.map((i) => ({ title: STATUS_COLUMNS[i] ?? '' })),
      rows,
    ).map((line) => clip(line, width)),
    `${summary(all ?? items)}${chosen}`,
  ].join('\n');
}

/** `fleet  4 instances: 1 ok, 2 degraded, 1 held; worst data age 9m`. */
export function summary(items: StatusItem[]): string {
  const counts = new Map<string, number>();
  for (const item of items) {
    const word = SAYS_MORE.has(item.lifecycle) ? item.lifecycle : item.health;
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  let worstS: number | null = null;
  for (const { dataAgeS } of items) if (dataAgeS !== null && dataAgeS > (worstS ?? -1)) worstS = dataAgeS;
  const worst = worstS === null ? '' : `; worst data age ${age(worstS * 1000)}`;
  const parts = [...counts].map(([word, n]) => `${n} ${word}`).join(', ');
  return `fleet  ${items.length} instance${items.length === 1 ? '' : 's'}${parts === '' ? '' : `: ${parts}`}${worst}`;
}

/** Of these the health is not told: nothing runs that could have one, or it is not what matters. */
const SAYS_MORE: ReadonlySet<StatusItem['lifecycle']> = new Set([
  'held',
  'flattening',
  'parked',
  'suspended',
  'stopped',
  'orphan',
  'elsewhere',
  'backoff',
]);

function row(item: StatusItem, nowMs: number, paint: Paint): string[] {
  const m = item.metrics;
  return [
    item.name,
    item.market,
    tone(item.lifecycle, paint),
    tone(item.health, paint),
    iterCell(item),
    positionCell(item),
    cell(m.realizedPnlUsd, (v) => signed(v, 2)),
    markoutCell(m.markout5sBps),
    cell(m.cancelRatio, (v) => v.toFixed(2)),
    cell(m.postOnlyRejectRatio, (v) => v.toFixed(2)),
    cell(m.fillsPerHour, (v) => v.toFixed(1)),
    item.dataAgeS === null ? '-' : age(item.dataAgeS * 1000),
    item.note ??
      (item.lastAction === null ? '-' : `${age(nowMs - item.lastAction.atTs * 1000)} ${item.lastAction.text}`),
  ];
}

function tone(word: string, paint: Paint): string {
  const colour = TONES.get(word);
  return colour === undefined ? word : paint(colour, word);
}

const YELLOW = 'watch stale unknown parked backoff suspended draining flattening starting'.split(' ');
const TONES: ReadonlyMap<string, 'red' | 'yellow' | 'green'> = new Map([
  ...['degraded', 'held', 'orphan'].map((word) => [word, 'red'] as const),
  ...YELLOW.map((word) => [word, 'yellow'] as const),
  ...['ok', 'running'].map((word) => [word, 'green'] as const),
]);

const short = (iter: number | null) => (iter === null ? 'base' : label(iter).slice(4));

function iterCell(item: StatusItem): string {
  const { desired, running } = item.iter;
  return running === undefined || running === desired ? short(desired) : `${short(running)}>${short(desired)}`;
}

function positionCell(item: StatusItem): string {
  const p = item.positionBase;
  if ('unavailable' in p) return `? ${p.unavailable}`;
  if (Number(p.value) === 0) return '0';
  const usd = item.positionUsd === null ? '' : ` ($${Math.abs(Number(item.positionUsd)).toFixed(0)})`;
  return `${signedText(String(p.value))}${usd}`;
}

const signedText = (text: string) => (text.startsWith('-') ? text : `+${text}`);

function cell(metric: Metric, format: (value: number) => string): string {
  if ('value' in metric) return format(Number(metric.value));
  return metric.n !== undefined && metric.nMin !== undefined ? `n ${metric.n}/${metric.nMin}` : '-';
}

function markoutCell(metric: Metric): string {
  if (!('value' in metric)) return cell(metric, String);
  return `${signed(Number(metric.value), 1)}bp${metric.n === undefined ? '' : ` n=${metric.n}`}`;
}
