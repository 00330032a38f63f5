import { renameSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ProposalPort, proposalBranch, proposalPort } from '../../src/adapters/git-proposals.ts';
import { type Clone, scratchWorld, type World } from '../support/repos.ts';

const US = { name: 'mmfleet', email: 'mmfleet@localhost' };
let world: World;
let clone: Clone;
let port: ProposalPort;

beforeEach(async () => {
  world = await scratchWorld();
  clone = await world.clone('ops');
  port = proposalPort(clone.repo);
});
afterEach(() => world.remove());

async function write(text: string, at: Clone = clone): Promise<string> {
  const plan = {
    files: [{ path: 'fleet/x', text }],
    message: `tune(amzn): iter001, ${text}\n`,
    author: US,
    authorTs: 1,
  };
  const made = await proposalPort(at.repo).write(at.git('rev-parse', 'HEAD'), plan, {
    committer: US,
    secrets: [],
    nowTs: 2,
  });
  if (!made.ok) throw new Error(made.problem.message);
  return made.value;
}

const on = (list: Awaited<ReturnType<ProposalPort['list']>>) =>
  typeof list === 'string' ? list : Object.fromEntries(list);

test('made, replaced and deleted; HEAD, index and work tree stay as they are', async () => {
  const head = clone.git('rev-parse', 'HEAD');
  const [first, second] = [await write('a'), await write('b')];
  expect(on(await port.push('origin', [{ name: 'amzn', commit: first, expected: null }]))).toEqual({ amzn: first });
  expect(on(await port.push('origin', [{ name: 'amzn', commit: second, expected: first }]))).toEqual({ amzn: second });
  expect(on(await port.push('origin', [{ name: 'amzn', commit: null, expected: second }]))).toEqual({});
  expect(clone.git('rev-parse', 'HEAD')).toBe(head);
  expect(clone.git('status', '--porcelain')).toBe('');
  expect(clone.git('for-each-ref', '--format=%(refname)', 'refs/heads')).toBe('refs/heads/main');
});

test('a branch that moved meanwhile is left alone, the others of the same push go', async () => {
  const [first, mine, other] = [await write('a'), await write('mine'), await write('other')];
  await port.push('origin', [{ name: 'amzn', commit: first, expected: null }]);
  const ada = await world.clone('ada');
  const hers = await write('hers', ada);
  ada.git('push', '-q', '--force', 'origin', `${hers}:refs/heads/${proposalBranch('amzn')}`);
  const after = await port.push('origin', [
    { name: 'amzn', commit: mine, expected: first },
    { name: 'mon', commit: other, expected: null },
  ]);
  expect(on(after)).toEqual({ amzn: hers, mon: other });
  expect(on(await port.push('origin', [{ name: 'amzn', commit: null, expected: first }]))).toMatchObject({
    amzn: hers,
  });
  expect(on(await port.push('origin', [{ name: 'amzn', commit: mine, expected: null }]))).toMatchObject({ amzn: hers });

  const read = await port.read('origin', new Map([['amzn', hers]]), US.email);
  expect(read.get('amzn')).toMatchObject({
    kind: 'tune',
    instance: 'amzn',
    ours: true,
    files: [{ status: 'A', path: 'fleet/x' }],
  });
});

test('what is remembered lives in refs of the clone alone', async () => {
  const first = await write('a');
  await port.remember('newest', new Map([['amzn', first]]));
  await port.remember('open', new Map([['amzn', first]]));
  const known = await port.known(US.email);
  expect(
    known.ok && [...known.value.open.keys(), ...known.value.newest.keys(), ...known.value.declined.keys()],
  ).toEqual(['amzn', 'amzn']);
  await port.remember('open', new Map([['amzn', null]]));
  const after = await port.known(US.email);
  expect(after.ok && [after.value.open.size, after.value.newest.get('amzn')?.commit]).toEqual([0, first]);
  expect(on(await port.list('origin'))).toEqual({});
});

test('without a remote the branches are the clone’s own, moved under the same lease', async () => {
  const [first, second] = [await write('a'), await write('b')];
  const move = async (commit: string | null, expected: string | null) =>
    on(await port.push('upstream', [{ name: 'amzn', commit, expected }]));
  expect(on(await port.list('upstream'))).toEqual({});
  expect(await move(first, null)).toEqual({ amzn: first });
  expect(await move(second, null)).toEqual({ amzn: first });
  expect(await move(second, second)).toEqual({ amzn: first });
  expect(await move(second, first)).toEqual({ amzn: second });
  expect(await move(null, first)).toEqual({ amzn: second });
  expect(await move(null, second)).toEqual({});
  expect(on(await port.list('origin'))).toEqual({});
});

test('a remote that is away', async () => {
  renameSync(world.remote, `${world.remote}.away`);
  expect(await port.list('origin')).toBe('away');
  expect(await port.push('origin', [{ name: 'amzn', commit: await write('a'), expected: null }])).toBe('away');
});

test('a secret value does not get onto a branch either', async () => {
  const plan = { files: [{ path: 'fleet/x', text: 'KEY=sesame-open-77' }], message: 'm\n', author: US, authorTs: 1 };
  const secrets = [{ key: 'MM_API_KEY', value: 'sesame-open-77' }];
  const made = await port.write(clone.git('rev-parse', 'HEAD'), plan, { committer: US, secrets, nowTs: 2 });
  expect(made).toMatchObject({ ok: false, problem: { code: 'secret-gate' } });
});
