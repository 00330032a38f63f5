import { Decimal, plain } from '../decimal.ts';
import { realizedPnl } from './fifo.ts';
import { MarkoutBook, type MarkoutSummary, type PointSeries } from './markout-book.ts';
import type { JournalCounts, JournalItem, JournalMetrics, JournalRun, MarkoutMetric, Metric } from './report.ts';
import { Mean, Ring } from './statistics.ts';
import type { BadLine, FillEvent, HeartbeatEvent, JournalEvent } from './types.ts';

/** `lastFills`: fills of the realised PnL; `assumedFeeBps`: of notional, 0 for none. */
export type AnalysisOptions = { lastFills: number; assumedFeeBps: number };

/** What the events do not tell. */
export type ReadFacts = { market: string; files: string[]; bytes: number; fullyParsedLines: number };

export const MAX_BAD_LINES_LISTED = 20;
const MAX_RUNS = 1000;
const MAX_GAPS_LISTED = 20;
const HEARTBEAT_GAP_S = 60;
const TRADE_IDS_KEPT = 10_000;

type RecentFill = {
  sign: 1 | -1 | 0;
  price: string;
  qty: string;
  /** Position last reported before the fill's line; null when none was. */
  positionBefore: string | null;
  /** The fill's own mid, else the last one before it; null when neither is known. */
  mid: number | null;
};

