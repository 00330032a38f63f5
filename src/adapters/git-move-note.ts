/** What a move of the branch is about to do, written down before it. */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Repo } from './git.ts';

/** Commit ids. */
export type Move = { from: string; to: string };

/** `file`: where it is written. */
export type MoveNote = Move & { file: string };

type At = Pick<Repo, 'ownDir'>;

/** Lasts when it returns, also over a power cut: all it says is the name of an empty file, so one sync of the folder is enough. */
export function noteMove(repo: At, move: Move): void {
  mkdirSync(repo.ownDir, { recursive: true });
  closeSync(openSync(join(repo.ownDir, nameOf(move)), 'w', 0o600));
  const folder = openSync(repo.ownDir, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Moves that were begun and not forgotten. */
export function notedMoves(repo: At): MoveNote[] {
  return namesIn(repo).flatMap((file) => {
    const [, from, to] = NAME.exec(file) ?? [];
    if (from !== undefined && to !== undefined) return [{ from, to, file }];
    const older = file === OLDER ? olderNote(repo) : null;
    return older === null ? [] : [{ ...older, file }];
  });
}

export function forgetMove(repo: At, move: Move | MoveNote): void {
  rmSync(join(repo.ownDir, 'file' in move ? move.file : nameOf(move)), { force: true });
}

const NAME = /^move-([0-9a-f]{40,64})-([0-9a-f]{40,64})$/;

const nameOf = ({ from, to }: Move): string => `move-${from}-${to}`;

function namesIn({ ownDir }: At): string[] {
  try {
    return readdirSync(ownDir);
  } catch (error) {
    // Only where nothing was ever written there is nothing noted; a folder that cannot be read says nothing.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** As earlier versions wrote it: one that ended in the middle of a move may have left it. */
const OLDER = 'move.json';

function olderNote({ ownDir }: At): Move | null {
  try {
    const value: unknown = JSON.parse(readFileSync(join(ownDir, OLDER), 'utf8'));
    const { from, to } = value as { from?: unknown; to?: unknown };
    const isId = (id: unknown): id is string => typeof id === 'string' && /^[0-9a-f]{40,64}$/.test(id);
    return isId(from) && isId(to) ? { from, to } : null;
  } catch {
    return null;
  }
}
