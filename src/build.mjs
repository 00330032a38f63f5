/**
 * Builds dist/: the command line as one small script, the rest as modules that each command loads as it needs them, and the
 * demo's two programs. The libraries are bundled: to find and read them one by one in node_modules takes longer than most
 * commands. They stay dependencies, because the source uses them; ccxt stays outside, because it is the user's to install.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, transform } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** What a cache that another build wrote must not be taken for. */
const buildId = digestOf(['src', 'schemas', 'package.json', 'package-lock.json']);

const common = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'node',
  target: 'node20',
  charset: 'utf8',
  external: ['ccxt'],
  metafile: true,
  legalComments: 'inline',
  logLevel: 'warning',
};

const ONE_INSTANCE = `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: one }
spec:
  market: ONE-USD
  account: main
  baseEnv: env/.env.one
  secrets: [{ envFile: ../secrets/one.env }]
  runtime: { process: { command: [bot, --market, ONE-USD], cwd: .., envFileVariable: ENV } }
  journal: { path: "../data/mm_journal/mm_{market}_*.jsonl" }
  venue: { sim: { url: "http://127.0.0.1:1" } }
  health: { limits: { dataAge: { max: 5m } } }
`;

/** What is read once when the program is built. */
const SMALL_FLEET = [
  ['fleet/fleet.yaml', 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: small }\nspec: { interval: 30s }\n'],
  ['fleet/one.yaml', ONE_INSTANCE],
  ['fleet/env/.env.one', 'MM_MARKET_NAME=ONE-USD\nMM_ENVIRONMENT=testnet # no money\nMM_SPREAD_MULTIPLIER="1.2"\n'],
].map(([path, text]) => ({ path, text, blob: '' }));

/** Where a command writes that nobody reads. */
const SILENT = { out: () => {}, err: () => {}, outTTY: false, errTTY: false, color: false, columns: 120 };

/** Nobody's settings: no hook, no signature. */
const PLAIN_GIT = [
  'user.name=build',
  'user.email=build@example.org',
  'commit.gpgSign=false',
  'core.hooksPath=/dev/null',
].flatMap((setting) => ['-c', setting]);

rmSync(DIST, { recursive: true, force: true });
// First of all: its code is kept for a V8 that has been told nothing.
const analysing = await scriptsOf(['plain-analyse'], { charset: 'ascii' });
await keepAnalysing();
const modules = await build({
  ...common,
  entryPoints: {
    main: 'src/shell/main.ts',
    program: 'src/shell/program.ts',
    trees: 'src/shell/trees.ts',
    validators: 'src/core/spec/validators.ts',
  },
  format: 'esm',
  splitting: true,
  outdir: 'dist/lib',
  define: { MMFLEET_BUILD: JSON.stringify(buildId) },
  // Libraries that are no modules ask for node's own by name.
  banner: { js: "import { createRequire as _create } from 'node:module'; const require = _create(import.meta.url);" },
  plugins: [writtenValidators(await validatorCode()), families()],
});
await joinScripts(modules.metafile.outputs);
const { helpTexts } = await import(pathToFileURL(join(DIST, 'lib', 'program.js')).href);
const scripts = await scriptsOf(['cli', 'compiled', 'known-history', 'history-book', 'demo/bot', 'demo/venue-main'], {
  define: {
    MMFLEET_BUILD: JSON.stringify(buildId),
    MMFLEET_VERSION: JSON.stringify(version),
    MMFLEET_HELP: JSON.stringify(helpTexts(version)),
  },
});
writeFileSync(join(DIST, 'shell', 'package.json'), '{ "type": "commonjs" }\n');
chmodSync(join(DIST, 'shell', 'cli.js'), 0o755);
writeFileSync(join(DIST, 'LICENSES.txt'), licences([analysing, modules, scripts]));

function scriptsOf(names, more) {
  return build({
    ...common,
    entryPoints: names.map((name) => `src/shell/${name}.ts`),
    format: 'cjs',
    outbase: 'src',
    outdir: 'dist',
    plugins: [builtParts(), late('node:child_process', 'node:crypto', 'node:v8')],
    ...more,
  });
}

