/** What a daemon remembers between passes must not show: each look is compared with that of a new mmfleet. */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { liveProcess } from '../../src/adapters/process-table.ts';
import { appendReceipt } from '../../src/adapters/receipt-log.ts';
import type { Receipt } from '../../src/core/flat/types.ts';
import { type Ops, openOps } from '../../src/shell/ops.ts';
import { type Look, look, lookAgain, type PassOptions } from '../../src/shell/pass.ts';
import { type LiveFleet, liveFleet } from '../support/live-fleet.ts';
import { until } from '../support/puppet.ts';

const RECEIPT: Receipt = {
  ...{ v: 1, instance: 'm0002', market: 'M0002-USD', cause: 'digest-drift', runId: 'one', pid: 1, startTicks: '1' },
  ...{ iterFrom: null, iterTo: null, signalAt: '2026-11-01T00:00:00Z', exitedAt: '2026-11-01T00:00:01Z' },
  ...{ killed: false, reads: [], orders: [], costUsd: '0', botSays: null, disagreement: null },
  ...{ verdict: 'FLAT', sizeBase: null, rule: 'flat', provedAt: '2026-11-01T00:00:02Z' },
};
const OPTIONS: PassOptions & { fetch: boolean } = { only: null, tune: true, push: true, fetch: true };

let fleet: LiveFleet;
let ops: Ops;
let last: Look;
beforeEach(async () => {
  fleet = await liveFleet(4, { lines: 40 });
  ops = await opened();
  last = await whole(ops);
}, 60_000);
afterEach(() => fleet.end());

async function opened(): Promise<Ops> {
  const result = await openOps(fleet.root);
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
}

async function whole(by: Ops): Promise<Look> {
  const seen = await look(by, OPTIONS);
  if (!seen.ok) throw new Error(seen.problem.message);
  return seen.value;
}

/** The plan and what it rests on; without the seconds that pass between two looks. */
function shown({ planned, situations }: Look): unknown {
  const all = planned.map((p, i) => {
    const { health, sentence } = situations[i]!.decided ?? {};
    const rows = situations[i]!.rules();
    return { ...p, health, sentence, rows: rows.filter((row) => row.metric !== 'dataAge') };
  });
  return JSON.parse(JSON.stringify(all).replaceAll(/for \d+ s/g, 'for some s'));
}

/** Looks again: `quiet` when git was not needed. Either way the plan is the one that a new mmfleet makes. */
async function looked(): Promise<'quiet' | 'whole'> {
  const again = await lookAgain(ops, last, OPTIONS);
  const now = again ?? (await whole(ops));
  expect(shown(now)).toEqual(shown(await whole(await opened())));
  last = now;
  return again === null ? 'whole' : 'quiet';
}
const plan = (name: string) => last.planned.find((p) => p.item.name === name)!.item;

test('nothing happens: quiet, again and again', async () => {
  expect(last.planned.every((p) => p.effect === null)).toBe(true);
  for (let n = 0; n < 3; n += 1) expect(await looked()).toBe('quiet');
});

test('what was planned stands while nothing of it is another, and is planned anew where something is', async () => {
  const situations = () => last.situations.map((s) => s);
  let before = situations();
  const same = () => situations().map((s, i) => s === before[i]);
  // What mmfleet itself has just written may still change without a trace.
  await until(async () => {
    before = situations();
    return (await looked()) === 'quiet' && same().every((each) => each);
  }, 'it stands');
  fleet.trade(['m0002']);
  expect(await looked()).toBe('quiet');
  expect(same()).toEqual([true, true, false, true]);
});

test('time passes: what ends with it ends, whatever was planned before', async () => {
  await fleet.git(['config', 'user.name', 'Ada']);
  await fleet.git(['config', 'user.email', 'ada@example.org']);
  const untilUtc = new Date(Date.now() + 3_600_000).toISOString();
  appendFileSync(join(fleet.root, 'fleet/m0001.yaml'), `  suspend: { reason: upkeep, until: "${untilUtc}" }\n`);
  appendFileSync(join(fleet.root, 'fleet/m0002.yaml'), '  health: { limits: { dataAge: { max: 2h } } }\n');
  await fleet.git(['commit', '--quiet', '-am', 'fleet: what ends']);
  await fleet.git(['push', '--quiet']);
  expect(await looked()).toBe('whole');
  expect(await looked()).toBe('quiet');
  expect(plan('m0001').reason).toBe('suspended');
  const aheadMs = (by: Ops, ms: number): Ops => ({ ...by, clock: { ...by.clock, nowMs: () => Date.now() + ms } });
  const reasons = async (ms: number) => {
    const later = (await lookAgain(aheadMs(ops, ms), last, OPTIONS))!;
    expect(shown(later)).toEqual(shown(await whole(aheadMs(await opened(), ms))));
    return ['m0001', 'm0002'].map((name) => later.planned.find((p) => p.item.name === name)!.item.reason);
  };
  const [, other] = await reasons(0);
  expect(await reasons(3_000_000)).toEqual(['suspended', other]);
  const [resumed, young] = await reasons(4_000_000);
  expect(resumed).not.toBe('suspended');
  expect(young).toBe(other);
  expect((await reasons(8_000_000))[1]).toBe('journal-stale');
});

