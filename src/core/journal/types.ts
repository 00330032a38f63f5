/** Journal events as values. Times are Unix seconds (journal time), prices and sizes exact decimal text. */

export type Side = 'buy' | 'sell';

type Common = {
  ts: number;
  /** 32 hex; '' when the line has none. */
  runId: string;
  /** Market text of the line; '' when absent. */
  market: string;
  /** Top-level `position` (signed base quantity), when the line reports one. */
  position: string | null;
  /** The mid this line contributes: `mid`, else `mark_price`, else (bid+ask)/2; null when it has none. */
  mid: number | null;
};

export type FillEvent = Common & {
  type: 'fill';
  /** 19 digits: kept as text, exact. '' when absent. */
  tradeId: string;
  /** null: the side text is in neither of the two written forms; counts as a bad fill for decisions. */
  side: Side | null;
  /** The side text as written, for the origin's own rules in reports. */
  sideText: string;
  price: string;
  qty: string;
  /** null counts as 0. */
  fee: string | null;
  isTaker: boolean;
  level: number | null;
  /** The journal's own edge. */
  edgeBps: number | null;
  /** Recomputed from mid and price with the true side: buy (mid-price)/mid*1e4. null without mid or side. */
  edgeRecomputedBps: number | null;
  bestBid: number | null;
  bestAsk: number | null;
  spreadBps: number | null;
  quoteLifetimeMs: number | null;
};

export type OrderPlacedEvent = Common & {
  type: 'order_placed';
  side: Side | null;
  level: number | null;
  spreadBps: number | null;
};
export type OrderCancelledEvent = Common & { type: 'order_cancelled'; reason: string };
export type RejectionEvent = Common & {
  type: 'rejection';
  reason: string /** Upper-cased reason contains `POST_ONLY`. */;
  postOnly: boolean;
};
export type SnapshotEvent = Common & {
  type: 'snapshot';
  activeOrders: number | null;
  circuitOpen: boolean;
  bestBid: number | null;
  bestAsk: number | null;
  spreadBps: number | null;
};
export type HeartbeatEvent = Common & { type: 'heartbeat'; activeOrders: number | null };
export type ErrorEvent = Common & { type: 'error'; stackTraceHash: string };
export type RunStartEvent = Common & {
  type: 'run_start';
  environment: string;
  /** The bot's own settings dump by snake_case field name (`spread_multiplier`), redacted by the bot. */
  config: Record<string, unknown>;
  tickSize: string | null;
  minOrderSize: string | null;
  sizeStep: string | null;
  /** `provenance.env_file`: which env file runs. null when absent. */
  envFile: string | null;
};
export type RunEndEvent = Common & {
  type: 'run_end';
  reason: string;
  stats: Record<string, unknown>;
  flatten: {
    positionBefore: string | null;
    positionAfter: string | null;
    enabled: boolean | null;
    attempted: boolean | null;
    submitted: boolean | null;
    attempts: number | null;
    reason: string | null;
    activeOrders: number | null;
  };
};
export type DrawdownStopEvent = Common & { type: 'drawdown_stop'; drawdownUsd: string | null };
/** Every other type: only its envelope, mid and position matter. */
export type OtherEvent = Common & { type: 'other'; name: string };

export type JournalEvent =
  | FillEvent
  | OrderPlacedEvent
  | OrderCancelledEvent
  | RejectionEvent
  | SnapshotEvent
  | HeartbeatEvent
  | ErrorEvent
  | RunStartEvent
  | RunEndEvent
  | DrawdownStopEvent
  | OtherEvent;

export type BadLine = { file: string /** 1-based. */; line: number; reason: string };
