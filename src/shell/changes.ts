/** From an effect to a commit: which files change, and what the message says. Pure. */
import { createHash } from 'node:crypto';
import { envDigest } from '../core/env/digest.ts';
import { iterFileName, parseIterName, renderIter } from '../core/env/iter.ts';
import { parseEnv } from '../core/env/read.ts';
import { setValues } from '../core/env/write.ts';
import type { Receipt } from '../core/flat/types.ts';
import { label, triggerText } from '../core/plan/plan.ts';
import { STAYS_DOWN } from '../core/plan/types.ts';
import { addHold, removeHold } from '../core/trail/holds.ts';
import { renderHolds } from '../core/trail/holds-file.ts';
import { commitMessage } from '../core/trail/message.ts';
import type { CommitStory } from '../core/trail/stories.ts';
import type { Change, Hold, TrailEntry } from '../core/trail/types.ts';
import { appendVerdict } from '../core/trail/verdicts.ts';
import type { TuningDecision, VerdictDecision } from '../core/tuning/types.ts';
import { type Desired, type DesiredInstance, HOLDS_PATH, receiptsPath, verdictsPath } from './desired.ts';

/** One commit: the whole new text of each file, and its message. `at`: author date, Unix seconds; null = now. */
export type ChangePlan = {
  instance: string;
  files: { path: string; text: string | null }[];
  message: string;
  at: number | null;
};

type StepDecision = Extract<TuningDecision, { kind: 'tune' | 'recover' | 'undo' }>;

/** The next iter number of a base env: one more than the highest ever seen in the tree or the history. */
export function nextIter(instance: DesiredInstance, trail: TrailEntry[]): number {
  const base = instance.env?.basePath ?? '';
  let highest = instance.env?.iters.at(-1) ?? 0;
  for (const entry of trail) {
    for (const file of entry.files) {
      const name = parseIterName(file.path);
      if (name !== null && name.basePath === base && name.iter > highest) highest = name.iter;
    }
  }
  return highest + 1;
}

/** A tuning step, a recover or an undo: one new iter file beside its base. */
export function stepChange(
  desired: Desired,
  instance: DesiredInstance,
  trail: TrailEntry[],
  decision: StepDecision,
  journal: string | null,
  iter = nextIter(instance, trail),
): ChangePlan {
  const { env, spec } = usable(instance);
  const story = {
    instance: instance.name,
    market: spec.market,
    iter,
    parentIter: env.iter,
    theme: decision.theme,
    step: decision.kind === 'tune' && decision.factor !== null ? `${decision.step} x${decision.factor}` : decision.step,
    trigger: triggerText(decision),
    changes: decision.changes,
  };
  const path = iterFileName(env.basePath, iter);
  const text = renderIter(env.text, env.basePath.split('/').at(-1) ?? '', story).text;
  const common = {
    ...story,
    at: decision.at,
    why: sentences(decision.message),
    envDigest: envDigest(parseEnv(text, path).values),
    journal,
    spec: instance.specBlob,
    fleetSpec: desired.fleetBlob,
  };
  const commit: CommitStory =
    decision.kind === 'tune'
      ? { ...common, kind: 'tune', proven: decision.proven }
      : decision.kind === 'recover'
        ? { ...common, kind: 'recover', proven: false, fromIter: decision.fromIter, toIter: decision.toIter }
        : {
            ...common,
            kind: 'undo',
            proven: false,
            fromIter: decision.fromIter,
            toIter: decision.toIter,
            waitMs: decision.waitMs,
            forget: decision.forget,
          };
  return { instance: instance.name, files: [{ path, text }], message: commitMessage(commit), at: decision.at };
}

/** A park: an entry in holds.yaml with its wake-up time (wall time, because a parked bot writes no journal). */
export function parkChange(
  desired: Desired,
  instance: DesiredInstance,
  decision: Extract<TuningDecision, { kind: 'park' }>,
  nowMs: number,
): ChangePlan {
  const until = isoSeconds(nowMs + decision.forMs);
  const hold: Hold = {
    instance: instance.name,
    kind: 'park',
    reason: triggerText(decision),
    since: isoSeconds(nowMs),
    until,
  };
  const story: CommitStory = {
    kind: 'park',
    instance: instance.name,
    at: decision.at,
    why: sentences(decision.message),
    until,
    trigger: triggerText(decision),
    parks: decision.parks,
  };
  return {
    instance: instance.name,
    files: [holdsFile(addHold(desired.holds, hold))],
    message: commitMessage(story),
    at: decision.at,
  };
}

/** A latched hold, with the receipt lines that led to it. */
export function holdChange(
  desired: Desired,
  name: string,
  reason: string,
  at: number | null,
  nowMs: number,
  receipts: string[],
): ChangePlan {
  const hold: Hold = { instance: name, kind: 'hold', reason, since: isoSeconds(nowMs), until: null };
  const story: CommitStory = {
    kind: 'hold',
    instance: name,
    at,
    why: [`Held until a person lifts it: mmfleet release ${name} --reason "...".`],
    reason,
    holdKind: 'hold',
  };
  return {
    instance: name,
    files: [holdsFile(addHold(desired.holds, hold)), ...receiptFiles(desired, name, receipts)],
    message: commitMessage(story),
    at,
  };
}

/**
 * Lifts the hold or park of an instance; null when there is none. With `anewMs` (wall time) it is also made without one, for
 * a memory that only a release starts anew: no commit is empty, so a park that is over when it begins stays as its trace.
 */
