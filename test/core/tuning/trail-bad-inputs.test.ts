/** What people and tools do to a history, on real git: tuning does nothing or holds, and says why; it never acts on missing evidence. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openHistory } from '../../../src/adapters/git-audit.ts';
import { readLog } from '../../../src/adapters/git-log.ts';
import { readTree } from '../../../src/adapters/git-read.ts';
import { observe } from '../../../src/core/health/observe.ts';
import { newRunState } from '../../../src/core/health/run.ts';
import { planInstance } from '../../../src/core/plan/plan.ts';
import { known } from '../../../src/core/problem.ts';
import { decide } from '../../../src/core/tuning/decide.ts';
import { rebuildMemory } from '../../../src/core/tuning/memory.ts';
import type { TuningDecision } from '../../../src/core/tuning/types.ts';
import { stillStands } from '../../../src/shell/apply.ts';
import { releaseChange } from '../../../src/shell/changes.ts';
import { valuesOf } from '../../../src/shell/desired.ts';
import { concerns } from '../../../src/shell/instance-trails.ts';
import type { ObservedInstance } from '../../../src/shell/observe.ts';
import { runProgram } from '../../../src/shell/program.ts';
import { addingCommit, type Situation, situationOf } from '../../../src/shell/views.ts';
import { type AuditWorld, auditWorld, NOW } from '../../support/history-world.ts';
import { FLEET, OPERATOR } from '../../support/repos.ts';
import { HEALTH } from '../health/policy.ts';
import { quiet, runStart } from '../health/script.ts';

const HOUR = 3600;
/** Long after the steps of the history: no cap and no cooldown stands in the way. */
const LATER = NOW + 48 * HOUR;
const ITER = 'fleet/env/amzn/.env.amzn.iter002';
const BASE = 'fleet/env/amzn/.env.amzn';

let w: AuditWorld;
let clean: string;

beforeAll(async () => {
  w = await auditWorld();
  await w.step({ to: { MM_SPREAD_MULTIPLIER: '1.5', MM_MIN_OFFSET_BPS: '5' }, at: NOW - 30 * HOUR });
  await w.step({ to: { MM_SPREAD_MULTIPLIER: '1.8', MM_MIN_OFFSET_BPS: '6' }, at: NOW });
  clean = w.head();
}, 60_000);
afterAll(() => w.end());

const reset = () => {
  w.git('checkout', '-q', '-f', '-B', 'bad', clean);
  w.git('clean', '-q', '-f', '-d');
};

/** A live bot whose journal has lost money for three hours on the given env file. */
function losing(envFile: string, from: number): ObservedInstance {
  const run = newRunState({ health: HEALTH, maxPositionBase: 100 });
  const shape = { fillsPerMinute: 4, markoutBps: (minute: number) => -3 - (minute % 3) * 0.2, position: '0' };
  const start = { ...runStart(from, { max_position_size: '100' }), envFile } as ReturnType<typeof runStart>;
  for (const event of [start, ...quiet(from, 180, shape)]) observe(run, event);
  const nowMs = run.latest * 1000;
  const copy = {
    ...{ pid: 41, startTicks: '9', startedAtMs: nowMs - 1000, instance: 'amzn', iter: null, revision: '', digest: '' },
  };
  return {
    copies: known([copy], nowMs),
    intent: known(null, nowMs),
    journal: {
      ...{ state: 'ok', runId: run.runId, run, runStart: null, runEnd: null, shuttingDown: false },
      ...{ lastByteAtMs: nowMs, path: 'mm_AMZN-USD_20260216_000000.jsonl' },
    },
    receipts: [],
    uncommitted: [],
    restarts: { restarts: 0, lastStartMs: null },
    secretNames: { ok: true, names: [] },
  } as unknown as ObservedInstance;
}

