/** Bad input through the real CLI: a Problem with place and hint, the right exit code, the others unaffected, nothing lost. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { baseEnv, CANARY, type FleetWorld, fleetWorld, THREE } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

const SPEC = 'fleet/amzn.yaml';
const BASE = 'fleet/env/amzn/.env.amzn';
const ALL_WELL = 'plan: 0 to converge, 0 to tune, 0 held, 2 unchanged, 0 unknown';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let w: FleetWorld;
let good: string;
let pids: [string, number][];
let undo: (() => unknown) | undefined;

beforeAll(async () => {
  w = await fleetWorld(THREE.slice(0, 2));
  w.put(
    'secrets/amzn.env',
    Object.entries(CANARY)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  chmodSync(join(w.ops, 'secrets/amzn.env'), 0o600);
  good = `${readFileSync(join(w.ops, SPEC), 'utf8')}  secrets: [{ envFile: ../secrets/amzn.env }]\n`;
  w.put(SPEC, good);
  await w.commit('own secrets');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  pids = await running();
});
afterAll(() => w.end());

const running = async () => (await w.copies()).map((c): [string, number] => [c.instance, c.pid]).sort();

/** What a test broke is mended and committed. */
afterEach(async () => {
  await undo?.();
  undo = undefined;
  if ((await w.git(['status', '--porcelain'])) !== '') await w.commit('mended');
});

/** As if nothing had happened: the same processes run on, and a pass finds nothing to do. */
async function expectWell() {
  const head = await w.git(['rev-parse', 'HEAD']);
  expect(await w.cli('reconcile', '--once')).toEqual({ code: 0, out: ALL_WELL, err: '' });
  expect(await w.git(['rev-parse', 'HEAD'])).toBe(head);
  expect(await running()).toEqual(pids);
}

/** Commits a broken file; the test ends with `before` again. */
async function commitBroken(path: string, text: string | null, before: string | null) {
  undo = () => (before === null ? rmSync(join(w.ops, path)) : w.put(path, before));
  if (text === null) rmSync(join(w.ops, path));
  else w.put(path, text);
  await w.commit(`broken ${path}`);
}

/** `validate` refuses; in a pass amzn is a derived hold with the problem's text, mon is settled, and both run on. */
async function expectInvalid(...texts: string[]) {
  const head = await w.git(['rev-parse', 'HEAD']);
  const [validated, pass] = await Promise.all([w.cli('validate'), w.cli('reconcile', '--once')]);
  expect(validated.code).toBe(3);
  for (const text of texts) expect(validated.err).toContain(text);
  expect(pass.code).toBe(5);
  for (const text of texts) expect(pass.err).toContain(text);
  expect(pass.out).toContain('0 to converge, 0 to tune, 1 held, 1 unchanged, 0 unknown');
  expect(pass.out).toMatch(/^amzn +- +spec-invalid +/m);
  expect(await running()).toEqual(pids);
  expect(await w.git(['rev-parse', 'HEAD'])).toBe(head);
  expect(w.signals('AMZN-USD')).toEqual([]);
}

