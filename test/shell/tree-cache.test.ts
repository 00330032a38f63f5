/** A tree that is known in part, or wholly, says what it says when it is read anew. */
import { existsSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { readTree } from '../../src/adapters/git-read.ts';
import type { Desired } from '../../src/shell/desired.ts';
import { readDesired } from '../../src/shell/read-desired.ts';
import { openTrees } from '../../src/shell/trees.ts';
import { AMZN, FLEET, MON } from '../core/spec/support.ts';
import { type Clone, scratchWorld, type World } from '../support/repos.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let world: World;
let clone: Clone;
let state: string;
const BUILD = 'build-1';
const SECRET = 'sk-live-0123456789';

beforeAll(async () => {
  world = await scratchWorld();
});
afterAll(() => world.remove());

let clones = 0;
beforeEach(async () => {
  clones += 1;
  clone = await world.clone(`ops${clones}`);
  state = join(clone.dir, '.mmfleet');
  clone.git('rm', '-q', 'fleet/amzn.yaml');
  commit({ 'fleet/fleet.yaml': FLEET, 'fleet/amzn.yaml': AMZN, 'fleet/mon.yaml': MON, ...envs });
});

const envs = {
  'fleet/env/amzn/.env.amzn': 'MM_MARKET_NAME=AMZN-USD\nMM_SPREAD_MULTIPLIER=1.2  # distance\n',
  'fleet/env/mon/.env.mon': 'MM_MARKET_NAME=MON-USD\n',
};

function commit(files: Record<string, string | null>): string {
  for (const [path, text] of Object.entries(files)) {
    if (text === null) clone.git('rm', '-q', path);
    else clone.write(path, text);
  }
  clone.git('add', '-A');
  clone.git('commit', '-q', '--allow-empty', '-m', 'change');
  return clone.git('rev-parse', 'HEAD');
}

const cachePath = () => join(state, 'cache', 'fleet.tree.json');
const laterPath = () => join(state, 'cache', 'fleet.later.json');
const kept = () => [cachePath(), laterPath()].filter((path) => existsSync(path));
const open = (whole = false) => openTrees(clone.repo, state, { whole, build: BUILD });

/** What a desired state says, with every text of it. */
const told = ({ revision, fleet, fleetBlob, instances, holds, problems, files }: Desired) => ({
  revision,
  fleet,
  fleetBlob,
  // Texts are getters: written out.
  instances: instances.map((i) => ({ ...i, env: i.env === null ? null : { ...i.env } })),
  holds,
  problems,
  files: [...files.values()]
    .filter((f) => f.path.startsWith('fleet/'))
    .map(({ path, blob, text }) => [path, blob, text]),
});

async function anew(revision: string): Promise<Desired> {
  const tree = await readTree(clone.repo, revision, '');
  if (!tree.ok) throw new Error(tree.problem.message);
  return readDesired(
    tree.value.map((f) => ({ ...f, link: f.mode === '120000' })),
    revision,
  );
}

async function at(revision: string, whole = false): Promise<Desired> {
  const trees = open(whole);
  const read = await trees.at(revision);
  if (!read.ok) throw new Error(read.problem.message);
  trees.keep(read.value);
  return read.value;
}

const HELD = `apiVersion: mmfleet/v1\nkind: Holds\nholds:\n  - { instance: amzn, kind: hold, reason: "flat unproven", since: 2026-11-01T00:00:00Z }\n`;

/** Every change on top of the ones before; each is met with what the revision before it left in the cache. */
const CHANGES: [string, Record<string, string | null>][] = [
  ['nothing', {}],
  ['one spec', { 'fleet/amzn.yaml': `${AMZN}  state: Stopped\n` }],
  ['one env', { 'fleet/env/mon/.env.mon': 'MM_MARKET_NAME=MON-USD\nMM_NUM_PRICE_LEVELS=3\n' }],
  ['an iteration', { 'fleet/env/mon/.env.mon.iter001': 'MM_MARKET_NAME=MON-USD\nMM_NUM_PRICE_LEVELS=2\n' }],
  ['the next one', { 'fleet/env/mon/.env.mon.iter002': 'MM_MARKET_NAME=MON-USD\nMM_NUM_PRICE_LEVELS=1\n' }],
  ['one taken back', { 'fleet/env/mon/.env.mon.iter002': null }],
  ['defaults for all', { 'fleet/fleet.yaml': `${FLEET}spec: { defaults: { autonomy: observe } }\n` }],
  ['defaults that break all', { 'fleet/fleet.yaml': `${FLEET}spec: { defaults: { autonomi: observe } }\n` }],
  ['defaults mended', { 'fleet/fleet.yaml': `${FLEET}spec: { defaults: { autonomy: propose } }\n` }],
  ['a warning: a host for one of them', { 'fleet/amzn.yaml': `${AMZN}  host: trader-1\n` }],
  ['a mistake', { 'fleet/amzn.yaml': `${AMZN}  statee: Stopped\n` }],
  ['the same twice', { 'fleet/amzn.yaml': AMZN, 'fleet/more.yaml': AMZN }],
  ['two in a file', { 'fleet/more.yaml': null, 'fleet/mon.yaml': null, 'fleet/amzn.yaml': `${AMZN}---\n${MON}` }],
  ['a base env that is not there', { 'fleet/amzn.yaml': AMZN.replace('.env.amzn', '.env.amnz') }],
  ['a market that does not fit', { 'fleet/amzn.yaml': AMZN.replace('market: AMZN-USD', 'market: AMZN-EUR') }],
  ['holds', { 'fleet/amzn.yaml': AMZN, 'fleet/holds.yaml': HELD }],
  ['holds that cannot be read', { 'fleet/holds.yaml': 'kind: Hold\n' }],
  ['a receipt', { 'fleet/holds.yaml': null, 'fleet/receipts/amzn.jsonl': '{"runId":"r1"}\n' }],
  ['a value of a secret key', { 'fleet/env/amzn/.env.amzn': `MM_MARKET_NAME=AMZN-USD\nMM_API_KEY=${SECRET}\n` }],
  [
    'the fleet and an instance in one file',
    {
      'fleet/env/amzn/.env.amzn': envs['fleet/env/amzn/.env.amzn'],
      'fleet/fleet.yaml': `${FLEET}---\n${AMZN}`,
      'fleet/amzn.yaml': null,
    },
  ],
  ['no fleet', { 'fleet/fleet.yaml': null }],
];

test('after every change the state is that of the tree, and so it is the next time', async () => {
  for (const [what, files] of CHANGES) {
    const revision = commit(files);
    const want = told(await anew(revision));
    expect(told(await at(revision)), what).toEqual(want);
    expect(told(await at(revision)), `${what}, seen before`).toEqual(want);
    expect(told(await at(revision, true)), `${what}, all texts at once`).toEqual(want);
    const inside = kept().map((path) => readFileSync(path, 'utf8'));
    expect(inside.at(-1), what).toContain(revision);
    expect(inside.join()).not.toContain(SECRET);
    for (const path of kept()) expect(statSync(path).mode & 0o777).toBe(0o600);
  }
});

test('a daemon that met every tree before says of each what is read anew, also where no spec has changed', async () => {
  const trees = open(true);
  const [name, link] = ['a link in place of the fleet', 'fleet/fleet.yaml'];
  const linked = () => {
    clone.write('fleet.yaml', FLEET);
    rmSync(join(clone.dir, link), { force: true });
    symlinkSync('../fleet.yaml', join(clone.dir, link));
  };
  const all: typeof CHANGES = [...CHANGES, [name, {}], ['mended', {}]];
  for (const [n, [what, files]] of all.entries()) {
    if (what === name) linked();
    if (what === 'mended') {
      rmSync(join(clone.dir, link));
      clone.write(link, FLEET);
    }
    const changed = commit(files);
    const beside = commit({ 'fleet/receipts/mon.jsonl': `{"n":${n}}\n` });
    for (const revision of [changed, beside]) {
      const read = await trees.at(revision);
      expect(read.ok && told(read.value), what).toEqual(told(await anew(revision)));
    }
  }
});

test('of fifty revisions each text is what git says, packed and dropped ones too', async () => {
  const trees = open(true);
  const revisions: string[] = [];
  const base = envs['fleet/env/amzn/.env.amzn'];
  let receipts = '';
  for (let n = 1; n <= 50; n += 1) {
    receipts += `{"not a receipt": "äöü ${n}"}\n`;
    const iter = `fleet/env/amzn/.env.amzn.iter${String(n).padStart(3, '0')}`;
    revisions.push(commit({ [iter]: `# ${n} \u{1F680}\n${base}MM_N=${n}\n`, 'fleet/receipts/amzn.jsonl': receipts }));
    if (n % 20 === 0) revisions.push(commit({ 'fleet/env/amzn/.env.amzn': `${base}# ${n}\n`, [iter]: null }));
    await trees.at(revisions.at(-1)!);
  }
  // An older one again: of what it alone holds some was dropped.
  for (const revision of [revisions.at(-1)!, revisions[20]!, revisions[45]!, revisions[2]!]) {
    const read = await trees.at(revision);
    expect(read.ok && told(read.value)).toEqual(told(await anew(revision)));
  }
});

test('places are told as exactly as ever', async () => {
  const amzn = AMZN.replace('  venue:', '  secrets: [{ envFile: ../secrets/amzn.env }]\n  venue:');
  await at(commit({ 'fleet/amzn.yaml': amzn }));
  // From here on the spec is known: its text is only read again for this place.
  const revision = commit({ 'secrets/amzn.env': 'MM_API_KEY=\n' });
  const read = await at(revision);
  expect(read.problems).toMatchObject([{ code: 'secrets-tracked', file: 'fleet/amzn.yaml', line: 9, column: 15 }]);
  expect(read.problems).toEqual((await anew(revision)).problems);
  // Of a fleet that is known as well the place is found in what it says for all.
  const trees = open();
  const tracked = 'fleet/receipts/amzn.jsonl';
  const defaults = `${FLEET}spec: { defaults: { secrets: [{ envFile: ../${tracked} }] } }\n`;
  await trees.at(commit({ 'fleet/amzn.yaml': AMZN, 'secrets/amzn.env': null, 'fleet/fleet.yaml': defaults }));
  const known = await trees.at(commit({ [tracked]: '' }));
  expect(known.ok && known.value.problems[0]).toMatchObject({
    code: 'secrets-tracked',
    file: 'fleet/fleet.yaml',
    line: 4,
  });
  const other = commit({ 'fleet/amzn.yaml': AMZN, 'fleet/mon.yaml': MON.replace('env/mon/', 'env/') });
  expect((await at(other)).problems).toEqual((await anew(other)).problems);
});

test('a link in place of a file that was known is not followed', async () => {
  await at(commit({}));
  rmSync(join(clone.dir, 'fleet/mon.yaml'));
  symlinkSync('amzn.yaml', join(clone.dir, 'fleet/mon.yaml'));
  const revision = commit({});
  expect(told(await at(revision))).toEqual(told(await anew(revision)));
  expect(told(await at(revision))).toEqual(told(await anew(revision)));
});

test('a damaged cache, one of another build and one that is gone only cost reading anew', async () => {
  const revision = commit({});
  const want = told(await at(revision));
  const good = readFileSync(cachePath(), 'utf8');
  const damaged = [good.replace('AMZN-USD', 'PUMP-USD'), good.slice(0, -9), '', good.slice(good.indexOf('\n') + 1)];
  for (const text of damaged) {
    writeFileSync(cachePath(), text);
    expect(told(await at(revision))).toEqual(want);
  }
  writeFileSync(cachePath(), good);
  const other = openTrees(clone.repo, state, { whole: false, build: 'build-2' });
  const read = await other.at(revision);
  if (!read.ok) throw new Error('not read');
  expect(told(read.value)).toEqual(want);
  other.keep(read.value);
  expect(readFileSync(cachePath(), 'utf8')).not.toBe(good);
  rmSync(state, { recursive: true });
  expect(told(await at(revision))).toEqual(want);
  expect(existsSync(cachePath())).toBe(true);
});

test('of a few changes only they are written, and each time on top of the same whole', async () => {
  await at(commit({}));
  const whole = readFileSync(cachePath(), 'utf8');
  for (const [what, files] of CHANGES.slice(1, 6)) {
    const revision = commit(files);
    const want = told(await at(revision));
    expect(readFileSync(cachePath(), 'utf8'), what).toBe(whole);
    expect(readFileSync(laterPath(), 'utf8').length, what).toBeLessThan(whole.length);
    expect(told(await at(revision)), what).toEqual(want);
  }
});

test('many changes are written as a whole; what was written on top of another one is not believed', async () => {
  await at(commit({}));
  const first = readFileSync(cachePath(), 'utf8');
  await at(commit({ 'fleet/amzn.yaml': `${AMZN}  state: Stopped\n` }));
  const stale = readFileSync(laterPath(), 'utf8');
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`notes/${n}.txt`, `${n}\n`]));
  const revision = commit({ ...many, 'fleet/amzn.yaml': AMZN });
  const want = told(await anew(revision));
  expect(told(await at(revision))).toEqual(want);
  expect(readFileSync(cachePath(), 'utf8')).not.toBe(first);
  expect(existsSync(laterPath())).toBe(false);
  writeFileSync(laterPath(), stale);
  expect(told(await at(revision))).toEqual(want);
});

