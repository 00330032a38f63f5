/** Secret values through every path of the real CLI: they stand in their source and with the running bot, and nowhere else. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeBug } from '../../src/shell/bug.ts';
import { hide, shown } from '../../src/shell/hidden.ts';
import { type FleetWorld, fleetWorld, THREE } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

const hex = (bytes: number) => randomBytes(bytes).toString('hex');
/** New ones each time: nothing else on this machine can show them. */
const SECRETS: Record<string, string> = {
  MM_API_KEY: hex(16),
  MM_STARK_PRIVATE_KEY: `0x0${hex(31)}`,
  MM_WEB_PASSWORD: `p+${hex(6)}/"q"\\é ß`,
};
const envText = (values: Record<string, string>) =>
  Object.entries(values)
    .map(([key, value]) => `${key}='${value.replaceAll('\\', '\\\\')}'\n`)
    .join('');

/** Each secret in each spelling that a program might write. */
const SPELLINGS = Object.entries(SECRETS).flatMap(([key, value]) => {
  const bytes = Buffer.from(value);
  const texts = [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
  ];
  return [...new Set(texts)].map((text) => ({ key, text: Buffer.from(text) }));
});

/** Names of the secrets that stand in these bytes. */
function leaks(bytes: Buffer | string): string[] {
  const buffer = Buffer.from(bytes);
  return [...new Set(SPELLINGS.filter(({ text }) => buffer.includes(text)).map(({ key }) => key))];
}

let w: FleetWorld;
/** Command lines of any process on this machine that held a secret while something ran. */
const onCommandLines = new Set<string>();
let watching: NodeJS.Timeout;
let looks = 0;

beforeAll(async () => {
  w = await fleetWorld(THREE);
  w.put('secrets/all.env', envText(SECRETS));
  chmodSync(join(w.ops, 'secrets/all.env'), 0o600);
  watching = setInterval(lookAtCommandLines, 15);
}, 60_000);
afterAll(async () => {
  clearInterval(watching);
  await w.end();
});

function lookAtCommandLines(): void {
  looks += 1;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`);
      if (leaks(line).length > 0) onCommandLines.add(line.toString().replaceAll('\0', ' '));
    } catch {
      // It ended meanwhile.
    }
  }
}

/** Every file below a folder. */
function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
  });
}

/** All objects of a repository, decompressed, also those that no commit reaches. */
async function objectsOf(gitDir: string): Promise<Buffer> {
  const args = ['--git-dir', gitDir, 'cat-file', '--batch-all-objects', '--batch'];
  const { stdout } = await execa('git', args, { encoding: 'buffer', maxBuffer: 200_000_000 });
  return Buffer.from(stdout);
}

/** Their source, what the running bot was given, and what the bot itself wrote. */
const isPlaceOfSecrets = (path: string) => /^(secrets\/|data\/|\.mmfleet\/(run|logs)\/)/.test(path);

/** Every place where a secret stands and may not, as text. Empty = none. */
async function leakedPlaces(): Promise<string[]> {
  const files = filesBelow(w.ops).map((path) => relative(w.ops, path));
  const inFiles = files
    .filter((path) => !isPlaceOfSecrets(path) && path !== '.git/config')
    .filter((path) => leaks(readFileSync(join(w.ops, path))).length > 0);
  return [
    ...inFiles,
    ...leaks(await objectsOf(join(w.ops, '.git'))).map((key) => `objects: ${key}`),
    ...leaks(await objectsOf(w.remote)).map((key) => `remote objects: ${key}`),
    ...leaks(w.printed()).map((key) => `printed: ${key}`),
    ...[...onCommandLines].map((line) => `command line: ${line}`),
  ];
}

/** Programs that say all they know, in ways a library or a script might. */
const TELL = 'env; env >&2; printf %s "$MM_API_KEY" | base64; printf %s "$MM_STARK_PRIVATE_KEY" | od -An -tx1 >&2';
const spec = (name: string, market: string, more: string) =>
  `apiVersion: mmfleet/v1\nkind: Instance\nmetadata: { name: ${name} }\nspec:\n  market: ${market}\n  baseEnv: env/${name}/.env.${name}\n${more}`;
const script = (path: string, body: string) => {
  writeFileSync(join(w.dir, path), `#!/bin/sh\n${body}\n`, { mode: 0o700 });
  return JSON.stringify(join(w.dir, path));
};

