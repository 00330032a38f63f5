/** One row of the scale table: a fleet of this size, its passes, `status`, and the daemon's memory. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { type LiveFleet, liveFleet } from '../support/live-fleet.ts';
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
  /** After an hour of every journal: resident, and in use once what can go has gone. */
  hourRss: number;
  hourHeap: number;
  blocks: Blocks;
};

const DAEMON_PASSES = 4;
const HOUR_MINUTES = 60;
/** Lines of an invented journal that tell of a minute: four of them are fills. */
const MINUTE_LINES = 80;

export async function scaleRow(count: number, pairs: number, cli: string): Promise<ScaleRow> {
  const fleet = await liveFleet(count, { interval: '2s' });
  try {
    const { samples, blocks } = await wholeTicks(fleet, pairs);
    const memory = await daemonMemory(cli, fleet);
    const status = Array.from({ length: 5 }, () => run([process.execPath, cli, '-C', fleet.root, 'status']).cpu * 1000);
    const of = (key: keyof (typeof samples)[number]) => median(samples.map((s) => s[key]));
    return {
      instances: count,
      exists: of('exists'),
      quiet: of('quiet'),
      busy: of('busy'),
      git: of('git'),
      status: median(status),
      ...memory,
      blocks,
    };
  } finally {
    await fleet.end();
  }
}

/**
 * Memory of `reconcile --watch`, MiB: resident after some passes; resident, and in use after a collection, after an hour
 * of every journal, a minute of it for each pass.
 */
async function daemonMemory(cli: string, fleet: LiveFleet): Promise<Pick<ScaleRow, 'rss' | 'hourRss' | 'hourHeap'>> {
  const heap = join(fleet.dir, 'heap');
  const hook = join(fleet.dir, 'hook.cjs');
  writeFileSync(hook, heapHook(heap));
  const flags = ['--expose-gc', '--require', hook];
  const command = [...flags, cli, '-C', fleet.root, 'reconcile', '--watch'];
  const daemon = execa(process.execPath, command, { reject: false, stdin: 'ignore', stdout: 'ignore', buffer: false });
  const resident = () => {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(join('/proc', String(daemon.pid), 'status'), 'utf8'))?.[1];
    return Number(kib) / 1024;
  };
  const found = { rss: Number.NaN, hourRss: Number.NaN, hourHeap: Number.NaN };
  let passes = 0;
  for await (const line of createInterface({ input: daemon.stderr! })) {
    if (!line.includes('"msg":"pass"')) continue;
    passes += 1;
    if (passes < DAEMON_PASSES) fleet.trade(fleet.names.slice(0, 1));
    else if (passes < DAEMON_PASSES + HOUR_MINUTES) {
      if (passes === DAEMON_PASSES) found.rss = resident();
      fleet.goOn(MINUTE_LINES);
    } else break;
  }
  if (passes < DAEMON_PASSES + HOUR_MINUTES) throw new Error(`the daemon ended: ${(await daemon).exitCode}`);
  found.hourRss = resident();
  daemon.kill('SIGUSR2');
  while (!existsSync(heap)) await setTimeout(50);
  found.hourHeap = Number(readFileSync(heap, 'utf8')) / 2 ** 20;
  daemon.kill('SIGINT');
  await daemon;
  return found;
}

/** Says on a signal how much is in use, on the heap and in blocks beside it, once everything that can go has gone. */
const heapHook = (path: string) => `process.on('SIGUSR2', () => {
  global.gc();
  const { writeFileSync, renameSync } = require('node:fs');
  writeFileSync(${JSON.stringify(`${path}.new`)}, String(process.memoryUsage().heapUsed + process.memoryUsage().external));
  renameSync(${JSON.stringify(`${path}.new`)}, ${JSON.stringify(path)});
});`;