/** What the pass sees at HEAD; the journal is of `envFile`, by default the env that should run. */
async function look(options: { envFile?: string; from?: number } = {}): Promise<Situation> {
  const desired = await w.desired();
  const instance = desired.instances.find((each) => each.name === 'amzn')!;
  const env = instance.env!;
  const observed = losing(options.envFile ?? env.path, options.from ?? LATER);
  const trail = await w.trail();
  const made = env.iter === null ? null : addingCommit(trail, env.path);
  const tree = made === null ? null : await readTree(w.repo, made, env.basePath);
  const old = tree?.ok === true ? tree.value.find((file) => file.path === env.basePath)?.text : undefined;
  const journal = observed.journal.state === 'ok' ? observed.journal.run.latest : 0;
  return situationOf(
    {
      desired: { ...desired, instances: [instance] },
      observed: { atMs: journal * 1000, byName: new Map([['amzn', observed]]), orphans: [] },
      trail,
      git: { trouble: null, published: true, dirty: new Set() },
      host: 'here',
      tune: true,
      nowMs: journal * 1000,
      edgesOf: () => null,
      oldBases: new Map(old === undefined ? [] : [['amzn', old]]),
    },
    instance,
  );
}

const planOf = (s: Situation) => planInstance(s.view, LATER * 1000).item;

/** The engine alone on the same evidence, fed directly. */
async function engine(from = LATER): Promise<TuningDecision> {
  const desired = await w.desired();
  const instance = desired.instances.find((each) => each.name === 'amzn')!;
  const { spec, env } = instance;
  const trail = (await w.trail()).filter((entry) => concerns(entry, instance));
  const { journal } = losing(env!.path, from);
  if (journal.state !== 'ok' || spec === null || env === null) throw new Error('nothing to decide on');
  return decide({
    memory: rebuildMemory(trail, { baseEnv: env.basePath, policy: spec.tuning }),
    run: journal.run,
    policy: { health: spec.health, tuning: spec.tuning },
    values: env.values,
    baseValues: env.baseValues,
    iter: env.iter,
    iterValues: (iter) => valuesOf(desired, env, iter),
  }).decision;
}

test('the same journal on the untouched history: a step', async () => {
  reset();
  const seen = await look();
  expect(seen.decided?.decision).toMatchObject({ kind: 'tune', step: 'widen', theme: 'spread-offset' });
  expect(planOf(seen)).toMatchObject({ action: 'tune' });
  expect(await engine()).toMatchObject({ kind: 'tune' });
});

const INCOMPLETE: { name: string; spoil: () => Promise<unknown> | unknown; why: RegExp }[] = [
  {
    name: 'an iter file edited by a person',
    spoil: async () => {
      w.write(ITER, (await w.instance()).env!.text.replace('=1.8', '=2.2'));
      w.byHand('amzn: a little wider');
    },
    why: /^iter002 was changed after its commit \(commit [0-9a-f]{12}\)/,
  },
  {
    name: 'an older iter file edited by a person',
    spoil: () => {
      w.write(`${BASE}.iter001`, `${w.git('show', `HEAD:${BASE}.iter001`)}\n# looked at\n`);
      w.byHand('amzn: a note');
    },
    why: /^iter001 was changed after its commit/,
  },
  {
    name: 'a history squashed into one commit',
    spoil: () => {
      w.git('reset', '-q', '--soft', 'HEAD~2');
      w.byHand('amzn: wider (squashed)');
    },
    why: /^iter001 was added without its story/,
  },
  {
    name: 'a history squashed under the newest step’s own message',
    spoil: () => {
      const message = w.git('log', '-1', '--format=%B');
      w.git('reset', '-q', '--soft', 'HEAD~2');
      w.byHand(message, `--author=${FLEET.name} <${FLEET.email}>`);
    },
    why: /^iter001 was added without its story/,
  },
  {
    name: 'an iter put there by a person',
    spoil: async () => {
      w.write(`${BASE}.iter003`, (await w.instance()).env!.text.replace('=1.8', '=2.2'));
      w.byHand('amzn: try this');
    },
    why: /^iter003 was added without its story/,
  },
  {
    name: 'a person’s commit in the words of ours',
    spoil: async () => {
      const plan = await w.plan({ to: { MM_SPREAD_MULTIPLIER: '2.2' } });
      await w.land(plan, OPERATOR);
    },
    why: /^iter003 was added without its story/,
  },
  {
    name: 'a step of ours without its trailers',
    spoil: async () => {
      const plan = await w.plan({ to: { MM_SPREAD_MULTIPLIER: '2.2' } });
      await w.land({
        ...plan,
        message: `${plan.message.split('\n')[0]}\n\nMmfleet-Instance: amzn\nMmfleet-Iter: 003\n`,
      });
    },
    why: /lacks its trailers/,
  },
  {
    name: 'a message cut to its subject',
    spoil: async () => {
      const plan = await w.plan({ to: { MM_SPREAD_MULTIPLIER: '2.2' } });
      await w.land({ ...plan, message: `${plan.message.split('\n')[0]}\n` });
    },
    why: /^iter003 was added without its story/,
  },
  {
    name: 'an iter renamed to another number',
    spoil: () => {
      w.git('mv', ITER, `${BASE}.iter009`);
      w.byHand('amzn: nine');
    },
    why: /^iter009 was added without its story/,
  },
];

