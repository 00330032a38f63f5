/** Journals that nobody meant well: bounded memory, no exception, no number from what is none. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JournalCursor } from '../../src/adapters/journal-cursor.ts';
import { JournalFolders } from '../../src/adapters/journal-folders.ts';
import { createJournalVenue } from '../../src/adapters/journal-venue.ts';
import { confirmRun } from '../../src/core/flat/confirm.ts';
import { observe } from '../../src/core/health/observe.ts';
import { loadRun, newRunState, type RunState, storeRun } from '../../src/core/health/run.ts';
import { JournalAnalysis } from '../../src/core/journal/analysis.ts';
import { LineScanner, type LineSink } from '../../src/core/journal/scan.ts';
import type { JournalEvent } from '../../src/core/journal/types.ts';
import { HEALTH } from '../core/health/policy.ts';
import { CLI } from '../support/fleet-world.ts';
import { pollutedKeys } from './support.ts';

const MB = 1024 * 1024;
const POLICY = { health: HEALTH, maxPositionBase: 10 };
const heartbeat = (ts: number) =>
  `{"ts": ${ts}, "run_id": "r", "type": "heartbeat", "market": "AMZN-USD", "position": "0"}\n`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmfleet-hostile-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Everything that reads a journal, over these bytes. */
function readAll(bytes: Buffer) {
  const events: JournalEvent[] = [];
  const bad: string[] = [];
  const run = newRunState(POLICY);
  const analysis = new JournalAnalysis({ lastFills: 100, assumedFeeBps: 0 });
  const sink: LineSink = {
    event: (event, schema) => {
      events.push(event);
      observe(run, event);
      analysis.add(event, schema);
    },
    bad: (line, reason) => {
      bad.push(reason);
      analysis.bad({ file: 'j', line, reason });
    },
  };
  const scanner = new LineScanner(sink, 'full');
  const end = bytes.lastIndexOf(10) + 1;
  scanner.scan(bytes, 0, end);
  scanner.scanTail(bytes.subarray(end));
  const report = analysis.needsSorting
    ? null
    : analysis.finish({ market: '', files: [], bytes: 0, fullyParsedLines: 0 });
  return { events, bad, run, report };
}

/** Paths of numbers in a value that are none. */
function notFinite(value: unknown, path = ''): string[] {
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => notFinite(part, `${path}.${key}`));
}

const decidedFrom = (run: RunState) => ({
  alarms: run.alarms,
  hardStop: run.hardStop,
  fills: run.fills.toArray(),
  h5: run.h5.closed.toArray(),
  h60: run.h60.closed.toArray(),
});

describe('a journal of two hundred megabytes in one line', () => {
  /** Peak memory of the real command, KiB. */
  async function peakOf(path: string): Promise<{ kib: number; out: string; code: number }> {
    const report = 'process.on("exit",()=>process.stderr.write("peak="+process.resourceUsage().maxRSS))';
    const child = spawn('node', ['--import', `data:text/javascript,${report}`, CLI, 'analyse', '--json', path]);
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const [code] = (await once(child, 'close')) as [number];
    return { kib: Number(/peak=(\d+)/.exec(err)?.[1]), out, code };
  }

  /** A hole is as long as its size and takes no room on the disk. */
  function withHole(name: string, end: string): string {
    const path = join(folder, name);
    writeFileSync(path, `${heartbeat(1)}{"type": "fill", "x": "`);
    const fd = openSync(path, 'r+');
    ftruncateSync(fd, 200 * MB);
    closeSync(fd);
    appendFileSync(path, end);
    return path;
  }

  test.each([
    ['closed, good lines behind it', 'mm_AMZN-USD_20260216_000000.jsonl', `"}\n${heartbeat(2)}`, 2],
    ['never closed', 'mm_AMZN-USD_20260217_000000.jsonl', '', 1],
  ])('%s: less than 300 MB in all, one bad line', async (_name, file, end, events) => {
    const { kib, out, code } = await peakOf(withHole(file, end));
    expect(code).toBe(0);
    const [item] = JSON.parse(out).items;
    expect(item.counts).toMatchObject({ badLines: 1, events });
    expect(item.badLines).toMatchObject([{ line: 2, reason: 'too_long' }]);
    expect(kib).toBeGreaterThan(10 * 1024);
    expect(kib).toBeLessThan(300 * 1024);
  });

  test('only newlines: nothing in it, and little memory', async () => {
    const path = join(folder, 'mm_AMZN-USD_20260218_000000.jsonl');
    writeFileSync(path, '\n'.repeat(60 * MB));
    const { kib, out, code } = await peakOf(path);
    expect(code).toBe(0);
    expect(JSON.parse(out).items[0].counts).toMatchObject({ badLines: 0, events: 0 });
    expect(kib).toBeLessThan(300 * 1024);
  });

  test('the cursor goes over it while it grows, and holds none of it', () => {
    const pattern = join(folder, 'mm_PUMP-USD_*.jsonl');
    const path = withHole('mm_PUMP-USD_20260216_000000.jsonl', '');
    const cursor = new JournalCursor(pattern, 'PUMP-USD');
    const folders = new JournalFolders();
    const seen: number[] = [];
    const poll = () => {
      folders.nextTick();
      return cursor.poll(folders, { startRun: () => undefined, event: (event) => void seen.push(event.ts) });
    };
    poll();
    expect(cursor.toJSON()).toMatchObject({ skipping: true });
    appendFileSync(path, `"}\n${heartbeat(2)}`);
    expect(poll()).toMatchObject({ known: true, badLines: 1, firstBadLines: [{ reason: 'too_long' }] });
    expect(seen).toEqual([1, 2]);
  });
});

