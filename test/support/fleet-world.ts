/** A whole operations repository with a bare remote, puppet bots and a command venue: the real CLI runs in it. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { systemClock } from '../../src/adapters/clock.ts';
import { createProcessRuntime } from '../../src/adapters/process.ts';
import { withState } from './command-venue.mjs';
import { killAll, until } from './puppet.ts';

export const CANARY = { MM_API_KEY: 'canary-api-key-5f1c', MM_STARK_PRIVATE_KEY: '0xcanary7d3e9b52aa4410ffcanary' };
/** This folder; bundled into the benchmark, the file is elsewhere and its neighbours are found from the project's root. */
const HERE = existsSync(join(import.meta.dirname, 'puppet-bot.mjs'))
  ? import.meta.dirname
  : join(process.cwd(), 'test', 'support');
export const CLI = join(HERE, '..', '..', 'dist', 'shell', 'cli.js');

export type Run = { code: number; out: string; err: string };
/** One call of a venue command; `at` = wall time in ms. */
export type VenueCall = { at: number; call: string; market: string; args: string[]; fault?: unknown };
export type Market = { name: string; market: string };
export const THREE: Market[] = [
  { name: 'amzn', market: 'AMZN-USD' },
  { name: 'mon', market: 'MON-USD' },
  { name: 'pump', market: 'PUMP-USD' },
];

export const baseEnv = (market: string) => `# base env, owned by people
MM_MARKET_NAME=${market}
MM_ENVIRONMENT=testnet
MM_OFFSET_MODE=dynamic
MM_SPREAD_MULTIPLIER=1.2   # distance
MM_MIN_OFFSET_BPS=4
MM_MAX_OFFSET_BPS=40
MM_NUM_PRICE_LEVELS=2
MM_MAX_POSITION_SIZE=100
MM_SHUTDOWN_TIMEOUT_S=2
`;

/** What a world differs in: variables of every puppet, what each CLI call sees, the name of its scratch folder. */
export type WorldOptions = { puppet?: Record<string, string> };

