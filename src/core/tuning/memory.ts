import { parseIterName } from '../env/iter.ts';
import type { SignalName, Theme, TuningPolicy } from '../spec/types.ts';
import { rollbackTarget } from '../trail/read-message.ts';
import { parseChange, parseDuration } from '../trail/text.ts';
import { trailer, trailersNamed } from '../trail/trailers.ts';
import type { TrailEntry } from '../trail/types.ts';
import { tunableKey } from './step-values.ts';
import { STEPS, stepId } from './steps.ts';
import { isStep, parseUtc, readStory, type Story } from './story.ts';
import type { Rung, TuningMemory } from './types.ts';

type MemoryPolicy = Pick<TuningPolicy, 'recover' | 'forgetAfterMs' | 'keys'>;

/**
 * What git says has happened to one instance, from its commits (newest first) alone. `baseEnv` is the repository path of its
 * base env: iter files are `<baseEnv>.iterNNN`. An iter whose adding commit does not tell its story makes the memory
 * incomplete until a `release`, which starts anew from the env that runs.
 */
export function rebuildMemory(
  entries: readonly TrailEntry[],
  context: { baseEnv: string; policy: MemoryPolicy },
): TuningMemory {
  const fold: Fold = {
    memory: emptyMemory(context.policy),
    present: new Set(),
    before: new Map(),
    after: new Map(),
    told: new Map(),
    popped: new Map(),
    context,
  };
  for (let at = entries.length - 1; at >= 0; at -= 1) apply(fold, entries[at]!);
  return fold.memory;
}

export function emptyMemory(policy: Pick<TuningPolicy, 'recover'>): TuningMemory {
  return {
    complete: true,
    incompleteReason: null,
    lastIter: 0,
    rungs: [],
    alarms: [],
    alarmChanges: [],
    hygieneChanges: [],
    parks: [],
    trial: null,
    recoverWaitMs: policy.recover.quietForMs,
    lastRecoverAt: null,
    forgotten: [],
    unjudged: [],
  };
}

/**
 * The memory as it stands at journal time `at`: a trial whose probation is over has stood the test, and a recover step that
 * did so resets the wait before the next one.
 */
export function settledMemory(memory: TuningMemory, at: number, policy: Pick<TuningPolicy, 'recover'>): TuningMemory {
  const { trial } = memory;
  if (trial === null || at - trial.at <= policy.recover.probationMs / 1000) return memory;
  const recoverWaitMs = trial.kind === 'recover' ? policy.recover.quietForMs : memory.recoverWaitMs;
  return { ...memory, trial: null, recoverWaitMs };
}

/** Journal time of the newest thing that was done about this instance; null = nothing yet. */
export function lastActAt(memory: TuningMemory): number | null {
  const times = [
    ...memory.alarms.map((alarm) => alarm.at),
    ...memory.alarmChanges,
    ...memory.hygieneChanges,
    ...(memory.lastRecoverAt === null ? [] : [memory.lastRecoverAt]),
  ];
  return times.length === 0 ? null : Math.max(...times);
}

export function isSignal(text: string): text is SignalName {
  return text === 'burst' || text === 'fast' || text === 'slow' || text === 'alert';
}

/** Entries of each list that are kept: far more than any window can hold. */
const KEPT = 200;

type Snapshot = Pick<TuningMemory, 'rungs' | 'trial' | 'recoverWaitMs'>;

type Before = Snapshot & { step: string; on: number };

type Fold = {
  memory: TuningMemory;
  /** Iters in the tree. */
  present: Set<number>;
  /** Ladder before and after each iter's commit, for reverts; `on`: the iter that it was made on, 0 = the base env. */
  before: Map<number, Before>;
  after: Map<number, Snapshot>;
  /** Kind and journal time of the commit that made each iter. */
  told: Map<number, string>;
  /** Rungs that a recover iter climbed. */
  popped: Map<number, Rung>;
  context: { baseEnv: string; policy: MemoryPolicy };
};

