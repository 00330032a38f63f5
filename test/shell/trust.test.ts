/** A judgement that is kept in a daemon is that of a command which begins anew. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { trustPort } from '../../src/adapters/git-trust.ts';
import { openTrees } from '../../src/shell/trees.ts';
import { headTrust } from '../../src/shell/trust.ts';
import { AMZN, FLEET } from '../core/spec/support.ts';
import { type Clone, scratchWorld, type World } from '../support/repos.ts';
import { newKey, signedTest } from '../support/ssh-keys.ts';

let world: World;
let clone: Clone;
beforeAll(async () => {
  world = await scratchWorld();
  clone = await world.clone('ops');
});
afterAll(() => world.remove());

signedTest(
  'of two signed lines that nobody joined with a signature the branch itself stays in force, and can be taken up again',
  async () => {
    const at = await world.clone('lines');
    const [signers, key] = [join(world.dir, 'signers-of-lines'), join(world.dir, 'key-of-lines')];
    writeFileSync(signers, newKey(key, 'olga@example.com'));
    const signed = ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${key}`];
    const commit = (path: string, text: string) => {
      at.write(path, text);
      at.git('add', '-A');
      at.git(...signed, 'commit', '-q', '-S', '-m', path);
      return at.git('rev-parse', 'HEAD');
    };
    const asks = commit(
      'fleet/fleet.yaml',
      `${FLEET}spec: { git: { signing: { key: ${key} }, verify: { allowedSigners: ${signers} } } }\n`,
    );
    for (const [first, second] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      at.git('checkout', '-q', '-B', second, asks);
      commit(`fleet/env/${second}`, second);
      at.git('checkout', '-q', '-B', first, asks);
      const sound = commit(`fleet/env/${first}`, first);
      at.git('merge', '-q', '--no-ff', '--no-edit', second);
      const merge = at.git('rev-parse', 'HEAD');
      at.git('revert', '--no-commit', '-m', '1', merge);
      const back = commit('notes', 'as it was');
      at.git('update-ref', '-d', 'refs/mmfleet/verified');
      const trees = openTrees(at.repo, join(at.dir, '.mmfleet'), { whole: true, build: null });
      const trusted = headTrust(trustPort(at.repo), trees.at);
      expect(await trusted(merge)).toMatchObject({ ok: true, value: { revision: sound, refused: {} } });
      at.git('update-ref', '-d', 'refs/mmfleet/verified');
      expect(await trusted(back)).toEqual({ ok: true, value: { revision: back, refused: null } });
    }
  },
);

signedTest('a refused head is judged again: who may sign may be written down outside of git', async () => {
  const [signers, key] = [join(world.dir, 'signers'), join(world.dir, 'key')];
  const line = newKey(key, 'olga@example.com');
  writeFileSync(signers, '');
  const commit = (path: string, text: string, ...signed: string[]) => {
    clone.write(path, text);
    clone.git('add', '-A');
    clone.git('-c', 'gpg.format=ssh', '-c', `user.signingKey=${key}`, 'commit', '-q', '-m', path, ...signed);
    return clone.git('rev-parse', 'HEAD');
  };
  const asks = commit(
    'fleet/fleet.yaml',
    `${FLEET}spec: { git: { signing: { key: ${key} }, verify: { allowedSigners: ${signers} } } }\n`,
  );
  const head = commit('fleet/amzn.yaml', AMZN, '-S');
  const trees = openTrees(clone.repo, join(clone.dir, '.mmfleet'), { whole: true, build: null });
  const trusted = headTrust(trustPort(clone.repo), trees.at);
  expect(await trusted(head)).toMatchObject({
    ok: true,
    value: { revision: asks, refused: { code: 'git-unverified' } },
  });
  writeFileSync(signers, line);
  expect(await trusted(head)).toEqual({ ok: true, value: { revision: head, refused: null } });
});
