/** `diff` with a real bot: base, desired and running side by side, and never a secret value. */
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { envDiff } from '../../src/shell/env-diff.ts';
import { CANARY, canaryTexts, type FleetWorld, fleetWorld } from '../support/fleet-world.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let w: FleetWorld;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'pump', market: 'PUMP-USD' }]);
});
afterAll(() => w.end());

const cells = (out: string) => out.split('\n').map((line) => line.split(/ {2,}/));

test('before the first start nothing runs', async () => {
  const run = await w.cli('diff', 'pump');
  expect(run.code).toBe(0);
  expect(cells(run.out)).toEqual([
    ['KEY', 'BASE', 'DESIRED base', 'RUNNING nothing'],
    ['MM_API_KEY', '-', 'set (secret)', '-'],
    ['MM_STARK_PRIVATE_KEY', '-', 'set (secret)', '-'],
    ['pump does not run'],
  ]);
});

test('a base that was edited and a key that was replaced: what runs is what it was started with', async () => {
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  expect((await w.cli('diff', 'pump', '--detailed-exitcode')).out).toMatch(/pid \d+ runs what is desired$/);

  const base = readFileSync(join(w.ops, 'fleet/env/pump/.env.pump'), 'utf8');
  w.put(
    'fleet/env/pump/.env.pump',
    `${base.replace('MM_MIN_OFFSET_BPS=4', 'MM_MIN_OFFSET_BPS=5')}MM_MAX_ORDER_AGE_S=20\n`,
  );
  await w.commit('pump: wider');
  w.put('secrets/all.env', `MM_API_KEY=a-new-one-77aa\nMM_STARK_PRIVATE_KEY=${CANARY.MM_STARK_PRIVATE_KEY}\n`);
  chmodSync(join(w.ops, 'secrets/all.env'), 0o600);

  const run = await w.cli('diff', 'pump', '--detailed-exitcode');
  expect(run.code).toBe(2);
  expect(cells(run.out).slice(0, -1)).toEqual([
    ['KEY', 'BASE', 'DESIRED base', 'RUNNING base'],
    ['MM_MAX_ORDER_AGE_S', '20', '20', '-'],
    ['MM_MIN_OFFSET_BPS', '5', '5', '4'],
    ['MM_API_KEY', '-', 'changed (secret)', 'set (secret)'],
    ['MM_STARK_PRIVATE_KEY', '-', 'set (secret)', 'set (secret)'],
  ]);
  expect(run.out).toMatch(/pid \d+ does not run what is desired: the next pass restarts it$/);

  const json = await w.cli('diff', 'pump', '--json');
  expect(JSON.parse(json.out)).toMatchObject({
    kind: 'Diff',
    summary: { name: 'pump', desired: 'base', running: 'base', drift: true },
    items: expect.arrayContaining([{ key: 'MM_MIN_OFFSET_BPS', base: '5', desired: '5', running: '4' }]),
  });
  for (const secret of [...canaryTexts(), 'a-new-one-77aa']) expect(w.printed()).not.toContain(secret);
});

describe('envDiff', () => {
  const none = { running: null, shown: {}, secrets: {} };
  test.each([
    { name: 'nothing differs', given: { base: { A: '1' }, desired: { A: '1.0' }, ...none }, want: [] },
    {
      name: 'what runs is not known: only base against desired',
      given: { base: { A: '1', B: 'x' }, desired: { A: '2', B: 'x' }, ...none },
      want: [{ key: 'A', base: '1', desired: '2', running: null }],
    },
    {
      name: 'the journal shows another value than the file it was started with',
      given: { base: { A: '1' }, desired: { A: '1' }, running: { A: '1' }, shown: { A: '3' }, secrets: {} },
      want: [{ key: 'A', base: '1', desired: '1', running: '3' }],
    },
    {
      name: 'equal numbers and equal truths are equal',
      given: {
        base: { A: 'true', B: '4' },
        desired: { A: 'yes', B: '4.0' },
        running: { A: '1', B: '4' },
        shown: { A: 'True', B: '4.00' },
        secrets: {},
      },
      want: [],
    },
    {
      name: 'a secret that stands in a tracked file shows no value',
      given: { base: { MM_API_KEY: 'plain' }, desired: { MM_API_KEY: 'text' }, ...none },
      want: [],
    },
  ])('$name', ({ given, want }) => expect(envDiff(given)).toEqual(want));
});