/** Runs \`analyse\` of files as it is run every day, and keeps what it calls compiled. */
async function keepAnalysing() {
  const { compile } = await evaluated('src/shell/compiled.ts');
  const { journalLines } = await evaluated('test/support/journal-generator.ts');
  const script = join(DIST, 'shell', 'plain-analyse.js');
  const { exports, code } = compile(script, undefined);
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-build-'));
  const source = journalLines(7);
  const text = Array.from({ length: 2000 }, () => `${source.next().value}\n`).join('');
  const path = join(dir, 'mm_ONE-USD_20260216_000000.jsonl');
  try {
    writeFileSync(path, text);
    // For fewer of the last fills V8 is told to compile otherwise.
    for (const words of [[], ['--tail', '--last-fills', '1001']]) {
      const asked = exports.plainlyAsked(['analyse', path, ...words]);
      if ((await exports.analyse(asked, SILENT)) !== 0) throw new Error('not analysed');
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  writeFileSync(`${script}.code`, code());
}

/** One digest of files and folders, names and contents. */
function digestOf(names) {
  const hash = createHash('sha256');
  const add = (path) => {
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    else
      hash
        .update(`${relative(ROOT, path)}\0`)
        .update(readFileSync(path))
        .update('\0');
  };
  for (const name of names) add(join(ROOT, name));
  return hash.digest('hex').slice(0, 32);
}

/** What ajv would compile at each start, as code: one function a schema. */
async function validatorCode() {
  const { schemaCompiler } = await evaluated('src/core/spec/compiler.ts');
  const require = createRequire(import.meta.filename);
  const { default: standalone } = require('ajv/dist/standalone');
  const names = ['fleet', 'instance', 'holds'];
  const code = standalone(schemaCompiler(), Object.fromEntries(names.map((n) => [n, `${n}.schema.json`])));
  return (await transform(code, { minify: true })).code;
}

/** What a module of the source exports. */
async function evaluated(path) {
  const { outputFiles } = await build({
    ...common,
    entryPoints: [path],
    format: 'cjs',
    packages: 'external',
    write: false,
  });
  const module = { exports: {} };
  const require = createRequire(import.meta.filename);
  new Function('module', 'exports', 'require', outputFiles[0].text)(module, module.exports, require);
  return module.exports;
}

/** Puts that code in the place of the module that compiles it; it is run when the first schema is asked for. */
function writtenValidators(code) {
  return {
    name: 'written-validators',
    setup({ onLoad, onResolve }) {
      const contents = "export const validatorOf = (name) => require('mmfleet-validators')[name];";
      onLoad({ filter: /src\/core\/spec\/validators\.ts$/ }, () => ({ contents }));
      onResolve({ filter: /^mmfleet-validators$/ }, ({ path }) => ({ path, namespace: 'written' }));
      onLoad({ filter: /.*/, namespace: 'written' }, () => ({ contents: code, resolveDir: ROOT }));
    },
  };
}

/** Commands that need nearly the same are loaded as one: each file more that a command is made of costs it half a millisecond. */
function families() {
  const looking = ['status', 'plan', 'why', 'diff', 'history', 'logs'];
  const acting = ['verbs', 'reconcile', 'rollback'];
  const folder = join(ROOT, 'src', 'shell', 'commands');
  const familyOf = (path) =>
    [looking, acting].find((names) => names.some((name) => path === join(folder, `${name}.ts`)));
  return {
    name: 'families',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /\.ts$/ }, ({ path, kind, resolveDir }) => {
        const family = kind === 'dynamic-import' ? familyOf(join(resolveDir, path)) : undefined;
        return family === undefined ? undefined : { path: family[0], namespace: 'family' };
      });
      onLoad({ filter: /.*/, namespace: 'family' }, ({ path }) => ({
        contents: familyOf(join(folder, `${path}.ts`))
          .map((name) => `export * from './${name}.ts';`)
          .join('\n'),
        resolveDir: folder,
        loader: 'ts',
      }));
    },
  };
}

/**
 * What every command needs and what those that look are made of, as one script, and what reads specs as another: to find,
 * link and compile modules takes longer than most commands.
 */
