/** `analyse` of files has a short way through the program: it must say what the long one says. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { plainlyAsked } from '../../src/shell/plain-analyse.ts';
import { CLI } from '../support/fleet-world.ts';
import { writeJournal } from '../support/journal-generator.ts';

const dir = mkdtempSync(join(tmpdir(), 'mmfleet-plain-'));
const path = join(dir, 'mm_SOL-USD_20260216_000000.jsonl');
writeJournal(path, 400_000);
writeFileSync(join(dir, 'bad.jsonl'), 'x\n{"ts": 1, "type": "fill"}\n');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const said = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', cwd: dir });
  return { status, stdout, stderr };
};

test.each([
  [[path]],
  [[path, '--json']],
  [['--tail', '--last-fills', '20', path, '--json']],
  [['--assumed-fee-bps', '2.5', path, 'bad.jsonl', '--json']],
  [['bad.jsonl']],
  [[dir, '--json']],
])('%j', (args) => {
  expect(plainlyAsked(['analyse', ...args.map((arg) => (arg === 'bad.jsonl' ? join(dir, arg) : arg))])).not.toBeNull();
  const [short, long] = [said('analyse', ...args), said('-C', '.', 'analyse', ...args)];
  expect(short).toEqual(long);
});

test('of a journal without a fill no share of takers is told, and the document says that it is of nothing', () => {
  expect(said('analyse', 'bad.jsonl').stdout).toMatch(/^ {2}taker share +- \(no fills\)$/m);
  const { items } = JSON.parse(said('analyse', 'bad.jsonl', '--json').stdout) as {
    items: { metrics: { takerNotionalRatio: unknown } }[];
  };
  expect(items[0]?.metrics.takerNotionalRatio).toEqual({ value: 0, n: 0 });
});

test.each([
  [['analyse']],
  [['analyse', 'amzn']],
  [['analyse', join(dir, '*.jsonl')]],
  [['analyse', path, '--last-fills']],
  [['analyse', path, '--last-fills', '0']],
  [['analyse', path, '--last-fills', 'many']],
  [['analyse', path, '--last-fills=5']],
  [['analyse', path, '--assumed-fee-bps', '-1']],
  [['analyse', path, '-C', dir]],
  [['analyse', path, '--help']],
  [['analyse', '--', path]],
  [['status', path]],
])('%j is for the whole program', (argv) => {
  expect(plainlyAsked(argv)).toBeNull();
});
