import type { Instance } from '../spec/types.ts';

/** Where a run trades, and so where it is proved flat. Receipts of before a name was written down do not have it. */
export type Where = {
  market: string;
  /** `spec.account`. */
  account?: string;
  /** `venue.ccxt.exchange`; absent with another venue. */
  exchange?: string;
  /** `MM_ENVIRONMENT` as the bot takes it: lower case, `testnet` where it is absent. */
  environment?: string;
};

const NAMES = {
  market: 'spec.market',
  account: 'spec.account',
  exchange: 'the exchange',
  environment: 'MM_ENVIRONMENT',
};

/** Where an instance trades with this spec and these values of its env; null = its env cannot be read. */
export function whereOf({ market, account, venue }: Instance, env: Readonly<Record<string, string>> | null): Where {
  const { driver } = venue;
  return {
    market,
    account,
    ...(driver.kind === 'ccxt' ? { exchange: driver.exchange } : {}),
    ...(env === null ? {} : { environment: (env['MM_ENVIRONMENT'] ?? 'testnet').trim().toLowerCase() }),
  };
}

/** The first way in which two places differ; what one of them does not say is no difference. null = the same place. */
export function movedFrom(before: Where, now: Where): { name: string; before: string; now: string } | null {
  for (const key of ['market', 'account', 'exchange', 'environment'] as const) {
    const [was, is] = [before[key], now[key]];
    if (was !== undefined && is !== undefined && was !== is) return { name: NAMES[key], before: was, now: is };
  }
  return null;
}
