/** The `ccxt` venue: Extended through its own checked endpoints, other exchanges through ccxt's unified calls. */
import type { Clock, VenuePort } from '../core/ports.ts';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';
import type { VenueDriver } from '../core/spec/types.ts';
import { createExtendedVenue } from './ccxt-extended.ts';
import { loadExchangeClass } from './ccxt-module.ts';
import { createUnifiedVenue, unifiedProblems } from './ccxt-unified.ts';

type Driver = Extract<VenueDriver, { kind: 'ccxt' }>;

export type CcxtOptions = {
  driver: Driver;
  market: string;
  /** Values by key; the driver names the keys it needs. */
  secrets: Readonly<Record<string, string>>;
  /** `MM_ENVIRONMENT` of the instance's env; absent = testnet, as the bot takes it. */
  environment: string | undefined;
  clock: Clock;
};

/** A loopback venue has no limits; everywhere else ccxt's own pace holds (600 ms a call on Extended). */
const LOOPBACK_PACE_MS = 1;

/** One market on one account. A Problem when a key or the environment is missing; ccxt itself is loaded behind it. */
export function createCcxtVenue(options: CcxtOptions): Result<VenuePort> {
  const { driver, secrets, market, clock } = options;
  const apiKey = secrets[driver.apiKey];
  const privateKey = secrets[driver.privateKey];
  if (apiKey === undefined || apiKey === '') return fail(missingKey('apiKey', driver.apiKey));
  if (privateKey === undefined || privateKey === '') return fail(missingKey('privateKey', driver.privateKey));
  const environment = environmentOf(options.environment);
  if (environment === null) return fail(badEnvironment(options.environment ?? ''));
  const load = loadExchangeClass(driver.exchange);
  const common = {
    market,
    apiKey,
    privateKey,
    environment,
    timeoutMs: driver.timeoutMs,
    ...(driver.url === null ? {} : { rateLimitMs: LOOPBACK_PACE_MS }),
    clock,
  };
  if (driver.exchange !== 'extended') return ok(createUnifiedVenue(load, { ...common, url: driver.url }));
  const account = { vaultId: secrets[driver.vaultId] ?? null, publicKey: secrets[driver.publicKey] ?? null };
  return ok(createExtendedVenue(load, { ...common, url: driver.url, account }));
}

/** What a spec that names this exchange should know, without any network: not installed, not provable, or weaker. */
export async function ccxtProblems(exchange: string): Promise<Problem[]> {
  const Exchange = await loadExchangeClass(exchange);
  if (!Exchange.ok) return [Exchange.problem];
  return exchange === 'extended' ? [] : unifiedProblems(exchange, Exchange.value);
}

function environmentOf(text: string | undefined): 'testnet' | 'mainnet' | null {
  const name = (text ?? 'testnet').trim().toLowerCase();
  return name === 'testnet' || name === 'mainnet' ? name : null;
}

function missingKey(field: string, name: string): Problem {
  return {
    code: 'venue-key-missing',
    message: `venue.ccxt.${field}: ${name} is not among the instance's secrets`,
    hint: 'put it into a file named in spec.secrets',
    retry: 'stalled',
  };
}

function badEnvironment(found: string): Problem {
  return {
    code: 'venue-environment',
    message: `MM_ENVIRONMENT: found ${JSON.stringify(found.slice(0, 32))}, want testnet or mainnet`,
    hint: 'the venue to prove flat is chosen by it',
    retry: 'stalled',
  };
}
