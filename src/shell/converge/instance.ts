/** Converges one instance: stop what must stop, prove it flat, start what must run. Returns what happened as a value. */
import { basename, resolve } from 'node:path';
import { afterExit, afterRestart } from '../../core/flat/backoff.ts';
import { confirmRun } from '../../core/flat/confirm.ts';
import { whereOf } from '../../core/flat/where.ts';
import type { Effect } from '../../core/plan/plan.ts';
import type { Lifecycle, PlanReason } from '../../core/plan/types.ts';
import type { StartOrder, VenuePort } from '../../core/ports.ts';
import type { Problem } from '../../core/problem.ts';
import type { Instance } from '../../core/spec/types.ts';
import type { KnownSecret } from '../../core/trail/secret-gate.ts';
import { type DesiredEnv, type DesiredInstance, desiredDigest } from '../desired.ts';
import { areOlderWords, lastRunOf, mayHaveLeft, type ObservedInstance, stopWasOurs } from '../observe.ts';
import type { Ops } from '../ops.ts';
import { tunedOnly } from '../views.ts';
import { startInstance } from './start.ts';
import { stopInstance } from './stop.ts';

export type ConvergeEffect = Extract<Effect, { do: 'start' | 'restart' | 'stop' | 'prove' }>;

export type ConvergeOutcome = {
  name: string;
  /** `done`: as wanted. `waiting`: a later pass takes it up. `held`: latch `hold`. `failed`: did not converge. */
  standing: 'done' | 'waiting' | 'held' | 'failed';
  reason: PlanReason;
  message: string;
  /** Reason of the hold to latch; null = none. */
  hold: string | null;
};

export type ConvergeDeps = {
  ops: Ops;
  fleetName: string;
  revision: string;
  passStartedAtMs: number;
  signal: AbortSignal;
  onPhase: (name: string, phase: Lifecycle, detail: string) => void;
  /** Right before a start: why newer commits, as of so long ago at most, do not want it any more; null: they do. */
  withdrawn?: (name: string, agoMs: number) => Promise<string | null>;
  /** Secrets that were read, for the gate before the next commit. */
  onSecrets: (secrets: KnownSecret[]) => void;
};

/** Wishes that a start may not know of are no older than this. */
const FRESH_MS = 5_000;

type Usable = DesiredInstance & { spec: Instance; env: DesiredEnv };

/** Expected outcomes are values; only bugs throw. */
export async function converge(
  deps: ConvergeDeps,
  instance: DesiredInstance,
  observed: ObservedInstance,
  effect: ConvergeEffect,
): Promise<ConvergeOutcome> {
  const done = outcome(instance.name);
  if (!isUsable(instance)) return done('failed', 'spec-invalid', 'its spec is invalid', null);
  const { ops } = deps;
  const secrets = await ops.secrets.read(instance.spec.secrets);
  if (!secrets.ok) return done('failed', 'spec-invalid', withHint(secrets.problem), null);
  deps.onSecrets(Object.entries(secrets.value).map(([key, value]) => ({ key, value })));
  const moved = lastRunOf(observed) === 'unproved' ? await movedAccount(deps, instance, secrets.value) : null;
  if (moved !== null) return done('failed', 'spec-invalid', moved, null);
  let killed = false;
  const noEvidence = () => killed || areOlderWords(observed, ops.journals.facts(instance).runId);
  const venue = ops.venueOf(instance, secrets.value, noEvidence);
  if (!venue.ok) return done('failed', 'spec-invalid', venue.problem.message, null);

  const stopped = await stop(deps, instance, observed, effect, venue.value, (was) => {
    killed = was;
  });
  if ('hold' in stopped) {
    if (stopped.hold)
      return done(
        'held',
        stopped.reason,
        stopped.message,
        `${stopped.reason === 'foreign-position' ? 'foreign position' : 'flat unproven'}: ${stopped.message}`,
      );
    return done(deps.signal.aborted ? 'waiting' : 'failed', stopped.reason, stopped.message, null);
  }
  if (effect.do === 'stop') return done('done', 'converged', 'stopped and flat', effect.hold);
  if (effect.do === 'prove') {
    if (effect.cause === 'unasked-exit')
      await ops.local.writeRestarts(instance.name, afterExit(observed.restarts, ops.clock.nowMs()));
    return done('done', 'converged', 'proved flat', null);
  }
  // A start may have waited for its turn behind many others.
  const isAgain = effect.do === 'restart';
  const withdrawn = (await deps.withdrawn?.(instance.name, isAgain ? 0 : FRESH_MS)) ?? null;
  if (withdrawn !== null) {
    const state = isAgain ? 'stopped and flat; not started again' : 'flat; not started';
    return done('waiting', 'converged', `${state}: ${withdrawn}`, null);
  }
  return start(deps, instance, observed, venue.value, stopped.proof, secrets.value);
}

