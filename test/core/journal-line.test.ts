import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Decimal } from '../../src/core/decimal.ts';
import { ExactSum } from '../../src/core/journal/exact-sum.ts';
import { realizedPnl } from '../../src/core/journal/fifo.ts';
import { LineReader } from '../../src/core/journal/line-reader.ts';
import { SOURCE_SHA256 } from '../../src/core/journal/line-wasm.ts';
import { parseLine } from '../../src/core/journal/parse.ts';

const SOURCES = join(import.meta.dirname, '..', '..', 'src', 'core', 'journal', 'wasm');
const reader = new LineReader();

/** What the quick reader says of one line: null for a no. */
function quick(line: string) {
  const length = reader.input.write(`${line}\n`);
  const next = reader.next(0);
  if (next < 0) return null;
  expect(next).toBe(length);
  return { ok: true, event: reader.event(), schema: reader.schema };
}

test('the program is the one compiled from the sources beside it', () => {
  const names = readdirSync(SOURCES).filter((name) => name.endsWith('.ts'));
  const text = names.sort().map((name) => readFileSync(join(SOURCES, name), 'utf8'));
  expect(createHash('sha256').update(text.join('')).digest('hex'), 'npm run wasm').toBe(SOURCE_SHA256);
});

const plain = fc.stringMatching(/^[ !#-[\]-~]{0,70}$/);
const KEYS = [
  ...['ts', 'type', 'run_id', 'market', 'schema_version', 'price', 'qty', 'fee', 'mid', 'mark_price', 'best_bid'],
  ...['best_ask', 'spread_bps', 'edge_bps', 'position', 'size', 'quote_lifetime_ms', 'side', 'trade_id', 'is_taker'],
  ...['level', 'reason', 'active_orders', 'circuit_open', 'seq', 'tss', 'typ', 'quote_lifetime_mss', 'a', ''],
];
const digits = fc.stringMatching(/^-?[0-9]{1,19}(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,4})?$/);
const value: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: digits.map((d) => `"${d}"`) },
  { weight: 3, arbitrary: digits },
  { weight: 2, arbitrary: fc.double().map((d) => JSON.stringify(d)) },
  { weight: 2, arbitrary: fc.constantFrom('"fill"', '"order_placed"', '"heartbeat"', '"BUY"', '"OrderSide.SELL"') },
  { weight: 2, arbitrary: fc.constantFrom('null', 'true', 'false', '{}', '[]', '[[1, {"a": "}"}], []]', '1.', '"') },
  { weight: 2, arbitrary: plain.map((text) => `"${text}"`) },
  { weight: 1, arbitrary: fc.string().map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.jsonValue().map((json) => JSON.stringify(json)) },
  { weight: 1, arbitrary: fc.jsonValue().map((json) => JSON.stringify(json, null, '\t').replaceAll('\n', '\r')) },
);
const member = fc.tuple(fc.oneof(fc.constantFrom(...KEYS), plain), value).map(([key, text]) => `"${key}": ${text}`);
const head = fc.constantFrom(
  '"ts": 1771200000.331422, "type": "fill", "side": "BUY", "price": "1.50", "qty": "2", "fee": null',
  '"ts":1771200000.1234567,"type":"order_placed","side":"SELL","price":12.5',
  '"ts" : 1771200000 , "type" : "snapshot"',
  '"ts": 17712000001.123456789, "type": "deadman_heartbeat"',
  '"a": {"type": "fill"}, "ts": 5, "type": "rejection"',
);

test('a yes means what the full parser says, whatever the members', () => {
  const counts = { yes: 0, all: 0 };
  fc.assert(
    fc.property(head, fc.array(member, { maxLength: 9 }), fc.constantFrom(',', ', ', ' ,\t'), (first, rest, comma) => {
      const line = `{${[first, ...rest].join(comma)}}`;
      if (line.includes('\n')) return;
      const said = quick(line);
      counts.all += 1;
      if (said === null) return;
      counts.yes += 1;
      expect(said).toEqual(parseLine(line));
    }),
    { numRuns: 4000 },
  );
  expect(counts.yes).toBeGreaterThan(counts.all / 20);
});