async function joinScripts(outputs) {
  const closureOf = (isEntry, without = new Map()) => {
    const paths = new Set(Object.keys(outputs).filter((path) => isEntry(outputs[path].entryPoint ?? '')));
    for (const path of paths)
      for (const { kind, external, path: next } of outputs[path].imports)
        if (kind === 'import-statement' && external !== true && !without.has(next)) paths.add(next);
    return [...paths];
  };
  const partsOf = (paths, script) =>
    new Map(
      paths.map((path, n) => [path, { script, names: outputs[path].exports.map((name) => [name, `p${n}_${name}`]) }]),
    );
  const looking = partsOf(
    closureOf((entry) => entry === 'family:status' || /\/(main|program|trees|analyse-cli)\.ts$/.test(entry)),
    'looking',
  );
  const reading = partsOf(
    closureOf((entry) => /\/(read-desired|validators)\.ts$/.test(entry), looking),
    'reading',
  );
  const texts = new Map([...looking, ...reading].map(([path]) => [path, readFileSync(join(ROOT, path), 'utf8')]));
  const all = new Map([...looking, ...reading]);
  await writeScript('looking', looking, all, texts);
  await writeScript('reading', reading, all, texts);
  for (const [path, { script, names }] of all) {
    const handedOn = names.map(([name, ours]) => `${ours} as ${name}`).join(', ');
    writeFileSync(join(ROOT, path), `export { ${handedOn} } from './${script}.js';\n`);
    if (outputs[path].entryPoint === undefined) continue;
    const handed = names.map(([name, ours]) => `${name}: all.${ours}`).join(', ');
    writeFileSync(
      asScript(join(ROOT, path)),
      `const all = require('./${script}.cjs');\nmodule.exports = { ${handed} };\n`,
    );
  }
  const { compile, optimiseLater } = await evaluated('src/shell/compiled.ts');
  const scripts = ['looking', 'reading'].map((name) => {
    const path = join(DIST, 'lib', `${name}.script.js`);
    const compiled = compile(path, undefined);
    // Whoever loads the script from now on gets this one.
    const loaded = join(DIST, 'lib', `${name}.cjs`);
    const require = createRequire(import.meta.filename);
    require.cache[loaded] = { id: loaded, filename: loaded, loaded: true, exports: compiled.exports };
    return { path, compiled };
  });
  const [, runProgram] = [...looking.values()].flatMap(({ names }) => names).find(([name]) => name === 'runProgram');
  // Functions are compiled when they are called first, and kept then.
  await lookAtSmallFleet(scripts[0].compiled.exports[runProgram]);
  for (const { path, compiled } of scripts) {
    writeFileSync(`${path}.code`, compiled.code());
    // As it is asked of V8 between the two: kept code is only good for the flags it was made with.
    optimiseLater();
  }
}

