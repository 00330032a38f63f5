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
