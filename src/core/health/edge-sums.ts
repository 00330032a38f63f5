/** What a config earned, in 10-minute buckets of journal time: enough to compare two runs without keeping their fills. */
export type EdgeSums = {
  /** Closed buckets; one without a fill counts as zero. */
  buckets: number;
  /** Sum over buckets of x = sum over fills of notional (USD) x net +60 s markout (bps). */
  sum: number;
  /** Sum over buckets of x squared. */
  squares: number;
  /** Fills with a +60 s markout in the closed buckets, and their notional in USD. */
  fills: number;
  notionalUsd: number;
};

/** The fold: closed sums and the newest buckets whose fills may still be waiting for a mid. */
export type EdgeFold = { closed: EdgeSums; open: { index: number; x: number; fills: number; notionalUsd: number }[] };

const BUCKET_S = 600;
/** A fill's +60 s markout is settled this long after it: the horizon and the grace for its mid. */
const SETTLED_S = 120;
/** A run that is silent for longer is not filled with empty buckets one by one. */
const EMPTY_BUCKETS_MAX = 6;

export function newEdgeSums(): EdgeSums {
  return { buckets: 0, sum: 0, squares: 0, fills: 0, notionalUsd: 0 };
}

export function newEdgeFold(): EdgeFold {
  return { closed: newEdgeSums(), open: [] };
}

/** Adds one fill whose +60 s net markout is known. */
export function addEdge(fold: EdgeFold, ts: number, notionalUsd: number, netBps: number): void {
  const index = Math.floor(ts / BUCKET_S);
  const bucket = fold.open.find((candidate) => candidate.index === index);
  // A bucket that is closed already, or the torn one at the start of a stretch, takes no more fills.
  if (bucket === undefined) return;
  bucket.x += notionalUsd * netBps;
  bucket.fills += 1;
  bucket.notionalUsd += notionalUsd;
}

/** Journal time has reached `now` in a stretch without gaps that began at `since`: opens and closes buckets. */
export function advanceEdges(fold: EdgeFold, now: number, since: number): void {
  const current = Math.floor(now / BUCKET_S);
  const firstWhole = Math.ceil(since / BUCKET_S);
  const newest = fold.open.at(-1)?.index ?? current - 1;
  for (let index = Math.max(newest + 1, firstWhole, current - EMPTY_BUCKETS_MAX); index <= current; index += 1) {
    fold.open.push({ index, x: 0, fills: 0, notionalUsd: 0 });
  }
  while (fold.open[0] !== undefined && now >= (fold.open[0].index + 1) * BUCKET_S + SETTLED_S) {
    const bucket = fold.open.shift()!;
    fold.closed.buckets += 1;
    fold.closed.sum += bucket.x;
    fold.closed.squares += bucket.x ** 2;
    fold.closed.fills += bucket.fills;
    fold.closed.notionalUsd += bucket.notionalUsd;
  }
}

/** A gap: what was open is torn and does not count. */
export function tearEdges(fold: EdgeFold): void {
  fold.open = [];
}

/** Two runs of the same config together. */
export function addEdgeSums(a: EdgeSums, b: EdgeSums): EdgeSums {
  return {
    buckets: a.buckets + b.buckets,
    sum: a.sum + b.sum,
    squares: a.squares + b.squares,
    fills: a.fills + b.fills,
    notionalUsd: a.notionalUsd + b.notionalUsd,
  };
}
