/** The simulated bot's side of the venue. Throws when the venue does not answer with `status: OK`. */
export type BotVenue = {
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
};

/** Calls a loopback venue with the key; each call ends within `timeoutMs`. */
export function botVenue(url: string, apiKey: string, timeoutMs: number): BotVenue {
  const call = async (path: string, init: RequestInit): Promise<unknown> => {
    const headers = { 'x-api-key': apiKey, 'content-type': 'application/json' };
    const response = await fetch(url + path, { ...init, headers, signal: AbortSignal.timeout(timeoutMs) });
    const body = (await response.json()) as { status?: unknown; data?: unknown; error?: { code?: unknown } };
    if (body.status !== 'OK') throw new Error(`venue refused: ${String(body.error?.code ?? response.status)}`);
    return body.data;
  };
  return {
    get: (path) => call(path, { method: 'GET' }),
    post: (path, body) => call(path, { method: 'POST', body: JSON.stringify(body) }),
  };
}
