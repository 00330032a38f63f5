/** An env file as it counts for a fleet. */
import type { Problem } from '../problem.ts';
import type { EnvValues } from '../tuning/types.ts';
import { type EnvFile, parseEnv } from './read.ts';
import { validateEnv } from './validate.ts';

export type CheckedEnv = {
  /** What the bot takes. */
  values: EnvValues;
  /** What the bot would refuse, and what may not stand in a tracked file. */
  problems: readonly Problem[];
  /** Where the value that counts for a key stands; only the file when none does. */
  placeOf(key: string): Pick<Problem, 'file' | 'line' | 'column'>;
};

/** Reads and checks env text; `path` names it in problems. */
export function checkEnv(text: string, path: string): CheckedEnv {
  const env = parseEnv(text, path);
  return { values: env.values, problems: validateEnv(env, text, path), placeOf: (key) => placeIn(env, path, key) };
}

/** The same of a text that was found without a problem before; it is read again only to tell a place. */
export function checkedBefore(values: EnvValues, path: string, text: () => string): CheckedEnv {
  return { values, problems: [], placeOf: (key) => placeIn(parseEnv(text(), path), path, key) };
}

function placeIn(env: EnvFile, file: string, key: string): Pick<Problem, 'file' | 'line' | 'column'> {
  const entry = env.entries.findLast((e) => e.key === key && e.value === env.values[key]);
  return entry === undefined ? { file } : { file, line: entry.line, column: entry.column };
}
