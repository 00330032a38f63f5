/** What the daemon's passes cost: the very functions that `reconcile --watch` calls, on a fleet whose processes live. */
import { existsSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { openOps } from '../../src/shell/ops.ts';
import { pass, quietPass, type RunOptions } from '../../src/shell/reconcile.ts';
import type { LiveFleet } from '../support/live-fleet.ts';
import { cpuOf, median } from './command.ts';

/** CPU ms of each; `git`: a pass that asks git as well, without the CPU of the git processes. */
export type TickSample = { exists: number; quiet: number; busy: number; git: number };
/** For how long the loop could not turn, ms: the longest such time of a quiet or busy tick, at its median and its worst. */
export type Blocks = { median: number; max: number };

/** A busy tick finds ten new lines in every hundredth journal, in one at least. */
export async function wholeTicks(fleet: LiveFleet, pairs: number): Promise<{ samples: TickSample[]; blocks: Blocks }> {
  const opened = await openOps(fleet.root);
  if (!opened.ok) throw new Error(opened.problem.message);
  const ops = opened.value;
  const { signal } = new AbortController();
  const options: RunOptions = { only: null, tune: true, push: true, signal, lockTimeoutMs: 0, onPhase: () => {} };
  const whole = async () => {
    const { look, problems } = await pass(ops, options);
    if (look === null || look.planned.some((p) => p.effect !== null)) throw new Error(JSON.stringify(problems));
    return look;
  };
  let last = await whole();
  const again = async () => {
    const report = await quietPass(ops, last, options);
    if (report?.look == null) throw new Error('the tick was not quiet');
    last = report.look;
  };
  const some = fleet.names.slice(0, Math.ceil(fleet.names.length / 100));
  const blocks: number[] = [];
  const turned = async (work: () => Promise<unknown>) => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await setTimeout(5);
    const cpu = await cpuOf(work);
    await setTimeout(5);
    delay.disable();
    blocks.push(delay.max / 1e6);
    return cpu;
  };
  const sample = async (): Promise<TickSample> => {
    const exists = await cpuOf(async () => {
      for (const name of fleet.names) existsSync(fleet.journal(name));
    });
    const quiet = await turned(again);
    fleet.trade(some);
    const busy = await turned(again);
    return { exists, quiet, busy, git: await cpuOf(whole) };
  };
  for (let n = 0; n < WARM_UP; n += 1) await sample();
  blocks.length = 0;
  const samples: TickSample[] = [];
  for (let n = 0; n < pairs; n += 1) samples.push(await sample());
  return { samples, blocks: { median: median(blocks), max: Math.max(...blocks) } };
}

const WARM_UP = 5;
