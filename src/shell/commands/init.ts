/** `init`: the layout of an operations repository; `init --from`: an import of existing env files. Overwrites nothing. */
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { execa } from 'execa';
import { textOf } from '../../adapters/text-files.ts';
import { isSecretKey } from '../../core/env/keys.ts';
import { parseEnv } from '../../core/env/read.ts';
import { secretInComment } from '../../core/env/validate.ts';
import { removeKeys } from '../../core/env/write.ts';
import { formatProblem, type Problem } from '../../core/problem.ts';
import { findSecrets } from '../../core/trail/secret-gate.ts';
import { EXIT } from '../exit.ts';
import { readDesired } from '../read-desired.ts';
import { usage } from './common.ts';
import type { CommonOptions } from './options.ts';

type NewFile = { path: string; text: string; mode?: number };
type Import = { files: NewFile[]; notes: string[]; problems: Problem[] };

const IGNORES = ['/secrets/', '/data/', '/.mmfleet/'];

/** Writes what is missing and says what to check. Exit 3 when an env file cannot be imported; then nothing is written. */
export async function runInit(options: CommonOptions): Promise<number> {
  const { io } = options;
  const root = resolve(options.C);
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() === false)
    return usage(io, `${options.C}: a file, want a folder for the operations repository`);
  const imported = importAll(root, options.from ?? []);
  for (const problem of imported.problems) io.err(`${formatProblem(problem)}\n`);
  if (imported.problems.some((p) => p.severity !== 'warning')) return EXIT.usage;
  // The originals still hold secrets: a later `git add -A` must not take them along.
  const originals = (options.from ?? [])
    .map((path) => relative(root, resolve(root, path)))
    .filter((path) => !path.startsWith('..'));
  const isNew = !existsSync(join(root, '.git'));
  const branch = isNew ? null : await branchOf(root);
  const files = [
    fleetFile(root, branch ?? 'main'),
    gitignore(
      root,
      originals.map((path) => `/${path}`),
    ),
    ...imported.files,
  ].filter((f) => f !== null);
  const taken = files.filter((f) => existsSync(join(root, f.path)) && f.path !== '.gitignore');
  if (taken.length > 0 && (options.from ?? []).length > 0) {
    return usage(
      io,
      `not overwritten: ${taken.map((f) => f.path).join(', ')} exist already; move them away or import the others`,
    );
  }
  mkdirSync(root, { recursive: true });
  if (isNew) {
    await execa('git', ['init', '--quiet', '--initial-branch=main'], { cwd: root });
    io.out('created  .git (branch main)\n');
  }
  for (const file of files) {
    if (taken.includes(file)) continue;
    const path = join(root, file.path);
    mkdirSync(dirname(path), { recursive: true, ...(file.mode === 0o600 ? { mode: 0o700 } : {}) });
    writeFileSync(path, file.text, { mode: file.mode ?? 0o644 });
    if (file.mode !== undefined) chmodSync(path, file.mode);
    io.out(`wrote    ${file.path}${file.mode === 0o600 ? ' (mode 0600, ignored by git)' : ''}\n`);
  }
  for (const path of await unignored(root, files))
    io.out(`wrote    .gitignore: ${path} and its iterations are tracked\n`);
  for (const note of imported.notes) io.out(`check    ${note}\n`);
  io.out('next     mmfleet validate, then commit fleet/ and .gitignore, add the team’s remote, push\n');
  return EXIT.ok;
}

/** A repository that held env files with their keys ignores all of them: what is to be tracked is named as an exception. */
async function unignored(root: string, files: readonly NewFile[]): Promise<string[]> {
  const tracked = files.flatMap(({ path, mode }) => (mode === undefined && path !== '.gitignore' ? [path] : []));
  const args = ['check-ignore', '--no-index', ...tracked];
  const { stdout } = await execa('git', args, { cwd: root, reject: false });
  const ignored = stdout.split('\n').filter((path) => tracked.includes(path));
  const lines = ignored.map((path) => (path.startsWith('fleet/env/') ? `!/${path}*` : `!/${path}`));
  if (lines.length > 0) appendFileSync(join(root, '.gitignore'), `${lines.join('\n')}\n`);
  return ignored;
}