describe('specs', () => {
  test('a YAML syntax error', async () => {
    await commitBroken(SPEC, good.replace('baseEnv:', '"baseEnv:'), good);
    await expectInvalid('fleet/amzn.yaml:7:3 ', '  7 |   "baseEnv: env/amzn/.env.amzn\n', '  hint: ');
  });

  test('a schema error: an unknown field, a missing one, a value of another kind, all in one run', async () => {
    const text = `${good.replace('baseEnv:', 'baseEnvv:')}  health: { cooldown: soon }\n`;
    await commitBroken(SPEC, text, good);
    await expectInvalid(
      'fleet/amzn.yaml:5:1 spec.baseEnv: missing',
      'fleet/amzn.yaml:7:3 spec.baseEnvv: unknown field\n  7 |   baseEnvv: env/amzn/.env.amzn\n    |   ^\n  hint: did you mean "baseEnv"?',
      'fleet/amzn.yaml:9:23 spec.health.cooldown: found "soon", want ',
    );
  });

  test('a duplicate instance', async () => {
    await commitBroken('fleet/copy.yaml', good, null);
    await expectInvalid(
      'fleet/copy.yaml:4:19 metadata.name: found "amzn" a second time (first in fleet/amzn.yaml)',
      '  4 | metadata: { name: amzn }',
      '  hint: give each instance its own name',
    );
  });

  test('a fleet file that does not parse: nothing is touched, and it is not an empty fleet', async () => {
    const fleet = readFileSync(join(w.ops, 'fleet/fleet.yaml'), 'utf8');
    await commitBroken('fleet/fleet.yaml', fleet.replace('kind: Fleet', 'kind: Fleet: x'), fleet);
    for (const command of [['validate'], ['plan'], ['reconcile', '--once'], ['status']]) {
      const end = await w.cli(...command);
      expect(end).toMatchObject({ code: 3, err: expect.stringMatching(/^fleet\/fleet\.yaml:2:\d+ /) });
    }
    expect(await running()).toEqual(pids);
  });

  test('mended, all is as before; and a broken one costs the others nothing', async () => {
    await expectWell();
    await commitBroken(SPEC, good.replace('baseEnv:', 'baseEnvv:'), good);
    expect(await w.cli('reconcile', '--once', 'mon')).toMatchObject({ code: 0, err: '' });
  });
});

describe('env files', () => {
  test('a missing base env', async () => {
    await commitBroken(BASE, null, baseEnv('AMZN-USD'));
    await expectInvalid(
      'fleet/amzn.yaml:7:3 spec.baseEnv: fleet/env/amzn/.env.amzn is not a tracked file',
      '  7 |   baseEnv: env/amzn/.env.amzn',
      '  hint: write it and "git add" it',
    );
  });

  test('a base env line that the bot would refuse', async () => {
    await commitBroken(BASE, baseEnv('AMZN-USD').replace('=1.2 ', '=wide '), baseEnv('AMZN-USD'));
    await expectInvalid(
      'fleet/env/amzn/.env.amzn:5:1 MM_SPREAD_MULTIPLIER: found "wide", want a number',
      '  5 | MM_SPREAD_MULTIPLIER=wide   # distance',
      '  hint: correct MM_SPREAD_MULTIPLIER in the base env',
    );
  });

  test('orderings of the base env are checked, never silently fixed', async () => {
    await commitBroken(BASE, baseEnv('AMZN-USD').replace('MAX_OFFSET_BPS=40', 'MAX_OFFSET_BPS=3'), baseEnv('AMZN-USD'));
    await expectInvalid('fleet/env/amzn/.env.amzn:6:1 found MM_MIN_OFFSET_BPS 4 above MM_MAX_OFFSET_BPS 3', '  hint: ');
  });
});

describe('secrets', () => {
  test('a secret in a tracked file: place and key are told, the value never', async () => {
    await commitBroken(BASE, `${baseEnv('AMZN-USD')}MM_API_KEY=leaked-value-99\n`, baseEnv('AMZN-USD'));
    await expectInvalid('fleet/env/amzn/.env.amzn:11:1 MM_API_KEY has a value in a tracked file', '  hint: move it');
    await w.cli('status', '--json');
    await w.cli('plan', '--json');
    await w.cli('validate', '--json');
    expect(w.printed()).not.toContain('leaked-value-99');
  });

  test('a secrets file readable by others', async () => {
    const file = join(w.ops, 'secrets/amzn.env');
    chmodSync(file, 0o644);
    undo = () => chmodSync(file, 0o600);
    await expectInvalid(
      'secrets/amzn.env has mode 0644, want 0600: others could read it\n  hint: chmod 600 secrets/amzn.env',
    );
  });

  test('a secrets file that is tracked by git', async () => {
    undo = () => w.git(['rm', '--cached', '--quiet', 'secrets/amzn.env']);
    await w.git(['add', '--force', 'secrets/amzn.env']);
    await w.commit('a mistake', false);
    await expectInvalid(
      'fleet/amzn.yaml:8:15 spec.secrets[0].envFile: secrets/amzn.env is tracked by git',
      '  hint: "git rm --cached secrets/amzn.env", add it to .gitignore, and replace the keys if it was ever pushed',
    );
    for (const value of Object.values(CANARY)) expect(w.printed()).not.toContain(value);
  });

  test('a secrets file that is not there', async () => {
    const file = join(w.ops, 'secrets/amzn.env');
    renameSync(file, `${file}.away`);
    undo = () => renameSync(`${file}.away`, file);
    await expectInvalid('secrets/amzn.env does not exist\n  hint: write KEY=VALUE lines into it');
  });
});

