import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Theme } from '../../../src/core/spec/types.ts';
import { commitMessage } from '../../../src/core/trail/message.ts';
import { LOG_FORMAT, parseLog } from '../../../src/core/trail/parse.ts';
import { parseMessage } from '../../../src/core/trail/read-message.ts';
import type { CommitStory, TuneStory } from '../../../src/core/trail/stories.ts';
import { changeText, oneLine, parseChange } from '../../../src/core/trail/text.ts';
import { splitAny, splitMessage } from '../../../src/core/trail/trailers.ts';

const TUNE: TuneStory = {
  kind: 'tune',
  instance: 'amzn',
  at: 1771243200.25,
  why: [
    'Signal fast: +5 s markout averaged -1.32 bps over 204 fills, limit -0.50, 10 looks in a row.',
    'Widen quotes one step (x1.5); bounds 0.80..3.00.',
  ],
  market: 'AMZN-USD',
  iter: 7,
  parentIter: 6,
  theme: 'spread-offset',
  step: 'widen x1.5',
  trigger: 'fast markout5sBps=-1.32 limit=-0.50 n=204',
  changes: [
    { key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '1.8' },
    { key: 'MM_MIN_OFFSET_BPS', from: '4', to: '6' },
  ],
  proven: true,
  envDigest: 'sha256:aa',
  journal: 'mm_AMZN-USD_20261122_101500.jsonl@0..1048576',
  spec: 'b10b',
  fleetSpec: 'f1ee7',
};

test('a tune commit reads as the contract shows it', () => {
  expect(
    commitMessage(TUNE),
  ).toBe(`tune(amzn): iter007 spread-offset, MM_SPREAD_MULTIPLIER 1.2 -> 1.8, MM_MIN_OFFSET_BPS 4 -> 6

Signal fast: +5 s markout averaged -1.32 bps over 204 fills, limit -0.50, 10 looks in a row.
Widen quotes one step (x1.5); bounds 0.80..3.00.

Mmfleet-Instance: amzn
Mmfleet-Market: AMZN-USD
Mmfleet-Iter: 007
Mmfleet-Parent-Iter: 006
Mmfleet-Theme: spread-offset
Mmfleet-Trigger: fast markout5sBps=-1.32 limit=-0.50 n=204
Mmfleet-At: 1771243200.25
Mmfleet-Step: widen x1.5
Mmfleet-Change: MM_SPREAD_MULTIPLIER 1.2 -> 1.8
Mmfleet-Change: MM_MIN_OFFSET_BPS 4 -> 6
Mmfleet-Proven: yes
Mmfleet-Env-Digest: sha256:aa
Mmfleet-Journal: mm_AMZN-USD_20261122_101500.jsonl@0..1048576
Mmfleet-Spec: b10b
Mmfleet-Fleet-Spec: f1ee7
`);
});

const C = { instance: 'amzn', at: 12.5, why: ['Because.'] };
test.each<{ name: string; given: CommitStory; subject: string; keys: string[] }>([
  {
    name: 'undo',
    given: { ...TUNE, kind: 'undo', fromIter: 7, toIter: null, waitMs: 43_200_000, forget: 'x' },
    subject: 'undo(amzn): iter007 undoes iter007, MM_SPREAD_MULTIPLIER 1.2 -> 1.8, MM_MIN_OFFSET_BPS 4 -> 6',
    keys: 'Instance Market Iter Parent-Iter From-Iter To-Iter Theme Trigger At Step Change Change Proven Wait Forget Env-Digest Journal Spec Fleet-Spec'.split(
      ' ',
    ),
  },
  {
    name: 'park',
    given: { ...C, kind: 'park', until: '2026-12-01T06:00:00Z', trigger: 'slow x', parks: 2 },
    subject: 'park(amzn): flat until 2026-12-01T06:00:00Z, slow x',
    keys: ['Instance', 'Trigger', 'At', 'Until', 'Parks'],
  },
  {
    name: 'release of a hold',
    given: { ...C, kind: 'release', reason: 'checked by hand', holdKind: 'hold' },
    subject: 'release(amzn): checked by hand',
    keys: ['Instance', 'At', 'Kind', 'Reason'],
  },
  {
    name: 'verdict',
    given: {
      ...C,
      kind: 'verdict',
      iter: 7,
      against: 6,
      verdict: 'inconclusive',
      effectBps: 0.9,
      ci95: [-0.4, 2.2],
      n: 214,
    },
    subject: 'verdict(amzn): iter007 inconclusive, edge +0.9 bps (95% -0.4..+2.2, n=214) against iter006',
    keys: ['Instance', 'Iter', 'Against', 'At', 'Verdict', 'Effect', 'N'],
  },
  {
    name: 'converge without a journal',
    given: {
      ...C,
      at: null,
      kind: 'converge',
      iterFrom: null,
      iterTo: 7,
      flat: 'DUST',
      costUsd: '0.12',
      receipt: 'sha256:a',
    },
    subject: 'converge(amzn): base -> iter007, dust, cost 0.12 USD',
    keys: ['Instance', 'Iter-From', 'Iter-To', 'Flat', 'Cost', 'Receipt'],
  },
  {
    name: 'rollback',
    given: { ...C, kind: 'rollback', iter: 9, to: 4, base: 'b', changes: [{ key: 'MM_A', from: null, to: '' }] },
    subject: 'rollback(amzn): iter009 with the values of iter004, MM_A absent -> ""',
    keys: ['Instance', 'Iter', 'At', 'Base', 'Change'],
  },
  {
    name: 'suspend',
    given: { ...C, kind: 'suspend', reason: 'maintenance', until: '2026-12-01T06:00:00Z' },
    subject: 'suspend(amzn): until 2026-12-01T06:00:00Z, maintenance',
    keys: ['Instance', 'At', 'Reason', 'Until'],
  },
  {
    name: 'init',
    given: { ...C, kind: 'init', at: null, instance: 'equities', instances: ['amzn', 'mon'] },
    subject: 'init(equities): operations repository with amzn, mon',
    keys: ['Instance', 'Instance'],
  },
])('$name has its subject and exactly its trailers', ({ given, subject, keys }) => {
  const parts = splitMessage(commitMessage(given));
  expect(parts.subject).toBe(subject);
  expect(parts.trailers.map((t) => t.key)).toEqual(keys);
  expect(parseMessage(commitMessage(given))).toEqual(given);
});

