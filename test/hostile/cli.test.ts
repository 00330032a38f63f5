/** The real CLI over a repository whose names, reasons, messages and journals carry escape sequences: its output is text. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CLI } from '../support/fleet-world.ts';
import { FLEET, git } from '../support/repos.ts';

const EVIL = '\u001b]0;pwned\u0007\u001b[2J\u001b[31mok\u009b2J\u202e';
const ACTING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const TUNE = `tune(amzn): iter001 spread-offset ${EVIL}

why ${EVIL}

Mmfleet-Instance: amzn
Mmfleet-Iter: 001
Mmfleet-Parent-Iter: base
Mmfleet-Theme: spread-offset
Mmfleet-Trigger: burst ${EVIL}
Mmfleet-At: 1771200000
Mmfleet-Step: widen x1.5
Mmfleet-Change: MM_SPREAD_MULTIPLIER 1.2 -> 1.8
`;

let dir: string;
const put = (path: string, text: string) => {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
};
const commit = (message: string, ...more: string[]) => {
  git(dir, 'add', '-A');
  git(dir, 'commit', '-q', ...more, '-m', message);
};

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-terminal-'));
  git(dir, 'init', '-q', '-b', 'main');
  put('.gitignore', '/data/\n/.mmfleet/\n');
  put('fleet/fleet.yaml', 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: f }\nspec: {}\n');
  const spec = `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: amzn }
spec:
  market: AMZN-USD
  baseEnv: env/.env.amzn
  runtime: { process: { command: [bot], cwd: .. } }
  venue: { journal: {} }
`;
  put('fleet/amzn.yaml', spec);
  put(
    'fleet/bad.yaml',
    `${spec.replace(/amzn/g, 'bad')}  ${JSON.stringify('x')}: "${EVIL.replaceAll('\u0007', '')}"\n# ${EVIL}\n`,
  );
  put(`fleet/${EVIL.replaceAll('/', '')}.yaml`, `kind: ${JSON.stringify(EVIL)}\n`);
  put(
    'fleet/env/.env.amzn',
    `MM_MARKET_NAME=AMZN-USD\nMM_ENVIRONMENT=testnet\nMM_SPREAD_MULTIPLIER=${EVIL}\n${EVIL}\n`,
  );
  put(
    'fleet/holds.yaml',
    `apiVersion: mmfleet/v1\nkind: Holds\nholds:\n  - { instance: amzn, kind: hold, reason: ${JSON.stringify(EVIL)}, since: 2026-12-01T06:00:00Z }\n`,
  );
  commit(`a person: ${EVIL}`);
  put(
    'fleet/env/.env.amzn.iter001',
    `MM_MARKET_NAME=AMZN-USD\nMM_ENVIRONMENT=testnet\nMM_SPREAD_MULTIPLIER=1.8\n# ${EVIL}\n`,
  );
  commit(TUNE, `--author=${FLEET.name} <${FLEET.email}>`);
  const said = JSON.stringify(EVIL);
  put(
    'data/mm_journal/mm_AMZN-USD_20260216_000000.jsonl',
    `{"ts": 1771200000, "run_id": ${said}, "type": "run_start", "market": ${said}, "environment": ${said}, "config": {}, "provenance": {"env_file": ${said}}}\n` +
      `{"ts": 1771200001, "run_id": ${said}, "type": "error", "market": ${said}, "stack_trace_hash": ${said}}\n` +
      `{"ts": 1771200002, "run_id": ${said}, "type": "run_end", "market": ${said}, "reason": ${said}, "stats": {}}\n`,
  );
  put('.mmfleet/logs/amzn.log', `${EVIL}\nplain\r\n`);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test.each([
  ['validate'],
  ['validate --json'],
  ['plan'],
  ['plan --json'],
  ['plan --chat'],
  ['status'],
  ['status amzn'],
  ['status --json'],
  ['why amzn'],
  ['why amzn --at HEAD'],
  ['history amzn'],
  ['history amzn --json'],
  ['logs amzn'],
  ['analyse data/mm_journal'],
  ['analyse data/mm_journal --json'],
])('%s', async (command) => {
  const { stdout, stderr } = await execa('node', [CLI, '-C', dir, ...command.split(' ')], {
    reject: false,
    env: { NO_COLOR: '1' },
  });
  expect(stdout + stderr).not.toBe('');
  expect(stdout).not.toMatch(ACTING);
  expect(stderr).not.toMatch(ACTING);
  expect(stderr).not.toContain('internal error');
  if (command.endsWith('--json')) expect(JSON.parse(stdout)).toMatchObject({ apiVersion: 'mmfleet/v1' });
});

test('what was hostile is still there to be read', async () => {
  const { stdout } = await execa('node', [CLI, '-C', dir, 'logs', 'amzn'], { env: { NO_COLOR: '1' } });
  expect(stdout).toBe('\\u001b]0;pwned\\u0007\\u001b[2Jok\\u009b2J\\u202e\nplain');
});
