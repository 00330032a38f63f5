/** The numbers of the comparison, with intervals clustered by market and seed. */
import { SCENARIOS } from '../../../src/shell/demo/model/scenarios.ts';
import type { EngineName } from './engines.ts';
import type { Outcome } from './simulate.ts';

export type Cell = { market: string; scenario: string; engine: EngineName; seed: number; outcome: Outcome };

export type Check = { name: string; measured: string; want: string; holds: boolean };

const HEALTHY: readonly string[] = ['tuned', 'decent'];
const DEGRADED: readonly string[] = ['too tight', 'trend shift', 'dead', 'healing'];
const ENGINES: readonly EngineName[] = ['never', 'origin N=10', 'origin N=100', 'ours'];

/** One line for each engine, then the checks. */
export function report(cells: readonly Cell[]): { lines: string[]; checks: Check[] } {
  const rows = ENGINES.filter((engine) => cells.some((cell) => cell.engine === engine)).map((engine) => [
    engine,
    perDay(of(cells, engine, HEALTHY), alarms).toFixed(2),
    perDay(of(cells, engine, DEGRADED), restarts).toFixed(1),
    ...['healthy', 'too tight', 'trend shift', 'dead', 'healing', 'too wide'].map((name) =>
      net(of(cells, engine, name === 'healthy' ? HEALTHY : [name])).toFixed(1),
    ),
    engine === 'origin N=10' ? '0' : intervalText(difference(cells, engine, 'origin N=10')),
  ]);
  const head = [
    'engine (USD/day an instance)',
    'alarms/healthy day',
    'restarts/degraded day',
    'healthy',
    'too tight',
    'trend shift',
    'dead',
    'healing',
    'too wide',
    'all vs origin N=10 [95 %]',
  ];
  return { lines: table([head, ...rows]), checks: checks(cells) };
}

function checks(cells: readonly Cell[]): Check[] {
  const healthy = of(cells, 'ours', HEALTHY);
  const kept = net(healthy) / net(of(cells, 'never', HEALTHY));
  const times = net(healthy) / net(of(cells, 'origin N=10', HEALTHY));
  const mix = difference(cells, 'ours', 'origin N=10');
  const cut = 1 - net(of(cells, 'ours', ['dead'])) / net(of(cells, 'never', ['dead']));
  const delays = (['too tight', 'dead', 'trend shift'] as const).map((name) => medianDelayMin(cells, name));
  const restartsDegraded = perDay(of(cells, 'ours', DEGRADED), restarts);
  const limits = [200, 90, 1440];
  return [
    check('alarm stops per healthy instance-day', perDay(healthy, alarms), 2, '<= 0.25', (v) => v <= 0.25),
    check('all restarts per healthy day', perDay(healthy, restarts), 2, '<= 0.45', (v) => v <= 0.45),
    check('healthy profit kept against never touching', kept, 3, '>= 0.90', (v) => v >= 0.9),
    check('healthy net against the origin N=10, times', times, 2, '>= 3', (v) => v >= 3),
    {
      name: 'mix net against the origin N=10, USD/day',
      measured: intervalText(mix),
      want: '>= 15, interval above 0',
      holds: mix.mean >= 15 && mix.low > 0,
    },
    {
      name: 'median delay, min: too tight / dead / trend shift',
      measured: delays.map((delay) => (Number.isFinite(delay) ? delay.toFixed(0) : 'none')).join(' / '),
      want: '<= 200 / 90 / 1440',
      holds: delays.every((delay, at) => delay <= limits[at]!),
    },
    check('restarts per degraded day', restartsDegraded, 2, '<= 2.5', (v) => v <= 2.5),
    check('dead market: loss cut against never touching', cut, 3, '>= 0.92', (v) => v >= 0.92),
  ];
}

function check(name: string, value: number, digits: number, want: string, holds: (value: number) => boolean): Check {
  return { name, measured: value.toFixed(digits), want, holds: holds(value) };
}

const of = (cells: readonly Cell[], engine: EngineName, scenarios: readonly string[]): Cell[] =>
  cells.filter((cell) => cell.engine === engine && scenarios.includes(cell.scenario));
const alarms = (outcome: Outcome): number => outcome.actions.filter((action) => action.alarm).length;
const restarts = (outcome: Outcome): number => outcome.actions.length;
const net = (cells: readonly Cell[]): number => perDay(cells, (outcome) => outcome.scoredUsd);

function perDay(cells: readonly Cell[], count: (outcome: Outcome) => number): number {
  const days = cells.reduce((sum, cell) => sum + cell.outcome.days, 0);
  return cells.reduce((sum, cell) => sum + count(cell.outcome), 0) / days;
}

/** Minutes from the onset to the first alarm after it; an instance without one counts as never. */
function medianDelayMin(cells: readonly Cell[], scenario: string): number {
  const onsetS = 3600 * (SCENARIOS.find((each) => each.name === scenario)!.onsetH ?? 0);
  const delays = of(cells, 'ours', [scenario]).map(({ outcome }) => {
    const first = outcome.actions.find((action) => action.alarm && action.atS >= onsetS);
    return first === undefined ? Number.POSITIVE_INFINITY : (first.atS - onsetS) / 60;
  });
  const sorted = delays.sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

type Interval = { mean: number; low: number; high: number };

/** Mean difference of two engines over all scenarios; days of one market and seed hang together, so they are one cluster. */
function difference(cells: readonly Cell[], engine: EngineName, against: EngineName): Interval {
  const clusters = new Map<string, number[]>();
  const others = new Map(
    cells
      .filter((cell) => cell.engine === against)
      .map((cell) => [keyOf(cell), cell.outcome.scoredUsd / cell.outcome.days]),
  );
  for (const cell of cells) {
    if (cell.engine !== engine) continue;
    const name = `${cell.market} ${cell.seed}`;
    const gain = cell.outcome.scoredUsd / cell.outcome.days - others.get(keyOf(cell))!;
    clusters.set(name, [...(clusters.get(name) ?? []), gain]);
  }
  const means = [...clusters.values()].map((gains) => gains.reduce((a, b) => a + b, 0) / gains.length);
  const mean = means.reduce((a, b) => a + b, 0) / means.length;
  const variance = means.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (means.length - 1);
  const half = studentT(means.length - 1) * Math.sqrt(variance / means.length);
  return { mean, low: mean - half, high: mean + half };
}

const keyOf = (cell: Cell): string => `${cell.market} ${cell.seed} ${cell.scenario}`;

/** Two-sided 95 % quantile (Cornish-Fisher expansion; good to 1 % from 5 degrees on). */
function studentT(degrees: number): number {
  const z = 1.959964;
  const g1 = (z ** 3 + z) / 4;
  const g2 = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  return z + g1 / degrees + g2 / degrees ** 2;
}

function intervalText({ mean, low, high }: Interval): string {
  return `${mean.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}]`;
}

function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '),
  );
}