function apply(fold: Fold, entry: TrailEntry): void {
  const story = readStory(entry);
  const made = story === null || story.iter === null || story.kind === 'verdict' ? null : story.iter;
  const words = made === null ? '' : `${story?.kind} ${entry.at}`;
  // The same step once more: picked again, or merged with the branch it was picked from.
  const again = made !== null && fold.told.get(made) === words;
  for (const { iter, status } of filesOf(fold, entry)) {
    if (status === 'D') removed(fold, entry, iter);
    else if (again && iter === made && status === 'A' && fold.present.has(iter)) continue;
    else if (again || story?.iter !== iter) addedWithoutStory(fold, entry, iter, status);
  }
  if (story === null || again) return;
  if (made !== null) {
    if (isStep(story.kind)) fold.memory = settledMemory(fold.memory, entry.at, fold.context.policy);
    const step = story.kind === 'rebase' ? rebaseStep(trailer(entry.trailers, 'Base') ?? '') : story.step;
    fold.before.set(made, { ...snapshot(fold.memory), step, on: Math.max(0, ...fold.present) });
  }
  applyStory(fold, entry, story);
  if (made !== null) {
    fold.present.add(made);
    fold.told.set(made, words);
    fold.memory.lastIter = Math.max(fold.memory.lastIter, made);
    fold.after.set(made, snapshot(fold.memory));
  }
}

/** One word that names the move onto a base env, by its blob id, for forgetting: another edit is another step. */
export function rebaseStep(baseBlob: string): string {
  return `rebase-${baseBlob}`;
}

function applyStory(fold: Fold, entry: TrailEntry, story: Story): void {
  switch (story.kind) {
    case 'tune':
    case 'recover':
    case 'undo':
      applyStep(fold, entry, story);
      return;
    case 'park':
      applyPark(fold.memory, entry);
      return;
    case 'release':
      applyRelease(fold, entry);
      return;
    case 'verdict':
      fold.memory.unjudged = fold.memory.unjudged.filter((open) => open.iter !== story.iter);
      return;
    case 'rebase':
      applyRebase(fold, entry);
      return;
    case 'rollback':
      applyRollback(fold, entry);
      return;
    case 'converge':
    case 'hold':
    case 'start':
    case 'stop':
    case 'suspend':
    case 'resume':
    case 'init':
      return;
  }
}

function applyStep(fold: Fold, entry: TrailEntry, story: Story): void {
  const { memory } = fold;
  if (story.iter === null || story.theme === null || story.step === '' || story.by === '') {
    incomplete(memory, `commit ${entry.commit.slice(0, 12)} lacks its trailers`);
    return;
  }
  const at = entry.at;
  add(memory.unjudged, { iter: story.iter, against: story.parentIter, at });
  if (story.kind === 'tune') applyTune(fold, entry, story, story.iter, story.theme);
  if (story.kind === 'recover') {
    const rung = memory.rungs.at(-1);
    if (rung !== undefined) fold.popped.set(story.iter, rung);
    memory.rungs = memory.rungs.slice(0, -1);
    memory.trial = {
      kind: 'recover',
      iter: story.iter,
      fromIter: story.fromIter ?? story.parentIter,
      step: story.step,
      at,
    };
    memory.lastRecoverAt = at;
  }
  if (story.kind === 'undo') {
    const rung = fold.popped.get(story.fromIter ?? -1);
    if (rung !== undefined) memory.rungs = [...memory.rungs, { ...rung, toIter: story.iter }];
    memory.trial = null;
    add(memory.alarms, { at, kind: 'undo' });
    memory.recoverWaitMs = parseDuration(trailer(entry.trailers, 'Wait') ?? '') ?? memory.recoverWaitMs;
    forget(fold, trailer(entry.trailers, 'Forget') ?? story.step, at);
  }
}

