/** A step that a person squashed: the same words in the dress of each host, and what must not pass for one. */
import { describe, expect, test } from 'vitest';
import { envDigest } from '../../../src/core/env/digest.ts';
import { renderIter } from '../../../src/core/env/iter.ts';
import { parseEnv } from '../../../src/core/env/read.ts';
import { parseHolds, renderHolds } from '../../../src/core/trail/holds-file.ts';
import { commitMessage } from '../../../src/core/trail/message.ts';
import { entryOf } from '../../../src/core/trail/parse.ts';
import { asPark, asStep, squashedStep } from '../../../src/core/trail/squash.ts';
import type { ParkStory, TuneStory } from '../../../src/core/trail/stories.ts';
import type { TrailEntry } from '../../../src/core/trail/types.ts';
import { rebuildMemory } from '../../../src/core/tuning/memory.ts';

const BASE = 'fleet/env/amzn/.env.amzn';
const FILE = `${BASE}.iter007`;
const OURS = 'mmfleet@localhost';
const what = {
  instance: 'amzn',
  market: 'AMZN-USD',
  iter: 7,
  parentIter: null,
  theme: 'spread-offset' as const,
  step: 'widen x1.5',
  trigger: 'fast markout5sBps=-1.32 limit=-0.50 n=204',
  changes: [{ key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '1.8' }],
};
const text = renderIter('MM_MARKET_NAME=AMZN-USD\nMM_SPREAD_MULTIPLIER=1.2\n', '.env.amzn', what).text;
const TUNE: TuneStory = {
  ...what,
  kind: 'tune',
  at: 1771243200.25,
  why: ['Signal fast: +5 s markout averaged -1.32 bps.', 'Widen quotes one step (x1.5).'],
  proven: true,
  envDigest: envDigest(parseEnv(text, FILE).values),
  journal: 'mm_AMZN-USD_20261122_101500.jsonl@0..1048576',
  spec: 'b10b',
  fleetSpec: 'f1ee7',
};
const message = commitMessage(TUNE).trimEnd();
const [subject = '', ...rest] = message.split('\n');
const body = rest.join('\n').trim();

function entry(message: string, more: Partial<TrailEntry> = {}, email = 'ada@example.org'): TrailEntry {
  const fields = ['a'.repeat(40), 'b'.repeat(40), 'Ada', email, '1771250000', '1771250000', message];
  return { ...entryOf(fields, OURS), files: [{ status: 'A', path: FILE }], ...more };
}
const adopted = (each: TrailEntry, content = text) => {
  const found = squashedStep(each);
  if (found === null) return null;
  return asStep(each, found, content) ?? asPark(each, found, parseHolds(content, found.path).holds);
};
const indented = message
  .split('\n')
  .map((line) => (line === '' ? '' : `    ${line}`))
  .join('\n');

const DRESSES: [string, string][] = [
  ['one commit, a number behind its subject', `${subject} (#12)\n\n${body}`],
  ['one commit, a co-author after it', `${subject} (#12)\n\n${body}\n\nCo-authored-by: mmfleet <${OURS}>`],
  ['a title of its own and a list', `Widen AMZN (#12)\n\n* ${subject}\n\n${body}\n\n* looks right to me`],
  ['the title repeats the subject, cut short', `${subject.slice(0, 50)}… (#12)\n\n* ${subject}\n\n${body}`],
  [
    'git merge --squash',
    `Squashed commit of the following:\n\ncommit ${'c'.repeat(40)}\nAuthor: mmfleet <${OURS}>\nDate:   Mon\n\n${indented}`,
  ],
  ['an editor that left CRLF', `${subject}\r\n\r\n${body.replaceAll('\n', '\r\n')}`],
];

test.each(DRESSES)('%s', (_, squashed) => {
  const found = adopted(entry(squashed));
  expect(found).toMatchObject({ kind: 'tune', instance: 'amzn', at: TUNE.at, ours: false, authorName: 'Ada' });
  const memoryOf = (each: TrailEntry) =>
    rebuildMemory([each], {
      baseEnv: BASE,
      policy: {
        recover: { provenAfterMs: 1, quietForMs: 1, probationMs: 1, backoff: 2, maxWaitMs: 1 },
        forgetAfterMs: 1,
        keys: {},
      },
    });
  // What tuning remembers is what it would remember of the commit itself.
  expect(memoryOf(found!)).toEqual(memoryOf(entry(message, {}, OURS)));
  expect(memoryOf(found!)).toMatchObject({ complete: true, lastIter: 7, alarms: [{ kind: 'tune' }] });
});

describe('a park', () => {
  const HOLDS = 'fleet/holds.yaml';
  const until = '2026-12-01T10:00:00Z';
  const PARK: ParkStory = {
    kind: 'park',
    instance: 'amzn',
    at: 1771243200.25,
    why: ['Parked.'],
    until,
    trigger: what.trigger,
    parks: 2,
  };
  const hold = { instance: 'amzn', kind: 'park' as const, reason: what.trigger, since: '2026-12-01T06:00:00Z', until };
  const squashed = entry(`Park it (#3)\n\n* ${commitMessage(PARK)}`, { files: [{ status: 'M', path: HOLDS }] });

  test('is the engine’s where the holds say so', () => {
    expect(adopted(squashed, renderHolds([hold]))).toMatchObject({ kind: 'park', instance: 'amzn', at: PARK.at });
  });

  test.each([
    ['of another instance', renderHolds([{ ...hold, instance: 'mon' }])],
    ['until another time', renderHolds([{ ...hold, until: '2026-12-01T11:00:00Z' }])],
    ['that are none', ''],
  ])('stays a person’s beside holds %s', (_, holds) => expect(adopted(squashed, holds)).toBe(null));

  test('stays a person’s without the holds, or beside an iter', () => {
    expect(adopted({ ...squashed, files: [] }, renderHolds([hold]))).toBe(null);
    expect(adopted({ ...squashed, files: [{ status: 'A', path: FILE }] }, text)).toBe(null);
  });
});

describe('stays a person’s commit', () => {
  const two = `Two steps\n\n* ${subject}\n\n${body}\n\n* ${subject.replace('iter007', 'iter008')}\n\n${body.replace('Iter: 007', 'Iter: 008')}`;
  test.each<[string, TrailEntry]>([
    ['several steps in one', entry(two)],
    ['words without trailers', entry(`${subject}\n\nas it said`)],
    ['a trailer that is missing', entry(`${subject} (#1)\n\n${body.replace(/^Mmfleet-Trigger.*\n/m, '')}`)],
    ['another number', entry(`${subject} (#1)\n\n${body.replace('Mmfleet-Iter: 007', 'Mmfleet-Iter: 009')}`)],
    ['the words of two instances', entry(`tune(mon): iter007 x\n\n* ${subject}\n\n${body}`)],
    ['an iter that was there before', entry(message, { files: [{ status: 'M', path: FILE }] })],
    ['no iter at all', entry(message, { files: [{ status: 'A', path: 'README' }] })],
    ['a merge', entry(message, { parents: ['b'.repeat(40), 'c'.repeat(40)] })],
  ])('%s', (_, each) => expect(adopted(each)).toBe(null));

  test.each([
    ['other values', text.replace('MULTIPLIER=1.8', 'MULTIPLIER=2.8')],
    ['another story at its head', text.replace('n=204', 'n=2')],
    ['nothing', ''],
  ])('a file with %s', (_, content) => expect(adopted(entry(message), content)).toBe(null));

  test('and what is ours already is left alone', () => {
    expect(squashedStep(entry(message, {}, OURS))).toBe(null);
  });
});
