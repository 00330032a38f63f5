/** `mmfleet why NAME --at COMMIT`: a past decision from its commit and its journal. */
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decide } from '../../src/core/tuning/decide.ts';
import { rebuildMemory } from '../../src/core/tuning/memory.ts';
import type { TuningDecision } from '../../src/core/tuning/types.ts';
import { type ChangePlan, parkChange, stepChange, verdictChange } from '../../src/shell/changes.ts';
import { type Desired, type DesiredInstance, valuesOf } from '../../src/shell/desired.ts';
import { concerns } from '../../src/shell/instance-trails.ts';
import { openOps } from '../../src/shell/ops.ts';
import { DAY_START, recordedLines } from '../support/recorded-day.ts';
import { type ReplayWorld, replayWorld } from '../support/replay-world.ts';
import { git } from '../support/repos.ts';

const NAME = 'mm_AMZN-USD_20260216_000000.jsonl';

let w: ReplayWorld;
let path: string;
let lines: string[];
/** Lines in the journal at the moment of the step: the slow signal has just spoken. */
let known: number;
const commits = { tune: '', verdict: '', park: '', person: '', other: '' };

/** The engine's decision on what stands in the journal, and the commit the loop makes of it. */
async function decideNow(): Promise<{
  decision: TuningDecision;
  desired: Desired;
  instance: DesiredInstance;
  journal: string;
}> {
  const opened = await openOps(w.ops);
  if (!opened.ok) throw new Error(opened.problem.message);
  const ops = opened.value;
  const desired = await ops.desiredAt(git(w.ops, 'rev-parse', 'HEAD'));
  const trail = await ops.trail('mmfleet@localhost');
  if (!desired.ok || !trail.ok) throw new Error('the tree cannot be read');
  const instance = desired.value.instances.find((i) => i.name === 'amzn')!;
  const view = ops.journals.look(instance);
  if (view.state !== 'ok' || instance.spec === null || instance.env === null) throw new Error(view.state);
  const { spec, env } = instance;
  const own = trail.value.filter((entry) => concerns(entry, instance));
  const { decision } = decide({
    memory: rebuildMemory(own, { baseEnv: env.basePath, policy: spec.tuning }),
    run: view.run,
    policy: { health: spec.health, tuning: spec.tuning },
    values: env.values,
    baseValues: env.baseValues,
    iter: env.iter,
    iterValues: (iter) => valuesOf(desired.value, env, iter),
  });
  return { decision, desired: desired.value, instance, journal: ops.journals.reference('amzn')! };
}

function commitPlan(plan: ChangePlan): string {
  for (const file of plan.files) w.put(file.path, file.text ?? '');
  return w.commit(plan.message, '--author=mmfleet <mmfleet@localhost>');
}

beforeAll(async () => {
  w = replayWorld();
  lines = recordedLines({ scenario: 'too tight', hours: 1.5, seed: 1 });
  known = lines.findIndex((text) => Number(/"ts": ([\d.]+)/.exec(text)![1]) > DAY_START + 78 * 60);
  path = join(w.ops, 'data/mm_journal', NAME);
  w.put(`data/mm_journal/${NAME}`, lines.slice(0, known).join(''));
  w.put('fleet/amzn.yaml', AMZN);
  w.commit('fleet: where amzn writes its journal');
  const first = await decideNow();
  if (first.decision.kind !== 'tune') throw new Error(first.decision.kind);
  commits.tune = commitPlan(stepChange(first.desired, first.instance, [], first.decision, first.journal));
  // The bot writes on after the commit: what came later was not known then.
  w.append(path, lines.slice(known, known + 800));
  const line = { iter: 1, against: null, verdict: 'inconclusive', effectBps: 0.9, ci95: [-0.4, 2.2], n: 214 } as const;
  const judged = (await decideNow()).instance;
  commits.verdict = commitPlan(verdictChange(first.desired, judged, { ...line, ci95: [-0.4, 2.2] }, DAY_START + 9000));
  commits.person = w.commit('notes: nothing of the fleet', '--allow-empty');
  commits.other = w.commit(
    'hold(mon): by hand\n\nMmfleet-Instance: mon\nMmfleet-Kind: hold\nMmfleet-Reason: x',
    '--allow-empty',
  );
}, 60_000);
afterAll(() => w.end());

