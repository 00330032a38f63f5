/** What the daemon's passes cost: the very functions that `reconcile --watch` calls, on a fleet whose processes live. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
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
  const { whole, again } = await passesOf(fleet);
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

/** The passes of a daemon: one that asks git as well, and one after it that finds nothing to do. */
async function passesOf(fleet: LiveFleet) {
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
  return { whole, again };
}

/** CPU ms of a pass after one journal came to a folder with few names and to one with many, and of listing each. */
export type NewJournalSample = { few: number; many: number; listFew: number; listMany: number };

/** Two fleets of the same size in turn, whose folders differ by the journals of earlier runs alone. */
export async function afterNewJournal(
  few: { fleet: LiveFleet; names: number },
  many: { fleet: LiveFleet; names: number },
  pairs: number,
): Promise<NewJournalSample[]> {
  const [inFew, inMany] = [await newJournals(few.fleet, few.names), await newJournals(many.fleet, many.names)];
  const samples: NewJournalSample[] = [];
  for (let n = 0; n < WARM_UP + pairs; n += 1) {
    const first = n % 2 === 0 ? await inFew() : await inMany();
    const second = n % 2 === 0 ? await inMany() : await inFew();
    const [a, b] = n % 2 === 0 ? [first, second] : [second, first];
    samples.push({ few: a.pass, many: b.pass, listFew: a.list, listMany: b.list });
  }
  return samples.slice(WARM_UP);
}

/** Fills the folder up with empty journals of earlier runs. At each call the next piece of a run comes, and then a pass. */
async function newJournals(fleet: LiveFleet, names: number): Promise<() => Promise<{ pass: number; list: number }>> {
  const { again } = await passesOf(fleet);
  const paths = fleet.names.map(fleet.journal);
  const folder = dirname(paths[0]!);
  for (let n = paths.length; n < names; n += 1) {
    const hour = new Date(Date.UTC(2025, 0, 1, Math.floor(n / paths.length))).toISOString();
    const start = `${hour.slice(0, 10).replaceAll('-', '')}_${hour.slice(11, 13)}0000`;
    writeFileSync(paths[n % paths.length]!.replace(/\d{8}_\d{6}/, start), '');
  }
  let pieces = 0;
  return async () => {
    await setTimeout(SETTLED_MS);
    await again();
    pieces += 1;
    writeFileSync(paths[0]!.replace(/jsonl$/, `${pieces}.jsonl`), '');
    return { pass: await cpuOf(again), list: await cpuOf(async () => readdirSync(folder)) };
  };
}

/** A folder that changed so long ago is not listed again. */
const SETTLED_MS = 150;
