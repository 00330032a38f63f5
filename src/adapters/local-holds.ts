/** Holds of this clone alone: what a person asked for while nothing could be committed. They outlive `.mmfleet`. */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Hold } from '../core/trail/types.ts';
import { isUtc } from '../core/trail/utc.ts';
import { writeDurably } from './durable-file.ts';

/** The hold of an instance; null = none. One that cannot be read holds all the same, and says so. */
export function readLocalHold(gitDir: string, instance: string): Hold | null {
  const path = pathOf(gitDir, instance);
  try {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return null;
    const { reason, since } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    if (typeof reason === 'string' && reason !== '' && typeof since === 'string' && isUtc(since))
      return { instance, kind: 'hold', reason, since, until: null };
  } catch {
    // There is one: what it says does not matter to whether it holds.
  }
  const reason = `.git/mmfleet/holds/${instance}.json cannot be read`;
  return { instance, kind: 'hold', reason, since: '1970-01-01T00:00:00Z', until: null };
}

/** Replaces the hold; on the disk when it returns. */
export function writeLocalHold(gitDir: string, { instance, reason, since }: Hold): void {
  writeDurably(pathOf(gitDir, instance), `${JSON.stringify({ reason, since })}\n`);
}

/** Forgets the hold; nothing happens when there is none. */
export function clearLocalHold(gitDir: string, instance: string): void {
  rmSync(pathOf(gitDir, instance), { force: true });
}

function pathOf(gitDir: string, instance: string): string {
  if (instance === '' || instance.startsWith('.') || /[/\\\0]/.test(instance)) throw new Error('unsafe instance name');
  return join(gitDir, 'mmfleet', 'holds', `${instance}.json`);
}
