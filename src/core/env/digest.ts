/** Two digests: what a tracked env says, and what would require a restart. Comments and order of lines do not count. */
import { createHash } from 'node:crypto';
import type { Instance } from '../spec/types.ts';
import type { EnvValues } from '../tuning/types.ts';

/** `sha256:HEX` over the sorted effective key/value pairs of a tracked env file. */
export function envDigest(values: EnvValues): string {
  return sha256(stable(values));
}

/** The same plus the whole runtime block and the names (never the values) of the secret keys: it names a running process. */
export function runtimeDigest(values: EnvValues, runtime: Instance['runtime'], secretNames: readonly string[]): string {
  return sha256(stable({ values, runtime, secretNames: [...new Set(secretNames)].sort() }));
}

/** JSON with the keys of every object sorted by code unit. */
function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const pairs = Object.entries(value).filter(([, inner]) => inner !== undefined);
  pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${pairs.map(([key, inner]) => `${JSON.stringify(key)}:${stable(inner)}`).join(',')}}`;
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text, 'utf8').digest('hex')}`;
}