describe('journals', () => {
  test('a journal folder that does not exist', async () => {
    const text = `${good}  journal: { path: "../nowhere/mm_{market}_*.jsonl" }\n  runtime: { process: { startTimeout: 1h } }\n`;
    await commitBroken(SPEC, text, good);
    const validated = await w.cli('validate');
    expect(validated.code).toBe(0);
    expect(validated.err).toContain(
      'warning: fleet/amzn.yaml:9:14 spec.journal.path: the folder nowhere does not exist',
    );
    expect(validated.err).toContain('  hint: the bot makes it at its first start');
    const pass = await w.cli('plan', '--json');
    expect(JSON.parse(pass.out)).toMatchObject({ items: [{ name: 'amzn' }, { name: 'mon', action: 'none' }] });
    expect(await w.cli('analyse', 'amzn')).toMatchObject({ code: 4, err: expect.stringContaining('nowhere') });
    const status = JSON.parse((await w.cli('status', '--json')).out) as { items: { positionBase: object }[] };
    expect(status.items[0]).toMatchObject({ positionBase: { unavailable: expect.any(String) } });
    expect(await w.cli('why', 'amzn')).toMatchObject({ code: 0, out: expect.stringContaining('journal') });
  });

  test('an empty journal says nothing: the plan names the journals it looked for, and nothing is stopped', async () => {
    const path = join(dirname(w.journalOf('AMZN-USD')?.path ?? ''), 'mm_AMZN-USD_20991231_000000.jsonl');
    writeFileSync(path, '');
    undo = () => rmSync(path);
    // Until its start has timed out the plan only says that it waits.
    await until(
      async () => {
        const { code, out } = await w.cli('plan');
        expect(code).toBe(0);
        expect(out).toMatch(/^amzn .*not-confirmed/m);
        return /^amzn .*data\/mm_journal\/mm_AMZN-USD_\*\.jsonl/m.test(out);
      },
      'the journals are named',
      30_000,
    );
    expect(await w.cli('analyse', path, '--json')).toMatchObject({ code: 0 });
    expect(await running()).toEqual(pids);
  });

  test('garbled lines are counted with file and line, and the rest is read', async () => {
    const path = w.journalOf('AMZN-USD')?.path ?? '';
    const lines = () => readFileSync(path, 'utf8').trimEnd().split('\n');
    appendFileSync(path, 'garbage\n{"ts": "x"}\n\u0000\u0001\n');
    const at = lines().indexOf('garbage') + 1;
    expect(await w.cli('reconcile', '--once')).toEqual({ code: 0, out: ALL_WELL, err: '' });
    const report = JSON.parse((await w.cli('analyse', 'amzn', '--json')).out) as {
      items: { counts: { badLines: number }; badLines: object[] }[];
    };
    expect(report.items[0]?.counts.badLines).toBe(3);
    expect(report.items[0]?.badLines[0]).toEqual({ file: path, line: at, reason: 'json' });
    expect(await running()).toEqual(pids);
  });

  test('a path that is not there', async () => {
    expect(await w.cli('analyse', 'nowhere/x.jsonl')).toMatchObject({
      code: 3,
      out: '',
      err: expect.stringContaining('nowhere/x.jsonl: no such file'),
    });
  });
});

