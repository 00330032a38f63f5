import { envDigest } from '../env/digest.ts';
import { iterFileName } from '../env/iter.ts';
import { triggerText } from '../plan/plan.ts';
import { commitMessage } from '../trail/message.ts';
import type { CommitStory } from '../trail/stories.ts';
import { parseSeconds } from '../trail/text.ts';
import { splitMessage, trailer } from '../trail/trailers.ts';
import type { TrailEntry } from '../trail/types.ts';
import { utcText } from '../trail/utc.ts';
import type { Candidate } from '../tuning/context.ts';
import { emptyMemory, rebuildMemory } from '../tuning/memory.ts';
import type { EnvValues, TuningMemory } from '../tuning/types.ts';
import type { ReplaySpec } from './types.ts';

/** The history a replay writes as it goes: commits that exist only as text, and the configs they make. */
export type Branch = {
  spec: ReplaySpec;
  /** The config that runs now (null = the base env). */
  iter: number | null;
  made: Map<number, EnvValues>;
  /** Newest first. */
  trail: TrailEntry[];
  memory: TuningMemory;
};

type Commit = Exclude<Candidate, { kind: 'stop' }>;

/** A history without a commit, standing on one config. */
export function newBranch(spec: ReplaySpec, iter: number | null): Branch {
  return { spec, iter, made: new Map(), trail: [], memory: emptyMemory(spec.policy.tuning) };
}

/** Values of any config of the tree or made by the replay (null = the base env); null when there is none. */
export function branchValues(branch: Branch, iter: number | null): EnvValues | null {
  const made = iter === null ? undefined : branch.made.get(iter);
  return made ?? branch.spec.iterValues(iter);
}

/**
 * Commits a decision the way the fleet's repository would get it: its message is written, read back and folded into the memory
 * with all before it, so that a replay knows no more than git would. Parks end in journal time here.
 */
export function commitTo(branch: Branch, decision: Commit): void {
  if (decision.kind === 'park') {
    const from = Math.floor(decision.at);
    const until = utcText(from + decision.forMs / 1000);
    const { instance } = branch.spec;
    push(
      branch,
      {
        kind: 'park',
        instance,
        at: decision.at,
        why: [],
        until,
        trigger: triggerText(decision),
        parks: decision.parks,
      },
      from,
      [],
    );
    return;
  }
  const { spec } = branch;
  const iter = Math.max(spec.lastIter, branch.memory.lastIter) + 1;
  const parent = branchValues(branch, branch.iter) ?? spec.baseValues;
  const values = { ...parent, ...Object.fromEntries(decision.changes.map(({ key, to }) => [key, to])) };
  const story = stepStory(branch, decision, iter, values);
  branch.made.set(iter, values);
  branch.iter = iter;
  push(branch, story, Math.floor(decision.at), [{ status: 'A', path: iterFileName(spec.baseEnv, iter) }]);
}

/** A step as commits name it: `widen x1.5`. */
export function stepText(decision: Commit): string | null {
  if (decision.kind === 'park') return null;
  const factor = decision.kind === 'tune' && decision.factor !== null ? ` x${decision.factor}` : '';
  return `${decision.step}${factor}`;
}

function stepStory(
  { spec, iter: parentIter }: Branch,
  decision: Exclude<Commit, { kind: 'park' }>,
  iter: number,
  values: EnvValues,
): CommitStory {
  const common = {
    instance: spec.instance,
    market: spec.market,
    at: decision.at,
    why: [],
    iter,
    parentIter,
    theme: decision.theme,
    step: stepText(decision) ?? '',
    trigger: triggerText(decision),
    changes: decision.changes,
    envDigest: envDigest(values),
    journal: null,
    spec: 'replay',
    fleetSpec: 'replay',
  };
  if (decision.kind === 'tune') return { ...common, kind: 'tune', proven: decision.proven };
  const { fromIter, toIter } = decision;
  if (decision.kind === 'recover') return { ...common, kind: 'recover', proven: false, fromIter, toIter };
  const { waitMs, forget } = decision;
  return { ...common, kind: 'undo', proven: false, fromIter, toIter, waitMs, forget };
}

function push(branch: Branch, story: CommitStory, committerTs: number, files: TrailEntry['files']): void {
  const { subject, body, trailers, kind, name } = splitMessage(commitMessage(story));
  const at = trailer(trailers, 'At');
  branch.trail.unshift({
    commit: String(branch.trail.length + 1).padStart(40, '0'),
    parents: [],
    authorName: 'replay',
    authorEmail: 'replay',
    authorTs: committerTs,
    committerTs,
    subject,
    body,
    kind,
    instance: name,
    trailers,
    at: (at === undefined ? undefined : parseSeconds(at)) ?? committerTs,
    ours: true,
    files,
  });
  const { baseEnv, policy } = branch.spec;
  branch.memory = rebuildMemory(branch.trail, { baseEnv, policy: policy.tuning });
}
