/** Loads one exchange's file of ccxt: the whole library would cost seconds and 80 MB. */
import { existsSync } from 'node:fs';
import { fail, ok, type Result } from '../core/problem.ts';

/** What every ccxt exchange object has, as far as it is used here. */
export type CcxtExchange = {
  id: string;
  apiKey: string;
  urls: { api: Record<string, string> | string; test?: unknown };
  options: Record<string, unknown>;
  /** Capabilities by unified method: true, false, undefined or `emulated`. */
  has: Record<string, unknown>;
  requiredCredentials: Record<string, boolean>;
  nonce: () => number;
  handleErrors: (...reply: unknown[]) => unknown;
  setSandboxMode(on: boolean): void;
};
export type CcxtExchangeClass = new (config: Record<string, unknown>) => CcxtExchange;

/** The raw endpoints and helpers of ccxt's Extended class that are used. */
export type ExtendedExchange = CcxtExchange &
  Record<
    | 'v1PrivateGetUserAccountInfo'
    | 'v1PrivateGetUserPositions'
    | 'v1PrivateGetUserOrders'
    | 'v1PrivateGetUserOrdersExternalExternalId'
    | 'v1PrivateGetUserFees'
    | 'v1PrivatePostUserOrder'
    | 'v1PrivatePostUserOrderMassCancel'
    | 'v1PublicGetInfoMarkets'
    | 'v1PublicGetInfoMarketsMarketOrderbook',
    (params: Record<string, unknown>) => Promise<unknown>
  > & {
    parseMarket(row: unknown): unknown;
    setMarkets(markets: unknown[]): unknown;
    createExtendedOrderRequest(
      symbol: string,
      type: string,
      side: string,
      amount: string,
      price: string,
      params: Record<string, unknown>,
    ): Promise<{ request: Record<string, unknown> }>;
  };

/** The class of `exchange` (a ccxt id); a Problem when ccxt is not installed or does not know it. No network. */
export async function loadExchangeClass(exchange: string): Promise<Result<CcxtExchangeClass>> {
  let library: string;
  try {
    // A script has no address to look from, and parts of the program are scripts when they are built.
    library = (await import('./ccxt-place.ts')).ccxtAddress();
  } catch {
    return fail(missing());
  }
  const file = new URL(`./src/${exchange}.js`, library);
  if (!existsSync(new URL(library))) return fail(missing());
  if (!/^[a-z0-9]+$/.test(exchange) || !existsSync(file)) {
    return fail({
      code: 'ccxt-unknown-exchange',
      message: `venue.ccxt.exchange: found ${JSON.stringify(exchange.slice(0, 64))}, want an exchange that the installed ccxt has`,
      hint: 'the ids are listed in the manual of ccxt, for example extended',
      retry: 'stalled',
    });
  }
  try {
    const module = (await import(file.href)) as { default?: unknown };
    if (typeof module.default === 'function') return ok(module.default as CcxtExchangeClass);
  } catch {
    // What the file throws while it loads says nothing a user can act on.
  }
  return fail({
    code: 'ccxt-not-usable',
    message: `ccxt's file for ${exchange} cannot be loaded`,
    hint: 'npm install ccxt@^4.5.84 next to mmfleet',
    retry: 'stalled',
  });
}

function missing() {
  return {
    code: 'ccxt-missing',
    message: 'a spec names venue.ccxt, but ccxt is not installed',
    hint: 'npm install ccxt@^4.5.84 next to mmfleet',
    retry: 'stalled' as const,
  };
}