describe('commands that are not installed', () => {
  const pump = (more: string) =>
    `${good.replaceAll('amzn', 'pump').replace('AMZN-USD', 'PUMP-USD').replace('../secrets/pump.env', '../secrets/amzn.env')}${more}`;
  const declare = async (more: string) => {
    w.put('fleet/env/pump/.env.pump', baseEnv('PUMP-USD'));
    w.put('fleet/pump.yaml', pump(more));
    await w.commit('pump');
    undo = () => {
      rmSync(join(w.ops, 'fleet/pump.yaml'));
      rmSync(join(w.ops, 'fleet/env/pump'), { recursive: true });
      rmSync(join(w.ops, 'fleet/holds.yaml'), { force: true });
    };
  };

  test('the bot: exit 4, the others go on, and trying again backs off instead of filling the log', async () => {
    await declare('  runtime: { process: { command: [no-such-bot, --now], backoff: { initial: 1h, max: 2h } } }\n');
    const pass = await w.cli('reconcile', '--once');
    expect(pass.code).toBe(4);
    expect(pass.err).toContain(
      'pump failed: start pump: no executable no-such-bot found; correct runtime.process.command',
    );
    const head = await w.git(['rev-parse', 'HEAD']);
    const again = await w.cli('reconcile', '--once');
    expect(again).toMatchObject({ code: 0, out: expect.stringMatching(/^pump +- +backoff +/m) });
    expect(await w.git(['rev-parse', 'HEAD'])).toBe(head);
    expect((await running()).filter(([name]) => name !== 'pump')).toEqual(pids);
  });

  test('the working directory', async () => {
    await declare('  runtime: { process: { cwd: ../nowhere } }\n');
    rmSync(join(w.ops, '.mmfleet/backoff'), { recursive: true });
    const pass = await w.cli('reconcile', '--once');
    expect(pass.code).toBe(4);
    expect(pass.err).toMatch(
      /pump failed: start pump: working directory \S+\/nowhere does not exist; correct runtime\.process\.cwd/,
    );
  });

  test('the venue: unknown is not flat, nothing starts, a hold says why', async () => {
    await declare('  venue: { command: { position: [no-such-venue, "{market}"] } }\n');
    rmSync(join(w.ops, '.mmfleet/backoff'), { recursive: true });
    const pass = await w.cli('reconcile', '--once');
    expect(pass.code).toBe(5);
    expect(pass.out).toContain('hold(pump): flat unproven: position: position command: ');
    expect(pass.err).toContain('no-such-venue');
    expect(await running()).toEqual(pids);
    expect(await w.git(['show', 'origin/main:fleet/holds.yaml'])).toContain('instance: pump');
  });
});

