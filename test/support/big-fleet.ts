/** A fleet of any size: real git with a bare remote, real specs, secrets, journals and local state; bots and venue stand in. */
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { execa, execaSync } from 'execa';
import type { ProcessRuntimePort } from '../../src/adapters/process.ts';
import type { ProcessCopy, StartOrder, VenuePort } from '../../src/core/ports.ts';
import { type Known, known, ok, type Result, unknown } from '../../src/core/problem.ts';
import { type Ops, openOps } from '../../src/shell/ops.ts';
import { baseEnv } from './fleet-world.ts';

/** How an instance fares. `hangs`: its venue command is a real process that never answers. */
export type Fate =
  | 'healthy'
  | 'invalid'
  | 'no-secret'
  | 'exits'
  | 'silent'
  | 'unreadable'
  | 'hangs'
  | 'suspended'
  | 'held';

const OFTEN: Fate[] = ['invalid', 'no-secret', 'exits', 'silent', 'unreadable', 'suspended', 'held'];

/** Every second instance is healthy; the others fail or wait in every way there is, `hanging` of them at the venue. */
export function halfFailing(count: number, hanging: number): Map<string, Fate> {
  let odd = 0;
  return new Map(
    Array.from({ length: count }, (_, n): [string, Fate] => {
      const name = `m${String(n).padStart(3, '0')}`;
      if (n % 2 === 0) return [name, 'healthy'];
      odd += 1;
      return [name, odd <= hanging ? 'hangs' : OFTEN[odd % OFTEN.length]!];
    }),
  );
}

export type BigFleet = Awaited<ReturnType<typeof bigFleet>>;

