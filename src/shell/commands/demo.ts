import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { DemoDeps, DemoView } from '../demo/demo.ts';
import { runDemo } from '../demo/demo.ts';
import type { Io } from '../io.ts';
import { painter } from '../io.ts';
import { type Ops, openOps } from '../ops.ts';
import { type Look, look } from '../pass.ts';
import { statusTable } from '../render/status.ts';
import { statusItems } from '../status-items.ts';
import { watchLoop } from '../watch.ts';
import type { CommonOptions } from './options.ts';
import { runVerb } from './verbs.ts';

/** `demo`: the real loop on the embedded fleet. */
export async function runDemoCommand(options: CommonOptions): Promise<number> {
  const dist = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const deps = demoDeps(dist, join(dist, '..', 'fleet'), options);
  return runDemo({ keep: options.keep === true, scenario: options.scenario ?? 'too-tight' }, deps, options.io);
}

function demoDeps(dist: string, fleet: string, options: CommonOptions): DemoDeps {
  const { io } = options;
  let ops: Ops | null = null;
  const opened = async (dir: string): Promise<Ops> => {
    if (ops !== null) return ops;
    const result = await openOps(dir);
    if (!result.ok) throw new Error(result.problem.message);
    ops = result.value;
    return ops;
  };
  return {
    dist,
    fleet,
    watch: async (dir, { signal, onView, onEvent }) => {
      const repository = await opened(dir);
      await watchLoop(repository, {
        only: null,
        tune: true,
        push: true,
        signal,
        log: eventLog(onEvent),
        onPass: async ({ look: seen }) => {
          if (seen !== null) await onView(viewOf(seen, repository, io));
        },
      });
    },
    stop: (dir, onEvent) => {
      const quiet: Io = { ...io, out: (text) => onEvent(text.trimEnd()), err: () => {} };
      return runVerb('stop', [], { ...options, io: quiet, C: dir, reason: 'end of the demo', timeout: '60s' });
    },
    view: async (dir) => {
      const repository = await opened(dir);
      const seen = await look(repository, { only: null, tune: true, push: true, fetch: false });
      return seen.ok ? viewOf(seen.value, repository, io) : null;
    },
  };
}

function viewOf(seen: Look, ops: Ops, io: Io): DemoView {
  const items = statusItems(seen);
  return { items, table: statusTable(items, ops.clock.nowMs(), painter(io.color), io.outTTY ? io.columns : 1000) };
}

/** The daemon's own log lines, told in a few words; its quiet passes say nothing. */
function eventLog(onEvent: (text: string) => void): pino.Logger {
  const stream = {
    write: (line: string) => {
      const text = eventOf(JSON.parse(line) as Record<string, unknown>);
      if (text !== null) onEvent(text);
    },
  };
  return pino({ level: 'info', base: null }, stream);
}

function eventOf(entry: Record<string, unknown>): string | null {
  const { msg, instance, phase, detail, commit } = entry;
  switch (msg) {
    case 'converging':
      return `${instance} ${phase}: ${detail}`;
    case 'committed':
      return `commit ${commit}`;
    case 'held':
    case 'converged':
      return `${instance} ${msg}: ${detail}`;
    case 'pass':
      return null;
    default:
      return String(msg);
  }
}