describe('git', () => {
  test('a repository with no commit, and a folder that is no repository', async () => {
    const unborn = join(w.dir, 'unborn');
    const none = join(w.dir, 'none');
    for (const folder of [unborn, none]) mkdirSync(folder, { recursive: true });
    await w.git(['init', '--quiet', '--initial-branch=main'], unborn);
    const commands = [
      ['reconcile', '--once'],
      ['start', 'amzn', '--reason', 'x'],
    ];
    for (const command of commands) {
      const end = await w.cliWith({}, '-C', unborn, ...command);
      expect(end).toMatchObject({ code: 3, out: '', err: expect.stringContaining('commit') });
      expect(await w.cliWith({}, '-C', none, ...command)).toMatchObject({ code: 3, out: '' });
    }
    const end = await w.cliWith({}, '-C', unborn, 'reconcile', '--once');
    expect(end.err).toBe('branch main has no commit yet\n  hint: commit the fleet folder first, or run mmfleet init');
    expect(existsSync(join(unborn, '.mmfleet'))).toBe(false);
  });

  test('uncommitted edits at a machine-owned path hold its instance; the edit stays', async () => {
    const path = `${BASE}.iter001`;
    w.put(path, 'MM_SPREAD_MULTIPLIER=9\n');
    undo = () => rmSync(join(w.ops, path));
    const pass = await w.cli('reconcile', '--once');
    expect(pass.code).toBe(5);
    expect(pass.out).toContain(`${path} has uncommitted edits: commit or restore it`);
    expect(pass.out).toContain('1 held, 1 unchanged');
    expect(readFileSync(join(w.ops, path), 'utf8')).toBe('MM_SPREAD_MULTIPLIER=9\n');
    expect(await running()).toEqual(pids);
  });

  test('uncommitted edits of people are reported by validate only and never acted on', async () => {
    w.put(SPEC, good.replace('spec:', 'spec:\n  state: Stopped'));
    undo = () => w.put(SPEC, good);
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0, out: ALL_WELL });
    expect((await w.cli('plan', '--worktree')).out).toMatch(/^amzn +stop +state-stopped/m);
    expect(await running()).toEqual(pids);
  });

  test('a list of holds that cannot be read lifts no hold', async () => {
    await commitBroken('fleet/holds.yaml', '<<<<<<< HEAD\nholds: []\n=======\n', null);
    const validated = await w.cli('validate');
    expect(validated).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^fleet\/holds\.yaml:1:1 not readable as YAML\n/),
    });
    const pass = await w.cli('reconcile', '--once');
    expect(pass).toMatchObject({ code: 5, out: expect.stringContaining('2 held, 0 unchanged') });
    expect(readFileSync(join(w.ops, 'fleet/holds.yaml'), 'utf8')).toContain('<<<<<<<');
    expect(await running()).toEqual(pids);
  });

  test('a remote that is away: the last good revision stays; a crash is still proved flat and its receipt follows later', async () => {
    await expectWell();
    renameSync(w.remote, `${w.remote}.away`);
    try {
      expect(await w.cli('reconcile', '--once')).toEqual({
        code: 0,
        out: ALL_WELL,
        err: 'origin: did not answer; the last good revision stays\n  hint: git ls-remote origin',
      });
      expect(await w.cli('plan')).toMatchObject({ code: 0, err: expect.stringContaining('git ls-remote origin') });
      // Its next env is not on the remote: a crash is proved flat, and the start waits for the remote.
      w.put('fleet/env/mon/.env.mon', baseEnv('MON-USD').replace('LEVELS=2', 'LEVELS=3'));
      await w.commit('a person edits while the remote is away', false);
      w.setBook('MON-USD', { position: '0.3' });
      w.tell('MON-USD', 'die');
      await gone('mon');
      const waits = await w.cli('reconcile', '--once');
      expect(waits.out).toMatch(/^mon +- +git-away +its commit is not known to be on the remote: the remote is away$/m);
      expect(w.book('MON-USD')).toMatchObject({ position: '0' });
      // What should run does not: that is no success, however often it is asked.
      expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 5, out: waits.out });
      const started = await w.cli('start', 'amzn', '--reason', 'no remote');
      expect(started.code).not.toBe(0);
      expect(started.err).toContain('hint: ');
    } finally {
      renameSync(`${w.remote}.away`, w.remote);
    }
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
    const log = await w.remoteLog();
    expect(log.some((subject) => subject.startsWith('converge(mon)'))).toBe(true);
    expect(await w.git(['rev-parse', 'HEAD'])).toBe(await w.git(['rev-parse', 'origin/main']));
    expect((await running()).map(([name]) => name)).toEqual(['amzn', 'mon']);
    expect((await running())[0]).toEqual(pids[0]);
    pids = await running();
  });

  async function gone(name: string) {
    await expect.poll(async () => (await running()).some(([each]) => each === name), { timeout: 10_000 }).toBe(false);
  }
});
