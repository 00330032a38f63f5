/** What is told of a folder by its newest names must be what grouping all of its names anew tells. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { JournalCursor } from '../../src/adapters/journal-cursor.ts';
import { endOf, type JournalEnd, stillEnds } from '../../src/adapters/journal-end.ts';
import { groupRuns, listMarketRuns, type RunFiles, runOf } from '../../src/adapters/journal-files.ts';
import { JournalFolders } from '../../src/adapters/journal-folders.ts';
import { namesByMarket } from '../../src/core/journal/names.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmfleet-folders-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Some are the beginning of others, or look like them. */
const MARKETS = ['AMZN', 'AMZN_24_5', 'AMZN_20260216', 'MON-USD', 'tuning_log_AMZN'];
const STARTS = ['20260215_235959', '20260216_000000', '20260216_000001', '20270101_000000'];
const TAILS = ['.jsonl', '.1.jsonl', '.2.jsonl', '.10.jsonl', '.jsonl.gz', '.1.jsonl.tmp', '.1234567890.jsonl'];
const PATTERNS = [
  'mm_{}_*.jsonl',
  'mm_{}_2026*.jsonl',
  'mm_{}_*_000000*.jsonl',
  'mm_{}_????????_*.jsonl',
  '*.1*.jsonl',
];

const nameOf = (...markets: string[]) =>
  fc
    .tuple(fc.constantFrom(...markets), fc.constantFrom(...STARTS), fc.constantFrom(...TAILS))
    .map(([market, start, tail]) => `mm_${market}_${start}${tail}`);
const stepOf = (name: fc.Arbitrary<string>) =>
  fc.record({ kind: fc.constantFrom('come', 'come', 'come', 'go', 'go', 'move', 'link', 'none'), name, to: name });
const stepsOf = (name: fc.Arbitrary<string>) => fc.array(stepOf(name), { minLength: 1, maxLength: 30 });
type Step = { kind: string; name: string; to: string };

/** `n` is the time that the folder gets: long past, so that one which stands still is not listed again. */
function take({ kind, name, to }: Step, n: number): void {
  const path = join(folder, name);
  if (kind === 'none') return;
  if (kind === 'come') writeFileSync(path, '');
  if (kind === 'go') rmSync(path, { force: true });
  if (kind === 'link') {
    rmSync(join(folder, 'mm_AMZN_latest.jsonl'), { force: true });
    symlinkSync(name, join(folder, 'mm_AMZN_latest.jsonl'));
  }
  if (kind === 'move' && readdirSync(folder).includes(name)) renameSync(path, join(folder, to));
  utimesSync(folder, n, n);
}

function grouped(pattern: string, market: string): RunFiles[] {
  const listed = listMarketRuns(pattern, market);
  if (!listed.ok) throw new Error(listed.problem.message);
  return listed.value;
}

const inTurn = (market: string) => PATTERNS.map((p) => [join(folder, p.replace('{}', market)), market] as const);
const ASKED = () => MARKETS.flatMap(inTurn);

test('property: names come and go, and what is told of each market is what grouping them anew tells', () => {
  fc.assert(
    fc.property(stepsOf(nameOf(...MARKETS)), (steps) => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { force: true });
      utimesSync(folder, 1, 1);
      const folders = new JournalFolders();
      const ends = new Map<string, { end: JournalEnd; newest: RunFiles; version: number }>();
      for (const [n, step] of steps.entries()) {
        take(step, n + 2);
        folders.nextTick();
        for (const [pattern, market] of ASKED()) {
          const want = grouped(pattern, market);
          const runs = folders.runs(pattern, market);
          expect(runs?.newest).toEqual(want.at(-1));
          expect(runs?.all() ?? []).toEqual(want);
          const before = ends.get(pattern + market);
          const newest = grouped(join(folder, `mm_${market}_*`), market).at(-1);
          if (before !== undefined) {
            // Other files of the same names may have come meanwhile: then it does not end there either.
            const stands = stillEnds(folders, folder, market, before.end);
            expect(stillEnds(folders, folder, market, before.end, before.version)).toBe(stands);
            if (stands !== null) expect([newest, want.at(-1)]).toEqual([before.newest, before.newest]);
            else expect(endOf(folders, pattern, market)).not.toEqual(before.end);
          }
          const end = endOf(folders, pattern, market);
          // Of a pattern that leaves out newer pieces no end is told: they would not be seen to change.
          expect(end?.piece).toBe(
            JSON.stringify(want.at(-1)) === JSON.stringify(newest) ? newest?.paths.at(-1) : undefined,
          );
          if (end === null) ends.delete(pattern + market);
          else ends.set(pattern + market, { end, newest: newest!, version: folders.look(folder).version });
        }
        folders.forget();
      }
    }),
    { numRuns: 60 },
  );
});

