/** The program that one Node built says nothing about the Node that runs it, whichever of those we support: `.ci/run` has both. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { nameOf, writeFleet } from '../bench/thousand.ts';
import { CLI } from '../support/fleet-world.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-other-node-'));
  writeFleet(join(dir, 'ops'), 2);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

// Each is made of other pieces; a second time it finds what the first kept.
test.each([
  '--version',
  '--help',
  'status --help',
  'validate',
  'plan',
  'status',
  `why ${nameOf(1)}`,
  `history ${nameOf(1)}`,
  'audit verify',
  `analyse ${nameOf(1)}`,
  'analyse data/mm_journal',
])('%s', (args) => {
  for (const time of ['first', 'second']) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args.split(' ')], {
      cwd: join(dir, 'ops'),
      encoding: 'utf8',
    });
    expect({ status, stderr, said: stdout.length > 0 }, time).toEqual({ status: 0, stderr: '', said: true });
  }
});
