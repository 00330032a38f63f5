/** Journals without files: runs folded once from made-up days, and given out under the name of whichever process runs. */
import type { EdgeSums } from '../../src/core/health/edge-sums.ts';
import { observe } from '../../src/core/health/observe.ts';
import { newRunState, type RunState } from '../../src/core/health/run.ts';
import { parseLine } from '../../src/core/journal/parse.ts';
import type { RunEndEvent, RunStartEvent } from '../../src/core/journal/types.ts';
import type { HealthPolicy } from '../../src/core/spec/types.ts';
import type { JournalReader, JournalView } from '../../src/shell/journals.ts';
import { stretch } from './fleet-world.ts';
import { START_MS } from './sim-loop.ts';

/** `fresh`: nothing but its start is written; the others hold minutes of fills that earn or lose. */
export type Day = 'fresh' | 'quiet' | 'losing';

/** The newest run of one instance. */
export type SimRun = {
  runId: string;
  market: string;
  /** How many runs of the instance came before it: its place in journal time. */
  generation: number;
  day: Day;
  /** Absolute path the bot says it read. */
  envFile: string;
  config: Record<string, unknown>;
  end: RunEndEvent | null;
  positionBase: string;
  /** Wall time, ms. */
  lastByteAtMs: number;
};

/** Long enough for an alarm; a quiet day has nothing to say and stays cheap to decide on. */
const MINUTES = { losing: 40, quiet: 4 };
const GENERATION_S = 3 * 3600;
const folded = new Map<string, RunState>();
const lines = new Map<Day, object[]>();

/** What the shell reads; `look` says which run of an instance is the newest, null = it never ran. */
export function simJournals(look: (name: string) => SimRun | null): JournalReader {
  const view = (instance: Parameters<JournalReader['look']>[0]): JournalView => {
    const run = look(instance.name);
    if (run === null || instance.spec === null) return { state: 'none' };
    const base = template(instance.spec.health, run.day, run.generation);
    return {
      state: 'ok',
      runId: run.runId,
      run: {
        ...base,
        runId: run.runId,
        envFile: run.envFile,
        position: { base: run.positionBase, ts: base.now },
        endReason: run.end?.reason ?? null,
      },
      runStart: runStart(run),
      runEnd: run.end,
      shuttingDown: run.end !== null,
      lastByteAtMs: run.lastByteAtMs,
      path: `/journals/${run.runId}.jsonl`,
    };
  };
  const runIdOf = (name: string) => look(name)?.runId ?? null;
  return {
    catchUp: async () => undefined,
    look: view,
    runIds: ({ name }) => [runIdOf(name)].filter((id) => id !== null),
    facts: ({ name }) => {
      const flatten = look(name)?.end?.flatten;
      const botSays = flatten === undefined ? null : { positionAfter: flatten.positionAfter, reason: flatten.reason };
      return { runId: runIdOf(name), botSays };
    },
    evidence: () => ({ exitClean: false, runEnd: null, lastPosition: null }),
    reference: (name) => (runIdOf(name) === null ? null : `${runIdOf(name)}.jsonl@0..1000`),
    edgesOf: (): EdgeSums | null => null,
    readWhole: async () => undefined,
    readEarlier: async () => undefined,
    save: async () => undefined,
  };
}

/** A clean end as the bot writes it. */
export function runEnd(run: SimRun, after: string): RunEndEvent {
  return {
    ...envelope(run),
    type: 'run_end',
    reason: 'shutdown',
    stats: { position: after },
    flatten: {
      positionBefore: null,
      positionAfter: after,
      enabled: true,
      attempted: true,
      submitted: true,
      attempts: 1,
      reason: 'flattened',
      activeOrders: 0,
    },
  };
}

function runStart(run: SimRun): RunStartEvent {
  return {
    ...envelope(run),
    type: 'run_start',
    environment: 'testnet',
    config: run.config,
    tickSize: '0.1',
    minOrderSize: '0.01',
    sizeStep: '0.01',
    envFile: run.envFile,
  };
}

const startTs = (generation: number) => START_MS / 1000 + generation * GENERATION_S;

const envelope = ({ runId, market, generation }: SimRun) => ({
  ts: startTs(generation),
  runId,
  market,
  position: null,
  mid: null,
});

/** Folded once per health policy, day and place in time: folding is the dear part, and the same for every schedule. */
function template(health: HealthPolicy, day: Day, generation: number): RunState {
  const key = `${JSON.stringify(health)} ${day} ${generation}`;
  const known = folded.get(key);
  if (known !== undefined) return known;
  const run = newRunState({ health, maxPositionBase: 100 });
  const from = startTs(generation);
  for (const line of [{ type: 'run_start', ts: 0, config: {}, provenance: {} }, ...linesOf(day)]) {
    const event = {
      run_id: 'template',
      seq: 1,
      schema_version: 2,
      market: 'ANY-USD',
      ...line,
      ts: from + Number((line as { ts: number }).ts),
    };
    const parsed = parseLine(JSON.stringify(event));
    if (!parsed.ok) throw new Error(`a made-up line is not read: ${parsed.reason}`);
    observe(run, parsed.event);
  }
  folded.set(key, run);
  return run;
}

function linesOf(day: Day): object[] {
  if (day === 'fresh') return [];
  const known =
    lines.get(day) ?? stretch(1, MINUTES[day], day === 'losing' ? -2 : 2).map((l) => JSON.parse(l.slice(5)) as object);
  lines.set(day, known);
  return known;
}
