/** What can be said about a spec's ccxt venue before the first stop: no network, no process, no secret value. */
import { ccxtProblems } from '../adapters/ccxt-venue.ts';
import type { Problem } from '../core/problem.ts';
import type { Instance } from '../core/spec/types.ts';
import type { Ops } from './ops.ts';
import type { ReadDesired } from './read-desired.ts';

/**
 * Exchanges that are missing or cannot prove a market flat (errors), prove less (warnings), or lack their keys;
 * `secrets` null: their keys are not looked for.
 */
export async function venueProblems(desired: ReadDesired, secrets: Ops['secrets'] | null): Promise<Problem[]> {
  const byExchange = new Map<string, Promise<Problem[]>>();
  const found = await Promise.all(
    desired.instances.map(async ({ name, spec }): Promise<Problem[]> => {
      if (spec === null || spec.venue.driver.kind !== 'ccxt') return [];
      const { exchange } = spec.venue.driver;
      const known = byExchange.get(exchange) ?? ccxtProblems(exchange);
      byExchange.set(exchange, known);
      const at = (field: string) => ({
        instance: name,
        ...desired.place(name, ['spec', 'venue', 'ccxt', field]),
      });
      const exchanges = (await known).map((problem) => ({ ...problem, ...at('exchange') }));
      const missing = secrets === null ? [] : missingKeys(spec, secrets);
      const keys = missing.map(({ field, ...problem }) => ({ ...problem, ...at(field) }));
      return [...exchanges, ...keys];
    }),
  );
  return found.flat();
}

/** Keys that no source has; a source that is a command may have any, so that nothing is said then. */
function missingKeys({ venue, secrets: sources }: Instance, secrets: Ops['secrets']): (Problem & { field: string })[] {
  const { driver } = venue;
  if (driver.kind !== 'ccxt' || sources.some((source) => source.kind === 'command')) return [];
  const read = secrets.names(sources);
  if (!read.ok) return [];
  const has = (name: string) => read.names.includes(name);
  const problems: (Problem & { field: string })[] = (['apiKey', 'privateKey'] as const)
    .filter((field) => !has(driver[field]))
    .map((field) => ({
      code: 'venue-key-missing',
      field,
      message: `spec.venue.ccxt.${field}: ${driver[field]} is not among the instance's secrets`,
      hint: 'put it into a file named in spec.secrets',
      retry: 'stalled',
    }));
  if (driver.exchange === 'extended' && !has(driver.vaultId) && !has(driver.publicKey)) {
    problems.push({
      code: 'venue-key-missing',
      field: 'vaultId',
      message: `spec.venue.ccxt: neither ${driver.vaultId} nor ${driver.publicKey} is among the instance's secrets: no read could be shown to be of the right account`,
      hint: 'put one of them into a file named in spec.secrets',
      retry: 'stalled',
    });
  }
  return problems;
}
