/** Whoever reads what a command says gets all of it, however late, and may leave at any time. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CLI } from '../support/fleet-world.ts';

const dir = mkdtempSync(join(tmpdir(), 'mmfleet-output-'));
// More than a pipe holds.
const MARKETS = 60;
const PIPE_BYTES = 64 * 1024;
for (let n = 0; n < MARKETS; n += 1)
  writeFileSync(join(dir, `mm_M${n}-USD_20260216_000000.jsonl`), '{"ts": 1, "type": "heartbeat"}\n');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const through = (script: string, args: string[]) =>
  spawnSync('bash', ['-c', script, process.execPath, CLI, ...args], { cwd: dir, encoding: 'utf8' });

// The first is answered by a script of its own, which writes by itself.
describe.each([
  ['the short way', ['analyse', dir, '--json']],
  ['the long way', ['-C', '.', 'analyse', dir, '--json']],
])('%s', (_, args) => {
  test('a reader that begins later than the command ends', () => {
    const { stdout, stderr } = through('set -o pipefail; "$0" "$@" | { sleep 2; cat; } || echo "exit $?" >&2', args);
    expect(stderr).toBe('');
    expect(stdout.length).toBeGreaterThan(PIPE_BYTES);
    expect((JSON.parse(stdout) as { items: unknown[] }).items).toHaveLength(MARKETS);
  });

  test('a reader that leaves is not an error', () => {
    const { stdout, stderr } = through('{ "$0" "$@"; echo "exit $?" >&2; } | head -c 3', args);
    expect({ stdout, stderr }).toEqual({ stdout: '{\n ', stderr: 'exit 0\n' });
  });
});

// Also where the answer was known before anything was loaded.
test.each([['--version'], ['--help'], ['status --help'], [`analyse ${dir}`], ['analyse . --json']])(
  'a full disk is an error: %s',
  (words) => {
    const { status, stderr } = through('"$0" "$@" > /dev/full', words.split(' '));
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'the output could not be written: ENOSPC\n' });
  },
);