describe('a memory with a hole', () => {
  test.each(INCOMPLETE)('$name: nothing, memory-incomplete, until a release starts anew', async ({ spoil, why }) => {
    reset();
    await spoil();
    const seen = await look();
    expect(seen.memory).toMatchObject({ complete: false, incompleteReason: expect.stringMatching(why) });
    expect(seen.decided?.decision).toMatchObject({ kind: 'none', reason: 'memory-incomplete' });
    expect(seen.decided?.log).toEqual([]);
    expect(planOf(seen)).toMatchObject({ action: 'none', reason: 'memory-incomplete' });
    expect(await engine()).toMatchObject({ kind: 'none', reason: 'memory-incomplete' });

    const release = releaseChange(await w.desired(), 'amzn', 'looked at it', LATER - HOUR, NOW * 1000);
    await w.land(release, OPERATOR);
    const after = await look();
    expect(after.memory).toMatchObject({ complete: true, rungs: [], alarms: [], unjudged: [] });
    // The park that is left as the release's trace is over: it parks nobody.
    expect(after.view.hold).toBeNull();
    expect(after.decided?.decision).toMatchObject({ kind: 'tune' });
    // Numbers are never used again, whatever was forgotten.
    const highest = Math.max(
      ...[...w.git('log', '--format=', '--name-only').matchAll(/\.iter(\d+)$/gm)].map((m) => Number(m[1])),
    );
    expect(after.memory?.lastIter).toBe(highest);
  });
});

describe('a step that a person reverted', () => {
  const spread = (decision: TuningDecision | undefined) =>
    decision !== undefined && 'changes' in decision
      ? decision.changes.some((c) => c.key === 'MM_SPREAD_MULTIPLIER')
      : false;

  beforeAll(() => {
    reset();
    w.git('revert', '--no-edit', 'HEAD');
  });

  test('is a rollback: the parent is desired again, its rung and its trial are gone', async () => {
    const { instance, memory } = await look();
    expect(instance.env?.iter).toBe(1);
    expect(memory).toMatchObject({ complete: true, lastIter: 2, rungs: [{ toIter: 1 }] });
  });

  test('sticks until forgetAfter: the same step is not taken, whatever the fills say', async () => {
    const { memory, decided } = await look();
    const forgotten = memory!.forgotten.find((each) => each.step === 'widen')!;
    expect(forgotten.until).toBeGreaterThan(LATER + 3 * HOUR);
    expect(spread(decided?.decision)).toBe(false);
    const soon = await look({ from: forgotten.until - 4 * HOUR });
    expect(spread(soon.decided?.decision)).toBe(false);
    const then = await look({ from: forgotten.until + HOUR });
    expect(spread(then.decided?.decision)).toBe(true);
  });

  test('or until a release', async () => {
    await w.land(releaseChange(await w.desired(), 'amzn', 'try again', LATER - HOUR, NOW * 1000), OPERATOR);
    const { memory, decided } = await look();
    expect(memory).toMatchObject({ complete: true, forgotten: [], rungs: [{ toIter: 1 }] });
    expect(spread(decided?.decision)).toBe(true);
  });

  test('fills of the reverted iter decide nothing: the journal is of another env', async () => {
    const { decided } = await look({ envFile: ITER });
    expect(decided?.decision).toMatchObject({ kind: 'none' });
    expect(decided?.log).toEqual([]);
  });

  test('a revert of the revert: as before, and nothing is forgotten', async () => {
    reset();
    const before = await look();
    w.git('revert', '--no-edit', 'HEAD');
    w.git('revert', '--no-edit', 'HEAD');
    const { instance, memory } = await look();
    expect(instance.env?.iter).toBe(2);
    expect(memory).toMatchObject({ complete: true, forgotten: [], rungs: before.memory!.rungs });
  });

  test('a revert of an older step changes nothing that runs, and is told', async () => {
    reset();
    w.git('revert', '--no-edit', 'HEAD~1');
    const { instance, memory, remark } = await look();
    expect(instance.env?.iter).toBe(2);
    expect(memory).toMatchObject({ complete: true, rungs: [{ toIter: 1 }, { toIter: 2 }] });
    expect(remark).toMatch(/revert of iter001 .* changed nothing that runs, iter002 is desired: mmfleet rollback amzn/);
  });

  test('both reverted at once: the base env, and nothing is tried again', async () => {
    reset();
    w.git('revert', '--no-edit', 'HEAD', 'HEAD~1');
    const { instance, memory, decided } = await look();
    expect(instance.env?.iter).toBeNull();
    expect(memory).toMatchObject({ complete: true, lastIter: 2, rungs: [] });
    expect(spread(decided?.decision)).toBe(false);
  });
});

