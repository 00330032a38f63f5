import { describe, expect, test } from 'vitest';
import { capChanges, type InstanceView, planInstance } from '../../src/core/plan/plan.ts';
import type { ProcessCopy } from '../../src/core/ports.ts';
import { known, unknown } from '../../src/core/problem.ts';
import type { Instance } from '../../src/core/spec/types.ts';
import type { TuningDecision } from '../../src/core/tuning/types.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const copy = (over: Partial<ProcessCopy> = {}): ProcessCopy => ({
  pid: 41,
  startTicks: '9',
  startedAtMs: NOW - 3_600_000,
  instance: 'amzn',
  iter: null,
  revision: 'r',
  digest: 'd',
  ...over,
});
const spec = (over: Partial<Instance> = {}): Instance =>
  ({ name: 'amzn', state: 'Running', autonomy: 'apply', suspend: null, host: null, ...over }) as Instance;
const trigger = { by: 'fast' as const, metric: 'netMarkout5sBps', value: -1.3, limit: -0.5, n: 204, looks: 10 };
const tune: TuningDecision = {
  kind: 'tune',
  at: 1,
  trigger,
  urgent: true,
  theme: 'spread-offset',
  step: 'widen',
  factor: 1.5,
  changes: [{ key: 'MM_SPREAD_MULTIPLIER', from: '1', to: '1.5' }],
  proven: true,
  message: 'markout',
};
const hygiene: TuningDecision = { ...tune, urgent: false, trigger: { ...trigger, by: 'cancelRatio' } };
const calm: TuningDecision = { kind: 'none', reason: 'converged', message: 'all quiet' };

const base: InstanceView = {
  name: 'amzn',
  spec: spec(),
  invalid: null,
  stoppable: true,
  here: true,
  desired: { iter: null, digest: 'd' },
  copies: known([copy()], NOW),
  stopInFlight: false,
  stopCause: null,
  hold: null,
  lastRun: 'unproved',
  failedProof: null,
  stranger: null,
  restart: { kind: 'now' },
  decision: calm,
  guarded: null,
  verdict: null,
  rebase: null,
  dirtyPath: null,
  gitTrouble: null,
  published: true,
  driftIsAlarm: false,
  confirmation: 'ok',
};
const dead = { copies: known<ProcessCopy[]>([], NOW) };
const hold = {
  instance: 'amzn',
  kind: 'hold' as const,
  reason: 'flat unproven',
  since: '2026-11-22T11:00:00Z',
  until: null,
};
const park = { ...hold, kind: 'park' as const, until: '2026-11-22T16:00:00Z' };

