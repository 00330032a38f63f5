/** Where the proposals of an instance stand, for plans and what is printed. */
import type { Refs } from '../adapters/git.ts';
import { type KnownProposals, proposalBranch } from '../adapters/git-proposals.ts';
import { label, type Planned, triggerText } from '../core/plan/plan.ts';
import { parseIter } from '../core/trail/text.ts';
import { trailer } from '../core/trail/trailers.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import type { TuningDecision } from '../core/tuning/types.ts';
import type { Ops } from './ops.ts';
import type { Situation } from './views.ts';

export const NO_PROPOSALS: KnownProposals = { open: new Map(), newest: new Map(), declined: new Map() };

/** What this clone knows of proposals, without the network. `refs`: read just before; absent: read now. */
export async function knownProposals(ops: Ops, ourEmail: string, refs?: Refs): Promise<KnownProposals> {
  const known = await ops.git.proposals?.known(ourEmail, refs);
  return known?.ok === true ? known.value : NO_PROPOSALS;
}

/** A plan that waits for a person says where its proposal stands. */
export function withProposal(planned: Planned, situation: Situation, known: KnownProposals): Planned {
  const decision = wishOf(planned, situation);
  if (decision === null) return planned;
  const { name } = planned.item;
  const open = known.open.get(name);
  const declined = known.declined.get(name);
  const where =
    open !== undefined
      ? `${proposalBranch(name)} (${iterOf(open)}, ${open.commit.slice(0, 8)}) waits for a merge`
      : declined !== undefined
        ? `${proposalBranch(name)} was deleted by a person (${declined.commit.slice(0, 8)})`
        : 'waits for a person';
  const item = {
    ...planned.item,
    message: `${where}: would ${decision.kind}: ${decision.message}`,
    changes: 'changes' in decision ? decision.changes : [],
    theme: 'theme' in decision ? decision.theme : null,
    trigger: triggerText(decision),
  };
  return { ...planned, item };
}

/** The step a plan only shows because a person decides; null = none. */
export function wishOf(
  planned: Planned,
  { view }: Situation,
): Exclude<TuningDecision, { kind: 'none' | 'stop' }> | null {
  const { decision } = view;
  if (planned.item.reason !== 'proposed' || decision === null) return null;
  return decision.kind === 'none' || decision.kind === 'stop' ? null : decision;
}

export const iterOf = (entry: Pick<TrailEntry, 'trailers' | 'kind'>): string =>
  entry.kind === 'park' ? 'park' : label(parseIter(trailer(entry.trailers, 'Iter') ?? '') ?? null);
