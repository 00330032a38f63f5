/** A long run that nothing is remembered of is read from its end: what is said of it is what the whole run says. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { observe } from '../../src/core/health/observe.ts';
import { newRunState, type RunState, storeRun } from '../../src/core/health/run.ts';
import { parseLine } from '../../src/core/journal/parse.ts';
import { parseSpecs } from '../../src/core/spec/parse.ts';
import type { Instance } from '../../src/core/spec/types.ts';
import { decide, explain } from '../../src/core/tuning/decide.ts';
import { emptyMemory } from '../../src/core/tuning/memory.ts';
import { Journals } from '../../src/shell/journals.ts';
import { needsWholeRun } from '../../src/shell/unread.ts';
import type { Situation } from '../../src/shell/views.ts';
import { CLI } from '../support/fleet-world.ts';
import { journalLines } from '../support/journal-generator.ts';
import { FLEET_YAML, SOL_YAML } from '../support/sol-spec.ts';

function specWith(health: string): Instance {
  const { instances, problems } = parseSpecs([
    { path: 'fleet/fleet.yaml', text: FLEET_YAML },
    { path: 'fleet/sol.yaml', text: `${SOL_YAML}${health}` },
  ]);
  expect(problems).toEqual([]);
  return instances[0]!;
}

const DEFAULT = specWith('');
const dirs: string[] = [];
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

/** A folder with journals of these names. */
function folderWith(files: Record<string, Iterable<string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-long-'));
  dirs.push(dir);
  mkdirSync(join(dir, 'data'));
  for (const [name, lines] of Object.entries(files))
    writeLines(join(dir, 'data', `mm_SOL-USD_20260216_${name}.jsonl`), lines);
  return dir;
}

function writeLines(path: string, lines: Iterable<string>): void {
  const fd = openSync(path, 'w');
  let block: string[] = [];
  for (const line of lines)
    if (block.push(line) === 4096) {
      writeSync(fd, `${block.join('\n')}\n`);
      block = [];
    }
  writeSync(fd, block.map((line) => `${line}\n`).join(''));
  closeSync(fd);
}

/** The first lines of an invented journal; `fills`: what becomes of the fill lines, by how much of it is written (0..1). */
function* made(seed: number, count: number, fills: (line: string, share: number) => string | null = (line) => line) {
  const source = journalLines(seed);
  for (let n = 0; n < count; n += 1) {
    const line = source.next().value as string;
    const kept = line.includes('"type": "fill"') ? fills(line, n / count) : line;
    if (kept !== null) yield kept;
  }
}

/** A fill 5 bps worse than it was. */
const bad = (line: string): string => {
  const worse = line.includes('"side": "BUY"') ? 1.0005 : 0.9995;
  return line.replace(
    /"price": "([0-9.]+)", "qty"/,
    (_, price) => `"price": "${(Number(price) * worse).toFixed(4)}", "qty"`,
  );
};

const LINES = 90_000;
/** One whose fills give no alarm by chance. */
const SEED = 12;

const env = { values: { MM_MAX_POSITION_SIZE: '40' } } as unknown as Parameters<Journals['look']>[0]['env'];
const asked = (spec: Instance) => ({ name: 'sol', spec, env });

async function lookFrom(dir: string, spec: Instance, whole: boolean) {
  const journals = new Journals(dir, join(dir, '.mmfleet'));
  await journals.catchUp(asked(spec));
  if (whole) await journals.readWhole(asked(spec));
  const view = journals.look(asked(spec));
  if (view.state !== 'ok') throw new Error(view.state);
  return { journals, ...view };
}

/** Line by line through the full parser. */
function folded(dir: string, names: string[], spec: Instance): RunState {
  const run = newRunState({ health: spec.health, maxPositionBase: 40 });
  for (const name of names)
    for (const line of readFileSync(join(dir, 'data', `mm_SOL-USD_20260216_${name}.jsonl`), 'utf8').split('\n')) {
      const parsed = line === '' ? null : parseLine(line);
      if (parsed?.ok === true) observe(run, parsed.event);
    }
  return run;
}

const inputOf = (run: RunState, spec: Instance) => ({
  memory: emptyMemory(spec.tuning),
  run,
  policy: { health: spec.health, tuning: spec.tuning },
  values: { MM_SPREAD_MULTIPLIER: '1.2', MM_MIN_OFFSET_BPS: '4' },
  baseValues: { MM_SPREAD_MULTIPLIER: '1.2', MM_MIN_OFFSET_BPS: '4' },
  iter: null,
  iterValues: () => null,
});

