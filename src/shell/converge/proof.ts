import type { FlatVerdict } from '../../core/flat/types.ts';

/** A permission to start, made only by a proof: FLAT, or DUST within the policy. Wall time in ms. */
export type FlatProof = {
  readonly instance: string;
  readonly market: string;
  readonly verdict: Extract<FlatVerdict, { verdict: 'FLAT' | 'DUST' }>;
  readonly provedAtMs: number;
};

/** Only the stop path calls this. */
export function proofOf(
  instance: string,
  market: string,
  verdict: FlatProof['verdict'],
  provedAtMs: number,
): FlatProof {
  return { instance, market, verdict, provedAtMs };
}
