/** What `status` shows of one instance. Built by the shell from observed values; rendered as a table or as JSON. */
import type { Health, Lifecycle } from './types.ts';

/** A metric, or why there is none. Money is decimal text, statistics are numbers. */
export type Metric =
  | { value: number | string; n?: number; ci95?: [number, number] }
  | { unavailable: string; n?: number; nMin?: number };

export type StatusItem = {
  name: string;
  market: string;
  lifecycle: Lifecycle;
  health: Health;
  /** null = base env; undefined running = no process. */
  iter: { desired: number | null; running: number | null | undefined };
  pid: number | null;
  /** Signed base quantity as decimal text, or why it is unknown. */
  positionBase: Metric;
  /** Position at the price of the newest fill, USD, signed decimal text; null when unknown. */
  positionUsd: string | null;
  metrics: {
    /** Last 50 fills, starting flat, fees ignored. */
    realizedPnlUsd: Metric;
    markout5sBps: Metric;
    cancelRatio: Metric;
    postOnlyRejectRatio: Metric;
    fillsPerHour: Metric;
  };
  /** Seconds since the journal's last byte arrived; null = no journal. */
  dataAgeS: number | null;
  restarts: number;
  held: { reason: string; since: string | null } | null;
  lastAction: { atTs: number; text: string } | null;
  /** What stands in the last column instead of the last action, when something needs a person or is under way. */
  note: string | null;
};
