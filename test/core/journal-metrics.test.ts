import { describe, expect, test } from 'vitest';
import { JournalAnalysis } from '../../src/core/journal/analysis.ts';
import { realizedPnl } from '../../src/core/journal/fifo.ts';
import { MarkoutBook, type Point, PointSeries } from '../../src/core/journal/markout-book.ts';
import { pieceName } from '../../src/core/journal/names.ts';
import { parseBytes, parseLine } from '../../src/core/journal/parse.ts';
import { random } from '../support/journal-generator.ts';

const reasonOf = (text: string) => {
  const parsed = parseLine(text);
  return parsed.ok ? 'good' : parsed.reason;
};

describe('a line', () => {
  const fill = '"type": "fill", "side": "BUY", "price": "2", "qty": "1", "fee": null';
  test.each([
    { given: '{"ts": 1, "type": "x"}', want: 'good' },
    { given: '{"ts": 1, "type": "x", "mid": "1E-7", "price": "0E-8", "fee": 1e3}', want: 'good' },
    { given: '{"ts": 1, "type": "x", "mid": null}', want: 'good' },
    { given: '{"ts": 1, "type": "x", "mid": true}', want: 'bad_number' },
    { given: '{"ts": 1, "type": "x", "mid": "Infinity"}', want: 'bad_number' },
    { given: '{"ts": 1, "type": "x", "mid": ""}', want: 'bad_number' },
    { given: '{"ts": 1, "type": "x", "mid": [1]}', want: 'bad_number' },
    { given: '{"ts": 1, "type": "x", "ratio": "Infinity"}', want: 'good' },
    { given: '{"ts": 1, "type": "x", "mid": NaN}', want: 'json' },
    { given: '{"ts": 1e999, "type": "x"}', want: 'no_ts' },
    { given: '{"ts": "1", "type": "x"}', want: 'no_ts' },
    { given: '{"ts": 1, "type": 5}', want: 'no_type' },
    { given: '[]', want: 'not_object' },
    { given: 'null', want: 'not_object' },
    { given: `{"ts": 1, ${fill}}`, want: 'good' },
    { given: `{"ts": 1, ${fill.replace(', "fee": null', '')}}`, want: 'missing_field' },
    { given: `{"ts": 1, ${fill.replace('"2"', 'null')}}`, want: 'missing_field' },
    { given: '{"ts": 1, "type": "order_placed", "side": "BUY"}', want: 'missing_field' },
  ])('$given is $want', ({ given, want }) => expect(reasonOf(given)).toBe(want));

  test('is bad when it is not UTF-8 or begins with a byte order mark, and nothing when blank', () => {
    expect(parseBytes(Buffer.from([0x7b, 0xff, 0x7d]))).toEqual({ ok: false, reason: 'utf8' });
    expect(parseBytes(Buffer.from('\ufeff{"ts": 1, "type": "x"}'))).toEqual({ ok: false, reason: 'json' });
    expect(parseBytes(Buffer.from(' \t\r'))).toBeNull();
  });

  test('keeps the digits of its own id, not of a nested or quoted one', () => {
    const id = '1784963886257016901';
    const decoys = `"note": "\\"trade_id\\": 1", "market_snapshot": {"trade_id": 2}`;
    const parsed = parseLine(`{"ts": 1, ${fill}, "trade_id": ${id}, ${decoys}}`);
    expect(parsed.ok && parsed.event).toMatchObject({ type: 'fill', tradeId: id, fee: null, side: 'buy' });
  });

  test('takes its mid from mid, mark price or both best prices, in that order', () => {
    const midOf = (fields: string) => {
      const parsed = parseLine(`{"ts": 1, "type": "x", ${fields}}`);
      return parsed.ok ? parsed.event.mid : 'bad';
    };
    expect(midOf('"mid": "3", "mark_price": "4"')).toBe(3);
    expect(midOf('"mid": null, "mark_price": "4", "best_bid": "1", "best_ask": "2"')).toBe(4);
    expect(midOf('"best_bid": "1", "best_ask": "2"')).toBe(1.5);
    expect(midOf('"best_bid": "1", "best_ask": null')).toBeNull();
  });
});

test.each([
  { name: 'mm_AMZN_24_5-USD_20260216_000000.jsonl', want: { market: 'AMZN_24_5-USD', piece: 0 } },
  { name: 'mm_SPX500m-USD_20260216_000000.10.jsonl', want: { market: 'SPX500m-USD', piece: 10 } },
  { name: 'mm_AMZN-USD_latest.jsonl', want: null },
  { name: 'mm_tuning_log_AMZN-USD_20260216_000000.jsonl', want: null },
  { name: 'mm_AMZN-USD_20260216_000000.analysis.txt', want: null },
])('$name names $want', ({ name, want }) => {
  if (want === null) expect(pieceName(name)).toBeNull();
  else expect(pieceName(name)).toMatchObject(want);
});

