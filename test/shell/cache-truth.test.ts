/**
 * What is remembered between commands must not show. A fleet goes through a history of steps, edits, reverts, runs and
 * damage; after each, what commands say with everything they remember is compared with what they say without.
 * `CACHE_STEPS=200 CACHE_SEED=7 npx vitest run test/shell/cache-truth.test.ts` goes further, or another way.
 */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CLI } from '../support/fleet-world.ts';
import { type AuditWorld, auditWorld } from '../support/history-world.ts';
import { journalLines, random } from '../support/journal-generator.ts';

const STEPS = Number(process.env['CACHE_STEPS'] ?? 18);
const SEED = Number(process.env['CACHE_SEED'] ?? 3);
const NAMES = ['amzn', 'mon'] as const;
type Name = (typeof NAMES)[number];

let world: AuditWorld;
const rnd = random(SEED);
const among = <T>(items: readonly T[]): T => items[Math.floor(rnd() * items.length)]!;

beforeAll(async () => {
  world = await auditWorld();
  world.write('.gitignore', '/.mmfleet/\n/data/\n');
  world.byHand('ignore what is not declared');
  mkdirSync(join(world.ops, 'data/mm_journal'), { recursive: true });
  for (const name of NAMES) startRun(name, null);
  await said([['status']]);
});
afterAll(() => world.end());

/** The journals of the runs of each market, the newest last, and where their lines come from. */
const runs: Record<Name, { path: string; lines: Generator<string> }[]> = { amzn: [], mon: [] };

function startRun(name: Name, iter: number | null): void {
  const [n, market] = [runs[name].length, `${name.toUpperCase()}-USD`];
  const path = join(world.ops, 'data/mm_journal', `mm_${market}_20260216_${String(n).padStart(6, '0')}.jsonl`);
  const lines = journalLines(100 * SEED + 2 * n + (name === 'mon' ? 1 : 0), 'default', market);
  const env = iter === null ? `.env.${name}` : `.env.${name}.iter${String(iter).padStart(3, '0')}`;
  runs[name].push({ path, lines });
  write(path, `${(lines.next().value as string).replace('.env.sol.iter003', env)}\n`);
  // Past the cooldown, so that there is something to decide.
  trade(name, 6000);
}

function trade(name: Name, count: number): void {
  const { path, lines } = runs[name].at(-1)!;
  appendFileSync(path, Array.from({ length: count }, () => `${lines.next().value as string}\n`).join(''));
  utimesSync(path, 4e9, 4e9);
}

/** A run that goes on: too little and too new to be kept. Of what happens between two beats nothing is written. */
function beat(name: Name, count: number): void {
  const { path, lines } = runs[name].at(-1)!;
  for (let n = 0; n < count; ) {
    const line = lines.next().value as string;
    if (!line.includes('"type": "heartbeat"')) continue;
    appendFileSync(path, `${line}\n`);
    n += 1;
  }
  utimesSync(path, soonTs(), soonTs());
}

/** Ahead, so that it has no age, and yet not so far away that the run would count as standing still. */
const soonTs = () => Date.now() / 1000 + 100;

/** A run that goes on has no age for as long as commands look at it, however long the steps take. */
function keepAhead(): void {
  for (const name of NAMES)
    for (const { path } of runs[name])
      if (statSync(path).mtimeMs < Date.now() + 60_000) utimesSync(path, soonTs(), soonTs());
}

/** Journals of the future have no age, so that two commands a second apart say the same. */
function write(path: string, text: string): void {
  writeFileSync(path, text);
  utimesSync(path, 4e9, 4e9);
}

const textOf = (path: string) => readFileSync(join(world.ops, path), 'utf8');
let edits = 0;
let committed = 0;

/** Commits that a person may take back: steps and edits, newest last. */
const mine: string[] = [];

/** A slip is found soon. */
function mend(): void {
  for (const name of NAMES) {
    const spec = textOf(`fleet/${name}.yaml`);
    if (!spec.includes('markt:') || rnd() < 0.3) continue;
    world.write(`fleet/${name}.yaml`, spec.replace('markt:', 'market:'));
    mine.push(world.byHand(`${name}: mended`));
  }
}