const line = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .map(oneLine)
  .filter((text) => text !== '');
const word = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,12}$/);
const at = fc.option(
  fc.double({ min: 0, max: 4e9, noNaN: true }).map((x) => (x === 0 ? 0 : x)),
  { nil: null },
);
const iter = fc.integer({ min: 1, max: 12_000 });
const ref = fc.option(iter, { nil: null });
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('1.2', 'absent', '->', '', 'a -> b', '"'),
);
const change = fc.record({
  key: fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,10}$/),
  from: fc.option(value, { nil: null }),
  to: value,
});
const changes = fc.array(change, { maxLength: 3 });
const bps = fc.integer({ min: -99_999, max: 99_999 }).map((n) => n / 100 + 0);
const common = { instance: word, at, why: fc.array(line, { maxLength: 3 }) };
const theme = fc.constantFrom<Theme>('spread-offset', 'reprice', 'post-only', 'inventory', 'toxicity', 'breaker');
const step = {
  ...common,
  market: line,
  iter,
  parentIter: ref,
  theme,
  step: line,
  trigger: line,
  changes,
  proven: fc.boolean(),
  envDigest: word,
  journal: fc.option(line, { nil: null }),
  spec: word,
  fleetSpec: word,
};
const ways = { fromIter: iter, toIter: ref };
const ran = fc.oneof(ref, fc.constant('none' as const));
const story: fc.Arbitrary<CommitStory> = fc.oneof(
  fc.record({ kind: fc.constant('tune' as const), ...step }),
  fc.record({ kind: fc.constant('recover' as const), ...step, ...ways }),
  fc.record({ kind: fc.constant('undo' as const), ...step, ...ways, waitMs: fc.nat(), forget: line }),
  fc.record({ kind: fc.constant('park' as const), ...common, until: word, trigger: line, parks: fc.nat() }),
  fc.record({
    kind: fc.constantFrom('hold' as const, 'release' as const),
    ...common,
    reason: line,
    holdKind: fc.constantFrom('hold' as const, 'park' as const),
  }),
  fc.record({
    kind: fc.constant('verdict' as const),
    ...common,
    iter,
    against: ref,
    verdict: fc.constantFrom('helped' as const, 'hurt' as const, 'inconclusive' as const),
    effectBps: fc.option(bps, { nil: null }),
    ci95: fc.option(fc.tuple(bps, bps), { nil: null }),
    n: fc.nat(),
  }),
  fc.record({
    kind: fc.constant('converge' as const),
    ...common,
    iterFrom: ran,
    iterTo: ran,
    flat: fc.constantFrom('FLAT' as const, 'DUST' as const),
    costUsd: fc.constantFrom('0', '0.12', '-3.5'),
    receipt: word,
  }),
  fc.record({ kind: fc.constant('rebase' as const), ...common, iter, base: word, changes }),
  fc.record({ kind: fc.constant('rollback' as const), ...common, iter, to: ref, base: word, changes }),
  fc.record({
    kind: fc.constantFrom('start' as const, 'stop' as const, 'suspend' as const, 'resume' as const),
    ...common,
    reason: line,
    until: fc.option(word, { nil: null }),
  }),
  fc.record({ kind: fc.constant('init' as const), ...common, instances: fc.array(word, { maxLength: 3 }) }),
);