const AMZN = `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: amzn }
spec:
  market: AMZN-USD
  baseEnv: env/amzn/.env.amzn
  journal: { path: "../data/mm_journal/mm_{market}_*.jsonl" }
`;

type Doc = {
  kind: string;
  items: { rule: string; decided: boolean; result: string }[];
  summary: {
    at: {
      kind: string;
      trigger: { by: string; n: number };
      iter: number;
      parentIter: number | null;
      verdict: object | null;
    };
    agrees: boolean | null;
    differences: string[];
    journal: { source: string } | { unavailable: string };
    decision: { kind: string } | null;
  };
};

async function json(...args: string[]): Promise<Doc> {
  const ran = await w.run('why', 'amzn', ...args, '--json');
  expect([ran.code, ran.err]).toEqual([0, '']);
  return JSON.parse(ran.out) as Doc;
}

describe('a tuning step', () => {
  test('is told from its trailers, and its journal agrees, though more was written since', async () => {
    const doc = await json('--at', commits.tune);
    expect(doc.kind).toBe('Why');
    expect(doc.summary).toMatchObject({ agrees: true, differences: [], decision: { kind: 'tune' } });
    expect(doc.summary.at).toMatchObject({ kind: 'tune', iter: 1, parentIter: null, trigger: { by: 'slow' } });
    expect(doc.summary.at.verdict).toEqual({
      verdict: 'inconclusive',
      effect: '+0.9 bps (95% -0.4..+2.2)',
      n: '214',
      commit: commits.verdict,
    });
    expect(doc.items.find((row) => row.decided)?.rule).toBe('signal slow');
    expect(doc.items.length).toBeGreaterThan(15);
  });

  test('in words', async () => {
    const { out, code } = await w.run('why', 'amzn', '--at', commits.tune);
    expect(code).toBe(0);
    expect(out).toContain(`${commits.tune.slice(0, 8)} tune(amzn): iter001 spread-offset`);
    expect(out).toMatch(/trigger {2}slow: markout60sBps -\d\.\d\d, limit 0\.00, n \d+/);
    expect(out).toMatch(/parent {3}base, not proven quiet/);
    expect(out).toMatch(/verdict {2}inconclusive, edge \+0\.9 bps \(95% -0\.4\.\.\+2\.2\), n 214/);
    expect(out).toMatch(/> signal slow/);
    expect(out).toContain('The journal agrees with the commit');
  });

  test.each([
    { name: 'abbreviated', revision: () => commits.tune.slice(0, 10) },
    { name: 'relative', revision: () => `${commits.verdict}~1` },
  ])('by an $name id', async ({ revision }) => {
    expect((await json('--at', revision())).summary.agrees).toBe(true);
  });

  test('merged as a squash it is the step it was', async () => {
    git(w.ops, 'checkout', '-q', '-b', 'squashed', `${commits.tune}~1`);
    git(w.ops, 'merge', '-q', '--squash', commits.tune);
    git(w.ops, 'commit', '-q', '--no-edit');
    const doc = await json('--at', 'HEAD');
    expect(doc.summary).toMatchObject({ agrees: true, at: { kind: 'tune', iter: 1 } });
    git(w.ops, 'checkout', '-q', '-f', 'main');
  });

  test('once reverted, its commit says so', async () => {
    git(w.ops, 'revert', '--no-edit', commits.tune);
    const { out } = await w.run('why', 'amzn', '--at', commits.tune);
    expect(out).toMatch(/removed {2}[0-9a-f]{8} Revert/);
    expect(out).toContain('The journal agrees with the commit');
    git(w.ops, 'revert', '--no-edit', 'HEAD');
    expect((await w.run('why', 'amzn', '--at', commits.tune)).out).not.toMatch(/^ *removed /m);
    git(w.ops, 'reset', '-q', '--hard', commits.other);
  });
});

