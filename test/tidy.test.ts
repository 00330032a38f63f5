import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '..', 'src');
const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));

/** What each ring may import besides itself: the picture in src/README.md. */
const RINGS: Record<string, { rings: string[]; packages: RegExp }> = {
  core: { rings: ['core'], packages: /^(yaml|ajv(\/.*)?|decimal\.js|node:crypto)$/ },
  adapters: { rings: ['core', 'adapters'], packages: /^(node:.*|execa|simple-git|ccxt|dockerode)$/ },
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
