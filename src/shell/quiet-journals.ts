/**
 * Journals as passes read them, without restoring the runs of those that say nothing new. What is given instead was made
 * from the same bytes by the same program; the run itself is restored as soon as somebody asks for it.
 */
import { dirname, isAbsolute } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { endOf, referenceOf, stillEnds } from '../adapters/journal-end.ts';
import type { JournalFolders } from '../adapters/journal-folders.ts';
import { glanceOf } from '../core/health/glance.ts';
import { newRunState, type RunState } from '../core/health/run.ts';
import type { RunStartEvent } from '../core/journal/types.ts';
import type { Decided } from '../core/tuning/decide.ts';
import type { GlanceFile, Glances, KeptGlance } from './glances.ts';
import type { JournalReader, Journals, JournalView } from './journals.ts';
import { keyOf, type LookedAt } from './run-entry.ts';

/** What was decided in a look, for the next command: by the state of git it was decided at. */
export type Decisions = { of: string; decidedOf(name: string): Decided | null };

const MADE_A_TURN = 8;

type Quiet = {
  kept: KeptGlance;
  view?: JournalView;
  look?: number;
  made: Pick<LookedAt, 'spec' | 'env'>;
  folder: string;
  /** Of the folder when the journal was found to end there last. */
  version?: number;
};

/** `inner` restores and reads; `file` is read at the first look. */
export function quietJournals(root: string, inner: Journals, file: GlanceFile): JournalReader {
  const { folders } = inner;
  const looked = new Map<string, LookedAt>();
  /** Whose glance still stands, by name; null: theirs does not. */
  const quiet = new Map<string, Quiet | null>();
  let glances: Glances | null = null;
  /** One look at many instances goes on, and which one it is: in it each journal is asked once. */
  let within = false;
  let look = 0;
  const stored = () => {
    glances ??= file.read();
    return glances;
  };

  /** The glance of an instance whose journal still ends where it did when that was made. */
  const quietOf = (instance: LookedAt): Quiet | null => {
    const { name, spec, env } = instance;
    if (spec === null) return null;
    if (looked.get(name) !== instance) looked.set(name, instance);
    const known = quiet.get(name);
    if (known === null) return null;
    if (known !== undefined && within && known.look === look && known.made.spec === spec && known.made.env === env)
      return known;
    if (!within) folders.nextTick();
    let found = known;
    if (found === undefined || found.made.spec !== spec || found.made.env !== env) {
      const kept = stored().byName.get(name);
      const pattern = patternOf(root, spec.journal.path);
      if (kept !== undefined && kept.key === keyOf(instance, spec, pattern))
        found = { kept, made: { spec, env }, folder: dirname(pattern) };
      else found = undefined;
    }
    const version =
      found === undefined ? null : stillEnds(folders, found.folder, spec.market, found.kept.end, found.version);
    const stands = found === undefined || version === null ? null : Object.assign(found, { look, version });
    quiet.set(name, stands);
    return stands;
  };

  /** From now on it is read as any other. */
  const giveUp = (name: string) => quiet.set(name, null);

  const runOf = (instance: LookedAt): RunState => {
    giveUp(instance.name);
    const view = inner.look(instance);
    // What became of it in between: a run that no id fits.
    const { health } = instance.spec!;
    return view.state === 'ok' ? view.run : newRunState({ health, maxPositionBase: null });
  };

  const viewOf = (instance: LookedAt, kept: KeptGlance): JournalView => {
    const { end, runId, glance, runEnd, shuttingDown } = kept;
    const decided = kept.decided === null || stored().of === null ? null : { of: stored().of!, decided: kept.decided };
    let run: RunState | undefined;
    return {
      state: 'ok',
      runId,
      get run() {
        run ??= runOf(instance);
        return run;
      },
      get runStart() {
        return runStartOf(kept);
      },
      glance,
      ...(decided === null ? {} : { decided }),
      runEnd,
      shuttingDown,
      lastByteAtMs: end.changedAtMs,
      path: end.piece,
    };
  };

  /** Takes up those that stood still since their runs were kept. */
  const note = async (names: readonly string[], decisions: Decisions | null) => {
    const before = stored();
    const of = decisions?.of ?? before.of;
    const byName = new Map<string, KeptGlance>();
    let made = 0;
    for (const name of names) {
      const last = before.byName.get(name);
      const instance = looked.get(name);
      const glance = instance === undefined ? null : glanceNow(inner, folders, root, instance, last);
      if (glance === null) continue;
      const told = decisions === null ? (glance === last ? last.decided : null) : decisions.decidedOf(name);
      const decided = told !== null && isPlain(told) ? told : null;
      const same = glance === last && before.of === of && isDeepStrictEqual(decided, last.decided);
      byName.set(name, same ? glance : { ...glance, decided });
      if (same) continue;
      made += 1;
      if (made % MADE_A_TURN === 0) await setImmediate();
    }
    if (made === 0) return;
    for (const [name, found] of quiet) {
      if (found === null || found === undefined || byName.has(name)) continue;
      byName.set(name, before.of === of ? found.kept : { ...found.kept, decided: null });
    }
    glances = { of, byName };
    file.write(glances);
  };

  const read = (name: string): Journals => {
    giveUp(name);
    return inner;
  };
  return {
    together: (work) =>
      inner.together(async () => {
        within = true;
        look += 1;
        try {
          return await work();
        } finally {
          within = false;
        }
      }),
    keepOnly(names) {
      for (const map of [looked, quiet]) for (const name of map.keys()) if (!names.has(name)) map.delete(name);
      inner.keepOnly(names);
    },
    catchUp: (instance) => (quietOf(instance) === null ? inner.catchUp(instance) : undefined),
    look(instance) {
      const found = quietOf(instance);
      if (found === null) return inner.look(instance);
      found.view ??= viewOf(instance, found.kept);
      return found.view;
    },
    runIds: (instance) => read(instance.name).runIds(instance),
    facts: (instance) => read(instance.name).facts(instance),
    evidence: (instance, killed) => read(instance.name).evidence(instance, killed),
    reference(name) {
      const found = quiet.get(name);
      return found == null ? inner.reference(name) : referenceOf(found.kept.end);
    },
    edgesOf: (instance, envFileName) => inner.edgesOf(instance, envFileName),
    readWhole: (instance) => read(instance.name).readWhole(instance),
    readEarlier: (instance, envFileName) => inner.readEarlier(instance, envFileName),
    async save(decisions = null) {
      const still = [...looked.keys()].filter((name) => inner.standing(name) !== null);
      await inner.save();
      folders.nextTick();
      await note(still, decisions);
      folders.forget();
    },
  };
}

