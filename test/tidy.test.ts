import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '..', 'src');
const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (f) => f.endsWith('.ts') && !f.includes('/wasm/'),
);

/** What each ring may import besides itself: the picture in src/README.md. */
const RINGS: Record<string, { rings: string[]; packages: RegExp }> = {
  core: { rings: ['core'], packages: /^(yaml|ajv(\/.*)?|decimal\.js|node:crypto)$/ },
  adapters: { rings: ['core', 'adapters'], packages: /^(node:.*|execa|simple-git|chokidar|ccxt)$/ },
  shell: { rings: ['core', 'adapters', 'shell'], packages: /.*/ },
};

const STATEMENT =
  /^(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

const importsOf = (file: string) =>
  [...readFileSync(join(SRC, file), 'utf8').matchAll(STATEMENT)].map((m) => (m[1] ?? m[2] ?? m[3])!);

test.each(FILES)('%s imports only what its ring may', (file) => {
  const ring = RINGS[file.split('/')[0]!];
  expect(ring, `src/${file} belongs to a ring`).toBeDefined();
  for (const target of importsOf(file)) {
    if (target.startsWith('.')) {
      const inside = relative(SRC, join(SRC, file, '..', target)).split('/')[0]!;
      if (inside !== '..') expect(ring!.rings, `${file} -> ${target}`).toContain(inside);
    } else {
      expect(target, `${file} -> ${target}`).toMatch(ring!.packages);
    }
  }
});

const FORBIDDEN_IN_CORE = /\basync\b|\bawait\b|new Date\(|Date\.now|Math\.random|\bprocess\.|\bconsole\./;

test.each(FILES.filter((f) => f.startsWith('core/')))('%s is pure', (file) => {
  const code = readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  expect(code).not.toMatch(FORBIDDEN_IN_CORE);
});

test('the top level holds what it is meant to hold', () => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: join(SRC, '..'), encoding: 'utf8' })
    .trim()
    .split('\n');
  const tops = new Set(tracked.map((path) => path.split('/')[0]!).filter((name) => !name.startsWith('.')));
  const meant = ['LICENSE', 'README.md', 'fleet', 'package-lock.json', 'package.json', 'schemas', 'src', 'test'];
  expect([...tops].sort()).toEqual([...meant, 'tsconfig.json']);
});

/** The libraries that the project stands on, each where it is good for something. */
test.each(['yaml', 'ajv', 'simple-git', 'execa', 'chokidar', 'pino'])('%s is in use', (name) => {
  const users = FILES.filter((file) =>
    importsOf(file).some((target) => target === name || target.startsWith(`${name}/`)),
  );
  expect(users).not.toEqual([]);
});