describe('a base env edited by a person in mid-ladder', () => {
  test('no step on the old base: the tuned keys move first, and the person’s value stands', async () => {
    reset();
    const { baseText } = (await w.instance()).env!;
    w.write(
      BASE,
      baseText.replace('MM_SPREAD_MULTIPLIER=1.2', 'MM_SPREAD_MULTIPLIER=1.4').replace('SIZE=100', 'SIZE=50'),
    );
    w.byHand('amzn: wider, and half the position');
    const seen = await look();
    expect(planOf(seen)).toMatchObject({ action: 'rebase', reason: 'base-edited' });
    expect(seen.view.rebase).toEqual({ changes: [{ key: 'MM_MIN_OFFSET_BPS', from: '4', to: '6' }] });
  });

  test('nor when its bot has ended under an alarm: the edit goes first', async () => {
    const { view } = await look();
    expect(view.decision).toMatchObject({ kind: 'tune' });
    const dead = planInstance({ ...view, copies: known([], LATER * 1000), lastRun: 'proved' }, LATER * 1000);
    expect(dead.item).toMatchObject({ action: 'rebase', reason: 'base-edited' });
  });

  test('but a hard limit does not wait for it', async () => {
    const { view } = await look();
    const trigger = { by: 'drawdownUsd', metric: 'drawdownUsd', value: 900, limit: 500, n: 1, looks: null } as const;
    const stop = { kind: 'stop', at: LATER, trigger, message: 'Hard limit drawdownUsd.' } as const;
    const planned = planInstance({ ...view, decision: stop }, LATER * 1000);
    expect(planned).toMatchObject({
      item: { action: 'stop', reason: 'hard-limit' },
      effect: { do: 'stop', cause: 'hard-limit' },
    });
  });

  test('a step decided before the edit arrived is dropped; an edit of another instance does not matter', async () => {
    const edited = await w.desired();
    reset();
    const before = await w.desired();
    expect(stillStands(edited, before, 'amzn')).toBe(false);
    expect(stillStands(edited, before, 'mon')).toBe(true);
    w.git('revert', '--no-edit', 'HEAD');
    expect(stillStands(await w.desired(), before, 'amzn')).toBe(false);
    w.git('checkout', '-q', '-B', 'bad', edited.revision ?? '');
  });

  test('with autonomy observe: held, and nothing is committed', async () => {
    w.write(
      'fleet/amzn.yaml',
      w.git('show', 'HEAD:fleet/amzn.yaml').replace('spec:\n', 'spec:\n  autonomy: observe\n'),
    );
    w.byHand('amzn: observe');
    const planned = planInstance((await look()).view, LATER * 1000);
    expect(planned).toMatchObject({ effect: null, standing: 'held', item: { action: 'none', reason: 'observe-only' } });
  });

  test('a base env that was deleted, or holds a broken line: held, the engine is not asked', async () => {
    reset();
    w.git('rm', '-q', BASE);
    w.byHand('amzn: gone');
    const { instances } = await w.desired();
    expect(instances.find((each) => each.name === 'amzn')).toMatchObject({ env: null });
    reset();
    w.write(BASE, `${(await w.instance()).env!.baseText}MM_SPREAD_MULTIPLIER=wide\n`);
    w.byHand('amzn: wide');
    expect(planOf(await look())).toMatchObject({ action: 'none', reason: 'spec-invalid' });
  });
});