const TABLE: {
  name: string;
  given: Partial<InstanceView>;
  want: [action: string, reason: string, effect: string | null];
}[] = [
  { name: 'running as declared', given: {}, want: ['none', 'converged', null] },
  {
    name: 'an invalid spec keeps its process',
    given: { spec: null, invalid: 'bad' },
    want: ['none', 'spec-invalid', null],
  },
  {
    name: 'another host runs it',
    given: { ...dead, here: false, spec: spec({ host: 'b' }) },
    want: ['none', 'elsewhere', null],
  },
  {
    name: 'an unreadable process table is not "stopped"',
    given: { copies: unknown('denied') },
    want: ['none', 'unknown-process', null],
  },
  {
    name: 'two copies are touched by nobody',
    given: { copies: known([copy(), copy({ pid: 42 })], NOW) },
    want: ['none', 'two-copies', null],
  },
  {
    name: 'suspended',
    given: { spec: spec({ suspend: { reason: 'x', until: null } }), decision: tune },
    want: ['none', 'suspended', null],
  },
  {
    name: 'a suspension that has ended',
    given: { spec: spec({ suspend: { reason: 'x', until: '2026-11-22T11:59:59Z' } }) },
    want: ['none', 'converged', null],
  },
  { name: 'state Stopped stops', given: { spec: spec({ state: 'Stopped' }) }, want: ['stop', 'state-stopped', 'stop'] },
  {
    name: 'state Stopped stops a held one too',
    given: { spec: spec({ state: 'Stopped' }), hold },
    want: ['stop', 'state-stopped', 'stop'],
  },
  {
    name: 'Stopped and down, but never proved flat',
    given: { ...dead, spec: spec({ state: 'Stopped' }) },
    want: ['flatten', 'state-stopped', 'prove'],
  },
  {
    name: 'Stopped, down and proved',
    given: { ...dead, spec: spec({ state: 'Stopped' }), lastRun: 'proved' },
    want: ['none', 'state-stopped', null],
  },
  {
    name: 'Retired',
    given: { ...dead, spec: spec({ state: 'Retired' }), lastRun: 'proved' },
    want: ['none', 'retired', null],
  },
  {
    name: 'flattened by hand and still running: stopped',
    given: { hold: { ...hold, reason: 'flattened by hand: looks odd' } },
    want: ['stop', 'held', 'stop'],
  },
  {
    name: 'stopped by hand, and its end is not proved: proved',
    given: { ...dead, hold: { ...hold, reason: 'stopped by hand' } },
    want: ['flatten', 'held', 'prove'],
  },
  {
    name: 'the same where the proof has failed: nothing',
    given: { ...dead, failedProof: 'no answer', hold: { ...hold, reason: 'stopped by hand' } },
    want: ['none', 'held', null],
  },
  {
    name: 'a hold that tells of a hand in other words, and running: nothing',
    given: { hold: { ...hold, reason: 'stopped by handling' } },
    want: ['none', 'held', null],
  },
  { name: 'held and running: nothing', given: { hold, decision: tune }, want: ['none', 'held', null] },
  { name: 'held and down: nothing', given: { ...dead, hold }, want: ['none', 'held', null] },
  { name: 'parked and running: stop', given: { hold: park }, want: ['stop', 'parked', 'stop'] },
  { name: 'parked and down', given: { ...dead, hold: park, lastRun: 'proved' }, want: ['none', 'parked', null] },
  { name: 'down: start', given: { ...dead, lastRun: 'proved' }, want: ['start', 'not-running', 'start'] },
  {
    name: 'down in back-off, never proved flat: prove first',
    given: { ...dead, restart: { kind: 'wait', untilMs: NOW + 5000 } },
    want: ['flatten', 'backoff', 'prove'],
  },
  {
    name: 'down in back-off: wait',
    given: { ...dead, lastRun: 'proved', restart: { kind: 'wait', untilMs: NOW + 5000 } },
    want: ['none', 'backoff', null],
  },
  {
    name: 'down again and again: latch',
    given: { ...dead, lastRun: 'proved', restart: { kind: 'crash-loop', restarts: 5 } },
    want: ['hold', 'crash-loop', 'latch'],
  },
  {
    name: 'down, its commit not on the remote: no start',
    given: { ...dead, lastRun: 'proved', published: false, gitTrouble: 'the remote is away' },
    want: ['none', 'git-away', null],
  },
  {
    name: 'down under an alarm: tune before start',
    given: { ...dead, decision: tune },
    want: ['tune', 'alarm-fast', 'commit-decision'],
  },
  {
    name: 'down under an alarm, remote away: not started',
    given: { ...dead, lastRun: 'proved', decision: tune, gitTrouble: 'the remote is away' },
    want: ['none', 'git-away', null],
  },
  {
    name: 'down under an alarm that is only reported: started',
    given: { ...dead, decision: tune, spec: spec({ autonomy: 'observe' }) },
    want: ['start', 'not-running', 'start'],
  },
  {
    name: 'digest drift restarts',
    given: { desired: { iter: 7, digest: 'e' } },
    want: ['restart', 'digest-drift', 'restart'],
  },
  {
    name: 'digest drift waits for its commit',
    given: { desired: { iter: 7, digest: 'e' }, published: false },
    want: ['none', 'git-away', null],
  },
  {
    name: 'drift that an alarm made, remote away: stop',
    given: {
      desired: { iter: 7, digest: 'e' },
      published: false,
      gitTrouble: 'the remote is away',
      driftIsAlarm: true,
    },
    want: ['stop', 'git-away', 'stop'],
  },
  {
    name: 'a proof that failed before its hold was committed',
    given: { ...dead, failedProof: 'barrier: 2 orders' },
    want: ['hold', 'flat-unproven', 'latch'],
  },
  {
    name: 'a bot started by hand quotes this market',
    given: { ...dead, stranger: 'run x' },
    want: ['none', 'two-copies', null],
  },
  {
    name: 'only descendants live',
    given: { copies: known([copy({ remnant: true })], NOW) },
    want: ['flatten', 'not-running', 'prove'],
  },
  { name: 'an alarm tunes', given: { decision: tune }, want: ['tune', 'alarm-fast', 'commit-decision'] },
  {
    name: 'an alarm is reported only',
    given: { decision: tune, spec: spec({ autonomy: 'observe' }) },
    want: ['none', 'observe-only', null],
  },
  {
    name: 'an alarm is proposed, never applied',
    given: { decision: tune, spec: spec({ autonomy: 'propose' }) },
    want: ['none', 'proposed', null],
  },
  {
    name: 'an alarm under a fleet guard',
    given: { decision: tune, guarded: { reason: 'market-wide', message: 'm' } },
    want: ['none', 'market-wide', null],
  },
  {
    name: 'an alarm while the remote is away stops',
    given: { decision: tune, gitTrouble: 'the remote is away' },
    want: ['stop', 'git-away', 'stop'],
  },
  {
    name: 'hygiene while the remote is away waits',
    given: { decision: hygiene, gitTrouble: 'the remote is away' },
    want: ['none', 'git-away', null],
  },
  { name: 'hygiene is a limit', given: { decision: hygiene }, want: ['tune', 'limit', 'commit-decision'] },
  {
    name: 'a hard limit stops',
    given: { decision: { kind: 'stop', at: 1, trigger, message: 'drawdown' } },
    want: ['stop', 'hard-limit', 'stop'],
  },
  {
    name: 'a hard limit whose stop was cut short latches',
    given: { ...dead, decision: { kind: 'stop', at: 1, trigger, message: 'drawdown' } },
    want: ['stop', 'hard-limit', 'stop'],
  },
  {
    name: 'and latches where tuning is only reported',
    given: {
      ...dead,
      lastRun: 'proved',
      spec: spec({ autonomy: 'observe' }),
      decision: { kind: 'stop', at: 1, trigger, message: 'drawdown' },
    },
    want: ['stop', 'hard-limit', 'stop'],
  },
  {
    name: 'and latches although its end took the cause away',
    given: { ...dead, stopCause: 'hard-limit', decision: null },
    want: ['stop', 'hard-limit', 'stop'],
  },
  {
    name: 'a hard limit goes before a drift, whether or not that can act',
    given: {
      desired: { iter: null, digest: 'e' },
      published: false,
      decision: { kind: 'stop', at: 1, trigger, message: 'drawdown' },
    },
    want: ['stop', 'hard-limit', 'stop'],
  },
  {
    name: 'a hard limit goes before edits that were never committed',
    given: { dirtyPath: 'fleet/holds.yaml', decision: { kind: 'stop', at: 1, trigger, message: 'drawdown' } },
    want: ['stop', 'hard-limit', 'stop'],
  },
  {
    name: 'the stop of a hard limit in flight is finished and held, not started again',
    given: { stopInFlight: true, stopCause: 'hard-limit' },
    want: ['stop', 'hard-limit', 'stop'],
  },
  {
    name: 'and so under a park',
    given: { stopInFlight: true, stopCause: 'hard-limit', hold: park },
    want: ['stop', 'hard-limit', 'stop'],
  },
  {
    name: 'a stop in flight because the remote was away starts nothing',
    given: { stopInFlight: true, stopCause: 'git-away' },
    want: ['stop', 'git-away', 'stop'],
  },
  {
    name: 'declared on another host, and a copy was left here',
    given: { here: false, spec: spec({ host: 'b' }) },
    want: ['none', 'elsewhere', null],
  },
  {
    name: 'an edited base is re-based first',
    given: { rebase: { changes: [] }, desired: { iter: 7, digest: 'e' } },
    want: ['rebase', 'base-edited', 'commit-rebase'],
  },
  {
    name: 'a start that the journal contradicts',
    given: { confirmation: { mismatch: 'another env file' } },
    want: ['hold', 'not-confirmed', 'latch'],
  },
  {
    name: 'a start that says nothing is held while it does, and nothing is latched',
    given: { confirmation: { unseen: 'no run_start' }, decision: tune },
    want: ['none', 'not-confirmed', null],
  },
  {
    name: 'one that says nothing follows its env all the same',
    given: { confirmation: { unseen: 'no run_start' }, desired: { iter: 7, digest: 'e' } },
    want: ['restart', 'digest-drift', 'restart'],
  },
  {
    name: 'a start not yet confirmed is not judged',
    given: { confirmation: 'pending', decision: tune },
    want: ['none', 'not-confirmed', null],
  },
  { name: 'a stop in flight is finished', given: { stopInFlight: true }, want: ['restart', 'digest-drift', 'restart'] },
  {
    name: 'a stop in flight is finished without a start while its commit is not on the remote',
    given: { stopInFlight: true, published: false },
    want: ['stop', 'git-away', 'stop'],
  },
  {
    name: 'a dirty machine-owned path: no hygiene',
    given: { dirtyPath: 'fleet/holds.yaml', decision: hygiene },
    want: ['none', 'held', null],
  },
  {
    name: 'a dirty machine-owned path: no restart',
    given: { dirtyPath: 'fleet/holds.yaml', desired: { iter: 7, digest: 'e' } },
    want: ['none', 'held', null],
  },
  {
    name: 'a dirty machine-owned path: an alarm stops',
    given: { dirtyPath: 'fleet/holds.yaml', decision: tune },
    want: ['stop', 'git-away', 'stop'],
  },
  {
    name: 'a dirty machine-owned path: an alarm that is only reported stops nothing',
    given: { dirtyPath: 'fleet/holds.yaml', decision: tune, spec: spec({ autonomy: 'observe' }) },
    want: ['none', 'held', null],
  },
  {
    name: 'a dirty machine-owned path: a crash is proved flat',
    given: { ...dead, dirtyPath: 'fleet/holds.yaml' },
    want: ['flatten', 'git-away', 'prove'],
  },
  {
    name: 'a dirty machine-owned path: and not started',
    given: { ...dead, dirtyPath: 'fleet/holds.yaml', lastRun: 'proved' },
    want: ['none', 'held', null],
  },
  {
    name: 'a dirty machine-owned path: a stop in flight is finished, not started again',
    given: { dirtyPath: 'fleet/holds.yaml', stopInFlight: true },
    want: ['stop', 'git-away', 'stop'],
  },
  {
    name: 'a dirty machine-owned path, and it is to be down',
    given: { dirtyPath: 'fleet/holds.yaml', spec: spec({ state: 'Stopped' }) },
    want: ['stop', 'state-stopped', 'stop'],
  },
  {
    name: 'a bad env, and it is to be down',
    given: { invalid: 'bad', spec: spec({ state: 'Stopped' }) },
    want: ['stop', 'state-stopped', 'stop'],
  },
  {
    name: 'a bad env, and it is down without a proof',
    given: { ...dead, invalid: 'bad', spec: spec({ state: 'Retired' }) },
    want: ['flatten', 'retired', 'prove'],
  },
  {
    name: 'a bad env, down and proved',
    given: { ...dead, invalid: 'bad', spec: spec({ state: 'Stopped' }), lastRun: 'proved' },
    want: ['none', 'spec-invalid', null],
  },
  {
    name: 'a bad spec that leaves the market in doubt',
    given: { invalid: 'bad', stoppable: false, spec: spec({ state: 'Stopped' }) },
    want: ['none', 'spec-invalid', null],
  },
];

