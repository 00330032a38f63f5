/** A journal piece by its file name; `stem` is the name without piece number and extension, `piece` 0 for the first. */
export type PieceName = {
  stem: string;
  market: string;
  /** `YYYYMMDD_HHMMSS`, local time of the host. */
  startedAt: string;
  piece: number;
};

/**
 * Reads `mm_<MARKET>_<YYYYMMDD_HHMMSS>[.k].jsonl`; null for everything else (the `latest` link, tuning logs, other files).
 * The market is all that stands before the time, so `mm_AMZN_24_5-USD_...` is never taken for a piece of `AMZN`.
 */
export function pieceName(fileName: string): PieceName | null {
  const match = PIECE.exec(fileName);
  if (match === null) return null;
  const [, stem, market, startedAt, piece] = match as unknown as [string, string, string, string, string | undefined];
  if (market.startsWith('tuning_log_')) return null;
  return { stem, market, startedAt, piece: piece === undefined ? 0 : Number(piece) };
}

/** A market's pieces among the names of a folder; both lists in the order in which the names were given. */
export type MarketNames = {
  names: string[];
  /** The pieces of its newest run. */
  newest: string[];
};

/** Sorts out a folder's names by the market they say, in one pass: there is a name for every start of every bot. */
export function namesByMarket(names: readonly string[]): Map<string, MarketNames> {
  const byMarket = new Map<string, MarketNames & { startedAt: string }>();
  for (const name of names) {
    const piece = pieceName(name);
    if (piece === null) continue;
    const known = byMarket.get(piece.market);
    if (known === undefined) {
      byMarket.set(piece.market, { names: [name], newest: [name], startedAt: piece.startedAt });
      continue;
    }
    known.names.push(name);
    if (piece.startedAt < known.startedAt) continue;
    if (piece.startedAt > known.startedAt) Object.assign(known, { newest: [], startedAt: piece.startedAt });
    known.newest.push(name);
  }
  return byMarket;
}

const PIECE = /^(mm_(.+)_(\d{8}_\d{6}))(?:\.(\d{1,9}))?\.jsonl$/;
