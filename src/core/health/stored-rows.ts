/** The long lists of a run as columns: half the text of one object a row, and sooner read back. Order and values stay exactly. */
import { FillRows } from './fill-rows.ts';
import { Activities, FillMinutes } from './minute-rows.ts';
import type { Activity, RunFill } from './run.ts';
import type { FillMinute } from './signal.ts';

/** One list a property, in the order of the rows. */
export type Columns = unknown[][];

const FILL = ['id', 'ts', 'minute', 'sign', 'price', 'qty', 'feeBps', 'edgeBps', 'm5', 'waits60'] as const;
const ACTIVITY = ['minute', 'placed', 'cancelled', 'rejected', 'postOnly', 'errors', 'fills', 'positionShare'] as const;
const MINUTE = ['minute', 'n', 'missing', 'qty', 'weighted'] as const;

export const fillColumns = (rows: FillRows): Columns => columnsOf<RunFill>(rows.toArray(), FILL);
export const activityColumns = (rows: Activities): Columns => columnsOf<Activity>(rows.toArray(), ACTIVITY);
export const minuteColumns = (rows: FillMinutes): Columns => columnsOf<FillMinute>(rows.toArray(), MINUTE);

export function fillsOf(columns: Columns): FillRows {
  const [id, ts, minute, sign, price, qty, feeBps, edgeBps, m5, waits60] = columns as FillLists;
  const fills = new FillRows();
  for (const [i, each] of id.entries()) {
    fills.push({
      id: each,
      ts: ts[i]!,
      minute: minute[i]!,
      sign: sign[i]!,
      price: price[i]!,
      qty: qty[i]!,
      feeBps: feeBps[i]!,
      edgeBps: edgeBps[i]!,
    });
    const after5 = m5[i]!;
    if (after5 !== PENDING) fills.settle(each, 'h5', after5);
    if (!waits60[i]!) fills.settle(each, 'h60', null);
  }
  return fills;
}

export function activityOf(columns: Columns): Activities {
  const [minute, placed, cancelled, rejected, postOnly, errors, fills, share] = columns as ActivityLists;
  return Activities.of(
    minute.map((each, i) => ({
      minute: each,
      placed: placed[i]!,
      cancelled: cancelled[i]!,
      rejected: rejected[i]!,
      postOnly: postOnly[i]!,
      errors: errors[i]!,
      fills: fills[i]!,
      positionShare: share[i]!,
    })),
  );
}

export function minutesOf(columns: Columns): FillMinutes {
  const [minute, n, missing, qty, weighted] = columns as number[][] as Five;
  return FillMinutes.of(
    minute.map((each, i) => ({
      minute: each,
      n: n[i]!,
      missing: missing[i]!,
      qty: qty[i]!,
      weighted: weighted[i]!,
    })),
  );
}

/** Stands for a markout that is not known yet: null is one that never came. */
const PENDING = '';

type Markouts = (number | null | typeof PENDING)[];
type Five = [number[], number[], number[], number[], number[]];
type FillLists = [number[], number[], number[], (1 | -1)[], string[], string[], number[], (number | null)[], ...Two];
type Two = [Markouts, boolean[]];
type ActivityLists = [...Five, number[], number[], (number | null)[]];

function columnsOf<T extends object>(rows: readonly T[], keys: readonly (keyof T)[]): Columns {
  return keys.map((key) => rows.map((row) => row[key] ?? (row[key] === undefined ? PENDING : null)));
}