/** Commits a fleet and pushes it; `end` kills what still runs and removes everything. */
export async function fleetWorld(instances: Market[] = THREE, options: WorldOptions = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-world-'));
  const ops = join(dir, 'ops');
  const remote = join(dir, 'remote.git');
  const control = join(dir, 'control');
  const venueState = join(dir, 'venue.json');
  for (const folder of [ops, control]) mkdirSync(folder);
  const git = async (args: string[], cwd = ops) =>
    (await execa('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd })).stdout;
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(ops, path)), { recursive: true });
    writeFileSync(join(ops, path), text);
  };
  const printed: string[] = [];
  const launch = (args: string[], env: Record<string, string> = {}) =>
    execa('node', [CLI, ...args], {
      cwd: dir,
      reject: false,
      timeout: 120_000,
      env: { NO_COLOR: '1', FORCE_COLOR: undefined, ...env },
    });
  const finish = async (running: ReturnType<typeof launch>): Promise<Run> => {
    const end = await running;
    printed.push(end.stdout, end.stderr);
    return { code: end.exitCode ?? -1, out: end.stdout, err: end.stderr };
  };
  await git(['init', '--quiet', '--bare', '--initial-branch=main', remote], dir);
  await git(['init', '--quiet', '--initial-branch=main']);
  await git(['remote', 'add', 'origin', remote]);
  await git(['config', 'user.name', 'Ada']);
  await git(['config', 'user.email', 'ada@example.org']);
  put('.gitignore', '/secrets/\n/data/\n/.mmfleet/\n');
  put(
    'secrets/all.env',
    Object.entries(CANARY)
      .map(([k, v]) => `${k}=${v}\n`)
      .join(''),
  );
  chmodSync(join(ops, 'secrets/all.env'), 0o600);
  put('fleet/fleet.yaml', fleetYaml(control, venueState, options.puppet ?? {}));
  for (const { name, market } of instances) {
    put(`fleet/${name}.yaml`, instanceYaml(name, market));
    put(`fleet/env/${name}/.env.${name}`, baseEnv(market));
  }
  await git(['add', '-A']);
  await git(['commit', '--quiet', '-m', 'fleet: three markets']);
  await git(['push', '--quiet', '-u', 'origin', 'main']);
  const root = (await git(['rev-list', '--max-parents=0', 'HEAD'])).trim();
  const runtime = createProcessRuntime({
    fleetId: `test@${root.slice(0, 16)}`,
    stateDir: join(ops, '.mmfleet'),
    clock: systemClock,
  });

  const copies = async () => {
    const all = await runtime.list();
    if (!all.known) throw new Error(all.reason);
    return all.value;
  };

  return {
    dir,
    ops,
    remote,
    control,
    venueState,
    git,
    put,
    runtime,
    /** Runs the built CLI in the repository. */
    cli: async (...args: string[]): Promise<Run> => finish(launch(['-C', ops, ...args])),
    /** The same, with other variables and no `-C` of its own. */
    cliWith: async (env: Record<string, string>, ...args: string[]): Promise<Run> => finish(launch(args, env)),
    /** Starts the CLI and leaves it to the test, for killing it half-way. */
    launch: (...args: string[]) => launch(['-C', ops, ...args]),
    /** Everything any CLI run of this world has printed. */
    printed: () => printed.join('\n'),
    commit: async (message: string, push = true) => {
      await git(['add', '-A']);
      await git(['commit', '--quiet', '-m', message]);
      if (push) await git(['push', '--quiet', 'origin', 'main']);
    },
    /** Subjects on the remote, newest first. */
    remoteLog: async () => (await git(['--git-dir', remote, 'log', '--format=%s', 'main'], dir)).split('\n'),
    copies,
    /** null: it does not run, which is more than that nobody can tell. */
    pidOf: async (name: string) => (await copies()).find((c) => c.instance === name)?.pid ?? null,
    behave: (market: string, how: object) => replace(join(control, `${market}.json`), JSON.stringify(how)),
    tell: (market: string, ...lines: string[]) => replace(join(control, `${market}.do`), `${lines.join('\n')}\n`),
    signals: (market: string) => readLines(join(control, `${market}.signals.log`)),
    venueLog: () => withState(venueState, (s: { log: VenueCall[] }) => s.log) as VenueCall[],
    book: (market: string) =>
      withState(venueState, (s: { markets: Record<string, { position: string }> }) =>
        structuredClone(s.markets[market]),
      ) as { position: string } | undefined,
    setBook: (market: string, change: object) =>
      withState(venueState, (s: { markets: Record<string, object> }) => {
        s.markets[market] = {
          position: '0',
          orders: [],
          bid: '100.0',
          ask: '100.1',
          sizeStep: '0.01',
          minSize: '0.01',
          tick: '0.1',
          ...s.markets[market],
          ...change,
        };
      }),
    faults: (list: object[]) => writeFileSync(`${venueState}.faults`, JSON.stringify(list)),
    /** Events of the newest run of a market, and its journal. */
    journalOf: (market: string) => newestJournal(join(ops, 'data/mm_journal'), market),
    end: async () => {
      await killAll(runtime);
      await until(() => isRemoved(dir), 'the world is removed');
    },
  };
}

export type FleetWorld = Awaited<ReturnType<typeof fleetWorld>>;

const fleetYaml = (control: string, venueState: string, puppet: Record<string, string>) => `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: test }
spec:
  git: { remote: origin, branch: main, push: true }
  interval: 1s
  defaults:
    secrets: [{ envFile: ../secrets/all.env }]
    runtime:
      process:
        command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(join(HERE, 'puppet-bot.mjs'))}]
        cwd: ..
        environment: ${JSON.stringify({ PUPPET_CONTROL: control, PUPPET_VENUE: venueState, ...puppet })}
        stop: { signal: SIGINT, timeout: 2s }
        startTimeout: 15s
        backoff: { initial: 4s, max: 4s, stableAfter: 1h, crashLoopAfter: 3 }
    venue:
      settle: 100ms
      command:
${['position', 'orders', 'cancel', 'reference'].map((verb) => `        ${verb}: [${command(venueState, verb)}, "{market}"]`).join('\n')}
        close: [${command(venueState, 'close')}, "{market}", "{side}", "{size}", "{limitPrice}", "{clientId}"]
        timeout: 10s
`;

