import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { runDemo } from '../demo/demo.ts';
import type { DemoView } from '../demo/screen.ts';
import type { Io } from '../io.ts';
import { painter } from '../io.ts';
import { openOps } from '../ops.ts';
import { type Look, look } from '../pass.ts';
import { statusTable } from '../render/status.ts';
import { statusItems } from '../status-items.ts';
import { watchLoop } from '../watch.ts';
import { phasePrinter } from './common.ts';
import type { CommonOptions } from './options.ts';
import { runVerb } from './verbs.ts';

/** `demo`: a scratch repository, a simulated venue, three simulated bots, and the product's own loop on them. */
export async function runDemoCommand(options: CommonOptions): Promise<number> {
  const { io } = options;
  // This module is bundled into a file of dist/lib.
  const dist = join(dirname(fileURLToPath(import.meta.url)), '..');
  const viewOf = (seen: Look): DemoView => {
    const items = statusItems(seen);
    return { items, table: statusTable(items, Date.now(), painter(io.color), io.outTTY ? io.columns : 1000) };
  };
  return runDemo(
    { keep: options.keep === true, scenario: options.scenario ?? 'too-tight' },
    {
      dist,
      fleet: join(dist, '..', 'fleet'),
      async watch(dir, { signal, onView, onEvent }) {
        const ops = await opened(dir);
        const say = phasePrinter(lines(io, onEvent));
        await watchLoop(ops, {
          only: null,
          tune: true,
          push: true,
          signal,
          log: pino({ level: 'silent' }),
          onPhase: say,
          onPass: async ({ look: seen, applied, problems }) => {
            for (const subject of applied.commits) onEvent(subject);
            for (const problem of problems) onEvent(problem.message);
            if (seen === null) return;
            // What a pass did is seen by the next look, not by the one that planned it.
            const after =
              applied.outcomes.length + applied.commits.length === 0
                ? null
                : await look(ops, { only: null, tune: true, push: true, fetch: false });
            await onView(viewOf(after?.ok === true ? after.value : seen));
          },
        });
      },
      stop: (dir) => runVerb('stop', [], { C: dir, reason: 'the demo ends', io: { ...io, out: () => undefined } }),
      async view(dir) {
        const seen = await look(await opened(dir), { only: null, tune: true, push: true, fetch: false });
        return seen.ok ? viewOf(seen.value) : null;
      },
    },
    io,
  );
}

async function opened(dir: string) {
  const ops = await openOps(dir);
  if (!ops.ok) throw new Error(ops.problem.message);
  return ops.value;
}

/** Writes whole lines to `onLine` instead of a stream. */
function lines(io: Io, onLine: (text: string) => void): Io {
  const write = (text: string) => {
    for (const line of text.split('\n')) if (line !== '') onLine(line);
  };
  return { ...io, out: write, err: write };
}