export function releaseChange(
  desired: Desired,
  name: string,
  reason: string,
  at: number | null,
  anewMs: number | null,
): ChangePlan | null {
  const hold = desired.holds.find((h) => h.instance === name);
  const lifted = hold === undefined || hold.until === hold.since ? null : hold;
  if (lifted === null && anewMs === null) return null;
  const story: CommitStory = {
    kind: 'release',
    instance: name,
    at,
    why: lifted === null ? ['What tuning remembers of it starts anew.'] : [`Lifts: ${lifted.reason}`],
    reason,
    holdKind: lifted?.kind ?? 'hold',
  };
  const holds =
    hold === undefined ? addHold(desired.holds, trace(name, reason, anewMs ?? 0)) : removeHold(desired.holds, name);
  return { instance: name, files: [holdsFile(holds)], message: commitMessage(story), at };
}

function trace(instance: string, reason: string, nowMs: number): Hold {
  // Cut off, never rounded up: a park that ends in the next second would stop what runs.
  const over = new Date(Math.floor(nowMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  return { instance, kind: 'park', reason: `released: ${reason}`, since: over, until: over };
}

/** A verdict line; the iter file itself never changes. */
export function verdictChange(
  desired: Desired,
  instance: DesiredInstance,
  verdict: VerdictDecision,
  at: number | null,
): ChangePlan {
  const { env } = usable(instance);
  const path = verdictsPath(env.basePath);
  const text = appendVerdict(desired.files.get(path)?.text ?? '', verdict);
  const why = [
    'Compared with the window before the change, which was selected because it triggered: "helped" is biased upwards.',
  ];
  return {
    instance: instance.name,
    files: [{ path, text }],
    message: commitMessage({ kind: 'verdict', instance: instance.name, at, why, ...verdict }),
    at,
  };
}

/** The tuned keys on a base env that a person edited. */
export function rebaseChange(
  instance: DesiredInstance,
  trail: TrailEntry[],
  changes: Change[],
  at: number | null,
): ChangePlan {
  const { env } = usable(instance);
  const iter = nextIter(instance, trail);
  const header = `# mmfleet ${label(iter)} of ${env.basePath.split('/').at(-1)}, parent base\n# change: ${changes.length === 0 ? 'none' : changes.map((c) => `${c.key} ${c.from ?? '(unset)'} -> ${c.to}`).join(', ')}\n`;
  const text = header + setValues(env.baseText, changes);
  const why = ['A person edited the base env; tuned keys that the edit left alone move onto it.'];
  const message = commitMessage({
    kind: 'rebase',
    instance: instance.name,
    at,
    why,
    iter,
    base: env.baseBlob,
    changes,
  });
  return { instance: instance.name, files: [{ path: iterFileName(env.basePath, iter), text }], message, at };
}

/** A stop, with or without a start after it (`started`: the start came about): its receipt line enters the tracked log. */
export function convergeChange(
  desired: Desired,
  name: string,
  line: string,
  receipt: Receipt,
  at: number | null,
  started = true,
): ChangePlan {
  const starts = receipt.iterTo !== undefined && !STAYS_DOWN.includes(receipt.cause);
  const story: CommitStory = {
    kind: 'converge',
    instance: name,
    at,
    why: [whyOf(receipt)],
    // A start of something that was down ends nothing.
    iterFrom: receipt.signalAt === null && receipt.cause !== 'unasked-exit' ? 'none' : receipt.iterFrom,
    iterTo: starts && started ? receipt.iterTo : 'none',
    flat: receipt.verdict === 'DUST' ? 'DUST' : 'FLAT',
    costUsd: receipt.costUsd,
    receipt: `sha256:${createHash('sha256').update(line).digest('hex')}`,
  };
  return { instance: name, files: receiptFiles(desired, name, [line]), message: commitMessage(story), at };
}

/** The engine says the finding and the step on a line each. */
const sentences = (text: string) => text.split('\n');

function whyOf(receipt: Receipt): string {
  const closed =
    receipt.orders.length === 0
      ? 'nothing had to be closed'
      : `${receipt.orders.length} closing order${receipt.orders.length === 1 ? '' : 's'}`;
  const killed = receipt.killed ? '; it had to be killed' : '';
  const differs = receipt.disagreement === null ? '' : `; ${receipt.disagreement}`;
  return `Cause ${receipt.cause}. Proved ${receipt.verdict} (${receipt.rule}), ${closed}${killed}${differs}.`;
}

/** The tracked log with these lines at its end; a line that an earlier commit of the same pass took along is there already. */
function receiptFiles(desired: Desired, name: string, lines: string[]): { path: string; text: string }[] {
  const before = desired.files.get(receiptsPath(name))?.text ?? '';
  const tracked = new Set(before.split('\n'));
  const missing = lines.filter((line) => !tracked.has(line));
  return missing.length === 0 ? [] : [{ path: receiptsPath(name), text: `${before}${missing.join('\n')}\n` }];
}

const holdsFile = (holds: Hold[]) => ({ path: HOLDS_PATH, text: renderHolds(holds) });

function isoSeconds(ms: number): string {
  return new Date(Math.ceil(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

function usable(instance: DesiredInstance) {
  if (instance.spec === null || instance.env === null) throw new Error(`${instance.name} has no usable spec`);
  return { spec: instance.spec, env: instance.env };
}
