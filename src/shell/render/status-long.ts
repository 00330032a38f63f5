import { label } from '../../core/plan/plan.ts';
import type { Metric, StatusItem } from '../../core/plan/status.ts';
import type { Paint } from '../io.ts';
import type { Look } from '../pass.ts';
import { age } from './table.ts';

/** `status NAME`: one fact a line, and what the next pass would do. */
export function statusLong(item: StatusItem, look: Look, paint: Paint): string {
  const situation = look.situations.find((s) => s.instance.name === item.name);
  const planned = look.planned.find((p) => p.item.name === item.name);
  const spec = situation?.instance.spec ?? null;
  const env = situation?.instance.env ?? null;
  const journal = situation?.observed.journal;
  const receipt = situation?.observed.receipts.at(-1);
  const lines: [string, string][] = [
    [
      'market',
      `${item.market}${spec === null ? '' : `, account ${spec.account}, declared ${spec.state}, autonomy ${spec.autonomy}`}`,
    ],
    [
      'state',
      `${item.lifecycle}${item.pid === null ? '' : `, pid ${item.pid}`}${item.restarts > 0 ? `, ${item.restarts} restarts in a row` : ''}`,
    ],
    ['health', `${item.health}${situation?.decided == null ? '' : `: ${situation.decided.sentence}`}`],
    [
      'env',
      env === null
        ? 'not readable'
        : `${env.path} (${label(env.iter)})${item.iter.running === undefined ? '' : `, runs ${label(item.iter.running)}`}`,
    ],
    ['position', metric(item.positionBase)],
    ['pnl', `${metric(item.metrics.realizedPnlUsd)} USD over the last 50 fills, fees and open lots aside`],
    ['markout', `${metric(item.metrics.markout5sBps)} bps at +5 s`],
    [
      'orders',
      `cancelled ${metric(item.metrics.cancelRatio)}, post-only rejected ${metric(item.metrics.postOnlyRejectRatio)} of placements`,
    ],
    ['fills', `${metric(item.metrics.fillsPerHour)} an hour`],
    [
      'journal',
      journal?.state === 'ok'
        ? `${journal.path}, last byte ${item.dataAgeS === null ? '?' : age(item.dataAgeS * 1000)} ago`
        : journal?.state === 'unknown'
          ? `unknown: ${journal.reason}`
          : 'none yet',
    ],
    [
      'receipt',
      receipt === undefined
        ? 'none yet'
        : `${receipt.verdict} at ${receipt.provedAt} (${receipt.cause}, ${receipt.rule}, cost ${receipt.costUsd} USD)`,
    ],
  ];
  if (item.held !== null)
    lines.push([
      'held',
      `${item.held.reason}${item.held.since === null ? '' : ` since ${item.held.since}; mmfleet release ${item.name} --reason "..."`}`,
    ]);
  if (planned !== undefined)
    lines.push(['next', `${planned.item.action} (${planned.item.reason}): ${planned.item.message}`]);
  return [paint('bold', item.name), ...lines.map(([k, v]) => `  ${k.padEnd(9)} ${v}`)].join('\n');
}

function metric(m: Metric): string {
  if (!('value' in m))
    return m.nMin === undefined ? `unavailable (${m.unavailable})` : `unavailable (${m.unavailable}: ${m.n}/${m.nMin})`;
  const text = typeof m.value === 'number' ? m.value.toFixed(3) : m.value;
  return m.n === undefined ? text : `${text} (n=${m.n})`;
}
