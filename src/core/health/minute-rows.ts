/** Closed minutes of a run, oldest first: what its fills brought, and what the bot did. */
import { NumberRows } from './number-rows.ts';
import type { Activity } from './run.ts';
import type { FillMinute } from './signal.ts';

/** What they have in common, whatever the columns of their rows are. */
class Minutes {
  protected readonly rows: NumberRows;

  constructor(rows: NumberRows) {
    this.rows = rows;
  }

  toJSON(): string {
    return this.rows.toJSON();
  }

  get length(): number {
    return this.rows.length;
  }

  /** Drops the oldest ones. */
  drop(count: number): void {
    this.rows.drop(count);
  }

  clear(): void {
    this.rows.clear();
  }
}

/** Rows of minute, qty, weighted; n and missing. */
export class FillMinutes extends Minutes {
  constructor(rows = new NumberRows(4)) {
    super(rows);
  }

  /** The rows that `toJSON` gave. */
  static from(text: string): FillMinutes {
    return new FillMinutes(NumberRows.from(4, text));
  }

  static of(minutes: Iterable<FillMinute>): FillMinutes {
    const all = new FillMinutes();
    for (const each of minutes) all.push(each);
    return all;
  }

  push({ minute, n, missing, qty, weighted }: FillMinute): void {
    const at = this.rows.add();
    const { numbers, words } = this.rows;
    numbers[4 * at] = minute;
    numbers[4 * at + 1] = qty;
    numbers[4 * at + 2] = weighted;
    words[8 * at + 6] = n;
    words[8 * at + 7] = missing;
  }

  minute(at: number): number {
    return this.rows.numbers[4 * at]!;
  }
  qty(at: number): number {
    return this.rows.numbers[4 * at + 1]!;
  }
  weighted(at: number): number {
    return this.rows.numbers[4 * at + 2]!;
  }
  n(at: number): number {
    return this.rows.words[8 * at + 6]!;
  }
  missing(at: number): number {
    return this.rows.words[8 * at + 7]!;
  }

  toArray(): FillMinute[] {
    return Array.from({ length: this.length }, (_, at) => ({
      minute: this.minute(at),
      n: this.n(at),
      missing: this.missing(at),
      qty: this.qty(at),
      weighted: this.weighted(at),
    }));
  }
}

/** What is counted of a minute. */
export type ActivityCount = Exclude<keyof Activity, 'minute' | 'positionShare'>;

const COUNTS: readonly ActivityCount[] = ['placed', 'cancelled', 'rejected', 'postOnly', 'errors', 'fills'];
const PLACE = { placed: 4, cancelled: 5, rejected: 6, postOnly: 7, errors: 8, fills: 9 } as const;
/** No share of a cap is below zero. */
const UNKNOWN = -1;

/** Rows of minute, positionShare; the counts. */
export class Activities extends Minutes {
  constructor(rows = new NumberRows(5)) {
    super(rows);
  }

  /** The rows that `toJSON` gave. */
  static from(text: string): Activities {
    return new Activities(NumberRows.from(5, text));
  }

  static of(minutes: Iterable<Activity>): Activities {
    const all = new Activities();
    for (const each of minutes) all.push(each);
    return all;
  }

  push(activity: Activity): void {
    const at = this.rows.add();
    const { numbers, words } = this.rows;
    numbers[5 * at] = activity.minute;
    numbers[5 * at + 1] = activity.positionShare ?? UNKNOWN;
    for (const name of COUNTS) words[10 * at + PLACE[name]] = activity[name];
  }

  minute(at: number): number {
    return this.rows.numbers[5 * at]!;
  }
  /** null = unknown. */
  positionShare(at: number): number | null {
    const share = this.rows.numbers[5 * at + 1]!;
    return share === UNKNOWN ? null : share;
  }
  count(at: number, name: ActivityCount): number {
    return this.rows.words[10 * at + PLACE[name]]!;
  }

  /** Of the minutes from a place on, up to another. */
  sum(name: ActivityCount, from = 0, to = this.length): number {
    let total = 0;
    for (let at = from; at < to; at += 1) total += this.count(at, name);
    return total;
  }

  toArray(): Activity[] {
    return Array.from({ length: this.length }, (_, at) => ({
      minute: this.minute(at),
      placed: this.count(at, 'placed'),
      cancelled: this.count(at, 'cancelled'),
      rejected: this.count(at, 'rejected'),
      postOnly: this.count(at, 'postOnly'),
      errors: this.count(at, 'errors'),
      fills: this.count(at, 'fills'),
      positionShare: this.positionShare(at),
    }));
  }
}
