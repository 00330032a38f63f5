/** A running fleet of any size for measuring: real git with a bare remote, real specs, journals and (sleeping) processes. */
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { liveProcess } from '../../src/adapters/process-table.ts';
import { parseEnv } from '../../src/core/env/read.ts';
import type { ProcessCopy } from '../../src/core/ports.ts';
import { desiredDigest } from '../../src/shell/desired.ts';
import { openOps } from '../../src/shell/ops.ts';
import { baseEnv } from './fleet-world.ts';
import { journalLines } from './journal-generator.ts';

export type LiveFleet = Awaited<ReturnType<typeof liveFleet>>;

const STAMP = '20261101_000000';
const marketOf = (name: string) => `${name.toUpperCase()}-USD`;

/**
 * `count` instances that run as declared, with `lines` journal lines each. They only report what they would tune, so that
 * nothing happens however the invented fills look. `end` kills the processes and removes the folder.
 */
export async function liveFleet(count: number, options: { lines?: number; interval?: string; under?: string } = {}) {
  const dir = mkdtempSync(join(options.under ?? tmpdir(), 'mmfleet-live-'));
  const root = join(dir, 'ops');
  const git = async (args: string[], cwd = root) =>
    (await execa('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd })).stdout;
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const names = Array.from({ length: count }, (_, n) => `m${String(n).padStart(4, '0')}`);
  await git(['init', '--quiet', '--bare', '--initial-branch=main', join(dir, 'remote.git')], dir);
  await git(['init', '--quiet', '--initial-branch=main', root], dir);
  await git(['remote', 'add', 'origin', join(dir, 'remote.git')]);
  put('.gitignore', '/secrets/\n/data/\n/.mmfleet/\n');
  put('secrets/all.env', 'MM_API_KEY=live-fleet-api-key\n');
  chmodSync(join(root, 'secrets/all.env'), 0o600);
  put('fleet/fleet.yaml', fleetYaml(options.interval ?? '30s'));
  for (const name of names) {
    put(`fleet/${name}.yaml`, instanceYaml(name));
    put(`fleet/env/${name}/.env.${name}`, baseEnv(marketOf(name)));
  }
  await git(['add', '-A']);
  await git(['commit', '--quiet', '-m', `fleet: ${count} markets`]);
  await git(['push', '--quiet', '-u', 'origin', 'main']);
  const journal = (name: string) => join(root, 'data/mm_journal', `mm_${marketOf(name)}_${STAMP}.jsonl`);
  const lines = journalLines(7);
  lines.next();
  const some = (amount: number) => Array.from({ length: amount }, () => `${lines.next().value as string}\n`).join('');
  const past = some(options.lines ?? 230);
  mkdirSync(join(root, 'data/mm_journal'), { recursive: true });
  for (const name of names) writeFileSync(journal(name), inMarket(name, runStart(name, root) + past));
  const bots = await startAll(root);

  return {
    dir,
    root,
    names,
    journal,
    git,
    /** Appends ten lines to the journals of these instances, as their bots would. */
    trade: (traders: readonly string[]) => {
      for (const name of traders) appendFileSync(journal(name), inMarket(name, some(10)));
    },
    /** The same lines, as many and no others, to every journal: the journals of all go on without a hole. */
    goOn: (amount: number) => {
      const text = some(amount);
      for (const name of names) appendFileSync(journal(name), inMarket(name, text));
    },
    end: async () => {
      // One that ended before may have left its pid to a stranger.
      for (const { pid, startTicks } of bots)
        if (liveProcess(pid)?.startTicks === startTicks) process.kill(-pid, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Starts what the head declares, as a pass would after its proof of flatness. */
async function startAll(root: string): Promise<ProcessCopy[]> {
  const ops = await openOps(root);
  if (!ops.ok) throw new Error(ops.problem.message);
  const head = await ops.value.git.head();
  if (!head.ok || head.value === null) throw new Error('no head');
  const desired = await ops.value.desiredAt(head.value);
  if (!desired.ok || desired.value.fleet === null) throw new Error('no fleet');
  const bots: ProcessCopy[] = [];
  for (const instance of desired.value.instances) {
    const { spec, env } = instance;
    if (spec === null || env === null || spec.runtime.kind !== 'process') throw new Error(instance.name);
    const names = ops.value.secrets.names(spec.secrets);
    const started = await ops.value.runtimeOf(desired.value.fleet.name, spec).start({
      instance: instance.name,
      command: spec.runtime.command,
      cwd: root,
      env: env.values as Record<string, string>,
      envText: env.text,
      secrets: {},
      envFileName: `.env.${instance.name}`,
      envFileVariable: spec.runtime.envFileVariable,
      environment: {},
      markers: {
        MMFLEET_ITER: 'base',
        MMFLEET_REVISION: head.value,
        MMFLEET_DIGEST: (names.ok ? desiredDigest(instance, names.names) : null) ?? '',
      },
    });
    if (!started.ok) throw new Error(started.problem.message);
    bots.push(started.value);
    await ops.value.local.writeRestarts(instance.name, { restarts: 0, lastStartMs: Date.now(), exitedMs: null });
  }
  return bots;
}

const RUN_ID = 'live'.repeat(8);

function runStart(name: string, root: string): string {
  const { values } = parseEnv(baseEnv(marketOf(name)), '');
  const config = Object.fromEntries(Object.entries(values).map(([key, value]) => [key.slice(3).toLowerCase(), value]));
  const event = { ts: 1_771_200_000.125, seq: 0, run_id: RUN_ID, schema_version: 2, type: 'run_start' };
  const provenance = { env_file: join(root, '.mmfleet/run', name, `.env.${name}`) };
  return `${JSON.stringify({ ...event, market: marketOf(name), config, provenance })}\n`;
}

const inMarket = (name: string, text: string): string =>
  text.replaceAll(/"run_id": "[0-9a-f]{32}"/g, `"run_id": "${RUN_ID}"`).replaceAll('"SOL-USD"', `"${marketOf(name)}"`);

const fleetYaml = (interval: string) => `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: live }
spec:
  interval: ${interval}
  git: { remote: origin, branch: main, push: true }
  defaults:
    autonomy: observe
    secrets: [{ envFile: ../secrets/all.env }]
    runtime:
      process: { command: [sleep, infinity], cwd: .., stop: { signal: SIGTERM, timeout: 1s } }
    journal: { path: "../data/mm_journal/mm_{market}_*.jsonl", staleAfter: 24h }
    venue:
      command: { position: ["false"], orders: ["false"], cancel: ["false"], close: ["false"] }
`;

const instanceYaml = (name: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${marketOf(name)}
  baseEnv: env/${name}/.env.${name}
`;
