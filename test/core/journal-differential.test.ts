import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JournalAnalysis } from '../../src/core/journal/analysis.ts';
import type { LineReader } from '../../src/core/journal/line-reader.ts';
import { LineScanner, type LineSink, type ScanMode } from '../../src/core/journal/scan.ts';
import type { JournalEvent } from '../../src/core/journal/types.ts';
import { journalLines, type Layout, random } from '../support/journal-generator.ts';

const OPTIONS = { lastFills: 20, assumedFeeBps: 1 };

/** Everything a reading of these bytes gives: its events (none of skimmed lines), bad lines and the report. */
function read(bytes: Buffer, mode: ScanMode, skim = false) {
  const analysis = new JournalAnalysis(OPTIONS);
  const events: (JournalEvent & { schema: string })[] = [];
  const bad: string[] = [];
  const sink: LineSink = {
    event: (event, schema) => {
      events.push({ ...event, schema });
      analysis.add(event, schema);
    },
    quick: (line) => {
      events.push({ ...line.event(), schema: line.schema });
      analysis.addQuick(line);
    },
    ...(skim ? { skimmed: (lines: LineReader) => analysis.addSkimmed(lines) } : {}),
    bad: (line, reason) => {
      bad.push(`${line} ${reason}`);
      analysis.bad({ file: 'j', line, reason });
    },
  };
  const scanner = new LineScanner(sink, mode);
  const end = bytes.lastIndexOf(10) + 1;
  scanner.scan(bytes, 0, end);
  scanner.scanTail(bytes.subarray(end));
  const { reading, ...report } = analysis.finish({ market: 'm', files: [], bytes: 0, fullyParsedLines: 0 });
  return { events, bad, report, line: scanner.line, fullyParsed: scanner.fullyParsedLines };
}

/** The same by both ways; gives back the quick one. */
function same(text: string | Buffer) {
  const bytes = Buffer.from(text as string);
  const [quick, full] = [read(bytes, 'quick'), read(bytes, 'full')];
  expect(quick.bad).toEqual(full.bad);
  expect(quick.events).toEqual(full.events);
  expect(quick.report).toEqual(full.report);
  expect(quick.line).toBe(full.line);
  const skimmed = read(bytes, 'quick', true);
  expect({ ...skimmed, events: [] }).toEqual({ ...quick, events: [] });
  return { ...quick, skimmedLines: quick.events.length - skimmed.events.length };
}

const lines = (seed: number, count: number, layout?: Layout) => {
  const source = journalLines(seed, layout);
  return Array.from({ length: count }, () => source.next().value as string);
};

/** Ways in which a line goes wrong or strange; `at` 0..1 is a place in it. */
const DAMAGE: ((line: string, at: number, other: string) => string | Buffer)[] = [
  (line, at) => line.slice(0, Math.floor(at * line.length)),
  (line, at, other) => line.slice(0, Math.floor(at * line.length)) + other,
  (line, _, other) => line + other,
  (line, _, other) => `${line} ${other}`,
  (line) => `${line}\r`,
  (line) => ` ${line} `,
  (line, at) => line.replace(/"(-?\d+\.\d+)"/g, (all, n) => (at < 0.3 ? n : at < 0.6 ? `"${n}E-2"` : all)),
  (line) => line.replace(/"spread_bps": "[^"]*"/, '"spread_bps": NaN'),
  (line) => line.replace(/"spread_bps": "[^"]*"/, '"spread_bps": "NaN"'),
  (line) => line.replace(/"spread_bps": "[^"]*"/, '"spread_bps": true'),
  (line) => line.replace(/"spread_bps": "[^"]*"/, '"spread_bps": null'),
  (line) => line.replace(/"price": "[^"]*"/, '"price": null'),
  (line) => line.replace(/"side": "[^"]*"/, '"side": "OrderSide.BUY"'),
  (line) => line.replace(/"side": "[^"]*"/, '"side": "B\\"type\\": \\"fill\\"Y"'),
  (line) => line.replace(/"ts": [\d.]+/, '"ts": 1e999'),
  (line) => line.replace(/"ts": ([\d.]+)/, '"ts": 0$1'),
  (line) => line.replace('"seq"', '"type": "fill", "seq"'),
  (line) => line.replace('"seq"', '"ts": 5, "seq"'),
  (line) => line.replace('"seq"', '"nested": {"type": "fill", "a": [1, {"b": "}{\\""}]}, "seq"'),
  (line) => line.replace(/"run_id": "[^"]*"/, '"run_id": "other"'),
  (line) => line.replace('"schema_version": 2', '"schema_version": 1'),
  (line) => line.replace('"schema_version": 2, ', ''),
  (line) => line.replace('"type"', '"kind"'),
  (line) => line.replace('USD', 'US\u00c9'),
  (line, at) => {
    const bytes = Buffer.from(line);
    bytes[Math.floor(at * (bytes.length - 1))] = [0xff, 0x00, 0x0b, 0x22, 0x7b, 0x5c][Math.floor(at * 6)]!;
    return bytes;
  },
  () => '',
  () => '   \t',
  () => '[1, 2]',
];