/** The branch checked out, as it can be written without quotes; null: there is none, or it is called otherwise. */
async function branchOf(root: string): Promise<string | null> {
  const { stdout } = await execa('git', ['symbolic-ref', '--quiet', '--short', 'HEAD'], { cwd: root, reject: false });
  return /^[A-Za-z][A-Za-z0-9_./-]*$/.test(stdout) ? stdout : null;
}

function fleetFile(root: string, branch: string): NewFile | null {
  if (existsSync(join(root, 'fleet/fleet.yaml'))) return null;
  const name = (
    basename(root)
      .toLowerCase()
      .replace(/[^a-z0-9_-]+/g, '-')
      .replace(/^[^a-z0-9]+/, '') || 'fleet'
  ).slice(0, 40);
  return {
    path: 'fleet/fleet.yaml',
    text: `apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: ${name} }\nspec:\n  git: { remote: origin, branch: ${branch}, push: true }\n  interval: 30s\n`,
  };
}

function gitignore(root: string, more: string[]): NewFile | null {
  const path = join(root, '.gitignore');
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const missing = [...IGNORES, ...more].filter(
    (line) =>
      !before
        .split('\n')
        .some((l) => l.trim() === line || l.trim() === line.slice(1) || l.trim() === line.slice(1, -1)),
  );
  if (missing.length === 0) return null;
  return {
    path: '.gitignore',
    text: `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${missing.join('\n')}\n`,
  };
}

function importAll(root: string, paths: string[]): Import {
  const all: Import = { files: [], notes: [], problems: [] };
  for (const path of paths) {
    const one = importEnv(root, path);
    all.files.push(...one.files);
    all.notes.push(...one.notes);
    all.problems.push(...one.problems);
  }
  const names = all.files.map((f) => f.path);
  for (const name of new Set(names.filter((n, i) => names.indexOf(n) !== i)))
    all.problems.push({
      code: 'init-duplicate',
      message: `two env files would become ${name}`,
      hint: 'import them one at a time under different names',
    });
  return all;
}

