import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commitAll } from '../../src/adapters/git-commit.ts';
import { notedMoves } from '../../src/adapters/git-move-note.ts';
import { type PublishOptions, type PublishPlan, publish, push } from '../../src/adapters/git-publish.ts';
import { readTree } from '../../src/adapters/git-read.ts';
import { remoteHead, syncRemote } from '../../src/adapters/git-sync.ts';
import { ok } from '../../src/core/problem.ts';
import { type Clone, FLEET, git, scratchWorld, type World } from '../support/repos.ts';
import { newKey, signedTest } from '../support/ssh-keys.ts';

let world: World;
let a: Clone;
let b: Clone;
beforeEach(async () => {
  world = await scratchWorld();
  a = await world.clone('a');
  b = await world.clone('b');
});
afterEach(() => world.remove());

const REMOTE = { remote: 'origin', branch: 'main' };
const SYNC = { ...REMOTE, ourEmail: FLEET.email };
const clock = {
  nowMs: () => 1_795_000_000_000,
  sleep: (ms: number) => new Promise<void>((done) => setTimeout(done, ms)),
};
const options = (build: PublishOptions['build']): PublishOptions => ({
  ...REMOTE,
  push: true,
  author: FLEET,
  committer: FLEET,
  secrets: [],
  clock,
  tries: 12,
  build,
});
const file = (path: string, text: string): PublishPlan => ({
  files: [{ path, text }],
  message: `hold(amzn): ${path}\n`,
  at: null,
});
const localCommit = (clone: Clone, path: string, text: string) =>
  commitAll(clone.repo, [{ files: [{ path, text }], message: `tune(amzn): ${path}\n`, author: FLEET, authorTs: 1 }], {
    committer: FLEET,
    secrets: [],
    nowTs: 1_795_000_000,
  });
const remoteTip = () => git(world.remote, 'rev-parse', 'main');
const inRemote = (path: string) => git(world.remote, 'show', `main:${path}`);

/** One more line in a file that both clones write: only a recomputed commit keeps both lines. */
const appendLine = (clone: Clone, line: string) =>
  options(async (head) => {
    const tree = await readTree(clone.repo, head, 'fleet/list');
    if (!tree.ok) return tree;
    const before = tree.value[0]?.text ?? '';
    return ok(before.split('\n').includes(line) ? [] : [file('fleet/list', `${before}${line}\n`)]);
  });

test('two clones race for many rounds: every line lands once, history is straight', async () => {
  const rounds = 6;
  for (let i = 0; i < rounds; i++) {
    const ends = await Promise.all([publish(a.repo, appendLine(a, `a${i}`)), publish(b.repo, appendLine(b, `b${i}`))]);
    expect(ends.every((end) => end.ok && end.value.length === 1)).toBe(true);
  }
  const want = Array.from({ length: rounds }, (_, i) => [`a${i}`, `b${i}`])
    .flat()
    .sort();
  expect(inRemote('fleet/list').split('\n').sort()).toEqual(want);
  expect(git(world.remote, 'rev-list', '--count', 'main')).toBe(String(1 + 2 * rounds));
  expect(git(world.remote, 'rev-list', '--min-parents=2', '--count', 'main')).toBe('0');
});

test('a rejected push is recomputed on the new head; several commits go out in one push', async () => {
  await publish(b.repo, appendLine(b, 'theirs'));
  const heads: string[] = [];
  const end = await publish(
    a.repo,
    options(async (head) => {
      heads.push(head);
      const tree = await readTree(a.repo, head, 'fleet/list');
      return ok([file('fleet/one', '1'), file('fleet/list', `${tree.ok ? (tree.value[0]?.text ?? '') : ''}ours\n`)]);
    }),
  );
  expect(end).toEqual({ ok: true, value: ['hold(amzn): fleet/one', 'hold(amzn): fleet/list'] });
  expect(heads.length).toBe(2);
  expect(inRemote('fleet/list')).toBe('theirs\nours');
  expect(a.git('rev-parse', 'HEAD')).toBe(remoteTip());
  expect(a.git('status', '--porcelain')).toBe('');
});