/** What may stand where another value was: good or bad, but a value each. */
const VALUES = [
  ...[
    'null',
    'true',
    'false',
    '0',
    '7',
    '-3',
    '1.5',
    '1e3',
    '""',
    '"7"',
    '"-0.5"',
    '"0.0"',
    '"007"',
    '"1E-8"',
    '"1e400"',
  ],
  ...['1784963886257016900', '"1784963886257016900"', '18446744073709551615', '"9999999999999999999"', '"b3f1-id"'],
  ...[
    '"12345678.123456789"',
    '"1234567.1234567891"',
    '"9007199254740993"',
    '"999999999999.99"',
    '"0.00000000000000001"',
  ],
  ...[
    '"BUY"',
    '"OrderSide.SELL"',
    '"OrderSide.HOLD"',
    '"buy"',
    '"post_only_failed"',
    '"a POST_ONLY b"',
    '"POST\x7fONLY"',
  ],
  ...[
    '{}',
    '[]',
    '{"a": ["\\n", {"b": null}]}',
    '[1, 2',
    '"a\\"b"',
    '"a\\qb"',
    '"\u00e9"',
    '"\u0130"',
    '2',
    '1771200050.25',
  ],
  ...['1771200050.1234567', '17712000501.123456', '"other"', '1.', '.5', '01', '"1."', '"+1"', '-', '"-"'],
];

/** A sound journal, but for values that are exchanged in some of its lines, and in some of these time and again. */
function exchanged(seed: number, layout: Layout, share: number): Buffer {
  const rnd = random(seed ^ 0x2c1b3c6d);
  const some = <T>(list: readonly T[]) => list[Math.floor(rnd() * list.length)]!;
  const runs = ['other', 'another'];
  let [key, value] = ['side', '"BUY"'];
  const parts = lines(seed, 500, layout).map((line) => {
    if (rnd() < share / 4) return line.replace(/("run_id": ?)"[^"]*"/, `$1"${some(runs)}"`);
    if (rnd() >= share) return line;
    if (rnd() < 0.3) {
      key = some([...line.matchAll(/"(\w+)":/g)])[1]!;
      value = some(VALUES);
    }
    return line.replace(new RegExp(`("${key}": ?)("[^"]*"|[^,}\\]]+)`), (_, head) => head + value);
  });
  return Buffer.from(`${parts.join('\n')}\n`);
}

function damaged(seed: number, layout: Layout, share: number): Buffer {
  const rnd = random(seed ^ 0x5bd1e995);
  const source = lines(seed, 300, layout);
  const parts: Buffer[] = [];
  for (const line of source) {
    const broken = rnd() < share ? DAMAGE[Math.floor(rnd() * DAMAGE.length)]!(line, rnd(), source[7]!) : line;
    parts.push(Buffer.from(broken as string), Buffer.from('\n'));
  }
  if (rnd() < 0.5) parts.push(Buffer.from(source[9]!.slice(0, Math.floor(rnd() * 300))));
  return Buffer.concat(parts);
}