/** Commits and pushes the fleet; `width`: guards.maxConcurrentChanges. */
export async function bigFleet(fates: ReadonlyMap<string, Fate>, width: number) {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-big-'));
  const ops = join(dir, 'ops');
  const remote = join(dir, 'remote.git');
  const git = async (args: string[], cwd = ops) =>
    (await execa('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd })).stdout;
  const put = (path: string, text: string, root = ops) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  await git(['init', '--quiet', '--bare', '--initial-branch=main', remote], dir);
  await git(['init', '--quiet', '--initial-branch=main', ops], dir);
  await git(['remote', 'add', 'origin', remote]);
  put('.gitignore', '/secrets/\n/data/\n/.mmfleet/\n');
  put('secrets/all.env', 'MM_API_KEY=big-fleet-api-key\n');
  chmodSync(join(ops, 'secrets/all.env'), 0o600);
  put('fleet/fleet.yaml', fleetYaml(width));
  const held: string[] = [];
  for (const [name, fate] of fates) {
    put(`fleet/${name}.yaml`, instanceYaml(name, fate));
    put(`fleet/env/${name}/.env.${name}`, baseEnv(marketOf(name)));
    if (fate === 'held') held.push(name);
  }
  if (held.length > 0) put('fleet/holds.yaml', holdsYaml(held));
  await git(['add', '-A']);
  await git(['commit', '--quiet', '-m', `fleet: ${fates.size} markets`]);
  await git(['push', '--quiet', '-u', 'origin', 'main']);
  const world = new StandIns(fates, join(ops, 'data/mm_journal'));
  const log = join(dir, 'git.log');

  return {
    dir,
    ops,
    remote,
    git,
    put,
    world,
    /** The shell's own seam, with the process table and the venue stood in; a fresh one is a new mmfleet. */
    open: async (): Promise<Ops> => {
      const opened = await openOps(ops);
      if (!opened.ok) throw new Error(opened.problem.message);
      return world.standIn(opened.value);
    },
    /** The git commands (first words) that `work` runs, by a wrapper that stands before git in PATH. */
    countGit: async (work: () => Promise<unknown>): Promise<string[]> => {
      const bin = join(dir, 'bin');
      const real = execaSync('sh', ['-c', 'command -v git']).stdout;
      put('git', `#!/bin/sh\nprintf '%s\\n' "$*" >> '${log}'\nexec '${real}' "$@"\n`, bin);
      chmodSync(join(bin, 'git'), 0o755);
      writeFileSync(log, '');
      const path = process.env['PATH'] ?? '';
      process.env['PATH'] = `${bin}${delimiter}${path}`;
      try {
        await work();
      } finally {
        process.env['PATH'] = path;
      }
      return readFileSync(log, 'utf8').trimEnd().split('\n').map(verbOf);
    },
    remoteLog: async () => (await git(['--git-dir', remote, 'log', '--format=%s', 'main'], dir)).split('\n'),
    end: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Bots that write their run_start and obey a signal, and a flat venue, all at once; counts what was asked of them. */
class StandIns {
  readonly running = new Map<string, ProcessCopy>();
  /** Starts, signals and venue calls so far. */
  effects = 0;
  /** The most instances in hand at once. */
  widest = 0;
  readonly #fates: ReadonlyMap<string, Fate>;
  readonly #journals: string;
  readonly #inHand = new Map<string, number>();
  #pid = 100_000;

  constructor(fates: ReadonlyMap<string, Fate>, journals: string) {
    this.#fates = fates;
    this.#journals = journals;
    mkdirSync(journals, { recursive: true });
  }

  standIn(real: Ops): Ops {
    const runtime: ProcessRuntimePort = {
      list: async () => known([...this.running.values()], Date.now()),
      start: (order) => this.#busy(order.instance, async () => this.#start(order)),
      signal: async (copy) => {
        this.effects += 1;
        this.running.delete(copy.instance);
        return ok(undefined);
      },
      gone: async (copy) => known(this.running.get(copy.instance)?.pid !== copy.pid, Date.now()),
      startedWith: async () => ({}),
      cleanup: async () => undefined,
    };
    return {
      ...real,
      processes: () => runtime,
      runtimeOf: () => runtime,
      venueOf: (instance, secrets, killed) => {
        const fate = this.#fates.get(instance.name);
        if (fate !== 'hangs') return ok(this.#counted(instance.name, venue(instance.spec.market, fate)));
        const opened = real.venueOf(instance, secrets, killed);
        return opened.ok ? ok(this.#counted(instance.name, opened.value)) : opened;
      },
    };
  }

  #counted(name: string, port: VenuePort): VenuePort {
    return {
      ...port,
      position: () => this.#busy(name, port.position),
      openOrders: () => this.#busy(name, port.openOrders),
      cancelAll: () => this.#busy(name, port.cancelAll),
    };
  }

  async #busy<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.effects += 1;
    this.#inHand.set(name, (this.#inHand.get(name) ?? 0) + 1);
    this.widest = Math.max(this.widest, this.#inHand.size);
    try {
      return await work();
    } finally {
      const left = (this.#inHand.get(name) ?? 1) - 1;
      if (left === 0) this.#inHand.delete(name);
      else this.#inHand.set(name, left);
    }
  }

  #start(order: StartOrder): Result<ProcessCopy> {
    this.#pid += 1;
    const pid = this.#pid;
    const iter = order.markers['MMFLEET_ITER'] ?? '';
    const copy: ProcessCopy = {
      pid,
      startTicks: String(pid),
      startedAtMs: Date.now(),
      instance: order.instance,
      iter: iter === 'base' ? null : Number(iter),
      revision: order.markers['MMFLEET_REVISION'] ?? '',
      digest: order.markers['MMFLEET_DIGEST'] ?? '',
    };
    const fate = this.#fates.get(order.instance);
    if (fate !== 'exits') this.running.set(order.instance, copy);
    if (fate === 'healthy') this.#runStart(order, pid);
    return ok(copy);
  }

  #runStart(order: StartOrder, pid: number): void {
    const market = order.env['MM_MARKET_NAME'] ?? '';
    const config = Object.fromEntries(
      Object.entries(order.env).flatMap(([key, value]) =>
        key.startsWith('MM_') && key !== 'MM_API_KEY' ? [[key.slice(3).toLowerCase(), value]] : [],
      ),
    );
    const common = { ts: Date.now() / 1000, run_id: `run-${pid}`, schema_version: 2, market };
    const provenance = { env_file: join('/run', order.instance, order.envFileName) };
    // One file per start: a later stamp for each pid, as no two starts of a real bot share a second.
    const stamp = String(pid).padStart(6, '0');
    const path = join(this.#journals, `mm_${market}_20261101_${stamp}.jsonl`);
    appendFileSync(path, `${JSON.stringify({ ...common, seq: 1, type: 'run_start', config, provenance })}\n`);
  }
}

/** Long enough that those in hand are seen together. */
const ANSWER_MS = 30;

export const marketOf = (name: string) => `${name.toUpperCase()}-USD`;

function venue(market: string, fate: Fate | undefined): VenuePort {
  const answer = async <T>(value: T): Promise<Known<T>> => {
    await setTimeout(ANSWER_MS);
    return fate === 'unreadable' ? unknown('HTTP 503') : known(value, Date.now());
  };
  return {
    evidence: 'venue',
    position: () => answer({ market, position: '0' }),
    openOrders: () => answer([]),
    cancelAll: () => answer({ canceled: 0 }),
    reference: () => answer({ bid: '100.0', ask: '100.1', sizeStep: '0.01', minSize: '0.01', tick: '0.1' }),
    close: async () => unknown('a flat venue has nothing to close'),
  };
}

/** `-c a=b -c c=d fetch --quiet ...` -> `fetch`. */
function verbOf(line: string): string {
  const words = line.split(' ');
  let at = 0;
  while (words[at]?.startsWith('-') === true) at += words[at] === '-c' || words[at] === '-C' ? 2 : 1;
  return words[at] ?? '';
}

const fleetYaml = (width: number) => `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: big }
spec:
  git: { remote: origin, branch: main, push: true }
  guards: { maxConcurrentChanges: ${width}, maxShareChangedPerPass: 1 }
  defaults:
    secrets: [{ envFile: ../secrets/all.env }]
    runtime:
      process:
        command: [bot]
        cwd: ..
        environment: { GENERATION: "1" }
        stop: { signal: SIGINT, timeout: 1s }
        startTimeout: 1s
        backoff: { initial: 1h, max: 1h, stableAfter: 1h, crashLoopAfter: 5 }
    venue:
      settle: 20ms
      command: { position: [sleep, "600"], orders: [sleep, "600"], cancel: [sleep, "600"], close: [sleep, "600"], timeout: 300ms }
`;

const instanceYaml = (name: string, fate: Fate) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${marketOf(name)}
  baseEnv: env/${name}/.env.${name}
${fate === 'invalid' ? '  statee: Running\n' : ''}${fate === 'no-secret' ? '  secrets: [{ envFile: ../secrets/none.env }]\n' : ''}${
  fate === 'suspended' ? '  suspend: { reason: exchange maintenance }\n' : ''
}`;

const holdsYaml = (names: string[]) => `apiVersion: mmfleet/v1
kind: Holds
holds:
${names.map((n) => `  - { instance: ${n}, kind: hold, reason: "flat unproven", since: 2026-11-01T00:00:00Z }\n`).join('')}`;
