/** The command line itself: help, JSON documents, chat answers, colour, init, completion. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { REASONS } from '../../src/core/plan/types.ts';
import { CLI, type FleetWorld, fleetWorld, THREE } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let w: FleetWorld;
const VERSION = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string }
).version;

beforeAll(async () => {
  w = await fleetWorld(THREE.slice(0, 2));
  w.put('fleet/mon.yaml', `${readFileSync(join(w.ops, 'fleet/mon.yaml'), 'utf8')}  state: Stopped\n`);
  await w.commit('mon stays down');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  await until(
    () => w.journalOf('AMZN-USD')?.events.some(({ type }) => type === 'heartbeat'),
    'its journal tells its position',
  );
});
afterAll(() => w.end());

describe('usage', () => {
  test('version and help', async () => {
    for (const word of ['--version', 'version'])
      expect(await w.cliWith({}, word)).toEqual({ code: 0, out: `mmfleet ${VERSION}`, err: '' });
    const help = await w.cliWith({}, '--help');
    expect(help.code).toBe(0);
    for (const command of [
      'init',
      'validate',
      'plan',
      'reconcile',
      'status',
      'why',
      'history',
      'analyse',
      'logs',
      'start',
      'stop',
      'restart',
      'suspend',
      'resume',
      'flatten',
      'release',
      'demo',
      'completion',
      'version',
    ])
      expect(help.out).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
  });

  test('what is not a command or an option exits 3 with a suggestion', async () => {
    expect(await w.cli('reconcil')).toMatchObject({ code: 3, out: '', err: expect.stringContaining('reconcile') });
    expect(await w.cli('plan', '--jsn')).toMatchObject({ code: 3, out: '', err: expect.stringContaining('--json') });
    expect(await w.cli('reconcile')).toMatchObject({ code: 3, out: '', err: expect.stringContaining('--once') });
    expect(await w.cli('status', 'nobody')).toMatchObject({
      code: 3,
      out: '',
      err: expect.stringContaining('known: amzn, mon'),
    });
  });

  test.each([['--help'], ['status', '--json'], ['validate']])(
    'half an answer is no answer: %s on a full disk',
    (...words) => {
      const full = openSync('/dev/full', 'w');
      const end = spawnSync(process.execPath, [CLI, '-C', w.ops, ...words], { stdio: ['ignore', full, 'pipe'] });
      closeSync(full);
      expect([end.status, String(end.stderr)]).toEqual([1, 'the output could not be written: ENOSPC\n']);
    },
  );

  test('completion scripts: the shell accepts them', async () => {
    const bash = await w.cliWith({}, 'completion', 'bash');
    execFileSync('bash', ['-n'], { input: bash.out });
    const words = execFileSync(
      'bash',
      [
        '-c',
        `${bash.out}\ncd "${w.ops}"; COMP_WORDS=(mmfleet status ""); COMP_CWORD=2; _mmfleet; echo "\${COMPREPLY[@]}"`,
      ],
      { encoding: 'utf8' },
    );
    expect(words).toContain('amzn');
    expect(words).toContain('--json');
    for (const shell of ['zsh', 'fish'])
      expect(await w.cliWith({}, 'completion', shell)).toMatchObject({
        code: 0,
        out: expect.stringContaining('reconcile'),
      });
    expect(await w.cliWith({}, 'completion', 'tcsh')).toMatchObject({ code: 3, err: expect.stringContaining('bash') });
  });
});

describe('--json', () => {
  const cases: [string[], string, (item: Record<string, unknown>) => void][] = [
    [['validate'], 'Validation', (i) => expect(i).toMatchObject({ name: 'amzn', valid: true })],
    [
      ['plan'],
      'Plan',
      (i) => {
        expect(Object.keys(i)).toEqual(
          expect.arrayContaining(['name', 'action', 'reason', 'message', 'changes', 'theme', 'trigger']),
        );
        expect(REASONS).toContain(i['reason']);
      },
    ],
    [
      ['status'],
      'Status',
      (i) =>
        expect(i).toMatchObject({
          name: 'amzn',
          market: 'AMZN-USD',
          lifecycle: 'running',
          health: expect.any(String),
          iter: { desired: null, running: null },
          pid: expect.any(Number),
          positionBase: { value: '0' },
          metrics: { markout5sBps: { unavailable: expect.any(String) } },
          dataAgeS: expect.any(Number),
          restarts: 0,
          held: null,
          lastAction: { text: expect.any(String) },
        }),
    ],
    [['why', 'amzn'], 'Why', (i) => expect(i).toMatchObject({ rule: expect.any(String) })],
    [['history', 'amzn'], 'History', () => {}],
    [['reconcile', '--once'], 'Reconcile', (i) => expect(i).toMatchObject({ name: 'amzn', action: 'none' })],
    [
      ['analyse', 'amzn'],
      'JournalReport',
      (i) =>
        expect(i).toMatchObject({
          market: 'AMZN-USD',
          counts: { badLines: 0 },
          metrics: { positionBase: { value: '0' } },
        }),
    ],
  ];
  test.each(cases)('%s', async (command, kind, check) => {
    const end = await w.cli(...command, '--json');
    expect(end.code).toBe(0);
    const document = JSON.parse(end.out) as { items: Record<string, unknown>[] };
    expect(document).toMatchObject({ apiVersion: 'mmfleet/v1', kind, summary: expect.any(Object), problems: [] });
    expect(document).toHaveProperty('fleet');
    expect(Array.isArray(document.items)).toBe(true);
    for (const item of document.items.slice(0, 1)) check(item);
  });

  test('a problem is in the document', async () => {
    renameSync(w.remote, `${w.remote}.away`);
    const end = await w.cli('plan', '--json');
    renameSync(`${w.remote}.away`, w.remote);
    expect(JSON.parse(end.out)).toMatchObject({ problems: [{ code: 'git-remote-away', hint: expect.any(String) }] });
  });
});

test('plan --detailed-exitcode: 0 when nothing is to do, 2 when something is; the plan changes nothing', async () => {
  expect(await w.cli('plan', '--detailed-exitcode')).toMatchObject({ code: 0 });
  const text = readFileSync(join(w.ops, 'fleet/mon.yaml'), 'utf8');
  w.put('fleet/mon.yaml', text.replace('Stopped', 'Running'));
  await w.commit('mon runs');
  const head = await w.git(['rev-parse', 'HEAD']);
  expect(await w.cli('plan', '--detailed-exitcode')).toMatchObject({
    code: 2,
    out: expect.stringMatching(
      /^mon +start +not-running[\s\S]*plan: 1 to converge, 0 to tune, 0 held, 1 unchanged, 0 unknown$/m,
    ),
  });
  expect(await w.cli('reconcile', '--once', '--dry-run')).toMatchObject({ code: 0 });
  expect(await w.git(['rev-parse', 'HEAD'])).toBe(head);
  expect(await w.pidOf('mon')).toBe(null);
  w.put('fleet/mon.yaml', text);
  await w.commit('mon stays down after all');
});

describe('--chat', () => {
  test('a table and an action line, then NO_REPLY', async () => {
    const first = await w.cli('status', '--chat');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^NAME +STATE[\s\S]*\namzn +running[\s\S]*\naction: none, all as declared$/);
    expect(first.out).toContain('markout5sBps=unavailable reason=');
    expect(await w.cli('status', '--chat')).toEqual({ code: 0, out: 'NO_REPLY', err: '' });
  });

  test('where nothing can be remembered of it the answer is given all the same', async () => {
    const last = join(w.ops, '.mmfleet/chat.last');
    rmSync(last);
    mkdirSync(last);
    const end = await w.cli('status', '--chat');
    rmSync(last, { recursive: true });
    expect(end).toMatchObject({ code: 0, err: '' });
    expect(end.out).toMatch(/\naction: none, all as declared$/);
  });

  test('what was done again is said again', async () => {
    const base = readFileSync(join(w.ops, 'fleet/env/amzn/.env.amzn'), 'utf8');
    const said: string[] = [];
    for (const levels of [3, 4]) {
      w.put('fleet/env/amzn/.env.amzn', base.replace('LEVELS=2', `LEVELS=${levels}`));
      await w.commit(`${levels} levels`);
      said.push((await w.cli('reconcile', '--once', '--chat')).out);
    }
    const done = expect.stringMatching(/^action: converge\(amzn\): base -> base, flat, cost 0 USD$/m);
    expect(said).toEqual([done, done]);
  });

  test('what waits is not as declared', async () => {
    expect(await w.cli('suspend', 'mon', '--reason', 'a rest')).toMatchObject({ code: 0 });
    const { out } = await w.cli('status', '--chat');
    expect(await w.cli('resume', 'mon', '--reason', 'on')).toMatchObject({ code: 0 });
    expect(out).toMatch(/\naction: none, .*mon waits \(suspended\)$/);
  });

  test('whatever is wrong: exit 0, nothing on stderr, no raw error', async () => {
    renameSync(w.remote, `${w.remote}.away`);
    for (const command of [['plan'], ['reconcile', '--once']]) {
      const end = await w.cli(...command, '--chat');
      expect(end).toMatchObject({ code: 0, err: '' });
      expect(end.out).not.toContain('fatal');
    }
    renameSync(`${w.remote}.away`, w.remote);
    const fleet = readFileSync(join(w.ops, 'fleet/fleet.yaml'), 'utf8');
    w.put('fleet/fleet.yaml', fleet.replace('kind: Fleet', 'kind: Flee'));
    await w.commit('broken');
    try {
      for (const command of [['plan'], ['status'], ['reconcile', '--once']]) {
        const end = await w.cli(...command, '--chat');
        expect(end).toMatchObject({ code: 0, err: '' });
        expect(end.out).toMatch(/^(NO_REPLY|.*unavailable reason=[\w-]+)$/);
      }
    } finally {
      w.put('fleet/fleet.yaml', fleet);
      await w.commit('mended');
    }
    const nowhere = await w.cliWith({}, '-C', w.dir, 'status', '--chat');
    expect(nowhere).toEqual({ code: 0, out: 'status=unavailable reason=git-not-a-repository', err: '' });
  });
});

test('why of an instance that never ran: no empty table', async () => {
  const { code, out } = await w.cli('why', 'mon');
  expect({ code, lines: out.split('\n') }).toEqual({
    code: 0,
    lines: ['mon: no journal of this config yet', 'plan: nothing to do (state-stopped): state is Stopped'],
  });
});

test('no escape codes unless asked for', async () => {
  const codes = String.fromCharCode(27);
  for (const command of [['status'], ['plan'], ['status', 'amzn'], ['why', 'amzn']]) {
    const plain = await w.cliWith({ NO_COLOR: '' }, '-C', w.ops, ...command);
    expect(plain.out).not.toContain(codes);
  }
  const forced = await w.cliWith({ NO_COLOR: '', FORCE_COLOR: '1' }, '-C', w.ops, 'status');
  expect(forced.out).toContain(codes);
  const refused = await w.cliWith({ NO_COLOR: '1', FORCE_COLOR: '1' }, '-C', w.ops, 'status');
  expect(refused.out).not.toContain(codes);
});

test('logs: the last lines of each instance, prefixed when there are several', async () => {
  writeFileSync(join(w.ops, '.mmfleet/logs/amzn.log'), 'one\ntwo\nthree\n');
  expect(await w.cli('logs', 'amzn', '-n', '2')).toEqual({ code: 0, out: 'two\nthree', err: '' });
  const all = await w.cli('logs', '-n', '1');
  expect(all.out).toContain('amzn | three');
  expect(await w.cli('logs', 'amzn', '-n', 'x')).toMatchObject({ code: 3 });
});

describe('init', () => {
  test('into an empty folder: a valid, empty fleet; a second time changes nothing', async () => {
    const dir = join(w.dir, 'fresh');
    mkdirSync(dir);
    expect(await w.cliWith({}, '-C', dir, 'init')).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(join(dir, '.gitignore'), 'utf8')).toBe('/secrets/\n/data/\n/.mmfleet/\n');
    expect(await w.cliWith({}, '-C', dir, 'validate')).toMatchObject({ code: 0 });
    writeFileSync(join(dir, 'fleet/fleet.yaml'), `${readFileSync(join(dir, 'fleet/fleet.yaml'), 'utf8')}# mine\n`);
    expect(await w.cliWith({}, '-C', dir, 'init')).toMatchObject({ code: 0 });
    expect(readFileSync(join(dir, 'fleet/fleet.yaml'), 'utf8')).toMatch(/# mine\n$/);
  });

  test('into a repository whose branch is called otherwise: that one is declared', async () => {
    const dir = join(w.dir, 'trunk');
    mkdirSync(dir);
    await w.git(['init', '--quiet', '--initial-branch=trunk'], dir);
    expect(await w.cliWith({}, '-C', dir, 'init')).toMatchObject({ code: 0 });
    expect(readFileSync(join(dir, 'fleet/fleet.yaml'), 'utf8')).toContain('branch: trunk,');
  });

  test('--from real env files: secrets split off, specs that validate, nothing overwritten', async () => {
    const dir = join(w.dir, 'imported');
    mkdirSync(dir);
    const env = (market: string) =>
      `# ${market}\nexport MM_MARKET_NAME="${market}"\nMM_API_KEY=imported-secret-77\nMM_STARK_PRIVATE_KEY='0xabc def'\nMM_ENVIRONMENT=testnet # paper\nMM_SPREAD_MULTIPLIER=1.2\n`;
    for (const [name, market] of [
      ['amzn', 'AMZN-USD'],
      ['mon', 'MON-USD'],
    ] as const)
      writeFileSync(join(dir, `.env.${name}`), env(market));
    const made = await w.cliWith({}, '-C', dir, 'init', '--from', '.env.amzn', '.env.mon');
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(made.out).not.toContain('imported-secret-77');
    expect(await w.cliWith({}, '-C', dir, 'validate')).toMatchObject({
      code: 0,
      out: expect.stringContaining('2 instances, 0 errors'),
    });
    expect(readFileSync(join(dir, 'fleet/env/amzn/.env.amzn'), 'utf8')).toBe(
      '# AMZN-USD\nexport MM_MARKET_NAME="AMZN-USD"\nMM_ENVIRONMENT=testnet # paper\nMM_SPREAD_MULTIPLIER=1.2\n',
    );
    expect(statSync(join(dir, 'secrets/amzn.env')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(dir, 'secrets/amzn.env'), 'utf8')).toContain('MM_API_KEY=imported-secret-77\n');
    execFileSync('git', ['add', '-A'], { cwd: dir });
    const staged = execFileSync('git', ['diff', '--cached'], { cwd: dir, encoding: 'utf8' });
    expect(staged).toContain('fleet/amzn.yaml');
    expect(staged).not.toContain('imported-secret-77');
    const again = await w.cliWith({}, '-C', dir, 'init', '--from', '.env.amzn');
    expect(again).toMatchObject({ code: 3, err: expect.stringContaining('fleet/amzn.yaml') });
    expect(existsSync(join(dir, 'secrets/amzn.env'))).toBe(true);
  });
});
