import { Decimal, plain } from '../decimal.ts';
import { ExactSum } from './exact-sum.ts';
import { realizedPnl } from './fifo.ts';
import { type SkimmedSum, SUM_NAMES } from './line-program.ts';
import type { LineReader } from './line-reader.ts';
import { MarkoutBook, type MarkoutSummary, type PointSeries } from './markout-book.ts';
import { edgeOf, sideOf } from './parse.ts';
import { type RecentFill, RecentFills } from './recent-fills.ts';
import { RecentIds } from './recent-ids.ts';
import type { JournalCounts, JournalItem, JournalMetrics, JournalRun, MarkoutMetric, Metric } from './report.ts';
import { Mean } from './statistics.ts';
import type { BadLine, FillEvent, JournalEvent, Side } from './types.ts';

/** `lastFills`: fills of the realised PnL; `assumedFeeBps`: of notional, 0 for none. */
export type AnalysisOptions = { lastFills: number; assumedFeeBps: number };

/** What the events do not tell. */
export type ReadFacts = {
  market: string;
  files: string[];
  bytes: number;
  fullyParsedLines: number;
  /** Only the end of the files was read. */
  tail?: boolean;
};

export const MAX_BAD_LINES_LISTED = 20;
const MAX_RUNS = 1000;
const MAX_GAPS_LISTED = 20;
const HEARTBEAT_GAP_S = 60;
const TRADE_IDS_KEPT = 10_000;

type FillNumbers = Pick<
  FillEvent,
  'ts' | 'tradeId' | 'sideText' | 'price' | 'qty' | 'fee' | 'isTaker' | 'edgeBps' | 'mid'
