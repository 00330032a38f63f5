import { resolve } from 'node:path';
import { resolveCommit } from '../../adapters/git.ts';
import { readLog } from '../../adapters/git-log.ts';
import { fail as failed, ok, type Problem, type Result } from '../../core/problem.ts';
import { agreementOf, type PastDecision, readPastDecision } from '../../core/replay/past.ts';
import { trailer } from '../../core/trail/trailers.ts';
import type { TrailEntry } from '../../core/trail/types.ts';
import { decide, explain } from '../../core/tuning/decide.ts';
import { rebuildMemory } from '../../core/tuning/memory.ts';
import { type Desired, type DesiredInstance, valuesOf } from '../desired.ts';
import { EXIT } from '../exit.ts';
import { concerns } from '../instance-trails.ts';
import { painter } from '../io.ts';
import { foldAsItStood } from '../journal-past.ts';
import { type Ops, openOps } from '../ops.ts';
import { pastText, type Recall } from '../render/why-at.ts';
import { printJson, refuse, select, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

/**
 * `why NAME --at COMMIT`: a past decision from its commit's trailers, and where the journal it names is still there, the whole
 * table of rules as it stood, with whether it leads to the same decision. Reads only; exit 0 also when they disagree.
 */
export async function runWhyAt(names: string[], revision: string, options: CommonOptions): Promise<number> {
  const { io } = options;
  const opened = await openOps(options.C, { looksOnly: true });
  if (!opened.ok) return refuse(options, 'Why', opened.problem);
  const ops = opened.value;
  const only = await select(ops, names, io);
  if (only === 'bad') return EXIT.usage;
  if (only === null || only.size !== 1) return usage(io, 'why takes one instance');
  const name = [...only][0] ?? '';
  const found = await find(ops, name, revision);
  if (!found.ok) return refuse(options, 'Why', found.problem);
  const { past, history, now } = found.value;
  const recall = past.kind === 'other' ? notADecision(past) : await recallOf(ops, name, past, history, now);
  if (options.json === true) {
    const decided = recall.state === 'ok' ? recall.decided : null;
    printJson(io, 'Why', { fleet: now.fleet ?? { name: '' } }, recall.state === 'ok' ? recall.rows : [], [], {
      name,
      at: past,
      decision: decided?.decision ?? null,
      sentence: decided?.sentence ?? past.subject,
      journal: recall.state === 'ok' ? { source: recall.source } : { unavailable: recall.reason },
      agrees: recall.state === 'ok' ? recall.agreement.agrees : null,
      differences: recall.state === 'ok' ? recall.agreement.differences : [],
    });
    return EXIT.ok;
  }
  io.out(`${pastText(name, past, recall, painter(io.color))}\n`);
  return EXIT.ok;
}

type Found = {
  past: PastDecision;
  /** The commit and all before it, newest first, of this instance. */
  history: TrailEntry[];
  now: Desired;
};

async function find(ops: Ops, name: string, revision: string): Promise<Result<Found>> {
  const commit = await resolveCommit(ops.repo, revision);
  if (commit === null) {
    const message = `--at ${revision}: no such commit in this repository`;
    return failed({ code: 'git-unknown-revision', message, hint: `mmfleet history ${name}`, retry: 'stalled' });
  }
  const head = await resolveCommit(ops.repo, 'HEAD');
  const now = await ops.desiredAt(head ?? commit);
  if (!now.ok) return now;
  const ourEmail = now.value.fleet?.git.author.email ?? '';
  const log = await readLog(ops.repo, { until: commit, under: '', ourEmail });
  if (!log.ok) return log;
  const later = await ops.trail(ourEmail, head ?? commit, now.value.fleet?.file);
  if (!later.ok) return later;
  const instance = now.value.instances.find((i) => i.name === name);
  // What a person squashed is a step there, and a person's commit in the log itself.
  const known = new Map(later.value.map((entry) => [entry.commit, entry]));
  const entries = log.value.entries.map((entry) => known.get(entry.commit) ?? entry);
  const own = entries.filter(
    (entry) => entry.commit === commit || (instance !== undefined && concerns(entry, instance)),
  );
  const entry = own.find((each) => each.commit === commit);
  if (entry === undefined || entry.kind === null || entry.instance !== name)
    return failed(elsewhere(entry, revision, name));
  const after = later.value.filter((each) => instance !== undefined && concerns(each, instance));
  return ok({ past: readPastDecision(entry, after), history: own, now: now.value });
}

function elsewhere(entry: TrailEntry | undefined, revision: string, name: string): Problem {
  const what =
    entry === undefined || entry.kind === null
      ? 'a person made it, or it is no step of the fleet'
      : `it concerns ${entry.instance}`;
  const message = `--at ${revision}: not a decision about ${name} (${what})`;
  return { code: 'git-other-commit', message, hint: `mmfleet history ${name} lists its commits`, retry: 'stalled' };
}

function notADecision(past: PastDecision): Recall {
  return { state: 'unavailable', reason: `a ${past.commitKind} commit stands on no rule` };
}

/** The engine again, on the tree, the history and the journal as they stood before the commit. */
async function recallOf(
  ops: Ops,
  name: string,
  past: PastDecision,
  history: TrailEntry[],
  now: Desired,
): Promise<Recall> {
  const [entry, ...before] = history;
  const parent = entry?.parents[0];
  if (entry === undefined || parent === undefined) return gone('its commit has no parent');
  const then = await ops.desiredAt(parent);
  if (!then.ok) return gone('the tree before it cannot be read');
  const instance = then.value.instances.find((i) => i.name === name);
  const spec = instance?.spec ?? null;
  const env = instance?.env ?? null;
  if (instance === undefined || spec === null || env === null) return gone('its spec was invalid then');
  const said = trailer(entry.trailers, 'Spec');
  if (said !== undefined && said !== instance.specBlob)
    return gone('the spec it was made with is not the one before it');
  const today: DesiredInstance | undefined = now.instances.find((i) => i.name === name);
  const pattern = resolve(ops.repo.root, (today?.spec ?? spec).journal.path);
  const fold = foldAsItStood({ pattern, spec, values: env.values, reference: past.journal, at: past.at });
  if (!fold.ok) return gone(fold.problem.message);
  const input = {
    memory: rebuildMemory(before, { baseEnv: env.basePath, policy: spec.tuning }),
    run: fold.value.run,
    policy: { health: spec.health, tuning: spec.tuning },
    values: env.values,
    baseValues: env.baseValues,
    iter: env.iter,
    iterValues: (iter: number | null) => valuesOf(then.value, env, iter),
  };
  const decided = decide(input);
  return {
    state: 'ok',
    source: fold.value.source,
    decided,
    rows: explain(input),
    agreement: agreementOf(past, decided.decision),
  };
}

const gone = (reason: string): Recall => ({ state: 'unavailable', reason });
