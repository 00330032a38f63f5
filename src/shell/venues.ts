/** The venue driver an instance's spec names. */
import { createCcxtVenue } from '../adapters/ccxt-venue.ts';
import { createCommandVenue } from '../adapters/command-venue.ts';
import { createJournalVenue } from '../adapters/journal-venue.ts';
import { createSimVenue } from '../adapters/sim-venue.ts';
import type { Clock, VenuePort } from '../core/ports.ts';
import { fail, ok, type Result, unreachable } from '../core/problem.ts';
import type { Instance } from '../core/spec/types.ts';
import type { DesiredInstance } from './desired.ts';
import type { JournalReader } from './journals.ts';

/** `killed`: the last process was killed, so its own words are no evidence. */
export function openVenue(
  { root, clock, journals }: { root: string; clock: Clock; journals: JournalReader },
  instance: DesiredInstance & { spec: Instance },
  secrets: Record<string, string>,
  killed: () => boolean,
): Result<VenuePort> {
  const { spec } = instance;
  const { driver } = spec.venue;
  switch (driver.kind) {
    case 'command':
      return ok(createCommandVenue({ driver, market: spec.market, secrets, cwd: root, clock }));
    case 'journal':
      return ok(
        createJournalVenue({
          market: spec.market,
          clock,
          evidence: () => journals.evidence(instance, killed()),
        }),
      );
    case 'sim':
      return ok(
        createSimVenue({
          url: driver.url,
          root,
          market: spec.market,
          apiKey: secrets['MM_API_KEY'] ?? '',
          timeoutMs: driver.timeoutMs,
        }),
      );
    case 'ccxt': {
      const environment = instance.env?.values['MM_ENVIRONMENT'];
      const opened = createCcxtVenue({ driver, market: spec.market, secrets, environment, clock });
      return opened.ok ? opened : fail({ ...opened.problem, instance: instance.name });
    }
    default:
      return unreachable(driver);
  }
}
