/** Whether a new run is the one we started: its env file's name and every tuned key its config shows. */
import { Decimal } from '../decimal.ts';
import type { RunStartEvent } from '../journal/types.ts';

export type Confirmation = 'yes' | 'no' | { mismatch: string };

/** What a run must show: the materialised file's name, and tuned keys (`MM_...`) with their env text. */
export type ExpectedRun = { envFileName: string; values: Readonly<Record<string, string>> };

/** Compares a run's first event with what was started; keys its config does not show are ignored. Never `no`. */
export function confirmRun(runStart: RunStartEvent, expected: ExpectedRun): Confirmation {
  const shown = runStart.envFile === null ? null : (runStart.envFile.split('/').at(-1) ?? '');
  if (shown !== expected.envFileName)
    return { mismatch: `env file ${shown === null ? 'not named' : shown.slice(0, 80)}, want ${expected.envFileName}` };
  for (const [key, want] of Object.entries(expected.values)) {
    const found = runStart.config[key.replace(/^MM_/, '').toLowerCase()];
    if (!isScalar(found) || want === '' || same(found, want)) continue;
    return { mismatch: `${key} runs as ${String(found).slice(0, 80)}, want ${want}` };
  }
  return 'yes';
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value) && value !== '***redacted***';
}

function same(found: string | number | boolean, want: string): boolean {
  const flag = truth(want);
  if (typeof found === 'boolean') return flag === found;
  const [a, b] = [numeric(String(found)), numeric(want)];
  if (a !== null && b !== null) return a.eq(b);
  return String(found).trim().toLowerCase() === want.trim().toLowerCase();
}

function numeric(text: string): Decimal | null {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? new Decimal(text.trim()) : null;
}

/** Booleans as the bot reads them; null = not one. */
function truth(text: string): boolean | null {
  const word = text.trim().toLowerCase();
  if (['true', '1', 'yes', 'y', 'on', 't'].includes(word)) return true;
  return ['false', '0', 'no', 'n', 'off', 'f'].includes(word) ? false : null;
}
