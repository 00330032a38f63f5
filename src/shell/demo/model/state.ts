/** What the model bot is made of. Prices are bps from the start price, quantities base. */
import type { Second } from './market.ts';
import type { Rng } from './rng.ts';
import type { Market } from './scenarios.ts';
import type { Settings } from './settings.ts';

/** One place in the ladder: a side (+1 buys) and a level, with at most one order. */
export type Slot = {
  sign: 1 | -1;
  level: number;
  /** Number of its newest order. */
  id: number;
  /** bps; null = no order. */
  price: number | null;
  placedAt: number;
  decidedAt: number;
  pausedUntil: number;
  pofStreak: number;
  lastPofAt: number;
};

/** What an instance-run earned, USD. */
export type Money = {
  /** Against what the asset was worth just after each fill, plus expected drift on the inventory, less all costs: little noise. */
  scoredUsd: number;
  /** Cash and inventory at the mid, less fees and closing costs. */
  rawUsd: number;
  fills: number;
};

export type Quote = { id: number; sign: 1 | -1; level: number; price: number; placedAt: number };

/** What the bot did or met in a second, in order. `failed`: the venue's interface did not take the placement. */
export type Happened =
  | { kind: 'placed' | 'rejected' | 'failed'; quote: Quote }
  | { kind: 'cancelled'; quote: Quote; reason: string }
  | { kind: 'moving'; quote: Quote; target: number; reason: 'max_age' | 'target_shift' }
  | { kind: 'fill'; quote: Quote; feeUsd: number };

export type Sink = (bot: Bot, second: Second, happened: Happened) => void;

export type Bot = {
  market: Market;
  settings: Settings;
  slots: Slot[];
  rng: Rng;
  position: number;
  cash: number;
  money: Money;
  imbalance: number;
  mids: number[];
  attempts: { ts: number; failed: boolean }[];
  brokenUntil: number;
  orders: number;
  /** null: nobody listens. */
  sink: Sink | null;
};
