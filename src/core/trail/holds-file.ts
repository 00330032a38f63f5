/** `fleet/holds.yaml`: latched holds and parks. Machine-owned: comments and unknown fields are not kept. */
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, stringify } from 'yaml';
import type { Problem } from '../problem.ts';
import { sortedHolds } from './holds.ts';
import { oneLine } from './text.ts';
import type { Hold } from './types.ts';
import { isUtc } from './utc.ts';

/** Every readable entry; each other one is a problem with its place. Empty text: no holds. */
export function parseHolds(text: string, file: string): { holds: Hold[]; problems: Problem[] } {
  if (text.trim() === '') return { holds: [], problems: [] };
  if (text.length > MAX_CHARS) return unreadable(file, `found ${text.length} characters, want at most ${MAX_CHARS}`);
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, { lineCounter: lines, schema: 'core', uniqueKeys: true });
  } catch {
    return unreadable(file, 'nested too deep to be read');
  }
  const problemAt = (offset: number, message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    const sourceLine = (text.split(/\r?\n/)[line - 1] ?? '').slice(0, 400);
    return { code: 'holds-invalid', message, hint: HINT, file, line, column: col, sourceLine, retry: 'stalled' };
  };
  const broken = document.errors[0];
  if (broken !== undefined) return { holds: [], problems: [problemAt(broken.pos[0], 'not readable as YAML')] };
  const root: unknown = document.contents;
  if (!isMap(root)) return { holds: [], problems: [problemAt(0, 'want kind: Holds with a list of holds')] };
  const problems: Problem[] = [];
  const place = (node: unknown) => (node as Node | null | undefined)?.range?.[0] ?? 0;
  if (root.get('apiVersion') !== 'mmfleet/v1')
    problems.push(problemAt(place(root.get('apiVersion', true)), 'want apiVersion: mmfleet/v1'));
  if (root.get('kind') !== 'Holds') problems.push(problemAt(place(root.get('kind', true)), 'want kind: Holds'));
  for (const pair of root.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : '';
    if (!['apiVersion', 'kind', 'holds'].includes(key))
      problems.push(problemAt(place(pair.key), `unknown field ${oneLine(key)}`));
  }
  const list = root.get('holds', true) as unknown;
  if (!isSeq(list)) return { holds: [], problems: [...problems, problemAt(place(list), 'holds: want a list')] };
  const holds: Hold[] = [];
  for (const item of list.items) {
    const read = readHold(isMap(item) ? (item.toJSON() as Record<string, unknown>) : {});
    if (typeof read === 'string') problems.push(problemAt(place(item), read));
    else holds.push(read);
  }
  return { holds: sortedHolds(holds), problems };
}

/** The whole file: sorted by instance, hold before park. */
export function renderHolds(holds: readonly Hold[]): string {
  const entries = sortedHolds(holds).map(({ instance, kind, reason, since, until }) => ({
    instance,
    kind,
    reason: oneLine(reason),
    since,
    ...(until === null ? {} : { until }),
  }));
  return stringify(
    { apiVersion: 'mmfleet/v1', kind: 'Holds', holds: entries },
    { lineWidth: 0, defaultStringType: 'PLAIN' },
  );
}

/** Thousands of holds; more is a mistake, whatever it says. */
const MAX_CHARS = 1_000_000;

function unreadable(file: string, message: string): { holds: Hold[]; problems: Problem[] } {
  return {
    holds: [],
    problems: [{ code: 'holds-invalid', message, hint: HINT, file, line: 1, column: 1, retry: 'stalled' }],
  };
}

const HINT = 'mmfleet writes this file; restore it from git, lift a hold with mmfleet release';

function readHold(value: Record<string, unknown>): Hold | string {
  const { instance, kind, reason, since, until, ...others } = value;
  const unknownField = Object.keys(others)[0];
  if (unknownField !== undefined) return `unknown field ${oneLine(unknownField)}`;
  if (typeof instance !== 'string' || !/^[a-z0-9][a-z0-9_-]{0,62}$/.test(instance)) return 'instance: want a name';
  if (kind !== 'hold' && kind !== 'park') return 'kind: want hold or park';
  if (typeof reason !== 'string' || reason === '') return 'reason: want text';
  if (typeof since !== 'string' || !isUtc(since)) return 'since: want a UTC time such as 2026-12-01T06:00:00Z';
  if (until !== undefined && (typeof until !== 'string' || !isUtc(until)))
    return 'until: want a UTC time such as 2026-12-01T06:00:00Z';
  return { instance, kind, reason, since, until: until ?? null };
}
