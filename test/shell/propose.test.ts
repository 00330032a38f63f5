/** `autonomy: propose` with the real CLI and a real remote: one branch that follows the evidence and waits for a person. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld, stretch } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const MINUTES = 40;
const BRANCH = 'mmfleet/proposals/pump';
let w: FleetWorld;
let ada: string;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'pump', market: 'PUMP-USD' }], { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  ada = join(w.dir, 'ada');
  await w.git(['clone', '--quiet', w.remote, ada], w.dir);
  await spec('autonomy: propose');
  ago(125);
  await w.cli('reconcile', '--once');
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

const asAda = async (...commands: string[][]) => {
  for (const args of [['pull', '--quiet', '--no-rebase', '--no-edit'], ...commands]) await w.git(args, ada);
};

/** The fields under the instance's `spec:` besides market and base env, pushed by a person. */
async function spec(...fields: string[]) {
  await asAda();
  w.put(
    '../ada/fleet/pump.yaml',
    ['apiVersion: mmfleet/v1', 'kind: Instance', 'metadata: { name: pump }', 'spec:', '  market: PUMP-USD']
      .concat('  baseEnv: env/pump/.env.pump', ...fields.map((f) => `  ${f}`), '')
      .join('\n'),
  );
  await asAda(['commit', '--quiet', '-am', `pump: ${fields.join(', ')}`], ['push', '--quiet']);
}

const remote = async (...args: string[]) => (await w.git(['--git-dir', w.remote, ...args], w.dir)).trim();
const tip = async () => remote('for-each-ref', '--format=%(objectname)', `refs/heads/${BRANCH}`);
const subject = async () => remote('log', '-1', '--format=%s', BRANCH);
const plan = async () => (JSON.parse((await w.cli('plan', '--json')).out) as { items: Item[] }).items[0];
type Item = { action: string; reason: string; message: string; changes: { key: string; to: string }[] };
const running = async () => (await w.copies()).map((c) => c.iter);
const once = async () => {
  const run = await w.cli('reconcile', '--once');
  expect(run.code).toBe(0);
  return run.out;
};

test('the step goes to its branch with the message it would have had; nothing else happens', async () => {
  expect(await plan()).toMatchObject({ action: 'none', reason: 'proposed' });
  expect(await tip()).toBe('');
  const main = await remote('rev-parse', 'main');
  const pid = await w.pidOf('pump');
  const out = await once();
  const said = 'tune(pump): iter001 spread-offset, MM_SPREAD_MULTIPLIER 1.2 -> 1.8, MM_MIN_OFFSET_BPS 4 -> 6';
  expect(await subject()).toBe(said);
  expect(out).toContain(`${BRANCH}: ${said}`);
  expect(await remote('rev-parse', 'main', `${BRANCH}^`)).toBe(`${main}\n${main}`);
  expect(await remote('log', '-1', '--format=%b', BRANCH)).toMatch(/^Mmfleet-Proven: no\nMmfleet-Env-Digest: sha256:/m);
  expect(await w.pidOf('pump')).toBe(pid);

  const shown = await plan();
  expect(shown).toMatchObject({ action: 'none', reason: 'proposed' });
  expect(shown?.message).toMatch(/^mmfleet\/proposals\/pump \(iter001, [0-9a-f]{8}\) waits for a merge: would tune: /);
  expect(shown?.changes).toHaveLength(2);
  expect((await w.cli('status')).out).toContain(`${BRANCH} (iter001, `);
});

test('unchanged evidence pushes nothing, also from a fresh clone; a changed step replaces it under a new number', async () => {
  const before = await tip();
  await once();
  expect(await tip()).toBe(before);
  await w.git(['for-each-ref', '--format=delete %(refname)', 'refs/mmfleet/proposals']).then(async (lines) => {
    for (const line of lines.split('\n')) await w.git(['update-ref', '-d', line.split(' ')[1] ?? '']);
  });
  await once();
  expect(await tip()).toBe(before);

  await spec('autonomy: propose', 'tuning: { bounds: { MM_SPREAD_MULTIPLIER: { min: 0.8, max: 1.5 } } }');
  await once();
  expect(await subject()).toMatch(/^tune\(pump\): iter002 .*MM_SPREAD_MULTIPLIER 1\.2 -> 1\.5/);
  expect(await remote('rev-parse', `${BRANCH}^`)).toBe(await remote('rev-parse', 'main'));
  expect(await remote('for-each-ref', '--format=%(refname)', 'refs/heads')).toBe(
    `refs/heads/main\nrefs/heads/${BRANCH}`,
  );
});

test('merging it converges like any commit, with what people changed in the base meanwhile', async () => {
  ago(83);
  const base = readFileSync(join(ada, 'fleet/env/pump/.env.pump'), 'utf8');
  w.put('../ada/fleet/env/pump/.env.pump', base.replace('MM_NUM_PRICE_LEVELS=2', 'MM_NUM_PRICE_LEVELS=3'));
  await asAda(
    ['commit', '--quiet', '-am', 'pump: three levels'],
    ['fetch', '--quiet', 'origin'],
    ['merge', '--quiet', '--no-edit', `origin/${BRANCH}`],
    ['push', '--quiet'],
  );
  const out = await once();
  expect(out).toContain(`${BRANCH}: merged; the branch is removed`);
  expect(await tip()).toBe('');
  expect(w.journalOf('PUMP-USD')?.events[0]).toMatchObject({
    config: { spread_multiplier: '1.5', num_price_levels: '3' },
  });
  expect(await running()).toEqual([3]);
  expect((await w.remoteLog()).filter((s) => /^(tune|rebase)\(pump\)/.test(s))).toEqual([
    expect.stringMatching(/^rebase\(pump\): iter003 /),
    expect.stringMatching(/^tune\(pump\): iter002 /),
  ]);
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: 0 });
});

test('it is withdrawn when autonomy says so, and what a person declined rests', async () => {
  await lose();
  await once();
  expect(await subject()).toMatch(/^tune\(pump\): iter004 /);
  await spec('autonomy: observe');
  expect(await once()).toContain(`${BRANCH}: withdrawn: autonomy is observe`);
  expect(await tip()).toBe('');
  await spec('autonomy: propose');
  await once();
  expect(await subject()).toMatch(/^tune\(pump\): iter005 /);

  await asAda(['push', '--quiet', 'origin', '--delete', BRANCH]);
  await once();
  expect(await tip()).toBe('');
  await once();
  expect(await tip()).toBe('');
  expect((await plan())?.message).toMatch(
    /^mmfleet\/proposals\/pump was deleted by a person \([0-9a-f]{8}\): would tune/,
  );
});

test('a branch that a person worked on is left to them', async () => {
  await spec('autonomy: propose', 'tuning: { bounds: { MM_MIN_OFFSET_BPS: { min: 1, max: 7 } } }');
  await once();
  expect(await subject()).toMatch(/^tune\(pump\): iter006 /);
  await asAda(
    ['fetch', '--quiet', 'origin'],
    ['switch', '--quiet', '-c', 'mine', `origin/${BRANCH}`],
    ['commit', '--quiet', '--allow-empty', '-m', 'looks right to me'],
    ['push', '--quiet', 'origin', `HEAD:${BRANCH}`],
    ['switch', '--quiet', 'main'],
  );
  const theirs = await tip();
  await spec('autonomy: observe');
  await once();
  expect(await tip()).toBe(theirs);
});