describe('lines read from their bytes give what the full parser gives', () => {
  test.each<Layout>(['default', 'compact', 'shuffled'])('on damaged journals, %s layout', (layout) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.constantFrom(0, 0.03, 0.3), (seed, share) => {
        same(damaged(seed, layout, share));
      }),
      { numRuns: 40 },
    );
  });

  test.each<Layout>(['default', 'compact', 'shuffled'])('on journals with other values, %s layout', (layout) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.constantFrom(0.02, 0.2, 0.9), (seed, share) => {
        same(exchanged(seed, layout, share));
      }),
      { numRuns: 40 },
    );
  });

  test('each other value of each member of each kind of line', () => {
    const source = lines(4, 700);
    const byType = new Map(source.map((line) => [/"type": "(\w+)"/.exec(line)![1]!, line]));
    byType.delete('run_start');
    const sound = source.slice(0, 300).join('\n');
    for (const line of byType.values()) {
      const keys = [...line.matchAll(/"(\w+)":/g)].map((match) => match[1]!);
      const others = [...new Set(keys)].flatMap((key) =>
        VALUES.map((value) => line.replace(new RegExp(`("${key}": )("[^"]*"|[^,}\\]]+)`), (_, head) => head + value)),
      );
      // Each a second time, after lines of all types: what was learned of the first must not mix with what those left behind.
      const between = [...byType.values()].join('\n');
      const twice = others.map((other) => `${other}\n${between}\n${other}\n${between}\n${other}`);
      for (let at = 0; at < twice.length; at += 40)
        same(`${sound}\n${twice.slice(at, at + 40).join('\n')}\n${sound}\n`);
    }
  });

  test('times out of order, a little and a lot, and long silences', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.constantFrom(0.4, 4, 40, 400), (seed, spread) => {
        const rnd = random(seed);
        const text = lines(seed, 900).map((line) =>
          line.replace(/"ts": ([\d.]+)/, (all, ts) => {
            const moved = rnd() < 0.3 ? Number(ts) + (rnd() - 0.5) * spread : Number(ts);
            return rnd() < 0.5 ? `"ts": ${Math.round(moved * 1e4) / 1e4}` : all;
          }),
        );
        same(`${text.join('\n')}\n`);
      }),
      { numRuns: 30 },
    );
  });

  test('more fills that wait for a mid than are held together', () => {
    const source = lines(8, 4000);
    const fills = source.filter((line) => line.includes('"fill"'));
    const bare = fills.map((line) => line.replace(/"(best_bid|best_ask|mid)": "[^"]*", /g, ''));
    const crowd = Array.from({ length: 30 }, () => bare).flat();
    const late = source.slice(2000).map((line) => line.replace(/"ts": (\d+)/, (_, ts) => `"ts": ${Number(ts) + 30}`));
    const { report } = same(`${[...source.slice(0, 300), ...crowd, ...late].join('\n')}\n`);
    expect(crowd.length).toBeGreaterThan(5000);
    expect(report.counts.fills).toBeGreaterThan(5000);
  });

  test('two journals in turns, a few lines of each at a time', () => {
    const sources = [lines(5, 1200), lines(6, 1200), lines(5, 1200, 'compact')];
    const reports = (mode: ScanMode, inTurns: boolean) => {
      const readers = sources.map(() => {
        const analysis = new JournalAnalysis(OPTIONS);
        const sink: LineSink = {
          event: (event, schema) => analysis.add(event, schema),
          quick: (line) => analysis.addQuick(line),
          skimmed: (some) => analysis.addSkimmed(some),
          bad: () => {},
        };
        return { analysis, scanner: new LineScanner(sink, mode) };
      });
      const chunk = inTurns ? 37 : 1200;
      for (let from = 0; from < 1200; from += chunk) {
        for (const [at, source] of sources.entries()) {
          const bytes = Buffer.from(`${source.slice(from, from + chunk).join('\n')}\n`);
          readers[at]!.scanner.scan(bytes, 0, bytes.length);
        }
      }
      return readers.map(({ analysis }) => {
        const { reading, ...report } = analysis.finish({ market: 'm', files: [], bytes: 0, fullyParsedLines: 0 });
        return report;
      });
    };
    expect(reports('quick', true)).toEqual(reports('full', false));
  });

  test('nearly all lines of one run are taken together', () => {
    for (const layout of ['default', 'compact', 'shuffled'] as const) {
      expect(same(`${lines(1, 3000, layout).join('\n')}\n`).skimmedLines).toBeGreaterThan(2990);
    }
  });

  test('each kind of damage on each kind of line', () => {
    const source = lines(3, 400);
    const sound = source.slice(0, 200);
    for (const damage of DAMAGE) {
      const parts = source.slice(200).flatMap((line) => [Buffer.from(damage(line, 0.5, source[5]!) as string), '\n']);
      same(Buffer.concat([`${sound.join('\n')}\n`, ...parts].map((part) => Buffer.from(part as string))));
    }
  });

  test('nearly all lines of a sound journal are read quickly, whatever its spacing and order', () => {
    for (const layout of ['default', 'compact', 'shuffled'] as const) {
      expect(same(`${lines(1, 3000, layout).join('\n')}\n`).fullyParsed).toBeLessThan(3);
    }
  });

  test('a very long line between others', () => {
    const source = lines(2, 40);
    const long = `{"ts": 1771200000.5, "type": "error", "message": "${'x'.repeat(10 * 1024 * 1024)}"}`;
    const { report } = same(`${[...source, long, ...source].join('\n')}\n`);
    expect(report.counts.events).toBe(81);
  });

  test('a file without any type', () => {
    const { report } = same(`${'{"ts": 1, "x": "y"}\n'.repeat(2000)}`);
    expect(report.counts).toMatchObject({ events: 0, badLines: 2000, lines: 2000 });
  });

  test('ids past 2^53 keep every digit', () => {
    const ids = ['1784963886257016900', '1784963886257016901'];
    const fill = lines(1, 400).find((line) => line.includes('"fill"'))!;
    const text = ids.map((id) => fill.replace(/"trade_id": \d+/, `"trade_id": ${id}`)).join('\n');
    const { events, report } = same(`${text}\n`);
    expect(events.map((event) => event.type === 'fill' && event.tradeId)).toEqual(ids);
    expect(report.counts.duplicateFills).toBe(0);
  });
});