const line = (fields: string) => `{"ts": 1771200000, "run_id": "r", ${fields}}\n`;
const deep = (n: number, open: string, close: string) => open.repeat(n) + close.repeat(n);
const FILL = '"type": "fill", "side": "BUY", "price": "100", "qty": "1", "fee": "0", "mid": "100"';

describe('lines', () => {
  const CASES: { name: string; given: string; want: string | 'event' }[] = [
    { name: 'NaN as Python writes it', given: line(`${FILL}, "position": NaN`), want: 'json' },
    { name: 'Infinity as Python writes it', given: line(`${FILL}, "position": -Infinity`), want: 'json' },
    { name: 'NaN as text', given: line(`${FILL}, "position": "NaN"`), want: 'bad_number' },
    { name: 'Infinity as text', given: line(`${FILL}, "edge_bps": "inf"`), want: 'bad_number' },
    { name: 'a number past a double', given: line(`${FILL}, "edge_bps": 1e999`), want: 'bad_number' },
    { name: 'a time past a double', given: '{"ts": 1e999, "type": "heartbeat"}\n', want: 'no_ts' },
    { name: 'an exponent of ten digits', given: line(`${FILL}, "position": "1e9999999999"`), want: 'bad_number' },
    {
      name: 'a number of a million digits',
      given: line(`${FILL}, "position": "${'9'.repeat(MB)}"`),
      want: 'bad_number',
    },
    { name: 'a price of 1e999', given: line(FILL.replace('"100"', '"1e999"')), want: 'event' },
    { name: 'a quantity of 1e-999', given: line(FILL.replace('"1"', '"1e-999"')), want: 'event' },
    { name: 'a negative price', given: line(FILL.replace('"100"', '"-5"')), want: 'event' },
    { name: 'a price of zero and a mid of zero', given: line(FILL.replaceAll('"100"', '"0"')), want: 'event' },
    {
      name: 'a side that is an object',
      given: line(FILL.replace('"BUY"', '{"toString": 1, "valueOf": 1}')),
      want: 'event',
    },
    { name: 'a side 200,000 lists deep', given: line(FILL.replace('"BUY"', deep(200_000, '[', ']'))), want: 'event' },
    {
      name: 'a schema version that is an object',
      given: line(`${FILL}, "schema_version": {"toString": 1}`),
      want: 'event',
    },
    {
      name: 'a cap that is an object',
      given: line('"type": "run_start", "config": {"max_position_size": {"valueOf": 1}}'),
      want: 'event',
    },
    {
      name: 'a cap that is a deep list',
      given: line(`"type": "run_start", "config": {"max_position_size": ${deep(50_000, '[', ']')}}`),
      want: 'event',
    },
    { name: '__proto__', given: line(`${FILL}, "__proto__": {"polluted": 1}`), want: 'event' },
    { name: 'constructor as a type', given: line('"type": "constructor"'), want: 'event' },
    { name: '__proto__ as a type', given: line('"type": "__proto__"'), want: 'event' },
    {
      name: '__proto__ in a config',
      given: line('"type": "run_start", "config": {"__proto__": {"polluted": 1}}'),
      want: 'event',
    },
    { name: 'NUL', given: line(`${FILL}, "x": "\0"`), want: 'json' },
    {
      name: 'invalid UTF-8',
      given: Buffer.concat([Buffer.from('{"ts": 1, "type": "'), Buffer.from([0xff]), Buffer.from('"}\n')]).toString(
        'latin1',
      ),
      want: 'utf8',
    },
    { name: 'a UTF-8 byte order mark', given: `\ufeff${line(FILL)}`, want: 'json' },
    { name: 'an escape sequence in a type', given: line('"type": "\\u001b[2J"'), want: 'event' },
    { name: 'a list', given: '[1]\n', want: 'not_object' },
    { name: 'a trade id of a megabyte', given: line(`${FILL}, "trade_id": "${'x'.repeat(MB)}"`), want: 'event' },
    { name: 'a time before all times', given: '{"ts": -1e300, "type": "heartbeat"}\n', want: 'event' },
    { name: 'a time after all times', given: '{"ts": 1e300, "type": "heartbeat"}\n', want: 'event' },
  ];
  test.each(CASES)('$name: $want', ({ given, want }) => {
    const bytes = Buffer.from(given, want === 'utf8' ? 'latin1' : 'utf8');
    const { events, bad, run, report } = readAll(Buffer.concat([bytes, Buffer.from(heartbeat(1_771_200_001))]));
    expect(want === 'event' ? { bad, events: events.length } : { bad: bad[0], events: events.length }).toEqual(
      want === 'event' ? { bad: [], events: 2 } : { bad: want, events: 1 },
    );
    expect(notFinite(decidedFrom(run))).toEqual([]);
    expect(notFinite(report)).toEqual([]);
    expect(storeRun(run).length).toBeLessThan(200_000);
    const again = loadRun(storeRun(run), POLICY)!;
    expect(again).toEqual(run);
    expect(decidedFrom(again)).toEqual(decidedFrom(run));
    expect(storeRun(again)).toBe(storeRun(run));
    expect(pollutedKeys()).toEqual([]);
  });

  test('carriage returns alone make one line, which is none', () => {
    const { bad, events } = readAll(Buffer.from((heartbeat(1) + heartbeat(2)).replaceAll('\n', '\r')));
    expect({ bad, events }).toEqual({ bad: ['torn'], events: [] });
  });

  test('times that jump to both ends of all time are gaps, and the run goes on', () => {
    const times = [1_771_200_000, 1e300, -1e300, 1_771_200_000, 1e15, 1_771_200_060, 0, 1_771_200_120];
    const { run, events } = readAll(Buffer.from(times.map(heartbeat).join('')));
    expect(events).toHaveLength(times.length);
    expect(run.gap).toMatch(/clock set back|no events for|no heartbeat/);
    expect(run.now).toBe(1_771_200_120);
    expect(Object.keys(run.alarms)).toEqual([]);
  });
});

