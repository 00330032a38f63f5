import { describe, expect, test } from 'vitest';
import type { Metric, StatusItem } from '../../src/core/plan/status.ts';
import { painter } from '../../src/shell/io.ts';
import { filterItems, parseFilter } from '../../src/shell/item-filters.ts';
import { PLAN_COLUMNS, planTable } from '../../src/shell/render/plan.ts';
import { columnsFor, STATUS_COLUMNS, statusTable } from '../../src/shell/render/status.ts';
import { signed } from '../../src/shell/render/table.ts';

const NONE: Metric = { unavailable: 'no journal' };
const item = (name: string, change: Partial<StatusItem> = {}, pnl: string | null = null): StatusItem => ({
  name,
  market: `${name.toUpperCase()}-USD`,
  lifecycle: 'running',
  health: 'ok',
  iter: { desired: 7, running: 7 },
  pid: 1,
  positionBase: { value: '-0.42' },
  positionUsd: '-93',
  metrics: {
    realizedPnlUsd: pnl === null ? NONE : { value: pnl, n: 50 },
    markout5sBps: { value: -1.9, n: 120 },
    cancelRatio: NONE,
    postOnlyRejectRatio: NONE,
    fillsPerHour: NONE,
  },
  dataAgeS: 4,
  restarts: 0,
  held: null,
  lastAction: null,
  note: null,
  ...change,
});

const FLEET = [
  item('amzn', { health: 'degraded', dataAgeS: 31 }, '-3.81'),
  item('btc', { lifecycle: 'held', health: 'unknown', dataAgeS: null, note: 'flat unproven: mmfleet release btc' }),
  item('mon', {}, '1.12'),
  item('pump', { lifecycle: 'parked', health: 'stale', dataAgeS: 540 }, '-9.02'),
];

describe('filters', () => {
  test.each([
    { name: 'none: the order of the fleet', given: {}, want: ['amzn', 'btc', 'mon', 'pump'] },
    { name: 'two states', given: { state: 'held,parked' }, want: ['btc', 'pump'] },
    { name: 'the start of a word', given: { state: 'park' }, want: ['pump'] },
    { name: 'health', given: { health: 'DEGRADED, ok' }, want: ['amzn', 'mon'] },
    { name: 'both', given: { state: 'running', health: 'ok' }, want: ['mon'] },
    { name: 'worst first', given: { sort: 'health' }, want: ['amzn', 'pump', 'btc', 'mon'] },
    { name: 'oldest data first, unknown last', given: { sort: 'age' }, want: ['pump', 'amzn', 'mon', 'btc'] },
    { name: 'lowest PnL first, unknown last', given: { sort: 'pnl' }, want: ['pump', 'amzn', 'mon', 'btc'] },
  ])('$name', ({ given, want }) => {
    const filter = parseFilter(given, STATUS_COLUMNS);
    expect(filter.ok && filterItems(FLEET, filter.value).map((i) => i.name)).toEqual(want);
    expect(filter.ok && filterItems(FLEET.toReversed(), { ...filter.value, sort: 'name' }).length).toBe(want.length);
  });

  test.each([
    { name: 'an unknown state', given: { state: 'runing' }, says: '--state: found "runing", want running, draining' },
    { name: 'two that begin alike', given: { state: 's' }, says: '--state: found "s"' },
    {
      name: 'an unknown column',
      given: { columns: 'name,colour' },
      says: '--columns: found "colour", want name, market',
    },
    { name: 'nothing', given: { sort: '' }, says: '--sort: found ""' },
  ])('refused: $name', ({ given, says }) => {
    const filter = parseFilter(given, STATUS_COLUMNS);
    expect(filter.ok ? null : filter.problem.message).toContain(says);
  });

  test('columns by their titles without signs', () => {
    const status = parseFilter({ columns: 'pnl,name,mo5s,postonly' }, STATUS_COLUMNS);
    expect(status.ok && status.value.columns).toEqual(['PNL/50', 'NAME', 'MO+5S', 'POST-ONLY']);
    const plan = parseFilter({ columns: 'why,name' }, PLAN_COLUMNS);
    expect(plan.ok && plan.value.columns).toEqual(['WHY', 'NAME']);
  });
});

describe('widths', () => {
  const many = Array.from({ length: 300 }, (_, i) => item(`m${String(i).padStart(3, '0')}`, {}, '-3.81'));
  const plain = painter(false);

  test.each([
    { name: 'narrow', width: 60, titles: 'NAME  STATE    HEALTH  ITER  POSITION     PNL/50' },
    {
      name: 'normal',
      width: 110,
      titles: 'NAME  STATE    HEALTH  ITER  POSITION     PNL/50  MO+5S         DATA  LAST ACTION',
    },
    {
      name: 'wide',
      width: 160,
      titles:
        'NAME  MARKET    STATE    HEALTH  ITER  POSITION     PNL/50  MO+5S         CANCEL  POST-ONLY  FILLS/H  DATA  LAST ACTION',
    },
  ])('$name: 300 instances stay a line each', ({ width, titles }) => {
    const lines = statusTable(many, 0, plain, width).split('\n');
    expect(lines[0]).toBe(titles);
    expect(lines).toHaveLength(302);
    expect(lines.at(-1)).toBe('fleet  300 instances: 300 ok; worst data age 4s');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    expect(columnsFor(width).length).toBe(titles.split(/ {2,}/).length);
  });

  test('what rounds to nothing has no sign', () => {
    expect([-0.001, 0.001, -0.1, 0.1].map((value) => signed(value, 1))).toEqual(['0.0', '0.0', '-0.1', '+0.1']);
  });

  test('a line with colour is cut by what is seen, and the colour ends', () => {
    const [, line = ''] = statusTable([item('amzn', { note: 'x'.repeat(200) })], 0, painter(true), 100).split('\n');
    expect(line.replace(/\u001b\[\d+m/g, '')).toHaveLength(100);
    expect(line.endsWith('…\u001b[0m')).toBe(true);
  });

  test('named columns, and what was left out', () => {
    const text = statusTable([FLEET[3]!], 0, plain, 60, { columns: ['HEALTH', 'NAME'], all: FLEET });
    expect(text).toBe(
      'HEALTH  NAME\nstale   pump\nfleet  4 instances: 1 degraded, 1 held, 1 ok, 1 parked; worst data age 9m; 1 shown',
    );
  });

  test('the plan cuts many long reasons and never a single one', () => {
    const planned = (name: string) => ({
      item: {
        name,
        action: 'none' as const,
        reason: 'converged' as const,
        message: 'm'.repeat(120),
        changes: [],
        theme: null,
        trigger: null,
      },
      effect: null,
      standing: 'settled' as const,
    });
    const [a, b] = [planned('amzn'), planned('mon')];
    const widths = (text: string) => text.split('\n').map((line) => line.length);
    expect(Math.max(...widths(planTable([a, b], plain, { width: 70 })))).toBe(70);
    expect(planTable([a, b], plain, { width: 70 }).split('\n')[0]).toBe('NAME  ACTION  WHY');
    expect(Math.max(...widths(planTable([a], plain, { width: 100, all: [a, b] })))).toBeGreaterThan(120);
    expect(planTable([a], plain, { columns: ['NAME'], all: [a, b] })).toBe(
      'NAME\namzn\nplan: 0 to converge, 0 to tune, 0 held, 2 unchanged, 0 unknown; 1 shown',
    );
  });
});
