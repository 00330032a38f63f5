/** Receipts: a stop with its flat proof, one JSON line each. */
import { createHash } from 'node:crypto';
import type { Receipt } from '../flat/types.ts';
import type { Problem } from '../problem.ts';

/** One line without its end; the same receipt always gives the same bytes. */
export function receiptLine(receipt: Receipt): string {
  return JSON.stringify(receipt, (_key, value: unknown) => (isRecord(value) ? sorted(value) : value));
}

/** `sha256:` and the hex digest of the line's UTF-8 bytes (without the line end). */
export function receiptDigest(line: string): string {
  return `sha256:${createHash('sha256').update(line, 'utf8').digest('hex')}`;
}

/** One line; null when it is not a receipt. */
export function parseReceipt(line: string): Receipt | null {
  try {
    const value: unknown = JSON.parse(line);
    return isReceipt(value) ? value : null;
  } catch {
    return null;
  }
}

/** Every readable line with its exact text, in order; each other non-blank line is a problem. */
export function parseReceipts(
  text: string,
  file?: string,
): { receipts: { line: string; receipt: Receipt }[]; problems: Problem[] } {
  const receipts: { line: string; receipt: Receipt }[] = [];
  const problems: Problem[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const receipt = parseReceipt(line);
    if (receipt !== null) receipts.push({ line, receipt });
    else
      problems.push({
        code: 'receipt-bad-line',
        message: 'not a receipt',
        ...(file === undefined ? {} : { file }),
        line: i + 1,
      });
  }
  return { receipts, problems };
}

const VERDICTS: readonly unknown[] = ['FLAT', 'DUST', 'OPEN', 'UNKNOWN'];

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const sorted = (value: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));

function isReceipt(value: unknown): value is Receipt {
  if (!isRecord(value) || value['v'] !== 1 || !VERDICTS.includes(value['verdict'])) return false;
  const texts = ['instance', 'market', 'cause', 'costUsd', 'rule', 'provedAt'];
  const textOrNull = ['runId', 'startTicks', 'signalAt', 'exitedAt', 'disagreement', 'sizeBase'];
  const textOrNone = ['account', 'exchange', 'environment'];
  const numberOrNull = ['pid', 'iterFrom', 'iterTo'];
  return (
    texts.every((key) => typeof value[key] === 'string') &&
    textOrNull.every((key) => value[key] === null || typeof value[key] === 'string') &&
    numberOrNull.every((key) => value[key] === null || typeof value[key] === 'number') &&
    textOrNone.every((key) => value[key] === undefined || typeof value[key] === 'string') &&
    typeof value['killed'] === 'boolean' &&
    isListOf(value['reads'], ['at', 'what', 'value']) &&
    isListOf(value['orders'], ['clientId', 'side', 'size', 'status', 'filled']) &&
    (value['botSays'] === null || isRecord(value['botSays']))
  );
}

const isListOf = (value: unknown, texts: string[]) =>
  Array.isArray(value) && value.every((each) => isRecord(each) && texts.every((key) => typeof each[key] === 'string'));
