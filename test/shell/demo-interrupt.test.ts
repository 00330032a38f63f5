import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { endLeftovers, processesIn } from '../../src/shell/demo/leftovers.ts';
import { CLI } from '../support/fleet-world.ts';

let demo: ChildProcess | undefined;
let scratch = '';

afterEach(async () => {
  demo?.kill('SIGKILL');
  if (scratch !== '') await endLeftovers(scratch, 5_000);
});

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited too long: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** The venue and three bots; now and then a short-lived git is seen too. */
async function untilFour(dir: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await processesIn(dir);
    if (found.length === 4) return;
    if (Date.now() > deadline) throw new Error(`${found.length} processes, not 4`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** The built program, until its three bots run. */
async function running(): Promise<{ process: ChildProcess; out: () => string }> {
  const child = spawn(process.execPath, [CLI, 'demo'], { stdio: ['ignore', 'pipe', 'pipe'] });
  demo = child;
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
  await until('three bots run', () => /^pump .* running/m.test(text));
  scratch = dirname(/demo: (\S+)/.exec(text)![1]!);
  await untilFour(scratch);
  return { process: child, out: () => text };
}

test('one Ctrl-C stops the bots flat and leaves nothing behind', { timeout: 150_000 }, async () => {
  const { process: child, out } = await running();
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([130, null]);
  expect(out()).toContain('demo: stopped and flat');
  expect(await processesIn(scratch)).toEqual([]);
  expect(existsSync(scratch)).toBe(false);
});

test('two leave nothing behind either', { timeout: 150_000 }, async () => {
  const { process: child } = await running();
  child.kill('SIGINT');
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([130, null]);
  expect(await processesIn(scratch)).toEqual([]);
  expect(existsSync(scratch)).toBe(false);
});

test('a reader that leaves leaves nothing behind either', { timeout: 150_000 }, async () => {
  const { process: child } = await running();
  child.stdout?.destroy();
  expect((await once(child, 'exit'))[1]).toBe(null);
  expect(await processesIn(scratch)).toEqual([]);
  expect(existsSync(scratch)).toBe(false);
});