/** The glance of a run as it was restored or kept, when its journal ends where it was read to; `last` when that says the same. */
function glanceNow(
  inner: Journals,
  folders: JournalFolders,
  root: string,
  { name, spec }: LookedAt,
  last: KeptGlance | undefined,
): KeptGlance | null {
  const standing = inner.standing(name);
  if (standing === null || spec === null) return null;
  const { cursor, key, run, runStart, runEnd, shuttingDown } = standing;
  const end = endOf(folders, patternOf(root, spec.journal.path), spec.market);
  const there = end !== null && end.piece === cursor.piece && end.ino === cursor.ino && end.dev === cursor.dev;
  if (!there || end.size !== cursor.offset || cursor.skipping) return null;
  if (last !== undefined && last.key === key && isDeepStrictEqual(last.end, end)) return last;
  const head = { name, key, end, runId: run.runId, glance: glanceOf(run), runEnd, shuttingDown, decided: null };
  return isPlain({ ...head, runStart }) ? { ...head, runStart: JSON.stringify(runStart) } : null;
}

/** Whether JSON gives it back exactly as it is. */
const isPlain = (value: object) => isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value);

const starts = new WeakMap<KeptGlance, RunStartEvent | null>();

/** The same object each time: it is compared once. */
function runStartOf(kept: KeptGlance): RunStartEvent | null {
  let event = starts.get(kept);
  if (event === undefined) {
    event = JSON.parse(kept.runStart) as RunStartEvent | null;
    starts.set(kept, event);
  }
  return event;
}

/** As `resolve` says it; paths of specs are plain already. */
function patternOf(root: string, path: string): string {
  return isAbsolute(path) ? path : `${root}/${path}`;
}
