/** A journal piece by its file name; `stem` is the name without piece number and extension, `piece` 0 for the first. */
export type PieceName = {
  stem: string;
  market: string /** `YYYYMMDD_HHMMSS`, local time of the host. */;
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

const PIECE = /^(mm_(.+)_(\d{8}_\d{6}))(?:\.(\d{1,9}))?\.jsonl$/;
