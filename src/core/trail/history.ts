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

/** Newest first, from the trail (newest first) of one instance and the text of its verdicts file. */
export function historyRows(entries: TrailEntry[], verdictsText: string): HistoryRow[] {
  const verdicts = new Map(parseVerdicts(verdictsText, '').verdicts.map((line) => [line.iter, line]));
  const deleted = deletedIters(entries);
  return entries.flatMap((entry): HistoryRow[] => {
    const iter =
      entry.kind !== null && MAKES_ITER.includes(entry.kind) ? parseIter(trailer(entry.trailers, 'Iter') ?? '') : null;
    if (iter === null || iter === undefined) return [];
    const judged = verdicts.get(iter);
    const changes = trailersNamed(entry.trailers, 'Change')
      .map(parseChange)
      .filter((change) => change !== undefined);
    return [
      {
        iter: trailer(entry.trailers, 'Iter')!,
        commit: entry.commit.slice(0, 8),
        when: utcText(entry.at),
        theme: trailer(entry.trailers, 'Theme') ?? entry.kind,
        change: changes.map(shown).join(', '),
        trigger: trailer(entry.trailers, 'Trigger') ?? null,
        verdict: judged?.verdict ?? (deleted.has(iter) ? 'reverted' : 'pending'),
        n: judged?.n ?? null,
        effect: judged === undefined || judged.effectBps === null ? null : `${bpsText(judged.effectBps)} bps`,
      },
    ];
  });
}

const MAKES_ITER: readonly TrailKind[] = ['tune', 'recover', 'undo', 'rebase', 'rollback'];

const shown = (change: Change): string => `${change.key} ${change.from ?? 'absent'} -> ${change.to}`;

/** Iters whose file a later commit removed (a person's revert stands in the trail with the file it deletes). */
function deletedIters(entries: TrailEntry[]): Set<number> {
  const gone = entries.flatMap((entry) => entry.files.filter((file) => file.status === 'D'));
  return new Set(gone.flatMap(({ path }) => /\.iter(\d{3,9})$/.exec(path)?.[1] ?? []).map(Number));
}