test('an iter by hand that differs in a forbidden key is held, never run or tuned', async () => {
  reset();
  w.write(`${BASE}.iter003`, (await w.instance()).env!.text.replace('SIZE=100', 'SIZE=900'));
  w.byHand('amzn: more');
  expect(planOf(await look())).toMatchObject({
    action: 'none',
    reason: 'spec-invalid',
    message: expect.stringContaining('MM_MAX_POSITION_SIZE 100 -> 900'),
  });
});

test('mmfleet release starts a spoilt memory anew without any hold, once; then it has nothing to do', async () => {
  reset();
  w.write('fleet/amzn.yaml', w.git('show', 'HEAD:fleet/amzn.yaml').replace('spec:\n', 'spec:\n  state: Stopped\n'));
  w.write(ITER, (await w.instance()).env!.text.replace('=1.8', '=2.2'));
  w.byHand('amzn: a little wider, and stopped');
  w.push();
  w.git('switch', '-q', '-C', 'main');
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const io = { out: say, err: say, outTTY: false, errTTY: false, color: false, columns: 120 };
  const release = () => runProgram(['-C', w.ops, 'release', 'amzn', '--reason', 'looked at it'], io, '0.0.0');
  expect((await look()).memory).toMatchObject({ complete: false });
  expect({ code: await release(), said: said.join('') }).toMatchObject({ code: 0 });
  const head = w.head();
  expect(w.git('log', '-1', '--format=%s')).toBe('release(amzn): looked at it');
  expect((await look()).memory).toMatchObject({ complete: true, rungs: [] });
  expect(await release()).toBe(0);
  expect(w.head()).toBe(head);
}, 30_000);

test('the memory from a bare clone equals the one from the working clone, bit for bit', async () => {
  reset();
  await w.step({
    kind: 'recover',
    to: { MM_SPREAD_MULTIPLIER: '1.5', MM_MIN_OFFSET_BPS: '5' },
    step: 'recover-to-iter001',
    fromIter: 2,
    toIter: 1,
    at: NOW + 8.25 * HOUR,
  });
  w.git('revert', '--no-edit', 'HEAD');
  await w.step({ to: { MM_SPREAD_MULTIPLIER: '2.7' }, at: NOW + 20 * HOUR });
  w.push();
  const bare = join(w.dir, 'audit.git');
  execFileSync('git', ['clone', '-q', '--bare', w.remote, bare]);
  const opened = await openHistory(bare);
  if (!opened.ok) throw new Error(opened.problem.message);
  const log = await readLog({ ...w.repo, root: opened.value.dir }, { under: '', ourEmail: FLEET.email });
  const instance = await w.instance();
  if (!log.ok || instance.spec === null) throw new Error('the log cannot be read');
  const memoryOf = (entries: typeof log.value.entries) =>
    rebuildMemory(
      entries.filter((entry) => concerns(entry, instance)),
      { baseEnv: BASE, policy: instance.spec!.tuning },
    );
  const there = memoryOf(log.value.entries);
  expect(JSON.stringify(there)).toBe(JSON.stringify(memoryOf(await w.trail())));
  expect(there).toMatchObject({ complete: true, lastIter: 4, forgotten: [{ step: 'recover-to-iter001' }] });
  expect(JSON.stringify((await look()).memory)).toBe(JSON.stringify(there));
});