test('nothing to commit: no commit, no push; nothing left to do on the new head: nothing lands', async () => {
  const before = remoteTip();
  expect(
    await publish(
      a.repo,
      options(async () => ok([])),
    ),
  ).toEqual({ ok: true, value: [] });
  expect(remoteTip()).toBe(before);
  await publish(
    b.repo,
    options(async () => ok([{ ...file('fleet/list', 'same\n'), message: 'theirs\n' }])),
  );
  expect(await publish(a.repo, appendLine(a, 'same'))).toEqual({ ok: true, value: [] });
  expect(inRemote('fleet/list')).toBe('same');
});

test('a remote that is away keeps the last good revision and our commits, which go out when it is back', async () => {
  a.git('remote', 'set-url', 'origin', join(world.dir, 'gone.git'));
  expect(await syncRemote(a.repo, SYNC)).toMatchObject({
    ok: true,
    value: { remote: 'away', notes: [{ code: 'git-remote-away' }] },
  });
  expect(await publish(a.repo, appendLine(a, 'x'))).toMatchObject({ ok: false, problem: { code: 'git-remote-away' } });
  expect(a.git('show', 'HEAD:fleet/list')).toBe('x');
  a.git('remote', 'set-url', 'origin', world.remote);
  await publish(
    b.repo,
    options(async () => ok([file('fleet/other', 'y')])),
  );
  expect(await syncRemote(a.repo, SYNC)).toMatchObject({ ok: true, value: { remote: 'ok', notes: [] } });
  expect(await publish(a.repo, appendLine(a, 'x'))).toMatchObject({ ok: true });
  expect(inRemote('fleet/list')).toBe('x');
  expect(inRemote('fleet/other')).toBe('y');
});

test('without a remote everything stays local', async () => {
  a.git('remote', 'remove', 'origin');
  expect(await syncRemote(a.repo, SYNC)).toMatchObject({ ok: true, value: { remote: 'none' } });
  expect(await publish(a.repo, appendLine(a, 'x'))).toEqual({ ok: true, value: ['hold(amzn): fleet/list'] });
});

