/** `mmfleet replay` over recorded days of the simulated market, and over what is no good journal. */
import { createHash } from 'node:crypto';
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DAY_START, recordedLines } from '../support/recorded-day.ts';
import { instanceYaml, type ReplayWorld, replayWorld } from '../support/replay-world.ts';
import { git } from '../support/repos.ts';

let w: ReplayWorld;
let healthy: string[];
let tight: string[];
const paths = { healthy: '', tight: '' };

beforeAll(() => {
  w = replayWorld();
  healthy = recordedLines({ scenario: 'tuned', hours: 24, seed: 6 });
  tight = recordedLines({ scenario: 'too tight', hours: 3, seed: 1 });
  paths.healthy = w.journal(healthy, undefined, 'healthy');
  paths.tight = w.journal(tight, undefined, 'tight');
}, 60_000);
afterAll(() => w.end());

type Item = {
  name: string;
  start: { iter: number | null; from: string };
  runs: { runId: string }[];
  journalS: number;
  gaps: { count: number };
  badLines: number;
  metrics: { alarms: number; alarmsPerDay: { value: number; n: number } | { unavailable: string }; parks: number };
  timeS: Record<string, number>;
  decisions: { at: number; kind: string; by: string; changes: { key: string; from: string; to: string }[] }[];
  logDigest: string;
  rules: { rule: string; value: number; broken: boolean }[];
  baseline: (Omit<Item, 'baseline'> & { difference: Difference }) | null;
};
type Difference = { same: number; onlyHere: object[]; onlyBaseline: object[]; firstDivergence: { at: number } | null };
type Doc = {
  kind: string;
  fleet: string;
  summary: { logDigest: string; compares: string; baseline: string | null; broken: string[] };
  items: Item[];
  problems: { code: string; message: string; severity?: string; hint?: string }[];
};

async function json(...args: string[]): Promise<Doc & { code: number }> {
  const ran = await w.run('replay', ...args, '--json');
  expect(ran.err).toBe('');
  return { ...(JSON.parse(ran.out) as Doc), code: ran.code };
}

