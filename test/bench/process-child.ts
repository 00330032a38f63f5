/** A thousand real processes, started and looked at by the runtime that passes use. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../src/adapters/clock.ts';
import { createProcessRuntime } from '../../src/adapters/process.ts';
import type { ProcessCopy } from '../../src/core/ports.ts';
import { cpuOf } from './command.ts';

const AT_ONCE = 100;

/** CPU ms of each way to look, and for each hundred starts the longest time (ms) for which they let nothing else happen. */
export async function observeProcesses(count: number, pairs: number) {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-processes-'));
  const runtime = createProcessRuntime({ fleetId: dir, stateDir: join(dir, '.mmfleet'), clock: systemClock });
  const copies: ProcessCopy[] = [];
  try {
    const blocks: number[] = [];
    for (let from = 0; from < count; from += AT_ONCE) {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      const started = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, n) => runtime.start(order(`i${from + n}`, dir))),
      );
      await setTimeout(5);
      delay.disable();
      blocks.push(delay.max / 1e6);
      for (const each of started) if (each.ok) copies.push(each.value);
    }
    const first = await runtime.list();
    if (!first.known || first.value.length !== count) throw new Error('not all of them are listed');
    const looks: { kill: number; list: number }[] = [];
    for (let n = 0; n < pairs; n += 1) {
      const kill = await cpuOf(async () => {
        for (const { pid } of copies) process.kill(pid, 0);
      });
      const list = await cpuOf(() => runtime.list());
      looks.push({ kill, list });
    }
    return { looks: looks.slice(2), starts: { blocks, atOnce: AT_ONCE } };
  } finally {
    for (const copy of copies) await runtime.signal(copy, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

const order = (instance: string, cwd: string) => ({
  instance,
  command: ['sleep', '600'],
  cwd,
  env: { MM_MARKET_NAME: instance, MM_SPREAD_MULTIPLIER: '1.2' },
  envText: 'MM_SPREAD_MULTIPLIER=1.2\n',
  secrets: {},
  envFileName: '.env',
  envFileVariable: 'ENV',
  environment: {},
  markers: { MMFLEET_ITER: 'base', MMFLEET_REVISION: '0', MMFLEET_DIGEST: '0' },
});