/** The numbers of one market's journal in one pass and bounded memory. Feed events and bad lines in file order. */
export class JournalAnalysis {
  readonly #options: AnalysisOptions;
  readonly #counts: JournalCounts = {
    lines: 0,
    badLines: 0,
    events: 0,
    fills: 0,
    duplicateFills: 0,
    unknownSides: 0,
    orders: 0,
    cancellations: 0,
    rejections: 0,
    postOnlyRejections: 0,
    snapshots: 0,
    heartbeats: 0,
  };
  readonly #book = new MarkoutBook();
  readonly #recent: Ring<RecentFill>;
  readonly #runs = new Map<string, JournalRun>();
  #run: JournalRun | undefined;
  #runsOmitted = 0;
  readonly #badLines: BadLine[] = [];
  readonly #schemas = new Map<string, number>();
  readonly #edge = new Mean();
  readonly #edgeRecomputed = new Mean();
  #adverse = 0;
  #position: string | null = null;
  #positions = 0;
  #startTs: number | null = null;
  #endTs: number | null = null;
  #lastMid: number | null = null;
  #bought = new Decimal(0);
  #sold = new Decimal(0);
  #net = new Decimal(0);
  #fees = new Decimal(0);
  #notional = new Decimal(0);
  #takerNotional = new Decimal(0);
  #heartbeat: { runId: string; ts: number } | undefined;
  readonly #gaps: JournalItem['heartbeatGaps'] = { count: 0, longestS: null, first: [] };
  #tradeIds = new Set<string>();

  constructor(options: AnalysisOptions) {
    this.#options = options;
    this.#recent = new Ring(options.lastFills);
  }

  /** Lines too far out of order for the streaming markouts: read again into a PointSeries and pass it to `finish`. */
  get needsSorting(): boolean {
    return this.#book.late > 0;
  }

  /** One good line; `schema` as the parser gives it. */
  add(event: JournalEvent, schema: string): void {
    this.skip(1, schema);
    this.#endTs = event.ts;
    this.#startTs ??= event.ts;
    const run = this.#runOf(event);
    run.endTs = event.ts;
    this.#addByType(event, run);
    if (event.position !== null) {
      this.#position = event.position;
      this.#positions += 1;
    }
    if (event.mid !== null) {
      this.#lastMid = event.mid;
      this.#book.add({ ts: event.ts, sign: 0, price: event.mid });
    }
  }

  /** Good lines of types that no number depends on, already checked, between the last event and the next. */
  skip(lines: number, schema: string): void {
    this.#counts.lines += lines;
    this.#counts.events += lines;
    if (this.#run !== undefined) this.#run.events += lines;
    if (schema === '2') return;
    const key = schema === '' ? 'missing' : schema;
    // A hostile file must not grow the table without end.
    const known = this.#schemas.has(key) || this.#schemas.size < 32 ? key : 'other';
    this.#schemas.set(known, (this.#schemas.get(known) ?? 0) + lines);
  }

  bad(line: BadLine): void {
    this.#counts.lines += 1;
    this.#counts.badLines += 1;
    if (this.#badLines.length < MAX_BAD_LINES_LISTED) this.#badLines.push(line);
  }

  /** The report; `points` when sorting was needed. */
  finish(facts: ReadFacts, points?: PointSeries): JournalItem {
    const markouts = points === undefined ? this.#book.finish() : points.summarise();
    const [startTs, endTs] = [this.#startTs, this.#endTs];
    return {
      market: facts.market,
      files: facts.files,
      bytes: facts.bytes,
      counts: this.#counts,
      window: { startTs, endTs, durationS: startTs === null || endTs === null ? null : endTs - startTs },
      metrics: this.#metrics(Object.fromEntries(Object.entries(markouts).map(([h, m]) => [h, markoutMetric(m)]))),
      heartbeatGaps: this.#gaps,
      schemaWarnings: Object.fromEntries(this.#schemas),
      runs: [...this.#runs.values()],
      runsOmitted: this.#runsOmitted,
      badLines: this.#badLines,
      reading: { fullyParsedLines: facts.fullyParsedLines, sortedByTime: points !== undefined },
    };
  }

  #addByType(event: JournalEvent, run: JournalRun): void {
    const counts = this.#counts;
    switch (event.type) {
      case 'fill':
        run.fills += 1;
        this.#addFill(event);
        break;
      case 'order_placed':
        counts.orders += 1;
        break;
      case 'order_cancelled':
        counts.cancellations += 1;
        break;
      case 'rejection':
        counts.rejections += 1;
        if (event.postOnly) counts.postOnlyRejections += 1;
        break;
      case 'snapshot':
        counts.snapshots += 1;
        break;
      case 'heartbeat':
        counts.heartbeats += 1;
        this.#addHeartbeat(event);
        break;
      case 'run_start':
        run.envFile = event.envFile;
        break;
      case 'run_end':
        run.reason = event.reason;
        run.flatten = event.flatten;
        break;
    }
  }

  #addFill(fill: FillEvent): void {
    this.#counts.fills += 1;
    if (fill.side === null) this.#counts.unknownSides += 1;
    this.#noteTradeId(fill.tradeId);
    if (fill.edgeBps !== null) {
      this.#edge.add(fill.edgeBps);
      if (fill.edgeBps < 0) this.#adverse += 1;
    }
    if (fill.edgeRecomputedBps !== null) this.#edgeRecomputed.add(fill.edgeRecomputedBps);
    this.#addNotional(fill);
    const { sideText, price, qty } = fill;
    const sign = sideText.includes('BUY') ? 1 : sideText.includes('SELL') ? -1 : 0;
    this.#recent.push({ sign, price, qty, positionBefore: this.#position, mid: fill.mid ?? this.#lastMid });
    // As in the origin's report, a side that is not a buy counts as a sell here.
    this.#book.add({ ts: fill.ts, sign: sign === 1 ? 1 : -1, price: Number(price) });
  }

  #addNotional(fill: FillEvent): void {
    const qty = new Decimal(fill.qty);
    const notional = qty.times(fill.price);
    this.#notional = this.#notional.plus(notional);
    if (fill.isTaker) this.#takerNotional = this.#takerNotional.plus(notional);
    if (fill.fee !== null) this.#fees = this.#fees.plus(fill.fee);
    if (fill.side === 'buy') {
      this.#bought = this.#bought.plus(notional);
      this.#net = this.#net.plus(qty);
    } else if (fill.side === 'sell') {
      this.#sold = this.#sold.plus(notional);
      this.#net = this.#net.minus(qty);
    }
  }

  #noteTradeId(id: string): void {
    if (id === '') return;
    const ids = this.#tradeIds;
    if (ids.has(id)) {
      this.#counts.duplicateFills += 1;
      return;
    }
    ids.add(id);
    if (ids.size > TRADE_IDS_KEPT) ids.delete(ids.values().next().value!);
  }

  #addHeartbeat({ runId, ts }: HeartbeatEvent): void {
    const before = this.#heartbeat;
    this.#heartbeat = { runId, ts };
    if (before === undefined || before.runId !== runId) return;
    const seconds = ts - before.ts;
    if (!(seconds > HEARTBEAT_GAP_S)) return;
    this.#gaps.count += 1;
    if (this.#gaps.longestS === null || seconds > this.#gaps.longestS) this.#gaps.longestS = seconds;
    if (this.#gaps.first.length < MAX_GAPS_LISTED) this.#gaps.first.push({ startTs: before.ts, seconds });
  }

  /** The run of an event, which has just been counted for the run before it. */
  #runOf({ runId, ts }: JournalEvent): JournalRun {
    const current = this.#run;
    if (current?.runId === runId) return current;
    if (current !== undefined) current.events -= 1;
    let run = this.#runs.get(runId);
    if (run === undefined) {
      run = { runId, startTs: ts, endTs: ts, events: 0, fills: 0, envFile: null, reason: null, flatten: null };
      if (this.#runs.size < MAX_RUNS) this.#runs.set(runId, run);
      else this.#runsOmitted += 1;
    }
    run.events += 1;
    this.#run = run;
    this.#tradeIds = new Set();
    return run;
  }

  #metrics(markoutBps: Record<string, MarkoutMetric>): JournalMetrics {
    const { fills, orders, cancellations, rejections, postOnlyRejections } = this.#counts;
    const perOrder = (count: number): Metric<number> =>
      orders === 0 ? { unavailable: 'no placements' } : { value: count / orders, n: orders };
    const mean = ({ value, n }: Mean, why: string): Metric<number> =>
      value === null ? { unavailable: why } : { value, n };
    const edges = this.#edge.n;
    const cashflow = this.#sold.minus(this.#bought);
    const inventory = this.#net.times(this.#lastMid ?? 0);
    const gross = cashflow.plus(inventory);
    const money = (value: Decimal): Metric<string> => ({ value: plain(value), n: fills });
    const assumedFee = this.#notional.times(this.#options.assumedFeeBps).div(1e4);
    return {
      realizedPnlUsd: this.#realized(() => undefined),
      realizedPnlCarriedUsd: this.#realized(carriedInto),
      markoutBps: markoutBps as JournalMetrics['markoutBps'],
      fillRatio: perOrder(fills),
      cancelRatio: perOrder(cancellations),
      rejectionRatio: perOrder(rejections),
      postOnlyRejectRatio: perOrder(postOnlyRejections),
      adverseFillRatio:
        edges === 0 ? { unavailable: 'no fill with an edge' } : { value: this.#adverse / edges, n: edges },
      edgeBps: mean(this.#edge, 'no fill with an edge'),
      edgeRecomputedBps: mean(this.#edgeRecomputed, 'no fill with a mid'),
      positionBase:
        this.#position === null
          ? { unavailable: 'no line reports a position' }
          : { value: plain(new Decimal(this.#position)), n: this.#positions },
      takerNotionalRatio: {
        value: this.#notional.isZero() ? 0 : this.#takerNotional.div(this.#notional).toNumber(),
        n: fills,
      },
      cashflowUsd: money(cashflow),
      inventoryMtmUsd: money(inventory),
      grossMtmUsd: money(gross),
      netMtmUsd: money(gross.minus(this.#fees)),
      ...(this.#options.assumedFeeBps === 0 ? {} : { netMtmAssumedFeeUsd: money(gross.minus(assumedFee)) }),
      fillsPerHour: this.#fillsPerHour(),
    };
  }

  #realized(openingOf: (first: RecentFill) => ReturnType<typeof carriedInto>): Metric<string> {
    const n = this.#options.lastFills;
    const fills = this.#recent.toArray();
    const first = fills[0];
    if (first === undefined || fills.length < n) return { unavailable: `${fills.length} of ${n} fills` };
    const opening = openingOf(first);
    if (opening === null) return { unavailable: 'position or mid before these fills not known' };
    return { value: plain(realizedPnl(fills, opening)), n };
  }

  #fillsPerHour(): Metric<number> {
    const seconds = this.#startTs === null || this.#endTs === null ? 0 : this.#endTs - this.#startTs;
    if (!(seconds > 0)) return { unavailable: 'the journal covers no time' };
    return { value: this.#counts.fills / (seconds / 3600), n: this.#counts.fills };
  }
}

/** The lot that the first of the fills found open; undefined: flat, null: not known. */
function carriedInto({ positionBefore, mid }: RecentFill): { position: string; price: number } | undefined | null {
  if (positionBefore === null) return null;
  if (new Decimal(positionBefore).isZero()) return undefined;
  return mid === null ? null : { position: positionBefore, price: mid };
}

function markoutMetric({ mean, n, pending, missed }: MarkoutSummary): MarkoutMetric {
  if (mean !== null) return { value: mean, n, pending, missed };
  return { unavailable: pending + missed === 0 ? 'no fills' : 'no mid at the horizon yet', pending, missed };
}
