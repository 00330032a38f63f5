/** The newest run of one instance as it is folded from its journal, and where reading one begins that is new. */
import { type CursorSink, type CursorState, JournalCursor, type PollResult } from '../adapters/journal-cursor.ts';
import { firstEvent, type RunFiles } from '../adapters/journal-files.ts';
import { type JournalPlace, placeBefore } from '../adapters/journal-seek.ts';
import { leaveOut, observe, tells } from '../core/health/observe.ts';
import { reachesBack } from '../core/health/reach.ts';
import { newRunState, policyDigest, type RunState } from '../core/health/run.ts';
import type { LineReader } from '../core/journal/line-reader.ts';
import type { JournalEvent, RunEndEvent, RunStartEvent } from '../core/journal/types.ts';
import type { Instance } from '../core/spec/types.ts';
import type { DesiredInstance } from './desired.ts';
import { SLICE_BYTES } from './earlier-runs.ts';
import type { JournalView } from './journals.ts';

export type LookedAt = Pick<DesiredInstance, 'name' | 'spec' | 'env'>;

export type RunEntry = {
  cursor: JournalCursor;
  run: RunState;
  runStart: RunStartEvent | null;
  runEnd: RunEndEvent | null;
  shuttingDown: boolean;
  /** What the fold depends on besides the bytes. */
  key: string;
  changed: boolean;
  /** Journal time (Unix seconds) of the run as it is in the cache; null = it is not there. */
  keptTs: number | null;
  /** Bytes read since then, and when the last of them was written (wall time, ms). */
  unkept: number;
  changedAtMs: number;
  offset: number;
  path: string;
  /** What it was made for; the same objects need no new key. */
  made: { spec: Instance; env: DesiredInstance['env'] };
  /** Whether all that was there has been read once. */
  caughtUp: boolean;
  /** A long run is entered so many seconds of journal time before its end; null = every run is read from its start. */
  reachS: number | null;
  /** Id of the run that was entered there, until it is known whether that was far enough. */
  entered: string | null;
  /** What catching up found in the look that still goes on. */
  polled?: PollResult;
  sink?: CursorSink;
  /** What was given out last, while it is still so. */
  view?: Extract<JournalView, { state: 'ok' }> | undefined;
};

const CACHE_VERSION = 3;
/** Less than this before its end is not worth leaving unread. */
const LEFT_OUT_MIN_BYTES = SLICE_BYTES;
/** How many times further back it is read when the windows are not full. */
const FURTHER = 2;
/** A run as it is in the cache, and where reading goes on. */
export type KeptRun = Pick<RunEntry, 'run' | 'runStart' | 'runEnd' | 'shuttingDown'> & { cursor: CursorState };

/** One that has read nothing yet, or goes on from what was kept. */
export function newEntry(
  instance: LookedAt,
  spec: Instance,
  pattern: string,
  { key, reachS }: Pick<RunEntry, 'key' | 'reachS'>,
  kept?: KeptRun,
): RunEntry {
  const cap = capOf(instance);
  const { cursor, ...run } = kept ?? { cursor: undefined, ...emptyRun(spec, cap) };
  const entry: RunEntry = {
    cursor: new JournalCursor(pattern, spec.market, cursor, (files) => enterRun(entry, spec, cap, files)),
    ...run,
    key,
    changed: false,
    keptTs: kept === undefined ? null : run.run.now,
    unkept: 0,
    changedAtMs: 0,
    offset: cursor?.offset ?? 0,
    path: cursor?.piece ?? '',
    made: { spec, env: instance.env },
    caughtUp: false,
    reachS,
    entered: null,
  };
  return entry;
}

/** What a fold depends on besides the bytes. */
export function keyOf(instance: LookedAt, { market, health }: Instance, pattern: string): string {
  return JSON.stringify([CACHE_VERSION, pattern, market, policyDigest(health), capOf(instance)]);
}