/** Of a run that goes on or is not proved flat: the account is told by secrets, and a proof on another one says nothing of it. */
async function movedAccount(
  { ops, fleetName }: ConvergeDeps,
  { name, spec }: Usable,
  secrets: Readonly<Record<string, string>>,
): Promise<string | null> {
  const { driver } = spec.venue;
  if (driver.kind !== 'ccxt') return null;
  const began = await ops.runtimeOf(fleetName, spec).startedWith(name, [driver.vaultId, driver.publicKey]);
  // The vault is the account; its key may be changed, and only tells where no vault is named.
  const key = [driver.vaultId, driver.publicKey].find(
    (each) => began[each] !== undefined && secrets[each] !== undefined,
  );
  if (key === undefined || began[key] === secrets[key]) return null;
  return `its run began with another ${key}, which tells the account: put that one back, mmfleet flatten ${name}, change it, then release ${name}`;
}

function stop(
  deps: ConvergeDeps,
  instance: Usable,
  observed: ObservedInstance,
  effect: ConvergeEffect,
  venue: VenuePort,
  onEnd: (killed: boolean) => void,
) {
  const { ops } = deps;
  const { name, spec, env } = instance;
  const live = observed.copies.known && observed.copies.value.length > 0;
  const running = observed.copies.known ? observed.copies.value[0] : undefined;
  return stopInstance({
    instance: name,
    where: whereOf(spec, env.values),
    local: ops.local,
    runtime: ops.runtimeOf(deps.fleetName, instance.spec),
    venue,
    clock: ops.clock,
    policy: {
      settleMs: spec.venue.settleMs,
      dustMaxNotionalUsd: spec.venue.dustMaxNotionalUsd,
      flatten: spec.venue.flatten,
    },
    stop: spec.runtime.kind === 'process' ? spec.runtime.stop : { signal: 'SIGINT', timeoutMs: spec.runtime.timeoutMs },
    envValues: patientValues(env.values, observed),
    shuttingDown: observed.journal.state === 'ok' && observed.journal.shuttingDown,
    preflight: true,
    // Only a person's `flatten` closes what no run of ours is known to have opened.
    mayClose: live || mayHaveLeft(observed, ops.clock.nowMs()) || (effect.do === 'stop' && effect.cause === 'held'),
    cause: effect.do === 'start' ? causeOfStart(observed) : effect.cause,
    iterFrom: running === undefined ? env.iter : running.iter,
    iterTo: env.iter,
    runFacts: async (ended) => {
      onEnd(ended.killed);
      return ops.journals.facts(instance);
    },
    seenClientIds: observed.receipts.flatMap((r) => r.orders.map((o) => o.clientId)),
    signal: deps.signal,
    onPhase: (phase, detail) => deps.onPhase(name, phase, detail),
  });
}

function causeOfStart(observed: ObservedInstance): string {
  if (observed.receipts.length === 0 && observed.journal.state === 'none') return 'first-start';
  return observed.restarts.exitedMs !== null || unasked(observed) ? 'unasked-exit' : 'start';
}

const MOST_PATIENCE_S = 3600;

/** The desired env, with the shutdown limit of the run itself where that is longer: patience must cover what runs. */
function patientValues(
  values: Readonly<Record<string, string>>,
  { journal }: ObservedInstance,
): Record<string, string> {
  const shown = journal.state === 'ok' ? journal.runStart?.config['shutdown_timeout_s'] : undefined;
  const number = typeof shown === 'number' || typeof shown === 'string' ? Number(shown) : Number.NaN;
  // A journal is not believed without limit: nothing would end the wait.
  const said = number <= MOST_PATIENCE_S ? number : Number.NaN;
  const declared = Number(values['MM_SHUTDOWN_TIMEOUT_S'] ?? Number.NaN);
  const longest = Math.max(...[said, declared].filter((limit) => Number.isFinite(limit)));
  return Number.isFinite(longest) ? { ...values, MM_SHUTDOWN_TIMEOUT_S: String(longest) } : { ...values };
}

