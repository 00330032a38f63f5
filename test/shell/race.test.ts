/** Two mmfleets on two clones, which tune losing bots, and a person, all pushing to one branch at once. */
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { desiredDigest } from '../../src/shell/desired.ts';
import { openOps } from '../../src/shell/ops.ts';
import { CLI, type FleetWorld, fleetWorld, stretch } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

const SEED = Number(process.env['SIM_SEED'] ?? 20261123);
const ROUNDS = 10;
/** In which round a bot loses money, and what it is called: the person pushes on while its machine answers. */
const LOSES: Record<number, string> = { 1: 'amzn', 3: 'mon', 5: 'amzn', 7: 'mon' };
const MINUTES = 40;
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
  // Each move of the remote's branches is on record: what was forced shows.
  await w.git(['--git-dir', w.remote, 'config', 'core.logAllRefUpdates', 'always'], w.dir);
  for (const { market } of PAIR) w.behave(market, { clockOffsetS: -(2 * (MINUTES + 2) + 2) * 60 });
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
const tunes = async () => (await onRemote('log', '--format=%s', '--grep=^tune(', 'main')).split('\n').filter(Boolean);
/** Each move of the remote's main: from which commit to which. */
const moves = async () =>
  readFileSync(join(w.remote, 'logs/refs/heads/main'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ').slice(0, 2) as [string, string])
    .filter(([from]) => !/^0+$/.test(from));
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

/** Every event of a market's runs in a clone, oldest first. */
function events(clone: string, market: string): Record<string, unknown>[] {
  const folder = join(clone, 'data/mm_journal');
  return readdirSync(folder)
    .filter((name) => name.startsWith(`mm_${market}_`) && !name.includes('latest'))
    .sort()
    .flatMap((name) => read(folder, name).split('\n'))
    .flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as Record<string, unknown>] : []));
}

const runStarts = (clone: string, market: string) => events(clone, market).filter((e) => e['type'] === 'run_start');

/** Configurations that bots of a market were started with, oldest first. */
const starts = (clone: string, market: string) => runStarts(clone, market).map((e) => JSON.stringify(e['config']));

/** Processes that have said in a journal of the market that they began. */
const pids = (clone: string, market: string) =>
  runStarts(clone, market).map((e) => (e['provenance'] as { pid?: number }).pid);

/** The running bot writes forty minutes of losing fills; what starts after it has a later clock. */
async function lose(clone: string, market: string, left: number): Promise<void> {
  const start = events(clone, market).findLast((e) => e['type'] === 'run_start');
  w.behave(market, { clockOffsetS: -(left * (MINUTES + 2) + 2) * 60 });
  const before = events(clone, market).length;
  const lines = stretch(Number(start?.['ts']) + 1, MINUTES, -2);
  w.tell(market, ...lines);
  await until(() => events(clone, market).length >= before + lines.length, `the journal of ${market}`, 20_000);
}

/** The digest that a revision asks an instance of a clone to run with. */
async function wantedDigest(clone: string, name: string, revision = 'HEAD'): Promise<string | null> {
  const ops = await openOps(clone);
  if (!ops.ok) throw new Error(ops.problem.message);
  const desired = await ops.value.desiredAt((await w.git(['rev-parse', revision], clone)).trim());
  const instance = desired.ok ? desired.value.instances.find((i) => i.name === name) : undefined;
  if (instance?.spec == null) throw new Error(`${name} is not usable`);
  const secrets = ops.value.secrets.names(instance.spec.secrets);
  return secrets.ok ? desiredDigest(instance, secrets.names) : null;
}

/** How often the digest that an instance is to run with changed from one commit to the next, over the whole history. */
async function digestChanges(clone: string, name: string): Promise<number> {
  const commits = (await w.git(['rev-list', '--reverse', 'HEAD'], clone)).trim().split('\n');
  let changes = 0;
  let before: string | null = null;
  for (const commit of commits) {
    const digest = await wantedDigest(clone, name, commit);
    if (before !== null && digest !== before) changes += 1;
    before = digest;
  }
  return changes;
}

