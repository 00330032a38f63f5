/** `autonomy: propose` in a clone without a remote: the branch is its own; squashed, declined, released, and a park. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld, stretch } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const MINUTES = 40;
const BRANCH = 'mmfleet/proposals/pump';
let w: FleetWorld;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'pump', market: 'PUMP-USD' }], { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  await w.git(['remote', 'remove', 'origin']);
  await spec('autonomy: propose');
  ago(167);
  await once();
  await lose();
});
afterAll(() => w.end());

const ago = (minutes: number) => w.behave('PUMP-USD', { clockOffsetS: -minutes * 60 });

async function lose() {
  const start = Number(w.journalOf('PUMP-USD')?.events[0]?.['ts']);
  const lines = stretch(start + 1, MINUTES, -2);
  w.tell('PUMP-USD', ...lines);
  await until(() => (w.journalOf('PUMP-USD')?.events.length ?? 0) > lines.length, 'the journal');
}

/** The fields under the instance's `spec:` besides market and base env, committed by a person. */
async function spec(...fields: string[]) {
  const head = ['apiVersion: mmfleet/v1', 'kind: Instance', 'metadata: { name: pump }', 'spec:'];
  const body = ['market: PUMP-USD', 'baseEnv: env/pump/.env.pump', ...fields].map((f) => `  ${f}`);
  w.put('fleet/pump.yaml', [...head, ...body, ''].join('\n'));
  await w.commit(`pump: ${fields.join(', ')}`, false);
}

const git = async (...args: string[]) => (await w.git(args)).trim();
const tip = () => git('for-each-ref', '--format=%(objectname)', `refs/heads/${BRANCH}`);
const subject = () => git('log', '-1', '--format=%s', BRANCH);
const plan = async () => (JSON.parse((await w.cli('plan', '--json')).out) as { items: Item[] }).items[0];
type Item = { action: string; reason: string; message: string };
const running = async () => (await w.copies()).map((c) => c.iter);
async function once() {
  const run = await w.cli('reconcile', '--once');
  expect([run.code, run.err]).toEqual([0, expect.any(String)]);
  return run.out;
}

test('the step waits on a branch of this clone; nothing else happens', async () => {
  const [main, pid] = [await git('rev-parse', 'main'), await w.pidOf('pump')];
  expect(await once()).toContain(`${BRANCH}: tune(pump): iter001 spread-offset`);
  expect(await git('rev-parse', 'main', `${BRANCH}^`)).toBe(`${main}\n${main}`);
  expect(await w.pidOf('pump')).toBe(pid);
  expect((await plan())?.message).toMatch(/^mmfleet\/proposals\/pump \(iter001, [0-9a-f]{8}\) waits for a merge/);
  const before = await tip();
  await once();
  expect(await tip()).toBe(before);
});

test('merged as a squash it converges, and tuning knows it for the step it was', async () => {
  ago(125);
  await w.git(['merge', '--quiet', '--squash', BRANCH]);
  await w.git(['commit', '--quiet', '--no-edit']);
  expect(await git('log', '-1', '--format=%an %s')).toBe('Ada Squashed commit of the following:');
  await once();
  expect([await running(), await tip()]).toEqual([[1], '']);
  expect((await w.cli('history', 'pump')).out).toMatch(/^001 .*spread-offset .*burst/m);
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: 0 });
  await lose();
  expect(await once()).toContain(`${BRANCH}: tune(pump): iter002 `);
});

test('deleted it is declined and rests; a release, which is in the trail, brings it back', async () => {
  const said = await subject();
  await w.git(['branch', '--quiet', '-D', BRANCH]);
  await once();
  await once();
  expect(await tip()).toBe('');
  expect((await plan())?.message).toMatch(/^mmfleet\/proposals\/pump was deleted by a person/);
  expect(await w.cli('release', 'pump', '--reason', 'on second thoughts')).toMatchObject({ code: 0 });
  expect(await git('log', '-1', '--format=%an %s')).toBe('Ada release(pump): on second thoughts');
  await once();
  expect((await subject()).replace(/iter\d+/, '')).toBe(said.replace(/iter\d+/, ''));
});

test('a park is proposed too; merged as a squash, the bot is stopped, and neither was it declined nor is it forgotten', async () => {
  await spec('autonomy: propose', 'tuning: { maxChangesPerDay: 1 }');
  await once();
  expect(await subject()).toMatch(/^park\(pump\): /);
  const [main, pid] = [await git('rev-parse', 'main'), await w.pidOf('pump')];
  await once();
  expect([await git('rev-parse', 'main'), await w.pidOf('pump')]).toEqual([main, pid]);
  await w.git(['merge', '--quiet', '--squash', BRANCH]);
  await w.git(['commit', '--quiet', '--no-edit']);
  // Hosts remove the branch with the merge.
  await w.git(['branch', '--quiet', '-D', BRANCH]);
  await once();
  expect([await running(), await tip()]).toEqual([[], '']);
  expect(await git('for-each-ref', 'refs/mmfleet/proposals/declined')).toBe('');
  expect((await plan())?.message).toMatch(/^parked until \d{4}-/);
  expect((await git('log', '--format=%s', '-3')).split('\n')).toEqual(
    expect.arrayContaining([expect.stringMatching(/^converge\(pump\): /), 'Squashed commit of the following:']),
  );
  const squashed = await git(
    'log',
    '-1',
    '--format=%H',
    '--grep=Squashed',
    '--grep=park(pump)',
    '--all-match',
    '--fixed-strings',
  );
  expect((await w.cli('why', 'pump', '--at', squashed)).out).toMatch(/park\(pump\)|parked|flat until/);
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: 0 });
});
