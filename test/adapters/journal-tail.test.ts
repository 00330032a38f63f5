import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTail } from '../../src/adapters/journal-tail.ts';
import type { JournalItem } from '../../src/core/journal/report.ts';
import type { FillEvent } from '../../src/core/journal/types.ts';
import { analyseFiles, analyseTail, runAnalyse } from '../../src/shell/commands/analyse.ts';
import { journalLines } from '../support/journal-generator.ts';

const folder = mkdtempSync(join(tmpdir(), 'mmfleet-tail-'));
const pieces = ['', '.1', '.2', '.10'].map((k) => join(folder, `mm_SOL-USD_20260216_000000${k}.jsonl`));
const fillTs: number[] = [];
beforeAll(() => {
  const source = journalLines(5);
  for (const piece of pieces) {
    const lines = Array.from({ length: 3000 }, () => source.next().value as string);
    for (const line of lines) if (line.includes('"type": "fill"')) fillTs.push(JSON.parse(line).ts);
    writeFileSync(piece, `${lines.join('\n')}\n`);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fillsOf = (fills: number, horizonS: number) => {
  let tries = 0;
  const read = readTail(pieces, { fills, horizonS }, () => {
    tries += 1;
    const got: FillEvent[] = [];
    return {
      got,
      event: (event) => void (event.type === 'fill' && got.push(event)),
      bad: (line, reason) => expect.fail(`bad line ${line}: ${reason}`),
    };
  });
  if (!read.ok) throw new Error(read.problem.message);
  return { ...read.value, tries, ts: read.value.sink.got.map((fill) => fill.ts) };
};

test.each([1, 50, 300])('the last %i fills come whole and in order, with little read', (fills) => {
  const { ts, whole, bytes } = fillsOf(fills, 0);
  expect(ts.length).toBeGreaterThanOrEqual(fills);
  expect(ts).toEqual(fillTs.slice(-ts.length));
  expect(whole).toBe(false);
  expect(bytes).toBeLessThan(5e6);
});

test('goes further back for fills whose markouts are known', () => {
  const { ts, tries } = fillsOf(50, 3600);
  expect(tries, 'what is too new is not counted').toBe(1);
  const newest = fillTs.at(-1)!;
  expect(ts.filter((t) => t <= newest - 3600).length).toBeGreaterThanOrEqual(50);
});

test('more fills than there are: everything', () => {
  const { ts, whole } = fillsOf(1e6, 0);
  expect(whole).toBe(true);
  expect(ts).toEqual(fillTs);
});

test('words that look like fills do not shorten the window', () => {
  const path = join(folder, 'noise.jsonl');
  const source = journalLines(6);
  const lines = Array.from({ length: 3000 }, () => source.next().value as string);
  writeFileSync(path, `${lines.join('\n')}\n`);
  appendFileSync(path, `${'{"ts": 1771200000.5, "type": "note", "about": "fill"}\n'.repeat(20_000)}`);
  const options = { lastFills: 40, assumedFeeBps: 0 };
  const tail = analyseTail('SOL-USD', [path], options);
  const all = analyseFiles('SOL-USD', [path], options);
  if (!tail.ok || !all.ok) throw new Error('not read');
  expect(tail.value.metrics.realizedPnlUsd).toEqual(all.value.metrics.realizedPnlUsd);
});

test.each([1, 7, 40, 300])(
  'the report of the end has the PnL, position and time of the whole, last %i fills',
  (lastFills) => {
    const options = { lastFills, assumedFeeBps: 0 };
    const [tail, all] = [analyseTail('SOL-USD', pieces, options), analyseFiles('SOL-USD', pieces, options)];
    if (!tail.ok || !all.ok) throw new Error('not read');
    expect(tail.value.reading.tail).toBe(true);
    expect(tail.value.bytes).toBeLessThan(all.value.bytes);
    const kept = ({ metrics: m, window }: JournalItem) => ({
      pnl: m.realizedPnlUsd,
      carried: m.realizedPnlCarriedUsd,
      position: 'value' in m.positionBase && m.positionBase.value,
      end: window.endTs,
      pending: m.markoutBps['2m'].pending,
    });
    expect(kept(tail.value)).toEqual(kept(all.value));
    expect(tail.value.metrics.markoutBps['2m'].pending).toBeLessThan(tail.value.counts.fills - lastFills + 1);
  },
);

test('the end of a journal whose lines are badly out of order is sorted too', () => {
  const path = join(folder, 'disorder.jsonl');
  const source = journalLines(8);
  const lines = Array.from({ length: 6000 }, () => source.next().value as string);
  for (let at = 1; at + 400 < lines.length; at += 400) {
    lines.splice(at, 400, ...lines.slice(at + 200, at + 400), ...lines.slice(at, at + 200));
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
  const options = { lastFills: 20, assumedFeeBps: 0 };
  const tail = analyseTail('SOL-USD', [path], options);
  if (!tail.ok) throw new Error('not read');
  expect(tail.value.reading).toMatchObject({ tail: true, sortedByTime: true });
  // The same bytes alone in a file.
  const alone = join(folder, 'alone.jsonl');
  writeFileSync(alone, readFileSync(path).subarray(-tail.value.bytes));
  const all = analyseFiles('SOL-USD', [alone], options);
  if (!all.ok) throw new Error('not read');
  expect(tail.value.metrics).toEqual(all.value.metrics);
});

async function analyse(paths: string[], json: boolean) {
  const [out, err]: [string[], string[]] = [[], []];
  const io = { out: (t: string) => void out.push(t), err: (t: string) => void err.push(t) };
  const shape = { isTTY: false, color: false, columns: 100 };
  const code = await runAnalyse(paths, { lastFills: 10, assumedFeeBps: 0, json }, { ...io, ...shape });
  return { code, out: out.join(''), err: err.join('') };
}

test('analyse joins the pieces of a run in numeric order, however they are given', async () => {
  const given = await analyse([...pieces].reverse(), true);
  const byFolder = await analyse([join(folder, 'mm_SOL-USD_*.jsonl')], true);
  expect(given).toEqual(byFolder);
  const report = JSON.parse(given.out);
  expect(report).toMatchObject({ apiVersion: 'mmfleet/v1', kind: 'JournalReport', problems: [] });
  expect(report.items).toHaveLength(1);
  expect(report.items[0]).toMatchObject({ market: 'SOL-USD', files: pieces, counts: { lines: 12_000, badLines: 0 } });
  expect(report.items[0].counts.fills).toBe(fillTs.length);
  expect(report.items[0].runs).toHaveLength(1);
});

test('analyse prints a block a market, exits 0 on a file of nonsense and 3 on a wrong path', async () => {
  const nonsense = join(folder, 'mm_MON-USD_20260216_000000.jsonl');
  writeFileSync(nonsense, 'nonsense\n'.repeat(7));
  const read = await analyse([pieces[0]!, nonsense], false);
  expect(read).toMatchObject({ code: 0, err: '' });
  expect(read.out).toMatch(/^SOL-USD {2}.*\n(?: {2}.*\n)+\nMON-USD {2}.*\n(?: {2}.*\n)+$/);
  expect(read.out).toContain(`${nonsense}:1 json`);
  const wrong = await analyse([join(folder, 'mm_NO-USD_20260216_000000.jsonl')], false);
  expect(wrong).toMatchObject({ code: 3, out: '' });
  expect(wrong.err).toContain('no such file');
});