>;

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
  readonly #recent: RecentFills;
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
  /** `cashflow`: sold less bought notional; `net`: bought less sold quantity. */
  readonly #sums: Record<SkimmedSum, ExactSum> = {
    notional: new ExactSum(),
    takerNotional: new ExactSum(),
    fees: new ExactSum(),
    cashflow: new ExactSum(),
    net: new ExactSum(),
  };
  #heartbeat: { runId: string; ts: number } | undefined;
  readonly #gaps: JournalItem['heartbeatGaps'] = { count: 0, longestS: null, first: [] };
  readonly #tradeIds = new RecentIds(TRADE_IDS_KEPT);

  constructor(options: AnalysisOptions) {
    this.#options = options;
    this.#recent = new RecentFills(options.lastFills);
  }

  /** Lines too far out of order for the streaming markouts: read again into a PointSeries and pass it to `finish`. */
  get needsSorting(): boolean {
    return this.#book.late > 0;
  }

  /** One good line; `schema` as the parser gives it. */
  add(event: JournalEvent, schema: string): void {
    const run = this.#begin(event.ts, event.runId, schema);
    this.#addByType(event, run);
    this.#end(event.ts, event.position, event.mid);
  }

  /** The same of a line that was read quickly: what is not asked for is not read. */
  addQuick(line: LineReader): void {
    const { type, ts } = line;
    const run = this.#begin(ts, line.runId, line.schema);
    if (type === 'fill') this.#addFill(line, run);
    else if (type === 'heartbeat') this.#addHeartbeat(run.runId, ts);
    else if (type !== 'other') this.#countOrder(type, type === 'rejection' && line.postOnly);
    this.#end(ts, line.position, line.mid);
  }

  /** Lines of the run of the line before, together. */
  addSkimmed(reader: LineReader): void {
    const { lines, fills, endTs, positions, ...more } = reader.skimmed();
    const counts = this.#counts;
    counts.lines += lines;
    counts.events += lines;
    counts.orders += more.orders;
    counts.cancellations += more.cancellations;
    counts.rejections += more.rejections;
    counts.postOnlyRejections += more.postOnlyRejections;
    counts.snapshots += more.snapshots;
    counts.heartbeats += more.heartbeats;
    const run = this.#run!;
    run.events += lines;
    run.endTs = endTs;
    this.#endTs = endTs;
    this.#book.addSkimmed(reader, more.points);
    if (fills > 0) {
      counts.fills += fills;
      run.fills += fills;
      this.#recent.pushRows(reader.fillRows, fills, { positionBefore: this.#position, mid: this.#lastMid });
      counts.duplicateFills += this.#tradeIds.noteAll(reader.ids, more.ids, more.idsRise);
      this.#edge.addAll(reader.edges, more.edges);
      this.#adverse += more.adverse;
      this.#edgeRecomputed.addAll(reader.edgesAgain, more.edgesAgain);
      this.#addSums(reader);
    }
    if (positions > 0) this.#position = reader.skimmedPosition;
    this.#positions += positions;
    if (!Number.isNaN(more.lastMid)) this.#lastMid = more.lastMid;
    if (Number.isNaN(more.firstBeatTs)) return;
    this.#noteBeat(run.runId, more.firstBeatTs);
    for (let at = 0; at < more.gaps; at += 1) this.#noteGap(reader.gaps[2 * at]!, reader.gaps[2 * at + 1]!);
    this.#heartbeat = { runId: run.runId, ts: more.lastBeatTs };
  }

  #addSums(reader: LineReader): void {
    for (let rest = reader.sumPlaces; rest !== 0; rest &= rest - 1) {
      const places = 31 - Math.clz32(rest & -rest);
      for (let at = 0; at < SUM_NAMES.length; at += 1) {
        const whole = reader.sumOf(at, places);
        if (whole !== 0) this.#sums[SUM_NAMES[at]!].addWhole(whole, places);
      }
    }
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
      reading: {
        fullyParsedLines: facts.fullyParsedLines,
        sortedByTime: points !== undefined,
        tail: facts.tail === true,
      },
    };
  }

  #begin(ts: number, runId: string, schema: string): JournalRun {
    this.#counts.lines += 1;
    this.#counts.events += 1;
    if (schema !== '2') this.#noteSchema(schema);
    this.#endTs = ts;
    this.#startTs ??= ts;
    const run = this.#runOf(runId, ts);
    run.events += 1;
    run.endTs = ts;
    return run;
  }

  #end(ts: number, position: string | null, mid: number | null): void {
    if (position !== null) {
      this.#position = position;
      this.#positions += 1;
    }
    if (mid !== null) {
      this.#lastMid = mid;
      this.#book.add(ts, 0, mid);
    }
  }

  #noteSchema(schema: string): void {
    const key = schema === '' ? 'missing' : schema;
    // A hostile file must not grow the table without end.
    const known = this.#schemas.has(key) || this.#schemas.size < 32 ? key : 'other';
    this.#schemas.set(known, (this.#schemas.get(known) ?? 0) + 1);
  }

  #countOrder(type: 'order_placed' | 'order_cancelled' | 'rejection' | 'snapshot', postOnly: boolean): void {
    const counts = this.#counts;
    if (type === 'order_placed') counts.orders += 1;
    else if (type === 'order_cancelled') counts.cancellations += 1;
    else if (type === 'snapshot') counts.snapshots += 1;
    else counts.rejections += 1;
    if (postOnly) counts.postOnlyRejections += 1;
  }

  #addByType(event: JournalEvent, run: JournalRun): void {
    switch (event.type) {
      case 'fill':
        this.#addFill(event, run);
        break;
      case 'order_placed':
      case 'order_cancelled':
      case 'snapshot':
        this.#countOrder(event.type, false);
        break;
      case 'rejection':
        this.#countOrder(event.type, event.postOnly);
        break;
      case 'heartbeat':
        this.#addHeartbeat(event.runId, event.ts);
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

  #addFill(fill: FillNumbers, run: JournalRun): void {
    run.fills += 1;
    this.#counts.fills += 1;
    const { ts, tradeId, sideText, price, qty, edgeBps, mid } = fill;
    const side = sideOf(sideText);
    if (side === null) this.#counts.unknownSides += 1;
    if (tradeId !== '' && this.#tradeIds.note(tradeId)) this.#counts.duplicateFills += 1;
    this.#addEdges(edgeBps, edgeOf(side, Number(price), mid));
    this.#addNotional(price, qty, side, fill);
    const sign = sideText.includes('BUY') ? 1 : sideText.includes('SELL') ? -1 : 0;
    this.#recent.push({ sign, price, qty, positionBefore: this.#position, mid: mid ?? this.#lastMid });
    // As in the origin's report, a side that is not a buy counts as a sell here.
    this.#book.add(ts, sign === 1 ? 1 : -1, Number(price));
  }

  #addEdges(edgeBps: number | null, recomputed: number | null): void {
    if (edgeBps !== null) {
      this.#edge.add(edgeBps);
      if (edgeBps < 0) this.#adverse += 1;
    }
    if (recomputed !== null) this.#edgeRecomputed.add(recomputed);
  }

  #addNotional(price: string, qty: string, side: Side | null, { fee, isTaker }: FillNumbers): void {
    const sums = this.#sums;
    sums.notional.addProduct(1, price, qty);
    if (isTaker) sums.takerNotional.addProduct(1, price, qty);
    if (fee !== null) sums.fees.add(1, fee);
    if (side === null) return;
    const sign = side === 'buy' ? 1 : -1;
    sums.cashflow.addProduct(sign === 1 ? -1 : 1, price, qty);
    sums.net.add(sign, qty);
  }

  #addHeartbeat(runId: string, ts: number): void {
    this.#counts.heartbeats += 1;
    this.#noteBeat(runId, ts);
  }

  #noteBeat(runId: string, ts: number): void {
    const before = this.#heartbeat;
    this.#heartbeat = { runId, ts };
    if (before?.runId === runId && ts - before.ts > HEARTBEAT_GAP_S) this.#noteGap(before.ts, ts);
  }

  #noteGap(startTs: number, endTs: number): void {
    const seconds = endTs - startTs;
    this.#gaps.count += 1;
    if (this.#gaps.longestS === null || seconds > this.#gaps.longestS) this.#gaps.longestS = seconds;
    if (this.#gaps.first.length < MAX_GAPS_LISTED) this.#gaps.first.push({ startTs, seconds });
  }

  #runOf(runId: string, ts: number): JournalRun {
    const current = this.#run;
    if (current?.runId === runId) return current;
    let run = this.#runs.get(runId);
    if (run === undefined) {
      run = { runId, startTs: ts, endTs: ts, events: 0, fills: 0, envFile: null, reason: null, flatten: null };
      if (this.#runs.size < MAX_RUNS) this.#runs.set(runId, run);
      else this.#runsOmitted += 1;
    }
    this.#run = run;
    this.#tradeIds.clear();
    return run;
  }

  #metrics(markoutBps: Record<string, MarkoutMetric>): JournalMetrics {
    const { fills, orders, cancellations, rejections, postOnlyRejections } = this.#counts;
    const perOrder = (count: number): Metric<number> =>
      orders === 0 ? { unavailable: 'no placements' } : { value: count / orders, n: orders };
    const mean = ({ value, n }: Mean, why: string): Metric<number> =>
      value === null ? { unavailable: why } : { value, n };
    const edges = this.#edge.n;
    const recent = this.#recent.toArray();
    const cashflow = this.#sums.cashflow.value;
    const notional = this.#sums.notional.value;
    const inventory = this.#sums.net.value.times(this.#lastMid ?? 0);
    const gross = cashflow.plus(inventory);
    const money = (value: Decimal): Metric<string> => ({ value: plain(value), n: fills });
    const assumedFee = notional.times(this.#options.assumedFeeBps).div(1e4);
    return {
      realizedPnlUsd: this.#realized(recent, () => undefined),
      realizedPnlCarriedUsd: this.#realized(recent, carriedInto),
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
        value: notional.isZero() ? 0 : this.#sums.takerNotional.value.div(notional).toNumber(),
        n: fills,
      },
      cashflowUsd: money(cashflow),
      inventoryMtmUsd: money(inventory),
      grossMtmUsd: money(gross),
      netMtmUsd: money(gross.minus(this.#sums.fees.value)),
      ...(this.#options.assumedFeeBps === 0 ? {} : { netMtmAssumedFeeUsd: money(gross.minus(assumedFee)) }),
      fillsPerHour: this.#fillsPerHour(),
    };
  }

  #realized(fills: RecentFill[], openingOf: (first: RecentFill) => ReturnType<typeof carriedInto>): Metric<string> {
    const n = this.#options.lastFills;
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