async function start(
  deps: ConvergeDeps,
  instance: Usable,
  observed: ObservedInstance,
  venue: VenuePort,
  proof: Parameters<typeof startInstance>[0]['proof'],
  secrets: Record<string, string>,
): Promise<ConvergeOutcome> {
  const { ops } = deps;
  const done = outcome(instance.name);
  const order = startOrder(deps, instance, observed, secrets);
  const earlierRuns = new Set(ops.journals.runIds(instance));
  const nowMs = ops.clock.nowMs();
  // The count is written first: a crash of mmfleet right after the start must not forget it.
  const byItself = observed.restarts.exitedMs !== null || unasked(observed);
  const before = byItself ? afterExit(observed.restarts, nowMs) : observed.restarts;
  const restarts = byItself
    ? afterRestart(before, instance.spec.runtime.backoff, nowMs)
    : { restarts: 0, lastStartMs: nowMs, exitedMs: null };
  await ops.local.writeRestarts(instance.name, restarts);
  const result = await startInstance({
    instance: instance.name,
    market: instance.spec.market,
    runtime: ops.runtimeOf(deps.fleetName, instance.spec),
    venue,
    clock: ops.clock,
    order,
    proof,
    passStartedAtMs: deps.passStartedAtMs,
    startTimeoutMs: instance.spec.runtime.startTimeoutMs,
    confirm: async () => {
      const view = ops.journals.look(instance);
      if (view.state !== 'ok' || view.runStart === null || earlierRuns.has(view.runId)) return 'no';
      return confirmRun(view.runStart, { envFileName: order.envFileName, values: tunedOnly(instance) });
    },
    signal: deps.signal,
    onPhase: (phase, detail) => deps.onPhase(instance.name, phase, detail),
  });
  // A start that came to nothing counts as an exit: the next one waits its turn, and too many are a crash loop.
  if (result.outcome === 'exited' || result.outcome === 'failed')
    await ops.local.writeRestarts(instance.name, afterExit(restarts, ops.clock.nowMs()));
  // What was refused was no start: an unsteady venue must not add up to a crash loop.
  if (result.outcome === 'refused') await ops.local.writeRestarts(instance.name, before);
  switch (result.outcome) {
    case 'running':
      return done('done', 'converged', `runs ${order.envFileName} (pid ${result.copy.pid})`, null);
    case 'not-confirmed':
      return done('held', 'not-confirmed', result.message, `not confirmed: ${result.message}`);
    case 'unseen':
      return done('held', 'not-confirmed', result.message, null);
    case 'exited':
      return done('failed', 'not-running', `${result.message}; mmfleet logs ${instance.name}`, null);
    case 'interrupted':
      return done('waiting', 'not-confirmed', result.message, null);
    case 'refused':
      return done(result.hold ? 'held' : 'failed', result.reason, result.message, result.hold ? result.message : null);
    case 'failed':
      return done('failed', 'not-running', withHint(result.problem), null);
  }
}

const withHint = ({ message, hint }: Problem) => (hint === undefined ? message : `${message}; ${hint}`);

const unasked = (observed: ObservedInstance) =>
  !stopWasOurs(observed) &&
  observed.copies.known &&
  observed.copies.value.length === 0 &&
  observed.journal.state === 'ok' &&
  !observed.receipts.some((r) => observed.journal.state === 'ok' && r.runId === observed.journal.runId);

function startOrder(
  deps: ConvergeDeps,
  instance: Usable,
  observed: ObservedInstance,
  secrets: Record<string, string>,
): StartOrder {
  const { name, spec, env } = instance;
  const { runtime } = spec;
  // A command runtime has its own way to hand over the file: {env} in its start command.
  const own =
    runtime.kind === 'process' ? runtime : { command: runtime.start, envFileVariable: 'ENV', environment: {} };
  const digest = (observed.secretNames.ok ? desiredDigest(instance, observed.secretNames.names) : null) ?? '';
  return {
    instance: name,
    command: own.command,
    cwd: resolve(deps.ops.repo.root, runtime.cwd),
    env: { ...env.values, ...secrets },
    envText: env.text,
    secrets,
    envFileName: basename(env.path),
    envFileVariable: own.envFileVariable,
    environment: own.environment,
    markers: {
      MMFLEET_ITER: env.iter === null ? 'base' : String(env.iter),
      MMFLEET_REVISION: deps.revision,
      MMFLEET_DIGEST: digest,
    },
  };
}

const isUsable = (instance: DesiredInstance): instance is Usable => instance.spec !== null && instance.env !== null;

const outcome =
  (name: string) =>
  (
    standing: ConvergeOutcome['standing'],
    reason: PlanReason,
    message: string,
    hold: string | null,
  ): ConvergeOutcome => ({ name, standing, reason, message, hold });