describe('a park', () => {
  test('names no journal: the run that reaches its time is read up to it', async () => {
    // Without a step left for the day the same alarm parks.
    git(w.ops, 'checkout', '-q', '-b', 'parked', w.first);
    w.put('fleet/amzn.yaml', `${AMZN}  tuning: { maxChangesPerDay: 0 }\n`);
    w.commit('fleet: no steps for amzn');
    const { decision, desired, instance } = await decideNow();
    if (decision.kind !== 'park') throw new Error(decision.kind);
    commits.park = commitPlan(parkChange(desired, instance, decision, (DAY_START + 20_000) * 1000));
    const doc = await json('--at', commits.park);
    expect(doc.summary).toMatchObject({
      agrees: true,
      at: { kind: 'park' },
      journal: { source: `${NAME} up to its time` },
    });
    git(w.ops, 'checkout', '-q', '-f', 'main');
  });
});

describe('where it cannot be told', () => {
  const unavailable = async (...args: string[]) => {
    const { summary, items } = await json(...args);
    expect([summary.agrees, items]).toEqual([null, []]);
    return 'unavailable' in summary.journal ? summary.journal.unavailable : '';
  };

  test('a journal of other bytes does not agree, and the differences are named', async () => {
    const whole = lines.slice(0, known + 800);
    const calm = whole.map((line) => line.replace('"type": "fill"', '"type": "phil"'));
    writeFileSync(path, calm.join(''));
    const doc = await json('--at', commits.tune);
    expect(doc.summary.agrees).toBe(false);
    expect(doc.summary.differences[0]).toMatch(/^decision: tune, again: none/);
    writeFileSync(path, whole.join(''));
  });

  test('a journal that is shorter now', async () => {
    truncateSync(path, 5000);
    expect(await unavailable('--at', commits.tune)).toMatch(/holds 5000 of the \d+ bytes it had then/);
    writeFileSync(path, lines.slice(0, known + 800).join(''));
  });

  test('a journal that is gone, and then its folder', async () => {
    rmSync(path);
    expect(await unavailable('--at', commits.tune)).toContain(`${NAME} is not in the journal folder any more`);
    rmSync(dirname(path), { recursive: true });
    expect(await unavailable('--at', commits.tune)).toContain('no such file or folder');
    const { out, code } = await w.run('why', 'amzn', '--at', commits.tune);
    expect(code).toBe(0);
    expect(out).toContain('The rules as they stood cannot be shown');
    w.put(`data/mm_journal/${NAME}`, lines.slice(0, known + 800).join(''));
  });

  test('a commit that stands on no rule is told without a table', async () => {
    expect(await unavailable('--at', commits.verdict)).toBe('a verdict commit stands on no rule');
  });

  test.each([
    { name: 'a commit of a person', revision: () => commits.person, err: 'not a decision about amzn' },
    { name: 'a commit of another instance', revision: () => commits.other, err: 'it concerns mon' },
    { name: 'no commit', revision: () => 'nonsense', err: '--at nonsense: no such commit' },
    { name: 'an option in its place', revision: () => '--all', err: '--at --all: no such commit' },
  ])('$name is refused', async ({ revision, err }) => {
    const ran = await w.run('why', 'amzn', `--at=${revision()}`);
    expect([ran.code, ran.out]).toEqual([3, '']);
    expect(ran.err).toContain(err);
  });

  test('without a name', async () => {
    expect((await w.run('why', 'amzm', '--at', commits.tune)).code).toBe(3);
  });
});
