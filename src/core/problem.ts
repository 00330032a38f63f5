/** Bad input is data: a Problem says what was attempted, what was found, what was wanted and what to do next. */

/** Whether trying again can help by itself (`backoff`) or a person must change something first (`stalled`). */
export type Retry = 'backoff' | 'stalled';

export type Problem = {
  /** Stable, lower-case, dashed: `spec-unknown-field`, `env-bad-line`, `git-remote-away`. */
  code: string;
  /** One line; no secret values, no raw library text. */
  message: string;
  /** The next thing to do, when there is one. */
  hint?: string;
  retry?: Retry;
  /** `warning`: shown, blocks nothing. Absent = error. */
  severity?: 'error' | 'warning';
  /** The instance it concerns; absent for the whole fleet. */
  instance?: string;
  /** Path as the user knows it (relative to the repository where possible). */
  file?: string;
  /** 1-based. */
  line?: number;
  /** 1-based. */
  column?: number;
  /** The source line, for underlining. */
  sourceLine?: string;
};

/** A value, or why there is none. */
export type Result<T> = { ok: true; value: T } | { ok: false; problem: Problem };

/** A read of the outside world: unknown is a value and is never zero. `asOfMs` is wall time in ms. */
export type Known<T> = { known: true; value: T; asOfMs: number } | { known: false; reason: string };

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });

export const fail = (problem: Problem): { ok: false; problem: Problem } => ({ ok: false, problem });

export const known = <T>(value: T, asOfMs: number): Known<T> => ({ known: true, value, asOfMs });

export const unknown = (reason: string): { known: false; reason: string } => ({ known: false, reason });

/** None or one, as a list. */
export const asList = (problem: Problem | null): Problem[] => (problem === null ? [] : [problem]);

/** Closes a switch over a union; reaching it is a bug. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** `file:line:column message`, the source line underlined, then the hint. */
export function formatProblem(p: Problem): string {
  const place = [p.file, p.line, p.column].filter((part) => part !== undefined).join(':');
  const named = place === '' || p.message.startsWith(`${place} `) || p.message.startsWith(`${place}:`);
  const lines = [named ? p.message : `${place} ${p.message}`];
  if (p.sourceLine !== undefined) {
    const gutter = p.line === undefined ? '' : String(p.line);
    lines.push(`  ${gutter} | ${p.sourceLine}`);
    if (p.column !== undefined) lines.push(`  ${' '.repeat(gutter.length)} | ${' '.repeat(p.column - 1)}^`);
  }
  if (p.hint !== undefined) lines.push(`  hint: ${p.hint}`);
  return lines.join('\n');
}