/** Runs the commands that look as they are run every day: what they call is what is worth keeping compiled. */
async function lookAtSmallFleet(runProgram) {
  // Where there is no git, functions are compiled by each command that calls them.
  if (spawnSync('git', ['--version']).error !== undefined) return;
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-build-'));
  // A hook of another repository may be what started the build.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
  const git = (...args) => execFileSync('git', [...PLAIN_GIT, ...args], { cwd: dir, env });
  const put = (path, text) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text, { mode: path.startsWith('secrets/') ? 0o600 : 0o644 });
  };
  const { journalLines } = await evaluated('test/support/journal-generator.ts');
  const source = journalLines(7);
  const text = Array.from({ length: 200 }, () => `${source.next().value}\n`);
  const said = [];
  const io = { ...SILENT, err: (text) => said.push(text) };
  try {
    for (const { path, text } of SMALL_FLEET) put(path, text);
    put('.gitignore', '/secrets/\n/data/\n/.mmfleet/\n');
    put('secrets/one.env', 'MM_API_KEY=build-0001\n');
    git('init', '--quiet', '--initial-branch=main', '.');
    git('add', '-A');
    git('commit', '--quiet', '-m', 'small fleet');
    const journal = 'data/mm_journal/mm_ONE-USD_20260216_000000.jsonl';
    // Met first, gone on, and standing still.
    for (const lines of [100, 200, 200]) {
      put(journal, text.slice(0, lines).join(''));
      for (const command of ['status', 'plan', 'why one'])
        if ((await runProgram(['-C', dir, ...command.split(' ')], io, version)) > 2) throw new Error(said.join(''));
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The same module for scripts. */
function asScript(path) {
  return path.replace(/\.js$/, '.cjs');
}

/**
 * Joins parts into one script that is kept as compiled code. The files that they were hand on what stands there, so that
 * nothing is loaded twice, whoever asks for it.
 */
async function writeScript(name, parts, all, texts) {
  const joined = [...parts].map(
    ([path, { names }]) =>
      `export { ${names.map(([each, ours]) => `${each} as ${ours}`).join(', ')} } from './${basename(path)}';`,
  );
  const outputOf = (path) => `dist/lib/${basename(path)}`;
  const { outputFiles } = await build({
    ...common,
    stdin: { contents: joined.join('\n'), resolveDir: join(DIST, 'lib') },
    format: 'cjs',
    // One byte a character: it is read and held as it is.
    charset: 'ascii',
    write: false,
    // Given to it by who runs it: a script has no address of its own.
    define: { 'import.meta.url': '__url' },
    plugins: [
      late('node:fs/promises'),
      {
        name: 'parts',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^\./ }, ({ path, kind }) => {
            if (parts.has(outputOf(path))) return { path: outputOf(path), namespace: 'part' };
            if (kind === 'dynamic-import')
              return { path: all.has(outputOf(path)) ? asScript(path) : path, external: true };
            return kind === 'require-call'
              ? { path, external: true }
              : { path: outputOf(path), namespace: 'other-script' };
          });
          onLoad({ filter: /.*/, namespace: 'part' }, ({ path }) => ({
            contents: texts.get(path),
            resolveDir: join(DIST, 'lib'),
          }));
          onLoad({ filter: /.*/, namespace: 'other-script' }, ({ path }) => {
            const { script, names } = all.get(path);
            const lines = names.map(([each, ours]) => `export const ${each} = all.${ours};`);
            return {
              contents: `const all = require('./${script}.cjs');\n${lines.join('\n')}`,
              resolveDir: join(DIST, 'lib'),
            };
          });
        },
      },
    ],
  });
  const text = outputFiles[0].text
    // A script that another one is part of is there at once.
    .replaceAll(/\bimport\(("\.\/[^"]*\.cjs")\)/g, 'Promise.resolve().then(() => require($1))')
    .replaceAll(/\bimport\(/g, '__import(');
  writeFileSync(join(DIST, 'lib', `${name}.script.js`), text);
  await build({
    ...common,
    stdin: {
      contents: `import { loadCompiled } from './compiled.ts';
        module.exports = loadCompiled(require('node:path').join(__dirname, '${name}.script.js'));`,
      resolveDir: join(ROOT, 'src', 'shell'),
    },
    format: 'cjs',
    outfile: `dist/lib/${name}.cjs`,
  });
  const ours = [...parts.values()].flatMap(({ names }) => names.map(([, each]) => each));
  writeFileSync(
    join(DIST, 'lib', `${name}.js`),
    `import all from './${name}.cjs';\nexport const { ${ours.join(', ')} } = all;\n`,
  );
}

/** The script loads the others as they are built. */
function builtParts() {
  const parts = {
    './main.ts': '../lib/main.cjs',
    './known-history.ts': './known-history.js',
    './history-book.ts': './history-book.js',
    './compiled.ts': './compiled.js',
  };
  return {
    name: 'built-parts',
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\.\// }, ({ path, kind }) =>
        kind !== 'entry-point' && Object.hasOwn(parts, path) ? { path: parts[path], external: true } : undefined,
      ),
  };
}

/** Libraries of node's own that scripts rarely call, and that take as long to load as all of theirs, wait until then. */
function late(...libraries) {
  const require = createRequire(import.meta.filename);
  const functionsOf = (library) =>
    Object.keys(library).filter((name) => /^[a-z]/.test(name) && typeof library[name] === 'function');
  const handOn = (path, name) => `export const ${name} = (...given) => require('${path}').${name}(...given);`;
  return {
    name: 'late',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^node:/ }, ({ path, kind }) => {
        if (!libraries.includes(path)) return undefined;
        return kind === 'require-call' ? { path, external: true } : { path, namespace: 'late' };
      });
      onLoad({ filter: /.*/, namespace: 'late' }, ({ path }) => ({
        contents: functionsOf(require(path))
          .map((name) => handOn(path, name))
          .join('\n'),
      }));
    },
  };
}

/** The licences of the bundled libraries: they ask for their text beside each copy. */
function licences(results) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const folders = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []));
  return [...folders]
    .sort()
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
      const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim();
      return `${name} ${version} (${license})\n\n${text}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
