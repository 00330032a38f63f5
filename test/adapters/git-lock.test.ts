import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireLock } from '../../src/adapters/lock.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-lock-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const clock = { nowMs: () => Date.now(), sleep: (ms: number) => new Promise<void>((done) => setTimeout(done, ms)) };
const now = { timeoutMs: 0, clock };

test('one holder at a time; free again after release', async () => {
  const first = await acquireLock(dir, now);
  expect(await acquireLock(dir, now)).toMatchObject({
    ok: false,
    problem: { code: 'lock-held', message: expect.stringContaining(String(process.pid)) },
  });
  if (first.ok) await first.value.release();
  expect(existsSync(join(dir, 'lock'))).toBe(false);
  expect((await acquireLock(dir, now)).ok).toBe(true);
});

test('a waiter gets it when the holder is done, and of many that start together one holds it at any time', async () => {
  let inside = 0;
  let most = 0;
  const work = async () => {
    const lock = await acquireLock(dir, { timeoutMs: 20_000, clock });
    if (!lock.ok) throw new Error(lock.problem.message);
    inside += 1;
    most = Math.max(most, inside);
    await clock.sleep(5);
    inside -= 1;
    await lock.value.release();
  };
  await Promise.all(Array.from({ length: 8 }, work));
  expect(most).toBe(1);
});

test.each([
  { name: 'a process that is gone', holder: async () => ({ pid: await deadPid(), startTicks: '1' }) },
  { name: 'a reused pid', holder: async () => ({ pid: process.pid, startTicks: '1' }) },
  { name: 'a damaged file', holder: async () => 'nonsense' },
])('the lock of $name is taken over', async ({ holder }) => {
  writeFileSync(join(dir, 'lock'), JSON.stringify(await holder()));
  const lock = await acquireLock(dir, now);
  expect(lock.ok).toBe(true);
  expect((await acquireLock(dir, now)).ok).toBe(false);
});

test('where it cannot be written it is a problem', async () => {
  writeFileSync(join(dir, 'file'), '');
  expect(await acquireLock(join(dir, 'file'), now)).toMatchObject({
    ok: false,
    problem: { code: 'lock-unwritable', message: expect.stringContaining('cannot be written (E') },
  });
});

test('an aborted wait ends', async () => {
  await acquireLock(dir, now);
  const abort = new AbortController();
  const waiting = acquireLock(dir, { timeoutMs: 600_000, clock, signal: abort.signal });
  abort.abort();
  expect((await waiting).ok).toBe(false);
});

async function deadPid(): Promise<number> {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid ?? 0;
}
