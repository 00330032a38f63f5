import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Receipt } from '../../../src/core/flat/types.ts';
import { historyRows } from '../../../src/core/trail/history.ts';
import { activeHold, addHold, removeHold } from '../../../src/core/trail/holds.ts';
import { parseHolds, renderHolds } from '../../../src/core/trail/holds-file.ts';
import { parseReceipts, receiptDigest, receiptLine } from '../../../src/core/trail/receipts.ts';
import { findSecrets } from '../../../src/core/trail/secret-gate.ts';
import { oneLine } from '../../../src/core/trail/text.ts';
import type { Hold, TrailEntry, VerdictLine } from '../../../src/core/trail/types.ts';
import { utcMs, utcText } from '../../../src/core/trail/utc.ts';
import { appendVerdict, parseVerdicts, verdictText } from '../../../src/core/trail/verdicts.ts';

const LINE = 'iter007 inconclusive edge +0.9 bps (95% -0.4..+2.2, n=214) against iter006';
const VERDICT: VerdictLine = {
  iter: 7,
  verdict: 'inconclusive',
  effectBps: 0.9,
  ci95: [-0.4, 2.2],
  n: 214,
  against: 6,
};

test('a verdict line is written and read as the contract shows it', () => {
  expect(verdictText(VERDICT)).toBe(LINE);
  expect(parseVerdicts(`# c\n\n${LINE}\r\nnonsense\n`, 'f')).toMatchObject({
    verdicts: [VERDICT],
    problems: [{ code: 'verdict-bad-line', file: 'f', line: 4, sourceLine: 'nonsense' }],
  });
  const twice = appendVerdict(appendVerdict('', VERDICT), { ...VERDICT, verdict: 'hurt' });
  expect(twice).toBe(`${LINE}\n`);
});

test('any verdict reads back', () => {
  const bps = fc.integer({ min: -9999, max: 9999 }).map((n) => n / 100 + 0);
  const verdict = fc.record({
    iter: fc.integer({ min: 1, max: 5000 }),
    verdict: fc.constantFrom('helped' as const, 'hurt' as const, 'inconclusive' as const),
    effectBps: fc.option(bps, { nil: null }),
    ci95: fc.option(fc.tuple(bps, bps), { nil: null }),
    n: fc.nat(),
    against: fc.option(fc.integer({ min: 1, max: 5000 }), { nil: null }),
  });
  fc.assert(
    fc.property(verdict, (given) => void expect(parseVerdicts(verdictText(given), 'f').verdicts).toEqual([given])),
  );
});

const HOLD: Hold = {
  instance: 'amzn',
  kind: 'hold',
  reason: 'flat-unproven: venue away',
  since: '2026-11-22T10:00:00Z',
  until: null,
};
const PARK: Hold = { ...HOLD, kind: 'park', reason: 'slow', until: '2026-11-22T14:00:00Z' };

test('holds: written in a stable order, read back, replaced, removed', () => {
  const holds = addHold(addHold(addHold([], PARK), HOLD), { ...HOLD, instance: 'aaa' });
  expect(holds.map((h) => `${h.instance} ${h.kind}`)).toEqual(['aaa hold', 'amzn hold', 'amzn park']);
  expect(renderHolds([...holds].reverse())).toBe(renderHolds(holds));
  expect(parseHolds(renderHolds(holds), 'f')).toEqual({ holds, problems: [] });
  expect(addHold(holds, { ...HOLD, reason: 'new' }).length).toBe(3);
  expect(removeHold(holds, 'amzn').length).toBe(1);
  expect(parseHolds('', 'f')).toEqual({ holds: [], problems: [] });
  expect(parseHolds(renderHolds([]), 'f')).toEqual({ holds: [], problems: [] });
});

test('any reason survives the file as one line', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((t) => oneLine(t) !== ''),
      (reason) => {
        expect(parseHolds(renderHolds([{ ...HOLD, reason }]), 'f')).toEqual({
          holds: [{ ...HOLD, reason: oneLine(reason) }],
          problems: [],
        });
      },
    ),
  );
});

test.each([
  { name: 'an unknown field', text: 'apiVersion: mmfleet/v1\nkind: Holds\nholds: []\nextra: 1\n', line: 4 },
  { name: 'another kind', text: 'apiVersion: mmfleet/v1\nkind: Fleet\nholds: []\n', line: 2 },
  { name: 'no YAML', text: 'a: [\n', line: 2 },
  { name: 'no list', text: 'apiVersion: mmfleet/v1\nkind: Holds\nholds: 5\n', line: 3 },
  { name: 'a bad time', text: `${renderHolds([HOLD])}`.replace('T10', 'T99'), line: 4 },
])('$name is a problem with its place', ({ text, line }) => {
  const { problems } = parseHolds(text, 'fleet/holds.yaml');
  expect(problems[0]).toMatchObject({ code: 'holds-invalid', file: 'fleet/holds.yaml', line });
});

