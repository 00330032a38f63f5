/** What a tick of the daemon costs. */
import { join } from 'node:path';
import { folder, median, node, PAIRS, row, run } from './measure.ts';
import type { Blocks, NewJournalSample, TickSample } from './tick-child.ts';

export function ticks(): void {
  const { stdout } = run(node('tick', join(folder, 'tick'), String(Math.max(PAIRS, 15))));
  const samples = JSON.parse(stdout) as { exists: number; idle: number; busy: number; all: number }[];
  const middle = (of: (sample: (typeof samples)[number]) => number) => median(samples.map(of));
  const idle = middle((s) => s.idle / s.exists);
  row({ goal: 'G8', what: 'tick of 1000, nothing new, CPU', peer: '1000 x existsSync', ratio: idle, limit: 3 });
  row({ goal: 'G8', what: 'the same in ms', peer: '-', ratio: middle((s) => s.idle), limit: 5, unit: 'ms' });
  const busy = middle((s) => s.busy / s.idle);
  row({
    goal: 'G9',
    what: 'tick of 1000, 10 lines in 10, CPU',
    peer: 'tick with nothing new',
    ratio: busy,
    limit: 2.5,
  });
  const all = middle((s) => s.busy / s.all);
  row({
    goal: 'G9',
    what: 'tick of 1000, 10 lines in 10, CPU',
    peer: 'reading all 1000 anew',
    ratio: all,
    limit: 1 / 80,
  });
  wholeTick();
  journalCame();
}

/** The same for everything that a pass between two looks at git does: processes, journals, local state, the plan. */
function wholeTick(): void {
  const { stdout } = run(node('whole-tick', '1000', String(Math.max(PAIRS, 15))));
  const { samples, blocks } = JSON.parse(stdout) as { samples: TickSample[]; blocks: Blocks };
  const middle = (of: (sample: TickSample) => number) => median(samples.map(of));
  const whole = 'the whole pass of 1000';
  const idle = middle((s) => s.quiet / s.exists);
  row({ goal: 'G8', what: `${whole}, nothing new, CPU`, peer: '1000 x existsSync', ratio: idle, limit: 3 });
  const busy = middle((s) => s.busy / s.quiet);
  row({ goal: 'G9', what: `${whole}, 10 lines in 10, CPU`, peer: 'the same, nothing new', ratio: busy, limit: 2.5 });
  const block = { goal: 'G16', peer: '-', limit: 50, unit: 'ms' };
  row({ ...block, what: `${whole}: blocks the loop, median`, ratio: blocks.median });
  row({ ...block, what: `${whole}: blocks the loop, worst`, ratio: blocks.max });
}

const FEW = 400;
const MANY = 10_000;

/** A folder gets a file with every start of a bot, for years: it is listed again, and little besides may grow with it. */
function journalCame(): void {
  const sizes = [300, FEW, MANY, Math.max(PAIRS, 15)].map(String);
  const samples = JSON.parse(run(node('new-journal', ...sizes)).stdout) as NewJournalSample[];
  const middle = (of: (sample: NewJournalSample) => number) => median(samples.map(of));
  const what = 'pass of 300 after a new journal';
  const growth = middle((s) => s.many / s.few);
  row({ goal: 'G9', what: `${what}, ${MANY} names`, peer: `the same, ${FEW} names`, ratio: growth, limit: 3 });
  const exponent = Math.log(growth) / Math.log(MANY / FEW);
  row({ goal: 'G9', what: `${what}: exponent`, peer: '-', ratio: exponent, limit: 1 / 3 });
  const beside = middle((s) => (s.many - s.few) / (s.listMany - s.listFew));
  row({ goal: 'G9', what: `${what}: what names add`, peer: 'listing them', ratio: beside, limit: 2 });
}
