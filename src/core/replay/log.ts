import { createHash } from 'node:crypto';
import { isAlarm } from '../plan/plan.ts';
import type { TuningPolicy } from '../spec/types.ts';
import { changeText } from '../trail/text.ts';
import type { Candidate } from '../tuning/context.ts';
import { boundsOf, decimalOf } from '../tuning/step-values.ts';
import { stepText } from './branch.ts';
import type { ReplayDecision, ReplayMetrics, ReplayReport, ReplaySpec } from './types.ts';

/** A decision as its line in the log; `iters`: the config that ran and the one that runs afterwards. */
export function entryOf(
  decision: Candidate,
  iters: { from: number | null; to: number | null },
  tuning: TuningPolicy,
): ReplayDecision {
  const { at, kind, trigger, message } = decision;
  const changes = kind === 'park' || kind === 'stop' ? [] : decision.changes;
  return {
    at,
    kind,
    alarm: isAlarm(decision),
    ...trigger,
    theme: kind === 'park' || kind === 'stop' ? null : decision.theme,
    step: kind === 'stop' ? null : stepText(decision),
    iterFrom: iters.from,
    iterTo: iters.to,
    changes,
    forMs: kind === 'park' ? decision.forMs : null,
    boundHits: kind === 'park' ? keysAtBound(message) : changes.filter((c) => endsOnBound(c, tuning)).map((c) => c.key),
    message,
  };
}

/** A change that is asked for and that no key can make any more. */
export function blockedEntry(at: number, iter: number | null, message: string): ReplayDecision {
  const none = { by: null, metric: null, value: null, limit: null, n: null, looks: null, theme: null, step: null };
  return {
    at,
    kind: 'blocked',
    alarm: false,
    ...none,
    iterFrom: iter,
    iterTo: iter,
    changes: [],
    forMs: null,
    boundHits: keysAtBound(message),
    message,
  };
}

/** `sha256:HEX` over what was decided and on which numbers, one line each; names of files and runs do not count. */
export function logDigest(spec: Pick<ReplaySpec, 'instance' | 'market'>, decisions: readonly ReplayDecision[]): string {
  const head = `${spec.instance} ${spec.market}\n`;
  return sha256(head + decisions.map((decision) => `${decisionKey(decision)}\n`).join(''));
}

/** One digest over several instances' logs, in the order of their names. */
export function wholeDigest(reports: readonly Pick<ReplayReport, 'instance' | 'logDigest'>[]): string {
  const sorted = [...reports].sort((a, b) => (a.instance < b.instance ? -1 : 1));
  return sha256(sorted.map(({ instance, logDigest: digest }) => `${instance} ${digest}\n`).join(''));
}

/** Everything of a decision but its words: two decisions with the same key are the same decision. */
export function decisionKey(d: ReplayDecision): string {
  const numbers = [d.value, d.limit, d.n, d.looks];
  return JSON.stringify([
    d.at,
    d.kind,
    d.by,
    d.metric,
    ...numbers,
    d.theme,
    d.step,
    d.iterFrom,
    d.iterTo,
    d.changes.map(changeText),
    d.forMs,
  ]);
}

/** Counts and rates per journal day. */
export function replayMetrics({ decisions, journalS }: Pick<ReplayReport, 'decisions' | 'journalS'>): ReplayMetrics {
  const count = (of: (d: ReplayDecision) => boolean) => decisions.filter(of).length;
  const alarms = count((d) => d.alarm);
  const changes = count((d) => d.kind === 'tune' || d.kind === 'recover' || d.kind === 'undo');
  const perDay = (n: number) => (journalS > 0 ? (n * 86_400) / journalS : null);
  return {
    alarms,
    alarmsPerDay: perDay(alarms),
    changes,
    changesPerDay: perDay(changes),
    parks: count((d) => d.kind === 'park'),
    stops: count((d) => d.kind === 'stop'),
    boundHits: count((d) => d.boundHits.length > 0),
  };
}

function endsOnBound({ key, to }: { key: string; to: string }, tuning: TuningPolicy): boolean {
  const value = decimalOf(to);
  const { min, max } = boundsOf(key, tuning);
  return value !== null && ((min !== null && value.lte(min)) || (max !== null && value.gte(max)));
}

/** The engine says of each key that could not move why; those at a bound are what a wider bound would free. */
function keysAtBound(message: string): string[] {
  return [...new Set([...message.matchAll(/\b([A-Z][A-Z0-9_]+) at its bound/g)].map((match) => match[1]!))];
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text, 'utf8').digest('hex')}`;
}
