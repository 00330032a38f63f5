import { triggerText } from '../plan/plan.ts';
import { changeText, parseChange, parseIter } from '../trail/text.ts';
import { trailer, trailersNamed } from '../trail/trailers.ts';
import type { Change, TrailEntry, TrailKind } from '../trail/types.ts';
import type { TuningDecision } from '../tuning/types.ts';

/** A decision as its commit tells it, and what became of it. null: the commit does not say. */
export type PastDecision = {
  commit: string;
  /** `other`: a commit that stands on no rule (a hold, a receipt, a person's wish). */
  kind: 'tune' | 'recover' | 'undo' | 'park' | 'other';
  commitKind: TrailKind;
  subject: string;
  why: string;
  /** Journal time, Unix seconds. */
  at: number;
  trigger: { text: string; by: string; metric: string; value: number; limit: number; n: number } | null;
  theme: string | null;
  step: string | null;
  changes: Change[];
  /** null: the base env, or a commit that makes no iter (then `iter` is null too). */
  iter: number | null;
  parentIter: number | null;
  fromIter: number | null;
  toIter: number | null;
  proven: boolean | null;
  until: string | null;
  /** `file@from..to`. */
  journal: { file: string; from: number; to: number } | null;
  verdict: { verdict: string; effect: string; n: string; commit: string } | null;
  /** The commit that deleted its iter; null: it is there. */
  removedBy: { commit: string; subject: string } | null;
};

/** Reads a commit of the trail; `after`: the whole trail of the instance, newest first. */
export function readPastDecision(entry: TrailEntry, after: readonly TrailEntry[]): PastDecision {
  const read = (key: string) => trailer(entry.trailers, key) ?? null;
  const iterOf = (key: string) => parseIter(read(key) ?? '') ?? null;
  const kind = entry.kind ?? 'init';
  const iter = iterOf('Iter');
  return {
    commit: entry.commit,
    kind: kind === 'tune' || kind === 'recover' || kind === 'undo' || kind === 'park' ? kind : 'other',
    commitKind: kind,
    subject: entry.subject,
    why: entry.body,
    at: entry.at,
    trigger: readTrigger(read('Trigger') ?? ''),
    theme: read('Theme'),
    step: read('Step'),
    changes: trailersNamed(entry.trailers, 'Change').flatMap((text) => parseChange(text) ?? []),
    iter,
    parentIter: iterOf('Parent-Iter'),
    fromIter: iterOf('From-Iter'),
    toIter: iterOf('To-Iter'),
    proven: read('Proven') === null ? null : read('Proven') === 'yes',
    until: read('Until'),
    journal: readReference(read('Journal') ?? ''),
    verdict: verdictOf(after, iter),
    removedBy: removedBy(entry, after),
  };
}

/** Whether the engine, asked again, says what the commit says; the differences in words, `commit` first. */
export type Agreement = { agrees: boolean; differences: string[] };

/** A look is taken as a journal minute begins; which of its first lines began it may differ by how the file was read. */
const SAME_LOOK_S = 60;

/** Numbers are compared as the commit shows them. */
export function agreementOf(past: PastDecision, decision: TuningDecision): Agreement {
  if (decision.kind !== past.kind) {
    const reason = decision.kind === 'none' ? `none (${decision.reason}: ${decision.message})` : decision.kind;
    return { agrees: false, differences: [`decision: ${past.kind}, again: ${reason}`] };
  }
  const sameLook = Math.abs(past.at - decision.at) < SAME_LOOK_S;
  const pairs: [string, string, string][] = [
    ['at', String(past.at), sameLook ? String(past.at) : String(decision.at)],
    ['trigger', past.trigger?.text ?? '', triggerText(decision)],
  ];
  if (decision.kind !== 'park') {
    const factor = decision.kind === 'tune' && decision.factor !== null ? ` x${decision.factor}` : '';
    pairs.push(['theme', past.theme ?? '', decision.theme]);
    pairs.push(['step', past.step ?? '', `${decision.step}${factor}`]);
    const texts = (changes: readonly Change[]) => changes.map(changeText).join(', ');
    pairs.push(['changes', texts(past.changes), texts(decision.changes)]);
  }
  const differences = pairs.flatMap(([name, was, again]) =>
    was === again ? [] : [`${name}: ${was}, again: ${again}`],
  );
  return { agrees: differences.length === 0, differences };
}

function readTrigger(text: string): PastDecision['trigger'] {
  const match = /^(\S+) (\S+)=(-?[\d.]+) limit=(-?[\d.]+) n=(\d+)$/.exec(text);
  if (match === null) return null;
  const [, by = '', metric = '', value, limit, n] = match;
  return { text, by, metric, value: Number(value), limit: Number(limit), n: Number(n) };
}

function readReference(text: string): PastDecision['journal'] {
  const match = /^([^/\\]+)@(\d{1,15})\.\.(\d{1,15})$/.exec(text);
  return match === null ? null : { file: match[1]!, from: Number(match[2]), to: Number(match[3]) };
}

function verdictOf(after: readonly TrailEntry[], iter: number | null): PastDecision['verdict'] {
  if (iter === null) return null;
  const judged = after.find((e) => e.kind === 'verdict' && parseIter(trailer(e.trailers, 'Iter') ?? '') === iter);
  if (judged === undefined) return null;
  const read = (key: string) => trailer(judged.trailers, key) ?? '';
  return { verdict: read('Verdict'), effect: read('Effect'), n: read('N'), commit: judged.commit };
}

function removedBy(entry: TrailEntry, after: readonly TrailEntry[]): PastDecision['removedBy'] {
  const added = entry.files.find((file) => file.status === 'A' && /\.iter\d{3,9}$/.test(file.path))?.path;
  const touches = (each: TrailEntry) => each.files.find((file) => file.path === added)?.status;
  // Taken back once more, the file is there again.
  const last = added === undefined ? undefined : after.find((each) => touches(each) !== undefined);
  return last === undefined || touches(last) !== 'D' ? null : { commit: last.commit, subject: last.subject };
}
