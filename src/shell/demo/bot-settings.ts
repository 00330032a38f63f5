/** What the simulated bot reads from its environment, and the dump of it that goes into the journal. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from '../../core/env/read.ts';
import { CATALOGUE, READ_ONLY_KEYS } from '../../core/tuning/catalogue.ts';
import type { PyValue } from './python-json.ts';

/** `ENV` names the file, the process environment wins; the reason when there is no such file. */
export function botEnv(
  environment: Readonly<Record<string, string | undefined>>,
  cwd: string,
): { envFile: string; values: Record<string, string> } | { refused: string } {
  const name = environment['ENV'];
  if (name === undefined || name === '') return { refused: 'ENV does not name an env file' };
  const envFile = resolve(cwd, name);
  let values: Record<string, string>;
  try {
    values = { ...parseEnv(readFileSync(envFile, 'utf8'), envFile).values };
  } catch {
    return { refused: `env file ${envFile} cannot be read` };
  }
  for (const [key, value] of Object.entries(environment)) {
    if (value !== undefined && /^MM_/i.test(key)) values[key.toUpperCase()] = value;
  }
  for (const [key, info] of [...Object.entries(CATALOGUE), ...Object.entries(READ_ONLY_KEYS)]) {
    const value = values[key];
    if (value === undefined || info.type === 'bool') continue;
    const fits = info.type === 'int' ? /^\s*[+-]?\d+(\.0*)?\s*$/ : /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/;
    if (!fits.test(value)) return { refused: `${key} is not a number the bot can read` };
  }
  return { envFile, values };
}

const REDACTED = ['vault_id', 'stark_private_key', 'stark_public_key', 'api_key'];

/** The settings by snake_case field name as in `run_start.config`, with defaults, keys redacted. */
export function configDump(values: Readonly<Record<string, string>>): Record<string, PyValue> {
  const dump: Record<string, PyValue> = {};
  for (const name of REDACTED) dump[name] = '***redacted***';
  for (const [key, info] of [...Object.entries(CATALOGUE), ...Object.entries(READ_ONLY_KEYS)]) {
    dump[info.fieldName] = typed(values[key] ?? info.default, info.type, info.unit);
  }
  for (const [key, value] of Object.entries(values)) {
    if (!key.startsWith('MM_') || key in CATALOGUE || key in READ_ONLY_KEYS) continue;
    const name = key.slice(3).toLowerCase();
    if (REDACTED.includes(name) || /key|secret|token|passw/.test(name)) dump[name] = '***redacted***';
    else dump[name] = /^(true|false)$/i.test(value) ? /^true$/i.test(value) : value;
  }
  return dump;
}

function typed(value: string, type: 'int' | 'decimal' | 'bool', unit: string): PyValue {
  if (type === 'bool') return /^(1|true|yes|on|t|y)$/i.test(value.trim());
  if (type === 'int') return Math.trunc(Number(value));
  return unit === 's' ? { float: Number(value) } : value.trim();
}
