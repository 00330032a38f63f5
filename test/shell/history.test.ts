/** The lab book: of one instance, of all, since a day, as JSON and as a chart; from commits alone. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { HistoryRow } from '../../src/core/trail/history.ts';
import { commitMessage } from '../../src/core/trail/message.ts';
import { historyChart } from '../../src/shell/render/history.ts';
import { type FleetWorld, fleetWorld, THREE } from '../support/fleet-world.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let w: FleetWorld;
const DAY = 86_400;
const FIRST = 1_790_000_000; // 2026-09-21T14:13:20Z

beforeAll(async () => {
  w = await fleetWorld(THREE.slice(0, 2));
  await tune('amzn', 1, FIRST, '-1.32');
  await tune('mon', 1, FIRST + DAY, '-0.81');
  await tune('amzn', 2, FIRST + 2 * DAY, '-2.10');
  w.put(
    'fleet/env/amzn/.env.amzn.verdicts',
    'iter001 inconclusive edge +0.9 bps (95% -0.4..+2.2, n=214) against base\n',
  );
  await w.commit('what became of it', false);
  await w.git(['revert', '--no-edit', await commitOf('tune(mon): iter001')]);
});
afterAll(() => w.end());

const commitOf = async (subject: string) =>
  (await w.git(['log', '-1', '--format=%H', '--fixed-strings', '--grep', subject])).trim();

/** One tuning commit in mmfleet's name. */
async function tune(name: string, iter: number, at: number, value: string) {
  const number = String(iter).padStart(3, '0');
  w.put(
    `fleet/env/${name}/.env.${name}.iter${number}`,
    `MM_MARKET_NAME=${name.toUpperCase()}-USD\nMM_MIN_OFFSET_BPS=${4 + iter}\n`,
  );
  const message = commitMessage({
    kind: 'tune',
    instance: name,
    market: `${name.toUpperCase()}-USD`,
    iter,
    parentIter: iter === 1 ? null : iter - 1,
    theme: 'spread-offset',
    step: 'widen x1.5',
    trigger: `fast markout5sBps=${value} limit=-0.50 n=204`,
    changes: [{ key: 'MM_MIN_OFFSET_BPS', from: String(3 + iter), to: String(4 + iter) }],
    at,
    why: [],
    proven: false,
    envDigest: 'sha256:0',
    journal: null,
    spec: '0',
    fleetSpec: '0',
  });
  await w.git(['add', '-A']);
  await w.git(['commit', '--quiet', '--author=mmfleet <mmfleet@localhost>', '-m', message]);
}

const table = async (...args: string[]) => {
  const run = await w.cli('history', ...args);
  expect(run).toMatchObject({ code: 0, err: '' });
  return run.out.split('\n').map((line) => line.split(/ {2,}/));
};

test('of one instance: the columns of the lab book, newest first', async () => {
  const [titles, ...rows] = await table('amzn');
  expect(titles).toEqual(['ITER', 'COMMIT', 'WHEN', 'THEME', 'CHANGE', 'TRIGGER', 'VERDICT', 'N', 'EFFECT']);
  expect(rows.map((r) => [r[0], r[2], r[6], r[7], r[8]])).toEqual([
    ['002', '2026-09-23T14:13:20Z', 'pending', '-', '-'],
    ['001', '2026-09-21T14:13:20Z', 'inconclusive', '214', '+0.9 bps'],
  ]);
  expect(rows[0]?.[4]).toBe('MM_MIN_OFFSET_BPS 5 -> 6');
});

test('of all: the instance before it, newest first, and what a person reverted', async () => {
  const [titles, ...rows] = await table('--all');
  expect(titles?.slice(0, 2)).toEqual(['INSTANCE', 'ITER']);
  expect(rows.map((r) => [r[0], r[1], r[7]])).toEqual([
    ['amzn', '002', 'pending'],
    ['mon', '001', 'reverted'],
    ['amzn', '001', 'inconclusive'],
  ]);
});

test.each([
  { since: '2026-09-22', want: ['002', '001'] },
  { since: '2026-09-22T14:13:21Z', want: ['002'] },
  { since: '1s', want: [] },
])('since $since', async ({ since, want }) => {
  const run = await w.cli('history', '--all', '--since', since, '--json');
  const document = JSON.parse(run.out) as {
    kind: string;
    items: { iter: string; instance: string }[];
    summary: object;
  };
  expect(document.items.map((i) => i.iter)).toEqual(want);
  expect(document).toMatchObject({ kind: 'History', summary: { iterations: want.length } });
});

test.each([
  { args: [], says: 'history takes one instance, or --all' },
  { args: ['amzn', '--all'], says: 'history takes one instance, or --all' },
  { args: ['--all', '--plot'], says: '--plot draws one instance' },
  { args: ['amzn', '--since', 'yesterday'], says: '--since: found "yesterday"' },
])('refused: $args', async ({ args, says }) => {
  const run = await w.cli('history', ...args);
  expect(run.code).toBe(3);
  expect(run.err).toContain(says);
});

test('the chart of one instance, from the command line', async () => {
  const run = await w.cli('history', 'amzn', '--plot');
  expect(run.code).toBe(0);
  expect(run.out.split('\n')).toEqual([
    'markout5sBps when it triggered',
    '    -0.50 |----------',
    '    -0.68 |',
    '    -0.86 |',
    '    -1.03 |',
    '    -1.21 |',
    '    -1.39 |  o',
    '    -1.57 |',
    '    -1.74 |',
    '    -1.92 |',
    '    -2.10 |       *',
    '          +----------',
    '            001  002',
    '+ helped  x hurt  o inconclusive  * pending  r reverted  - limit',
  ]);
  const effect = await w.cli('history', 'amzn', '--plot', 'effect');
  expect(effect.out).toContain('     0.90 |  o');
  expect(effect.out).toContain('1 iteration without it');
});

describe('the chart', () => {
  const row = (iter: string, trigger: string | null, effect: string | null = null): HistoryRow => ({
    iter,
    commit: '0',
    when: '',
    theme: null,
    change: '',
    trigger,
    verdict: 'pending',
    n: null,
    effect,
  });

  test('more iterations than columns: the newest stay', () => {
    const rows = Array.from({ length: 60 }, (_, i) =>
      row(String(60 - i).padStart(3, '0'), `fast m=${60 - i} limit=0 n=1`),
    );
    const lines = historyChart(rows, null, 62);
    expect(lines.find((line) => line.includes('060'))).toMatch(/^ {12}051 {2}052 .* 060$/);
    expect(lines.at(-1)).toBe('50 older not shown');
    for (const line of lines.slice(1, 13)) expect(line.length).toBeLessThanOrEqual(62);
  });

  test('one value, a metric that is not there, and none at all', () => {
    expect(
      historyChart([row('001', 'quiet x=3 limit=3 n=1')], null, 80).filter((l) => / \| {2}\*$/.test(l)),
    ).toHaveLength(1);
    expect(historyChart([row('001', 'fast a=1 n=1')], 'b', 80)).toEqual([
      'no iteration has a value of b; known: effect, a',
    ]);
    expect(historyChart([row('001', null)], null, 80)).toEqual(['no iteration has a value of effect; known: effect']);
  });
});
