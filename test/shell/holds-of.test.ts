import { expect, test } from 'vitest';
import { commitMessage } from '../../src/core/trail/message.ts';
import type { CommitStory } from '../../src/core/trail/stories.ts';
import { holdsOf } from '../../src/shell/uncommitted.ts';

type Word = 'start' | 'stop' | 'suspend' | 'resume' | 'hold' | 'release';
const said = (kind: Word, instance: string, reason: string): string => {
  const common = { instance, at: null, why: [], reason };
  const story: CommitStory =
    kind === 'hold' || kind === 'release' ? { ...common, kind, holdKind: 'hold' } : { ...common, kind, until: null };
  return commitMessage(story);
};

test.each<{ name: string; words: [Word, string, string][]; want: [string, string][] }>([
  { name: 'a stop', words: [['stop', 'amzn', 'losing']], want: [['amzn', 'stopped by hand: losing']] },
  { name: 'a suspension', words: [['suspend', 'amzn', 'news']], want: [['amzn', 'suspended by hand: news']] },
  { name: 'a hold says why itself', words: [['hold', 'amzn', 'hard limit: x']], want: [['amzn', 'hard limit: x']] },
  { name: 'a start is none', words: [['start', 'amzn', 'go']], want: [] },
  {
    name: 'what was taken back needs none',
    words: [
      ['stop', 'amzn', 'a'],
      ['start', 'amzn', 'b'],
      ['suspend', 'mon', 'c'],
      ['resume', 'mon', 'd'],
    ],
    want: [],
  },
  {
    name: 'a start lifts no hold',
    words: [
      ['hold', 'amzn', 'a'],
      ['start', 'amzn', 'b'],
    ],
    want: [['amzn', 'a']],
  },
  {
    name: 'each instance has one',
    words: [
      ['stop', 'amzn', 'a'],
      ['suspend', 'amzn', 'b'],
      ['stop', 'mon', 'c'],
    ],
    want: [
      ['amzn', 'suspended by hand: b'],
      ['mon', 'stopped by hand: c'],
    ],
  },
])('a hold of the clone in place of a commit that is dropped: $name', ({ words, want }) => {
  const dropped = words.map(([kind, name, why], n) => ({ message: said(kind, name, why), committerTs: n }));
  expect(holdsOf(dropped).map(({ instance, reason }) => [instance, reason])).toEqual(want);
});
