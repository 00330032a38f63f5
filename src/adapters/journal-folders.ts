/** What lies in journal folders, listed once for all who look at them in a pass. */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type MarketNames, namesByMarket } from '../core/journal/names.ts';
import { fitting, groupRuns, type RunFiles, runOf } from './journal-files.ts';

/** The newest run of a market by the names in a folder, and the older ones, which cost a look at every name of the market. */
export type FolderRuns = { newest: RunFiles; all(): RunFiles[] };

/**
 * Folder listings shared by the cursors of one pass: one stat per folder and tick, a listing only when it changed. A folder
 * gets a file with every start of a bot, for years: between the ticks its names are not kept.
 */
export class JournalFolders {
  #tick = 0;
  readonly #folders = new Map<string, Folder>();

  /** A new pass begins: folders are looked at again. */
  nextTick(): void {
    this.#tick += 1;
    this.forget();
  }

  /** Lets go of the names; who asks for them again has the folder listed anew. */
  forget(): void {
    for (const folder of this.#folders.values()) folder.names = undefined;
  }

  /** `version` changes when the names may have. */
  look(folder: string): { version: number; readable: boolean } {
    return this.#look(folder);
  }

  /** Names of a market's newest pieces, whatever a pattern says. null: it has none, or the folder cannot be read. */
  newest(folder: string, market: string): readonly string[] | null {
    return this.#names(folder)?.get(market)?.newest ?? null;
  }

  /**
   * Runs of one market that match the journal path of a spec, as `listMarketRuns` gives them; null when there is none, and
   * undefined when the folder cannot be read. Where the newest names all match, none of the older ones is looked at.
   */
  runs(pattern: string, market: string): FolderRuns | null | undefined {
    const folder = dirname(pattern);
    const byMarket = this.#names(folder);
    if (byMarket === null) return undefined;
    const own = byMarket.get(market);
    if (own === undefined) return null;
    const all = () => groupRuns(folder, own.names, pattern, market);
    const newest = own.newest.every(fitting(basename(pattern))) ? runOf(folder, own.newest) : all().at(-1);
    return newest === undefined ? null : { newest, all };
  }

  /** File names by market, null when the folder cannot be read. */
  #names(folder: string): ByMarket | null {
    const entry = this.#look(folder);
    if (entry.names === undefined) entry.names = namesIn(folder);
    return entry.names;
  }

  #look(folder: string): Folder {
    const before = this.#folders.get(folder);
    if (before !== undefined && before.tick === this.#tick) return before;
    const stat = statOrNull(folder);
    const changedMs = stat?.mtimeMs ?? -1;
    if (before?.settled === true && before.changedMs === changedMs) {
      before.tick = this.#tick;
      return before;
    }
    // File times are coarse: a file made just after the listing may leave the folder's time as it was.
    const old = stat !== null && Date.now() - changedMs > 100;
    const names = namesIn(folder);
    // What cannot be read is tried each time: that it can be read again changes no time.
    const settled = old && names !== null;
    const version = (before?.version ?? 0) + 1;
    const entry: Folder = { tick: this.#tick, changedMs, settled, version, readable: names !== null, names };
    this.#folders.set(folder, entry);
    return entry;
  }
}

type Folder = {
  tick: number;
  changedMs: number;
  settled: boolean;
  version: number;
  readable: boolean;
  /** undefined: not kept. */
  names: ByMarket | null | undefined;
};

type ByMarket = ReadonlyMap<string, MarketNames>;

function namesIn(folder: string): ByMarket | null {
  try {
    return namesByMarket(readdirSync(folder));
  } catch {
    return null;
  }
}

/** null: there is no such file, or it cannot be told. */
export function statOrNull(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}
