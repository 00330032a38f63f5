import type { JournalEvent } from '../../../src/core/journal/types.ts';
import { finishReplay, newReplay, nextRecordedRun, replayEvent } from '../../../src/core/replay/replay.ts';
import type { ReplayReport, ReplaySpec } from '../../../src/core/replay/types.ts';
import { BASE, HEALTH, TUNING } from '../health/policy.ts';

export const BASE_ENV = 'fleet/env/sol/.env.sol';

/** An instance on its base env with the documented thresholds; a test states only its difference. */
export function spec(more: Partial<ReplaySpec> = {}): ReplaySpec {
  return {
    instance: 'sol',
    market: 'SOL-USD',
    policy: { health: HEALTH, tuning: TUNING },
    baseEnv: BASE_ENV,
    baseValues: BASE,
    iter: null,
    lastIter: 0,
    iterValues: (iter) => (iter === null ? BASE : null),
    ...more,
  };
}

/** Each list is one file. */
export function replay(files: readonly (readonly JournalEvent[])[], of: ReplaySpec = spec()): ReplayReport {
  const state = newReplay(of);
  for (const events of files) {
    nextRecordedRun(state);
    for (const event of events) replayEvent(state, event);
  }
  return finishReplay(state);
}
