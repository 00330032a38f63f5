/** With real git: reverting one tuning commit gives the tree of the same history without it. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commitAll } from '../../src/adapters/git-commit.ts';
import type { TuningDecision } from '../../src/core/tuning/types.ts';
import { stepChange, verdictChange } from '../../src/shell/changes.ts';
import { type Ops, openOps } from '../../src/shell/ops.ts';
import { type Clone, scratchWorld, type World } from '../support/repos.ts';

const FLEET = 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: test }\nspec: {}\n';
const INSTANCE = (name: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${name.toUpperCase()}-USD
  baseEnv: env/${name}/.env.${name}
  secrets: [{ fromEnv: [MM_API_KEY] }]
  runtime: { process: { command: [bot], cwd: .. } }
  venue: { sim: { url: "http://127.0.0.1:9" } }
`;
const NAMES = ['amzn', 'mon'] as const;
const KEYS = ['MM_SPREAD_MULTIPLIER', 'MM_MIN_OFFSET_BPS', 'MM_NUM_PRICE_LEVELS'] as const;

let world: World;
let clone: Clone;
let ops: Ops;
let start: string;

beforeAll(async () => {
  world = await scratchWorld();
  clone = await world.clone('ops');
  clone.write('fleet/fleet.yaml', FLEET);
  for (const name of NAMES) {
    clone.write(`fleet/${name}.yaml`, INSTANCE(name));
    clone.write(
      `fleet/env/${name}/.env.${name}`,
      `MM_MARKET_NAME=${name.toUpperCase()}-USD\nMM_SPREAD_MULTIPLIER=1.2\nMM_MIN_OFFSET_BPS=4\nMM_NUM_PRICE_LEVELS=2\n`,
    );
  }
  clone.git('add', '-A');
  clone.git('commit', '-q', '-m', 'a fleet');
  const opened = await openOps(clone.dir);
  if (!opened.ok) throw new Error(opened.problem.message);
  ops = opened.value;
  start = clone.git('rev-parse', 'HEAD');
}, 30_000);
afterAll(() => world.remove());

type Act = { name: (typeof NAMES)[number]; key: (typeof KEYS)[number]; value: number; verdict: boolean };

const act: fc.Arbitrary<Act> = fc.record({
  name: fc.constantFrom(...NAMES),
  key: fc.constantFrom(...KEYS),
  value: fc.integer({ min: 3, max: 9 }),
  verdict: fc.boolean(),
});

test('the tree after the revert, and the env that then is desired', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 2, maxLength: 6 }), fc.nat(), async (acts, pick) => {
      clone.git('reset', '-q', '--hard', start);
      const made: { commit: string; tune: boolean; iter: string }[] = [];
      for (const [i, each] of acts.entries()) made.push(...(await commit(each, i)));
      const tunes = made.filter((m) => m.tune);
      const undone = tunes[pick % tunes.length]!;
      clone.git('revert', '--no-edit', undone.commit);
      const reverted = clone.git('rev-parse', 'HEAD^{tree}');
      const desired = await ops.desiredAt(clone.git('rev-parse', 'HEAD'));

      clone.git('reset', '-q', '--hard', start);
      const others = made.filter((m) => m !== undone).map((m) => m.commit);
      if (others.length > 0) clone.git('cherry-pick', '--allow-empty', ...others);
      expect(clone.git('rev-parse', 'HEAD^{tree}')).toBe(reverted);
      if (!desired.ok) throw new Error(desired.problem.message);
      const present = desired.value.instances.map((i) => i.env?.path);
      expect(present).not.toContain(undone.iter);
    }),
    { numRuns: 6 },
  );
}, 60_000);

/** One tuning commit, and sometimes the verdict of what it left, built the way a pass builds them. */
async function commit(each: Act, i: number): Promise<{ commit: string; tune: boolean; iter: string }[]> {
  const head = clone.git('rev-parse', 'HEAD');
  const [desired, trail] = [await ops.desiredAt(head), await ops.trail('mmfleet@localhost')];
  if (!desired.ok || !trail.ok) throw new Error('unreadable');
  const instance = desired.value.instances.find((found) => found.name === each.name)!;
  if (instance.env === null) throw new Error(instance.problems[0]?.message ?? 'no env');
  const decision: Extract<TuningDecision, { kind: 'tune' }> = {
    kind: 'tune',
    at: 1_790_000_000 + i,
    trigger: { by: 'fast', metric: 'markout5sBps', value: -1, limit: -0.5, n: 200, looks: 10 },
    urgent: true,
    theme: 'spread-offset',
    step: 'widen',
    factor: 1.5,
    changes: [{ key: each.key, from: instance.env.values[each.key] ?? null, to: `${each.value}` }],
    proven: false,
    message: 'a step',
  };
  const iter = instance.env.iter;
  const step = stepChange(desired.value, instance, trail.value, decision, null);
  const verdict = {
    iter: iter ?? 0,
    against: null,
    verdict: 'inconclusive',
    effectBps: 0.5,
    ci95: null,
    n: 9,
  } as const;
  const judged = each.verdict && iter !== null ? [verdictChange(desired.value, instance, verdict, null)] : [];
  const author = { name: 'mmfleet', email: 'mmfleet@localhost' };
  const done = await commitAll(
    clone.repo,
    [step, ...judged].map(({ files, message, at }) => ({ files, message, author, authorTs: at })),
    { committer: author, secrets: [], nowTs: 1_790_000_000 },
  );
  if (!done.ok) throw new Error(done.problem.message);
  return done.value.map(({ commit, plan }) => ({
    commit,
    tune: plan.message.startsWith('tune('),
    iter: plan.files[0]?.path ?? '',
  }));
}