test('a number of many digits is the nearest double, also halfway between two', () => {
  const edgeOf = (text: string) => {
    const said = quick(
      `{"ts": 5, "type": "fill", "side": "BUY", "price": "1", "qty": "1", "fee": null, "edge_bps": "${text}"}`,
    );
    return said?.event.type === 'fill' ? said.event.edgeBps : undefined;
  };
  const digits = fc.stringMatching(/^-?\d{1,21}\.\d{1,50}$/);
  // An odd number of 54 bits over a power of two lies halfway between two doubles; its decimals end.
  const halfway = fc
    .tuple(
      fc.bigInt({ min: 1n << 52n, max: (1n << 53n) - 1n }),
      fc.integer({ min: 1, max: 47 }),
      fc.constantFrom(-1n, 0n, 1n),
    )
    .map(([half, bits, more]) => {
      const text = String((2n * half + 1n) * 5n ** BigInt(bits) + more).padStart(bits + 1, '0');
      return `${text.slice(0, -bits)}.${text.slice(-bits)}`;
    });
  fc.assert(
    fc.property(fc.oneof(digits, halfway), (text) => {
      expect(edgeOf(text)).toBe(Number(text));
    }),
    { numRuns: 3000 },
  );
});

test('a text that changes in a line that is refused is not forgotten', () => {
  const line = (run: string, rest = '') =>
    `{"ts": 5, "type": "heartbeat", "run_id": "${run}", "position": "${run}"${rest}}`;
  expect(quick(line('1'))?.event.runId).toBe('1');
  expect(quick(line('2', ', "ts": 6'))).toBeNull();
  expect(quick('{"ts": 5, "type": "heartbeat"}')?.event).toMatchObject({ runId: '', position: null });
  expect(quick(line('2'))?.event).toMatchObject({ runId: '2', position: '2' });
  const long = '3'.repeat(100);
  expect(quick(line(long))?.event.runId).toBe(long);
  expect(quick(line('2'))?.event).toMatchObject({ runId: '2', position: '2' });
});

test('a sum of plain decimals and products is the exact one', () => {
  // Short enough for 28 digits: there the reference rounds.
  const decimal = fc.stringMatching(/^-?\d{1,6}(\.\d{1,5})?$/);
  const pairs = fc.array(fc.tuple(fc.constantFrom(1 as const, -1 as const), decimal, decimal), { maxLength: 40 });
  fc.assert(
    fc.property(pairs, (rows) => {
      const sum = new ExactSum();
      let want = new Decimal(0);
      for (const [sign, a, b] of rows) {
        sum.addProduct(sign, a, b);
        sum.add(sign, a);
        want = want.plus(new Decimal(a).times(b).times(sign)).plus(new Decimal(a).times(sign));
      }
      expect(sum.value.toFixed()).toBe(want.toFixed());
    }),
  );
});

test('realised PnL in whole numbers is the one in decimals', () => {
  const decimal = (most: number) => fc.stringMatching(new RegExp(`^\\d{1,5}(\\.\\d{1,${most}})?$`));
  const trade = fc.record({
    sign: fc.constantFrom(1 as const, -1 as const, 0 as const),
    price: decimal(4),
    qty: decimal(3),
  });
  const opening = fc.option(fc.record({ position: decimal(2), price: fc.integer({ min: 1, max: 1e6 }) }), {
    nil: undefined,
  });
  // With that many places nothing is done in whole numbers.
  const long = (text: string) => `${text}${text.includes('.') ? '' : '.'}${'0'.repeat(25)}`;
  fc.assert(
    fc.property(fc.array(trade, { maxLength: 60 }), opening, fc.boolean(), (trades, lot, short) => {
      const start =
        lot === undefined ? undefined : { position: `${short ? '-' : ''}${lot.position}`, price: lot.price / 8 };
      const longer = trades.map((t) => ({ ...t, price: long(t.price), qty: long(t.qty) }));
      expect(realizedPnl(trades, start).toFixed()).toBe(realizedPnl(longer, start).toFixed());
    }),
  );
});
