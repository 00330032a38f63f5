/**
 * One run of one instance, folded from its journal: bounded memory, plain data, no clock. What it holds depends on the
 * events alone, never on how often or how late they were fed.
 */
import { createHash } from 'node:crypto';
import { MarkoutQueue } from '../journal/markout.ts';
import { RecentIds, type StoredIds } from '../journal/recent-ids.ts';
import type { HealthPolicy, LimitName, SignalMetric, SignalName } from '../spec/types.ts';
import { addEdge, type EdgeFold, newEdgeFold } from './edge-sums.ts';
import type { Episode } from './episodes.ts';
import { FillRows, type StoredFills } from './fill-rows.ts';
import { Activities, FillMinutes } from './minute-rows.ts';
import type { FillMinute } from './signal.ts';

/** Trade ids remembered to count a fill once: as many as the bot itself does. */
const TRADE_IDS_KEPT = 10_000;

/** One usable fill. */
export type RunFill = {
  id: number;
  ts: number;
  /** Unix minute it counts in. */
  minute: number;
  sign: 1 | -1;
  price: string;
  qty: string;
  /** Of notional, positive = paid. */
  feeBps: number;
  /** Edge at the fill, bps; null without a mid. */
  edgeBps: number | null;
  /** Gross +5 s markout, bps: undefined = still pending, null = no mid came in time. */
  m5: number | null | undefined;
  /** The +60 s markout is still pending; only the sums over its minute keep it. */
  waits60: boolean;
};

/** One horizon: pending fills, minutes still waiting for a markout, closed minutes. */
export type HorizonFold = {
  queue: MarkoutQueue;
  open: (FillMinute & { waiting: number })[];
  closed: FillMinutes;
};

/** What the bot did in one journal minute. */
export type Activity = {
  minute: number;
  placed: number;
  cancelled: number;
  rejected: number;
  postOnly: number;
  errors: number;
  fills: number;
  /** |position| / largest allowed position at the end of the minute; null = unknown. */
  positionShare: number | null;
};

/** The first look of the run at which a signal alarmed, with what the choice of a step needs. */
export type Alarm = {
  signal: SignalName;
  metric: SignalMetric;
  /** Journal time, Unix seconds. */
  at: number;
  valueBps: number;
  limitBps: number;
  n: number;
  looks: number;
  /** Share of the newest fills that lost against the mid at once; null = too few known. */
  adverseShare: number | null;
  /** Mean gross +5 s markout of the newest 200 fills, bps; null = too few known. */
  mean5sBps: number | null;
  halfSpreadBps: number | null;
};

/** The first look at which a limit whose action is `stop` was broken. */
export type HardStop = { limit: LimitName; at: number; value: number; limitValue: number; n: number };

export type RunState = {
  runId: string;
  /** The policy the run is folded with; another one means folding the run again. */
  health: HealthPolicy;
  /** Largest allowed |position| in base units as the env says; null = unknown. */
  maxPositionBase: number | null;
  /** The same as the bot itself reports it in `run_start`; it wins. */
  reportedMaxPositionBase: number | null;
  envFile: string | null;
  /** Journal time of the first event; null = nothing read yet. */
  startTs: number | null;
  /** false: the first event was not `run_start`, so an earlier piece of the journal is missing. */
  whole: boolean;
  /** The journal's clock: the newest time since the last jump back. */
  now: number;
  /** The highest journal time ever seen. */
  latest: number;
  /** Start of the newest stretch without a gap. */
  since: number;
  /** Why the newest stretch began later than the run; null = no gap so far. */
  gap: string | null;
  gaps: number;
  /** Bytes of the journal between its first line and `since` that were left unread; 0 = it was read from its start. */
  skippedBytes: number;
  heartbeatTs: number | null;
  lastLook: number | null;
  endReason: string | null;
  fillsSeen: number;
  fillMinutes: number;
  badFills: number;
  duplicateFills: number;
  /** Newest trade ids, oldest first; at most 10,000. */
  tradeIds: RecentIds;
  fills: FillRows;
  h5: HorizonFold;
  h60: HorizonFold;
  counters: Record<SignalName, number>;
  alarms: Partial<Record<SignalName, Alarm>>;
  hardStop: HardStop | null;
  activity: Activities;
  current: Activity;
  position: { base: string; ts: number } | null;
  /** Newest known book spreads, one a look, bps. */
  spreads: number[];
  spreadBps: number | null;
  money: Money;
  limitCounters: Partial<Record<LimitName, number>>;
  limitEpisodes: Partial<Record<LimitName, Episode[]>>;
  cheap: Episode[];
  positionKnown: Episode[];
  /** Stretches in which the slow window's mean was above its limit and held enough fill-minutes. */
  earning: Episode[];
  edges: EdgeFold;
};

/** Session money in USD from fills and mids, fees included. A run starts flat, or with the dust it reports first. */
export type Money = {
  cash: number;
  netBase: number;
  /** Base quantity reported before the first fill; null = nothing reported yet. */
  carriedBase: number | null;
  equity: number | null;
  peak: number;
  drawdown: number;
  /** Looks in a row at which the reported position did not fit the fills seen. */
  misfit: number;
};

