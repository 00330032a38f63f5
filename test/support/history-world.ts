/** An operations repository whose history is made by the shell's own builders and the git adapter, without any bot. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commitAll, type Person } from '../../src/adapters/git-commit.ts';
import { readLog } from '../../src/adapters/git-log.ts';
import { readTree } from '../../src/adapters/git-read.ts';
import type { Receipt } from '../../src/core/flat/types.ts';
import type { Result } from '../../src/core/problem.ts';
import type { Theme } from '../../src/core/spec/types.ts';
import { receiptLine } from '../../src/core/trail/receipts.ts';
import type { TrailEntry } from '../../src/core/trail/types.ts';
import type { TuningDecision } from '../../src/core/tuning/types.ts';
import { type ChangePlan, convergeChange, stepChange } from '../../src/shell/changes.ts';
import type { Desired, DesiredInstance } from '../../src/shell/desired.ts';
import { readDesired } from '../../src/shell/read-desired.ts';
import { cloneAt, FLEET, git } from './repos.ts';

export const NOW = 1_771_243_200;
const JOURNAL = 'mm_AMZN-USD_20260216_120000.jsonl@0..1048576';

const fleetYaml = `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: audited }
spec:
  defaults:
    runtime: { process: { command: [node, bot.js], cwd: .. } }
    venue: { journal: {} }
`;

const specYaml = (name: string, market: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${market}
  baseEnv: env/${name}/.env.${name}
  tuning: { bounds: { MM_SPREAD_MULTIPLIER: { min: 0.8, max: 3 } } }
`;

const envText = (market: string) => `# owned by people
MM_MARKET_NAME=${market}
MM_ENVIRONMENT=testnet
MM_OFFSET_MODE=dynamic
MM_SPREAD_MULTIPLIER=1.2   # distance
MM_MIN_OFFSET_BPS=4
MM_MAX_OFFSET_BPS=40
MM_NUM_PRICE_LEVELS=2
MM_MAX_POSITION_SIZE=100
`;

type Step = Extract<TuningDecision, { kind: 'tune' | 'recover' | 'undo' }>;
/** What a step differs in; `to`: the new values by key. */
export type StepWish = {
  kind?: Step['kind'];
  to: Record<string, string>;
  theme?: Theme;
  step?: string;
  by?: Step['trigger']['by'];
  fromIter?: number;
  toIter?: number | null;
  at?: number;
};