test('one bad entry does not hide the others', () => {
  const text = renderHolds([HOLD, { ...PARK, instance: 'mon' }]).replace('kind: park', 'kind: pork');
  expect(parseHolds(text, 'f')).toMatchObject({ holds: [HOLD], problems: [{ message: 'kind: want hold or park' }] });
});

test('an expired park is inert, a hold never is and comes before a park', () => {
  const end = Date.parse(PARK.until!);
  expect(activeHold([PARK], 'amzn', end - 1)).toEqual(PARK);
  expect(activeHold([PARK], 'amzn', end)).toBeNull();
  expect(activeHold([PARK, HOLD], 'amzn', end - 1)).toEqual(HOLD);
  expect(activeHold([HOLD], 'amzn', Number.MAX_VALUE)).toEqual(HOLD);
  expect(activeHold([HOLD], 'mon', 0)).toBeNull();
});

test('times agree with the calendar', () => {
  fc.assert(
    fc.property(fc.integer({ min: -2_000_000_000, max: 250_000_000_000 }), (seconds) => {
      const text = new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
      expect(utcText(seconds)).toBe(text);
      expect(utcMs(text)).toBe(seconds * 1000);
    }),
  );
  expect(utcMs('2026-12-01T06:00:00.250Z') % 1000).toBe(250);
  expect(utcMs('soon')).toBe(Number.POSITIVE_INFINITY);
});

const RECEIPT: Receipt = {
  v: 1,
  instance: 'amzn',
  market: 'AMZN-USD',
  cause: 'digest-drift',
  runId: 'r',
  pid: 5,
  startTicks: '9',
  iterFrom: 6,
  iterTo: 7,
  signalAt: null,
  exitedAt: null,
  killed: false,
  reads: [{ at: 't', what: 'position', value: '0' }],
  orders: [],
  costUsd: '0',
  botSays: null,
  disagreement: null,
  verdict: 'FLAT',
  sizeBase: null,
  rule: 'two zero reads',
  provedAt: 't',
};

test('a receipt is one line whose bytes do not depend on the order of its fields', () => {
  const shuffled = Object.fromEntries(Object.entries(RECEIPT).reverse()) as Receipt;
  expect(receiptLine(shuffled)).toBe(receiptLine(RECEIPT));
  expect(receiptLine(RECEIPT)).not.toContain('\n');
  const text = `${receiptLine(RECEIPT)}\n{"v":1}\n\n{"torn`;
  expect(parseReceipts(text)).toMatchObject({
    receipts: [{ line: receiptLine(RECEIPT), receipt: RECEIPT }],
    problems: [{ line: 2 }, { line: 4 }],
  });
  expect(receiptDigest('abc')).toBe('sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

const VALUE = 'S3cret+/=&value?ü';
const bytes = Buffer.from(VALUE);
test.each([
  { name: 'plain', text: `A=1\nB=${VALUE}\n`, form: 'plain' },
  { name: 'base64', text: `A=1\n${bytes.toString('base64')}\n`, form: 'base64' },
  { name: 'base64 inside a longer text', text: `\n${Buffer.from(`ab${VALUE}cd`).toString('base64')}`, form: 'base64' },
  { name: 'base64 at the third alignment', text: `\n${Buffer.from(`a${VALUE}cd`).toString('base64')}`, form: 'base64' },
  {
    name: 'base64url',
    text: `\n${Buffer.from('xx>>>???yy-long').toString('base64url')}`,
    form: 'base64url',
    value: 'xx>>>???yy-long',
  },
  { name: 'hex', text: `A\n${bytes.toString('hex')}`, form: 'hex' },
  { name: 'hex in capitals', text: `A\n${bytes.toString('hex').toUpperCase()}`, form: 'hex' },
  { name: 'URL-encoded', text: `A\nx?q=${encodeURIComponent(VALUE)}`, form: 'url-encoded' },
  { name: 'every byte URL-encoded', text: `A\n${bytes.toString('hex').replace(/../g, '%$&')}`, form: 'url-encoded' },
  { name: 'escaped in JSON', text: 'A\n{"k":"aa\\"bb\\ncc-dd"}', form: 'plain', value: 'aa"bb\ncc-dd' },
  { name: 'a hex key in capitals without 0x', text: 'A\nABCDEF0123456789', form: 'plain', value: '0xabcdef0123456789' },
])('the gate finds a value: $name', ({ text, form, value }) => {
  const secret = value ?? VALUE;
  const hits = findSecrets([{ path: 'f', text }], [{ key: 'MM_API_KEY', value: secret }]);
  expect(hits[0]).toEqual({ file: 'f', line: 2, key: 'MM_API_KEY', form });
  expect(JSON.stringify(hits)).not.toContain(secret);
});

test.each([
  { name: 'inside a number', text: 'A=912345\nB=123456', hit: false },
  { name: 'as a whole value', text: 'A=12345', hit: true },
  { name: 'quoted with a comment', text: 'A: "12345" # vault', hit: true },
  { name: 'as a word', text: 'over 12345 fills', hit: false },
  { name: 'in base64 as a whole value', text: `k=${Buffer.from('12345').toString('base64')}`, hit: true },
])('a short value counts only as a whole value: $name', ({ text, hit }) => {
  expect(findSecrets([{ path: 'f', text }], [{ key: 'MM_VAULT_ID', value: '12345' }]).length > 0).toBe(hit);
});

test('any secret of eight characters or more is found in each encoding wherever it stands; a blank one never', () => {
  const secret = fc
    .string({ unit: 'grapheme', minLength: 8 })
    .map((t) => t.trim())
    .filter((t) => t.length >= 8);
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
      const inside = Buffer.from(`${before}${value}${after}`);
      for (const text of [
        inside.toString(),
        inside.toString('base64'),
        inside.toString('base64url'),
        inside.toString('hex'),
        encodeURIComponent(value),
      ]) {
        expect(findSecrets([{ path: 'f', text }], [{ key: 'K', value }]).length).toBeGreaterThan(0);
      }
      expect(findSecrets([{ path: 'f', text: before }], [{ key: 'K', value: '  ' }])).toEqual([]);
    }),
  );
});

