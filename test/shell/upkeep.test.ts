/** The clone is kept in order by whatever runs: after a one-shot run, beside the daemon's passes, and never at their cost. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld, THREE } from '../support/fleet-world.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let w: FleetWorld;
beforeEach(async () => {
  w = await fleetWorld(THREE.slice(0, 1));
  leavePacks(60);
});
afterEach(() => w.end());

let made = 0;

/** Small packs, as so many passes leave them. */
function leavePacks(count: number): void {
  for (let n = 0; n < count; n += 1) {
    made += 1;
    const blob = (text: string) => `blob\ndata ${text.length}\n${text}\n`;
    const input = blob(`one ${made}`) + blob(`two ${made}`);
    execFileSync('git', ['-c', 'fastimport.unpackLimit=1', 'fast-import', '--quiet'], { cwd: w.ops, input });
  }
  expect(packs()).toBeGreaterThanOrEqual(count);
}

const folder = () => join(w.ops, '.git/objects');
const packs = () => readdirSync(join(folder(), 'pack')).filter((name) => name.endsWith('.pack')).length;

test('reconcile --once leaves few packs behind, and what fails of it changes nothing of its outcome', async () => {
  const first = await w.cli('reconcile', '--once');
  expect([first.code, first.err.includes('maintenance')]).toEqual([0, false]);
  expect(packs()).toBeLessThan(10);
  expect(existsSync(join(folder(), 'info/commit-graphs'))).toBe(true);
  expect(await w.git(['status', '--porcelain'])).toBe('');
  await w.git(['fsck', '--strict']);

  leavePacks(60);
  const graphs = join(folder(), 'info/commit-graphs');
  rmSync(graphs, { recursive: true });
  writeFileSync(graphs, 'a file where git wants a folder');
  const again = await w.cli('reconcile', '--once');
  expect([again.code, again.err]).toEqual([0, '']);
  expect(packs()).toBeLessThan(10);
});

test('the daemon joins them beside its passes', async () => {
  const daemon = w.launch('reconcile', '--watch');
  await vi.waitFor(() => expect(packs()).toBeLessThan(10), { timeout: 60_000, interval: 50 });
  daemon.kill('SIGTERM');
  const end = await daemon;
  expect(end.exitCode).toBe(143);
  expect(end.stderr).not.toContain('maintenance');
  expect(await w.pidOf(THREE[0]!.name)).not.toBeNull();
});
