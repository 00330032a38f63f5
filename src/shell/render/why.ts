import type { WhyRow } from '../../core/tuning/types.ts';
import type { Paint } from '../io.ts';
import { signed, table } from './table.ts';

/** Every rule of the last decision with its numbers, and the one sentence that sums it up. */
export function whyTable(name: string, rows: WhyRow[], sentence: string, paint: Paint): string {
  if (rows.length === 0) return `${name}: ${sentence}`;
  const columns = [
    { title: 'RULE' },
    { title: 'METRIC' },
    { title: 'WINDOW' },
    { title: 'N' },
    { title: 'VALUE' },
    { title: '95%' },
    { title: 'LIMIT' },
    { title: 'MARGIN' },
    { title: 'RESULT' },
  ];
  const cells = rows.map((r) => [
    `${r.decided ? '>' : ' '} ${r.rule}`,
    r.metric,
    r.window,
    r.n === null ? '-' : r.nMin === null ? String(r.n) : `${r.n}/${r.nMin}`,
    r.unavailable !== null ? 'unavailable' : number(r.value),
    r.ci95 === null ? '-' : `${signed(r.ci95[0], 2)}..${signed(r.ci95[1], 2)}`,
    number(r.limit),
    r.margin === null ? '-' : signed(r.margin, 3),
    r.decided ? paint('bold', r.unavailable ?? r.result) : (r.unavailable ?? r.result),
  ]);
  const legend = rows.some((r) => r.decided) ? ['', '> = the rule that decided'] : [];
  return [`${name}: ${sentence}`, '', ...table(columns, cells), ...legend].join('\n');
}

function number(value: number | null): string {
  if (value === null) return '-';
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}