test('history: iterations with verdict, pending or reverted', () => {
  const entry = (iter: string, more: Partial<TrailEntry> = {}): TrailEntry => ({
    commit: 'abcdef0123456789',
    parents: [],
    authorName: 'm',
    authorEmail: 'e',
    authorTs: 0,
    committerTs: 0,
    subject: '',
    body: '',
    kind: 'tune',
    instance: 'amzn',
    trailers: [
      { key: 'Iter', value: iter },
      { key: 'Theme', value: 'reprice' },
      { key: 'Change', value: 'MM_A 1 -> 2' },
      { key: 'Trigger', value: 't' },
    ],
    at: 0,
    ours: true,
    files: [],
    ...more,
  });
  const revert = entry('', {
    kind: null,
    trailers: [],
    files: [{ status: 'D', path: 'fleet/env/amzn/.env.amzn.iter008' }],
  });
  const rows = historyRows(
    [revert, entry('009'), entry('008'), entry('007'), entry('x', { kind: 'park' })],
    `${LINE}\n`,
  );
  expect(rows.map((r) => [r.iter, r.verdict, r.n, r.effect])).toEqual([
    ['009', 'pending', null, null],
    ['008', 'reverted', null, null],
    ['007', 'inconclusive', 214, '+0.9 bps'],
  ]);
  // Taken back once more, the file is there again; what a person adds is an iteration too, once.
  const person = (status: 'A' | 'D', iter: string) =>
    entry('', {
      kind: null,
      ours: false,
      trailers: [],
      files: [{ status, path: `fleet/env/amzn/.env.amzn.iter${iter}` }],
    });
  const restored = historyRows(
    [person('A', '010'), person('D', '010'), person('A', '008'), person('A', '010'), revert, entry('008')],
    '',
  );
  expect(restored.map((r) => [r.iter, r.theme, r.verdict])).toEqual([
    ['010', 'by hand', 'pending'],
    ['008', 'reprice', 'pending'],
  ]);
  // Picked once more after its revert it is the same one.
  const back = entry('008', { files: [{ status: 'A', path: 'fleet/env/amzn/.env.amzn.iter008' }] });
  const picked = historyRows([back, revert, entry('008')], '');
  expect(picked.map((r) => [r.iter, r.verdict])).toEqual([['008', 'pending']]);
  expect(rows[0]).toMatchObject({
    commit: 'abcdef01',
    when: '1970-01-01T00:00:00Z',
    theme: 'reprice',
    change: 'MM_A 1 -> 2',
    trigger: 't',
  });
});