test(`a person and two mmfleets push for ${ROUNDS} rounds (SIM_SEED=${SEED})`, async () => {
  const next = random(SEED);
  const losses: Record<string, number> = { amzn: 2, mon: 2 };
  const subjects: string[] = [];
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
  /** A bot that has just been started is seen running before it has written a line. */
  const allBegun = async () => {
    const begun = PAIR.flatMap(({ market }, i) => pids(clones[i]!, market));
    return (await w.copies()).every(({ pid }) => begun.includes(pid));
  };
  const told = async () => (await allBegun()) && (await headsAreOne()) && (await allReceipts());
  // A clone that has not seen the last push drifts from nothing yet; one that has just started something has not told yet.
  const settled = async () => (await told()) && (await drift()).length === 0 && (await told());
  for (let round = 0; round < ROUNDS; round += 1) {
    const loser = LOSES[round];
    const i = PAIR.findIndex(({ name }) => name === loser);
    const steps = (await tunes()).length;
    if (loser !== undefined) {
      await until(settled, `all rests before round ${round}`, 60_000);
      losses[loser]! -= 1;
      await lose(clones[i]!, PAIR[i]!.market, losses[loser]!);
    }
    const of = next() < 0.5 ? 'amzn' : 'mon';
    const kind = ['wider', 'wider', 'comment', 'cooldown', 'note'][Math.floor(next() * 5)]!;
    const push = async (kind: string, of: string, n: number) => {
      subjects.push(`round ${n}: ${kind} ${of}`);
      await pushEdit({ subject: subjects.at(-1)!, ...EDITS[kind]!(of) }, n);
    };
    const before = (await receipts()).length;
    // A new base would end the losing run before it is answered.
    await push(kind, kind === 'wider' && loser !== undefined ? PAIR[1 - i]!.name : of, round);
    if (loser !== undefined) {
      for (let n = 1; n <= 3; n += 1) await push('note', of, round * 10 + n);
      await until(async () => (await tunes()).length > steps, `a step after round ${round}`, 60_000);
    } else if (kind === 'wider' && next() < 0.4) {
      // Now and then the person looks on until a machine has answered; otherwise the pushes meet.
      await until(async () => (await receipts()).length > before, `an answer to round ${round}`, 20_000);
    }
  }
  await until(settled, 'all is as it was pushed', 60_000);
  expect(await drift()).toEqual([]);
  expect(await w.copies()).toHaveLength(2);

  expect(await onRemote('rev-list', '--min-parents=2', '--count', 'main')).toBe('0');
  for (const [from, to] of await moves()) await onRemote('merge-base', '--is-ancestor', from, to);
  const log = (await onRemote('log', '--reverse', '--format=%s', 'main')).split('\n');
  expect(log.filter((subject) => subject.startsWith('round '))).toEqual(subjects);
  const machine = /^(converge|tune|rebase|verdict)\((amzn|mon)\): /;
  expect(log.filter((s) => !/^(round \d+: |fleet: )/.test(s) && !machine.test(s))).toEqual([]);
  const iters = (await onRemote('log', '--diff-filter=A', '--name-only', '--format=', 'main', '--', '*.iter*'))
    .split('\n')
    .filter(Boolean);
  expect(new Set(iters).size).toBe(iters.length);
  expect(log.filter((s) => /^(tune|rebase)\(/.test(s))).toHaveLength(iters.length);
  expect(await onRemote('log', '--diff-filter=DM', '--format=%s', 'main', '--', '*.iter*')).toBe('');
  expect(await w.cli('audit', 'verify')).toMatchObject({ code: 0 });
  for (const [i, { name, market }] of PAIR.entries()) {
    expect(log.filter((s) => s.startsWith(`tune(${name})`))).toHaveLength(2);
    const lines = (await onRemote('show', `main:fleet/receipts/${name}.jsonl`)).split('\n');
    expect(new Set(lines).size).toBe(lines.length);
    expect((await receipts()).filter((s) => s.startsWith(`converge(${name})`))).toHaveLength(lines.length);
    const seen = starts(clones[i]!, market);
    expect(seen).toHaveLength(lines.length);
    // Nothing restarted for nothing: each start runs something else than the one before, and some commit asked for it.
    expect(seen.filter((config, n) => config === seen[n - 1])).toEqual([]);
    expect(seen.length).toBeLessThanOrEqual(1 + (await digestChanges(clones[i]!, name)));
    expect(seen.length).toBeGreaterThan(2);
    expect(readdirSync(join(clones[1 - i]!, 'data/mm_journal')).some((f) => f.includes(market))).toBe(false);
  }
}, 300_000);
