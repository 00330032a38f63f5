/** The real CLI with a ccxt venue: validate, a first start, a stop with a position and orders, and a held one. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Receipt } from '../../src/core/flat/types.ts';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import type { Fault } from '../support/loopback-venue/scenario.ts';
import { ACCOUNT } from '../support/loopback-venue/stark.ts';
import { type LoopbackVenue, MARKET, startLoopbackVenue } from '../support/loopback-venue/venue.ts';
import { SECRETS } from '../support/loopback-venue/world.ts';

// Many processes a test, and ccxt's own pace of calls: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let w: FleetWorld;
let venue: LoopbackVenue;
const faults: Fault[] = [];

beforeAll(async () => {
  venue = await startLoopbackVenue({ position: '0', orders: [], faults });
  w = await fleetWorld([{ name: 'amzn', market: MARKET }]);
  const spec = readFileSync(join(w.ops, 'fleet/amzn.yaml'), 'utf8');
  w.put(
    'fleet/amzn.yaml',
    `${spec}  venue:\n    ccxt: { exchange: extended, apiKey: MM_API_KEY, privateKey: MM_STARK_PRIVATE_KEY, url: "${venue.url}" }\n`,
  );
  const secrets = Object.entries(SECRETS).map(([key, value]) => `${key}=${value}\n`);
  w.put('secrets/all.env', secrets.join(''));
  chmodSync(join(w.ops, 'secrets/all.env'), 0o600);
  await w.commit('amzn is on Extended');
});
afterAll(async () => {
  await w.end();
  await venue.close();
});

const receipts = () =>
  readFileSync(join(w.ops, 'fleet/receipts/amzn.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Receipt);

test('validate has nothing to say about it', async () => {
  const run = await w.cli('validate');
  expect(run.err).not.toContain('ccxt');
  expect(run.code).toBe(0);
});

test('in a checkout without secrets validate --skip-secrets checks everything else', async () => {
  const checkout = join(w.dir, 'checkout');
  await w.git(['clone', '--quiet', w.remote, checkout], w.dir);
  const plain = await w.cliWith({}, '-C', checkout, 'validate');
  expect(plain).toMatchObject({ code: 3, err: expect.stringContaining('secrets/all.env') });
  const skipping = await w.cliWith({}, '-C', checkout, 'validate', '--skip-secrets');
  expect(skipping).toMatchObject({ code: 0, out: expect.stringMatching(/^1 instance, 0 errors, /) });
  const path = join(checkout, 'fleet/amzn.yaml');
  writeFileSync(path, readFileSync(path, 'utf8').replace('exchange: extended', 'exchange: extendde'));
  const wrong = await w.cliWith({}, '-C', checkout, 'validate', '--skip-secrets');
  expect(wrong).toMatchObject({ code: 3, err: expect.stringContaining('found "extendde"') });
});

test('validate names what is wrong with a venue, in its place', async () => {
  const spec = readFileSync(join(w.ops, 'fleet/amzn.yaml'), 'utf8');
  w.put(
    'fleet/amzn.yaml',
    spec.replace('exchange: extended', 'exchange: extendde').replace('MM_API_KEY', 'MM_OTHER_KEY'),
  );
  const run = await w.cli('validate');
  w.put('fleet/amzn.yaml', spec);
  expect(run.code).toBe(3);
  expect(run.err).toMatch(/fleet\/amzn\.yaml:\d+:\d+ venue\.ccxt\.exchange: found "extendde"/);
  expect(run.err).toContain('spec.venue.ccxt.apiKey: MM_OTHER_KEY is not among the instance');
});

test('a market that is not flat is not started on: the position is foreign', async () => {
  venue.happen({ set: '0.10' });
  const run = await w.cli('reconcile', '--once');
  expect(run.code).toBe(5);
  expect(await w.copies()).toEqual([]);
  expect(venue.trades()).toEqual([]);
  expect(venue.truth().position).toBe('0.1');
  venue.happen({ set: '0' });
  expect(await w.cli('release', 'amzn', '--reason', 'closed by hand')).toMatchObject({ code: 0 });
});

test('it starts when its market was proved flat', async () => {
  const run = await w.cli('reconcile', '--once');
  expect(run, run.err).toMatchObject({ code: 0 });
  expect(await w.pidOf('amzn')).not.toBeNull();
});

test('a run is not proved flat on the account of other secrets', async () => {
  const path = join(w.ops, 'secrets/all.env');
  const [before, pid] = [readFileSync(path, 'utf8'), await w.pidOf('amzn')];
  writeFileSync(path, before.replace(/^MM_VAULT_ID=.*$/m, 'MM_VAULT_ID=999'));
  for (const args of [
    ['restart', 'amzn', '--reason', 'moving'],
    ['flatten', 'amzn'],
  ]) {
    const run = await w.cli(...args);
    expect([run.code, `${run.out}${run.err}`]).toEqual([
      4,
      expect.stringContaining('its run began with another MM_VAULT_ID, which tells the account: put that one back'),
    ]);
  }
  expect(await w.pidOf('amzn')).toBe(pid);
  // Another key of the same vault is the same account: here one that the venue does not know.
  writeFileSync(path, before.replace(/^MM_STARK_PUBLIC_KEY=.*$/m, 'MM_STARK_PUBLIC_KEY=0x1'));
  const rotated = await w.cli('flatten', 'amzn');
  expect(`${rotated.out}${rotated.err}`).toContain('another account: the public key differs');
  expect(await w.pidOf('amzn')).toBe(pid);
  writeFileSync(path, before);
  expect(await w.cli('flatten', 'amzn')).toMatchObject({ code: 0 });
  // Proved flat, it may move: here to an account that the key does not belong to, which the venue tells.
  writeFileSync(path, before.replace(/^MM_VAULT_ID=.*$/m, 'MM_VAULT_ID=999'));
  const moved = await w.cli('release', 'amzn', '--reason', 'on the other');
  expect(`${moved.out}${moved.err}`).toContain('another account: the vault differs');
  expect(await w.copies()).toEqual([]);
  writeFileSync(path, before);
  expect(await w.cli('release', 'amzn', '--reason', 'back')).toMatchObject({ code: 0 });
  expect(await w.pidOf('amzn')).not.toBeNull();
});

test('a stop cancels, closes with our client id and proves it', async () => {
  venue.happen({ set: '0.42' });
  venue.happen({ rest: { side: 'BUY', price: '220.0', qty: '0.10' } });
  const run = await w.cli('stop', 'amzn', '--reason', 'maintenance');
  expect(run.code, run.err).toBe(0);
  const settled = await w.cli('reconcile', '--once');
  expect(settled.code, settled.err).toBe(0);
  expect(await w.copies()).toEqual([]);
  expect(venue.truth()).toEqual({ position: '0', orders: 0 });
  const receipt = receipts().at(-1);
  expect(receipt).toMatchObject({ verdict: 'FLAT', rule: 'two zero reads' });
  expect(receipt?.orders).toMatchObject([{ side: 'sell', size: '0.42', status: 'filled', filled: '0.42' }]);
  expect(venue.trades().map((t) => t.externalId)).toEqual([receipt?.orders[0]?.clientId]);
});

test('a venue that does not answer with a list of positions starts nothing', async () => {
  faults.push({ on: 'positions', times: 'always', reply: 'null-data' });
  const run = await w.cli('start', 'amzn', '--reason', 'back again');
  expect(run.code, run.err).not.toBe(1);
  const pass = await w.cli('reconcile', '--once');
  expect(pass.code).not.toBe(0);
  expect(`${pass.out}${pass.err}`).toContain('no data in the reply');
  expect(await w.copies()).toEqual([]);
  faults.splice(0);
});

test('neither key was printed or committed', async () => {
  const told = w.printed() + (await w.git(['log', '-p', '--all']));
  for (const secret of [ACCOUNT.apiKey, ACCOUNT.privateKey, ACCOUNT.privateKey.slice(2)])
    expect(told).not.toContain(secret);
});
