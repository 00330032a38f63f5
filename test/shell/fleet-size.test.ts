/** What keeps a pass over many instances cheap changes nothing for any one of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ProcessRuntimePort } from '../../src/adapters/process.ts';
import { NO_RESTARTS } from '../../src/core/flat/backoff.ts';
import { known } from '../../src/core/problem.ts';
import type { TrailEntry } from '../../src/core/trail/types.ts';
import type { DesiredInstance } from '../../src/shell/desired.ts';
import { concerns, trailsByInstance } from '../../src/shell/instance-trails.ts';
import { observe } from '../../src/shell/observe.ts';
import type { Ops } from '../../src/shell/ops.ts';
import { look } from '../../src/shell/pass.ts';
import { readDesired } from '../../src/shell/read-desired.ts';
import { pass } from '../../src/shell/reconcile.ts';
import { bigFleet } from '../support/big-fleet.ts';
import { baseEnv } from '../support/fleet-world.ts';

const BASES = ['env/.env.a', 'env/.env.a.b', 'env/.env', 'env/x.y/.env.a', '.env'];
const PATHS = ['', '.iter001', '.b', '.b.iter002', '.verdicts', 'c', '.'].flatMap((end) => BASES.map((b) => b + end));

test('sorting the trail out at once picks for each instance what looking through it picks', () => {
  const instances = BASES.map((basePath, n) => ({ name: `i${n}`, env: { basePath } }) as DesiredInstance);
  instances.push({ name: 'no-env', env: null } as DesiredInstance, { ...instances[0]!, name: 'shares' });
  const entry = fc.record({
    instance: fc.constantFrom(null, 'i0', 'i3', 'no-env', 'stranger'),
    files: fc.array(fc.record({ status: fc.constant('M'), path: fc.constantFrom(...PATHS) }), { maxLength: 24 }),
  });
  const check = (trail: TrailEntry[], among: readonly DesiredInstance[]) => {
    const sorted = trailsByInstance(trail, among);
    for (const instance of among)
      expect(sorted.get(instance.name)).toEqual(
        trail.filter((each) => concerns(each, instance)).map((each) => ownFilesOf(each, instance.env?.basePath)),
      );
    return sorted;
  };
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.nat(12), fc.nat(12), (entries, top, rewritten) => {
      const trail = entries as unknown as TrailEntry[];
      const older = check(trail.slice(top), instances);
      // Other objects that declare the same, as the next revision has them.
      const sorted = check(
        trail,
        instances.map((i) => ({ ...i })),
      );
      for (const instance of instances)
        if (!trail.slice(0, top).some((each) => concerns(each, instance)))
          expect(sorted.get(instance.name)).toBe(older.get(instance.name));
      check(trail, instances.slice(1));
      check(
        trail.filter((_, i) => i !== rewritten),
        instances.slice(1),
      );
    }),
  );
});

/** What is given of an entry: all of it, or of one with many files those of the env. */
const ownFilesOf = (entry: TrailEntry, base: string | undefined): TrailEntry =>
  entry.files.length <= 16
    ? entry
    : { ...entry, files: entry.files.filter(({ path }) => path === base || path.startsWith(`${base}.`)) };

test('a status command that does not answer keeps no other instance from being asked', async () => {
  const command = '{ start: [start], stop: [stop], status: [status], cwd: /srv/bot }';
  const spec = (name: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec: { market: ${name.toUpperCase()}-USD, baseEnv: .env.${name}, runtime: { command: ${command} }, venue: { journal: {} } }
`;
  const names = ['aaa', 'bbb', 'ccc'];
  const fleet = 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: size }\nspec: {}\n';
  const texts = [['fleet/fleet.yaml', fleet]];
  for (const name of names) {
    texts.push([`fleet/${name}.yaml`, spec(name)], [`fleet/.env.${name}`, baseEnv(`${name.toUpperCase()}-USD`)]);
  }
  const desired = readDesired(
    texts.map(([path = '', text = '']) => ({ path, text, blob: '' })),
    null,
  );
  expect(desired.problems).toEqual([]);
  expect(desired.instances.map((i) => i.spec?.runtime.kind)).toEqual(['command', 'command', 'command']);
  let lastAsked = () => {};
  const untilLast = new Promise<void>((resolve) => {
    lastAsked = resolve;
  });
  // The first answers only once the last was asked: one after the other they would wait for ever.
  const runtime = (name: string) =>
    ({
      list: async () => {
        if (name === names.at(-1)) lastAsked();
        await untilLast;
        return known([], 0);
      },
    }) as unknown as ProcessRuntimePort;
  const ops = {
    clock: { nowMs: () => 0, sleep: async () => {} },
    processes: () => ({ list: async () => known([], 0) }),
    runtimeOf: (_: string, of: { name: string }) => runtime(of.name),
    local: {
      receipts: async () => '',
      intent: async () => known(null, 0),
      hold: async () => null,
      restarts: async () => NO_RESTARTS,
    },
    journals: { catchUp: async () => {}, look: () => ({ state: 'none' }) },
    secrets: { names: () => ({ ok: true, names: [] }) },
  } as unknown as Ops;
  const observed = await observe(ops, desired);
  expect([...observed.byName.values()].map((o) => o.copies.known)).toEqual([true, true, true]);
});

test('a plan of the working tree says what its change would do, not that it is not pushed', async () => {
  const w = await bigFleet(new Map([['m000', 'healthy']]), 2);
  try {
    const ops = await w.open();
    const options = { only: null, tune: true, push: true };
    const signal = new AbortController().signal;
    await pass(ops, { ...options, signal, lockTimeoutMs: 5_000, onPhase: () => undefined });
    const fleet = readFileSync(join(w.ops, 'fleet/fleet.yaml'), 'utf8');
    w.put('fleet/fleet.yaml', fleet.replace('GENERATION: "1"', 'GENERATION: "2"'));
    const seen = await look(ops, { ...options, fetch: true, worktree: true });
    const items = seen.ok ? seen.value.planned.map((p) => p.item) : seen.problem;
    expect(items).toMatchObject([{ name: 'm000', action: 'restart', reason: 'digest-drift' }]);
  } finally {
    w.end();
  }
});
