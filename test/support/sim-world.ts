/** The whole world of one schedule: repository, venue, processes, local state, weather, and mmfleet running in it. */

import type { StopIntent } from '../../src/adapters/intents.ts';
import { NO_RESTARTS, type RestartState } from '../../src/core/flat/backoff.ts';
import { known, ok } from '../../src/core/problem.ts';
import { desiredDigest } from '../../src/shell/desired.ts';
import type { LocalState } from '../../src/shell/local-state.ts';
import type { Ops } from '../../src/shell/ops.ts';
import { type ReadDesired, readDesired } from '../../src/shell/read-desired.ts';
import { baseEnv } from './fleet-world.ts';
import { SimBots, type Temper } from './sim-bots.ts';
import { checkAlways, checkReceipt, checkSignal, checkStart } from './sim-checks.ts';
import { SETTLE_MS, SimExchange } from './sim-exchange.ts';
import { type SimCommit, SimGit } from './sim-git.ts';
import { simJournals } from './sim-journal.ts';
import { type Life, SimLoop, START_MS } from './sim-loop.ts';

/** What a commit wants of one instance. */
export type Wanted = {
  digest: string;
  state: string;
  held: boolean;
  parked: boolean;
  invalid: boolean;
  envText: string;
};

/** How an instance fares: `losing` on the base env only, or for ever. */
export type Nature = 'healthy' | 'loses-on-base' | 'loses-always';

export const NAMES = ['amzn', 'mon', 'pump', 'spx'] as const;
export const marketOf = (name: string) => `${name.toUpperCase()}-USD`;
const SECRETS = ['MM_API_KEY'];

export class BrokenPromise extends Error {}

export class SimWorld {
  readonly loop: SimLoop;
  readonly names = NAMES;
  readonly marketOf = marketOf;
  readonly exchange: SimExchange;
  readonly git: SimGit;
  readonly bots: SimBots;
  readonly natures = new Map<string, Nature>();
  /** What is wrong with the one instance that can never converge. */
  readonly lameness: 'venue-down' | 'crash-loop' | 'silent' | 'bad-spec';
  temperOf: (instance: string) => Temper;
  readonly local = {
    intents: new Map<string, StopIntent>(),
    receipts: new Map<string, string>(),
    restarts: new Map<string, RestartState>(),
    writes: 0,
  };
  /** Where the branch stood while the present life ran. */
  headsOfLife = new Set<SimCommit>();
  counts = { starts: 0, signals: 0, receipts: 0 };
  #broken: string | null = null;
  #wanted = new Map<string, Map<string, Wanted>>();

