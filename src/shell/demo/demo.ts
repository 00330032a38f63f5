/** The demo: a scratch repository, a simulated venue and bots as real processes, and the real loop over them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { type Io, onReaderGone } from '../io.ts';
import { endLeftovers } from './leftovers.ts';
import { makeScratch, removeScratch, type Scratch, writeWorld } from './scratch.ts';
import { createScreen, type DemoView } from './screen.ts';
import { isStoryName, STORIES, type StoryName, type World } from './story.ts';

export type DemoOptions = { keep: boolean; scenario: string /** Wall seconds at most. */; seconds?: number };

/** The product itself; the demo has no way of its own to start, stop or tune. */
export type DemoDeps = {
  /** Folder of the built program: the bots and the venue run from it. */
  dist: string;
  /** Folder with the demo's fleet. */
  fleet: string;
  /** `reconcile --watch` until the signal. */
  watch(
    opsDir: string,
    deps: { signal: AbortSignal; onView: (view: DemoView) => Promise<void>; onEvent: (text: string) => void },
  ): Promise<void>;
  /** `stop` of all instances, to the end; an exit code. */
  stop(opsDir: string): Promise<number>;
  view(opsDir: string): Promise<DemoView | null>;
};

const DEFAULT_SECONDS = 130;
/** Wall time that the last act stays on the screen. */
const LAST_LOOK_MS = 8_000;
const VENUE_START_MS = 10_000;
const INTERRUPTED = 130;

/** Runs the story and cleans up after itself; the exit code: 0 played, 3 no such story, 4 not played in time, 130 interrupted. */
export async function runDemo(options: DemoOptions, deps: DemoDeps, io: Io): Promise<number> {
  const story = options.scenario;
  if (!isStoryName(story)) {
    io.err(`no scenario ${story}; there are ${Object.keys(STORIES).join(', ')}\n`);
    return 3;
  }
  const interrupt = catchInterrupts();
  const scratch = await makeScratch(deps);
  let kept = false;
  const show = async () => {
    io.err(`demo: ${scratch.ops}\n`);
    const venue = await startVenue(scratch, deps.dist, options.keep);
    const world = await writeWorld(scratch, story, Date.now());
    const played = await play(scratch, world, options, deps, io, interrupt.signal);
    kept = options.keep && !interrupt.signal.aborted;
    await conclude(scratch, venue, kept, deps, io);
    if (interrupt.signal.aborted) return INTERRUPTED;
    if (!played) io.err('demo: the story was not played to its end in time\n');
    return played ? 0 : 4;
  };
  const atOnce = new Promise<number>((done) => {
    interrupt.atOnce.addEventListener('abort', () => done(INTERRUPTED));
  });
  try {
    return await Promise.race([show(), atOnce]);
  } catch (error) {
    // What fails because everything under it is being ended is no failure.
    if (interrupt.atOnce.aborted) return INTERRUPTED;
    throw error;
  } finally {
    if (!kept) await cleanUp(scratch);
    interrupt.clear();
  }
}

/** Nothing of the demo is left afterwards, whatever state it was in. */
async function cleanUp(scratch: Scratch): Promise<void> {
  await endLeftovers(scratch.dir, 10_000);
  await removeScratch(scratch);
}

/** True when the story came to its end. */
async function play(
  scratch: Scratch,
  world: World,
  options: DemoOptions,
  deps: DemoDeps,
  io: Io,
  interrupted: AbortSignal,
): Promise<boolean> {
  const curtain = new AbortController();
  const timer = setTimeout(() => curtain.abort(), (options.seconds ?? DEFAULT_SECONDS) * 1000);
  const signal = AbortSignal.any([curtain.signal, interrupted]);
  const screen = createScreen(io, world);
  let endedAtMs: number | null = null;
  try {
    await deps.watch(scratch.ops, {
      signal,
      onEvent: (text) => screen.event(text),
      onView: async (view) => {
        screen.show(view);
        if (endedAtMs === null && ends(world.story, view, await subjects(scratch))) endedAtMs = Date.now();
        if (endedAtMs !== null && Date.now() - endedAtMs >= LAST_LOOK_MS) curtain.abort();
      },
    });
  } finally {
    clearTimeout(timer);
    screen.close();
  }
  return endedAtMs !== null;
}

