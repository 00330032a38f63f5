import { describe, expect, test } from 'vitest';
import { agreementOf, readPastDecision } from '../../../src/core/replay/past.ts';
import type { TrailEntry } from '../../../src/core/trail/types.ts';
import type { TuningDecision } from '../../../src/core/tuning/types.ts';
import { entryOf } from '../tuning/loop.ts';

const MESSAGE = `tune(sol): iter007 spread-offset, MM_SPREAD_MULTIPLIER 1.2 -> 1.8

Signal fast: +5 s markout averaged -1.32 bps.

Mmfleet-Instance: sol
Mmfleet-Market: SOL-USD
Mmfleet-Iter: 007
Mmfleet-Parent-Iter: 006
Mmfleet-Theme: spread-offset
Mmfleet-Trigger: fast markout5sBps=-1.32 limit=-0.50 n=204
Mmfleet-At: 1771243200.25
Mmfleet-Step: widen x1.5
Mmfleet-Change: MM_SPREAD_MULTIPLIER 1.2 -> 1.8
Mmfleet-Proven: yes
Mmfleet-Journal: mm_SOL-USD_20260216_101500.jsonl@0..1048576
`;
const PATH = 'fleet/env/sol/.env.sol.iter007';
const entry = (message = MESSAGE): TrailEntry => entryOf(message, 1_771_243_300, [{ status: 'A', path: PATH }]);

const decision: Extract<TuningDecision, { kind: 'tune' }> = {
  kind: 'tune',
  at: 1_771_243_200.25,
  trigger: { by: 'fast', metric: 'markout5sBps', value: -1.3214, limit: -0.5, n: 204, looks: 10 },
  urgent: true,
  theme: 'spread-offset',
  step: 'widen',
  factor: 1.5,
  changes: [{ key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '1.8' }],
  proven: true,
  message: '',
};

describe('a commit as a decision', () => {
  test('every trailer is read', () => {
    expect(readPastDecision(entry(), [])).toMatchObject({
      kind: 'tune',
      at: 1_771_243_200.25,
      trigger: { by: 'fast', metric: 'markout5sBps', value: -1.32, limit: -0.5, n: 204 },
      theme: 'spread-offset',
      step: 'widen x1.5',
      changes: decision.changes,
      iter: 7,
      parentIter: 6,
      proven: true,
      journal: { file: 'mm_SOL-USD_20260216_101500.jsonl', from: 0, to: 1_048_576 },
      verdict: null,
      removedBy: null,
    });
  });

  test.each([
    { name: 'a path', journal: '../../etc/passwd@0..10' },
    { name: 'no offset', journal: 'mm_SOL-USD_20260216_101500.jsonl' },
    { name: 'a negative offset', journal: 'a.jsonl@0..-1' },
  ])('a journal reference with $name is none', ({ journal }) => {
    const past = readPastDecision(entry(MESSAGE.replace(/(?<=Journal: ).*/, journal)), []);
    expect(past.journal).toBeNull();
  });

  test('a trigger that cannot be read is unknown, not zero', () => {
    expect(readPastDecision(entry(MESSAGE.replace('n=204', 'n=many')), []).trigger).toBeNull();
  });

  test('what came of it: its verdict and the commit that removed it', () => {
    const verdict =
      'verdict(sol): x\n\nMmfleet-Instance: sol\nMmfleet-Iter: 007\nMmfleet-Verdict: hurt\nMmfleet-Effect: -1 bps\nMmfleet-N: 9\n';
    const other = verdict.replace('007', '006');
    const revert = entryOf('Revert "tune(sol)"', 1, [{ status: 'D', path: PATH }]);
    const past = readPastDecision(entry(), [revert, entryOf(other, 1, []), entryOf(verdict, 1, []), entry()]);
    expect(past.verdict).toMatchObject({ verdict: 'hurt', effect: '-1 bps', n: '9' });
    expect(past.removedBy?.subject).toBe('Revert "tune(sol)"');
  });
});

describe('agreement', () => {
  const past = readPastDecision(entry(), []);
  test.each<{ name: string; again: TuningDecision; want: string[] }>([
    { name: 'the same', again: decision, want: [] },
    { name: 'seconds within one look', again: { ...decision, at: decision.at + 6 }, want: [] },
    { name: 'another look', again: { ...decision, at: decision.at + 60 }, want: ['at: '] },
    { name: 'another number', again: { ...decision, trigger: { ...decision.trigger, n: 205 } }, want: ['trigger: '] },
    { name: 'another factor', again: { ...decision, factor: 2 }, want: ['step: widen x1.5, again: widen x2'] },
    { name: 'other changes', again: { ...decision, changes: [] }, want: ['changes: '] },
    {
      name: 'nothing',
      again: { kind: 'none', reason: 'cooldown', message: 'collecting' },
      want: ['decision: tune, again: none (cooldown: collecting)'],
    },
  ])('$name', ({ again, want }) => {
    const { agrees, differences } = agreementOf(past, again);
    expect(agrees).toBe(want.length === 0);
    expect(differences).toHaveLength(want.length);
    for (const [n, text] of want.entries()) expect(differences[n]).toContain(text);
  });
});
