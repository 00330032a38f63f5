import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/clock.ts';
import { createCommandRuntime } from '../../src/adapters/command-runtime.ts';
import { alive, scratch, until } from '../support/puppet.ts';

let world: ReturnType<typeof scratch>;
beforeEach(() => {
  world = scratch();
});
afterEach(async () => {
  if (existsSync(join(world.dir, 'pid'))) process.kill(pid(), 'SIGKILL');
  await world.end();
});

const pid = () => Number(readFileSync(join(world.dir, 'pid'), 'utf8'));
const CONTROLLER = `#!/bin/sh
cd "$(dirname "$0")"
case "$1" in
  start) cp "$2" env.copy; echo "$MM_API_KEY" > key.copy; sleep 60 & echo -n $! > pid ;;
  stop) kill "$(cat pid)"; rm pid ;;
  status) if [ -e answer ]; then cat answer; elif [ -e pid ]; then echo "{\\"status\\":\\"running\\",\\"pid\\":$(cat pid),\\"iter\\":\\"007\\",\\"digest\\":\\"d1\\"}"; else echo '{"status":"stopped"}'; fi ;;
esac
`;

function runtime() {
  const path = join(world.dir, 'controller.sh');
  writeFileSync(path, CONTROLLER);
  chmodSync(path, 0o755);
  return createCommandRuntime({
    instance: 'amzn',
    market: world.market,
    runtime: {
      kind: 'command',
      start: [path, 'start', '{env}'],
      stop: [path, 'stop', '{instance}'],
      status: [path, 'status'],
      cwd: world.dir,
      timeoutMs: 5_000,
      startTimeoutMs: 5_000,
      backoff: { initialMs: 1, maxMs: 1, stableAfterMs: 1, crashLoopAfter: 1 },
    },
    cwd: world.dir,
    stateDir: world.stateDir,
    clock: systemClock,
  });
}

test('starts, finds, stops and proves gone through the commands', async () => {
  const driver = runtime();
  expect(await driver.list()).toMatchObject({ known: true, value: [] });
  const started = await driver.start(world.order());
  expect(started).toMatchObject({ ok: true, value: { instance: 'amzn', iter: 7, digest: 'd1', pid: pid() } });
  expect(readFileSync(join(world.dir, 'env.copy'), 'utf8')).toContain('MM_SPREAD_MULTIPLIER=1.20');
  expect(readFileSync(join(world.dir, 'key.copy'), 'utf8').trim()).toBe('sesame-0123456789');
  if (!started.ok) return;
  const bot = started.value.pid;
  expect(alive(bot)).toBe(true);
  expect(await driver.gone(started.value)).toMatchObject({ value: false });
  expect(await driver.signal(started.value, 'SIGKILL')).toMatchObject({ ok: false });
  expect(await driver.signal(started.value, 'SIGINT')).toMatchObject({ ok: true });
  await until(async () => {
    const gone = await driver.gone(started.value);
    return gone.known && gone.value;
  }, 'gone');
  expect(alive(bot)).toBe(false);
});

test.each(['', 'running', '{"status":"maybe"}', '{"status":"running","pid":"7"}'])(
  'status %j is unknown',
  async (answer) => {
    const driver = runtime();
    writeFileSync(join(world.dir, 'answer'), answer);
    expect((await driver.list()).known).toBe(false);
  },
);
