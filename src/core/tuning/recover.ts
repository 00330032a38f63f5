import { firstHeld } from '../health/episodes.ts';
import type { Change } from '../trail/types.ts';
import { type Candidate, DAY_S, forgottenUntil, quietSince, type TuningContext } from './context.ts';
import { restoreValues } from './restore.ts';
import { tunableKey } from './step-values.ts';
import type { Rung } from './types.ts';
import { hoursText, iterText, metricText, shown } from './words.ts';

/** A run must be this old before it climbs, and as far from the last rung. */
export const RECOVER_SPACING_S = 2 * 3600;
/** A trend step's rung is not climbed for this long. */
const TREND_REST_S = DAY_S;

/** One rung back towards a config that ran quiet, when the run has been quiet long enough and earns. */
export function recoverCandidate(context: TuningContext): Candidate | null {
  const gate = recoverGate(context);
  if (typeof gate === 'string' || context.currentIter === null) return null;
  const { run, memory } = context;
  const held = firstHeld(run.earning, ({ since }) => Math.max(gate.from, since + RECOVER_SPACING_S), run.latest);
  if (held === null) return null;
  const { slow } = context.health.signals;
  const { value, n } = held.episode;
  const quiet = hoursText(held.at - quietSince(memory));
  return {
    kind: 'recover',
    at: held.at,
    trigger: { by: 'quiet', metric: metricText(slow.metric), value, limit: slow.limit, n, looks: null },
    theme: gate.rung.theme,
    step: recoverStep(gate.rung),
    fromIter: context.currentIter,
    toIter: gate.rung.fromIter,
    changes: gate.changes,
    message: `Quiet for ${quiet}: +60 s markout averaged ${shown(value)} bps over ${n} fills.\nBack up one rung towards ${iterText(gate.rung.fromIter)}.`,
  };
}

/** What stands between this instance and its next rung: the journal time from which it may climb, or why it may not. */
export function recoverGate(context: TuningContext): { from: number; rung: Rung; changes: Change[] } | string {
  const { memory, tuning } = context;
  const rung = memory.rungs.at(-1);
  if (rung === undefined) return 'no rung to climb';
  if (!memory.rungs.some((each) => each.proven)) return 'no config below was proven quiet';
  const target = context.iterValues(rung.fromIter);
  if (target === null) return `${iterText(rung.fromIter)} is no longer in the tree`;
  const ofTheme = (key: string) => tunableKey(key, tuning)?.theme === rung.theme;
  const changes = restoreValues(context.values, target, tuning, ofTheme);
  if (changes.length === 0) return `nothing of ${rung.theme} can go back to ${iterText(rung.fromIter)}`;
  const from = Math.max(
    waitOver(context),
    (memory.lastRecoverAt ?? -Infinity) + RECOVER_SPACING_S,
    rung.trend ? rung.at + TREND_REST_S : -Infinity,
    forgottenUntil(memory, recoverStep(rung)),
  );
  return { from, rung, changes };
}

/** One word that names the step for forgetting: the same rung is the same step. */
function recoverStep(rung: Rung): string {
  return `recover-to-${iterText(rung.fromIter)}`;
}

/** When the asked quiet time is over; a recover trial that stands its probation makes the wait short again. */
function waitOver({ memory, tuning }: TuningContext): number {
  const quiet = quietSince(memory);
  const asked = quiet + memory.recoverWaitMs / 1000;
  if (memory.trial?.kind !== 'recover') return asked;
  const stood = memory.trial.at + tuning.recover.probationMs / 1000;
  return Math.min(asked, Math.max(stood, quiet + tuning.recover.quietForMs / 1000));
}
