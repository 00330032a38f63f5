/**
 * Under which ids this clone has started bots. A fleet that was renamed since, or whose history was rewritten from its first
 * commit on, has another id, and its bots still carry the one they were started under.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `ownDir`: `.git/mmfleet`. Throws when it cannot be told: bots that are there would be taken for none. */
export function startedIds(ownDir: string): string[] {
  try {
    return readdirSync(join(ownDir, FOLDER));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * All it says is the name of an empty file: of two commands that note something at once neither is lost. It need not outlast
 * a power cut, which no bot does.
 */
export function noteId(ownDir: string, id: string): void {
  mkdirSync(join(ownDir, FOLDER), { recursive: true });
  writeFileSync(join(ownDir, FOLDER, id), '', { flag: 'a', mode: 0o600 });
}

const FOLDER = 'fleets';