export async function auditWorld() {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-audit-'));
  const remote = join(dir, 'remote.git');
  const ops = join(dir, 'ops');
  git(dir, 'init', '-q', '--bare', '-b', 'main', remote);
  git(dir, 'clone', '-q', remote, ops);
  git(ops, 'switch', '-q', '-c', 'main');
  const clone = await cloneAt(ops);
  clone.write('fleet/fleet.yaml', fleetYaml);
  for (const [name, market] of [
    ['amzn', 'AMZN-USD'],
    ['mon', 'MON-USD'],
  ] as const) {
    clone.write(`fleet/${name}.yaml`, specYaml(name, market));
    clone.write(`fleet/env/${name}/.env.${name}`, envText(market));
  }
  git(ops, 'add', '-A');
  git(ops, 'commit', '-q', '-m', 'fleet: two markets');
  let clockTs = NOW;

  const head = () => git(ops, 'rev-parse', 'HEAD');
  const desired = async (): Promise<Desired> => {
    const revision = head();
    return readDesired(must(await readTree(clone.repo, revision, '')), revision);
  };
  const trail = async (): Promise<TrailEntry[]> =>
    must(await readLog(clone.repo, { under: '', ourEmail: FLEET.email })).entries;
  const instance = async (name = 'amzn'): Promise<DesiredInstance> =>
    (await desired()).instances.find((each) => each.name === name)!;
  /** Commits a plan as the shell does; gives the commit. */
  const land = async (
    plan: ChangePlan | null,
    author: Person = FLEET,
    signing: { format: 'ssh'; key: string } | null = null,
  ): Promise<string> => {
    if (plan === null) throw new Error('nothing to commit');
    clockTs += 60;
    const options = { committer: FLEET, secrets: [], nowTs: clockTs, signing };
    const made = must(await commitAll(clone.repo, [{ ...plan, author, authorTs: plan.at }], options));
    if (made.length !== 1) throw new Error('want one commit');
    return made[0]!.commit;
  };
  const plan = async (wish: StepWish, name = 'amzn'): Promise<ChangePlan> => {
    const now = await desired();
    const one = now.instances.find((each) => each.name === name)!;
    return stepChange(now, one, await trail(), decisionOf(one, wish), JOURNAL);
  };

  return {
    dir,
    ops,
    remote,
    repo: clone.repo,
    head,
    desired,
    trail,
    instance,
    land,
    plan,
    /** A step of ours, planned and committed. */
    step: async (wish: StepWish, name = 'amzn') => land(await plan(wish, name)),
    /** A stop with its receipt, committed. */
    converge: async (iterFrom: number | null, iterTo: number | null, name = 'amzn') => {
      const receipt = receiptOf(name, iterFrom, iterTo, clockTs);
      return land(convergeChange(await desired(), name, receiptLine(receipt), receipt, clockTs));
    },
    write: clone.write,
    git: clone.git,
    /** A person's commit of whatever lies in the work tree. */
    byHand: (message: string, ...args: string[]) => {
      git(ops, 'add', '-A');
      git(ops, 'commit', '-q', '-m', message, ...args);
      return head();
    },
    push: () => git(ops, 'push', '-q', 'origin', 'HEAD:refs/heads/main', '--force'),
    end: () => rmSync(dir, { recursive: true, force: true }),
  };
}

export type AuditWorld = Awaited<ReturnType<typeof auditWorld>>;

/** What the engine would hand over for such a step. */
export function decisionOf(instance: DesiredInstance, wish: StepWish): Step {
  const values = instance.env!.values;
  const by = wish.by ?? (wish.kind === 'recover' ? 'quiet' : 'fast');
  const common = {
    at: wish.at ?? NOW,
    trigger: { by, metric: 'netMarkout5sBps', value: -1.32, limit: -0.5, n: 204, looks: 10 },
    theme: wish.theme ?? ('spread-offset' as const),
    step: wish.step ?? 'widen',
    changes: Object.entries(wish.to).map(([key, to]) => ({ key, from: values[key] ?? null, to })),
    message: 'Signal fast: fills lose money. Widen quotes one step.',
  };
  const fromIter = wish.fromIter ?? instance.env!.iter ?? 1;
  const toIter = wish.toIter ?? null;
  switch (wish.kind ?? 'tune') {
    case 'tune':
      return { ...common, kind: 'tune', urgent: true, factor: wish.step === undefined ? 1.5 : null, proven: true };
    case 'recover':
      return { ...common, kind: 'recover', fromIter, toIter };
    case 'undo':
      return { ...common, kind: 'undo', fromIter, toIter, waitMs: 43_200_000, forget: 'recover-to-base' };
  }
}

export function receiptOf(name: string, iterFrom: number | null, iterTo: number | null, ts: number): Receipt {
  const at = new Date(ts * 1000).toISOString();
  return {
    v: 1,
    instance: name,
    market: `${name.toUpperCase()}-USD`,
    cause: 'digest-drift',
    runId: `run${ts}`,
    pid: 41,
    startTicks: '9',
    iterFrom,
    iterTo,
    signalAt: at,
    exitedAt: at,
    killed: false,
    reads: [{ at, what: 'position', value: '0' }],
    orders: [],
    costUsd: '0',
    botSays: null,
    disagreement: null,
    verdict: 'FLAT',
    sizeBase: '0',
    rule: 'two zero reads',
    provedAt: at,
  };
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
}
