import type { Horizon } from './markout-book.ts';
import type { BadLine } from './types.ts';

/** A metric over `n` items, or why there is none. Money, sizes and prices are decimal text, statistics are numbers. */
export type Metric<T> = { value: T; n: number } | { unavailable: string };
export type MarkoutMetric = Metric<number> & {
  /** Fills at the end whose mid may still come. */
  pending: number;
  /** Fills for which no mid came within a minute after the horizon. */
  missed: number;
};

export type JournalCounts = {
  /** Lines that are not blank. */
  lines: number;
  badLines: number;
  events: number;
  /** Fill lines, duplicates included. */
  fills: number;
  /** Fill lines whose trade id had been seen in the same run (among its last 10,000). */
  duplicateFills: number;
  /** Fill lines whose side is in neither of the two written forms. */
  unknownSides: number;
  orders: number;
  cancellations: number;
  rejections: number;
  postOnlyRejections: number;
  snapshots: number;
  heartbeats: number;
};

export type JournalMetrics = {
  /** First in first out over the last N fill lines, starting flat; no fees, no open lots. */
  realizedPnlUsd: Metric<string>;
  /** The same, opened with the position last reported before those fills, at the first mid known for them. */
  realizedPnlCarriedUsd: Metric<string>;
  /** Gross of fees, bps of the fill price, positive is good. */
  markoutBps: Record<Horizon, MarkoutMetric>;
  /** Per placement; may exceed 1. */
  fillRatio: Metric<number>;
  cancelRatio: Metric<number>;
  rejectionRatio: Metric<number>;
  postOnlyRejectRatio: Metric<number>;
  /** Share of negative ones among the journal's own edges. */
  adverseFillRatio: Metric<number>;
  /** Mean of the journal's own edges, bps of the mid. */
  edgeBps: Metric<number>;
  /** Mean edge recomputed from mid and price with the true side. */
  edgeRecomputedBps: Metric<number>;
  /** Last position reported in a line; `n` lines reported one. */
  positionBase: Metric<string>;
  /** Share of taker fills in the traded notional; 0 without notional. */
  takerNotionalRatio: Metric<number>;
  /** Sold minus bought notional. */
  cashflowUsd: Metric<string>;
  /** Net traded quantity at the last mid; 0 without a mid. */
  inventoryMtmUsd: Metric<string>;
  grossMtmUsd: Metric<string>;
  /** Less the fees that the journal reports. */
  netMtmUsd: Metric<string>;
  /** Less assumed fees on the traded notional instead; only when a fee is assumed. */
  netMtmAssumedFeeUsd?: Metric<string>;
  fillsPerHour: Metric<number>;
};

export type JournalRun = {
  /** '' when the lines carry none. */
  runId: string;
  startTs: number;
  endTs: number;
  events: number;
  fills: number;
  /** null: no run_start in these files, or it names none. */
  envFile: string | null;
  /** run_end's reason; null while the run has no end. */
  reason: string | null;
  /** What the bot said about its own flatten; null without a run_end. */
  flatten: {
    positionBefore: string | null;
    positionAfter: string | null;
    enabled: boolean | null;
    attempted: boolean | null;
    submitted: boolean | null;
    attempts: number | null;
    reason: string | null;
    activeOrders: number | null;
  } | null;
};

/** One market over all the files given. */
export type JournalItem = {
  market: string;
  files: string[];
  bytes: number;
  counts: JournalCounts;
  /** First and last event in file order, Unix seconds; null without events. A negative duration: the clock went back. */
  window: { startTs: number | null; endTs: number | null; durationS: number | null };
  metrics: JournalMetrics;
  heartbeatGaps: { count: number; longestS: number | null; first: { startTs: number; seconds: number }[] };
  /** Lines by schema version other than 2; `missing` for lines without one. */
  schemaWarnings: Record<string, number>;
  runs: JournalRun[];
  /** Runs beyond the first 1000, counted only. */
  runsOmitted: number;
  badLines: BadLine[];
  /**
   * How it was read: lines that needed the full parser, whether points had to be sorted by time, and whether only the end
   * was read: every count and metric is then of that end, and lines of the first file are numbered from where it begins.
   */
  reading: { fullyParsedLines: number; sortedByTime: boolean; tail: boolean };
};
