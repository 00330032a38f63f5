/** The whole loop on one host: three real bots, real journals, a bare remote, a venue of commands, the built CLI. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Receipt } from '../../src/core/flat/types.ts';
import { canaryTexts, type FleetWorld, fleetWorld, type Run, stretch, THREE } from '../support/fleet-world.ts';
import { alive, until } from '../support/puppet.ts';

const MINUTES = 40;
const BOUNDS = { MM_SPREAD_MULTIPLIER: [0.3, 5], MM_MIN_OFFSET_BPS: [0.5, 50], MM_MAX_OFFSET_BPS: [1, 100] } as const;

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let w: FleetWorld;
const runs: Record<'first' | 'tuned' | 'again', Run> = {} as never;
const before = {
  head: '',
  bases: '',
  pids: new Map<string, number>(),
  plan: [] as object[],
  planAgain: [] as object[],
};
const after = { head: '', copies: [] as Awaited<ReturnType<FleetWorld['copies']>> };
const watched = { cmdlines: new Set<string>(), stop: () => {} };
let firstRun: { path: string; events: Record<string, unknown>[] };

beforeAll(async () => {
  w = await fleetWorld(THREE, { puppet: { PUPPET_HEARTBEAT_MS: '86400000', PUPPET_ORDERS: '2' } });
  watched.stop = watchCommandLines(watched.cmdlines);
  // The bots' clock runs behind, so that the journal that is fed to them ends about now.
  for (const { market } of THREE) w.behave(market, { clockOffsetS: -MINUTES * 60 - 30 });
  runs.first = await w.cli('reconcile', '--once');
  before.bases = await bases();
  for (const copy of await w.copies()) before.pids.set(copy.instance, copy.pid);
  const fed = THREE.map(({ name, market }) => {
    const start = Number(w.journalOf(market)?.events[0]?.['ts']);
    const lines = stretch(start + 1, MINUTES, name === 'pump' ? -2 : 2);
    w.tell(market, ...lines);
    return { market, count: lines.length };
  });
  for (const { market, count } of fed) {
    await until(() => (w.journalOf(market)?.events.length ?? 0) > count, `the journal of ${market}`);
    w.behave(market, { keepPosition: true });
  }
  w.setBook('PUMP-USD', { position: '1.2' });
  firstRun = w.journalOf('PUMP-USD')!;
  before.plan = await plan();
  rmSync(join(w.ops, '.mmfleet'), { recursive: true });
  before.planAgain = await plan();
  before.head = (await w.git(['rev-parse', 'HEAD'])).trim();
  runs.tuned = await w.cli('reconcile', '--once');
  after.head = (await w.git(['rev-parse', 'HEAD'])).trim();
  after.copies = await w.copies();
  watched.stop();
}, 120_000);
afterAll(async () => {
  watched.stop();
  await w.end();
});

const plan = async () => (JSON.parse((await w.cli('plan', '--json')).out) as { items: object[] }).items;
const bases = async () =>
  (await w.git(['ls-tree', '-r', 'HEAD', 'fleet/env']))
    .split('\n')
    .filter((l) => !/\.iter\d+$/.test(l))
    .join('\n');
const receiptsOf = async (name: string) =>
  (await w.git(['show', `HEAD:fleet/receipts/${name}.jsonl`]))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Receipt);
const subjects = async () => (await w.git(['log', '--format=%s', `${before.head}..HEAD`])).split('\n');

describe('one pass over one losing and two healthy bots', () => {
  test('the first pass started all three', () => {
    expect(runs.first).toMatchObject({ code: 0 });
    expect([...before.pids.keys()].sort()).toEqual(['amzn', 'mon', 'pump']);
  });

  test('it tunes, stops and starts the degraded one only', async () => {
    expect(runs.tuned).toMatchObject({ code: 0 });
    expect(await subjects()).toEqual([
      expect.stringMatching(/^converge\(pump\): /),
      'tune(pump): iter001 spread-offset, MM_SPREAD_MULTIPLIER 1.2 -> 1.8, MM_MIN_OFFSET_BPS 4 -> 6',
    ]);
    expect(w.signals('PUMP-USD')).toEqual([`${before.pids.get('pump')} SIGINT`]);
    expect(w.signals('AMZN-USD')).toEqual([]);
    expect(w.signals('MON-USD')).toEqual([]);
    for (const copy of after.copies) {
      if (copy.instance === 'pump') expect(copy.pid).not.toBe(before.pids.get('pump'));
      else expect(copy.pid).toBe(before.pids.get(copy.instance));
    }
    expect(after.copies.map((c) => [c.instance, c.iter]).sort()).toEqual([
      ['amzn', null],
      ['mon', null],
      ['pump', 1],
    ]);
  });

  test('journal end, then closing order, then two flat reads with no order between, then the start', async () => {
    const run = JSON.parse(
      `[${readFileSync(firstRun.path, 'utf8').trim().split('\n').join(',')}]`,
    ) as typeof firstRun.events;
    const end = run.at(-1);
    expect(end).toMatchObject({ type: 'run_end', reason: 'shutdown' });
    const endMs = Number(end?.['ts']) * 1000;
    const startMs = Number(w.journalOf('PUMP-USD')?.events[0]?.['ts']) * 1000;
    const calls = w.venueLog().filter((c) => c.market === 'PUMP-USD' && c.at > endMs && c.at < startMs);
    const words = calls.map((c) => c.call);
    expect(words.filter((c) => c === 'close')).toHaveLength(1);
    expect(words.indexOf('cancel')).toBeLessThan(words.indexOf('close'));
    const closing = w.venueLog().filter((c) => c.market === 'PUMP-USD' && c.call === 'close');
    expect(closing).toEqual([calls[words.indexOf('close')]]);
    const since = words.slice(words.indexOf('close') + 1);
    expect(since.filter((c) => c === 'position').length).toBeGreaterThanOrEqual(2);
    expect(since.some((c) => c === 'cancel' || c === 'close')).toBe(false);
    expect(w.book('PUMP-USD')).toMatchObject({ position: '0' });
  });

  test('the receipt tells the same story', async () => {
    const receipt = (await receiptsOf('pump')).at(-1);
    expect(receipt).toMatchObject({
      instance: 'pump',
      cause: 'digest-drift',
      iterFrom: null,
      iterTo: 1,
      pid: before.pids.get('pump'),
      killed: false,
      verdict: 'FLAT',
      orders: [{ side: 'sell', size: '1.2', status: 'filled' }],
    });
    const zeros = receipt?.reads.slice(-3).map((r) => [r.what, r.value]);
    expect(zeros?.filter(([what, value]) => what === 'position' && Number(value) === 0).length).toBeGreaterThanOrEqual(
      1,
    );
    const flat = (receipt?.reads ?? []).filter((r) => r.what === 'position' && Number(r.value) === 0);
    expect(flat.length).toBeGreaterThanOrEqual(2);
    expect(Date.parse(flat.at(-1)!.at) - Date.parse(flat.at(-2)!.at)).toBeGreaterThanOrEqual(100);
  });

  test('base envs are byte-identical; the new env differs in keys of one theme, inside bounds', async () => {
    expect(await bases()).toBe(before.bases);
    const base = entries(await w.git(['show', 'HEAD:fleet/env/pump/.env.pump']));
    const iter = entries(await w.git(['show', 'HEAD:fleet/env/pump/.env.pump.iter001']));
    expect([...iter.keys()]).toEqual([...base.keys()]);
    const changed = [...iter].filter(([key, value]) => base.get(key) !== value);
    expect(changed.length).toBeGreaterThan(0);
    for (const [key, value] of changed) {
      const [min, max] = BOUNDS[key as keyof typeof BOUNDS];
      expect(Number(value)).toBeGreaterThanOrEqual(min);
      expect(Number(value)).toBeLessThanOrEqual(max);
    }
    expect(Number(iter.get('MM_MAX_OFFSET_BPS'))).toBeGreaterThanOrEqual(Number(iter.get('MM_MIN_OFFSET_BPS')));
    expect(w.journalOf('PUMP-USD')?.events[0]).toMatchObject({
      type: 'run_start',
      config: { spread_multiplier: '1.8', min_offset_bps: '6' },
      provenance: { env_file: expect.stringMatching(/\/run\/pump\/\.env\.pump\.iter001$/) },
    });
  });

  test('the tune commit is on the remote with every trailer', async () => {
    expect((await w.git(['--git-dir', w.remote, 'rev-parse', 'main'])).trim()).toBe(after.head);
    const commit = (await w.git(['log', '--format=%H', '--grep', '^tune(pump)'])).trim();
    const blob = async (path: string) => (await w.git(['rev-parse', `${commit}^:${path}`])).trim();
    const body = await w.git(['log', '-1', '--format=%b', commit]);
    const trailers = [...body.matchAll(/^Mmfleet-([\w-]+): (.*)$/gm)].map(([, key, value]) => [key, value]);
    expect(trailers).toEqual([
      ['Instance', 'pump'],
      ['Market', 'PUMP-USD'],
      ['Iter', '001'],
      ['Parent-Iter', expect.any(String)],
      ['Theme', 'spread-offset'],
      ['Trigger', expect.stringMatching(/^burst markout5sBps=-1\.[56]\d limit=-0\.50 n=\d+$/)],
      ['At', expect.stringMatching(/^\d+(\.\d+)?$/)],
      ['Step', 'widen x1.5'],
      ['Change', 'MM_SPREAD_MULTIPLIER 1.2 -> 1.8'],
      ['Change', 'MM_MIN_OFFSET_BPS 4 -> 6'],
      ['Proven', expect.any(String)],
      ['Env-Digest', expect.stringMatching(/^sha256:[0-9a-f]{64}$/)],
      ['Journal', expect.stringMatching(/^mm_PUMP-USD_\d{8}_\d{6}\.jsonl@0\.\.\d+$/)],
      ['Spec', await blob('fleet/pump.yaml')],
      ['Fleet-Spec', await blob('fleet/fleet.yaml')],
    ]);
    const [author, at] = (await w.git(['log', '-1', '--format=%ae %at', commit])).trim().split(' ');
    expect(author).toBe('mmfleet@localhost');
    expect(Number(at)).toBe(Math.floor(Number(trailers.find(([key]) => key === 'At')?.[1])));
  });
});

describe('a second pass', () => {
  test('makes no commit, no signal and exits 0', async () => {
    runs.again = await w.cli('reconcile', '--once');
    expect(runs.again).toMatchObject({ code: 0, err: '' });
    expect(runs.again.out).toBe('plan: 0 to converge, 0 to tune, 0 held, 3 unchanged, 0 unknown');
    await expectNothingDone();
  });

  test('comes to the same decisions without .mmfleet', async () => {
    expect(before.plan).toMatchObject([
      { action: 'none' },
      { action: 'none' },
      { action: 'tune', reason: 'alarm-burst' },
    ]);
    expect(before.planAgain).toEqual(before.plan);
    const settled = await plan();
    rmSync(join(w.ops, '.mmfleet'), { recursive: true });
    expect(await plan()).toEqual(settled);
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0, err: '' });
    await expectNothingDone();
  });

  async function expectNothingDone() {
    expect((await w.git(['rev-parse', 'HEAD'])).trim()).toBe(after.head);
    expect((await w.git(['--git-dir', w.remote, 'rev-parse', 'main'])).trim()).toBe(after.head);
    expect(w.signals('PUMP-USD')).toHaveLength(1);
    expect(w.signals('AMZN-USD')).toEqual([]);
    const pids = (copies: typeof after.copies) => copies.map((c) => [c.instance, c.pid]).sort();
    expect(pids(await w.copies())).toEqual(pids(after.copies));
    expect(await w.git(['status', '--porcelain'])).toBe('');
  }
});

test('the remote alone proves that every rule was kept', async () => {
  const audit = await w.cliWith({}, '-C', w.remote, 'audit', 'verify');
  expect(audit).toMatchObject({ code: 0, err: '' });
  expect(audit.out).toMatch(/1 iteration \(0 by hand\), 0 verdicts, signatures not configured: no violation$/);
});

test('no secret value is in git, in any output, log, receipt or command line', async () => {
  for (const command of ['status', 'why', 'history', 'logs']) await w.cli(command, 'pump');
  await w.cli('status', '--json');
  const objects = execFileSync(
    'git',
    ['--git-dir', w.remote, 'cat-file', '--batch-all-objects', '--batch', '--unordered'],
    {
      encoding: 'latin1',
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  const own = execFileSync('git', ['-C', w.ops, 'cat-file', '--batch-all-objects', '--batch', '--unordered'], {
    encoding: 'latin1',
    maxBuffer: 64 * 1024 * 1024,
  });
  const places = {
    remote: objects,
    repository: own,
    output: w.printed(),
    commandLines: [...watched.cmdlines].join('\n'),
    state: filesUnder(join(w.ops, '.mmfleet'), ['run']),
    intents: filesUnder(join(w.ops, '.git', 'mmfleet'), []),
    journals: filesUnder(join(w.ops, 'data'), []),
  };
  expect(places.commandLines).toContain('puppet-bot.mjs');
  expect(places.commandLines).toContain('command-venue.mjs');
  expect(places.repository).toContain('tune(pump)');
  for (const [place, text] of Object.entries(places)) {
    for (const canary of canaryTexts()) expect(text.includes(canary), `${canary} in ${place}`).toBe(false);
  }
  for (const copy of after.copies) expect(alive(copy.pid)).toBe(true);
});

function entries(text: string): Map<string, string> {
  const pairs = text.split('\n').flatMap((line) => {
    const found = /^([A-Z_]+)=([^ ]*)/.exec(line);
    return found === null ? [] : [[found[1]!, found[2]!] as const];
  });
  return new Map(pairs);
}

function filesUnder(folder: string, skip: string[]): string {
  let text = '';
  for (const name of readdirSafe(folder)) {
    if (skip.includes(name)) continue;
    const path = join(folder, name);
    text += statSync(path).isDirectory() ? filesUnder(path, []) : readFileSync(path, 'latin1');
  }
  return text;
}

function readdirSafe(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Looks at every command line of the machine again and again. */
function watchCommandLines(seen: Set<string>): () => void {
  const look = () => {
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        seen.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
      } catch {
        // It ended meanwhile.
      }
    }
  };
  const timer = setInterval(look, 30);
  return () => clearInterval(timer);
}
