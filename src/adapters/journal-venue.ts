/** The `journal` venue: weak evidence, only the bot's own last words. */
import type { Clock, VenuePort } from '../core/ports.ts';
import { type Known, known, unknown } from '../core/problem.ts';

/** What the run's last events say; positions are signed base quantities as decimal text. */
export type JournalEvidence = {
  /** The run ended with run_end and nobody killed it. */
  exitClean: boolean;
  /** `run_end`; null = the run has none. */
  runEnd: { positionAfter: string | null; activeOrders: number | null; hasStats: boolean } | null;
  /** The last position any event of the run reported. */
  lastPosition: string | null;
  /** Why there is no run to read; absent = there is one. */
  noRun?: string;
};

/** A line may claim any number; one order is as bad as a thousand. */
const MOST_ORDERS = 1000;

/** Reads through `evidence`, called anew for each read; it cannot cancel, close or quote a price. */
export function createJournalVenue(options: {
  market: string;
  evidence: () => JournalEvidence;
  clock: Clock;
}): VenuePort {
  const { market, clock } = options;
  const cannot = async () => unknown('the journal is only read');
  return {
    evidence: 'journal',
    position: async () => {
      const said = cleanEnd(options.evidence());
      if (!said.known) return said;
      const position = said.value.positionAfter ?? options.evidence().lastPosition;
      return position === null
        ? unknown('the journal reports no position')
        : known({ market, position }, clock.nowMs());
    },
    openOrders: async () => {
      const said = cleanEnd(options.evidence());
      if (!said.known) return said;
      const count = said.value.activeOrders;
      if (count === null || count < 0) return unknown('run_end reports no order count');
      // Their details are not known; that they are there is.
      const orders = Array.from({ length: Math.min(count, MOST_ORDERS) }, (_, i) => ({
        id: `journal-${i + 1}`,
        side: 'buy' as const,
        price: '0',
        size: '0',
      }));
      return known(orders, clock.nowMs());
    },
    cancelAll: cannot,
    reference: cannot,
    close: cannot,
  };
}

function cleanEnd({ exitClean, runEnd, noRun }: JournalEvidence): Known<NonNullable<JournalEvidence['runEnd']>> {
  if (noRun !== undefined) return unknown(noRun);
  if (runEnd === null) return unknown('the run has no run_end');
  if (!exitClean) return unknown('the run did not end cleanly');
  if (!runEnd.hasStats) return unknown('run_end has no statistics: it never looked at the position');
  return known(runEnd, 0);
}
