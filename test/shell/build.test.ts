/** What the build writes down says the same as the source it was made from. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test, vi } from 'vitest';
import { type SchemaName, validatorOf } from '../../src/core/spec/validators.ts';
import { compile } from '../../src/shell/compiled.ts';
import { helpTexts } from '../../src/shell/program.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const ROOT = join(import.meta.dirname, '../..');
const CLI = join(ROOT, 'dist/shell/cli.js');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

const cli = (...args: string[]) => execFileSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });

test('the help that is printed is the help of the commands as they are', () => {
  const { '': whole, ...commands } = helpTexts(version);
  for (const args of [['--help'], ['-h'], ['help']]) expect(cli(...args)).toBe(whole);
  expect(Object.keys(commands)).toContain('status');
  // `help` itself is one of the library's own and has no command of ours behind it.
  for (const [name, text] of Object.entries(commands)) expect(cli(name, '--help'), name).toBe(text);
  for (const args of [
    ['help', 'status'],
    ['status', '-h'],
    ['-C', '.', 'status', '--help'],
  ])
    expect(cli(...args)).toBe(commands['status']);
});

test('the version is that of the package', () => {
  for (const word of ['--version', '-V', 'version']) expect(cli(word)).toBe(`mmfleet ${version}\n`);
});

test('what remembers is built in once, whichever file it is loaded from: what one hides the other does not print', () => {
  const lib = join(ROOT, 'dist/lib');
  const files = readdirSync(lib).map((name) => readFileSync(join(lib, name), 'utf8'));
  for (const known of ['hide', 'openTrees', 'runStatus', 'openOps'])
    expect(files.filter((text) => new RegExp(`^(async )?function ${known}\\d*\\(`, 'm').test(text)).length, known).toBe(
      1,
    );
});

// In this order: the first two are loaded by a V8 that was told nothing, then one of them tells it how soon code is optimised.
test.each(['shell/plain-analyse.js', 'lib/looking.script.js', 'lib/reading.script.js'])(
  'the code that is kept beside %s is taken by the Node it was built with; any other is compiled anew',
  (name) => {
    const script = join(ROOT, 'dist', name);
    const code = readFileSync(`${script}.code`);
    if (name.startsWith('lib/reading')) createRequire(script)('./looking.cjs');
    const { exports, refused } = compile(script, code);
    expect(refused).toBe(false);
    const dir = mkdtempSync(join(tmpdir(), 'mmfleet-build-'));
    // What one script needs of the other.
    writeFileSync(
      join(dir, 'looking.cjs'),
      `module.exports = require(${JSON.stringify(join(ROOT, 'dist/lib/looking.cjs'))});`,
    );
    const copy = (n: number) => join(dir, `${n}.js`);
    const others = [undefined, code.subarray(0, code.length >> 1), Buffer.concat([Buffer.alloc(4), code.subarray(4)])];
    for (const [n, other] of others.entries()) {
      copyFileSync(script, copy(n));
      const anew = compile(copy(n), other);
      expect(anew.refused).toBe(other !== undefined);
      expect(Object.keys(anew.exports)).toEqual(Object.keys(exports));
    }
    rmSync(dir, { recursive: true });
  },
);

type Built = { validatorOf: typeof validatorOf };

test('the validators that are built in find what the schemas say, in the same words and with the same defaults', async () => {
  const built = (await import(pathToFileURL(join(ROOT, 'dist/lib/validators.js')).href)) as Built;
  const judged = (by: Built, name: SchemaName, data: unknown) => {
    const value = structuredClone(data);
    const validate = by.validatorOf(name);
    const valid = validate(value);
    return { valid, value, errors: validate.errors ?? [] };
  };
  let refused = 0;
  for (const [name, data] of DOCUMENTS) {
    const found = judged(built, name, data);
    expect(found).toEqual(judged({ validatorOf }, name, data));
    refused += found.errors.length;
  }
  expect(refused).toBeGreaterThan(DOCUMENTS.length);
});

const instance = (spec: object, name: unknown = 'amzn') => ({
  apiVersion: 'mmfleet/v1',
  kind: 'Instance',
  metadata: { name },
  spec: {
    market: 'AMZN-USD',
    baseEnv: 'env/.env.amzn',
    runtime: { process: { command: ['bot'], cwd: '..' } },
    venue: { sim: {} },
    ...spec,
  },
});
const fleet = (spec: object) => ({
  apiVersion: 'mmfleet/v1',
  kind: 'Fleet',
  metadata: { name: 'equities' },
  spec,
});

const DOCUMENTS: [SchemaName, unknown][] = [
  ['instance', instance({})],
  ['instance', instance({ market: '', statee: 'Running' }, 'Ärger')],
  ['instance', instance({ runtime: {}, venue: { sim: {}, journal: {} } })],
  ['instance', instance({ health: { limits: { dataAge: { max: 5 }, markout5sBps: { min: 'low' } } } })],
  ['instance', instance({ secrets: [{ envFile: 7 }, { command: [] }, {}], state: 'running', autonomy: 'Apply' })],
  ['instance', instance({ venue: { ccxt: { exchange: '' }, settle: 'soon', dust: { maxNotionalUsd: -1 } } })],
  ['instance', instance({ tuning: { themes: 'all', bounds: { MM_SPREAD_MULTIPLIER: [3] }, cooldown: '-1s' } })],
  ['instance', instance({ runtime: { process: { command: 'bot', environment: { 'lower case': '1' } } } })],
  ['instance', { kind: 'Instance' }],
  ['instance', null],
  ['fleet', fleet({})],
  ['fleet', fleet({ interval: 5, git: { push: 'yes', verify: {} }, guards: { marketWideShare: 2 } })],
  ['fleet', fleet({ defaults: { spec: 1, health: { window: [] } }, notify: {} })],
  ['fleet', []],
  ['holds', { apiVersion: 'mmfleet/v1', kind: 'Holds', holds: [{ instance: 'a', kind: 'hold' }] }],
  ['holds', { apiVersion: 'mmfleet/v2', holds: {} }],
];