test.each(TABLE)('$name', ({ given, want }) => {
  const planned = planInstance({ ...base, ...given }, NOW);
  expect([planned.item.action, planned.item.reason, planned.effect?.do ?? null]).toEqual(want);
  expect(planned.item.message).not.toBe('');
});

test('a copy left on the host that an instance was moved away from is told', () => {
  const left = planInstance({ ...base, here: false, spec: spec({ host: 'b' }) }, NOW);
  expect([left.standing, left.item.message]).toEqual(['held', expect.stringContaining('pid 41 of it lives here')]);
  expect(planInstance({ ...base, ...dead, here: false, spec: spec({ host: 'b' }) }, NOW).standing).toBe('settled');
});

describe('the share of instances changed per pass', () => {
  const restart = (name: string) => planInstance({ ...base, name, desired: { iter: 7, digest: 'e' } }, NOW);
  const stop = planInstance({ ...base, name: 'stopped', spec: spec({ state: 'Stopped' }) }, NOW);
  const three = [restart('a'), stop, restart('b'), restart('c')];
  const words = (share: number, running: number, nowMs: number) =>
    capChanges(three, running, { maxShareChangedPerPass: share }, nowMs).map((p) => p.effect?.do ?? p.item.reason);
  const count = (list: string[], word: string) => list.filter((w) => w === word).length;

  test('is capped, at least one, and a person’s stop is not counted', () => {
    expect(words(0.5, 4, NOW)[1]).toBe('stop');
    expect(count(words(0.5, 4, NOW), 'restart')).toBe(2);
    expect(count(words(0.5, 4, NOW), 'guard')).toBe(1);
    expect(count(words(0.1, 2, NOW), 'restart')).toBe(1);
  });

  test('everybody gets a turn within minutes; within one minute the choice stays', () => {
    const firsts = Array.from({ length: 20 }, (_, minute) => words(0.1, 2, NOW + minute * 60_000).indexOf('restart'));
    expect(new Set(firsts)).toEqual(new Set([0, 2, 3]));
    const start = Math.floor(NOW / 60_000) * 60_000;
    expect(words(0.1, 2, start)).toEqual(words(0.1, 2, start + 59_999));
  });
});
