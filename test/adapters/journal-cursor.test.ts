import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CursorState, JournalCursor, type PollResult } from '../../src/adapters/journal-cursor.ts';
import { listMarketRuns, listRuns } from '../../src/adapters/journal-files.ts';
import { JournalFolders } from '../../src/adapters/journal-folders.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmfleet-cursor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const beat = (ts: number) => `{"ts": ${ts}, "type": "heartbeat", "market": "AMZN-USD"}\n`;
const path = (name: string) => join(folder, name);
const BASE = 'mm_AMZN-USD_20260216_000000.jsonl';

/** A cursor with its folder view; `poll` gives the result and the times and runs that it delivered. */
function reader(state?: CursorState) {
  const folders = new JournalFolders();
  const cursor = new JournalCursor(path('mm_AMZN-USD_*.jsonl'), 'AMZN-USD', state);
  const poll = () => {
    const got: (number | string)[] = [];
    folders.nextTick();
    const result = cursor.poll(folders, {
      startRun: (run) => void got.push(run.startedAt),
      event: (event) => void got.push(event.ts),
    });
    return { result, got };
  };
  return { cursor, poll };
}

const gaps = (result: PollResult) => (result.known ? result.gaps : result.reason);

test('delivers only what was appended and waits for the end of a torn line', () => {
  writeFileSync(path(BASE), beat(1) + beat(2).slice(0, 10));
  const { poll } = reader();
  expect(poll()).toMatchObject({ got: ['20260216_000000', 1], result: { newRun: true, badLines: 0 } });
  expect(poll()).toMatchObject({ got: [], result: { known: true, bytes: 0, newRun: false } });
  appendFileSync(path(BASE), beat(2).slice(10) + beat(3));
  expect(poll().got).toEqual([2, 3]);
});

test('goes over rotated pieces in numeric order, a torn end of a full piece included', () => {
  writeFileSync(path(BASE), beat(1));
  const { poll } = reader();
  poll();
  appendFileSync(path(BASE), beat(2) + beat(3).trimEnd());
  for (let k = 1; k <= 11; k += 1) writeFileSync(path(`mm_AMZN-USD_20260216_000000.${k}.jsonl`), beat(100 + k));
  symlinkSync('mm_AMZN-USD_20260216_000000.11.jsonl', path('mm_AMZN-USD_latest.jsonl'));
  expect(poll().got).toEqual([2, 3, ...Array.from({ length: 11 }, (_, k) => 101 + k)]);
  appendFileSync(path('mm_AMZN-USD_20260216_000000.11.jsonl'), beat(200));
  expect(poll().got).toEqual([200]);
});

test('reads the rest of the old run, then begins the newer one', () => {
  writeFileSync(path(BASE), beat(1));
  const { poll } = reader();
  poll();
  appendFileSync(path(BASE), beat(2));
  writeFileSync(path('mm_AMZN-USD_20260217_000000.jsonl'), beat(3));
  expect(poll()).toMatchObject({ got: [2, '20260217_000000', 3], result: { newRun: true } });
});

test('a truncated or replaced file is a gap and is read again from its start', () => {
  writeFileSync(path(BASE), beat(1) + beat(2));
  const { poll } = reader();
  poll();
  truncateSync(path(BASE), 0);
  appendFileSync(path(BASE), beat(9));
  const truncated = poll();
  expect(truncated.got).toEqual([9]);
  expect(gaps(truncated.result)).toEqual([`${BASE} was truncated`]);
  writeFileSync(path('other'), beat(10) + beat(11));
  renameSync(path('other'), path(BASE));
  const replaced = poll();
  expect(replaced.got).toEqual([10, 11]);
  expect(gaps(replaced.result)).toEqual([`${BASE} was replaced`]);
});

test('a copy in the place of the file goes on where it was read to, also from a stored state', () => {
  writeFileSync(path(BASE), beat(1) + beat(2) + beat(3).slice(0, 9));
  const first = reader();
  first.poll();
  const copy = (text: string) => {
    writeFileSync(path('copy'), text);
    renameSync(path('copy'), path(BASE));
  };
  copy(beat(1) + beat(2) + beat(3));
  const state = JSON.parse(JSON.stringify(first.cursor)) as CursorState;
  for (const { poll } of [reader(state), first]) {
    const { got, result } = poll();
    expect([got, gaps(result)]).toEqual([[3], []]);
  }
  // Nothing new in it, and then something.
  copy(beat(1) + beat(2) + beat(3));
  expect(first.poll()).toMatchObject({ got: [], result: { known: true, bytes: 0, gaps: [] } });
  appendFileSync(path(BASE), beat(4));
  expect(first.poll().got).toEqual([4]);
});

