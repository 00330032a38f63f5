/** What stands for a run that has not been restored must not show: each look is compared with one that restores every run. */
import { appendFileSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { glanceFile } from '../../src/shell/glances.ts';
import { Journals } from '../../src/shell/journals.ts';
import { type Ops, openOps } from '../../src/shell/ops.ts';
import { type Look, look } from '../../src/shell/pass.ts';
import { quietJournals } from '../../src/shell/quiet-journals.ts';
import { statusItems } from '../../src/shell/status-items.ts';
import { type LiveFleet, liveFleet } from '../support/live-fleet.ts';

const OPTIONS = { only: null, tune: true, push: true, fetch: false };
const NAMES = ['m0000', 'm0001', 'm0002'];

let fleet: LiveFleet;
beforeEach(async () => {
  fleet = await liveFleet(NAMES.length, { lines: 2_000 });
  // Journals of the future have no age, so that two looks a second apart say the same.
  for (const name of NAMES) timeless(name);
  // Read, then found standing still, then not restored any more.
  await looked();
  await looked();
}, 60_000);
afterEach(() => fleet.end());

const timeless = (name: string, at = 4e9) => utimesSync(fleet.journal(name), at, at);
const glances = () => join(fleet.root, '.mmfleet/cache/fleet.glances.json');

/** A new mmfleet's look; `build` null: it restores every run. */
async function looked(build: string | null = 'one'): Promise<Look> {
  const opened = await openOps(fleet.root);
  if (!opened.ok) throw new Error(opened.problem.message);
  const stateDir = join(fleet.root, '.mmfleet');
  const journals = quietJournals(fleet.root, new Journals(fleet.root, stateDir), glanceFile(stateDir, build));
  const ops: Ops = { ...opened.value, journals: build === null ? new Journals(fleet.root, stateDir) : journals };
  const seen = await look(ops, OPTIONS);
  if (!seen.ok) throw new Error(seen.problem.message);
  return seen.value;
}

/** All that is told of a look: status, plan, decisions and what makes them, the rules last because they need the runs. */
const told = (seen: Look) => ({
  status: statusItems(seen),
  planned: seen.planned,
  decided: seen.situations.map((s) => s.decided),
  journals: [...seen.observed.byName].map(([name, { journal }]) => {
    if (journal.state !== 'ok') return [name, journal];
    const { runId, runStart, runEnd, shuttingDown, lastByteAtMs, path } = journal;
    return [name, { runId, runStart, runEnd, shuttingDown, lastByteAtMs, path }];
  }),
  rules: seen.situations.map((s) => s.rules()),
});

/** Whose run was not restored. */
const quiet = (seen: Look) =>
  NAMES.filter((name) => {
    const journal = seen.observed.byName.get(name)?.journal;
    return journal?.state === 'ok' && journal.glance !== undefined;
  });

async function compared(): Promise<{ quiet: string[]; kept: number }> {
  const seen = await looked();
  const found = quiet(seen);
  const kept = seen.situations.filter(({ observed: { journal }, decided }) => {
    return journal.state === 'ok' && decided !== null && journal.decided?.decided === decided;
  }).length;
  expect(told(seen)).toEqual(told(await looked(null)));
  return { quiet: found, kept };
}

test('a journal that stands still needs neither its run nor a new decision', async () => {
  expect(await compared()).toEqual({ quiet: NAMES, kept: NAMES.length });
  expect(readFileSync(glances(), 'utf8')).not.toContain('live-fleet-api-key');
});

test('a journal that grew, shrank, was touched or has another run behind it is read', async () => {
  const [first, second, third] = NAMES as [string, string, string];
  fleet.trade([first]);
  timeless(first);
  expect((await compared()).quiet).toEqual([second, third]);
  await looked();
  timeless(second, 4.1e9);
  truncateSync(fleet.journal(third), readFileSync(fleet.journal(third)).lastIndexOf(10, -2) + 1);
  timeless(third);
  expect((await compared()).quiet).toEqual([first]);
  const text = readFileSync(fleet.journal(first), 'utf8').replaceAll('livelive', 'otherone');
  const next = fleet.journal(first).replace('20261101_000000', '20261101_010000');
  writeFileSync(next, text);
  utimesSync(next, 4e9, 4e9);
  expect((await compared()).quiet).not.toContain(first);
  await compared();
  expect((await compared()).quiet).toEqual(NAMES);
});

test('journals of older runs come and go, and none is read for their sake; one that goes on is', async () => {
  const [first, second] = NAMES as [string, string];
  const older = fleet.journal(first).replace('20261101_000000', '20261031_000000');
  writeFileSync(older, readFileSync(fleet.journal(first), 'utf8').replaceAll('livelive', 'otherone'));
  expect((await compared()).quiet).toEqual(NAMES);
  rmSync(older);
  const piece = fleet.journal(second).replace(/jsonl$/, '1.jsonl');
  writeFileSync(piece, '');
  utimesSync(piece, 4e9, 4e9);
  expect((await compared()).quiet).toEqual(NAMES.filter((name) => name !== second));
});

test('half a line at the end is not the end', async () => {
  const [first] = NAMES as [string];
  const half = '{"ts": 1771200999.5, "type": "heartbeat", "run_id": ';
  appendFileSync(fleet.journal(first), half);
  timeless(first);
  for (let n = 0; n < 3; n += 1) expect((await compared()).quiet).not.toContain(first);
});

test('another commit, policy or program, or a damaged file: it is decided anew, and said the same', async () => {
  const spec = join(fleet.root, 'fleet/m0001.yaml');
  const commit = async (text: string) => {
    writeFileSync(spec, readFileSync(spec, 'utf8') + text);
    await fleet.git(['commit', '--quiet', '-am', 'change']);
    await fleet.git(['push', '--quiet']);
  };
  await commit('  # a comment\n');
  expect(await compared()).toEqual({ quiet: NAMES, kept: 0 });
  await compared();
  expect((await compared()).kept).toBe(NAMES.length);
  await commit('  health: { signals: { burst: { minFills: 25 } } }\n');
  expect((await compared()).quiet).toEqual(['m0000', 'm0002']);
  await compared();
  expect(quiet(await looked())).toEqual(NAMES);
  expect(quiet(await looked('two'))).toEqual([]);
  await compared();
  writeFileSync(glances(), readFileSync(glances(), 'utf8').replace('"ended":false', '"ended":true'));
  expect((await compared()).quiet).toEqual([]);
  rmSync(glances(), { force: true });
  expect((await compared()).quiet).toEqual([]);
});

test('without its own file a run is read from its journal when it is asked for', async () => {
  rmSync(join(fleet.root, '.mmfleet/cache/m0001.json'));
  const seen = await looked();
  expect(quiet(seen)).toEqual(NAMES);
  const rules = told(seen).rules;
  rmSync(join(fleet.root, '.mmfleet/cache'), { recursive: true });
  expect(rules).toEqual(told(await looked(null)).rules);
});

test('old data is decided on with the run: its age has a say', async () => {
  for (const name of NAMES) timeless(name, Date.now() / 1000 - 3600);
  for (let n = 0; n < 3; n += 1) await looked();
  const [seen, plain] = [await looked(), await looked(null)];
  expect(quiet(seen)).toEqual(NAMES);
  const health = (each: Look) => each.situations.map((s) => [s.decided?.health, s.decided?.decision.kind]);
  expect(health(seen)).toEqual(health(plain));
});