test('what is looked for is found where it belongs', async () => {
  expect(leaks(readFileSync(join(w.ops, 'secrets/all.env'))).length).toBeGreaterThan(0);
  for (const { text } of SPELLINGS)
    expect(leaks(Buffer.concat([Buffer.from('x'), text, Buffer.from('y')]))).not.toEqual([]);
  expect(leaks('nothing')).toEqual([]);
});

test('a start, every reading command, and a stop', async () => {
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
  const given = filesBelow(join(w.ops, '.mmfleet/run'));
  expect(given).toHaveLength(3);
  for (const path of given) {
    expect(leaks(readFileSync(path))).toContain('MM_STARK_PRIVATE_KEY');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  }
  for (const command of [
    ['validate', '--json'],
    ['plan', '--json'],
    ['status', 'amzn'],
    ['status', '--json'],
    ['why', 'amzn'],
    ['history', 'amzn', '--json'],
    ['analyse', 'amzn', '--json'],
    ['logs'],
    ['restart', 'amzn', '--reason', 'to see', '--json'],
    ['stop', 'pump', '--reason', 'not needed'],
  ])
    expect(await w.cli(...command)).toMatchObject({ code: 0 });
  expect(await leakedPlaces()).toEqual([]);
}, 90_000);

test('a venue whose programs print all they know, and fail, or answer with a secret', async () => {
  const answers = [
    `${TELL}; exit 3`,
    `echo '{"error": "'"$MM_API_KEY"'"}'; echo "$MM_API_KEY" >&2; exit 0`,
    `echo '{"market": "'"$MM_API_KEY"'", "position": "0", "orders": []}'`,
    `echo '{"market": "AMZN-USD", "position": "'"$MM_STARK_PRIVATE_KEY"'", "orders": [{"id": "'"$MM_API_KEY"'"}]}'`,
  ];
  for (const [n, body] of answers.entries()) {
    const call = `[${script(`venue-${n}`, body)}]`;
    const verbs = ['position', 'orders', 'cancel', 'close', 'reference'].map((verb) => `${verb}: ${call}`).join(', ');
    w.put('fleet/amzn.yaml', spec('amzn', 'AMZN-USD', `  venue: { command: { ${verbs} } }\n`));
    await w.commit(`venue ${n}`);
    expect(
      (await w.cliWith({ MMFLEET_DEBUG: '1' }, '-C', w.ops, 'restart', 'amzn', '--reason', 'to see')).code,
    ).not.toBe(0);
  }
  w.put('fleet/amzn.yaml', spec('amzn', 'AMZN-USD', ''));
  await w.commit('venue as before');
  expect(await leakedPlaces()).toEqual([]);
}, 90_000);