test('a hook of the remote that refuses: refused, and nothing of ours stays behind', async () => {
  const hook = join(world.remote, 'hooks/pre-receive');
  writeFileSync(hook, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const before = a.git('rev-parse', 'HEAD');
  expect(await publish(a.repo, appendLine(a, 'x'))).toMatchObject({ ok: false, problem: { code: 'git-push-refused' } });
  expect(a.git('rev-parse', 'HEAD')).toBe(before);
  expect(a.git('status', '--porcelain')).toBe('');
  rmSync(hook);
  expect((await publish(a.repo, appendLine(a, 'x'))).ok).toBe(true);
});

test('success is what the remote holds, not what push said: a hook that accepts and moves the branch back is no success', async () => {
  const before = remoteTip();
  writeFileSync(join(world.remote, 'hooks/post-receive'), `#!/bin/sh\ngit update-ref refs/heads/main ${before}\n`, {
    mode: 0o755,
  });
  await localCommit(a, 'fleet/x', 'x');
  expect(await push(a.repo, REMOTE)).toEqual({ ok: true, value: 'refused' });
  expect(await remoteHead(a.repo, 'origin', 'main')).not.toBe(a.git('rev-parse', 'HEAD'));
});

test('a push that somebody built upon before it was read back has landed and is not made again', async () => {
  // The hook plays the faster colleague: it puts one more commit on top of whatever is pushed first.
  const once = join(world.dir, 'once');
  const more = `#!/bin/sh\n[ -e ${once} ] && exit 0\ntouch ${once}\nc=$(git -c user.name=x -c user.email=x@y commit-tree -m more -p main main^{tree})\ngit update-ref refs/heads/main $c\n`;
  writeFileSync(join(world.remote, 'hooks/post-receive'), more, { mode: 0o755 });
  expect(await publish(a.repo, appendLine(a, 'x'))).toEqual({ ok: true, value: ['hold(amzn): fleet/list'] });
  expect(inRemote('fleet/list')).toBe('x');
  expect(git(world.remote, 'rev-list', '--count', 'main')).toBe('3');
});

test('unpushed commits of ours go on top of the remote, whoever edits what meanwhile', async () => {
  await localCommit(a, 'fleet/x', 'x\n');
  await localCommit(a, 'fleet/x', 'x2\n');
  a.write('README', 'mine, staged\n');
  a.git('add', 'README');
  await publish(b.repo, appendLine(b, 'theirs'));
  expect(await syncRemote(a.repo, SYNC)).toMatchObject({ ok: true, value: { remote: 'ok', notes: [] } });
  expect(a.git('log', '--format=%s %an %at')).toMatch(
    /^tune\(amzn\): fleet\/x mmfleet 1\ntune\(amzn\): fleet\/x mmfleet 1\nhold/,
  );
  expect(a.git('rev-parse', 'HEAD~2')).toBe(remoteTip());
  expect(a.git('status', '--porcelain')).toBe('M  README');
  expect(readFileSync(join(a.dir, 'fleet/x'), 'utf8')).toBe('x2\n');
});

test('unpushed commits of ours that clash are dropped and reported', async () => {
  await localCommit(a, 'fleet/list', 'ours\n');
  await publish(b.repo, appendLine(b, 'theirs'));
  expect(await syncRemote(a.repo, SYNC)).toMatchObject({
    ok: true,
    value: { notes: [{ code: 'git-leftovers-dropped' }] },
  });
  expect(a.git('rev-parse', 'HEAD')).toBe(remoteTip());
  expect(a.git('status', '--porcelain')).toBe('');
});

/** A commit of ours that waits since the remote was away. */
async function waiting(clone: Clone, path: string): Promise<void> {
  clone.git('remote', 'set-url', 'origin', join(world.dir, 'gone.git'));
  await publish(
    clone.repo,
    options(async () => ok([file(path, 'a wish\n')])),
  );
  clone.git('remote', 'set-url', 'origin', world.remote);
}

test('a lost race makes anew only its own commits: what waited for the remote goes out with them', async () => {
  await waiting(a, 'fleet/wish');
  await publish(b.repo, appendLine(b, 'theirs'));
  expect(await publish(a.repo, appendLine(a, 'ours'))).toEqual({ ok: true, value: ['hold(amzn): fleet/list'] });
  expect(inRemote('fleet/wish')).toBe('a wish');
  expect(inRemote('fleet/list')).toBe('theirs\nours');
  expect(a.git('status', '--porcelain')).toBe('');
});

test.each([
  {
    name: 'a remote that refuses it',
    path: 'fleet/wish',
    meet: async (onDropped: PublishOptions['onDropped'] & object) => {
      writeFileSync(join(world.remote, 'hooks/pre-receive'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
      return publish(a.repo, { ...appendLine(a, 'ours'), onDropped });
    },
  },
  {
    name: 'a change of the same file',
    path: 'fleet/list',
    meet: async (onDropped: PublishOptions['onDropped'] & object) => {
      await publish(b.repo, appendLine(b, 'theirs'));
      return syncRemote(a.repo, { ...SYNC, onDropped });
    },
  },
])('what waited for the remote and is dropped is told before: $name', async ({ path, meet }) => {
  await waiting(a, path);
  const heads: [string, string][] = [];
  await meet((dropped) => {
    for (const { message } of dropped) heads.push([message, a.git('show', `HEAD:${path}`)]);
  });
  expect(heads).toEqual([[`hold(amzn): ${path}\n`, 'a wish']]);
  expect(a.git('rev-parse', 'HEAD')).toBe(remoteTip());
});

test.each([
  {
    name: "a person's commits on both sides",
    make: async () => {
      a.write('mine', 'x');
      a.git('add', '.');
      a.git('commit', '-q', '-m', 'mine');
      await publish(b.repo, appendLine(b, 'theirs'));
    },
  },
  {
    name: 'the same of somebody who works under our e-mail',
    make: async () => {
      a.write('fleet/list', 'x');
      a.git('add', '.');
      a.git('-c', `user.email=${FLEET.email}`, 'commit', '-q', '-m', 'mine');
      a.git('rebase', '-q', 'HEAD~1', '--exec', `GIT_COMMITTER_EMAIL=${FLEET.email} git commit -q --amend --no-edit`);
      await publish(b.repo, appendLine(b, 'theirs'));
    },
  },
  {
    name: 'a rewritten remote history',
    make: async () => {
      await publish(a.repo, appendLine(a, 'x'));
      b.git('commit', '-q', '--amend', '-m', 'another first');
      b.git('push', '-q', '--force', 'origin', 'main');
    },
  },
  {
    name: 'a remote set back, also after a fetch by hand',
    make: async () => {
      await publish(a.repo, appendLine(a, 'x'));
      b.git('push', '-q', '--force', 'origin', 'HEAD:main');
      a.git('fetch', '-q');
    },
  },
])('$name: a problem, and nothing is touched', async ({ make }) => {
  await make();
  const before = [a.git('rev-parse', 'HEAD'), a.git('status', '--porcelain')];
  expect(await syncRemote(a.repo, SYNC)).toMatchObject({ ok: false, problem: { code: 'git-diverged' } });
  expect([a.git('rev-parse', 'HEAD'), a.git('status', '--porcelain')]).toEqual(before);
});

test("fast-forward keeps a person's edits; an edit in the way is named and nothing moves", async () => {
  await publish(
    b.repo,
    options(async () => ok([file('fleet/amzn.yaml', 'kind: Instance # b\n')])),
  );
  a.write('README', 'mine\n');
  a.write('fleet/amzn.yaml', 'kind: Instance # a\n');
  const before = a.git('rev-parse', 'HEAD');
  expect(await syncRemote(a.repo, SYNC)).toMatchObject({
    ok: false,
    problem: { code: 'git-dirty-path', file: 'fleet/amzn.yaml' },
  });
  expect(a.git('rev-parse', 'HEAD')).toBe(before);
  a.git('checkout', '-q', 'fleet/amzn.yaml');
  expect((await syncRemote(a.repo, SYNC)).ok).toBe(true);
  expect(a.git('rev-parse', 'HEAD')).toBe(remoteTip());
  expect(a.git('status', '--porcelain')).toBe(' M README');
});

test('the first push makes the branch on an empty remote', async () => {
  git(world.dir, 'init', '-q', '--bare', '-b', 'main', 'empty.git');
  a.git('remote', 'set-url', 'origin', join(world.dir, 'empty.git'));
  expect(await syncRemote(a.repo, SYNC)).toMatchObject({ ok: true, value: { remote: 'ok' } });
  expect((await publish(a.repo, appendLine(a, 'x'))).ok).toBe(true);
  expect(git(join(world.dir, 'empty.git'), 'rev-parse', 'main')).toBe(a.git('rev-parse', 'HEAD'));
  expect(notedMoves(a.repo)).toEqual([]);
});

const tuned = (signing: PublishOptions['signing'] = null): PublishOptions => ({
  ...options(async () => ok([{ ...file('fleet/x', '1\n'), at: 2_000_000_000.5 }])),
  signing,
});

test('two that decide the same on the same head make one commit, and both have landed', async () => {
  const ends = await Promise.all([
    publish(a.repo, tuned()),
    publish(b.repo, { ...tuned(), clock: { ...clock, nowMs: () => clock.nowMs() + 7_000 } }),
  ]);
  expect(ends).toEqual([1, 2].map(() => ({ ok: true, value: ['hold(amzn): fleet/x'] })));
  expect([a, b].map((clone) => clone.git('rev-parse', 'HEAD'))).toEqual([remoteTip(), remoteTip()]);
  expect(git(world.remote, 'log', '-1', '--format=%at %ct')).toBe('2000000000 2000000000');
  expect(git(world.remote, 'rev-list', '--count', 'main')).toBe('2');
});

signedTest('signed too they are one commit, and what is put on top of the remote is signed again', async () => {
  const key = join(world.dir, 'key');
  const allowed = join(world.dir, 'allowed');
  writeFileSync(allowed, newKey(key, FLEET.email));
  const signing = { format: 'ssh' as const, key };
  const ends = await Promise.all([publish(a.repo, tuned(signing)), publish(b.repo, tuned(signing))]);
  expect(ends.every((end) => end.ok)).toBe(true);
  expect(git(world.remote, 'rev-list', '--count', 'main')).toBe('2');

  a.git('remote', 'set-url', 'origin', join(world.dir, 'gone.git'));
  await publish(a.repo, { ...options(async () => ok([{ ...file('fleet/y', '2\n'), at: 7 }])), signing });
  a.git('remote', 'set-url', 'origin', world.remote);
  await publish(b.repo, { ...appendLine(b, 'theirs'), signing });
  expect(await syncRemote(a.repo, { ...SYNC, signing })).toMatchObject({ ok: true, value: { notes: [] } });
  const judged = a.git('-c', `gpg.ssh.allowedSignersFile=${allowed}`, 'log', '-3', '--format=%s %at %G?');
  expect(judged.split('\n')[0]).toBe('hold(amzn): fleet/y 7 G');
  expect(judged.split('\n')[1]).toMatch(/fleet\/list \d+ G$/);
  expect(inRemote('fleet/list')).toBe('theirs');
});
