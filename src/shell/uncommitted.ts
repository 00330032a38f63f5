/** A stop that git does not take: money goes first. It is carried out, and kept in this clone until it can be committed. */
import type { Dropped } from '../adapters/git-sync.ts';
import { formatProblem, type Problem } from '../core/problem.ts';
import { BY_HAND } from '../core/trail/by-hand.ts';
import { splitMessage, trailer } from '../core/trail/trailers.ts';
import type { Hold, TrailKind } from '../core/trail/types.ts';
import { utcText } from '../core/trail/utc.ts';
import { EXIT, type ExitCode, exitOfProblem } from './exit.ts';
import type { Ops } from './ops.ts';
import type { Look } from './pass.ts';

/** Whether a stop goes on without its commit: what is wrong is git's, or the holds', not the wish's. */
export const goesOn = ({ code }: Problem): boolean => code.startsWith('git-') || code === 'holds-invalid';

/** Whether the commit stands in this clone and only waits for the remote: then that is the wish. */
export const isCommitted = ({ code }: Problem): boolean => code === 'git-remote-away';

/** Holds the named instances in this clone, so that no later pass starts them again; those of another host are not ours. */
export async function holdHere(ops: Ops, look: Look, names: readonly string[], reason: string): Promise<void> {
  const since = utcText(Math.floor(ops.clock.nowMs() / 1000));
  for (const { view } of look.situations)
    if (names.includes(view.name) && view.here)
      await ops.local.writeHold({ instance: view.name, kind: 'hold', reason, since, until: null });
}

/** What the person is told, besides how the stop went. */
export function saidOf(problem: Problem): string {
  const then = isCommitted(problem)
    ? 'the wish is committed in this clone and goes out once the remote answers'
    : 'the wish could not be committed: it is held in this clone, and a pass commits that hold once it can';
  return `${formatProblem(problem)}\n${then}\n`;
}

/** Exit code of a stop that was carried out but not committed: never 3, as something was touched. */
export function exitUncommitted(problem: Problem): ExitCode {
  const code = exitOfProblem(problem);
  return code === EXIT.usage ? EXIT.failed : code;
}

/**
 * Holds in place of stops, suspensions and holds whose commits are dropped: what they kept down is not started again. Oldest
 * first; what one of them took back needs none.
 */
export function holdsOf(dropped: readonly Dropped[]): Hold[] {
  const down = new Map<string, Hold>();
  for (const { message, committerTs } of dropped) {
    const { kind, name, trailers } = splitMessage(message);
    if (kind === null || name === null || !NAME.test(name)) continue;
    const ended = ENDS[kind];
    if (ended !== undefined) down.delete(`${ended} ${name}`);
    const word = DOWN[kind];
    if (word === undefined) continue;
    const reason = [word, trailer(trailers, 'Reason') ?? ''].filter((part) => part !== '').join(': ') || 'held';
    down.set(`${kind} ${name}`, { instance: name, kind: 'hold', reason, since: utcText(committerTs), until: null });
  }
  return [...new Map([...down.values()].map((hold) => [hold.instance, hold])).values()];
}

const NAME = /^[a-z0-9][a-z0-9_-]*$/;
const DOWN: Partial<Record<TrailKind, string>> = { stop: BY_HAND.stop, suspend: 'suspended by hand', hold: '' };
const ENDS: Partial<Record<TrailKind, TrailKind>> = { start: 'stop', resume: 'suspend', release: 'hold' };