export function newRunState(input: { health: HealthPolicy; maxPositionBase: number | null }): RunState {
  const run: RunState = {
    runId: '',
    health: input.health,
    maxPositionBase: input.maxPositionBase,
    reportedMaxPositionBase: null,
    envFile: null,
    startTs: null,
    whole: false,
    now: 0,
    latest: 0,
    since: 0,
    gap: null,
    gaps: 0,
    skippedBytes: 0,
    heartbeatTs: null,
    lastLook: null,
    endReason: null,
    fillsSeen: 0,
    fillMinutes: 0,
    badFills: 0,
    duplicateFills: 0,
    tradeIds: new RecentIds(TRADE_IDS_KEPT),
    fills: new FillRows(),
    h5: { queue: new MarkoutQueue(5, () => undefined), open: [], closed: new FillMinutes() },
    h60: { queue: new MarkoutQueue(60, () => undefined), open: [], closed: new FillMinutes() },
    counters: { burst: 0, fast: 0, slow: 0, alert: 0 },
    alarms: {},
    hardStop: null,
    activity: new Activities(),
    current: newActivity(0),
    position: null,
    spreads: [],
    spreadBps: null,
    money: { cash: 0, netBase: 0, carriedBase: null, equity: null, peak: 0, drawdown: 0, misfit: 0 },
    limitCounters: {},
    limitEpisodes: {},
    cheap: [],
    positionKnown: [],
    earning: [],
    edges: newEdgeFold(),
  };
  return bindQueues(run);
}

export function newActivity(minute: number): Activity {
  return { minute, placed: 0, cancelled: 0, rejected: 0, postOnly: 0, errors: 0, fills: 0, positionShare: null };
}

/** The state as text, named by what it depends on; `loadRun` gives it back exactly. */
export function storeRun(run: RunState): string {
  return `${headOf(run)}\n${JSON.stringify({ ...run, health: undefined })}`;
}

/**
 * A stored state; null when it was stored by another version or with another policy or position cap: the run is then
 * folded again from its journal, so that a stored state never decides differently from a fresh one.
 */
export function loadRun(
  text: string,
  input: { health: HealthPolicy; maxPositionBase: number | null },
): RunState | null {
  const head = headOf(input);
  if (!text.startsWith(`${head}\n`)) return null;
  // What was parsed becomes the state itself: there are many of them.
  const stored = JSON.parse(text.slice(head.length + 1)) as StoredRun;
  const { tradeIds, fills, activity, h5, h60 } = stored;
  const run = Object.assign(stored as object, {
    health: input.health,
    tradeIds: RecentIds.from(TRADE_IDS_KEPT, tradeIds),
    fills: new FillRows(fills),
    activity: Activities.from(activity),
    h5: { ...h5, closed: FillMinutes.from(h5.closed) },
    h60: { ...h60, closed: FillMinutes.from(h60.closed) },
  }) as unknown as RunState;
  bindQueues(run);
  run.h5.queue.restore(h5.queue);
  run.h60.queue.restore(h60.queue);
  return run;
}

const headOf = ({ health, maxPositionBase }: Pick<RunState, 'health' | 'maxPositionBase'>) =>
  `${RUN_STATE_VERSION} ${policyDigest(health)} ${maxPositionBase}`;

/** Names a policy by all that it says. Many instances share one: made once. */
export function policyDigest(health: HealthPolicy): string {
  const digest = digests.get(health) ?? createHash('sha256').update(JSON.stringify(health)).digest('hex');
  digests.set(health, digest);
  return digest;
}

const digests = new WeakMap<HealthPolicy, string>();

/** Changes when the meaning of a stored state does. */
const RUN_STATE_VERSION = 7;

type StoredQueue = ReturnType<MarkoutQueue['toJSON']>;
type StoredHorizon = Omit<HorizonFold, 'queue' | 'closed'> & { queue: StoredQueue; closed: string };
type StoredRun = Omit<RunState, 'health' | 'tradeIds' | 'fills' | 'activity' | 'h5' | 'h60'> & {
  tradeIds: StoredIds;
  fills: StoredFills;
  activity: string;
  h5: StoredHorizon;
  h60: StoredHorizon;
};

/** Gives both queues the state they resolve into. */
function bindQueues(run: RunState): RunState {
  run.h5.queue = new MarkoutQueue(5, (id, bps) => settle(run, 'h5', id, bps));
  run.h60.queue = new MarkoutQueue(60, (id, bps) => settle(run, 'h60', id, bps));
  return run;
}

/** A fill's markout is known, or known to be missing. */
function settle(run: RunState, horizon: 'h5' | 'h60', id: number, bps: number | null): void {
  const fill = run.fills.settle(id, horizon, bps);
  if (fill === undefined) return;
  const minute = run[horizon].open.find((candidate) => candidate.minute === fill.minute);
  if (minute === undefined) return;
  minute.waiting -= 1;
  if (bps === null) {
    minute.missing += 1;
    return;
  }
  const qty = Number(fill.qty);
  const net = bps - fill.feeBps;
  minute.n += 1;
  minute.qty += qty;
  minute.weighted += qty * net;
  if (horizon === 'h60') addEdge(run.edges, fill.ts, Number(fill.price) * qty, net);
}
