/** What the shell needs from the outside world. Types only; adapters implement them. */
import type { Known, Result } from './problem.ts';

export type Clock = {
  /** Wall time, ms since the epoch. */
  nowMs(): number;
  /** Ms since some moment: for how long something lasts. Nobody sets it, and it stands still while the machine sleeps. */
  steadyMs(): number;
  /** Resolves after `ms`, or early (never rejects) when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

/** A live session leader that carries our marker. */
export type ProcessCopy = {
  pid: number;
  /** Start time in clock ticks since boot (proc stat field 22): with the pid an identity that cannot be reused. */
  startTicks: string;
  /** Wall time of the start, ms. */
  startedAtMs: number;
  instance: string;
  /** Iter it was started on; null = base env. */
  iter: number | null;
  revision: string;
  digest: string;
  /** Marks all processes of one start; absent where the runtime cannot tell. */
  startId?: string;
  /** The started process itself is dead, only descendants of it live: not running, and nothing may start yet. */
  remnant?: boolean;
};

export type StartOrder = {
  instance: string;
  command: string[];
  /** Absolute. */
  cwd: string;
  /** The committed env's effective values plus the secrets; never logged. */
  env: Record<string, string>;
  /** Text of the committed env file, without secrets. */
  envText: string;
  /** The secrets alone: appended to the materialised file. */
  secrets: Record<string, string>;
  /** Name for the materialised file, e.g. `.env.amzn.iter007`. */
  envFileName: string;
  envFileVariable: string;
  /** Plain extra variables from the spec. */
  environment: Record<string, string>;
  /** MMFLEET_FLEET, MMFLEET_INSTANCE, MMFLEET_ITER, MMFLEET_REVISION, MMFLEET_DIGEST. */
  markers: Record<string, string>;
};

export type RuntimePort = {
  /** Every live copy of this fleet's instances in one sweep. Unknown when the process table cannot be read. */
  list(): Promise<Known<ProcessCopy[]>>;
  /** Starts detached; resolves when the process exists (not when it is ready). */
  start(order: StartOrder): Promise<Result<ProcessCopy>>;
  /** Sends one signal to exactly this process (pid and start time checked); SIGKILL also reaches its group. */
  signal(copy: ProcessCopy, signal: NodeJS.Signals): Promise<Result<void>>;
  /** Whether the process and its whole group are gone. */
  gone(copy: ProcessCopy): Promise<Known<boolean>>;
};

/** Signed base quantity as exact decimal text. */
export type VenuePosition = { market: string; position: string };
export type VenueOrder = { id: string; side: 'buy' | 'sell'; price: string; size: string };
export type VenueReference = {
  bid: string | null;
  ask: string | null;
  sizeStep: string | null;
  minSize: string | null;
  tick: string | null;
};
export type CloseResult = {
  clientId: string;
  status: 'filled' | 'partial' | 'rejected';
  filled: string;
  averagePrice: string | null;
  costUsd: string | null;
};

/** One market on one account. Reads never throw: a failed read is unknown with a short reason. */
export type VenuePort = {
  /** `venue`: the exchange itself; `journal`: only the bot's own words. */
  evidence: 'venue' | 'journal';
  position(): Promise<Known<VenuePosition>>;
  openOrders(): Promise<Known<VenueOrder[]>>;
  cancelAll(): Promise<Known<{ canceled: number | null }>>;
  /** Best bid and ask and the market's steps; unknown when the driver has none. */
  reference(): Promise<Known<VenueReference>>;
  /** Reduce-only, immediate-or-cancel. Repeating a client id never trades again and returns the first answer. */
  close(order: {
    side: 'buy' | 'sell';
    size: string;
    limitPrice: string | null;
    clientId: string;
  }): Promise<Known<CloseResult>>;
};
