/** One row of the scale table: a fleet of this size, its passes, `status`, and the daemon's memory. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { liveFleet } from '../support/live-fleet.ts';
import { median, run } from './command.ts';
import { type Blocks, wholeTicks } from './tick-child.ts';

/** CPU in ms, memory in MiB. */
export type ScaleRow = {
  instances: number;
  exists: number;
  quiet: number;
  busy: number;
  git: number;
  status: number;
  rss: number;
  blocks: Blocks;
};

const DAEMON_PASSES = 4;

export async function scaleRow(count: number, pairs: number, cli: string): Promise<ScaleRow> {
  const fleet = await liveFleet(count, { interval: '2s' });
  try {
    const { samples, blocks } = await wholeTicks(fleet, pairs);
    const rss = await daemonMemory(cli, fleet.root, fleet.trade.bind(null, fleet.names.slice(0, 1)));
    const status = Array.from({ length: 5 }, () => run([process.execPath, cli, '-C', fleet.root, 'status']).cpu * 1000);
    const of = (key: keyof (typeof samples)[number]) => median(samples.map((s) => s[key]));
    return {
      instances: count,
      exists: of('exists'),
      quiet: of('quiet'),
      busy: of('busy'),
      git: of('git'),
      status: median(status),
      rss,
      blocks,
    };
  } finally {
    await fleet.end();
  }
}

/** Resident memory of `reconcile --watch` after some passes, MiB. */
async function daemonMemory(cli: string, root: string, trade: () => void): Promise<number> {
  const daemon = execa(process.execPath, [cli, '-C', root, 'reconcile', '--watch'], { reject: false, stdin: 'ignore' });
  let passes = 0;
  for await (const line of createInterface({ input: daemon.stderr! })) {
    if (!line.includes('"msg":"pass"')) continue;
    passes += 1;
    trade();
    if (passes === DAEMON_PASSES) break;
  }
  if (passes < DAEMON_PASSES) throw new Error(`the daemon ended: ${(await daemon).exitCode}`);
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(join('/proc', String(daemon.pid), 'status'), 'utf8'))?.[1];
  daemon.kill('SIGINT');
  await daemon;
  return Number(kib) / 1024;
}
