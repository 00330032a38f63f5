import { parseIterName } from '../env/iter.ts';
import { observe } from '../health/observe.ts';
import { newRunState, type RunState } from '../health/run.ts';
import type { JournalEvent, RunStartEvent } from '../journal/types.ts';
import { type Decided, decide } from '../tuning/decide.ts';
import { type Branch, branchValues, commitTo, newBranch } from './branch.ts';
import { blockedEntry, entryOf, logDigest } from './log.ts';
import type { RecordedRun, ReplayDecision, ReplayReport, ReplaySpec, ReplayStateName } from './types.ts';

/**
 * One spec over one instance's recorded journals, event by event.
 *
 * What was recorded cannot react to a decision, so a replay compares decisions, not profit. After a step the same journal goes
 * on under the simulated config: memory advances as the commit would make it, windows begin anew and the cooldown runs, as
 * after a restart that takes no time. During a park the journal is passed over until the park's end in journal time. After a
 * hard stop nothing is decided until the next recorded start. It begins with an empty memory.
 */
export type Replay = {
  spec: ReplaySpec;
  branch: Branch | null;
  start: ReplayReport['start'] | null;
  runs: RecordedRun[];
  /** Ids of runs that ended: a line of one of them comes too late to count. */
  ended: Set<string>;
  /** The recorded run being read; null between runs. */
  recorded: { start: RunStartEvent | null; floorTs: number; clock: number | null; row: RecordedRun | null } | null;
  /** Newest journal time of the runs before. */
  floorTs: number;
  run: RunState | null;
  lastLook: number | null;
  /** Events up to this time are not looked at: a decision was made, or a park lasts. */
  quietUntil: number;
  parked: boolean;
  held: boolean;
  blocked: boolean;
  label: ReplayStateName;
  decisions: ReplayDecision[];
  timeS: ReplayReport['timeS'];
  gaps: ReplayReport['gaps'];
  leftOut: ReplayReport['leftOut'];
};

/** Longer silence inside a run is a gap, not journal time. */
const GAP_S = 150;

export function newReplay(spec: ReplaySpec): Replay {
  return {
    spec,
    branch: null,
    start: null,
    runs: [],
    ended: new Set(),
    recorded: null,
    floorTs: Number.NEGATIVE_INFINITY,
    run: null,
    lastLook: null,
    quietUntil: Number.NEGATIVE_INFINITY,
    parked: false,
    held: false,
    blocked: false,
    label: 'collecting',
    decisions: [],
    timeS: {},
    gaps: { count: 0, seconds: 0 },
    leftOut: { strayLines: 0, overlapLines: 0, foreignLines: 0 },
  };
}

/** The next recorded start begins: what comes now is not a continuation, whatever its lines say. */
export function nextRecordedRun(replay: Replay): void {
  closeRun(replay);
  const { recorded } = replay;
  const runId = recorded?.row?.runId ?? '';
  if (runId !== '') replay.ended.add(runId);
  replay.floorTs = Math.max(replay.floorTs, recorded?.clock ?? Number.NEGATIVE_INFINITY);
  replay.recorded = null;
  replay.held = false;
}

/** Feeds one event, in file order. Runs are to come in order of their start. */
export function replayEvent(replay: Replay, event: JournalEvent): void {
  const { leftOut } = replay;
  if (!Number.isFinite(event.ts) || isSilent(event)) return;
  if (event.market !== '' && event.market !== replay.spec.market) {
    leftOut.foreignLines += 1;
    return;
  }
  if (event.runId !== '' && replay.ended.has(event.runId)) {
    leftOut.strayLines += 1;
    return;
  }
  const runId = replay.recorded?.row?.runId ?? '';
  if (runId !== '' && event.runId !== '' && event.runId !== runId) nextRecordedRun(replay);
  replay.recorded ??= { start: null, floorTs: replay.floorTs, clock: null, row: null };
  const { recorded } = replay;
  if (event.type === 'run_start') recorded.start = event;
  if (event.ts < recorded.floorTs) {
    leftOut.overlapLines += 1;
    return;
  }
  noteRecorded(replay, event);
  passTime(replay, event.ts);
  if (replay.held || event.ts <= replay.quietUntil) return;
  replay.parked = false;
  replay.run ??= beginRun(replay, event);
  observe(replay.run, event);
  if (replay.run.lastLook === replay.lastLook) return;
  replay.lastLook = replay.run.lastLook;
  act(replay);
}

/**
 * A line no number depends on (a reprice decision without mid and position). A scanner may pass over such lines, and over which
 * ones depends on where its blocks end; counted as signs of life they would move a look by seconds.
 */
function isSilent(event: JournalEvent): boolean {
  return event.type === 'other' && event.mid === null && event.position === null;
}

/** Ends the replay and gives its report. */
export function finishReplay(replay: Replay): ReplayReport {
  nextRecordedRun(replay);
  const { spec, runs, gaps, leftOut, decisions, timeS } = replay;
  return {
    instance: spec.instance,
    market: spec.market,
    start: replay.start ?? { iter: spec.iter, from: 'desired' },
    runs,
    journalS: Object.values(timeS).reduce((sum, seconds) => sum + seconds, 0),
    gaps,
    leftOut,
    decisions,
    timeS,
    logDigest: logDigest(spec, decisions),
  };
}