function applyTune({ memory }: Fold, entry: TrailEntry, story: Story, iter: number, theme: Theme): void {
  const at = entry.at;
  const alarmed = isSignal(story.by);
  const proven = trailer(entry.trailers, 'Proven') === 'yes';
  const id = stepId(story.step);
  memory.trial = id === 'tighten' ? { kind: 'tighten', iter, fromIter: story.parentIter, step: story.step, at } : null;
  if (alarmed || isDefensive(id)) {
    const rung = {
      fromIter: story.parentIter,
      toIter: iter,
      theme,
      step: story.step,
      at,
      proven,
      trend: id === 'trend',
    };
    memory.rungs = [...(memory.rungs.length < KEPT ? memory.rungs : memory.rungs.slice(1 - KEPT)), rung];
  }
  if (alarmed) {
    add(memory.alarms, { at, kind: 'tune' });
    add(memory.alarmChanges, at);
  } else {
    add(memory.hygieneChanges, at);
  }
}

/** Steps that give up fills for safety, whatever asked for them: they can be climbed back. */
function isDefensive(id: string): boolean {
  return (['widen', 'faster', 'toxicity', 'trend'] as const).some((name) =>
    STEPS[name].rows.some((row) => row.id === id),
  );
}

function applyPark(memory: TuningMemory, entry: TrailEntry): void {
  const untilTs = parseUtc(trailer(entry.trailers, 'Until') ?? '');
  if (untilTs === null) {
    incomplete(memory, `commit ${entry.commit.slice(0, 12)} lacks its trailers`);
    return;
  }
  const endAt = entry.at + Math.max(0, untilTs - entry.committerTs);
  if (memory.parks.some((known) => known.at === entry.at && known.untilTs === untilTs)) return;
  const park = { at: entry.at, untilTs, endAt, trigger: trailer(entry.trailers, 'Trigger') ?? '' };
  add(memory.parks, park);
  add(memory.alarms, { at: entry.at, kind: 'park' });
}

/** Lifts what a person or a missing story had blocked. A memory that was complete keeps its ladder and its caps. */
function applyRelease(fold: Fold, entry: TrailEntry): void {
  const { memory } = fold;
  if (!memory.complete) {
    fold.memory = { ...emptyMemory(fold.context.policy), lastIter: memory.lastIter };
    return;
  }
  memory.forgotten = [];
  const park = memory.parks.at(-1);
  if (trailer(entry.trailers, 'Kind') === 'park' && park !== undefined && entry.committerTs < park.untilTs) {
    const early = park.untilTs - entry.committerTs;
    memory.parks = [
      ...memory.parks.slice(0, -1),
      { ...park, untilTs: entry.committerTs, endAt: Math.max(park.at, park.endAt - early) },
    ];
  }
}

/** The person's new values stand: rungs of a theme the person changed lead nowhere any more. */
function applyRebase({ memory, context }: Fold, entry: TrailEntry): void {
  const changed = trailersNamed(entry.trailers, 'Change').flatMap((text) => parseChange(text)?.key ?? []);
  const themes = new Set(changed.map((key) => tunableKey(key, context.policy)?.theme));
  memory.rungs = memory.rungs.filter((rung) => !themes.has(rung.theme));
  memory.trial = null;
}

/** A person chose what runs: no rung to climb back from it, nothing on trial, and the steps taken back rest for a while. */
function applyRollback(fold: Fold, entry: TrailEntry): void {
  fold.memory.rungs = [];
  fold.memory.trial = null;
  const to = rollbackTarget(entry.subject);
  if (to === undefined) return;
  for (const iter of fold.present) {
    const step = fold.before.get(iter)?.step;
    if (step !== undefined && iter > (to ?? 0)) forget(fold, step, entry.at);
  }
}

/** A deleted iter: by a person it is a rollback that sticks. */
function removed(fold: Fold, entry: TrailEntry, iter: number): void {
  const ran = iter === Math.max(...fold.present);
  fold.present.delete(iter);
  fold.memory.lastIter = Math.max(fold.memory.lastIter, iter);
  fold.memory.unjudged = fold.memory.unjudged.filter((open) => open.iter !== iter);
  const before = fold.before.get(iter);
  if (before === undefined) return;
  if (ran) {
    const { step: _, on: __, ...ladder } = lowestGone(fold, iter, before);
    fold.memory = { ...fold.memory, ...ladder };
  }
  if (!entry.ours || entry.kind === null) forget(fold, before.step, entry.at);
}