const command = (venueState: string, verb: string) =>
  [process.execPath, join(HERE, 'command-venue.mjs'), venueState, verb].map((a) => JSON.stringify(a)).join(', ');

const instanceYaml = (name: string, market: string) => `# yaml-language-server: $schema=../schemas/instance.schema.json
apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${market}   # must equal MM_MARKET_NAME
  baseEnv: env/${name}/.env.${name}
`;

/**
 * Puppet `line` commands of `minutes` of journal after `startTs`: a heartbeat each 30 s, a bid each 5 s, a buy each 20 s half
 * a basis point under the mid. `driftBps` = how far the mid moves in 5 s: -2 loses about 1.5 bps a fill at +5 s, +2 earns.
 */
export function stretch(startTs: number, minutes: number, driftBps: number): string[] {
  const lines: string[] = [];
  let bought = 0;
  for (let s = 0; s < minutes * 60; s += 5) {
    const mid = 100 * (1 + (driftBps * s) / 5 / 1e4);
    const sides = { best_bid: (mid - 0.005).toFixed(6), best_ask: (mid + 0.005).toFixed(6) };
    const event = (type: string, after: number, fields: object) =>
      lines.push(`line ${JSON.stringify({ type, ts: startTs + s + after, ...fields })}`);
    event('snapshot', 0, {
      ...sides,
      spread_bps: 1,
      active_orders: 2,
      circuit_open: false,
      position: bought.toFixed(2),
    });
    if (s % 30 === 0)
      event('heartbeat', 0, { position: bought.toFixed(2), active_orders: 2, event_count: lines.length });
    if (s % 20 !== 0) continue;
    bought += 0.01;
    event('fill', 0, {
      ...{ side: 'BUY', price: (mid * (1 - 0.5e-4)).toFixed(6), qty: '0.01', fee: '0', is_taker: false, level: 0 },
      ...{ ...sides, mid: mid.toFixed(6), position: bought.toFixed(2), trade_id: `${startTs}-${s}`, order_id: `${s}` },
    });
  }
  return lines;
}

/** Every way the canaries might be written down: plain, base64, hex, URL-encoded. */
export function canaryTexts(): string[] {
  return Object.values(CANARY).flatMap((value) => {
    const bytes = Buffer.from(value);
    const base64 = bytes.toString('base64').replace(/=+$/, '');
    return [value, base64, bytes.toString('base64url'), bytes.toString('hex'), encodeURIComponent(value)];
  });
}

/** false: a git process of a killed mmfleet has written meanwhile. The retries of `rmSync` do not look for what is new. */
function isRemoved(dir: string): boolean {
  try {
    rmSync(dir, { recursive: true, force: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY') return false;
    throw error;
  }
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((l) => l !== '');
  } catch {
    return [];
  }
}

function newestJournal(folder: string, market: string): { path: string; events: Record<string, unknown>[] } | null {
  const names = (() => {
    try {
      return readdirSync(folder)
        .filter((n) => n.startsWith(`mm_${market}_`) && !n.includes('latest'))
        .sort();
    } catch {
      return [];
    }
  })();
  const path = names.at(-1);
  if (path === undefined) return null;
  const events = readLines(join(folder, path)).flatMap((l) => parse(l));
  // Two that begin within a second write to one file: its name is no finer.
  return { path: join(folder, path), events: events.slice(Math.max(0, events.findLastIndex(isStart))) };
}

const isStart = (event: Record<string, unknown>) => event['type'] === 'run_start';

function parse(line: string): Record<string, unknown>[] {
  try {
    return [JSON.parse(line) as Record<string, unknown>];
  } catch {
    return []; // a torn last line
  }
}