test('fills that are garbage never make a signal or a limit fire', () => {
  const numbers = ['1e999', '-1e999', '0', '-0', '1e-400', '-5', '1e308', '"x"', 'null'].map((n) =>
    n[0] === '"' ? n : `"${n}"`,
  );
  const text = Array.from({ length: 4000 }, (_, k) => {
    const [price, qty, mid] = [numbers[k % 9], numbers[(k * 5 + 1) % 9], numbers[(k * 7 + 2) % 9]];
    return `{"ts": ${1_771_200_000 + k * 5}, "run_id": "r", "type": "fill", "side": "${k % 3 === 0 ? 'SELL' : 'BUY'}", "price": ${price}, "qty": ${qty}, "fee": ${numbers[k % 7]}, "mid": ${mid}, "position": ${numbers[(k + 3) % 9]}}\n`;
  }).join('');
  const { run } = readAll(Buffer.from(text));
  expect(notFinite(decidedFrom(run))).toEqual([]);
  expect(run.alarms).toEqual({});
  expect(run.fillsSeen - run.badFills).toBeLessThan(100);
});

test('property: whatever stands in the fields, a line is an event or a reason, and no decision holds a number that is none', () => {
  const value = fc.oneof(
    fc.constantFrom(
      'null',
      'true',
      '[]',
      '{}',
      '"BUY"',
      '"SELL"',
      '"1"',
      '"-0.5"',
      '1e308',
      '-1e308',
      '1e999',
      '"1e400"',
      '1e-320',
      '"NaN"',
      '{"toString":0}',
      '[[[]]]',
      '9007199254740993',
      '"\\u0000"',
      '"\\ud800"',
    ),
    fc.json({ maxDepth: 3 }),
    fc.double().map((n) => JSON.stringify(n)),
  );
  const key = fc.constantFrom(
    'ts',
    'type',
    'run_id',
    'market',
    'side',
    'price',
    'qty',
    'fee',
    'mid',
    'best_bid',
    'best_ask',
    'position',
    'trade_id',
    'level',
    'stats',
    'config',
    'market_static',
    'provenance',
    'reason',
    'schema_version',
    'active_orders',
    'drawdown',
    '__proto__',
    'constructor',
  );
  const type = fc.constantFrom(
    'fill',
    'order_placed',
    'order_cancelled',
    'rejection',
    'snapshot',
    'heartbeat',
    'error',
    'run_start',
    'run_end',
    'drawdown_stop',
    'x',
  );
  const hostile = fc
    .tuple(
      type,
      fc.double({ min: 1_771_200_000, max: 1_771_290_000, noNaN: true }),
      fc.array(fc.tuple(key, value), { maxLength: 8 }),
    )
    .map(
      ([name, ts, fields]) =>
        `{"type": "${name}", "ts": ${ts}, ${FILL.slice(FILL.indexOf('"side"'))}${fields.map(([k, v]) => `, "${k}": ${v}`).join('')}}\n`,
    );
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1, maxLength: 12 }), (lines) => {
      const { events, bad, run, report } = readAll(Buffer.from(lines.join('')));
      expect(events.length + bad.length).toBe(lines.length);
      expect(notFinite(decidedFrom(run))).toEqual([]);
      expect(notFinite(report)).toEqual([]);
      expect(loadRun(storeRun(run), POLICY)).not.toBeNull();
      for (const event of events) {
        if (event.type === 'run_start') confirmRun(event, { envFileName: 'a', values: { MM_X: '1' } });
      }
    }),
    { numRuns: 800, interruptAfterTimeLimit: 10_000 },
  );
});

