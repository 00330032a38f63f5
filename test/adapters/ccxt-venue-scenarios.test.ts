import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { readScenarios, type Scenario } from '../support/loopback-venue/scenario.ts';
import { loopbackWorld, stopDead } from '../support/loopback-venue/world.ts';

// Many calls at a time: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const folder = mkdtempSync(join(tmpdir(), 'mmfleet-scenarios-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const OUTCOME = { FLAT: 'flat', DUST: 'dust', OPEN: 'open', UNKNOWN: 'unknown' } as const;

// Waiting is most of the work, so that some run at a time.
test.concurrent.each(readScenarios())('$name', async ({ name, scenario }: { name: string; scenario: Scenario }) => {
  const { server, venue } = await loopbackWorld(scenario);
  const dir = join(folder, name);
  try {
    const stopped = await stopDead(venue, scenario, dir);
    const { receipt } = stopped;
    const { want } = scenario;
    expect(receipt?.verdict, receipt?.rule).toBe(want.verdict);
    if (want.rule !== undefined) expect(receipt?.rule).toContain(want.rule);
    if (want.trades !== undefined) expect(server.trades()).toHaveLength(want.trades);
    if (want.left !== undefined) expect(server.truth().position).toBe(want.left);
    if (want.verdict === 'FLAT') expect(server.truth()).toEqual({ position: '0', orders: 0 });
    // Flat, or dust the policy allows, is a proof to start with; everything else latches a hold.
    expect(stopped.outcome).toBe(OUTCOME[want.verdict]);
    expect('proof' in stopped ? 'may start' : stopped.hold ? 'held' : 'neither').toBe(
      want.verdict === 'FLAT' || want.verdict === 'DUST' ? 'may start' : 'held',
    );
    const kept = readFileSync(join(dir, '.mmfleet', 'receipts', 'amzn.jsonl'), 'utf8');
    expect(JSON.parse(kept)).toEqual(receipt);
  } finally {
    await server.close();
  }
});