test('lines are written: what they say is decided on, and git is not asked', async () => {
  for (let n = 0; n < 3; n += 1) {
    fleet.trade(['m0001', 'm0002']);
    expect(await looked()).toBe('quiet');
  }
});

test('a look that is over is let go, whatever is remembered of it', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const over: WeakRef<object>[] = [];
  for (let n = 0; n < 6; n += 1) {
    over.push(new WeakRef(last.situations), new WeakRef(last.observed));
    fleet.trade([`m000${n % 4}`]);
    expect(await looked()).toBe('quiet');
  }
  await until(() => {
    collect();
    return over.every((look) => look.deref() === undefined);
  }, 'they are gone');
});

test('a tree that is over is let go, also by instances that nobody asks about any more', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const copies = last.observed.byName.get('m0003')!.copies;
  const [copy] = copies.known ? copies.value : [];
  process.kill(copy!.pid, 'SIGKILL');
  await until(() => liveProcess(copy!.pid) === null, 'it ended');
  const over: WeakRef<object>[] = [];
  await fleet.git(['config', 'user.name', 'Ada']);
  await fleet.git(['config', 'user.email', 'ada@example.org']);
  for (let n = 0; n < 3; n += 1) {
    over.push(new WeakRef(last.desired), new WeakRef(last.desired.files));
    appendFileSync(join(fleet.root, 'fleet/env/m0001/.env.m0001'), `# ${n}\n`);
    await fleet.git(['commit', '--quiet', '-am', 'env: a comment']);
    await fleet.git(['push', '--quiet']);
    expect(await looked()).toBe('whole');
  }
  await until(() => {
    collect();
    return over.every((tree) => tree.deref() === undefined);
  }, 'they are gone');
});

test('of an instance that is declared no more nothing is remembered', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const weakly = () => {
    const { journal, receipts } = last.observed.byName.get('m0002')!;
    return [new WeakRef<object>(journal.state === 'ok' ? journal.run : {}), new WeakRef<object>(receipts)];
  };
  await appendReceipt(join(fleet.root, '.mmfleet'), RECEIPT);
  last = await whole(ops);
  const gone = weakly();
  await fleet.git(['rm', '--quiet', 'fleet/m0002.yaml']);
  await fleet.git(['commit', '--quiet', '-m', 'fleet: without m0002']);
  await fleet.git(['push', '--quiet']);
  expect(await looked()).toBe('whole');
  await until(() => {
    collect();
    return gone.every((each) => each.deref() === undefined);
  }, 'they are gone');
});

test('a journal of the same length takes the place of another, is emptied, is removed', async () => {
  const path = fleet.journal('m0001');
  const said = () => last.situations.find((s) => s.instance.name === 'm0001')!.decided?.sentence;
  const runId = () => {
    const { journal } = last.observed.byName.get('m0001')!;
    return journal.state === 'ok' ? journal.runId : null;
  };
  const before = said();
  copyFileSync(path, `${path}.new`);
  renameSync(`${path}.new`, path);
  last = (await lookAgain(ops, last, OPTIONS))!;
  expect([said(), runId()]).toEqual([before, 'live'.repeat(8)]);
  writeFileSync(`${path}.new`, readFileSync(path, 'utf8').replaceAll('livelive', 'others00'));
  renameSync(`${path}.new`, path);
  last = (await lookAgain(ops, last, OPTIONS))!;
  expect([said(), runId()]).toEqual([before, 'others00'.repeat(4)]);
  rmSync(path);
  last = (await lookAgain(ops, last, OPTIONS)) ?? (await whole(ops));
  expect(last.observed.byName.get('m0001')!.journal.state).not.toBe('ok');
  expect(said()).toBe('no journal of this config yet');
});

test('a journal that falls silent is stale by wall time alone', async () => {
  await fleet.git(['config', 'user.name', 'Ada']);
  await fleet.git(['config', 'user.email', 'ada@example.org']);
  appendFileSync(join(fleet.root, 'fleet/m0002.yaml'), '  health: { limits: { dataAge: { max: 2m } } }\n');
  await fleet.git(['commit', '--quiet', '-am', 'fleet: an age']);
  await fleet.git(['push', '--quiet']);
  expect(await looked()).toBe('whole');
  expect(plan('m0002').reason).not.toBe('journal-stale');
  const past = Date.now() / 1000 - 600;
  utimesSync(fleet.journal('m0002'), past, past);
  expect(await looked()).toBe('quiet');
  expect(plan('m0002').reason).toBe('journal-stale');
  const now = Date.now() / 1000;
  utimesSync(fleet.journal('m0002'), now, now);
  expect(await looked()).toBe('quiet');
  expect(plan('m0002').reason).not.toBe('journal-stale');
});

