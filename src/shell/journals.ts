/**
 * What each instance's journal says, folded as it grows. Cached in `.mmfleet/cache`; the cache may vanish at any moment.
 *
 * A long run that nothing is remembered of is read from its end first, as far back as the rules look: what lies before is a
 * gap like any other, so that it can only lead to doing less. Whatever is done is decided on the whole run (`readWhole`): an
 * alarm stays found until the run ends, earnings are sums over it. Reading goes in slices, and then only what was appended.
 */
import { statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { PollResult } from '../adapters/journal-cursor.ts';
import { JournalFolders } from '../adapters/journal-folders.ts';
import type { JournalEvidence } from '../adapters/journal-venue.ts';
import { keep, loadKept } from '../adapters/kept-file.ts';
import type { EdgeSums } from '../core/health/edge-sums.ts';
import { glanceOf, type RunGlance } from '../core/health/glance.ts';
import { reachOf } from '../core/health/reach.ts';
import { loadRun, type RunState, storeRun } from '../core/health/run.ts';
import type { RunEndEvent, RunStartEvent } from '../core/journal/types.ts';
import type { Instance } from '../core/spec/types.ts';
import type { Decided } from '../core/tuning/decide.ts';
import type { RunFacts } from './converge/stop.ts';
import { EarlierRuns, SLICE_BYTES } from './earlier-runs.ts';
import type { Decisions } from './quiet-journals.ts';
import {
  capOf,
  furtherBack,
  isWorthKeeping,
  type KeptRun,
  keyOf,
  type LookedAt,
  newEntry,
  type RunEntry,
  sinkOf,
} from './run-entry.ts';

export type JournalView =
  /** No journal of this market: it never ran, or the folder is not there yet. */
  | { state: 'none' }
  | { state: 'unknown'; reason: string }
  | {
      state: 'ok';
      runId: string;
      /** May have to be restored first: `toldBy` says what most looks need of it. */
      run: RunState;
      /** What stands for the run while it has not been restored. */
      glance?: RunGlance;
      /** What an earlier command decided on the same bytes, and at which state of git. */
      decided?: { of: string; decided: Decided };
      /** null: the run's first piece is gone. */
      runStart: RunStartEvent | null;
      runEnd: RunEndEvent | null;
      /** A shutdown is written down, whether or not the process still lives. */
      shuttingDown: boolean;
      /** Wall time of the last byte, ms. */
      lastByteAtMs: number;
      /** The piece being written. */
      path: string;
    };

/** The pattern of a journal's pieces, absolute, and their folder. */
type Place = { pattern: string; folder: string };

type Stored = Omit<KeptRun, 'run'>;

/** What passes read of the journals. */
export type JournalReader = Pick<
  Journals,
  'look' | 'runIds' | 'facts' | 'evidence' | 'reference' | 'edgesOf' | 'catchUp' | 'readWhole' | 'readEarlier'
> &
  Partial<Pick<Journals, 'together' | 'keepOnly'>> & {
    /** `decisions`: what was decided in the look before. */
    save(decisions?: Decisions | null): Promise<void>;
  };

const WRITES_A_TURN = 8;

export class Journals {
  readonly #root: string;
  readonly #cacheDir: string;
  /** What the folders hold, for whoever looks at them in the same look. */
  readonly folders = new JournalFolders();
  readonly #entries = new Map<string, RunEntry>();
  readonly #earlier: EarlierRuns;
  readonly #places = new WeakMap<Instance, Place>();
  /** Which folders are there, in the look at many instances that goes on; null: each is looked at by itself. */
  #look: Map<string, boolean | null> | null = null;

  constructor(root: string, stateDir: string) {
    this.#root = root;
    this.#cacheDir = join(stateDir, 'cache');
    this.#earlier = new EarlierRuns(root, this.folders);
  }

  /** One look at many instances: until it is over no folder is listed twice, and what is caught up with is not read again. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    this.folders.nextTick();
    this.#look = new Map();
    try {
      return await work();
    } finally {
      this.#look = null;
      this.folders.forget();
      for (const entry of this.#entries.values()) delete entry.polled;
    }
  }

  /** Lets go of what is remembered of all others: they are declared no more. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#entries.keys()) if (!names.has(name)) this.#entries.delete(name);
    this.#earlier.keepOnly(names);
  }

  /** Reads a journal that this process has not read yet, in slices between which others have their turn; undefined: it has. */
  catchUp(instance: LookedAt): Promise<void> | undefined {
    const { spec, env } = instance;
    if (spec === null) return undefined;
    const known = this.#entries.get(instance.name);
    if (known?.caughtUp === true && known.made.spec === spec && known.made.env === env) return undefined;
    const { pattern, folder } = this.#placeOf(spec);
    return this.#isThere(folder) === true ? this.#readOn(instance, spec, pattern) : undefined;
  }

  /** Reads a run from its start of which only the end was read; slices as before. */
  async readWhole(instance: LookedAt): Promise<void> {
    const { name, spec } = instance;
    if (spec === null) return;
    const pattern = resolve(this.#root, spec.journal.path);
    this.#entries.set(name, newEntry(instance, spec, pattern, { key: keyOf(instance, spec, pattern), reachS: null }));
    await this.#readOn(instance, spec, pattern);
  }

  async #readOn(instance: LookedAt, spec: Instance, pattern: string): Promise<void> {
    for (;;) {
      const entry = this.#entryOf(instance, spec, pattern);
      const polled = this.#poll(entry, instance, spec, SLICE_BYTES);
      const reachS = polled.known && !polled.more ? furtherBack(entry) : entry.reachS;
      if (reachS !== entry.reachS) {
        this.#entries.set(instance.name, newEntry(instance, spec, pattern, { key: entry.key, reachS }));
      } else if (!polled.known || !polled.more) {
        entry.caughtUp = true;
        entry.entered = null;
        if (this.#look !== null) entry.polled = polled;
        return;
      }
      await setImmediate();
    }
  }

  /** Reads what was appended and gives the newest run of an instance. */
  look(instance: LookedAt): JournalView {
    const { spec } = instance;
    if (spec === null) return { state: 'none' };
    const { pattern, folder } = this.#placeOf(spec);
    const there = this.#isThere(folder);
    if (there === null) return { state: 'unknown', reason: 'journal folder cannot be read' };
    if (!there) return { state: 'none' };
    const entry = this.#entryOf(instance, spec, pattern);
    const polled = entry.polled ?? this.#poll(entry, instance, spec);
    delete entry.polled;
    if (!polled.known)
      return polled.reason === 'no journal' ? { state: 'none' } : { state: 'unknown', reason: polled.reason };
    // A file without a single event yet is a start that has not said anything.
    if (entry.run.startTs === null) return { state: 'none' };
    const { run, runStart, runEnd, shuttingDown } = entry;
    const { changedAtMs: lastByteAtMs, path } = polled;
    if (entry.view?.lastByteAtMs !== lastByteAtMs)
      entry.view = { state: 'ok', runId: run.runId, run, runStart, runEnd, shuttingDown, lastByteAtMs, path };
    return entry.view;
  }

  #placeOf(spec: Instance): Place {
    let place = this.#places.get(spec);
    if (place === undefined) {
      const pattern = resolve(this.#root, spec.journal.path);
      place = { pattern, folder: dirname(pattern) };
      this.#places.set(spec, place);
    }
    return place;
  }

  /** null: it cannot be told. */
  #isThere(folder: string): boolean | null {
    const known = this.#look?.get(folder);
    if (known !== undefined) return known;
    const there = isThere(folder);
    this.#look?.set(folder, there);
    return there;
  }

  #poll(entry: RunEntry, instance: LookedAt, spec: Instance, most?: number): PollResult {
    // Spec and cap are in the entry's key: for others there is another entry.
    entry.sink ??= sinkOf(entry, spec, capOf(instance));
    if (this.#look === null) this.folders.nextTick();
    const polled = entry.cursor.poll(this.folders, entry.sink, most);
    if (!polled.known) return polled;
    const offset = entry.cursor.toJSON()?.offset ?? 0;
    if (polled.newRun) this.#earlier.forget(instance.name);
    if (polled.bytes > 0 || polled.newRun) entry.changed = true;
    entry.unkept += polled.bytes;
    entry.changedAtMs = polled.changedAtMs;
    if (polled.bytes > 0 || polled.newRun || polled.path !== entry.path || offset !== entry.offset)
      entry.view = undefined;
    entry.path = polled.path;
    entry.offset = offset;
    return polled;
  }

  /** Ids of the runs seen so far: a start is confirmed only by another one. */
  runIds(instance: LookedAt): string[] {
    const view = this.look(instance);
    return view.state === 'ok' ? [view.runId] : [];
  }

  /** What the newest run says of its end, read now. */
  facts(instance: LookedAt): RunFacts {
    const view = this.look(instance);
    if (view.state !== 'ok') return { runId: null, botSays: null };
    const flatten = view.runEnd?.flatten;
    return {
      runId: view.runId,
      botSays: flatten === undefined ? null : { positionAfter: flatten.positionAfter, reason: flatten.reason },
    };
  }

  /** The bot's own words as (weak) evidence of flatness. */
  evidence(instance: LookedAt, killed: boolean): JournalEvidence {
    const view = this.look(instance);
    if (view.state !== 'ok') {
      const noRun =
        view.state === 'none'
          ? 'no run is in the journal yet, and this venue knows nothing else: a first start needs spec.venue.ccxt or command'
          : view.reason;
      return { exitClean: false, runEnd: null, lastPosition: null, noRun };
    }
    const flatten = view.runEnd?.flatten;
    return {
      exitClean: view.runEnd !== null && !killed,
      runEnd:
        flatten === undefined
          ? null
          : {
              positionAfter: flatten.positionAfter,
              activeOrders: flatten.activeOrders,
              hasStats: Object.keys(view.runEnd?.stats ?? {}).length > 0,
            },
      lastPosition: view.run.position?.base ?? null,
    };
  }

  /** The journal bytes a decision stands on: `file@0..offset`; null without a journal. */
  reference(name: string): string | null {
    const entry = this.#entries.get(name);
    return entry === undefined || entry.path === '' ? null : `${basename(entry.path)}@0..${entry.offset}`;
  }

  /** What an earlier iteration earned lately, from its newest run; null: none is there; undefined: `readEarlier` finds out. */
  edgesOf(instance: LookedAt, envFileName: string): EdgeSums | null | undefined {
    return instance.spec === null ? null : this.#earlier.edgesOf(instance.name, instance.spec, envFileName);
  }

  async readEarlier({ name, spec }: LookedAt, envFileName: string): Promise<void> {
    if (spec !== null) await this.#earlier.read(name, spec, envFileName);
  }

  /** What is remembered of an instance's run and where its journal was read to; null: it is not all in the cache. */
  standing(name: string) {
    const entry = this.#entries.get(name);
    const cursor = entry?.cursor.toJSON();
    if (entry === undefined || cursor === undefined || entry.changed || entry.run.startTs === null) return null;
    const { key, run, runStart, runEnd, shuttingDown } = entry;
    return { cursor, key, run, runStart, runEnd, shuttingDown };
  }

  /** Writes the cache of what changed, so that the next one-shot run reads only what is new. Without room for it nothing is lost. */
  async save(): Promise<void> {
    let written = 0;
    for (const [name, entry] of this.#entries) {
      const cursor = entry.cursor.toJSON();
      if (!entry.changed || cursor === undefined || !isWorthKeeping(entry)) continue;
      const { key, runStart, runEnd, shuttingDown } = entry;
      const stored: Stored = { cursor, runStart, runEnd, shuttingDown };
      entry.changed = keep(this.#keptPath(name), key, `${JSON.stringify(stored)}\n${storeRun(entry.run)}`) === null;
      if (!entry.changed) Object.assign(entry, { unkept: 0, keptTs: entry.run.now });
      written += 1;
      if (written % WRITES_A_TURN === 0) await setImmediate();
    }
  }

  #keptPath(name: string): string {
    return join(this.#cacheDir, `${name}.json`);
  }

  #entryOf(instance: LookedAt, spec: Instance, pattern: string): RunEntry {
    const made = { spec, env: instance.env };
    const known = this.#entries.get(instance.name);
    if (known !== undefined && known.made.spec === spec && known.made.env === instance.env) return known;
    const key = keyOf(instance, spec, pattern);
    if (known !== undefined && known.key === key) {
      known.made = made;
      return known;
    }
    const entry =
      this.#restore(instance, spec, pattern, key) ??
      newEntry(instance, spec, pattern, { key, reachS: reachOf(spec.health) });
    this.#entries.set(instance.name, entry);
    return entry;
  }

  /** A cache that is absent, damaged or of another policy only costs reading the run again. */
  #restore(instance: LookedAt, spec: Instance, pattern: string, key: string): RunEntry | null {
    // What is not what was written could be a state that no journal leads to: nothing may be decided from it.
    const body = loadKept(this.#keptPath(instance.name), key)?.body;
    if (body === undefined) return null;
    try {
      const end = body.indexOf('\n');
      const stored = JSON.parse(body.slice(0, end)) as Stored;
      const run = loadRun(body.slice(end + 1), { health: spec.health, maxPositionBase: capOf(instance) });
      if (run === null) return null;
      return newEntry(instance, spec, pattern, { key, reachS: reachOf(spec.health) }, { ...stored, run });
    } catch {
      return null;
    }
  }
}

/** A folder that may not be looked into, or does not answer, is not one that is not there. */
function isThere(folder: string): boolean | null {
  try {
    return statSync(folder, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return null;
  }
}

/** The numbers of a run that looks need. */
export function toldBy(view: Extract<JournalView, { state: 'ok' }>): RunGlance {
  return view.glance ?? glanceOf(view.run);
}

/** The env file that the run says it has; null when it does not say. */
export function envFileOf(view: Extract<JournalView, { state: 'ok' }>): string | null {
  return view.glance === undefined ? view.run.envFile : view.glance.envFile;
}
