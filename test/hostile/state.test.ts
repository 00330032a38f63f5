/** Cached state that is damaged, and tracked files that are not what they seem: nothing is decided from them, nothing ends. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NO_RESTARTS } from '../../src/core/flat/backoff.ts';
import { parseSpecs } from '../../src/core/spec/parse.ts';
import { Journals } from '../../src/shell/journals.ts';
import { localState } from '../../src/shell/local-state.ts';
import { openOps } from '../../src/shell/ops.ts';
import { git, OPERATOR } from '../support/repos.ts';

const FLEET = 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: f }\nspec: {}\n';
const SPEC = (name: string, market: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${market}
  baseEnv: env/.env.${name}
  runtime: { process: { command: [bot], cwd: .. } }
  venue: { journal: {} }
`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-state-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the back-off count', () => {
  const GOOD = { restarts: 2, lastStartMs: 1_771_200_000_000, exitedMs: null };
  const state = () => localState({ gitDir: join(dir, '.git'), stateDir: dir });

  test('what was written is read', async () => {
    await state().writeRestarts('amzn', GOOD);
    expect(await state().restarts('amzn')).toEqual(GOOD);
  });

  test.each([
    ['empty', ''],
    ['torn', JSON.stringify(GOOD).slice(0, 20)],
    ['null', 'null'],
    ['a list', '[]'],
    ['a count that is text', JSON.stringify({ ...GOOD, restarts: '2' })],
    ['a count below zero', JSON.stringify({ ...GOOD, restarts: -9 })],
    ['a count past all counts', '{"restarts": 1e308, "lastStartMs": null, "exitedMs": null}'],
    ['a time that is text', JSON.stringify({ ...GOOD, exitedMs: 'soon' })],
    ['a time that is missing', '{"restarts": 2}'],
    ['__proto__', '{"__proto__": {"restarts": 99}}'],
    ['deep', '['.repeat(100_000)],
    ['NUL', '\0'.repeat(100)],
  ])('%s: it starts anew', async (_name, text) => {
    mkdirSync(join(dir, 'backoff'));
    writeFileSync(join(dir, 'backoff', 'amzn.json'), text);
    expect(await state().restarts('amzn')).toEqual(NO_RESTARTS);
  });
});

describe('whether there is anything of an instance', () => {
  const state = () => localState({ gitDir: join(dir, '.git'), stateDir: dir });
  const NONE = { intent: false, hold: false, receipts: false, restarts: false };
  const told = () => ['amzn', 'mon'].map(state().present!());

  test('nothing where there is no folder', () => {
    expect(told()).toEqual([NONE, NONE]);
  });

  test.each([
    ['.git/mmfleet/stops', 'amzn.json', 'intent'],
    ['.git/mmfleet/holds', 'amzn.json', 'hold'],
    ['receipts', 'amzn.jsonl', 'receipts'],
    ['backoff', 'amzn.json', 'restarts'],
  ])('%s/%s, whatever is in it', (folder, file, what) => {
    mkdirSync(join(dir, folder), { recursive: true });
    writeFileSync(join(dir, folder, file), '');
    expect(told()).toEqual([{ ...NONE, [what]: true }, NONE]);
  });

  test('of each, where a folder cannot be listed', () => {
    writeFileSync(join(dir, 'receipts'), '');
    expect(told()).toEqual([
      { ...NONE, receipts: true },
      { ...NONE, receipts: true },
    ]);
  });
});

describe('the journal cache', () => {
  const { instances } = parseSpecs([
    { path: 'fleet/fleet.yaml', text: FLEET },
    { path: 'fleet/amzn.yaml', text: SPEC('amzn', 'AMZN-USD') },
  ]);
  const instance = { name: 'amzn', spec: instances[0]!, env: null };
  const line = (ts: number) =>
    `{"ts": ${ts}, "run_id": "r", "type": "heartbeat", "market": "AMZN-USD", "position": "1.5"}\n`;
  const cache = () => join(dir, '.mmfleet', 'cache', 'amzn.json');
  const look = () => {
    const journals = new Journals(dir, join(dir, '.mmfleet'));
    const view = journals.look(instance);
    void journals.save(); // one file: written before it returns
    return view;
  };

  beforeEach(() => {
    mkdirSync(join(dir, 'data/mm_journal'), { recursive: true });
    writeFileSync(
      join(dir, 'data/mm_journal/mm_AMZN-USD_20260216_000000.jsonl'),
      line(1_771_200_000) + line(1_771_200_030),
    );
    // A bot that writes no more: of one that does, so little is not kept.
    utimesSync(join(dir, 'data/mm_journal/mm_AMZN-USD_20260216_000000.jsonl'), 1_771_200_030, 1_771_200_030);
  });

  const DAMAGE: [string, (text: string) => string][] = [
    ['empty', () => ''],
    ['torn', (text) => text.slice(0, text.length / 2)],
    ['null', () => 'null'],
    ['another position', (text) => text.replace('1.5', '0.0')],
    ['another run', (text) => text.replace('"fills\\":[]', '"fills\\":\\"x\\"')],
    ['an offset behind the end', (text) => text.replace(/"offset":\d+/, '"offset":999999')],
    ['another file', (text) => text.replace(/"piece":"[^"]+"/, '"piece":"/etc/passwd"')],
    ['no digest', (text) => text.slice(text.indexOf('\n') + 1)],
    ['NUL', (text) => '\0'.repeat(text.length)],
  ];
  test.each(DAMAGE)('%s: the journal is read anew, to the same state', (_name, damage) => {
    const fresh = look();
    expect(fresh).toMatchObject({ state: 'ok', run: { position: { base: '1.5' } } });
    const stored = readFileSync(cache(), 'utf8');
    writeFileSync(cache(), damage(stored));
    expect(look()).toEqual(fresh);
    expect(readFileSync(cache(), 'utf8')).toBe(stored);
  });

  test('the cache is private', () => {
    look();
    expect(statSync(cache()).mode & 0o777).toBe(0o600);
  });
});

describe('a repository with links out of it', () => {
  let repo: string;
  beforeAll(() => {
    repo = mkdtempSync(join(tmpdir(), 'mmfleet-links-'));
    git(repo, 'init', '-q', '-b', 'main');
    mkdirSync(join(repo, 'fleet/env'), { recursive: true });
    writeFileSync(join(repo, 'fleet/fleet.yaml'), FLEET);
    writeFileSync(join(repo, 'fleet/amzn.yaml'), SPEC('amzn', 'AMZN-USD'));
    writeFileSync(join(repo, 'fleet/mon.yaml'), SPEC('mon', 'MON-USD'));
    writeFileSync(join(repo, 'fleet/env/.env.mon'), 'MM_MARKET_NAME=MON-USD\nMM_ENVIRONMENT=testnet\n');
    const outside = join(repo, '..', `outside-${process.pid}.yaml`);
    writeFileSync(outside, SPEC('pump', 'PUMP-USD'));
    symlinkSync('/etc/passwd', join(repo, 'fleet/env/.env.amzn'));
    symlinkSync(outside, join(repo, 'fleet/pump.yaml'));
    symlinkSync('/etc', join(repo, 'fleet/etc'));
    git(repo, 'add', '-A');
    git(repo, 'commit', '-q', '-m', `links, by ${OPERATOR.name}`);
  });
  afterAll(() => {
    rmSync(repo, { recursive: true, force: true });
    rmSync(join(repo, '..', `outside-${process.pid}.yaml`), { force: true });
  });

  test.each(['HEAD', 'the work tree'])(
    '%s: a linked base env and a linked spec are problems; the others are read',
    async (where) => {
      const ops = await openOps(repo);
      if (!ops.ok) throw new Error(ops.problem.message);
      const read =
        where === 'HEAD'
          ? await ops.value.desiredAt(git(repo, 'rev-parse', 'HEAD'))
          : await ops.value.desiredInWorktree();
      if (!read.ok) throw new Error(read.problem.message);
      const { instances, problems, files } = read.value;
      expect(instances.find((i) => i.name === 'mon')?.problems).toEqual([]);
      expect(instances.find((i) => i.name === 'amzn')?.problems.map((p) => p.code)).toContain('env-missing');
      expect(problems).toContainEqual(expect.objectContaining({ code: 'spec-link', file: 'fleet/pump.yaml' }));
      expect(instances.find((i) => i.name === 'pump')).toMatchObject({ spec: null });
      expect(JSON.stringify([...files.values()])).not.toContain('root:');
      expect(JSON.stringify(problems)).not.toContain('root:');
    },
  );

  test('a holds file that is a link blocks every instance: behind it no hold would be left', async () => {
    const holds = join(repo, 'fleet/holds.yaml');
    symlinkSync('/dev/null', holds);
    git(repo, 'add', '-A');
    git(repo, 'commit', '-q', '-m', 'linked holds');
    const ops = await openOps(repo);
    if (!ops.ok) throw new Error(ops.problem.message);
    const read = await ops.value.desiredAt(git(repo, 'rev-parse', 'HEAD'));
    if (!read.ok) throw new Error(read.problem.message);
    for (const { problems } of read.value.instances) expect(problems.map((p) => p.code)).toContain('holds-invalid');
  });
});
