/** The real ccxt class against a loopback venue, and the proof of flatness through it. */
import { createCcxtVenue } from '../../../src/adapters/ccxt-venue.ts';
import { systemClock } from '../../../src/adapters/clock.ts';
import type { VenuePort } from '../../../src/core/ports.ts';
import { type Proved, proveFlat } from '../../../src/shell/converge/flatten.ts';
import type { Scenario } from './scenario.ts';
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
      timeoutMs: given.timeoutMs ?? 300,
    },
    market: given.market ?? MARKET,
    secrets: given.secrets ?? SECRETS,
    environment,
    clock: systemClock,
  });
  if (!opened.ok) throw new Error(opened.problem.message);
  return { server, venue: opened.value };
}

/** The whole proof with a short settle interval. */
export function prove(
  venue: VenuePort,
  { policy = {} }: Partial<Pick<Scenario, 'policy'>> = {},
  seenClientIds: string[] = [],
  market = MARKET,
): Promise<Proved> {
  return proveFlat({
    instance: 'amzn',
    market,
    venue,
    clock: systemClock,
    policy: {
      settleMs: 40,
      dustMaxNotionalUsd: policy.dustMaxNotionalUsd ?? 5,
      flatten: {
        attempts: policy.attempts ?? 5,
        slippageBps: { start: 20, step: 10, max: 100 },
        maxCostUsd: policy.maxCostUsd ?? 50,
      },
    },
    identity: { instance: 'amzn', runId: 'r1', pid: 7, startTicks: '99' },
    seenClientIds,
    mayClose: true,
    cause: 'test',
    iterFrom: null,
    iterTo: null,
    ended: { signalAt: null, exitedAt: null, killed: false },
    botSays: null,
    deadlineMs: Date.now() + 20_000,
  });
}
