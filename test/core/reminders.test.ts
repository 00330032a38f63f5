import { expect, test } from 'vitest';
import { type Reminder, remind } from '../../src/core/plan/reminders.ts';

test('not flat is said at once, then after growing intervals, and its end once', () => {
  const held = new Map([['amzn', 'flat unproven']]);
  let reminders: ReadonlyMap<string, Reminder> = new Map();
  const saidAtMinute: number[] = [];
  for (let minute = 0; minute <= 240; minute += 1) {
    const next = remind(reminders, held, minute * 60_000);
    reminders = next.reminders;
    if (next.say.length > 0) saidAtMinute.push(minute);
  }
  expect(saidAtMinute).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183]);
  const end = remind(reminders, new Map(), 1e9);
  expect([end.over, end.say, remind(end.reminders, new Map(), 2e9).over]).toEqual([['amzn'], [], []]);
});

test('another reason is news', () => {
  const first = remind(new Map(), new Map([['amzn', 'a']]), 0);
  expect(remind(first.reminders, new Map([['amzn', 'b']]), 1).say).toEqual([{ name: 'amzn', text: 'b' }]);
});
