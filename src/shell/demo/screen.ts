/** What the demo shows while it runs: on a terminal one picture that is redrawn, else lines as things happen. */
import type { StatusItem } from '../../core/plan/status.ts';
import type { Io } from '../io.ts';
import { marketSecond, moodOf, type World } from './story.ts';

/** What the loop shows after a pass. */
export type DemoView = { table: string; items: StatusItem[] };

export type Screen = { show(view: DemoView): void; event(text: string): void; close(): void };

const EVENTS_KEPT = 8;
const REDRAW_MS = 1_000;
/** Without a terminal the table comes when a state changes, and this often at least. */
const QUIET_MS = 20_000;

/** Draws on `io.out`; close it before anything else is written there. */
export function createScreen(io: Io, world: World): Screen {
  return io.outTTY ? picture(io, world) : lines(io, world);
}

function picture(io: Io, world: World): Screen {
  const events: string[] = [];
  let table = 'starting';
  const draw = () => {
    io.out(`\u001b[H\u001b[2J${clock(world)}\n\n${table}\n\n${events.join('\n')}\n`);
  };
  const timer = setInterval(draw, REDRAW_MS);
  return {
    show: (view) => {
      table = view.table;
      draw();
    },
    event: (text) => {
      events.push(`${time(world)}  ${text}`.slice(0, Math.max(20, io.columns - 1)));
      if (events.length > EVENTS_KEPT) events.shift();
      draw();
    },
    close: () => clearInterval(timer),
  };
}

function lines(io: Io, world: World): Screen {
  let last = '';
  let lastMs = 0;
  return {
    show: (view) => {
      const states = view.items.map((i) => `${i.lifecycle} ${i.health} ${i.iter.desired} ${i.iter.running}`).join('\n');
      if (states === last && Date.now() - lastMs < QUIET_MS) return;
      last = states;
      lastMs = Date.now();
      io.out(`\n${clock(world)}\n${view.table}\n`);
    },
    event: (text) => io.out(`${time(world)}  ${text}\n`),
    close: () => {},
  };
}

function clock(world: World): string {
  return `demo, an hour each ${3600 / world.speed} s: ${time(world)} of market time. ${moodOf(world, now(world) / 3600)}`;
}

function time(world: World): string {
  const s = now(world);
  return `${Math.floor(s / 3600)}h${String(Math.floor((s % 3600) / 60)).padStart(2, '0')}`;
}

function now(world: World): number {
  return Math.max(0, marketSecond(world, Date.now()));
}
