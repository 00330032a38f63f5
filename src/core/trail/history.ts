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

/** What the commits of one instance say of its iterations. `made`: newest first; `deleted`, `present`: what the newest of them that touches an iter's file left of it. */
export type Steps = { made: Step[]; deleted: number[]; present: number[] };

/** Newest first, from the trail (newest first) of one instance and the text of its verdicts file. */
export function historyRows(entries: readonly TrailEntry[], verdictsText: string): HistoryRow[] {
  return judgedRows(stepsOf(entries), verdictsText);
}

/** From the trail of one instance, newest first. */
export function stepsOf(entries: readonly TrailEntry[]): Steps {
  return { made: entries.flatMap((entry) => stepOf(entry) ?? handMade(entry)), ...lastStates(entries) };
}

/** The steps with what the text of the verdicts file says of them. */
export function judgedRows({ made, deleted }: Pick<Steps, 'made' | 'deleted'>, verdictsText: string): HistoryRow[] {
  const verdicts = new Map(parseVerdicts(verdictsText, '').verdicts.map((line) => [line.iter, line]));
  const gone = new Set(deleted);
  return withoutRestored(made).map((step): HistoryRow => {
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

const BY_HAND = 'by hand';

/** An iter file that a person added is an iteration that ran, though nobody told why. */
function handMade({ kind, ours, files, commit, at }: TrailEntry): Step[] {
  if (kind !== null || ours) return [];
  const told = { commit: commit.slice(0, 8), when: utcText(at), theme: BY_HAND, change: '', trigger: null };
  return files.flatMap(({ status, path }) => {
    const iter = status === 'A' ? ITER.exec(path)?.[1] : undefined;
    return iter === undefined ? [] : [{ iter, ...told }];
  });
}

/** Whoever takes a revert back adds the file again, or picks the same step once more, and makes no other iteration. */
function withoutRestored(made: readonly Step[]): Step[] {
  const older = new Map<string, string>();
  const first = made.toReversed().filter(({ iter, theme, when, change }) => {
    const told = `${when} ${change}`;
    const restored = older.has(iter) && (theme === BY_HAND || older.get(iter) === told);
    if (!restored) older.set(iter, told);
    return !restored;
  });
  return first.reverse();
}

const ITER = /\.iter(\d{3,9})$/;

/** A person's revert stands in the trail with the file it deletes, and the revert of that one with the file it adds. */
function lastStates(entries: readonly TrailEntry[]): Pick<Steps, 'deleted' | 'present'> {
  const there = new Map<number, boolean>();
  for (const { status, path } of entries.flatMap((entry) => entry.files)) {
    const iter = Number(ITER.exec(path)?.[1] ?? Number.NaN);
    if (!Number.isNaN(iter) && !there.has(iter)) there.set(iter, status !== 'D');
  }
  const those = (state: boolean) => [...there].flatMap(([iter, is]) => (is === state ? [iter] : []));
  return { deleted: those(false), present: those(true) };
}