test('property: a cursor that followed every change stands where a new one would begin', () => {
  const market = 'AMZN';
  const pattern = () => join(folder, `mm_${market}_*.jsonl`);
  fc.assert(
    fc.property(stepsOf(nameOf(market, market, market, 'AMZN_24_5')), (steps) => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { force: true });
      utimesSync(folder, 1, 1);
      const folders = new JournalFolders();
      const cursor = new JournalCursor(pattern(), market);
      const sink = { startRun: () => {}, event: () => {} };
      for (const [n, step] of steps.entries()) {
        take(step, n + 2);
        folders.nextTick();
        const polled = cursor.poll(folders, sink);
        const anew = new JournalCursor(pattern(), market).poll(new JournalFolders(), sink);
        expect([polled.known, polled.known || polled.reason]).toEqual([anew.known, anew.known || anew.reason]);
        if (polled.known && anew.known) expect(basename(polled.path)).toBe(basename(anew.path));
      }
    }),
    { numRuns: 120 },
  );
});

test('property: in whichever order a folder gives its names', () => {
  fc.assert(
    fc.property(fc.uniqueArray(nameOf(...MARKETS), { maxLength: 40 }), (names) => {
      const byMarket = namesByMarket(names);
      for (const market of MARKETS) {
        const found = byMarket.get(market);
        const want = groupRuns('', names, `mm_${market}_*`, market);
        expect(found === undefined ? undefined : runOf('', found.newest)).toEqual(want.at(-1));
        expect(found === undefined ? [] : groupRuns('', found.names, `mm_${market}_*`, market)).toEqual(want);
      }
    }),
  );
});

test('a folder that stands still by its time is not listed again, nor for a market that has no journal in it', () => {
  const folders = new JournalFolders();
  const put = (name: string, time: number) => {
    writeFileSync(join(folder, name), '');
    utimesSync(folder, time, time);
    folders.nextTick();
  };
  const patternOf = (market: string) => join(folder, `mm_${market}_*.jsonl`);
  const cursor = new JournalCursor(patternOf('MON'), 'MON');
  const poll = () => cursor.poll(folders, { startRun: () => {}, event: () => {} });
  put('mm_AMZN_20260216_000000.jsonl', 1);
  expect(poll()).toEqual({ known: false, reason: 'no journal' });
  const end = endOf(folders, patternOf('AMZN'), 'AMZN')!;
  const seen = stillEnds(folders, folder, 'AMZN', end)!;
  // What shows that it was not listed: a time that is put back hides what came.
  put('mm_AMZN_20260217_000000.jsonl', 1);
  put('mm_MON_20260216_000000.jsonl', 1);
  expect([poll().known, stillEnds(folders, folder, 'AMZN', end, seen)]).toEqual([false, seen]);
  put('mm_MON_20260216_000000.1.jsonl', 2);
  expect([poll().known, stillEnds(folders, folder, 'AMZN', end, seen)]).toEqual([true, null]);
});

test('a folder that cannot be read is not one without journals', () => {
  const folders = new JournalFolders();
  const gone = join(folder, 'gone');
  expect(folders.runs(join(gone, 'mm_AMZN_*.jsonl'), 'AMZN')).toBeUndefined();
  expect(folders.runs(join(folder, 'mm_AMZN_*.jsonl'), 'AMZN')).toBeNull();
  expect([folders.newest(gone, 'AMZN'), folders.newest(folder, 'AMZN')]).toEqual([null, null]);
});

test('a folder that could not be read is looked at again, whatever its time says', () => {
  const folders = new JournalFolders();
  const journals = join(folder, 'journals');
  const pattern = join(journals, 'mm_AMZN_*.jsonl');
  // Who reads it as root is refused nothing: a file in its place cannot be listed by anybody.
  writeFileSync(journals, '');
  utimesSync(journals, 1, 1);
  expect([folders.runs(pattern, 'AMZN'), folders.look(journals).readable]).toEqual([undefined, false]);
  rmSync(journals);
  mkdirSync(journals);
  writeFileSync(join(journals, 'mm_AMZN_20260216_000000.jsonl'), '');
  utimesSync(journals, 1, 1);
  folders.nextTick();
  expect(folders.look(journals).readable).toBe(true);
  expect(folders.runs(pattern, 'AMZN')?.newest.startedAt).toBe('20260216_000000');
});