/** Every rule but those that say how long the stretch is that was looked at. */
function said(run: RunState, spec: Instance) {
  const { decision, health } = decide(inputOf(run, spec));
  const rules = explain(inputOf(run, spec)).filter((row) => row.rule !== 'journal' && row.rule !== 'cooldown');
  return { decision, health, rules };
}

const LONGER = specWith(`  health:
    limits:
      positionShare: { max: 0.9, shareOfTime: 0.9, over: 6h, action: tune }
      cancelRatio: { max: 0.9, minPlacements: 3000, action: tune }
      realizedPnlUsd: { lastFills: 900 }
    signals: { slow: { windowFills: 1200 } }
`);

describe.each([
  ['the default policy', DEFAULT, (line: string) => line],
  ['longer windows', LONGER, (line: string) => line],
  [
    'fills that lose at first, and no more',
    DEFAULT,
    (line: string, share: number) => (share < 0.02 ? bad(line) : line),
  ],
  [
    'few fills',
    DEFAULT,
    (line: string, share: number) => (share > 0.3 && Number(line.match(/"seq": (\d+)/)?.[1]) % 3 > 0 ? null : line),
  ],
])('%s', (title, spec, fills) => {
  let dir = '';
  beforeAll(() => {
    dir = folderWith({ '000000': made(SEED, LINES, fills) });
  });

  test('of the end is said what is said of all', async () => {
    const [end, whole] = [await lookFrom(dir, spec, false), await lookFrom(dir, spec, true)];
    expect(storeRun(whole.run)).toBe(storeRun(folded(dir, ['000000'], spec)));
    expect(end.run.skippedBytes).toBeGreaterThan(16e6);
    expect(end.runStart).toEqual(whole.runStart);
    for (const key of ['startTs', 'envFile', 'position', 'now', 'latest', 'runId'] as const)
      expect(end.run[key], key).toEqual(whole.run[key]);
    const [ofEnd, ofAll] = [said(end.run, spec), said(whole.run, spec)];
    expect(ofEnd.decision).toMatchObject({ kind: 'none', reason: 'converged' });
    // What was found long ago and is over stays found: it is for the whole run to say.
    if (title.startsWith('fills that lose')) expect(ofAll.decision).toMatchObject({ kind: 'tune' });
    else expect(ofEnd).toEqual(ofAll);
  });

  test('the end goes on from what was kept of it', async () => {
    const end = await lookFrom(dir, spec, false);
    await end.journals.save();
    const more = [...made(SEED, LINES + 4000, fills)].slice(-300);
    const kept = new Journals(dir, join(dir, '.mmfleet'));
    await kept.catchUp(asked(spec));
    const view = kept.look(asked(spec));
    expect(view.state === 'ok' && storeRun(view.run)).toBe(storeRun(end.run));
    appendFileSync(end.path, more.map((line) => `${line}\n`).join(''));
    const [grown, at] = [kept.look(asked(spec)), end.journals.look(asked(spec))];
    expect(grown.state === 'ok' && at.state === 'ok' && storeRun(grown.run)).toBe(
      storeRun(at.state === 'ok' ? at.run : end.run),
    );
    expect(grown.state === 'ok' && grown.run.now).toBeGreaterThan(end.run.skippedBytes > 0 ? end.run.startTs! : 0);
    rmSync(join(dir, '.mmfleet'), { recursive: true });
  });
});

describe('read from the start all the same', () => {
  test('where a limit stops, or drawdown counts: what was found once decides', async () => {
    const dir = folderWith({ '000000': made(3, LINES) });
    for (const health of ['drawdownUsd: { max: 50 }', 'realizedPnlUsd: { action: stop }']) {
      const spec = specWith(`  health: { limits: { ${health} } }\n`);
      const { run } = await lookFrom(dir, spec, false);
      expect(storeRun(run), health).toBe(storeRun(folded(dir, ['000000'], spec)));
    }
  });

  test('a file with two runs, and one whose first line is no start', async () => {
    const [first, second] = [[...made(4, 300)], [...made(5, LINES)]];
    const two = folderWith({ '000000': [...first, ...second] });
    const alone = folderWith({ '000000': second });
    const { run } = await lookFrom(two, DEFAULT, false);
    expect(storeRun(run)).toBe(storeRun(folded(alone, ['000000'], DEFAULT)));
    const torn = folderWith({ '000000': second.slice(1) });
    expect((await lookFrom(torn, DEFAULT, false)).run.skippedBytes).toBe(0);
  });

  test('where the windows hold more than the run has', async () => {
    const dir = folderWith({ '000000': made(6, LINES) });
    const spec = specWith('  health: { signals: { slow: { windowFills: 5000 } } }\n');
    const { run } = await lookFrom(dir, spec, false);
    expect(storeRun(run)).toBe(storeRun(folded(dir, ['000000'], spec)));
  });
});

