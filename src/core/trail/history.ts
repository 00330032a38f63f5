/** The lab book of one instance: its iterations with what became of them. */
import { bpsText, parseChange, parseIter } from './text.ts';
import { trailer, trailersNamed } from './trailers.ts';
import type { Change, TrailEntry, TrailKind } from './types.ts';
import { utcText } from './utc.ts';
import { parseVerdicts } from './verdicts.ts';

/** One iteration, fields in the order of the table; null: not known. */
export type HistoryRow = {
  /** `007`. */
  iter: string;
  /** Abbreviated commit id. */
  commit: string;
  /** ISO 8601 UTC, of the journal time the step belongs to. */
  when: string;
  theme: string | null;
  /** `MM_SPREAD_MULTIPLIER 1.2 -> 1.8`, several joined by commas. */
  change: string;
  trigger: string | null;
  /** helped, hurt, inconclusive; `pending` without one; `reverted` when a person deleted the iter. */
  verdict: string;
  n: number | null;
  /** `+0.9 bps`. */
  effect: string | null;
};

/** A row before anybody judged it. */
export type Step = Omit<HistoryRow, 'verdict' | 'n' | 'effect'>;

/** What the commits of one instance say of its iterations. `made`: newest first; `deleted`: iters whose file a later commit removed. */
export type Steps = { made: Step[]; deleted: number[] };

/** Newest first, from the trail (newest first) of one instance and the text of its verdicts file. */
export function historyRows(entries: readonly TrailEntry[], verdictsText: string): HistoryRow[] {
  return judgedRows(stepsOf(entries), verdictsText);
}

/** From the trail of one instance, newest first. */
export function stepsOf(entries: readonly TrailEntry[]): Steps {
  return { made: entries.flatMap((entry) => stepOf(entry) ?? []), deleted: deletedIters(entries) };
}

/** The steps with what the text of the verdicts file says of them. */
export function judgedRows({ made, deleted }: Steps, verdictsText: string): HistoryRow[] {
  const verdicts = new Map(parseVerdicts(verdictsText, '').verdicts.map((line) => [line.iter, line]));
  const gone = new Set(deleted);
  return made.map((step): HistoryRow => {
    const iter = parseIter(step.iter) ?? -1;
    const judged = verdicts.get(iter);
    return {
      ...step,
      verdict: judged?.verdict ?? (gone.has(iter) ? 'reverted' : 'pending'),
      n: judged?.n ?? null,
      effect: judged === undefined || judged.effectBps === null ? null : `${bpsText(judged.effectBps)} bps`,
    };
  });
}

function stepOf(entry: TrailEntry): Step | null {
  if (entry.kind === null || !MAKES_ITER.includes(entry.kind)) return null;
  const iter = trailer(entry.trailers, 'Iter') ?? '';
  const number = parseIter(iter);
  if (number === null || number === undefined) return null;
  const changes = trailersNamed(entry.trailers, 'Change')
    .map(parseChange)
    .filter((change) => change !== undefined);
  return {
    iter,
    commit: entry.commit.slice(0, 8),
    when: utcText(entry.at),
    theme: trailer(entry.trailers, 'Theme') ?? entry.kind,
    change: changes.map(shown).join(', '),
    trigger: trailer(entry.trailers, 'Trigger') ?? null,
  };
}

const MAKES_ITER: readonly TrailKind[] = ['tune', 'recover', 'undo', 'rebase', 'rollback'];

const shown = (change: Change): string => `${change.key} ${change.from ?? 'absent'} -> ${change.to}`;

/** A person's revert stands in the trail with the file it deletes. */
function deletedIters(entries: readonly TrailEntry[]): number[] {
  const gone = entries.flatMap((entry) => entry.files.filter((file) => file.status === 'D'));
  return [...new Set(gone.flatMap(({ path }) => /\.iter(\d{3,9})$/.exec(path)?.[1] ?? []).map(Number))];
}
