/** The four ways to look after an instance that are compared. */
import { observe } from '../../../src/core/health/observe.ts';
import type { JournalEvent } from '../../../src/core/journal/types.ts';
import type { HealthPolicy, TuningPolicy } from '../../../src/core/spec/types.ts';
import { commit, currentIter, decided, newLoop, valuesOf } from '../../core/tuning/loop.ts';
import { originEngine } from './origin.ts';

/** What to do with a run: restart it on these values, or leave it flat for a while first. */
export type Action = { values: Readonly<Record<string, string>>; parkS: number; alarm: boolean; what: string };

export type Engine = {
  /** null: it does not read the journal. */
  observe: ((event: JournalEvent) => void) | null;
  /** Asked once a minute while the bot runs. */
  look(ts: number): Action | null;
};

export type EngineName = 'never' | 'origin N=10' | 'origin N=100' | 'ours';

export type Policy = { health: HealthPolicy; tuning: TuningPolicy };

export function newEngine(name: EngineName, base: Readonly<Record<string, string>>, policy: Policy): Engine {
  switch (name) {
    case 'never':
      return { observe: null, look: () => null };
    case 'origin N=10':
      return originEngine(base, 10);
    case 'origin N=100':
      return originEngine(base, 100);
    case 'ours':
      return ourEngine(base, policy);
  }
}

/** The product's own engine; its commits are read back from their text, as from git. */
function ourEngine(base: Readonly<Record<string, string>>, policy: Policy): Engine {
  const loop = newLoop(policy, base);
  return {
    observe: (event) => observe(loop.run, event),
    look: () => {
      const decision = decided(loop).at(-1);
      if (decision === undefined) return null;
      const parkS = decision.kind === 'park' ? decision.forMs / 1000 : 0;
      const alarm =
        decision.kind === 'park' || decision.kind === 'undo' || (decision.kind === 'tune' && decision.urgent);
      const { by, n } = decision.trigger;
      const what = `${'step' in decision ? decision.step : `${decision.kind} ${parkS / 3600} h`} (${by} n=${n})`;
      commit(loop, decision, decision.at + parkS);
      return { values: valuesOf(loop, currentIter(loop))!, parkS, alarm, what };
    },
  };
}
