/** The proof of flatness as a value. */
import type { Where } from './where.ts';

export type FlatVerdict =
  | { verdict: 'FLAT' }
  | { verdict: 'DUST'; sizeBase: string; valueUsd: string }
  | { verdict: 'OPEN'; sizeBase: string; valueUsd: string | null; reason: string }
  | { verdict: 'UNKNOWN'; reason: string };

/** One line of `fleet/receipts/NAME.jsonl`: a stop with its proof. Times are ISO 8601 UTC. */
export type Receipt = Where & {
  v: 1;
  instance: string;
  /** Why it was stopped: a plan reason, or `unasked-exit`, `first-start`. */
  cause: string;
  runId: string | null;
  pid: number | null;
  startTicks: string | null;
  iterFrom: number | null;
  iterTo: number | null;
  signalAt: string | null;
  exitedAt: string | null;
  killed: boolean;
  reads: { at: string; what: 'position' | 'orders'; value: string }[];
  orders: {
    clientId: string;
    side: string;
    size: string;
    limitPrice: string | null;
    status: string;
    filled: string;
    costUsd: string | null;
  }[];
  costUsd: string;
  botSays: { positionAfter: string | null; reason: string | null } | null;
  disagreement: string | null;
  verdict: FlatVerdict['verdict'];
  sizeBase: string | null;
  /** Which rule closed the case. */
  rule: string;
  provedAt: string;
};
