/**
 * A stretch of journal time in which something held. Kept instead of "holds now", so that a decision made late (after an
 * hour, after a restart of mmfleet) is the one that would have been made at the time.
 */
export type Episode = {
  /** Unix seconds of the look that opened it. */
  from: number;
  /** Unix seconds of the look that closed it; null = still holds. */
  to: number | null;
  /** Start of the gap-free stretch of journal it lies in. */
  since: number;
  /** The rule's number when it opened. */
  value: number;
  n: number;
  /** How far beyond its limit it was; 1 = at the limit. */
  excess: number;
};

/** More stretches than this within one run are not kept: the oldest go. */
const EPISODES_KEPT = 64;

/** Opens or closes an episode for the look at `at`. */
export function noteEpisode(episodes: Episode[], holds: Omit<Episode, 'from' | 'to'> | null, at: number): void {
  const last = episodes.at(-1);
  const open = last !== undefined && last.to === null;
  if (holds === null) {
    if (open) last.to = at;
    return;
  }
  if (open) return;
  episodes.push({ ...holds, from: at, to: null });
  if (episodes.length > EPISODES_KEPT) episodes.shift();
}

/** The first moment at or after the gate at which an episode held, by `now`; the gate may depend on the stretch. */
export function firstHeld(
  episodes: readonly Episode[],
  gate: (episode: Episode) => number,
  now: number,
): { at: number; episode: Episode } | null {
  for (const episode of episodes) {
    const at = Math.max(episode.from, gate(episode));
    if (at <= now && (episode.to === null || at < episode.to)) return { at, episode };
  }
  return null;
}