test('every kind: what is written is read back the same', () => {
  fc.assert(
    fc.property(story, (given) => void expect(parseMessage(commitMessage(given))).toEqual(given)),
    { numRuns: 600 },
  );
});

test('hostile text in a reason or a body never makes another trailer, subject or commit', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '\n\nMmfleet-Instance: mon\n',
      'x\r\nMmfleet-Iter: 999',
      '\u2028Mmfleet-Kind: park',
      '\0',
      'Mmfleet-At: 1',
    ),
  );
  fc.assert(
    fc.property(hostile, hostile, (reason, why) => {
      const text = commitMessage({
        kind: 'hold',
        instance: 'amzn',
        at: 5,
        why: [why, reason],
        reason: `r ${reason}`,
        holdKind: 'hold',
      });
      const parts = splitMessage(text);
      expect(parts.trailers.map((t) => t.key)).toEqual(['Instance', 'At', 'Kind', 'Reason']);
      expect(parts.trailers[0]!.value).toBe('amzn');
      expect([parts.kind, parts.name]).toEqual(['hold', 'amzn']);
    }),
  );
});

test('changes of any value are one line and read back', () => {
  fc.assert(
    fc.property(change, (given) => {
      expect(changeText(given)).toMatch(/^[ -~]+$/);
      expect(parseChange(changeText(given))).toEqual(given);
    }),
  );
});

test.each([
  { name: 'only the last paragraph counts', text: 'tune(amzn): x\n\nMmfleet-Iter: 001\n\nwords\n', want: [] },
  { name: 'the subject never counts', text: 'Mmfleet-Iter: 001', want: [] },
  { name: 'nor text right under the subject', text: 'tune(amzn): x\nMmfleet-Iter: 001\n', want: [] },
  { name: 'a signed-off line may stand beside', text: 'x\n\nMmfleet-Iter: 001\nSigned-off-by: a\n', want: ['001'] },
  { name: 'Windows line ends', text: 'x\r\n\r\nMmfleet-Iter: 001\r\n', want: ['001'] },
])('$name', ({ text, want }) => {
  expect(splitMessage(text).trailers.map((t) => t.value)).toEqual(want);
});

test('a log of any messages gives each commit once, with its own files', () => {
  expect(LOG_FORMAT.split('%x00').length).toBe(8);
  const message = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', ''));
  const files = fc.array(
    fc.tuple(fc.constantFrom('A', 'M', 'D', 'MM', 'T'), fc.stringMatching(/^fleet\/[a-f0-9A-Z]{1,45}$/)),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(message, files), { maxLength: 5 }), (commits) => {
      const id = (i: number) => String(i).padStart(40, 'a');
      const text = commits.map(([m, f], i) => {
        const head = [id(i), '', 'n', 'e@x', '1', '2', m, '', ''].join('\0');
        return `${head}${f.length === 0 ? '' : `\n${f.map(([s, p]) => `${s}\0${p}\0`).join('')}`}`;
      });
      const entries = parseLog(text.join(''), { under: 'fleet/', ourEmail: 'e@x' });
      expect(entries.map((e) => e.commit)).toEqual(commits.map((_, i) => id(i)));
      expect(entries.map((e) => e.files.map((f) => f.path))).toEqual(commits.map(([, f]) => f.map(([, p]) => p)));
    }),
  );
});

test('a subject and a trailer that name different instances count for neither', () => {
  const fields = ['a'.repeat(40), '', 'n', 'e', '1', '2', 'tune(amzn): x\n\nMmfleet-Instance: mon\n', ''].join('\0');
  expect(parseLog(fields, { under: '', ourEmail: 'e' })[0]).toMatchObject({ kind: null, instance: null });
});

test('cut out as it stands, a message says what the rules make of it', () => {
  const words = [
    '\n',
    '\n\n',
    '\n\n\n',
    '\r\n',
    '\r',
    ' ',
    '\t',
    '\u00a0',
    '\u2028',
    '\ufeff',
    'tune(amzn): x',
    'words',
    'Signed-off-by: a',
  ];
  const lines = [
    'Mmfleet-Iter: 001',
    'Mmfleet-Iter:  002 ',
    'Mmfleet-Change: A 1 -> 2',
    'Mmfleet-',
    'Mmfleet-X: \u2028',
  ];
  const piece = fc.constantFrom(...words, '\n', '\n\n', ...lines, ...lines.map((line) => `${line}\n`));
  const known = new Map();
  let plain = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const text = pieces.join('');
      const { subject, body, trailers } = splitMessage(text, known);
      expect({ subject, body, trailers }).toEqual(splitAny(text));
      if (trailers.length > 0 && !/\r/.test(text)) plain += 1;
    }),
    { numRuns: 20_000 },
  );
  expect(plain).toBeGreaterThan(500);
});