test('damaged changes only cost reading anew what they said', async () => {
  await at(commit({}));
  const revision = commit({ 'fleet/amzn.yaml': `${AMZN}  state: Stopped\n` });
  const want = told(await at(revision));
  const good = readFileSync(laterPath(), 'utf8');
  for (const text of [good.replace('Stopped', 'Running'), good.slice(0, -9), '', good.slice(good.indexOf('\n') + 1)]) {
    writeFileSync(laterPath(), text);
    expect(told(await at(revision))).toEqual(want);
  }
});

test('from one commit to the next only what changed is listed: the same files in the order of git, whatever became of them', async () => {
  const STEPS: [string, Record<string, string | null>][] = [
    [
      'names around a slash',
      { 'fleet/env-a': 'A=1\n', 'fleet/env.b': 'B=1\n', 'fleet/env0': 'C=1\n', 'a/b': '', 'a-b': '' },
    ],
    ['one changed, one gone', { 'fleet/env-a': 'A=2\n', 'fleet/env0': null }],
    ['a file becomes a folder', { 'fleet/env.b': null, 'fleet/env.b/c': 'D=1\n', 'a.b': '' }],
    ['letters of other scripts', { 'fleet/notes/ärger': '1', 'fleet/notes/\u{1F600}': '2', 'fleet/notes/\uFF5E': '3' }],
    ['among them a plain one', { 'fleet/notes/plain': '4', 'fleet/notes/ärger': null }],
    ['nothing', {}],
  ];
  const daemon = open();
  expect((await daemon.at(clone.git('rev-parse', 'HEAD'))).ok).toBe(true);
  for (const [what, files] of STEPS) {
    const before = open();
    await before.at(clone.git('rev-parse', 'HEAD')).then((read) => read.ok && before.keep(read.value));
    const revision = commit(files);
    const all = await readTree(clone.repo, revision, '');
    if (!all.ok) throw new Error(all.problem.message);
    const want = all.value.filter(({ mode }) => mode !== '120000').map(({ path, blob }) => [path, blob]);
    for (const trees of [daemon, open()]) {
      const read = await trees.at(revision);
      if (!read.ok) throw new Error(read.problem.message);
      expect(
        [...read.value.files.values()].map(({ path, blob }) => [path, blob]),
        what,
      ).toEqual(want);
    }
  }
  symlinkSync('env-a', join(clone.dir, 'fleet/env-link'));
  const linked = await daemon.at(commit({ 'fleet/holds.yaml': '' }));
  expect(linked.ok && linked.value.files.has('fleet/env-link')).toBe(false);
  // A revision that is there no more: all is listed.
  clone.git('update-ref', 'refs/heads/main', clone.git('commit-tree', '-m', 'anew', 'HEAD^{tree}'));
  const anew = await open().at(clone.git('rev-parse', 'HEAD'));
  expect(anew.ok && linked.ok && [...anew.value.files.keys()]).toEqual(linked.ok && [...linked.value.files.keys()]);
});
