import type { JournalItem, MarkoutMetric, Metric } from '../../core/journal/report.ts';

/** The report for a person: one block a market, aligned, with units; ends with a newline. */
export function renderJournalReport(items: JournalItem[], look: { lastFills: number; color: boolean }): string {
  return items.map((item) => block(item, look)).join('\n');
}

type Look = { lastFills: number; color: boolean };

function block(item: JournalItem, look: Look): string {
  const bold = (text: string) => (look.color ? `\x1b[1m${text}\x1b[22m` : text);
  const lines = [`${bold(item.market === '' ? '(no market)' : item.market)}  ${heading(item)}`];
  for (const [label, value] of rows(item, look)) lines.push(`  ${label.padEnd(19)} ${value}`);
  return `${lines.join('\n')}\n`;
}

function heading({ files, bytes, window, reading }: JournalItem): string {
  const read = bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  const size = reading.tail ? `the last ${read}` : read;
  const many = files.length === 1 ? files[0]! : `${files.length} files, ${files[0]} and on`;
  return window.durationS === null ? `${many} (${size})` : `${duration(window.durationS)}, ${many} (${size})`;
}

function rows(item: JournalItem, look: Look): [string, string][] {
  const { counts, metrics: m, window } = item;
  const out: [string, string][] = [];
  if (window.startTs !== null && window.endTs !== null)
    out.push(['window', `${utc(window.startTs)} to ${utc(window.endTs)}`]);
  out.push(['lines', `${counts.lines} (${counts.badLines} bad)`]);
  out.push([
    'fills',
    `${counts.fills}${counts.duplicateFills > 0 ? ` (${counts.duplicateFills} duplicates)` : ''}, ${number(m.fillsPerHour, 1)} an hour`,
  ]);
  out.push(['placements', `${counts.orders}, filled ${ratio(m.fillRatio)}, cancelled ${ratio(m.cancelRatio)}`]);
  out.push([
    'rejections',
    `${counts.rejections}, ${ratio(m.rejectionRatio)}; post-only ${counts.postOnlyRejections}, ${ratio(m.postOnlyRejectRatio)}`,
  ]);
  out.push([
    `PnL, last ${look.lastFills} fills`,
    `${money(m.realizedPnlUsd)} (from flat), ${money(m.realizedPnlCarriedUsd)} (with the carried position)`,
  ]);
  out.push([
    'markout',
    Object.entries(m.markoutBps)
      .map(([h, v]) => `+${h} ${markout(v)}`)
      .join('  '),
  ]);
  out.push([
    'edge',
    `${number(m.edgeBps, 3)} bps as written, ${number(m.edgeRecomputedBps, 3)} bps recomputed, adverse ${ratio(m.adverseFillRatio)}`,
  ]);
  out.push(['position', text(m.positionBase, (v) => `${v} base`)]);
  out.push([
    'mark to market',
    `gross ${money(m.grossMtmUsd)}, net of fees ${money(m.netMtmUsd)}${m.netMtmAssumedFeeUsd === undefined ? '' : `, net of the assumed fee ${money(m.netMtmAssumedFeeUsd)}`}`,
  ]);
  // 0 of nothing is no share: the document says so with n = 0.
  out.push(['taker share', counts.fills === 0 ? '- (no fills)' : ratio(m.takerNotionalRatio)]);
  out.push(...warnings(item));
  return out;
}

function warnings({
  heartbeatGaps,
  schemaWarnings,
  runs,
  runsOmitted,
  badLines,
  counts,
  reading,
}: JournalItem): [string, string][] {
  const out: [string, string][] = [];
  for (const run of runs.slice(-3)) out.push(['run', runText(run)]);
  const more = runs.length - Math.min(runs.length, 3) + runsOmitted;
  if (more > 0) out.push(['', `and ${more} earlier runs`]);
  const { count, longestS } = heartbeatGaps;
  if (longestS !== null) out.push(['heartbeat gaps', `${count} over 60 s, the longest ${duration(longestS)}`]);
  for (const [version, lines] of Object.entries(schemaWarnings))
    out.push(['schema version', `${version}: ${lines} lines`]);
  if (reading.sortedByTime) out.push(['time', 'lines far out of order: markouts over the lines sorted by time']);
  for (const { file, line, reason } of badLines.slice(0, 5)) out.push(['bad line', `${file}:${line} ${reason}`]);
  if (counts.badLines > 5) out.push(['', `and ${counts.badLines - 5} more`]);
  return out;
}

function runText({ runId, reason, envFile, flatten, startTs, endTs }: JournalItem['runs'][number]): string {
  const parts = [runId === '' ? '(no run id)' : runId.slice(0, 8), duration(endTs - startTs)];
  if (envFile !== null) parts.push(envFile.split('/').at(-1)!);
  parts.push(reason === null ? 'no end in these files' : `ended: ${reason}`);
  if (flatten?.positionAfter != null) parts.push(`position after flatten ${flatten.positionAfter}`);
  return parts.join(', ');
}

function text<T>(metric: Metric<T>, show: (value: T) => string): string {
  return 'unavailable' in metric ? `- (${metric.unavailable})` : show(metric.value);
}

const number = (metric: Metric<number>, digits: number) => text(metric, (v) => v.toFixed(digits));
const ratio = (metric: Metric<number>) => text(metric, (v) => `${(v * 100).toFixed(2)} %`);
const money = (metric: Metric<string>) =>
  text(metric, (v) => `${Number(v) < 0 ? '-' : ''}$${Math.abs(Number(v)).toFixed(2)}`);
const markout = (metric: MarkoutMetric) =>
  'unavailable' in metric ? '-' : `${metric.value >= 0 ? '+' : ''}${metric.value.toFixed(2)}bp (${metric.n})`;

const utc = (ts: number) => (Math.abs(ts) < 8.64e12 ? `${new Date(ts * 1000).toISOString().slice(0, 19)}Z` : `${ts}`);

function duration(seconds: number): string {
  if (!(Math.abs(seconds) >= 60)) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  if (Math.abs(minutes) < 60) return `${minutes} min`;
  return `${Math.trunc(minutes / 60)} h ${Math.abs(minutes % 60)} min`;
}