test('a process ends: a whole look before anything is done about it', async () => {
  const pid = last.observed.byName.get('m0003')!.copies;
  const [copy] = pid.known ? pid.value : [];
  process.kill(copy!.pid, 'SIGKILL');
  await until(() => liveProcess(copy!.pid) === null, 'it ended');
  expect(await looked()).toBe('whole');
  expect(plan('m0003').action).toBe('start');
});

test('what is kept in .mmfleet and .git/mmfleet is read as it is now', async () => {
  const copies = last.observed.byName.get('m0000')!.copies;
  const [copy] = copies.known ? copies.value : [];
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(fleet.root, path)), { recursive: true });
    writeFileSync(join(fleet.root, `${path}.tmp`), text);
    renameSync(join(fleet.root, `${path}.tmp`), join(fleet.root, path));
  };
  const intent = {
    pid: copy!.pid,
    startTicks: copy!.startTicks,
    signal: 'SIGTERM',
    at: '2026-11-01T00:00:00Z',
    cause: 'x',
  };
  put('.git/mmfleet/stops/m0000.json', JSON.stringify(intent));
  expect(await looked()).toBe('whole');
  expect(plan('m0000').action).toBe('restart');
  rmSync(join(fleet.root, '.git/mmfleet/stops/m0000.json'));
  await looked();
  put('.git/mmfleet/stops/m0000.json', '{');
  await looked();
  rmSync(join(fleet.root, '.git/mmfleet/stops/m0000.json'));
  put('.mmfleet/backoff/m0001.json', '{"restarts":3,"lastStartMs":1,"exitedMs":2}');
  await looked();
  expect(last.observed.byName.get('m0001')!.restarts.restarts).toBe(3);
  put('.mmfleet/backoff/m0001.json', '{"restarts":4,"lastStartMs":1,"exitedMs":2}');
  await looked();
  expect(last.observed.byName.get('m0001')!.restarts.restarts).toBe(4);
  const { version } = ops.local;
  await until(() => version?.() != null, 'nothing was written for a while');
  await looked();
  await ops.local.writeRestarts('m0001', { restarts: 5, lastStartMs: 1, exitedMs: 2 });
  await looked();
  expect(last.observed.byName.get('m0001')!.restarts.restarts).toBe(5);
  await until(() => version?.() != null, 'nothing was written for a while');
  await looked();
  const before = version?.();
  await appendReceipt(join(fleet.root, '.mmfleet'), { ...RECEIPT, instance: 'm0002' });
  expect(version?.()).not.toBe(before);
  expect(await looked()).toBe('whole');
  await until(() => version?.() != null, 'nothing was written for a while');
  await looked();
  await appendReceipt(join(fleet.root, '.mmfleet'), { ...RECEIPT, instance: 'm0002', runId: 'another' });
  await looked();
  expect(last.observed.byName.get('m0002')!.uncommitted).toHaveLength(2);
});

test('a secret source that loses its key, or its privacy, shows at once', async () => {
  writeFileSync(join(fleet.root, 'secrets/all.env'), 'MM_OTHER_KEY=live-fleet-api-key\n');
  expect(await looked()).toBe('whole');
  expect(last.planned.some((p) => p.item.reason === 'digest-drift')).toBe(true);
  rmSync(join(fleet.root, 'secrets/all.env'));
  await looked();
  expect(plan('m0000').reason).toBe('spec-invalid');
});

test('a commit made here, another branch, and a merge that is under way take git', async () => {
  await fleet.git(['commit', '--quiet', '--allow-empty', '-m', 'a person was here']);
  expect(await lookAgain(ops, last, OPTIONS)).toBeNull();
  await fleet.git(['push', '--quiet']);
  last = await whole(ops);
  expect(await looked()).toBe('quiet');
  writeFileSync(join(fleet.root, '.git/MERGE_HEAD'), `${last.desired.revision}\n`);
  expect(await lookAgain(ops, last, OPTIONS)).toBeNull();
  rmSync(join(fleet.root, '.git/MERGE_HEAD'));
  await fleet.git(['switch', '--quiet', '-c', 'elsewhere']);
  expect(await lookAgain(ops, last, OPTIONS)).toBeNull();
  await fleet.git(['switch', '--quiet', 'main']);
  await fleet.git(['pack-refs', '--all']);
  expect(await looked()).toBe('quiet');
});
