/** One instance under the engine with git as a list of commits: what the shell does, without processes and files. */

import type { EdgeSums } from '../../../src/core/health/edge-sums.ts';
import { observe } from '../../../src/core/health/observe.ts';
import { newRunState, type RunState } from '../../../src/core/health/run.ts';
import type { JournalEvent } from '../../../src/core/journal/types.ts';
import type { HealthPolicy, TuningPolicy } from '../../../src/core/spec/types.ts';
import { commitMessage } from '../../../src/core/trail/message.ts';
import type { CommitStory } from '../../../src/core/trail/stories.ts';
import { splitMessage } from '../../../src/core/trail/trailers.ts';
import type { TrailEntry } from '../../../src/core/trail/types.ts';
import type { Candidate } from '../../../src/core/tuning/context.ts';
import { type Decided, type DecideInput, decide, decisionsOf, explain } from '../../../src/core/tuning/decide.ts';
import { rebuildMemory } from '../../../src/core/tuning/memory.ts';
import type {
  EnvValues,
  TuningDecision,
  TuningMemory,
  VerdictDecision,
  WhyRow,
} from '../../../src/core/tuning/types.ts';
import { edgeSumsOf } from '../../../src/core/tuning/verdict.ts';

export const BASE_ENV = 'fleet/env/sol/.env.sol';

export type Loop = {
  policy: { health: HealthPolicy; tuning: TuningPolicy };
  base: EnvValues;
  iters: Map<number, EnvValues>;
  /** Newest first. */
  trail: TrailEntry[];
  memory: TuningMemory;
  run: RunState;
  before: EdgeSums | null;
};

export function newLoop(policy: Loop['policy'], base: EnvValues): Loop {
  const loop: Loop = {
    policy,
    base,
    iters: new Map(),
    trail: [],
    memory: rebuildMemory([], { baseEnv: BASE_ENV, policy: policy.tuning }),
    run: newRun(policy, base),
    before: null,
  };
  return loop;
}

export function currentIter(loop: Loop): number | null {
  return loop.iters.size === 0 ? null : Math.max(...loop.iters.keys());
}

export function valuesOf(loop: Loop, iter: number | null): EnvValues | null {
  return iter === null ? loop.base : (loop.iters.get(iter) ?? null);
}

export function feed(loop: Loop, events: Iterable<JournalEvent>): void {
  for (const event of events) observe(loop.run, event);
}

export function ask(loop: Loop, more: { dataAgeMs?: number } = {}): Decided & { rows: WhyRow[] } {
  const iter = currentIter(loop);
  const input: DecideInput = {
    memory: loop.memory,
    run: loop.run,
    policy: loop.policy,
    values: valuesOf(loop, iter)!,
    iter,
    baseValues: loop.base,
    iterValues: (each) => valuesOf(loop, each),
    before: loop.before,
    ...more,
  };
  return {
    ...decide(input),
    get rows() {
      return explain(input);
    },
  };
}

/** Only the decisions of the run so far: much cheaper than asking for every row. */
export function decided(loop: Loop): Candidate[] {
  const iter = currentIter(loop);
  return decisionsOf({
    memory: loop.memory,
    run: loop.run,
    policy: loop.policy,
    values: valuesOf(loop, iter)!,
    iter,
    baseValues: loop.base,
    iterValues: (each) => valuesOf(loop, each),
  });
}

