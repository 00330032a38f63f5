/** A scratch world for process tests: a state folder, a control folder, a journal folder and puppet bots. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/adapters/clock.ts';
import { createProcessRuntime } from '../../src/adapters/process.ts';
import { liveProcess } from '../../src/adapters/process-table.ts';
import type { ProcessCopy, RuntimePort, StartOrder } from '../../src/core/ports.ts';
import { withState } from './command-venue.mjs';

export type Book = { position: string; orders: { id: string; side: string; price: string; size: string }[] };

/** Everything a test with puppet bots needs; `end` kills what is left and removes the folder. */
export function scratch(market = 'AMZN-USD') {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-puppet-'));
  const fleetId = `test-${dir.split('-').at(-1)}`;
  const stateDir = join(dir, '.mmfleet');
  const control = join(dir, 'control');
  const venueState = join(dir, 'venue.json');
  mkdirSync(control);
  const runtime = createProcessRuntime({ fleetId, stateDir, clock: systemClock });
  const order = (change: Partial<StartOrder> = {}): StartOrder => ({
    instance: 'amzn',
    command: [process.execPath, join(import.meta.dirname, 'puppet-bot.mjs')],
    cwd: dir,
    env: { MM_MARKET_NAME: market, MM_SPREAD_MULTIPLIER: '1.20', MM_SHUTDOWN_TIMEOUT_S: '0' },
    envText: `MM_MARKET_NAME=${market}\nMM_SPREAD_MULTIPLIER=1.20`,
    secrets: { MM_API_KEY: 'sesame-0123456789' },
    envFileName: '.env.amzn.iter007',
    envFileVariable: 'ENV',
    environment: { PUPPET_CONTROL: control, PUPPET_VENUE: venueState },
    markers: {
      MMFLEET_FLEET: fleetId,
      MMFLEET_INSTANCE: 'amzn',
      MMFLEET_ITER: '007',
      MMFLEET_REVISION: 'abc',
      MMFLEET_DIGEST: 'd1',
    },
    ...change,
  });
  return {
    dir,
    fleetId,
    stateDir,
    gitDir: join(dir, '.git'),
    control,
    venueState,
    market,
    runtime,
    order,
    /** Sets how the puppet behaves (replaces the control file). */
    behave: (behaviour: object) => put(join(control, `${market}.json`), JSON.stringify(behaviour)),
    /** Gives the puppet one-time commands, a line each. */
    tell: (...lines: string[]) => put(join(control, `${market}.do`), `${lines.join('\n')}\n`),
    /** Signals received by puppets of this market, a line `<pid> <signal>` each. */
    signals: () => lines(join(control, `${market}.signals.log`)),
    book: () =>
      withState(venueState, (s: { markets: Record<string, Book> }) => structuredClone(s.markets[market])) as
        | Book
        | undefined,
    setBook: (change: object) =>
      withState(venueState, (s: { markets: Record<string, object> }) => {
        const fresh = {
          position: '0',
          orders: [],
          bid: '100.0',
          ask: '100.1',
          sizeStep: '0.01',
          minSize: '0.01',
          tick: '0.1',
        };
        s.markets[market] = { ...fresh, ...s.markets[market], ...change };
      }),
    venueLog: () =>
      withState(venueState, (s: { log: { call: string; args: string[] }[] }) => s.log) as {
        call: string;
        args: string[];
      }[],
    faults: (list: object[]) => writeFileSync(`${venueState}.faults`, JSON.stringify(list)),
    /** Events of all journals, oldest file first. */
    journal: () => journalLines(join(dir, 'data', 'mm_journal')),
    start: async (change: Partial<StartOrder> = {}): Promise<ProcessCopy> => {
      const started = await runtime.start(order(change));
      if (!started.ok) throw new Error(started.problem.message);
      return started.value;
    },
    copies: async () => {
      const all = await runtime.list();
      if (!all.known) throw new Error(all.reason);
      return all.value;
    },
    end: async () => {
      await killAll(runtime);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Waits until `look` gives something other than undefined, null or false. */
export async function until<T>(look: () => T | Promise<T>, what: string, deadlineMs = 10_000): Promise<NonNullable<T>> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== null && value !== false) return value as NonNullable<T>;
    if (Date.now() > end) throw new Error(`waited too long: ${what}`);
    await systemClock.sleep(10);
  }
}

/** Kills every copy and waits for their end: one that was in the middle of a write still does it. */
export async function killAll(runtime: RuntimePort): Promise<void> {
  await until(async () => {
    const all = await runtime.list();
    for (const copy of all.known ? all.value : []) await runtime.signal(copy, 'SIGKILL');
    return all.known && all.value.length === 0;
  }, 'all ended');
}

/** Whether a process lives, zombies not counted. */
export const alive = (pid: number): boolean => liveProcess(pid) !== null;

function put(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

/** Whole lines: the last one may be half written. */
function lines(path: string): string[] {
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .slice(0, -1)
        .filter((l) => l !== '')
    : [];
}

function journalLines(folder: string): Record<string, unknown>[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).sort();
  return files.flatMap((file) => lines(join(folder, file)).map((line) => JSON.parse(line) as Record<string, unknown>));
}