  constructor(seed: number, temperOf: (instance: string, world: SimWorld) => Temper) {
    this.loop = new SimLoop(seed, START_MS);
    this.lameness = this.loop.dice.pick(['venue-down', 'crash-loop', 'silent', 'bad-spec'] as const);
    this.temperOf = (name) => temperOf(name, this);
    this.exchange = new SimExchange(this.loop, NAMES.map(marketOf));
    this.git = new SimGit(this.loop, fleetFiles(this.loop.dice.pick([0.25, 0.5])));
    this.bots = new SimBots(this.loop, this.exchange, NAMES, {
      temperOf: ({ instance }) => this.temperOf(instance),
      dayOf: (name, iter) => {
        const nature = this.natures.get(name) ?? 'healthy';
        return nature === 'loses-always' || (nature === 'loses-on-base' && iter === null) ? 'losing' : 'quiet';
      },
      onStart: (life, order) => {
        this.counts.starts += 1;
        checkStart(this, life, order);
      },
      onSignal: (life, proc, copy, signal) => {
        this.counts.signals += 1;
        checkSignal(this, life, proc, copy, signal);
      },
    });
    this.loop.check = () => {
      this.headsOfLife.add(this.git.local);
      checkAlways(this);
      if (this.#broken !== null) throw new BrokenPromise(this.#broken);
    };
  }

  /** Ends the schedule at the next event. */
  broken(promise: string, what: string): void {
    this.loop.note(`BROKEN ${promise}: ${what}`);
    this.#broken ??= `${promise}: ${what}`;
  }

  /** Everything that mmfleet did to the world outside. */
  effects(): number {
    const { exchange, git, local, counts } = this;
    const sent = [...exchange.markets.values()].flatMap((m) =>
      m.seen.filter((s) => s.what === 'cancel' || s.what === 'close'),
    );
    return git.changes + local.writes + counts.starts + counts.signals + sent.length;
  }

  /** `.mmfleet` is gone; stop intents live in `.git` and stay. */
  loseState(): void {
    this.loop.note('.mmfleet is deleted');
    this.local.receipts.clear();
    this.local.restarts.clear();
  }

  wantedAt(commit: SimCommit): Map<string, Wanted> {
    const found = this.#wanted.get(commit.id);
    if (found !== undefined) return found;
    const desired = desiredOf(commit);
    const wanted = new Map(
      desired.instances.map((i) => {
        const own = desired.holds.filter((h) => h.instance === i.name);
        return [
          i.name,
          {
            digest: desiredDigest(i, SECRETS) ?? '',
            state: i.spec?.state ?? '',
            held: own.some((h) => h.kind === 'hold'),
            parked: own.some((h) => h.kind === 'park'),
            invalid: i.problems.length > 0,
            envText: i.env?.text ?? '',
          },
        ];
      }),
    );
    this.#wanted.set(commit.id, wanted);
    return wanted;
  }

  /** What one run of mmfleet is given instead of a clone, a venue and a process table. */
  ops(life: Life): Ops {
    this.headsOfLife = new Set([this.git.local]);
    const clock = life.clock();
    const journals = simJournals((name) => this.bots.newestRun.get(name) ?? null);
    return {
      repo: {
        root: '/sim',
        gitDir: '/sim/.git',
        ownDir: '/sim/.git/mmfleet',
        rootCommit: null,
        objectFormat: 'sha1',
      },
      stateDir: '/sim/.mmfleet',
      clock,
      host: 'sim',
      git: this.git.port(life),
      local: this.#localState(life),
      journals,
      secrets: {
        read: async () => ok(Object.fromEntries(SECRETS.map((key) => [key, 'simulated-value']))),
        names: () => ({ ok: true, names: SECRETS }),
      },
      venueOf: (instance) => ok(this.exchange.port(life, instance.spec.market)),
      processes: () => this.bots.port(life, null),
      runtimeOf: (_fleet, spec) => this.bots.port(life, spec.name),
      desiredAt: async (revision) => ok(desiredOf(this.git.commits.get(revision)!)),
      desiredInWorktree: async () => ok(desiredOf(this.git.local)),
      trail: async () => ok(this.git.trail()),
    };
  }

  #localState(life: Life): LocalState {
    const { local, loop } = this;
    const write = <T>(label: string, run: () => T, torn?: () => void) =>
      life.effect(
        label,
        'local',
        () => {
          local.writes += 1;
          return run();
        },
        torn,
      );
    return {
      lock: async () => ok({ release: async () => undefined }),
      intent: async (name) => known(local.intents.get(name) ?? null, loop.nowMs),
      writeIntent: (name, intent) => write(`write stop intent of ${name}`, () => void local.intents.set(name, intent)),
      clearIntent: (name) =>
        life.effect(`clear stop intent of ${name}`, 'local', () => void local.intents.delete(name)),
      // No schedule has a head that takes no commit.
      hold: async () => null,
      writeHold: async () => undefined,
      clearHold: async () => undefined,
      receipts: async (name) => local.receipts.get(name) ?? '',
      appendReceipt: (receipt) => {
        const before = () => local.receipts.get(receipt.instance) ?? '';
        const put = (text: string) =>
          local.receipts.set(
            receipt.instance,
            `${before()}${before() === '' || before().endsWith('\n') ? '' : '\n'}${text}`,
          );
        const line = JSON.stringify(receipt);
        return write(
          `receipt of ${receipt.instance}: ${receipt.verdict} (${receipt.rule})`,
          () => {
            this.counts.receipts += 1;
            checkReceipt(this, receipt);
            put(`${line}\n`);
          },
          () => void put(line.slice(0, loop.dice.whole(1, line.length - 1))),
        );
      },
      restarts: async (name) => local.restarts.get(name) ?? NO_RESTARTS,
      writeRestarts: (name, state) =>
        write(
          `write back-off of ${name}`,
          () => void local.restarts.set(name, state),
          () => void local.restarts.delete(name),
        ),
    };
  }
}

/** A tree read once, whichever schedule meets it; receipts, which nothing but `files` holds, do not count. */
function desiredOf(commit: SimCommit): ReadDesired {
  const files = [...commit.tree.values()];
  const key = files
    .filter((f) => !f.path.startsWith('fleet/receipts/'))
    .map((f) => `${f.path} ${f.blob}`)
    .sort()
    .join();
  let read = trees.get(key);
  if (read === undefined) {
    read = readDesired(files, null);
    if (trees.size > 5_000) trees.clear();
    trees.set(key, read);
  }
  return { ...read, revision: commit.id, files: commit.tree };
}

const trees = new Map<string, ReadDesired>();

function fleetFiles(share: number): Record<string, string> {
  const files: Record<string, string> = { 'README.md': 'ours\n', 'fleet/fleet.yaml': fleetYaml(share) };
  for (const name of NAMES) {
    files[`fleet/${name}.yaml`] = instanceYaml(name, 'Running');
    files[`fleet/env/${name}/.env.${name}`] = baseEnv(marketOf(name));
  }
  return files;
}

export const instanceYaml = (name: string, state: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec: { market: ${marketOf(name)}, baseEnv: env/${name}/.env.${name}, state: ${state} }
`;

const fleetYaml = (share: number) => `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: sim }
spec:
  git: { remote: origin, branch: main, push: true }
  guards: { maxShareChangedPerPass: ${share} }
  defaults:
    secrets: [{ fromEnv: [${SECRETS.join()}] }]
    runtime:
      process:
        command: [bot]
        cwd: ..
        stop: { signal: SIGINT, timeout: 3s }
        startTimeout: 5s
        backoff: { initial: 1s, max: 5s, stableAfter: 10m, crashLoopAfter: 5 }
    venue:
      settle: ${SETTLE_MS}ms
      command: { position: [venue], orders: [venue], cancel: [venue], close: [venue] }
`;
