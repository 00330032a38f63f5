// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text is a program of its own
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSecretNames, readSecrets } from '../../src/adapters/secrets.ts';

const SECRET = 'sEcReT-0123456789';
let root: string;

beforeAll(() => {
  root = join(mkdtempSync(join(tmpdir(), 'mmfleet-secrets-')), 'ops');
  mkdirSync(join(root, 'secrets'), { recursive: true });
});
afterAll(() => rmSync(dirname(root), { recursive: true, force: true }));

function put(path: string, text: string, mode = 0o600): string {
  writeFileSync(join(root, path), text, { mode });
  chmodSync(join(root, path), mode);
  return path;
}
const envFile = (path: string) => readSecrets([{ kind: 'envFile', path }], root);
const command = (...argv: string[]) => readSecrets([{ kind: 'command', command: argv }], root);
const script = (text: string) => command(process.execPath, '-e', text);

describe('a file of secrets', () => {
  test('is read as the bot reads env files; later sources win', async () => {
    put('secrets/a.env', `# keys\nMM_API_KEY="${SECRET}"\nOTHER=x # c\n`);
    put('secrets/b.env', 'OTHER=y\n');
    const sources = ['secrets/a.env', 'secrets/b.env'].map((path) => ({ kind: 'envFile' as const, path }));
    expect(await readSecrets(sources, root)).toEqual({ ok: true, value: { MM_API_KEY: SECRET, OTHER: 'y' } });
  });

  test.each([0o640, 0o604, 0o620])('is refused with mode %o', async (mode) => {
    put('secrets/open.env', `K=${SECRET}`, mode);
    const read = await envFile('secrets/open.env');
    expect(read).toMatchObject({
      ok: false,
      problem: { code: 'secrets-open-to-others', hint: 'chmod 600 secrets/open.env', file: 'secrets/open.env' },
    });
    expect(JSON.stringify(read)).not.toContain(SECRET);
  });

  test('is refused when missing, a folder, or a link that leads out', async () => {
    put('../elsewhere.env', `K=${SECRET}`);
    symlinkSync('../../elsewhere.env', join(root, 'secrets/link.env'));
    expect(await envFile('secrets/none.env')).toMatchObject({
      ok: false,
      problem: { code: 'secrets-missing', hint: expect.stringContaining('chmod 600') },
    });
    expect(await envFile('secrets')).toMatchObject({ ok: false, problem: { code: 'secrets-not-a-file' } });
    expect(await envFile('secrets/link.env')).toMatchObject({ ok: false, problem: { code: 'secrets-symlink' } });
    expect(await envFile('../elsewhere.env')).toEqual({ ok: true, value: { K: SECRET } });
  });

  test('with a line that does not parse is refused without showing it', async () => {
    put('secrets/bad.env', `A=1\nK="${SECRET}\n`);
    const read = await envFile('secrets/bad.env');
    expect(read).toMatchObject({ ok: false, problem: { code: 'secrets-bad-line', line: 2 } });
    expect(JSON.stringify(read)).not.toContain(SECRET);
  });
});

describe('a command that prints secrets', () => {
  test('gets its arguments as they are, without a shell', async () => {
    const read = await command(process.execPath, '-e', 'console.log(`K="${process.argv[1]}"`)', '$HOME; echo x');
    expect(read).toEqual({ ok: true, value: { K: '$HOME; echo x' } });
  });

  test('that fails is told without its output', async () => {
    const read = await script(`console.log("K=${SECRET}"); console.error("${SECRET}"); process.exit(3)`);
    expect(read).toMatchObject({
      ok: false,
      problem: { code: 'secrets-command', message: expect.stringContaining('exited with 3') },
    });
    expect(JSON.stringify(read)).not.toContain(SECRET);
  });

  test('that does not exist, dies, or prints something else', async () => {
    expect(await command('no-such-program-here')).toMatchObject({ ok: false, problem: { code: 'secrets-command' } });
    expect(await script('process.kill(process.pid, "SIGKILL")')).toMatchObject({
      ok: false,
      problem: { code: 'secrets-command' },
    });
    const read = await script(`console.log("the key is ${SECRET}")`);
    expect(read).toMatchObject({ ok: false, problem: { code: 'secrets-bad-line' } });
    expect(JSON.stringify(read)).not.toContain(SECRET);
    const refers = await script(`console.log("MM_API_KEY=a\${${SECRET}}")`);
    expect(refers).toMatchObject({ problem: { message: expect.stringContaining('refers to another name') } });
    expect(JSON.stringify(refers)).not.toContain(SECRET);
  });
});

test('names from the own environment', async () => {
  process.env['MMFLEET_TEST_SECRET'] = SECRET;
  const read = (names: string[]) => readSecrets([{ kind: 'fromEnv', names }], root);
  expect(await read(['MMFLEET_TEST_SECRET'])).toEqual({ ok: true, value: { MMFLEET_TEST_SECRET: SECRET } });
  delete process.env['MMFLEET_TEST_SECRET'];
  expect(await read(['MMFLEET_TEST_SECRET'])).toMatchObject({ ok: false, problem: { code: 'secrets-from-env' } });
});

describe('the names alone', () => {
  test('come without running a command or needing the environment', () => {
    const path = put('secrets/names.env', `Z=1\nMM_API_KEY=${SECRET}\n`);
    const marker = join(root, 'ran');
    const names = readSecretNames(
      [
        { kind: 'envFile', path },
        { kind: 'command', command: ['touch', marker] },
        { kind: 'fromEnv', names: ['NOT_SET_HERE'] },
      ],
      root,
    );
    expect(names).toEqual({ ok: true, names: ['MM_API_KEY', 'NOT_SET_HERE', 'Z', `command:touch ${marker}`] });
    expect(existsSync(marker)).toBe(false);
  });

  test('are refused with the file they come from', () => {
    const path = put('secrets/loose.env', 'A=1', 0o644);
    expect(readSecretNames([{ kind: 'envFile', path }], root)).toMatchObject({
      ok: false,
      problem: { code: 'secrets-open-to-others' },
    });
  });
});
