/** What one commit of the trail says about the ladder, leniently: a missing part is null or empty. */
import type { Theme } from '../spec/types.ts';
import { parseIter } from '../trail/text.ts';
import { trailer } from '../trail/trailers.ts';
import type { TrailEntry } from '../trail/types.ts';

export type Story = {
  kind: NonNullable<TrailEntry['kind']>;
  iter: number | null;
  parentIter: number | null;
  fromIter: number | null;
  toIter: number | null;
  theme: Theme | null;
  step: string;
  /** First word of the trigger: the rule that fired. */
  by: string;
};

/** Kinds that make a new iter by a rule of the engine. */
export const isStep = (kind: Story['kind']): boolean => kind === 'tune' || kind === 'recover' || kind === 'undo';

/** null: not a commit of ours. */
export function readStory(entry: TrailEntry): Story | null {
  if (entry.kind === null) return null;
  const iterOf = (key: string): number | null => parseIter(trailer(entry.trailers, key) ?? '') ?? null;
  const theme = trailer(entry.trailers, 'Theme') ?? '';
  return {
    kind: entry.kind,
    iter: iterOf('Iter'),
    parentIter: iterOf('Parent-Iter'),
    fromIter: iterOf('From-Iter'),
    toIter: iterOf('To-Iter'),
    theme: isTheme(theme) ? theme : null,
    step: trailer(entry.trailers, 'Step') ?? '',
    by: (trailer(entry.trailers, 'Trigger') ?? '').split(' ')[0]!,
  };
}

const THEMES: readonly Theme[] = ['spread-offset', 'reprice', 'post-only', 'inventory', 'toxicity', 'breaker'];

function isTheme(text: string): text is Theme {
  return (THEMES as readonly string[]).includes(text);
}

/** ISO 8601 in UTC to Unix seconds; null when it is none. */
export function parseUtc(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms / 1000;
}