/** Whether the last act has been played: all that it should commit is committed, and what should run runs. */
function ends(story: StoryName, view: DemoView, commits: string[]): boolean {
  const pump = view.items.find((item) => item.name === 'pump');
  if (pump === undefined || !STORIES[story].acts.every((act) => commits.some((line) => line.startsWith(act))))
    return false;
  if (STORIES[story].endsParked) return pump.lifecycle === 'parked';
  return pump.lifecycle === 'running' && pump.iter.running === pump.iter.desired;
}

async function subjects({ ops }: Scratch): Promise<string[]> {
  const log = await execa('git', ['-C', ops, 'log', '--format=%s'], { stdin: 'ignore', reject: false });
  return log.stdout.split('\n');
}

async function conclude(scratch: Scratch, venue: ChildProcess, kept: boolean, deps: DemoDeps, io: Io): Promise<void> {
  const last = await deps.view(scratch.ops);
  if (last !== null) io.out(`\n${last.table}\n`);
  if (!kept) {
    io.err('demo: stopping all three and proving them flat\n');
    const exit = await deps.stop(scratch.ops);
    io.err(exit === 0 ? 'demo: stopped and flat\n' : `demo: mmfleet stop ended with ${exit}\n`);
  }
  const log = await execa('git', ['-C', scratch.ops, 'log', '--format=%h %s'], { stdin: 'ignore' });
  io.out(`\n$ git log --format='%h %s'\n${log.stdout}\n`);
  const story = await execa('git', ['-C', scratch.ops, 'log', '-1', '--format=%B', '--grep', '^tune(pump)'], {
    stdin: 'ignore',
  });
  if (story.stdout !== '') io.out(`\n$ git log -1 --format=%B --grep '^tune(pump)'\n${story.stdout}\n`);
  if (!kept) return;
  io.out(
    `\nkept: the bots and the venue go on, nothing tunes them. In ${scratch.ops}:\n` +
      '  mmfleet status; mmfleet reconcile --watch; mmfleet stop --reason done\n' +
      `then: kill ${venue.pid}; rm -r ${scratch.dir}\n`,
  );
}

/**
 * Starts the venue in a session of its own: a Ctrl-C in the terminal must not take it from the bots. Unless it is to be kept
 * it ends with this process, however that ends: its standard input closes.
 */
async function startVenue(scratch: Scratch, dist: string, keep: boolean): Promise<ChildProcess> {
  const script = join(dist, 'shell', 'demo', 'venue-main.js');
  const args = [script, scratch.worldDir, scratch.secretsFile, ...(keep ? ['--keep'] : [])];
  const venue = spawn(process.execPath, args, {
    cwd: scratch.ops,
    detached: true,
    stdio: [keep ? 'ignore' : 'pipe', 'ignore', 'ignore'],
  });
  venue.unref();
  const until = Date.now() + VENUE_START_MS;
  while (!existsSync(join(scratch.worldDir, 'venue.url'))) {
    if (venue.exitCode !== null || Date.now() > until) throw new Error('the simulated venue did not start');
    await new Promise((done) => setTimeout(done, 20));
  }
  return venue;
}

/** The first signal ends the loop after the step in hand; the second ends everything at once, as does a reader that leaves. */
function catchInterrupts(): { signal: AbortSignal; atOnce: AbortSignal; clear(): void } {
  const [first, second] = [new AbortController(), new AbortController()];
  const onSignal = () => (first.signal.aborted ? second : first).abort();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, onSignal);
  // Nobody sees how it ends.
  onReaderGone(() => {
    first.abort();
    second.abort();
  });
  return {
    signal: first.signal,
    atOnce: second.signal,
    clear: () => {
      for (const name of names) process.off(name, onSignal);
      onReaderGone(null);
    },
  };
}
