/** What the README shows is true: its YAML is a valid fleet, and so is the fleet in this repository. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseSpecs } from '../src/core/spec/parse.ts';
import type { TreeFile } from '../src/shell/desired.ts';
import { readDesired } from '../src/shell/read-desired.ts';

const ROOT = join(import.meta.dirname, '..');
const FLEET = 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: readme }\nspec: {}\n';

test('every YAML block of the README that is a spec parses without a problem', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```ya?ml\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
  const specs = blocks.filter((text) => /^kind: (Fleet|Instance)/m.test(text));
  expect(specs.length).toBeGreaterThan(0);
  for (const text of specs) {
    const file = { path: 'fleet/readme.yaml', text };
    const files = /^kind: Fleet/m.test(text) ? [file] : [{ path: 'fleet/fleet.yaml', text: FLEET }, file];
    expect(parseSpecs(files).problems).toEqual([]);
  }
});

test('the fleet of this repository is valid', () => {
  const desired = readDesired(treeUnder('fleet'), null);
  expect(desired.problems.filter((p) => p.severity !== 'warning')).toEqual([]);
  expect(desired.fleet).not.toBe(null);
  expect(desired.instances.length).toBeGreaterThan(0);
  for (const instance of desired.instances) expect(instance).toMatchObject({ problems: [], env: expect.any(Object) });
});

function treeUnder(folder: string): TreeFile[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? treeUnder(path) : [{ path, text: readFileSync(join(ROOT, path), 'utf8'), blob: '' }];
  });
}