test('the pieces of a run: the first names it, the last ones are read', async () => {
  const lines = [...made(SEED, LINES)];
  const names = ['000000', '000000.1', '000000.2'];
  const dir = folderWith(Object.fromEntries(names.map((name, n) => [name, lines.slice(n * 30_000, (n + 1) * 30_000)])));
  const { run, runStart, path } = await lookFrom(dir, DEFAULT, false);
  const whole = folded(dir, names, DEFAULT);
  expect(run.skippedBytes).toBeGreaterThan(16e6);
  expect(path).toMatch(/000000\.2\.jsonl$/);
  expect(runStart).not.toBeNull();
  expect(said(run, DEFAULT)).toEqual(said(whole, DEFAULT));
});

test('an iteration that waits for its verdict needs the whole run, and so does whatever would be done', () => {
  const situation = (skippedBytes: number, kind: string, iters: number[], verdict: object | null = null) =>
    ({
      instance: { name: 'sol', env: { iter: 3, path: 'fleet/env/.env.sol.iter003' } },
      observed: {
        journal: { state: 'ok', runId: 'r', run: { skippedBytes, envFile: '.env.sol.iter003' } },
        copies: { known: false, reason: 'not asked' },
        receipts: [],
      },
      decided: { decision: { kind }, verdict },
      memory: { unjudged: iters.map((iter) => ({ iter })) },
    }) as unknown as Situation;
  expect(needsWholeRun(situation(1, 'none', []))).toBe(false);
  expect(needsWholeRun(situation(1, 'none', [2]))).toBe(false);
  expect(needsWholeRun(situation(1, 'none', [3]))).toBe(true);
  expect(needsWholeRun(situation(1, 'none', [], {}))).toBe(true);
  for (const kind of ['tune', 'undo', 'recover', 'park', 'stop'])
    expect(needsWholeRun(situation(1, kind, []))).toBe(true);
  expect(needsWholeRun(situation(0, 'tune', [3]))).toBe(false);
});

describe('on the command line', () => {
  const why = (journal: Iterable<string>) => {
    const ofBase = function* () {
      for (const line of journal) yield line.replace('.env.sol.iter003', '.env.sol');
    };
    const dir = folderWith({ '000000': ofBase() });
    mkdirSync(join(dir, 'fleet/env'), { recursive: true });
    writeFileSync(join(dir, '.gitignore'), '.mmfleet/\n/data/\n');
    writeFileSync(join(dir, 'fleet/fleet.yaml'), FLEET_YAML);
    writeFileSync(join(dir, 'fleet/sol.yaml'), SOL_YAML);
    const values = 'MM_MARKET_NAME=SOL-USD\nMM_ENVIRONMENT=testnet\nMM_SPREAD_MULTIPLIER=1.2\nMM_MIN_OFFSET_BPS=4\n';
    writeFileSync(join(dir, 'fleet/env/.env.sol'), values);
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', dir, '-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args]);
    git('init', '-q', '-b', 'main');
    git('add', '-A');
    git('commit', '-q', '-m', 'init');
    const out = JSON.parse(execFileSync('node', [CLI, '-C', dir, 'why', 'sol', '--json'], { encoding: 'utf8' }));
    return { out, dir, journal: out.items.find((row: { rule: string }) => row.rule === 'journal') };
  };

  test('nothing to do is said from the end, and `why` says that it was', () => {
    const { out, journal } = why(made(SEED, LINES));
    expect(out.summary.decision).toMatchObject({ kind: 'none' });
    expect(journal.result).toMatch(/^\d+ MB before it are left unread$/);
  });

  test('a change is decided on the whole run', () => {
    const { out, journal, dir } = why(made(SEED, LINES, (line, share) => (share > 0.5 ? bad(line) : line)));
    const whole = decide(inputOf(folded(dir, ['000000'], DEFAULT), DEFAULT)).decision;
    expect(whole.kind).toBe('tune');
    expect(out.summary.decision).toMatchObject({ kind: 'tune', at: whole.kind === 'tune' && whole.at });
    expect(journal.result).toBe('ok');
  });
});
