/** What the specs mean after parsing: every default applied, every duration in ms, every path relative to the repository root. */

export type Fleet = {
  name: string;
  /** Repository-relative path of the file that declares it. */
  file: string;
  git: {
    remote: string;
    branch: string;
    push: boolean;
    author: { name: string; email: string };
    signing: { format: 'ssh'; key: string } | null;
    /** Whose signatures changes of the fleet need: an absolute path, or a repository-relative one; null = nobody's. */
    verify: { allowedSigners: string } | null;
  };
  intervalMs: number;
  guards: {
    maxConcurrentChanges: number;
    /** Ratio 0..1 of running instances. */
    maxShareChangedPerPass: number;
    /** Ratio 0..1. */
    marketWideShare: number;
    /** USD, null = no limit. */
    maxUnjudgedNotionalUsd: number | null;
    allowMainnet: boolean;
  };
};

export type SecretSource =
  | { kind: 'envFile'; path: string }
  | { kind: 'command'; command: string[] }
  | { kind: 'fromEnv'; names: string[] };

export type Instance = {
  name: string;
  /** Repository-relative path of the file that declares it. */
  file: string;
  market: string;
  account: string;
  host: string | null;
  /** Repository-relative, never outside the repository. */
  baseEnv: string;
  secrets: SecretSource[];
  state: 'Running' | 'Stopped' | 'Retired';
  autonomy: 'observe' | 'propose' | 'apply';
  suspend: { reason: string /** ISO 8601 UTC; null = until resumed. */; until: string | null } | null;
  allowMainnet: boolean;
  runtime: ProcessRuntime | CommandRuntime;
  journal: {
    /** Glob with `{market}` filled in, repository-relative or absolute. */ path: string;
    staleAfterMs: number;
  };
  venue: Venue;
  health: HealthPolicy;
  tuning: TuningPolicy;
};

export type StopSignal = 'SIGINT' | 'SIGTERM';

export type ProcessRuntime = {
  kind: 'process';
  command: string[];
  /** Repository-relative or absolute. */
  cwd: string;
  /** Name of the variable that holds the path of the materialised env file. */
  envFileVariable: string;
  environment: Record<string, string>;
  stop: { signal: StopSignal; timeoutMs: number };
  /** How long the new journal's run_start may take to confirm a start (wall time). */
  startTimeoutMs: number;
  backoff: {
    initialMs: number;
    maxMs: number;
    stableAfterMs: number /** Restarts within the stable period that latch `crash-loop`. */;
    crashLoopAfter: number;
  };
};

/** The operator's own start/stop/status commands; argument arrays, `{env}`, `{instance}`, `{market}` are filled in. */
export type CommandRuntime = {
  kind: 'command';
  start: string[];
  stop: string[];
  status: string[];
  /** Repository-relative or absolute. */
  cwd: string;
  timeoutMs: number;
  startTimeoutMs: number;
  backoff: ProcessRuntime['backoff'];
};

export type VenueDriver =
  | {
      kind: 'command';
      position: string[];
      orders: string[];
      cancel: string[];
      close: string[];
      reference: string[] | null;
      timeoutMs: number;
    }
  | { kind: 'journal' }
  | {
      kind: 'sim' /** `http://127.0.0.1:PORT` or `file:PATH` naming a file that holds that URL. */;
      url: string;
      timeoutMs: number;
    }
  | {
      kind: 'ccxt';
      /** ccxt id. */
      exchange: string;
      /** Names of secret keys, not their values. */
      apiKey: string;
      privateKey: string;
      vaultId: string;
      publicKey: string;
      /** A loopback venue in place of the exchange; null = the exchange. */
      url: string | null;
      timeoutMs: number;
    };

export type Venue = {
  driver: VenueDriver;
  settleMs: number;
  /** USD; 0 = no dust allowed. */
  dustMaxNotionalUsd: number;
  flatten: { attempts: number; slippageBps: { start: number; step: number; max: number }; maxCostUsd: number };
};

export type SignalName = 'burst' | 'fast' | 'slow' | 'alert';
export type SignalMetric = 'netMarkout5sBps' | 'netMarkout60sBps';

export type SignalPolicy = {
  metric: SignalMetric;
  /** Bps. */
  limit: number;
  windowFills: number;
  minFills: number;
  /** null: the mean itself is compared. */
  confidence: 0.95 | 0.99 | null;
  /** Fill-minutes in a row. */
  consecutive: number;
  /** Only for `alert`: ms after an alarm or a park's end in which it looks. */
  activeForMs: number | null;
};

export type LimitAction = 'report' | 'tune' | 'stop';

/** Limits of the seed's metrics; a null threshold means "not checked". */
export type LimitPolicies = {
  realizedPnlUsd: { lastFills: number; min: number | null; action: LimitAction };
  markout5sBps: { lastFills: number; min: number | null; action: LimitAction };
  fillCount: { min: number | null; overMs: number; action: LimitAction };
  fillRatio: { min: number | null; minPlacements: number; action: LimitAction };
  cancelRatio: { max: number | null; minPlacements: number; action: LimitAction };
  postOnlyRejectRatio: { max: number | null; minPlacements: number; action: LimitAction };
  /** API failures: errors and rejections other than post-only, over placements. */
  failureRatio: { max: number | null; minPlacements: number; action: LimitAction };
  fillsPerHour: { min: number | null; overMs: number; action: LimitAction };
  positionShare: { max: number | null; shareOfTime: number; overMs: number; action: LimitAction };
  drawdownUsd: { max: number | null; action: LimitAction };
  dataAge: { maxMs: number | null; action: LimitAction };
};
export type LimitName = keyof LimitPolicies;

export type HealthPolicy = {
  cooldownMs: number;
  signals: Record<SignalName, SignalPolicy>;
  limits: LimitPolicies;
  cheapMoment: { maxPositionShare: number; waitMs: number };
};

export type Theme = 'spread-offset' | 'reprice' | 'post-only' | 'inventory' | 'toxicity' | 'breaker';

/** A key outside the built-in catalogue that a spec opts in. */
export type CustomKey = {
  type: 'int' | 'decimal' | 'bool';
  min: number | null;
  max: number | null;
  theme: Theme;
  step: { times: number } | { plus: number };
};

export type TuningPolicy = {
  /** Allowed themes in order of preference. */
  themes: Theme[];
  /** Narrowed bounds by full key name (`MM_SPREAD_MULTIPLIER`); keys not named keep the catalogue's. */
  bounds: Record<string, { min: number | null; max: number | null }>;
  /** Factors of the first, second, ... alarm step of a day. */
  ladder: number[];
  maxChangesPerDay: number;
  hygieneChangesPerDay: number;
  park: {
    forMs: number;
    multiplier: number;
    maxMs: number;
    withinMs: number;
    reparkWithinMs: number;
    reparkCountMs: number;
  };
  trendStep: boolean;
  recover: { provenAfterMs: number; quietForMs: number; probationMs: number; backoff: number; maxWaitMs: number };
  forgetAfterMs: number;
  verdictWithinMs: number;
  keys: Record<string, CustomKey>;
};
