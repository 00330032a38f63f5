/** What it costs to look at a thousand processes, and whether starting many of them holds anything up. */
import { median, node, PAIRS, row, run } from './measure.ts';

export function processes(): void {
  const { stdout } = run(node('processes', '1000', String(Math.max(PAIRS, 15))));
  const { looks, starts } = JSON.parse(stdout) as {
    looks: { kill: number; list: number }[];
    starts: { blocks: number[]; atOnce: number };
  };
  const ratio = median(looks.map((l) => l.list / l.kill));
  row({ goal: 'G16', what: 'observe 1000 processes, CPU', peer: '1000 x kill(pid, 0)', ratio, limit: 12 });
  const ms = median(looks.map((l) => l.list));
  row({ goal: 'G16', what: 'the same in ms', peer: '-', ratio: ms, limit: 10, unit: 'ms' });
  const what = `${starts.atOnce} starts at once: longest block`;
  row({ goal: 'G16', what, peer: '-', ratio: median(starts.blocks), limit: 50, unit: 'ms' });
}