test('realised PnL matches the oldest lots first and may open with a carried position', () => {
  const trades = [
    { sign: 1, price: '10', qty: '2' },
    { sign: 1, price: '11', qty: '1' },
    { sign: 0, price: '1', qty: '9' },
    { sign: -1, price: '12', qty: '2.5' },
    { sign: -1, price: '0', qty: '1' },
  ] as const;
  expect(realizedPnl([...trades]).toString()).toBe('4.5');
  expect(realizedPnl([...trades], { position: '-1', price: 9 }).toString()).toBe('2');
  expect(realizedPnl([]).toString()).toBe('0');
});

test('markouts in a small window of disorder equal those over all points sorted by time', () => {
  const rnd = random(11);
  const points: Point[] = [];
  for (let n = 0; n < 3000; n += 1) {
    const sign = rnd() < 0.1 ? (rnd() < 0.5 ? 1 : -1) : 0;
    points.push({ ts: n + (rnd() - 0.5) * 4, sign, price: 100 + rnd() });
  }
  const [book, series] = [new MarkoutBook(), new PointSeries()];
  for (const point of points) {
    book.add(point.ts, point.sign, point.price);
    series.add(point);
  }
  expect(book.late).toBe(0);
  const streamed = book.finish();
  expect(streamed).toEqual(series.summarise());
  // Independently: the first mid at or after the time, at most a minute later, among all points sorted by time.
  const mids = points.filter((p) => p.sign === 0).sort((a, b) => a.ts - b.ts);
  const values = points.flatMap(({ ts, sign, price }) => {
    const mid = sign === 0 ? undefined : mids.find((m) => m.ts >= ts + 5 && m.ts <= ts + 65);
    return mid === undefined ? [] : [(1e4 * sign * (mid.price - price)) / price];
  });
  expect(streamed['5s'].n).toBe(values.length);
  expect(streamed['5s'].mean).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 9);
});

test('a fill without a mid in time is missed, one at the end is pending; a clock that jumps back asks for sorting', () => {
  const book = new MarkoutBook();
  book.add(0, 1, 100);
  book.add(61, 0, 101);
  const { '1s': one, '5s': five, '2m': two } = book.finish();
  expect(one).toEqual({ mean: 100, n: 1, pending: 0, missed: 0 });
  expect(five.n).toBe(1);
  expect(two).toEqual({ mean: null, n: 0, pending: 1, missed: 0 });
  const late = new MarkoutBook();
  for (const ts of [100, 200, 99]) late.add(ts, 0, 1);
  expect(late.late).toBe(1);
  const missed = new MarkoutBook();
  missed.add(0, -1, 100);
  missed.add(61.5, 0, 101);
  expect(missed.finish()['1s']).toEqual({ mean: null, n: 0, pending: 0, missed: 1 });
});

test('runs, duplicate fills, heartbeat gaps, schema versions and a carried position', () => {
  const analysis = new JournalAnalysis({ lastFills: 1, assumedFeeBps: 10 });
  const add = (ts: number, rest: string, run = 'a') => {
    const parsed = parseLine(`{"ts": ${ts}, "run_id": "${run}", ${rest}}`);
    if (!parsed.ok) throw new Error(parsed.reason);
    analysis.add(parsed.event, parsed.schema);
  };
  const fill = '"type": "fill", "trade_id": 7, "side": "SELL", "price": "11", "qty": "1", "fee": "0.5", "mid": "10"';
  add(0, '"schema_version": 2, "type": "run_start", "provenance": {"env_file": ".env.x"}');
  add(1, '"schema_version": 1, "type": "heartbeat", "position": "2"');
  add(62, '"type": "heartbeat"');
  add(63, `"schema_version": 2, ${fill}`);
  add(64, `"schema_version": 2, ${fill}, "position": "0"`, 'b');
  add(65, `"schema_version": 2, ${fill}`, 'b');
  const report = analysis.finish({ market: 'X', files: [], bytes: 0, fullyParsedLines: 0 });
  expect(report.counts).toMatchObject({ fills: 3, duplicateFills: 1, events: 6 });
  expect(report.heartbeatGaps).toMatchObject({ count: 1, longestS: 61 });
  expect(report.schemaWarnings).toEqual({ '1': 1, missing: 1 });
  expect(report.runs).toMatchObject([
    { runId: 'a', events: 4, fills: 1, envFile: '.env.x', reason: null, flatten: null },
    { runId: 'b', events: 2, fills: 2, envFile: null },
  ]);
  expect(report.metrics).toMatchObject({
    realizedPnlUsd: { value: '0', n: 1 },
    realizedPnlCarriedUsd: { value: '0', n: 1 },
    cashflowUsd: { value: '33' },
    inventoryMtmUsd: { value: '-30' },
    netMtmUsd: { value: '1.5' },
    netMtmAssumedFeeUsd: { value: '2.967' },
    fillRatio: { unavailable: 'no placements' },
    adverseFillRatio: { unavailable: 'no fill with an edge' },
  });
});
