/** A ccxt exchange object on a short leash: replies are bounded, errors are data, and nothing of it can be printed. */
import { inspect } from 'node:util';
import type { CcxtExchange, CcxtExchangeClass } from './ccxt-module.ts';

export type ClientOptions = {
  config: Record<string, unknown>;
  /** How long one HTTP call may take, its body included. */
  timeoutMs: number;
  /** Least time between two calls; absent = what ccxt holds to be right. */
  rateLimitMs?: number;
};

/** How a call ended. `refused`: the venue answered with an error (`code` null = without a code of its own, as ccxt tells it). */
export type Outcome =
  | { kind: 'replied'; body: unknown }
  | { kind: 'refused'; httpStatus: number; code: number | null }
  | { kind: 'failed'; reason: string /** The order was turned down: nothing was traded. */; turnedDown?: true };

/** A bound on one reply: a full list of open orders is far below it. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

const MAX_REPLIES_KEPT = 100;

const SAID = Symbol('how the call ended');

/** The exchange object. Its constructor may throw when ccxt changed; key material is not in what it prints. */
export function createClient(Exchange: CcxtExchangeClass, options: ClientOptions): CcxtExchange {
  const exchange = new Exchange({
    ...options.config,
    timeout: options.timeoutMs,
    enableRateLimit: true,
    ...(options.rateLimitMs === undefined ? {} : { rateLimit: options.rateLimitMs }),
    verbose: false,
    fetchImplementation: boundedFetch,
  });
  const hidden = () => `[ccxt ${exchange.id}]`;
  Object.defineProperty(exchange, inspect.custom, { value: hidden });
  Object.defineProperty(exchange, 'toJSON', { value: hidden });
  return exchange;
}

/** Makes ccxt report an error by HTTP status and venue code: its own classes mix up what must be told apart. */
export function reportByStatus(exchange: CcxtExchange): void {
  exchange.handleErrors = (httpStatus, _reason, _url, _method, _headers, _body, reply) => {
    const status = Number(httpStatus);
    const isError = isRow(reply) && reply['status'] === 'ERROR';
    if (status >= 200 && status < 300 && !isError) return undefined;
    throw saying({ kind: 'refused', httpStatus: status, code: isError ? codeOf(reply['error']) : null });
  };
}

/** Every reply a unified call made, as it was parsed; ccxt's own judgement of errors stays. */
export function recordReplies(exchange: CcxtExchange): { status: number; body: unknown }[] {
  const replies: { status: number; body: unknown }[] = [];
  const judge = exchange.handleErrors.bind(exchange);
  exchange.handleErrors = (...reply) => {
    replies.push({ status: Number(reply[0]), body: reply[6] });
    if (replies.length > MAX_REPLIES_KEPT) replies.shift();
    return judge(...reply);
  };
  return replies;
}

/** Runs one call; never throws, and no text of the library leaves it. */
export async function attempt(run: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { kind: 'replied', body: await run() };
  } catch (error) {
    return outcomeOf(error);
  }
}

/** Why an outcome is not an answer, in a few words. */
export function reasonOf(outcome: Exclude<Outcome, { kind: 'replied' }>): string {
  if (outcome.kind === 'failed') return outcome.reason;
  const { httpStatus, code } = outcome;
  if (httpStatus === 429) return 'rate limited';
  if (httpStatus === 401 || httpStatus === 403) return 'API key refused';
  return code === null ? `HTTP ${httpStatus}` : `refused with code ${code} (HTTP ${httpStatus})`;
}

export function isRow(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function outcomeOf(error: unknown): Outcome {
  const said = isRow(error) ? (error as { [SAID]?: Outcome })[SAID] : undefined;
  if (said !== undefined) return said;
  const name = error instanceof Error ? error.name : '';
  if (name === 'RequestTimeout' || name === 'AbortError' || name === 'TimeoutError') return failed('timed out');
  if (name === 'RateLimitExceeded' || name === 'DDoSProtection') return failed('rate limited');
  if (name === 'AuthenticationError' || name === 'PermissionDenied') return failed('API key refused');
  if (name === 'NetworkError' || name === 'ExchangeNotAvailable' || name === 'OnMaintenance')
    return failed('not reachable');
  if (name === 'InvalidOrder' || name === 'InsufficientFunds')
    return { kind: 'failed', reason: 'order turned down', turnedDown: true };
  return failed('ccxt could not make the call');
}

function failed(reason: string): Outcome {
  return { kind: 'failed', reason };
}

function saying(outcome: Outcome): Error {
  return Object.assign(new Error('the venue did not answer as wanted'), { [SAID]: outcome });
}

/** ccxt writes numbers as texts when one of them is beyond 2^53. */
function codeOf(error: unknown): number | null {
  const code = isRow(error) ? Number(error['code']) : Number.NaN;
  return Number.isSafeInteger(code) ? code : null;
}

/** ccxt's own time-out ends with the headers; here it covers the body, which is bounded as well. */
async function boundedFetch(url: string, { method, headers, body, signal }: RequestInit): Promise<unknown> {
  const init: RequestInit = { redirect: 'error' };
  if (method !== undefined) init.method = method;
  if (headers !== undefined) init.headers = headers;
  if (body !== undefined) init.body = body;
  if (signal !== undefined) init.signal = signal;
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_REPLY_BYTES) throw saying(failed('reply too large'));
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const { status, statusText } = response;
  return { status, statusText, headers: response.headers, text: () => Promise.resolve(text) };
}