describe('recorded days', () => {
  test('a healthy day makes no alarm', async () => {
    const doc = await json('amzn', '--journal', paths.healthy, '--fail-on', 'alarmsPerDay>0');
    expect(doc).toMatchObject({ kind: 'Replay', fleet: 'recorded', code: 0, problems: [] });
    const item = doc.items[0]!;
    expect(item.metrics).toMatchObject({ alarms: 0, alarmsPerDay: { value: 0, n: 0 }, parks: 0 });
    expect(item.start).toEqual({ iter: null, from: 'recorded' });
    expect(item.journalS / 3600).toBeCloseTo(24, 1);
    expect(Object.values(item.timeS).reduce((a, b) => a + b, 0)).toBeCloseTo(item.journalS, 6);
    expect(item.timeS['ok']! / item.journalS).toBeGreaterThan(0.8);
  });

  test('a too-tight day alarms within the measured delay, and steps from the values that ran', async () => {
    const doc = await json('amzn', '--journal', paths.tight, '--fail-on', 'alarmsPerDay>0.5', 'boundHits>0');
    const item = doc.items[0]!;
    const first = item.decisions[0]!;
    expect(first.kind).toBe('tune');
    expect((first.at - DAY_START) / 60).toBeLessThanOrEqual(200);
    expect(first.changes).toContainEqual({ key: 'MM_MIN_OFFSET_BPS', from: '5.0', to: '7.5' });
    expect(doc.code).toBe(8);
    expect(item.rules).toMatchObject([
      { rule: 'alarmsPerDay>0.5', broken: true },
      { rule: 'boundHits>0', broken: false },
    ]);
    expect(doc.summary.broken).toEqual(['amzn: alarmsPerDay>0.5']);
  });

  test('the same input gives the same digest, in another folder and under another name too', async () => {
    const [a, b] = [await json('--journal', paths.tight), await json('--journal', paths.tight)];
    expect(b.summary.logDigest).toBe(a.summary.logDigest);
    expect(a.summary.logDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
    const moved = await json('--journal', w.journal(tight, 'recorded.jsonl', 'elsewhere'));
    expect(moved.items[0]!.logDigest).toBe(a.items[0]!.logDigest);
    const other = await json('--journal', paths.healthy);
    expect(other.summary.logDigest).not.toBe(a.summary.logDigest);
  });

  test('cut into rotated pieces it is the same run', async () => {
    const cuts = [tight.slice(0, 9000), tight.slice(9000, 15_000), tight.slice(15_000)];
    const names = ['.jsonl', '.1.jsonl', '.2.jsonl'].map((end) => `mm_AMZN-USD_20260216_000000${end}`);
    for (const [n, name] of names.entries()) w.journal(cuts[n]!, name, 'pieces');
    const doc = await json('--journal', join(w.dir, 'pieces'));
    expect(doc.items[0]!.runs).toHaveLength(1);
    expect(doc.items[0]!.decisions).toEqual((await json('--journal', paths.tight)).items[0]!.decisions);
  });

  test('the text says what it is, prints the digest, the decisions and the rules', async () => {
    const ran = await w.run('replay', '--journal', paths.tight, '--fail-on', 'alarmsPerDay>0.5', 'parks>99');
    expect(ran.code).toBe(8);
    expect(ran.out).toContain('amzn  AMZN-USD  1 run, 3.0 h of journal');
    expect(ran.out).toMatch(/AT +DECISION +ITER +RULE/);
    expect(ran.out).toMatch(/2026-02-16T\d\d:\d\d:\d\dZ +tune +base>iter001/);
    expect(ran.out).toContain('MM_MIN_OFFSET_BPS 5.0 -> 7.5');
    expect(ran.out).toMatch(/FAILED {2}amzn: alarmsPerDay [\d.]+, fails on alarmsPerDay>0.5/);
    expect(ran.out).toContain('passed  amzn: parks 0, fails on parks>99');
    expect(ran.out).toContain('Compares decisions, not profit');
    expect(ran.out).toMatch(/decision log sha256:[0-9a-f]{64}/);
    expect(ran.err).toContain('warning: mon: no journal of MON-USD among those given');
  });

  test('a long journal shows a bar on a terminal, and nowhere else', async () => {
    const long = w.journal(tight.slice(0, 2000), undefined, 'long');
    // A hole in the file counts as bytes and costs none: one line that never ends.
    truncateSync(long, 65 * 1024 * 1024);
    const shown = await w.runOnTerminal('replay', 'amzn', '--journal', long);
    expect(shown.err).toMatch(/\r\[#{15}\.{15}\] {2}50 %/);
    expect(shown.err).toContain('\r\x1b[K');
    expect(shown.out).not.toContain(' %');
    const plain = await w.run('replay', 'amzn', '--journal', long);
    expect(plain.err).toMatch(/^warning: amzn: 1 line could not be read/);
    expect(plain.out).toBe(shown.out);
    const short = await w.runOnTerminal('replay', 'amzn', '--journal', paths.tight);
    expect(short.err).toBe('');
  });

  test('reads only: the tree and the journal stay as they were', async () => {
    const sum = () => createHash('sha256').update(readFileSync(paths.tight)).digest('hex');
    const before = sum();
    const { code } = await w.run('replay', '--journal', paths.tight);
    expect([code, sum()]).toEqual([0, before]);
    expect(git(w.ops, 'status', '--porcelain')).toBe('');
    expect(git(w.ops, 'rev-parse', 'HEAD')).toBe(w.first);
  });
});

describe('against a baseline', () => {
  test('the working tree, committed or not, is held against the revision', async () => {
    const same = await json('amzn', '--journal', paths.tight, '--baseline', 'HEAD');
    expect(same.items[0]!.baseline!.difference).toMatchObject({
      onlyHere: [],
      onlyBaseline: [],
      firstDivergence: null,
    });
    expect(same.items[0]!.baseline!.logDigest).toBe(same.items[0]!.logDigest);

    w.put('fleet/amzn.yaml', instanceYaml('amzn', 'AMZN-USD', '  health: { cooldown: 2h }\n'));
    const doc = await json('amzn', '--journal', paths.tight, '--baseline', 'HEAD');
    const item = doc.items[0]!;
    expect(doc.summary.baseline).toBe(w.first);
    expect(item.baseline!.decisions).toEqual(same.items[0]!.decisions);
    expect(item.decisions[0]!.at - DAY_START).toBeGreaterThanOrEqual(2 * 3600);
    const { onlyBaseline, firstDivergence } = item.baseline!.difference;
    expect(onlyBaseline.length).toBeGreaterThan(0);
    expect(firstDivergence!.at).toBe(item.baseline!.decisions[0]!.at);
    const text = await w.run('replay', 'amzn', '--journal', paths.tight, '--baseline', 'HEAD');
    expect(text.out).toMatch(/first divergence 2026-.*: here .*; baseline tune by /);
    expect(text.out).toContain('only in the baseline:');
    w.put('fleet/amzn.yaml', instanceYaml('amzn', 'AMZN-USD'));
  });

  test('an instance that is new has nothing to compare with', async () => {
    w.put('fleet/pump.yaml', instanceYaml('pump', 'PUMP-USD'));
    w.put('fleet/env/pump/.env.pump', 'MM_MARKET_NAME=PUMP-USD\nMM_ENVIRONMENT=testnet\n');
    const lines = recordedLines({ market: 'PUMP-USD', scenario: 'tuned', hours: 1, seed: 3 });
    const path = w.journal(lines, 'mm_PUMP-USD_20260216_000000.jsonl');
    const doc = await json('pump', '--journal', path, '--baseline', w.first);
    expect(doc.code).toBe(0);
    expect(doc.items[0]!.baseline).toBeNull();
    expect(doc.problems).toContainEqual(expect.objectContaining({ code: 'replay-no-baseline', severity: 'warning' }));
    w.put('fleet/pump.yaml', '');
  });

  test('an unknown revision is refused', async () => {
    const ran = await w.run('replay', '--journal', paths.tight, '--baseline', 'no-such-thing');
    expect(ran.code).toBe(3);
    expect(ran.err).toContain('--baseline no-such-thing: no such revision');
  });
});

describe('bad input', () => {
  test.each([
    { name: 'an unknown metric', args: ['--fail-on', 'alarmPerDay>1'], err: 'did you mean "alarmsPerDay"?' },
    { name: 'a rule that is none', args: ['--fail-on', 'parks'], err: 'want parks, one of > >= < <=' },
    { name: 'an unknown instance', args: ['amzm'], err: 'did you mean "amzn"?' },
    { name: 'a named instance without a journal', args: ['mon'], err: 'mon: no journal of MON-USD' },
  ])('$name: exit 3, and nothing on stdout', async ({ args, err }) => {
    const ran = await w.run('replay', ...args, '--journal', paths.tight);
    expect([ran.code, ran.out]).toEqual([3, '']);
    expect(ran.err).toContain(err);
  });

  test('a path that is not there, and none at all', async () => {
    const gone = await w.run('replay', '--journal', join(w.dir, 'nowhere.jsonl'));
    expect([gone.code, gone.out]).toEqual([3, '']);
    expect(gone.err).toMatch(/nowhere\.jsonl.*no such file/);
    const none = await w.run('replay');
    expect(none.code).toBe(3);
    expect(none.err).toContain('--journal');
    const asJson = await json('--journal', join(w.dir, 'nowhere.jsonl'));
    expect(asJson).toMatchObject({ code: 3, items: [], problems: [{ code: 'journal-not-found' }] });
  });

  test('a file of garbage is left out with a warning; alone it is nothing to replay', async () => {
    const garbage = w.journal(
      ['not json\n', '{"ts": "x"}\n', '\u0000\u0001\n'],
      'mm_AMZN-USD_20260101_000000.jsonl',
      'bad',
    );
    const alone = await w.run('replay', 'amzn', '--journal', garbage);
    expect([alone.code, alone.out]).toEqual([3, '']);
    expect(alone.err).toContain('no readable journal line');
    const doc = await json('amzn', '--journal', garbage, paths.tight);
    expect(doc.items[0]!.decisions.length).toBeGreaterThan(0);
    expect(doc.problems).toMatchObject([{ code: 'journal-garbled', severity: 'warning' }]);
  });

  test('bad lines are counted, torn ends too, and the rest is replayed', async () => {
    const lines = [...tight];
    lines.splice(500, 0, 'garbage\n', '{"half": \n');
    lines[lines.length - 1] = lines.at(-1)!.slice(0, 40);
    const doc = await json('amzn', '--journal', w.journal(lines, undefined, 'torn'));
    expect(doc.items[0]!.badLines).toBe(3);
    expect(doc.problems).toMatchObject([{ code: 'journal-bad-lines', severity: 'warning' }]);
    expect(doc.items[0]!.decisions).toEqual((await json('amzn', '--journal', paths.tight)).items[0]!.decisions);
  });

  test('a gap: windows begin anew, so the alarm comes later or not at all', async () => {
    const first = (await json('amzn', '--journal', paths.tight)).items[0]!.decisions[0]!.at;
    const tsOf = (line: string) => Number(/"ts": ([\d.]+)/.exec(line)![1]);
    const holed = tight.filter((line) => tsOf(line) < first - 600 || tsOf(line) > first - 300);
    const item = (await json('amzn', '--journal', w.journal(holed, undefined, 'holed'))).items[0]!;
    expect(item.gaps.count).toBe(1);
    for (const decision of item.decisions) expect(decision.at).toBeGreaterThan(first + 1200);
  });

  test('two runs in one file are two; the same file given twice, or a copy of it, counts once', async () => {
    const next = {
      scenario: 'tuned',
      hours: 1,
      seed: 4,
      startTs: DAY_START + 3.5 * 3600,
      runId: 'd'.repeat(32),
    } as const;
    const both = w.journal([...tight, ...recordedLines(next)], undefined, 'both');
    const doc = await json('amzn', '--journal', both);
    expect(doc.items[0]!.runs.map((run) => run.runId)).toEqual([`${'a'.repeat(31)}1`, next.runId]);
    const copy = w.journal(tight, undefined, 'copy');
    const single = await json('amzn', '--journal', paths.tight);
    const twice = await json('amzn', '--journal', paths.tight, paths.tight, copy);
    expect(twice.items[0]!.journalS).toBe(single.items[0]!.journalS);
    expect(twice.items[0]!.logDigest).toBe(single.items[0]!.logDigest);
    expect(twice.problems).toMatchObject([{ code: 'journal-stray-lines', severity: 'warning' }]);
  });

  test('runs are read in the order of their start, however they are given', async () => {
    const later = w.journal(
      recordedLines({ scenario: 'tuned', hours: 1, seed: 5, startTs: DAY_START + 6 * 3600, runId: 'e'.repeat(32) }),
      'mm_AMZN-USD_20260216_060000.jsonl',
      'later',
    );
    const a = await json('amzn', '--journal', later, paths.tight);
    const b = await json('amzn', '--journal', paths.tight, later);
    expect(a.items[0]!.runs).toEqual(b.items[0]!.runs);
    expect(a.summary.logDigest).toBe(b.summary.logDigest);
  });

  test('journals that no instance trades are told', async () => {
    const path = w.journal(
      ['{"ts": 1, "type": "heartbeat", "market": "BTC-USD"}\n'],
      'mm_BTC-USD_20260216_000000.jsonl',
      'btc',
    );
    const doc = await json('amzn', '--journal', path, paths.tight);
    expect(doc.problems).toMatchObject([{ code: 'replay-unmatched', severity: 'warning' }]);
  });

  test('a journal with one moment has no rate: a rule on it is broken, not passed', async () => {
    const path = w.journal(tight.slice(0, 1), undefined, 'moment');
    const doc = await json('amzn', '--journal', path, '--fail-on', 'alarmsPerDay>5');
    expect(doc.code).toBe(8);
    expect(doc.items[0]!.metrics.alarmsPerDay).toEqual({ unavailable: 'no journal time' });
    expect(doc.items[0]!.rules).toEqual([{ rule: 'alarmsPerDay>5', value: null, broken: true }]);
  });

  test('too little journal for any signal is said', async () => {
    const doc = await json('amzn', '--journal', w.journal(healthy.slice(0, 400), undefined, 'thin'));
    expect(doc.items[0]!.metrics.alarms).toBe(0);
    expect(doc.problems).toMatchObject([{ code: 'replay-thin', severity: 'warning' }]);
  });

  test('an invalid spec among others: the others are replayed, and the exit code is not 0', async () => {
    w.put('fleet/mon.yaml', instanceYaml('mon', 'MON-USD', '  helth: {}\n'));
    const doc = await json('--journal', paths.tight);
    expect(doc.code).toBe(5);
    expect(doc.items.map((item) => item.name)).toEqual(['amzn']);
    expect(doc.problems.find((p) => p.severity !== 'warning')?.hint).toContain('did you mean "health"');
    w.put('fleet/mon.yaml', instanceYaml('mon', 'MON-USD'));
  });
});
