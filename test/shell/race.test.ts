/** Two mmfleets on two clones and a person, all pushing to one branch at once. */
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { desiredDigest } from '../../src/shell/desired.ts';
import { openOps } from '../../src/shell/ops.ts';
import { CLI, type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

const SEED = Number(process.env['SIM_SEED'] ?? 20261123);
const ROUNDS = 10;
const PAIR = [
  { name: 'amzn', market: 'AMZN-USD', host: 'a' },
  { name: 'mon', market: 'MON-USD', host: 'b' },
];

let w: FleetWorld;
let clones: string[];
let person: string;
const daemons: ReturnType<typeof daemon>[] = [];

beforeAll(async () => {
  w = await fleetWorld(PAIR, { puppet: { PUPPET_HEARTBEAT_MS: '86400000' } });
  for (const { name, host } of PAIR)
    w.put(`fleet/${name}.yaml`, `${read(w.ops, `fleet/${name}.yaml`)}  host: ${host}\n`);
  await w.commit('fleet: a host each');
  clones = [w.ops, join(w.dir, 'ops-b')];
  person = join(w.dir, 'ada');
  for (const clone of [clones[1]!, person]) await w.git(['clone', '--quiet', w.remote, clone], w.dir);
  cpSync(join(w.ops, 'secrets'), join(clones[1]!, 'secrets'), { recursive: true });
  for (const [i, { host }] of PAIR.entries()) daemons.push(daemon(clones[i]!, host));
  await until(async () => (await receipts()).length === 2, 'both run, and their receipts are on the remote', 40_000);
}, 60_000);

afterAll(async () => {
  for (const each of daemons) each.kill('SIGKILL');
  await Promise.allSettled(daemons);
  await w.end();
});

const daemon = (clone: string, host: string) =>
  execa('node', [CLI, '-C', clone, 'reconcile', '--watch', '--host', host], { reject: false, stdin: 'ignore' });
const read = (clone: string, path: string) => readFileSync(join(clone, path), 'utf8');
const onRemote = async (...args: string[]) => (await w.git(['--git-dir', w.remote, ...args], w.dir)).trim();
const receipts = async () =>
  (await onRemote('log', '--format=%s', '--grep=^converge(', 'main')).split('\n').filter(Boolean);

/** A small seeded generator: 0..1. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

type Edit = { subject: string; path: string; change: (text: string, round: number) => string };

/** What a person may do: only the first of them changes how a bot runs. */
const EDITS: Record<string, (of: string) => Omit<Edit, 'subject'>> = {
  wider: (of) => ({
    path: `fleet/env/${of}/.env.${of}`,
    change: (text, round) => text.replace(/^(MM_MIN_OFFSET_BPS)=.*$/m, `$1=${5 + round}`),
  }),
  comment: (of) => ({ path: `fleet/env/${of}/.env.${of}`, change: (text, round) => `${text}# looked at, ${round}\n` }),
  cooldown: (of) => ({
    path: `fleet/${of}.yaml`,
    change: (text, round) => `${text.replace(/^ {2}health:.*\n/m, '')}  health: { cooldown: ${10 + round}m }\n`,
  }),
  note: () => ({ path: 'NOTES', change: (text, round) => `${text}round ${round}\n` }),
};

/** Commits one edit and pushes it, on top of whatever the machines pushed meanwhile. */
async function pushEdit(edit: Edit, round: number): Promise<void> {
  await w.git(['pull', '--quiet', '--rebase'], person);
  const before = await execa('cat', [edit.path], { cwd: person, reject: false });
  await execa('tee', [edit.path], {
    cwd: person,
    input: edit.change(before.stdout === '' ? '' : `${before.stdout}\n`, round),
  });
  await w.git(['add', edit.path], person);
  await w.git(['commit', '--quiet', '-m', edit.subject], person);
  const pushed = async () => {
    const end = await execa('git', ['push', '--quiet'], { cwd: person, reject: false });
    if (end.exitCode !== 0) await w.git(['pull', '--quiet', '--rebase'], person);
    return end.exitCode === 0;
  };
  await until(pushed, `${edit.subject} is pushed`, 30_000);
}

/** Configurations that bots of a market were started with, oldest first. */
function starts(clone: string, market: string): string[] {
  const folder = join(clone, 'data/mm_journal');
  return readdirSync(folder)
    .filter((name) => name.startsWith(`mm_${market}_`) && !name.includes('latest'))
    .sort()
    .flatMap((name) =>
      read(folder, name)
        .split('\n')
        .filter((line) => line.includes('"run_start"')),
    )
    .map((line) => (JSON.parse(line) as { config: { min_offset_bps: string } }).config.min_offset_bps);
}

async function wantedDigest(clone: string, name: string): Promise<string | null> {
  const ops = await openOps(clone);
  if (!ops.ok) throw new Error(ops.problem.message);
  const desired = await ops.value.desiredAt((await w.git(['rev-parse', 'HEAD'], clone)).trim());
  const instance = desired.ok ? desired.value.instances.find((i) => i.name === name) : undefined;
  if (instance?.spec == null) throw new Error(`${name} is not usable`);
  const secrets = ops.value.secrets.names(instance.spec.secrets);
  return secrets.ok ? desiredDigest(instance, secrets.names) : null;
}

test(`a person and two mmfleets push for ${ROUNDS} rounds (SIM_SEED=${SEED})`, async () => {
  const next = random(SEED);
  const wider: Record<string, number> = { amzn: 0, mon: 0 };
  const subjects: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const of = next() < 0.5 ? 'amzn' : 'mon';
    const kind = ['wider', 'wider', 'comment', 'cooldown', 'note'][Math.floor(next() * 5)]!;
    if (kind === 'wider') wider[of]! += 1;
    subjects.push(`round ${round}: ${kind} ${of}`);
    const before = (await receipts()).length;
    await pushEdit({ subject: subjects.at(-1)!, ...EDITS[kind]!(of) }, round);
    // Now and then the person looks on until a machine has answered; otherwise the pushes meet.
    if (kind === 'wider' && next() < 0.4)
      await until(async () => (await receipts()).length > before, `an answer to round ${round}`, 20_000);
  }
  const headsAreOne = async () => {
    const head = await onRemote('rev-parse', 'main');
    const heads = await Promise.all(clones.map(async (clone) => (await w.git(['rev-parse', 'HEAD'], clone)).trim()));
    return heads.every((each) => each === head);
  };
  const drift = async () => {
    const copies = await w.copies();
    const wanted = await Promise.all(PAIR.map(({ name }, i) => wantedDigest(clones[i]!, name)));
    return PAIR.filter(({ name }, i) => copies.find((c) => c.instance === name)?.digest !== wanted[i]);
  };
  const allReceipts = async () => {
    const begun = PAIR.map(({ market }, i) => starts(clones[i]!, market).length);
    return (await receipts()).length === begun[0]! + begun[1]!;
  };
  const settled = async () => (await drift()).length === 0 && (await allReceipts()) && (await headsAreOne());
  await until(settled, 'all is as it was pushed', 60_000);
  expect(await drift()).toEqual([]);
  expect(await w.copies()).toHaveLength(2);

  expect(await onRemote('rev-list', '--min-parents=2', '--count', 'main')).toBe('0');
  const log = (await onRemote('log', '--reverse', '--format=%s', 'main')).split('\n');
  expect(log.filter((subject) => subject.startsWith('round '))).toEqual(subjects);
  expect(log.filter((s) => !/^(round \d+: |fleet: |converge\()/.test(s))).toEqual([]);
  for (const [i, { name, market }] of PAIR.entries()) {
    const lines = (await onRemote('show', `main:fleet/receipts/${name}.jsonl`)).split('\n');
    expect(new Set(lines).size).toBe(lines.length);
    expect((await receipts()).filter((s) => s.startsWith(`converge(${name})`))).toHaveLength(lines.length);
    const seen = starts(clones[i]!, market);
    expect(seen).toHaveLength(lines.length);
    expect(seen.length).toBeLessThanOrEqual(1 + wider[name]!);
    expect(new Set(seen).size).toBe(seen.length); // each start is another configuration: nothing restarted for nothing
    expect(seen.length).toBeGreaterThan(1);
    expect(readdirSync(join(clones[1 - i]!, 'data/mm_journal')).some((f) => f.includes(market))).toBe(false);
  }
}, 120_000);
