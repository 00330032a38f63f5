/** How the newest run ended, and whose a position is that is found while nothing runs. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_RESTARTS } from '../../src/core/flat/backoff.ts';
import type { Receipt } from '../../src/core/flat/types.ts';
import { known } from '../../src/core/problem.ts';
import type { JournalView } from '../../src/shell/journals.ts';
import { lastRunOf, mayHaveLeft, type ObservedInstance, type PastReceipt } from '../../src/shell/observe.ts';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';

const T = Date.parse('2026-11-22T12:00:00Z');
const MINUTE = 60_000;

const receipt = (atMs: number, verdict: Receipt['verdict'], cause: string, runId: string | null = 'r1') =>
  ({
    runId,
    cause,
    verdict,
    provedAt: new Date(atMs).toISOString(),
    sizeBase: null,
    orders: [],
  }) as unknown as PastReceipt;
const ran = (runId: string) => ({ state: 'ok', runId }) as JournalView;
const unreadable: JournalView = { state: 'unknown', reason: 'denied' };

function down(of: { journal: JournalView; receipts: PastReceipt[]; startedMs?: number }): ObservedInstance {
  return {
    copies: known([], T),
    journal: of.journal,
    receipts: of.receipts,
    restarts: { ...NO_RESTARTS, lastStartMs: of.startedMs ?? null },
    ownRun: () => of.journal.state === 'ok',
  } as unknown as ObservedInstance;
}

const flat = receipt(T, 'FLAT', 'start');

describe('how the newest run ended', () => {
  test.each([
    { name: 'nothing is known of any', of: { journal: { state: 'none' }, receipts: [] }, want: 'none' },
    { name: 'its receipt is flat', of: { journal: ran('r1'), receipts: [flat] }, want: 'proved' },
    { name: 'it has no receipt', of: { journal: ran('r2'), receipts: [flat] }, want: 'unproved' },
    {
      name: 'it was flat, and open when it was looked at again',
      of: { journal: ran('r1'), receipts: [flat, receipt(T + 1, 'OPEN', 'start')] },
      want: 'unproved',
    },
    {
      name: 'it was open, and closed at last',
      of: { journal: ran('r1'), receipts: [receipt(T, 'OPEN', 'x'), receipt(T + 1, 'FLAT', 'x')] },
      want: 'proved',
    },
    {
      name: 'a start after the proof wrote no journal',
      of: { journal: { state: 'none' }, receipts: [flat], startedMs: T + 1 },
      want: 'unproved',
    },
    {
      name: 'a start after the proof wrote none here: the journal is that of the run before',
      of: { journal: ran('r1'), receipts: [flat], startedMs: T + 1 },
      want: 'unproved',
    },
    {
      name: 'it was proved after that',
      of: { journal: ran('r1'), receipts: [flat, receipt(T + 2, 'FLAT', 'unasked-exit')], startedMs: T + 1 },
      want: 'proved',
    },
    { name: 'its journal cannot be read', of: { journal: unreadable, receipts: [flat] }, want: 'unproved' },
    {
      name: 'its journal cannot be read, and nothing was started since it was to stay down',
      of: { journal: unreadable, receipts: [receipt(T, 'FLAT', 'state-stopped')] },
      want: 'proved',
    },
    {
      name: 'its journal cannot be read, and its last start is known to be proved',
      of: { journal: unreadable, receipts: [flat], startedMs: T - 1 },
      want: 'proved',
    },
  ] as const)('$name: $want', ({ of, want }) => {
    expect(lastRunOf(down(of as unknown as Parameters<typeof down>[0]))).toBe(want);
  });
});

test('what shows long after a run was proved flat is not what it left', () => {
  const of = (nowMs: number, ...receipts: PastReceipt[]) => mayHaveLeft(down({ journal: ran('r1'), receipts }), nowMs);
  expect(of(T + 60 * MINUTE)).toBe(true);
  expect(of(T + 60 * MINUTE, receipt(T, 'OPEN', 'start'))).toBe(true);
  expect(of(T + MINUTE, flat)).toBe(true);
  expect(of(T + 60 * MINUTE, flat)).toBe(false);
  expect(of(T + 60 * MINUTE, flat, receipt(T + 50 * MINUTE, 'OPEN', 'start'))).toBe(false);
});

describe('in the whole', () => {
  let w: FleetWorld;
  beforeAll(async () => {
    w = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }]);
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
    expect(await w.cli('stop', 'amzn', '--reason', 'a week off')).toMatchObject({ code: 0 });
  }, 60_000);
  afterAll(() => w.end());

  test('a person trades while it is down: what they hold is not closed by its next start', async () => {
    // The proofs become old, as they are after that week.
    const path = 'fleet/receipts/amzn.jsonl';
    const old = readFileSync(join(w.ops, path), 'utf8').replace(/"provedAt":"\d{4}/g, '"provedAt":"2020');
    w.put(path, old);
    await w.commit('the clock goes on');
    rmSync(join(w.ops, '.mmfleet'), { recursive: true });
    w.setBook('AMZN-USD', { position: '3', orders: [{ id: 'mine', side: 'sell', price: '120', size: '3' }] });
    const started = await w.cli('start', 'amzn', '--reason', 'back');
    expect(started).toMatchObject({ code: 5, out: expect.stringContaining('foreign position') });
    expect(w.book('AMZN-USD')).toMatchObject({ position: '3', orders: [{ id: 'mine' }] });
    expect(await w.pidOf('amzn')).toBe(null);
  }, 60_000);
});
