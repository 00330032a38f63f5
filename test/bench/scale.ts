/** How the daemon and `status` grow with the fleet, as rows and as a table in Markdown. */
import { existsSync } from 'node:fs';
import { CLI, node, PAIRS, run } from './measure.ts';
import type { ScaleRow } from './scale-child.ts';

const SIZES = [1, 10, 100, 1000];

/** Each column, and how to write it. The growth of a column is the slope of its logarithm from 10 to 1000 instances. */
const COLUMNS: readonly [string, (row: ScaleRow) => number, string][] = [
  ['quiet tick', (row) => row.quiet, 'ms'],
  ['busy tick', (row) => row.busy, 'ms'],
  ['pass that asks git', (row) => row.git, 'ms'],
  ['blocks the loop for', (row) => row.blocks.median, 'ms'],
  ['`status`', (row) => row.status, 'ms'],
  ['memory of the daemon', (row) => row.rss, 'MiB'],
  ['after an hour', (row) => row.hourRss, 'MiB'],
  ['of it in use', (row) => row.hourHeap, 'MiB'],
];

export function scale(): void {
  if (!existsSync(CLI)) throw new Error('dist/shell/cli.js is not built');
  const rows = SIZES.map((n) => JSON.parse(run(node('scale', String(n), String(PAIRS), CLI)).stdout) as ScaleRow);
  const [small, large] = [rows[1]!, rows[3]!];
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  const growth = (of: (row: ScaleRow) => number) => Math.log10(of(large) / of(small)) / 2;
  const added = (of: (row: ScaleRow) => number) =>
    (((of(large) - of(small)) * 1024) / (large.instances - small.instances)).toFixed(0);
  process.stdout.write(
    `${[
      '',
      line(['instances', ...COLUMNS.map(([name]) => name)]),
      line(['---:', ...COLUMNS.map(() => '---:')]),
      ...rows.map((row) =>
        line([String(row.instances), ...COLUMNS.map(([, of, unit]) => `${digits(of(row))} ${unit}`)]),
      ),
      line(['exponent, 10 to 1000', ...COLUMNS.map(([, of]) => growth(of).toFixed(2))]),
      '',
      'CPU, but for the block, which is wall time. The hour is one of every journal, 80 lines a minute, four of them fills.',
      `Each added instance costs the daemon ${added((row) => row.rss)} KiB, after the hour ${added((row) => row.hourRss)} KiB (${added((row) => row.hourHeap)} KiB of it in use).`,
      '',
    ].join('\n')}\n`,
  );
}

const digits = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(2));