/** Commits what was decided: an iter, or a park until the given wall time. The next run starts empty. */
export function commit(loop: Loop, decision: TuningDecision, parkUntilTs = 0): void {
  if (decision.kind === 'none' || decision.kind === 'stop') return;
  loop.before = edgeSumsOf(loop.run);
  loop.run = newRun(loop.policy, loop.base);
  const trigger = `${decision.trigger.by} ${decision.trigger.metric}=${decision.trigger.value.toFixed(2)} limit=${decision.trigger.limit.toFixed(2)} n=${decision.trigger.n}`;
  const common = { instance: 'sol', at: decision.at, why: [decision.message] };
  if (decision.kind === 'park') {
    const until = new Date(parkUntilTs * 1000).toISOString();
    push(loop, { ...common, kind: 'park', until, trigger, parks: decision.parks }, decision.at, []);
    return;
  }
  const iter = loop.memory.lastIter + 1;
  const step = {
    ...common,
    market: 'SOL-USD',
    iter,
    parentIter: currentIter(loop),
    theme: decision.theme,
    step: decision.kind === 'tune' && decision.factor !== null ? `${decision.step} x${decision.factor}` : decision.step,
    trigger,
    changes: decision.changes,
    envDigest: 'sha256:00',
    journal: null,
    spec: 'a'.repeat(40),
    fleetSpec: 'b'.repeat(40),
  };
  const parent = valuesOf(loop, currentIter(loop))!;
  loop.iters.set(iter, { ...parent, ...Object.fromEntries(decision.changes.map(({ key, to }) => [key, to])) });
  const files: TrailEntry['files'] = [{ status: 'A', path: iterPath(iter) }];
  if (decision.kind === 'tune') {
    push(loop, { ...step, kind: 'tune', proven: decision.proven }, decision.at, files);
  } else {
    const { fromIter, toIter } = decision;
    const story: CommitStory =
      decision.kind === 'recover'
        ? { ...step, kind: 'recover', proven: false, fromIter, toIter }
        : { ...step, kind: 'undo', proven: false, fromIter, toIter, waitMs: decision.waitMs, forget: decision.forget };
    push(loop, story, decision.at, files);
  }
}

export function commitVerdict(loop: Loop, verdict: VerdictDecision, at: number): void {
  push(loop, { kind: 'verdict', instance: 'sol', at, why: [], ...verdict }, at, []);
}

/** A person deletes the newest iter: `git revert` of its commit. */
export function revert(loop: Loop, iter: number, at: number): void {
  loop.iters.delete(iter);
  loop.trail.unshift({ ...person(at), subject: `Revert "tune(sol)"`, files: [{ status: 'D', path: iterPath(iter) }] });
  rebuild(loop);
  loop.run = newRun(loop.policy, loop.base);
}

export function push(loop: Loop, story: CommitStory, ts: number, files: TrailEntry['files']): void {
  loop.trail.unshift(entryOf(commitMessage(story), ts, files));
  rebuild(loop);
}

/** What git gives back for a message: only what its text says. */
export function entryOf(message: string, ts: number, files: TrailEntry['files']): TrailEntry {
  const parts = splitMessage(message);
  const at = parts.trailers.find((each) => each.key === 'At')?.value;
  return {
    ...person(ts),
    ...parts,
    instance: parts.trailers.find((each) => each.key === 'Instance')?.value ?? null,
    at: at === undefined ? ts : Number(at),
    ours: true,
    files,
  };
}

export function person(ts: number): TrailEntry {
  return {
    commit: 'c'.repeat(40),
    parents: [],
    authorName: 'Ada',
    authorEmail: 'ada@example.org',
    authorTs: ts,
    committerTs: ts,
    subject: '',
    body: '',
    kind: null,
    instance: null,
    trailers: [],
    at: ts,
    ours: false,
    files: [],
  };
}

export function iterPath(iter: number): string {
  return `${BASE_ENV}.iter${String(iter).padStart(3, '0')}`;
}

function rebuild(loop: Loop): void {
  loop.memory = rebuildMemory(loop.trail, { baseEnv: BASE_ENV, policy: loop.policy.tuning });
}

function newRun({ health }: Loop['policy'], base: EnvValues): RunState {
  const cap = Number(base['MM_MAX_POSITION_SIZE'] ?? Number.NaN);
  return newRunState({ health, maxPositionBase: Number.isFinite(cap) ? cap : null });
}
