import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { observe } from '../../src/core/health/observe.ts';
import { newRunState, storeRun } from '../../src/core/health/run.ts';
import { parseLine } from '../../src/core/journal/parse.ts';
import { parseSpecs } from '../../src/core/spec/parse.ts';
import { Journals } from '../../src/shell/journals.ts';
import { journalLines, writeJournal } from '../support/journal-generator.ts';
import { FLEET_YAML, SOL_YAML } from '../support/sol-spec.ts';

const { instances } = parseSpecs([
  { path: 'fleet/fleet.yaml', text: FLEET_YAML },
  {
    path: 'fleet/sol.yaml',
    text: SOL_YAML,
  },
]);
const instance = { name: 'sol', spec: instances[0]!, env: null };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-journals-'));
  mkdirSync(join(dir, 'data'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const piece = (start: string, k = '') => join(dir, 'data', `mm_SOL-USD_20260216_${start}${k}.jsonl`);
const open = () => new Journals(dir, join(dir, '.mmfleet'));
/** Everything that a decision is made from. */
function stateOf(journals: Journals) {
  const view = journals.look(instance);
  if (view.state !== 'ok') throw new Error(view.state);
  const { run, ...rest } = view;
  return { ...rest, run: storeRun(run), at: journals.reference('sol') };
}

/** The plain way: every line through the full parser, into one fold. */
function folded(paths: string[]) {
  const run = newRunState({ health: instance.spec.health, maxPositionBase: null });
  for (const path of paths) {
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const parsed = line === '' ? null : parseLine(line);
      if (parsed?.ok === true) observe(run, parsed.event);
    }
  }
  return run;
}

test('a long journal read in slices, at once, from a cache and line by line: one state', async () => {
  writeJournal(piece('000000'), 17.6e6, { seed: 4 });
  const atOnce = stateOf(open());
  const sliced = open();
  let turns = 0;
  setImmediate(() => {
    turns += 1;
  });
  await sliced.catchUp(instance);
  expect(turns, 'others had their turn before it was read').toBe(1);
  expect(stateOf(sliced)).toEqual(atOnce);
  await sliced.save();
  expect(stateOf(open())).toEqual(atOnce);
  expect(atOnce.run).toBe(storeRun(folded([piece('000000')])));
});

test('another file in the place of a journal: whatever was read before, the run is what the file says', async () => {
  const source = journalLines(5);
  const some = (count: number) => Array.from({ length: count }, () => source.next().value as string);
  const put = (lines: string[]) => {
    writeFileSync(join(dir, 'copy'), `${lines.join('\n')}\n`);
    renameSync(join(dir, 'copy'), piece('000000'));
  };
  const path = piece('000000');
  const lines = some(9_000);
  put(lines);
  const daemon = open();
  const looked = async () => {
    const anew = new Journals(dir, join(dir, '.mmfleet-none'));
    const states = [stateOf(anew), stateOf(daemon), stateOf(open())];
    await daemon.save();
    return states;
  };
  const same = async (what: string) => {
    const [want, ...got] = await looked();
    for (const state of got) expect(state, what).toEqual(want);
  };
  await same('read first');
  lines.push(...some(200));
  put(lines);
  await same('a copy that has grown');
  put(lines);
  await same('a copy');
  const spaced = lines.map((line) => line.replace('{', '{ '));
  put(spaced);
  await same('written in another way');
  writeFileSync(path, `${[...lines, ...some(400)].map((line) => line.replace('{', '{  ')).join('\n')}\n`);
  await same('written anew in its place, and longer');
  writeFileSync(path, `${lines.slice(0, 5_000).join('\n')}\n`);
  await same('taken back to an earlier copy');
});

test('slices go over the pieces of a run, and a restart between two of them', async () => {
  const source = journalLines(6);
  const lines = (count: number) => `${Array.from({ length: count }, () => source.next().value).join('\n')}\n`;
  for (const k of ['', '.1', '.2']) writeFileSync(piece('000000', k), lines(14_000));
  const journals = open();
  await journals.catchUp(instance);
  const whole = stateOf(journals);
  expect(whole.run).toBe(storeRun(folded(['', '.1', '.2'].map((k) => piece('000000', k)))));
  expect(whole.path).toBe(piece('000000', '.2'));
  appendFileSync(piece('000000', '.2'), lines(10));
  writeFileSync(piece('010000'), lines(5));
  await journals.catchUp({ ...instance, spec: { ...instance.spec } });
  expect(stateOf(journals)).toEqual(stateOf(open()));
});

test('what an earlier config earned is that of its newest run, whatever the other runs say first', async () => {
  const run = (start: string, seed: number, env: string | null, first = 0) => {
    const source = journalLines(seed);
    const lines = Array.from({ length: 20_000 }, () => source.next().value as string);
    const text = lines.slice(first).join('\n');
    writeFileSync(piece(start), `${env === null ? text : text.replace('.env.sol.iter003', env)}\n`);
  };
  run('000000', 1, 'work/.env.sol.iter001');
  run('010000', 2, 'work/.env.sol.iter001');
  run('020000', 3, 'work/.env.sol.iter002');
  // Its start is missing: what it ran with nobody knows.
  run('030000', 4, null, 1);
  const journals = open();
  const earned = async (env: string) => {
    expect(journals.edgesOf(instance, env), 'not looked for yet').toBeUndefined();
    await journals.readEarlier(instance, env);
    return journals.edgesOf(instance, env);
  };
  const found = await earned('.env.sol.iter001');
  expect(found).toEqual(folded([piece('010000')]).edges.closed);
  expect(found!.fills).toBeGreaterThan(0);
  expect(await earned('.env.sol.iter002')).toEqual(folded([piece('020000')]).edges.closed);
  expect(await earned('.env.sol.iter004')).toBeNull();
});

test('what an earlier config earned is asked anew once another run began, or it is given other time', async () => {
  const run = (start: string, seed: number, env: string) => {
    const source = journalLines(seed);
    const lines = Array.from({ length: 12_000 }, () => source.next().value as string);
    writeFileSync(piece(start), `${lines.join('\n').replace('.env.sol.iter003', env)}\n`);
    journals.look(instance);
  };
  const journals = open();
  const base = 'work/.env.sol';
  const earned = async (of = instance) => {
    if (journals.edgesOf(of, '.env.sol') === undefined) await journals.readEarlier(of, '.env.sol');
    return journals.edgesOf(of, '.env.sol');
  };
  run('000000', 1, base);
  run('010000', 2, 'work/.env.sol.iter001');
  expect(await earned()).toEqual(folded([piece('000000')]).edges.closed);
  // A person took that step back, and a later one is compared with what ran since.
  run('020000', 3, base);
  run('030000', 4, 'work/.env.sol.iter002');
  expect(await earned()).toEqual(folded([piece('020000')]).edges.closed);
  const tuning = { ...instance.spec.tuning, verdictWithinMs: 3_600_000 };
  const hour = await earned({ ...instance, spec: { ...instance.spec, tuning } });
  expect(hour!.buckets).toBeLessThan(folded([piece('020000')]).edges.closed.buckets);
});

test('that an earlier journal could not be looked for is not that it is not there: the next pass looks again', async () => {
  writeJournal(piece('000000'), 4e6, { seed: 9 });
  const journals = open();
  const aside = join(dir, 'aside');
  renameSync(join(dir, 'data'), aside);
  symlinkSync('data', join(dir, 'data'));
  await journals.readEarlier(instance, '.env.sol.iter003');
  expect(journals.edgesOf(instance, '.env.sol.iter003'), 'one look takes it as it is').toBeNull();
  rmSync(join(dir, 'data'));
  renameSync(aside, join(dir, 'data'));
  journals.keepOnly(new Set(['sol']));
  expect(journals.edgesOf(instance, '.env.sol.iter003')).toBeUndefined();
  await journals.together(() => journals.readEarlier(instance, '.env.sol.iter003'));
  expect(journals.edgesOf(instance, '.env.sol.iter003')).toEqual(folded([piece('000000')]).edges.closed);
  journals.keepOnly(new Set(['sol']));
  expect(journals.edgesOf(instance, '.env.sol.iter003')).not.toBeUndefined();
});

test('what it earned counts as far back as the next one is given time, in slices', async () => {
  writeJournal(piece('000000'), 40e6, { seed: 7 });
  const whole = folded([piece('000000')]);
  const verdictWithinMs = 3 * 3_600_000;
  const short = { ...instance, spec: { ...instance.spec, tuning: { ...instance.spec.tuning, verdictWithinMs } } };
  const journals = open();
  await journals.readEarlier(short, '.env.sol.iter003');
  const lately = journals.edgesOf(short, '.env.sol.iter003')!;
  expect(lately.buckets).toBeGreaterThanOrEqual(17);
  expect(lately.buckets).toBeLessThanOrEqual(19);
  const days = {
    ...instance,
    spec: { ...instance.spec, tuning: { ...instance.spec.tuning, verdictWithinMs: 7 * 86_400_000 } },
  };
  const all = open();
  await all.readEarlier(days, '.env.sol.iter003');
  expect(all.edgesOf(days, '.env.sol.iter003')).toEqual(whole.edges.closed);
  expect(whole.edges.closed.buckets).toBeGreaterThan(100);
});

test('a journal folder that cannot be looked at is unknown; only one that is not there has no journal', () => {
  rmSync(join(dir, 'data'), { recursive: true });
  expect(open().look(instance)).toEqual({ state: 'none' });
  // Round in a circle: nobody can follow it, not even who may read everything.
  symlinkSync('data', join(dir, 'data'));
  expect(open().look(instance)).toEqual({ state: 'unknown', reason: 'journal folder cannot be read' });
});