/**
 * A few lines of a journal that goes on are sooner read again than the whole run is written. Every minute of it is looked at
 * again too, however little was written in it.
 */
export function isWorthKeeping({ run, keptTs, unkept, changedAtMs }: RunEntry): boolean {
  const minutes = Math.max(0, run.now - (keptTs ?? run.startTs ?? run.now)) / 60;
  return unkept + minutes * MINUTE_BYTES >= WORTH_KEEPING_BYTES || Math.abs(Date.now() - changedAtMs) > GOES_ON_MS;
}

const WORTH_KEEPING_BYTES = 32 * 1024;
/** To look at a minute takes as long as to read so much. */
const MINUTE_BYTES = 4 * 1024;
const GOES_ON_MS = 120_000;

const emptyRun = (spec: Instance, cap: number | null) => ({
  run: newRunState({ health: spec.health, maxPositionBase: cap }),
  runStart: null,
  runEnd: null,
  shuttingDown: false,
});

/** What reading the journal does to the entry. */
export function sinkOf(entry: RunEntry, spec: Instance, cap: number | null): CursorSink {
  return {
    startRun: () => startRun(entry, spec, cap),
    event: (event: JournalEvent) => take(entry, spec, cap, event),
    // None of the types that `take` remembers is read quickly.
    quick: (line: LineReader) => fold(entry, spec, cap, line.passing),
  };
}

function startRun(entry: RunEntry, spec: Instance, cap: number | null): void {
  Object.assign(entry, emptyRun(spec, cap));
}

function fold(entry: RunEntry, spec: Instance, cap: number | null, event: JournalEvent): void {
  // Two starts within a second share one file: another run id is another run.
  if (event.runId !== '' && entry.run.startTs !== null && event.runId !== entry.run.runId) startRun(entry, spec, cap);
  observe(entry.run, event);
}

function take(entry: RunEntry, spec: Instance, cap: number | null, event: JournalEvent): void {
  // A file that is read again from its start tells of the whole run: nothing of it may count twice.
  if (event.type === 'run_start' && event.runId === entry.runStart?.runId && event.ts === entry.runStart.ts)
    startRun(entry, spec, cap);
  fold(entry, spec, cap, event);
  if (event.type === 'run_start') entry.runStart = event;
  if (event.type === 'run_end') entry.runEnd = event;
  if (
    event.type === 'run_end' ||
    event.type === 'drawdown_stop' ||
    (event.type === 'other' && event.name === 'margin_guard_shutdown')
  )
    entry.shuttingDown = true;
}

/** Where reading a run begins that is new: with its first line, and then far enough before its end when it is long. */
function enterRun(entry: RunEntry, spec: Instance, cap: number | null, { paths }: RunFiles): JournalPlace | null {
  entry.entered = null;
  const place = entry.reachS === null ? null : placeBefore(paths, entry.reachS, tells);
  if (place === null || place.skippedBytes < LEFT_OUT_MIN_BYTES) return null;
  const head = firstEvent(paths[0]!, tells);
  // Which env it has and whose it is stands there; a run that does not say is read whole.
  if (head?.type !== 'run_start') return null;
  take(entry, spec, cap, head);
  leaveOut(entry.run, place.skippedBytes);
  entry.entered = head.runId;
  return place;
}

/** The reach that an entry needs: its own, more where its windows are not full, or the whole run. */
export function furtherBack({ run, reachS, entered }: RunEntry): number | null {
  if (reachS === null || entered === null) return reachS;
  // Its first line named another run of the same file: this one was met in the middle.
  if (run.runId !== entered) return null;
  return reachesBack(run) ? reachS : reachS * FURTHER;
}

/** The position cap the env declares, in base units; null = not declared. */
export function capOf(instance: Pick<DesiredInstance, 'env'>): number | null {
  const text = instance.env?.values['MM_MAX_POSITION_SIZE'];
  const cap = text === undefined || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(cap) && cap > 0 ? cap : null;
}