test('a bot that prints its secrets: its log is its own and private, and what logs shows of it is not', async () => {
  const bot = JSON.parse(
    /command: (\[.*?puppet-bot\.mjs"\])/.exec(readFileSync(join(w.ops, 'fleet/fleet.yaml'), 'utf8'))![1]!,
  ) as string[];
  const talking = script(
    'talking-bot',
    `${TELL}\nprintf '\\033]0;title\\007\\033[2J'\nexec ${bot.map((part) => `'${part}'`).join(' ')}`,
  );
  w.put('fleet/mon.yaml', spec('mon', 'MON-USD', `  runtime: { process: { command: [${talking}] } }\n`));
  await w.commit('a bot that talks');
  expect(await w.cli('reconcile', 'mon', '--once')).toMatchObject({ code: 0, err: expect.not.stringContaining('bug') });
  const log = join(w.ops, '.mmfleet/logs/mon.log');
  expect(leaks(readFileSync(log))).toContain('MM_API_KEY');
  expect(statSync(log).mode & 0o777).toBe(0o600);
  const shownLog = await w.cli('logs', 'mon');
  expect(shownLog.out).toContain('MM_API_KEY=***');
  expect(shownLog.out).toContain('MM_MARKET_NAME=MON-USD');
  expect(shownLog.out).not.toMatch(/[\u0000-\u0008\u000b-\u001f]/);
  expect(await leakedPlaces()).toEqual([]);
}, 60_000);

test('a bot that ends at once, a program that is not there, a folder that is not there', async () => {
  for (const runtime of [
    `command: [${script('ending-bot', `${TELL}; exit 1`)}]`,
    'command: [no-such-program]',
    'cwd: no/such/folder',
  ]) {
    w.put('fleet/mon.yaml', spec('mon', 'MON-USD', `  runtime: { process: { ${runtime} } }\n`));
    await w.commit(runtime.slice(0, 20));
    // Each start is tried at once: the count of the one before would make it wait.
    rmSync(join(w.ops, '.mmfleet', 'backoff'), { recursive: true, force: true });
    expect((await w.cliWith({ MMFLEET_DEBUG: '1' }, '-C', w.ops, 'reconcile', 'mon', '--once')).code).not.toBe(0);
  }
  for (const command of ['status', 'logs']) await w.cli(command, 'mon');
  w.put('fleet/mon.yaml', spec('mon', 'MON-USD', ''));
  await w.commit('mon as before');
  expect(await leakedPlaces()).toEqual([]);
}, 90_000);

test('sources that fail and tell: a command, a line that is no line, a file that others can read', async () => {
  const tool = script(
    'secret-tool',
    `cat '${join(w.ops, 'secrets/all.env')}'; cat '${join(w.ops, 'secrets/all.env')}' >&2; exit 3`,
  );
  const half = script(
    'half-tool',
    `cat '${join(w.ops, 'secrets/all.env')}'; echo "MM_TOKEN='${SECRETS['MM_API_KEY']}"`,
  );
  w.put('secrets/open.env', envText(SECRETS));
  chmodSync(join(w.ops, 'secrets/open.env'), 0o644);
  w.put('secrets/odd.env', `${envText(SECRETS)}MM_TOKEN="${SECRETS['MM_API_KEY']}\n`);
  chmodSync(join(w.ops, 'secrets/odd.env'), 0o600);
  for (const source of [
    `command: [${tool}]`,
    `command: [${half}]`,
    'envFile: ../secrets/open.env',
    'envFile: ../secrets/odd.env',
  ]) {
    w.put('fleet/pump.yaml', spec('pump', 'PUMP-USD', `  secrets: [{ ${source} }]\n`));
    await w.commit(`source ${source.slice(0, 8)}`);
    expect(
      (await w.cliWith({ MMFLEET_DEBUG: '1' }, '-C', w.ops, 'reconcile', 'pump', '--once', '--json')).code,
    ).not.toBe(0);
  }
  w.put('fleet/pump.yaml', spec('pump', 'PUMP-USD', '  state: Stopped\n'));
  await w.commit('pump as before');
  expect(await leakedPlaces()).toEqual([]);
}, 90_000);

test('values in the wrong place of a spec or an env file are not shown, whoever checks them', async () => {
  const key = SECRETS['MM_API_KEY']!;
  const files = [
    ['fleet/amzn.yaml', spec('amzn', key, '')],
    ['fleet/amzn.yaml', spec('amzn', 'AMZN-USD', `  accont: ${key}\n  host: "${key} ${key}"\n`)],
    ['fleet/amzn.yaml', spec('amzn', 'AMZN-USD', `  runtime: { process: { environment: { MM_API_KEY: ${key} } } }\n`)],
    ['fleet/amzn.yaml', spec('amzn', 'AMZN-USD', `  secrets: [{ envFile: "${key}" }]\n`)],
    ['fleet/amzn.yaml', `${spec('amzn', 'AMZN-USD', '')}  ${key}: "${SECRETS['MM_STARK_PRIVATE_KEY']}`],
    [
      'fleet/env/amzn/.env.amzn',
      `MM_MARKET_NAME=${key}\nMM_API_KEY=${key}\n# MM_STARK_PRIVATE_KEY=${SECRETS['MM_STARK_PRIVATE_KEY']}\nMM_MIN_OFFSET_BPS=${key}\n"${key}`,
    ],
  ] as const;
  for (const [path, text] of files) {
    const before = readFileSync(join(w.ops, path), 'utf8');
    w.put(path, text);
    try {
      expect(await w.cli('validate', ...(path.endsWith('yaml') ? [] : ['--json']))).toMatchObject({ code: 3 });
    } finally {
      w.put(path, before);
    }
    expect(leaks(w.printed())).toEqual([]);
  }
}, 90_000);

test('the gate: a reason that holds a secret reaches neither git nor the answer', async () => {
  clearInterval(watching); // the person's own command line holds it
  const before = await w.remoteLog();
  const { code, err } = await w.cli('stop', 'amzn', '--reason', `rotated ${SECRETS['MM_API_KEY']}`);
  watching = setInterval(lookAtCommandLines, 15);
  expect(code).toBe(7);
  expect(err).toContain('MM_API_KEY');
  expect(await w.remoteLog()).toEqual(before);
  expect(await leakedPlaces()).toEqual([]);
}, 60_000);

test('git that fails and tells: a remote that refuses with a secret, and one whose address holds it', async () => {
  const hook = join(w.remote, 'hooks/pre-receive');
  writeFileSync(
    hook,
    `#!/bin/sh\necho 'refused: ${SECRETS['MM_API_KEY']}'\necho 'refused: ${SECRETS['MM_API_KEY']}' >&2\nexit 1\n`,
    { mode: 0o700 },
  );
  expect(
    (await w.cliWith({ MMFLEET_DEBUG: '1' }, '-C', w.ops, 'stop', 'mon', '--reason', 'refused', '--timeout', '20s'))
      .code,
  ).not.toBe(0);
  writeFileSync(hook, '#!/bin/sh\nexit 0\n', { mode: 0o700 });
  const config = join(w.ops, '.git/config');
  const before = readFileSync(config, 'utf8');
  writeFileSync(config, before.replace(/url = .*/, `url = http://ops:${SECRETS['MM_API_KEY']}@127.0.0.1:1/ops.git`));
  await w.cliWith({ MMFLEET_DEBUG: '1' }, '-C', w.ops, 'reconcile', '--once', '--timeout', '20s');
  await w.cli('status');
  writeFileSync(config, before);
  // git gives the address to its own helper; what mmfleet starts holds no secret.
  for (const line of onCommandLines) if (/git[- ]remote-http/.test(line)) onCommandLines.delete(line);
  expect(await leakedPlaces()).toEqual([]);
}, 90_000);

test('the daemon at its most talkative', async () => {
  const running = execa(
    'node',
    [join(import.meta.dirname, '../../dist/shell/cli.js'), '-C', w.ops, 'reconcile', '--watch'],
    {
      env: { MMFLEET_LOG: 'trace', MMFLEET_DEBUG: '1', NO_COLOR: '1', MM_API_KEY: SECRETS['MM_API_KEY']! },
      reject: false,
      timeout: 60_000,
    },
  );
  let log = '';
  running.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const passes = () => log.split('\n').filter((line) => line.includes('"msg":"pass"')).length;
  await until(() => passes() >= 1, 'the first pass', 30_000);
  w.behave('AMZN-USD', {});
  w.tell('AMZN-USD', 'die');
  await until(() => passes() >= 3, 'passes after the bot died', 30_000);
  running.kill('SIGINT');
  const { stdout, stderr } = await running;
  for (const line of stderr.split('\n').filter((text) => text !== '')) JSON.parse(line);
  expect(leaks(stdout + stderr)).toEqual([]);
  expect(await leakedPlaces()).toEqual([]);
}, 90_000);

test('command lines were looked at all the while', () => {
  expect(looks).toBeGreaterThan(50);
  expect([...onCommandLines]).toEqual([]);
});

test('a secret that a person committed is not spread: no other object, no text, and the instance is blocked', async () => {
  const key = SECRETS['MM_API_KEY']!;
  const path = 'fleet/env/pump/.env.pump';
  w.put(path, `${readFileSync(join(w.ops, path), 'utf8')}MM_API_KEY=${key}\n`);
  await w.git(['add', path]);
  const blob = (await w.git(['rev-parse', `:${path}`])).trim();
  await w.commit('by mistake');
  const result = await w.cli('start', 'pump', '--reason', 'to see');
  expect(result.code).not.toBe(0);
  await w.cli('validate');
  expect(await w.pidOf('pump')).toBeNull();
  const objects = await objectsOf(join(w.ops, '.git'));
  const at = objects.indexOf(blob);
  const content = Number(/ blob (\d+)/.exec(objects.toString('latin1', at, at + 80))![1]);
  const without = Buffer.concat([objects.subarray(0, at), objects.subarray(at + blob.length + content + 10)]);
  expect(leaks(without)).toEqual([]);
  expect(leaks(w.printed())).toEqual([]);
}, 60_000);

test('an error that nobody caught is told without its secrets, also with MMFLEET_DEBUG', () => {
  const values = Object.values(SECRETS);
  hide(values);
  process.env['MMFLEET_DEBUG'] = '1';
  try {
    const text = shown(
      describeBug(new TypeError(`cannot read ${values.join(' ')} ${Buffer.from(values[0]!).toString('base64')}`)),
      false,
    );
    expect(text).toContain('cannot read *** *** *** ***');
    expect(leaks(text)).toEqual([]);
  } finally {
    delete process.env['MMFLEET_DEBUG'];
  }
});
