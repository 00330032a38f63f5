/** Which instances a table shows, in which order, in which columns. Pure. */
import type { StatusItem } from '../core/plan/status.ts';
import { HEALTHS, type Health, LIFECYCLES, type Lifecycle } from '../core/plan/types.ts';
import { fail, ok, type Result } from '../core/problem.ts';
import { didYouMean } from '../core/spec/suggest.ts';

export const SORTS = ['name', 'health', 'age', 'pnl'] as const;
export type Sort = (typeof SORTS)[number];

/** null = no limit, or the given order. */
export type ItemFilter = {
  states: readonly Lifecycle[] | null;
  healths: readonly Health[] | null;
  sort: Sort | null;
  /** Titles, in order. */
  columns: readonly string[] | null;
};

/** Options as typed, several words separated by commas. Problem: `usage-filter`, naming what is known. */
export function parseFilter(
  options: { state?: string; health?: string; sort?: string; columns?: string },
  titles: readonly string[],
): Result<ItemFilter> {
  const states = words('--state', options.state, LIFECYCLES);
  if (!states.ok) return states;
  const healths = words('--health', options.health, HEALTHS);
  if (!healths.ok) return healths;
  const sort = words('--sort', options.sort, SORTS);
  if (!sort.ok) return sort;
  const columns = words('--columns', options.columns, titles);
  if (!columns.ok) return columns;
  return ok({
    states: states.value,
    healths: healths.value,
    sort: sort.value?.[0] ?? null,
    columns: columns.value,
  });
}

/** Those that pass, in the order asked for. Worst first by health, oldest data first by age, lowest first by PnL; unknown last. */
export function filterItems(items: readonly StatusItem[], { states, healths, sort }: ItemFilter): StatusItem[] {
  const kept = items.filter(
    (i) => (states === null || states.includes(i.lifecycle)) && (healths === null || healths.includes(i.health)),
  );
  if (sort === null) return kept;
  return kept.sort((a, b) => order(a, b, sort) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const WORST_FIRST: readonly Health[] = ['degraded', 'stale', 'unknown', 'watch', 'insufficient', 'ok'];

function order(a: StatusItem, b: StatusItem, sort: Sort): number {
  switch (sort) {
    case 'name':
      return 0;
    case 'health':
      return WORST_FIRST.indexOf(a.health) - WORST_FIRST.indexOf(b.health);
    case 'age':
      return unknownLast(a.dataAgeS, b.dataAgeS, (x, y) => y - x);
    case 'pnl':
      return unknownLast(pnlOf(a), pnlOf(b), (x, y) => x - y);
  }
}

function unknownLast(a: number | null, b: number | null, compare: (a: number, b: number) => number): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return compare(a, b);
}

function pnlOf({ metrics: { realizedPnlUsd } }: StatusItem): number | null {
  return 'value' in realizedPnlUsd ? Number(realizedPnlUsd.value) : null;
}

/** Compares letters and digits only: `mo5s` is `MO+5S`, `pnl` is the start of `PNL/50`. */
function words<T extends string>(flag: string, text: string | undefined, known: readonly T[]): Result<T[] | null> {
  if (text === undefined) return ok(null);
  const found: T[] = [];
  for (const word of text.split(',').map(plain)) {
    const exact = known.find((each) => plain(each) === word);
    const starts = word === '' ? [] : known.filter((each) => plain(each).startsWith(word));
    const match = exact ?? (starts.length === 1 ? starts[0] : undefined);
    if (match === undefined) {
      const hint = didYouMean(word, known.map(plain));
      return fail({
        code: 'usage-filter',
        message: `${flag}: found "${word}", want ${known.map((each) => each.toLowerCase()).join(', ')}`,
        ...(hint === undefined ? {} : { hint }),
        retry: 'stalled',
      });
    }
    if (!found.includes(match)) found.push(match);
  }
  return ok(found);
}

const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');