test('a file that was written anew and is longer than before is a gap and is read again from its start', () => {
  writeFileSync(path(BASE), beat(1) + beat(2));
  const { poll } = reader();
  poll();
  writeFileSync(path(BASE), beat(11) + beat(12) + beat(13));
  const { got, result } = poll();
  expect([got, gaps(result)]).toEqual([[11, 12, 13], [`${BASE} was rewritten`]]);
  appendFileSync(path(BASE), beat(14));
  expect(poll()).toMatchObject({ got: [14], result: { gaps: [] } });
});

test('a vanished journal and a vanished folder are unknown, never empty', () => {
  writeFileSync(path(BASE), beat(1));
  const { poll } = reader();
  poll();
  unlinkSync(path(BASE));
  expect(poll().result).toMatchObject({ known: false });
  rmSync(folder, { recursive: true });
  expect(poll().result).toEqual({ known: false, reason: 'journal folder cannot be read' });
});

test('an empty journal is known and begins a run', () => {
  writeFileSync(path(BASE), '');
  expect(reader().poll()).toMatchObject({ got: ['20260216_000000'], result: { known: true, bytes: 0 } });
});

test('goes on after its state was stored, with file and line of a bad line', () => {
  writeFileSync(path(BASE), `${beat(1)}\n${beat(2)}`);
  const first = reader();
  first.poll();
  const state = JSON.parse(JSON.stringify(first.cursor)) as CursorState;
  appendFileSync(path(BASE), `nonsense\n${beat(3)}`);
  const { got, result } = reader(state).poll();
  expect(got).toEqual([3]);
  expect(result).toMatchObject({
    badLines: 1,
    firstBadLines: [{ file: path(BASE), line: 4, reason: 'json' }],
    newRun: false,
  });
});

test('a restart while nobody looked: the rest of the old run first', () => {
  writeFileSync(path(BASE), beat(1));
  const first = reader();
  first.poll();
  appendFileSync(path(BASE), beat(2));
  writeFileSync(path('mm_AMZN-USD_20260217_000000.jsonl'), beat(3));
  expect(reader(first.cursor.toJSON()).poll().got).toEqual([2, '20260217_000000', 3]);
});

test('a line too long to be held is one bad line, also when it ends in a later poll', () => {
  const half = Buffer.alloc(9 * 1024 * 1024, 'x');
  writeFileSync(path(BASE), beat(1));
  appendFileSync(path(BASE), half);
  appendFileSync(path(BASE), half);
  const { poll } = reader();
  expect(poll().got).toEqual(['20260216_000000', 1]);
  appendFileSync(path(BASE), `${'x'.repeat(100)}\n${beat(2)}`);
  expect(poll()).toMatchObject({
    got: [2],
    result: { badLines: 1, firstBadLines: [{ line: 2, reason: 'too_long' }] },
  });
});

test('a cursor that comes later to a folder that stands still finds its journal', () => {
  writeFileSync(path(BASE), beat(1));
  writeFileSync(path('mm_MON-USD_20260216_000000.jsonl'), beat(2));
  utimesSync(folder, 1, 1);
  const folders = new JournalFolders();
  const got = ['AMZN-USD', 'MON-USD', 'AMZN-USD'].map((market) => {
    folders.nextTick();
    const events: number[] = [];
    const cursor = new JournalCursor(path(`mm_${market}_*.jsonl`), market);
    const polled = cursor.poll(folders, { startRun: () => {}, event: (event) => void events.push(event.ts) });
    return [polled.known, events];
  });
  expect(got).toEqual([
    [true, [1]],
    [true, [2]],
    [true, [1]],
  ]);
});

test('never takes the journal of a market whose name begins with this one, a tuning log or the link', () => {
  for (const name of [
    BASE,
    'mm_AMZN-USD_24_5_20260218_000000.jsonl',
    'mm_tuning_log_AMZN-USD_20260219_000000.jsonl',
    'mm_AMZN-USD_latest.jsonl',
  ]) {
    writeFileSync(path(name), beat(1));
  }
  const runs = listMarketRuns(path('mm_AMZN-USD_*.jsonl'), 'AMZN-USD');
  expect(runs).toEqual({
    ok: true,
    value: [{ market: 'AMZN-USD', startedAt: '20260216_000000', paths: [path(BASE)] }],
  });
  const all = listRuns([folder]);
  expect(all.ok && all.value.map((run) => run.market)).toEqual(['AMZN-USD', 'AMZN-USD_24_5']);
  expect(listRuns([path('nothing')])).toMatchObject({ ok: false, problem: { code: 'journal-not-found' } });
});
