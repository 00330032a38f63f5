/** What a history says of the paths that each commit changed, whatever people put into words and names. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { trustPort } from '../../src/adapters/git-trust.ts';
import { scratchWorld, type World } from '../support/repos.ts';

let world: World;
beforeAll(async () => {
  world = await scratchWorld();
});
afterAll(() => world.remove());

test.each([
  { name: 'a subject', subject: 'a rest\u0001for the eyes', path: 'fleet/amzn.yaml' },
  { name: 'an author', author: 'A\u0001da', path: 'fleet/amzn.yaml' },
  { name: 'the name of another file', other: 'a\u0001b' },
  { name: 'a name that looks like a commit', other: 'c'.repeat(40) },
])('$name hides no path', async ({ name, subject = 'work', author = 'Ada', other }) => {
  const clone = await world.clone(name.replaceAll(' ', '-'));
  const from = clone.git('rev-parse', 'HEAD');
  const paths = ['fleet/amzn.yaml', ...(other === undefined ? [] : [other])];
  for (const path of paths) clone.write(path, 'kind: Instance # mine\n');
  clone.git('add', '-A');
  clone.git('commit', '-q', `--author=${author} <ada@example.org>`, '-m', subject);
  const head = clone.git('rev-parse', 'HEAD');
  const between = await trustPort(clone.repo).between(from, head);
  expect(between).toMatchObject({ ok: true, value: [{ commit: head, parents: [from] }] });
  if (between.ok) expect(between.value[0]?.paths.toSorted()).toEqual(paths.toSorted());
});

test('a merge has the paths in which it differs from each of its parents', async () => {
  const clone = await world.clone('merge');
  const from = clone.git('rev-parse', 'HEAD');
  clone.git('switch', '-q', '-c', 'side');
  clone.write('fleet/side.yaml', 'x\n');
  clone.git('add', '-A');
  clone.git('commit', '-q', '-m', 'beside');
  clone.git('switch', '-q', 'main');
  clone.write('fleet/main.yaml', 'x\n');
  clone.git('add', '-A');
  clone.git('commit', '-q', '-m', 'on');
  clone.git('merge', '-q', '--no-ff', '-m', 'join', 'side');
  const between = await trustPort(clone.repo).between(from, 'HEAD');
  const merge = between.ok ? between.value.at(-1) : undefined;
  expect([merge?.subject, merge?.paths.toSorted()]).toEqual(['join', ['fleet/main.yaml', 'fleet/side.yaml']]);
});
