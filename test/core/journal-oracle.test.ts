import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listRuns, scanFile } from '../../src/adapters/journal-files.ts';
import type { JournalItem } from '../../src/core/journal/report.ts';
import { LineScanner } from '../../src/core/journal/scan.ts';
import { analyseFiles } from '../../src/shell/commands/analyse.ts';
import { type Expected, SCENARIOS, unpackScenario } from '../support/journal-fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'mmfleet-journal-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const close = (found: number | undefined, wanted: string | null) => {
  if (wanted === null) expect(found).toBeUndefined();
  else expect(Math.abs(found! - Number(wanted))).toBeLessThanOrEqual(1e-9 * Math.abs(Number(wanted)));
};
const value = <T>(metric: object) => ('value' in metric ? (metric.value as T) : undefined);

describe.each(SCENARIOS)('%s', (name) => {
  const dir = join(folder, name);
  let want: Expected;
  let files: string[];
  beforeAll(() => {
    want = unpackScenario(name, dir);
    const runs = listRuns([dir]);
    if (!runs.ok) throw new Error(runs.problem.message);
    expect(runs.value.map((run) => run.market)).toEqual([want.market]);
    files = runs.value[0]!.paths;
  });

  const analyse = (lastFills: number, strict: boolean): JournalItem => {
    const item = analyseFiles(want.market, files, { lastFills, assumedFeeBps: 0, strict });
    if (!item.ok) throw new Error(item.problem.message);
    return item.value;
  };

  test.each([false, true])('agrees with the independent numbers (every line through the full parser: %s)', (strict) => {
    const { counts, metrics, window } = analyse(100, strict);
    const { expect: e } = want;
    expect(counts).toMatchObject({ events: e.events, fills: e.fills, orders: e.orders, snapshots: e.snapshots });
    expect(counts.cancellations).toBe(e.cancellations ?? 0);
    expect(counts.rejections).toBe(e.rejections ?? 0);
    expect(counts.postOnlyRejections).toBe(e.post_only_rejects ?? 0);
    expect(window.durationS).toBeCloseTo(e.duration_s, 6);
    close(value(metrics.fillRatio), e.fill_rate_pct === null ? null : String(Number(e.fill_rate_pct) / 100));
    close(value(metrics.edgeBps), e.avg_edge_bps);
    close(value(metrics.adverseFillRatio), e.adverse_fill_ratio);
    close(value(metrics.takerNotionalRatio), e.taker_fill_notional_ratio);
    expect(Number(value<string>(metrics.positionBase) ?? Number.NaN)).toBe(Number(e.final_position ?? Number.NaN));
    for (const [horizon, bps] of Object.entries(e.markout_bps)) {
      const found = metrics.markoutBps[horizon as '5s'];
      close(value(found), bps);
      expect('n' in found ? found.n : 0).toBe(e.markout_counts[horizon]);
    }
  });

  test('agrees on the realised PnL of the last fills', () => {
    for (const [n, pnl] of Object.entries(want.expect.realized_pnl_last_n)) {
      const found = value<string>(analyse(Number(n), false).metrics.realizedPnlUsd);
      expect(found === undefined ? null : Number(found), `last ${n}`).toBe(pnl === null ? null : Number(pnl));
    }
  });

  test.each(['quick', 'full'] as const)('drops the same lines (%s)', (mode) => {
    for (const file of files) {
      const dropped: number[] = [];
      const sink = { event: () => {}, bad: (line: number) => void dropped.push(line) };
      const read = scanFile(file, new LineScanner(sink, mode));
      expect(read).toEqual({ ok: true, value: { bytes: readFileSync(file).length } });
      expect(dropped).toEqual((want.dropped[basename(file)] ?? []).map(({ line }) => line));
    }
  });

  test('needs the full parser for few lines only', () => {
    const { counts, reading } = analyse(100, false);
    expect(reading.fullyParsedLines).toBeLessThan(counts.badLines + 60);
    expect(readdirSync(dir).length).toBe(files.length + 1);
  });
});