test('property: any bytes at all are lines that count or lines that do not', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(heartbeat(1).length), (noise, at) => {
      const good = Buffer.from(heartbeat(1));
      const { events, bad } = readAll(Buffer.concat([good.subarray(0, at), noise, good.subarray(at), good]));
      expect(events.length).toBeGreaterThanOrEqual(1);
      expect(events.length + bad.length).toBeGreaterThanOrEqual(1);
    }),
    { numRuns: 1000, interruptAfterTimeLimit: 8_000 },
  );
});

describe('the last words of a bot as evidence', () => {
  const clock = { nowMs: () => 0, steadyMs: () => 0, sleep: async () => undefined };
  const venue = (activeOrders: number | null, positionAfter: string | null, lastPosition: string | null = '0') =>
    createJournalVenue({
      market: 'AMZN-USD',
      clock,
      evidence: () => ({ exitClean: true, runEnd: { positionAfter, activeOrders, hasStats: true }, lastPosition }),
    });

  test.each([[-1], [null]])('a count of %s orders is not known', async (count) => {
    expect(await venue(count, '0').openOrders()).toMatchObject({ known: false });
  });

  test.each([[1], [1e9], [Number.MAX_SAFE_INTEGER]])(
    '%s orders are more than none, in little memory',
    async (count) => {
      const orders = await venue(count, '0').openOrders();
      if (!orders.known) throw new Error(orders.reason);
      expect(orders.value.length).toBeGreaterThan(0);
      expect(orders.value.length).toBeLessThanOrEqual(1000);
    },
  );
});