const ACTIONS: Record<string, (name: Name) => Promise<void> | void> = {
  step: async (name) => {
    const values = (await world.instance(name)).env?.values;
    if (values === undefined) return;
    const to =
      Number(values['MM_SPREAD_MULTIPLIER']) > 2 ? '1.1' : (Number(values['MM_SPREAD_MULTIPLIER']) + 0.3).toFixed(1);
    committed += 60;
    mine.push(await world.step({ to: { MM_SPREAD_MULTIPLIER: to }, at: 1_771_200_000 + committed }, name));
  },
  converge: async (name) => {
    const { env } = await world.instance(name);
    if (env !== null) await world.converge(env.iter, env.iter, name);
  },
  'next run': async (name) => startRun(name, (await world.instance(name)).env?.iter ?? null),
  trade: (name) => trade(name, 40),
  'long trade': (name) => trade(name, 1500),
  beat: (name) => beat(name, 1 + Math.floor(rnd() * 30)),
  'edit base': (name) => {
    edits += 1;
    world.write(`fleet/env/${name}/.env.${name}`, `${textOf(`fleet/env/${name}/.env.${name}`)}# ${edits}\n`);
    mine.push(world.byHand(`${name}: a note`, '--allow-empty'));
  },
  'edit spec': (name) => {
    edits += 1;
    const spec = textOf(`fleet/${name}.yaml`).replace(/\n {2}health:.*\n/, '\n');
    world.write(
      `fleet/${name}.yaml`,
      `${spec}  health: { cooldown: ${edits}m, limits: { fillCount: { min: ${edits % 5} } } }\n`,
    );
    mine.push(world.byHand(`${name}: other thresholds`, '--allow-empty'));
  },
  'other themes': (name) => {
    const spec = textOf(`fleet/${name}.yaml`);
    const none = 'tuning: { themes: [], ';
    world.write(
      `fleet/${name}.yaml`,
      spec.includes(none) ? spec.replace(none, 'tuning: { ') : spec.replace('tuning: { ', none),
    );
    mine.push(world.byHand(`${name}: other themes`, '--allow-empty'));
  },
  'break spec': (name) => {
    const good = textOf(`fleet/${name}.yaml`);
    world.write(`fleet/${name}.yaml`, good.replace('market:', 'markt:'));
    world.byHand(`${name}: a slip`, '--allow-empty');
    mine.push(world.head());
  },
  revert: async () => {
    const commit = mine.pop();
    if (commit === undefined) return;
    const reverted = await execa('git', ['revert', '--no-edit', commit], {
      cwd: world.ops,
      reject: false,
      env: PERSON,
    });
    if (reverted.exitCode !== 0) await execa('git', ['revert', '--abort'], { cwd: world.ops, reject: false });
  },
  'take back the newest commit': async () => {
    if (Number(world.git('rev-list', '--count', 'HEAD')) < 5) return;
    await execa('git', ['reset', '--quiet', '--hard', 'HEAD~1'], { cwd: world.ops });
  },
  'edit only here': (name) => {
    edits += 1;
    world.write(`fleet/${name}.yaml`, `${textOf(`fleet/${name}.yaml`)}# not committed: ${edits}\n`);
  },
  'undo what is only here': async () => {
    await execa('git', ['checkout', '--quiet', '--', '.'], { cwd: world.ops });
  },
  'pack git': async () => {
    await execa('git', ['gc', '--quiet'], { cwd: world.ops });
  },
  'damage the cache': () => {
    const files = readdirSync(cache());
    const path = join(cache(), among(files));
    const text = readFileSync(path);
    if (rnd() < 0.5) truncateSync(path, Math.floor(rnd() * text.length));
    else {
      text[Math.floor(rnd() * text.length)]! ^= 4;
      writeFileSync(path, text);
    }
  },
  'lose some of the cache': () => {
    for (const file of readdirSync(cache())) if (rnd() < 0.3) rmSync(join(cache(), file), { recursive: true });
  },
};

const PERSON = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
};

const cache = () => join(world.ops, '.mmfleet/cache');

async function said(commands: string[][]): Promise<string> {
  const ends = await Promise.all(
    commands.map((args) => execa('node', [CLI, '-C', world.ops, ...args], { reject: false, env: { NO_COLOR: '1' } })),
  );
  return ends.map((end, n) => `$ ${commands[n]!.join(' ')}\n${end.exitCode}\n${end.stdout}\n${end.stderr}`).join('\n');
}

test(`${STEPS} steps: with and without what is remembered, commands say the same`, async () => {
  const [done, actions] = [[] as string[], Object.keys(ACTIONS)];
  // Each once, in some order, and then any.
  const first = actions.map((action) => ({ action, at: rnd() })).sort((a, b) => a.at - b.at);
  for (let step = 0; step < STEPS; step += 1) {
    const [action, name] = [first[step]?.action ?? among(actions), among(NAMES)];
    done.push(`${action} (${name})`);
    mend();
    await ACTIONS[action]!(name);
    keepAhead();
    const commands = [
      ['status', '--json'],
      ['why', name, '--json'],
      ['history', name],
      ['plan', '--json'],
    ];
    const remembered = await said(commands);
    renameSync(cache(), `${cache()}.aside`);
    const anew = await said(commands);
    rmSync(cache(), { recursive: true, force: true });
    renameSync(`${cache()}.aside`, cache());
    expect(remembered, done.join(', ')).toBe(anew);
  }
}, 600_000);
