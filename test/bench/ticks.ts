/** What a tick of the daemon costs. */
import { join } from 'node:path';
import { folder, median, node, PAIRS, row, run } from './measure.ts';
import type { Blocks, TickSample } from './tick-child.ts';

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
