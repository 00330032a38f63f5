/** When an instance that ended by itself may be started again. */

export type BackoffPolicy = {
  initialMs: number;
  maxMs: number;
  /** A run of at least this long makes the count start anew. */
  stableAfterMs: number;
  /** Restarts within the stable period that latch `crash-loop`. */
  crashLoopAfter: number;
};

/** Wall times in ms. Kept per instance; losing it only starts the count anew. */
export type RestartState = {
  /** Restarts in a row without a stable run. */
  restarts: number;
  /** null: never started by us. */
  lastStartMs: number | null;
  /** When the exit nobody asked for was first seen; null = it runs. */
  exitedMs: number | null;
};

export const NO_RESTARTS: RestartState = { restarts: 0, lastStartMs: null, exitedMs: null };

/** The first restart is immediate, then initial, 2x, 4x ... up to the cap after the exit. */
export function nextRestart(
  state: RestartState,
  policy: BackoffPolicy,
  nowMs: number,
): 'now' | 'crash-loop' | { waitUntilMs: number } {
  const restarts = restartsInARow(state, policy);
  if (restarts >= policy.crashLoopAfter) return 'crash-loop';
  if (restarts === 0) return 'now';
  const waitMs = Math.min(policy.maxMs, policy.initialMs * 2 ** (restarts - 1));
  // An exit whose time was never written down must not be taken for one that is happening now, again and again.
  const exitedMs = state.exitedMs ?? state.lastStartMs;
  if (exitedMs === null) return 'now';
  // A clock that was set back must not make it wait longer than the wait itself.
  const waitUntilMs = Math.min(exitedMs, nowMs) + waitMs;
  return nowMs >= waitUntilMs ? 'now' : { waitUntilMs };
}

/** The state once an unasked exit was seen; later looks at the same exit change nothing. */
export function afterExit(state: RestartState, nowMs: number): RestartState {
  return state.exitedMs === null ? { ...state, exitedMs: nowMs } : state;
}

/** The state after a restart because of an exit. */
export function afterRestart(state: RestartState, policy: BackoffPolicy, nowMs: number): RestartState {
  return { restarts: restartsInARow(state, policy) + 1, lastStartMs: nowMs, exitedMs: null };
}

function restartsInARow({ restarts, lastStartMs, exitedMs }: RestartState, policy: BackoffPolicy): number {
  const wasStable = lastStartMs !== null && exitedMs !== null && exitedMs - lastStartMs >= policy.stableAfterMs;
  return wasStable ? 0 : restarts;
}
