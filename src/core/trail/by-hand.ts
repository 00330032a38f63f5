/** Holds that a person's verb leaves: each is also the wish that the bot be down. */
import type { Hold } from './types.ts';

/** How their reasons begin. */
export const BY_HAND = { stop: 'stopped by hand', flatten: 'flattened by hand' } as const;

/** The reason of such a hold; `why`: the person's own words, or empty. */
export function byHand(verb: keyof typeof BY_HAND, why: string): string {
  return `${BY_HAND[verb]}${why === '' ? '' : `: ${why}`}`;
}

/** Whether a hold says that somebody wanted the bot stopped. */
export function asksToEnd({ reason }: Pick<Hold, 'reason'>): boolean {
  return Object.values(BY_HAND).some((word) => reason === word || reason.startsWith(`${word}: `));
}
