/** The real ccxt class against a loopback venue, and the proof of flatness through it. */
import { join } from 'node:path';
import { createCcxtVenue } from '../../../src/adapters/ccxt-venue.ts';
import { systemClock } from '../../../src/adapters/clock.ts';
import { createProcessRuntime } from '../../../src/adapters/process.ts';
import type { VenuePort } from '../../../src/core/ports.ts';
import { type Proved, proveFlat } from '../../../src/shell/converge/flatten.ts';
import { type StopResult, stopInstance } from '../../../src/shell/converge/stop.ts';
import { localState } from '../../../src/shell/local-state.ts';
import type { FaultyReply, Scenario } from './scenario.ts';
import { ACCOUNT } from './stark.ts';
import { type LoopbackVenue, MARKET, startLoopbackVenue } from './venue.ts';

export const SECRETS: Record<string, string> = {
  MM_API_KEY: ACCOUNT.apiKey,
  MM_STARK_PRIVATE_KEY: ACCOUNT.privateKey,
  MM_STARK_PUBLIC_KEY: ACCOUNT.l2Key,
  MM_VAULT_ID: ACCOUNT.l2Vault,
};

export type Given = Partial<Pick<Scenario, 'position' | 'orders' | 'book' | 'faults'>> & {
  secrets?: Record<string, string>;
  environment?: 'testnet' | 'mainnet';
  market?: string;
  timeoutMs?: number;
};

export type LoopbackWorld = { server: LoopbackVenue; venue: VenuePort };

/** Starts a loopback venue and opens it as an instance's spec would. */
export async function loopbackWorld(given: Given = {}): Promise<LoopbackWorld> {
  const { position = '0', orders = [], faults = [], environment = 'testnet', book } = given;
  const server = await startLoopbackVenue(
    { position, orders, faults, ...(book === undefined ? {} : { book }) },
    environment === 'testnet' ? 'SN_SEPOLIA' : 'SN_MAIN',
  );
  const opened = createCcxtVenue({
    driver: {
      kind: 'ccxt',
      exchange: 'extended',
      apiKey: 'MM_API_KEY',
      privateKey: 'MM_STARK_PRIVATE_KEY',
      vaultId: 'MM_VAULT_ID',
      publicKey: 'MM_STARK_PUBLIC_KEY',
      url: server.url,
      timeoutMs: given.timeoutMs ?? (faults.some(({ reply }) => isSilent(reply)) ? 2_000 : 20_000),
    },
    market: given.market ?? MARKET,
    secrets: given.secrets ?? SECRETS,
    environment,
    clock: systemClock,
  });
  if (!opened.ok) throw new Error(opened.problem.message);
  return { server, venue: opened.value };
}

/** What must be waited for in vain. Every other call is answered, however slow the machine is. */
export const isSilent = (reply: FaultyReply | undefined): boolean =>
  reply === 'hang' || reply === 'lost' || reply === 'stalls';

type Policy = Partial<Pick<Scenario, 'policy'>>;

/** No scenario ends by it. */
const PATIENCE_MS = 100_000;

const flatPolicy = ({ policy = {} }: Policy) => ({
  settleMs: 40,
  dustMaxNotionalUsd: policy.dustMaxNotionalUsd ?? 5,
  flatten: {
    attempts: policy.attempts ?? 5,
    slippageBps: { start: 20, step: 10, max: 100 },
    maxCostUsd: policy.maxCostUsd ?? 50,
  },
});

/** What a pass does with an instance whose process is gone: a proof that permits a start, or a hold. `dir`: an empty folder. */
export function stopDead(venue: VenuePort, scenario: Policy, dir: string): Promise<StopResult> {
  return stopInstance({
    instance: 'amzn',
    where: { market: MARKET, account: 'main' },
    local: localState({ gitDir: join(dir, '.git'), stateDir: join(dir, '.mmfleet') }),
    runtime: createProcessRuntime({ fleetId: 'loopback@venue', stateDir: join(dir, '.mmfleet'), clock: systemClock }),
    venue,
    clock: systemClock,
    policy: flatPolicy(scenario),
    stop: { signal: 'SIGINT', timeoutMs: 1_000 },
    envValues: {},
    shuttingDown: false,
    preflight: true,
    mayClose: true,
    cause: 'unasked-exit',
    iterFrom: null,
    iterTo: null,
    runFacts: () => Promise.resolve({ runId: 'r1', botSays: null }),
    seenClientIds: [],
    flatTimeoutMs: PATIENCE_MS,
  });
}

/** The whole proof with a short settle interval. */
export function prove(
  venue: VenuePort,
  scenario: Policy = {},
  seenClientIds: string[] = [],
  market = MARKET,
): Promise<Proved> {
  return proveFlat({
    instance: 'amzn',
    where: { market, account: 'main' },
    venue,
    clock: systemClock,
    policy: flatPolicy(scenario),
    identity: { instance: 'amzn', runId: 'r1', pid: 7, startTicks: '99' },
    seenClientIds,
    mayClose: true,
    cause: 'test',
    iterFrom: null,
    iterTo: null,
    ended: { signalAt: null, exitedAt: null, killed: false },
    botSays: null,
    deadlineMs: Date.now() + PATIENCE_MS,
  });
}