/** What was before the first of the steps, down from a deleted one, that are gone: those it was made on may have gone earlier. */
function lowestGone({ before, present }: Pick<Fold, 'before' | 'present'>, iter: number, at: Before): Before {
  const below = before.get(at.on);
  return below === undefined || at.on >= iter || present.has(at.on)
    ? at
    : lowestGone({ before, present }, at.on, below);
}

/** An iter that appears without a story: a revert that was itself reverted, or something that was squashed or imported. */
function addedWithoutStory(fold: Fold, entry: TrailEntry, iter: number, status: string): void {
  const name = `iter${String(iter).padStart(3, '0')}`;
  const known = fold.after.get(iter);
  fold.memory.lastIter = Math.max(fold.memory.lastIter, iter);
  if (status !== 'A' || known === undefined || fold.present.has(iter)) {
    const how = status === 'M' ? 'was changed after its commit' : 'was added without its story';
    incomplete(fold.memory, `${name} ${how} (commit ${entry.commit.slice(0, 12)})`);
    fold.present.add(iter);
    return;
  }
  fold.present.add(iter);
  if (iter === Math.max(...fold.present)) fold.memory = { ...fold.memory, ...known };
  const id = stepId(fold.before.get(iter)?.step ?? '');
  fold.memory.forgotten = fold.memory.forgotten.filter((step) => step.step !== id);
}

type IterFile = { iter: number; status: TrailEntry['files'][number]['status'] };

function filesOf(fold: Fold, entry: TrailEntry): readonly IterFile[] {
  let byBase = iterFiles.get(entry);
  if (byBase === undefined) {
    const { files } = entry;
    byBase = iterFilesOf(files);
    if (files.length > FEW_FILES) iterFiles.set(entry, byBase);
  }
  return byBase.get(fold.context.baseEnv) ?? [];
}

const FEW_FILES = 4;

/** Sorted out once for all instances: the commit that brought a whole fleet concerns each of them. Of smaller ones nothing is kept. */
const iterFiles = new WeakMap<TrailEntry, Map<string, IterFile[]>>();

function iterFilesOf(files: TrailEntry['files']): Map<string, IterFile[]> {
  const byBase = new Map<string, IterFile[]>();
  for (const { path, status } of files) {
    const found = path.includes('.iter') ? parseIterName(path) : null;
    if (found === null) continue;
    const file = { iter: found.iter, status };
    const known = byBase.get(found.basePath);
    if (known === undefined) byBase.set(found.basePath, [file]);
    else known.push(file);
  }
  for (const known of byBase.values()) if (known.length > 1) known.sort(inTurn);
  return byBase;
}

/** As if each were a commit: the newest is taken back first, and the oldest comes back first. */
function inTurn(a: IterFile, b: IterFile): number {
  if ((a.status === 'D') !== (b.status === 'D')) return a.status === 'D' ? -1 : 1;
  return a.status === 'D' ? b.iter - a.iter : a.iter - b.iter;
}

function forget(fold: Fold, step: string, at: number): void {
  const until = at + fold.context.policy.forgetAfterMs / 1000;
  const id = stepId(step);
  if (id === '') return;
  fold.memory.forgotten = [...fold.memory.forgotten.filter((other) => other.step !== id), { step: id, until }].slice(
    -KEPT,
  );
}

function incomplete(memory: TuningMemory, reason: string): void {
  memory.complete = false;
  memory.incompleteReason ??= reason;
}

/** In place: what no snapshot holds belongs to the memory that is being made alone; a copy a commit of each would be most of the work. */
function add<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > KEPT) list.shift();
}

/** By reference: ladders and their rungs are replaced, never changed in place. */
function snapshot({ rungs, trial, recoverWaitMs }: TuningMemory): Snapshot {
  return { rungs, trial, recoverWaitMs };
}