/** `.env.amzn` -> name `amzn`; the market comes from MM_MARKET_NAME inside, never from the file's name. */
function importEnv(root: string, given: string): Import {
  const path = resolve(root, given);
  const none = (problem: Problem): Import => ({ files: [], notes: [], problems: [problem] });
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile())
    return none({
      code: 'init-env-missing',
      message: `${given}: ${stat === undefined ? 'no such file' : 'not a file'}`,
      hint: 'name existing env files, for example .env.amzn',
      file: given,
    });
  const text = textOf(path);
  if (text === null) return none({ code: 'init-env-unreadable', message: `${given}: may not be read`, file: given });
  const read = parseEnv(text, given);
  const errors = read.problems.filter((p) => p.severity !== 'warning');
  if (errors.length > 0) return { files: [], notes: [], problems: errors };
  const market = read.values['MM_MARKET_NAME'];
  if (market === undefined || market === '')
    return none({
      code: 'init-no-market',
      message: `${given}: no MM_MARKET_NAME`,
      hint: 'add the market it quotes',
      file: given,
    });
  const name =
    basename(given)
      .replace(/^\.?env\.?/, '')
      .toLowerCase()
      .replace(/[^a-z0-9_-]+/g, '-') || market.toLowerCase().replace(/[^a-z0-9_-]+/g, '-');
  if (/\.iter\d+$/.test(given))
    return none({
      code: 'init-iter',
      message: `${given}: an iteration, want a base env`,
      hint: 'copy the values you want to keep into the base env first',
      file: given,
    });
  const secrets = Object.entries(read.values).filter(([key]) => isSecretKey(key));
  const { base, old } = withoutOldSecrets(removeKeys(text, isSecretKey));
  const left = leftSecret(base, secrets, given);
  if (left !== null) return none(left);
  const account = 'main';
  const cwd = relative(join(root, 'fleet'), dirname(path)) || '.';
  const spec = [
    'apiVersion: mmfleet/v1',
    'kind: Instance',
    `metadata: { name: ${name} }`,
    'spec:',
    `  market: ${market}`,
    `  account: ${account}`,
    `  baseEnv: env/${name}/.env.${name}`,
    ...(secrets.length > 0 ? [`  secrets: [{ envFile: ../secrets/${name}.env }]`] : []),
    '  # Stopped until you have checked the command, the folder and the venue; then: mmfleet start',
    '  state: Stopped',
    '  runtime:',
    `    process: { command: [python, -m, market_maker], cwd: ${JSON.stringify(cwd)}, environment: { PYTHONPATH: src } }`,
    '  venue: { journal: {} }   # weak evidence: name your own commands, or ccxt',
    '  # thresholds and bounds are at their defaults; health: {} and tuning: {} narrow them',
    '',
  ].join('\n');
  const files: NewFile[] = [
    { path: `fleet/${name}.yaml`, text: spec },
    { path: `fleet/env/${name}/.env.${name}`, text: base },
    ...(secrets.length + old.length > 0
      ? [
          {
            path: `secrets/${name}.env`,
            text: [...secrets.map(([k, v]) => `${k}=${quote(v)}`), ...old, ''].join('\n'),
            mode: 0o600,
          },
        ]
      : []),
  ];
  const checked = readDesired(
    [
      {
        path: 'fleet/fleet.yaml',
        text: 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: check }\nspec: { guards: { allowMainnet: true } }\n',
        blob: '',
      },
      ...files.filter((f) => f.mode === undefined).map((f) => ({ ...f, blob: '' })),
    ],
    null,
  );
  const notes = [
    `${name}: runtime.process (command, cwd ${cwd}) and account "${account}" are guesses`,
    `${name}: venue is "journal" (the bot's own words); name the venue's commands for a real proof; where no clean end of a run is in its journal it starts nothing`,
    ...(secrets.length > 0
      ? [
          `${name}: ${secrets.length} secret keys moved to secrets/${name}.env; ${given} still holds them: delete it when the import works`,
        ]
      : []),
    ...(old.length > 0
      ? [`${name}: comments with values of secret keys went to secrets/${name}.env: ${old.length}, from ${given}`]
      : []),
    ...(read.values['MM_ENVIRONMENT'] === 'mainnet'
      ? [`${name}: MM_ENVIRONMENT=mainnet needs allowMainnet: true`]
      : []),
  ];
  return { files, notes, problems: checked.problems.filter((p) => p.severity !== 'warning') };
}

/** The text without the comment lines that show a value of a secret key, and those lines: an old key is a key. */
function withoutOldSecrets(text: string): { base: string; old: string[] } {
  const lines = text.split(/(?<=\n)/);
  const old = lines.filter((line) => secretInComment(line) !== null);
  return { base: lines.filter((line) => !old.includes(line)).join(''), old: old.map((line) => line.trimEnd()) };
}

/** A value that stands in the base env once more, under another name or in a comment. Short ones could be any number. */
function leftSecret(base: string, secrets: [string, string][], given: string): Problem | null {
  const long = secrets.filter(([, value]) => value.trim().length >= LONG_CHARS);
  const [hit] = findSecrets(
    [{ path: given, text: base }],
    long.map(([key, value]) => ({ key, value })),
  );
  if (hit === undefined) return null;
  const line = base.split(/\r\n|\n|\r/)[hit.line - 1] ?? '';
  // Never the line itself: it shows the value.
  const name = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,63})\s*=/.exec(line)?.[1];
  return {
    code: 'init-secret-left',
    message: `${given}: the value of ${hit.key} stands in ${name === undefined ? 'another line' : `that of ${name}`} as well`,
    hint: 'the base env is tracked by git: take it out of that line',
    file: given,
  };
}

const LONG_CHARS = 8;

/** A value the bot reads back as it was. */
function quote(value: string): string {
  return /^[\w.+/=:@-]*$/.test(value) ? value : `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