function noteRecorded({ recorded, runs }: Replay, event: JournalEvent): void {
  if (recorded === null) return;
  const envFile = event.type === 'run_start' ? (event.envFile?.split('/').at(-1) ?? null) : null;
  if (recorded.row === null) {
    recorded.row = {
      runId: event.runId,
      startTs: event.ts,
      endTs: event.ts,
      envFile: recorded.start?.envFile?.split('/').at(-1) ?? envFile,
      whole: recorded.start !== null,
    };
    runs.push(recorded.row);
  }
  if (recorded.row.runId === '') recorded.row.runId = event.runId;
  recorded.row.endTs = Math.max(recorded.row.endTs, event.ts);
}

/** Counts the time up to this event for the state that held since the one before. */
function passTime(replay: Replay, ts: number): void {
  const { recorded, timeS, gaps } = replay;
  if (recorded === null) return;
  const passed = recorded.clock === null ? 0 : ts - recorded.clock;
  recorded.clock = ts;
  if (passed > GAP_S) {
    gaps.count += 1;
    gaps.seconds += passed;
  } else if (passed > 0) {
    const state = replay.held ? 'held' : replay.parked ? 'parked' : replay.label;
    timeS[state] = (timeS[state] ?? 0) + passed;
  }
}

/** A run as the engine sees it: the recorded one from its start, or what would have been started after a decision. */
function beginRun(replay: Replay, event: JournalEvent): RunState {
  const { spec, recorded } = replay;
  replay.branch ??= beginBranch(replay);
  const { branch } = replay;
  const values = branchValues(branch, branch.iter) ?? spec.baseValues;
  const run = newRunState({ health: spec.policy.health, maxPositionBase: positionCap(values['MM_MAX_POSITION_SIZE']) });
  const recordedStart = recorded?.start ?? null;
  const restarted = replay.quietUntil > (recorded?.row?.startTs ?? Number.POSITIVE_INFINITY);
  replay.lastLook = null;
  replay.label = 'collecting';
  replay.blocked = false;
  if (event.type !== 'run_start' && (restarted || recordedStart !== null)) {
    observe(run, { ...(recordedStart ?? emptyStart(event)), ts: event.ts, position: null, mid: null });
  }
  return run;
}

/** The config named by the first recorded start where the tree still has it: steps then start where the bot stood. */
function beginBranch(replay: Replay): Branch {
  const { spec, recorded } = replay;
  const name = recorded?.row?.envFile ?? null;
  const baseName = spec.baseEnv.split('/').at(-1) ?? '';
  const named = name === null ? null : parseIterName(name);
  const iter = name === baseName ? null : named !== null && named.basePath === baseName ? named.iter : undefined;
  const found = iter !== undefined && spec.iterValues(iter) !== null;
  replay.start = found ? { iter, from: 'recorded' } : { iter: spec.iter, from: 'desired' };
  return newBranch(spec, replay.start.iter);
}

function emptyStart({ runId, market }: JournalEvent): RunStartEvent {
  const unknown = { tickSize: null, minOrderSize: null, sizeStep: null, envFile: null };
  return {
    type: 'run_start',
    ts: 0,
    runId,
    market,
    position: null,
    mid: null,
    environment: '',
    config: {},
    ...unknown,
  };
}

function positionCap(text: string | undefined): number | null {
  const cap = text === undefined || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(cap) && cap > 0 ? cap : null;
}

/** Asks the engine and does, in the simulated history, what it says. */
function act(replay: Replay): void {
  const { branch, run, spec } = replay;
  if (branch === null || run === null) return;
  const decided = ask(branch, run, spec);
  const { decision } = decided;
  const collecting = run.now < run.since + spec.policy.health.cooldownMs / 1000;
  replay.label = collecting ? 'collecting' : decided.health;
  if (decision.kind === 'none') {
    const blocked = decision.reason === 'at-bound';
    if (blocked && !replay.blocked) replay.decisions.push(blockedEntry(run.now, branch.iter, decision.message));
    replay.blocked = blocked;
    return;
  }
  const from = branch.iter;
  replay.run = null;
  replay.lastLook = null;
  // Nothing of the moment of the decision belongs to the run after it.
  replay.quietUntil = Math.max(decision.at, run.now);
  if (decision.kind === 'stop') {
    replay.held = true;
  } else {
    commitTo(branch, decision);
    replay.parked = decision.kind === 'park';
    if (decision.kind === 'park') replay.quietUntil = Math.max(replay.quietUntil, decision.at + decision.forMs / 1000);
  }
  replay.decisions.push(entryOf(decision, { from, to: branch.iter }, spec.policy.tuning));
}

function ask(branch: Branch, run: RunState, spec: ReplaySpec): Decided {
  return decide({
    memory: branch.memory,
    run,
    policy: spec.policy,
    values: branchValues(branch, branch.iter) ?? spec.baseValues,
    iter: branch.iter,
    baseValues: spec.baseValues,
    iterValues: (iter) => branchValues(branch, iter),
  });
}

/** The engine is asked once more at the end of a run: some rules hold from a moment between two looks. */
function closeRun(replay: Replay): void {
  if (replay.run !== null && replay.run.lastLook !== null) act(replay);
  replay.run = null;
  replay.lastLook = null;
}
