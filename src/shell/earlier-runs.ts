/** What earlier iterations earned, from their journals on disk: the other side of a verdict. */
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { scanDescriptor } from '../adapters/journal-blocks.ts';
import { firstEvent, type RunFiles, withFile } from '../adapters/journal-files.ts';
import type { JournalFolders } from '../adapters/journal-folders.ts';
import { placeBefore } from '../adapters/journal-seek.ts';
import type { EdgeSums } from '../core/health/edge-sums.ts';
import { leaveOut, observe, tells } from '../core/health/observe.ts';
import { newRunState, type RunState } from '../core/health/run.ts';
import { LineScanner } from '../core/journal/scan.ts';
import type { Instance } from '../core/spec/types.ts';

/** Bytes read before others get their turn: some 50 ms. */
export const SLICE_BYTES = 16 * 1024 * 1024;

export class EarlierRuns {
  readonly #root: string;
  readonly #folders: JournalFolders;
  /** One an instance: it is compared with the iteration before it only. */
  readonly #known = new Map<string, { envFileName: string; spec: Instance; edges: EdgeSums | null }>();
  /** Whose journals could not be listed: nothing is known of them until they are looked for again. */
  readonly #unread = new Set<string>();

  constructor(root: string, folders: JournalFolders) {
    this.#root = root;
    this.#folders = folders;
  }

  /** What the newest run of that env earned; null: no journal of one is there; undefined: `read` has not looked yet. */
  edgesOf(name: string, spec: Instance, envFileName: string): EdgeSums | null | undefined {
    const known = this.#known.get(name);
    return known?.envFileName === envFileName && known.spec === spec ? known.edges : undefined;
  }

  /** Another run began: the one before it is complete only now, and may be the newest of the same env. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  /** Lets go of what is remembered of all others, and of what could not be read: each pass looks for that again. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#known.keys()) if (!names.has(name) || this.#unread.has(name)) this.#known.delete(name);
    this.#unread.clear();
  }

  /**
   * Reads the end of that run, as much journal time as the run after it gets until its verdict, in slices between which
   * others have their turn.
   */
  async read(name: string, spec: Instance, envFileName: string): Promise<void> {
    const runs = this.#folders.runs(resolve(this.#root, spec.journal.path), spec.market);
    if (runs === undefined) this.#unread.add(name);
    let edges: EdgeSums | null = null;
    for (const files of runs?.all().toReversed() ?? []) {
      const first = firstEvent(files.paths[0]!, tells);
      // A run that says at its start which env it has need not be read for another one's sake.
      if (first?.type === 'run_start' && envNameOf(first.envFile) !== envFileName) continue;
      const run = await foldEnd(files, spec);
      if (envNameOf(run.envFile) !== envFileName) continue;
      edges = run.edges.closed;
      break;
    }
    this.#known.set(name, { envFileName, spec, edges });
  }
}

/** The file name of an env that a journal or a process names. */
const envNameOf = (envFile: string | null) => envFile?.split('/').at(-1);

async function foldEnd({ paths }: RunFiles, spec: Instance): Promise<RunState> {
  const run = newRunState({ health: spec.health, maxPositionBase: null });
  const scanner = new LineScanner({
    event: (event) => observe(run, event),
    quick: (line) => observe(run, line.passing),
    bad: () => {},
  });
  const head = firstEvent(paths[0]!, tells);
  const place = head?.type === 'run_start' ? placeBefore(paths, spec.tuning.verdictWithinMs / 1000, tells) : null;
  if (head !== null && place !== null) {
    observe(run, head);
    leaveOut(run, place.skippedBytes);
  }
  const from = place === null ? 0 : paths.indexOf(place.piece);
  for (const [n, path] of paths.slice(from).entries()) {
    scanner.startFile();
    await scanSlices(path, scanner, n === 0 ? (place?.offset ?? 0) : 0);
  }
  return run;
}

/** A file from an offset to its end; one that cannot be read gives what was read of it. */
async function scanSlices(path: string, scanner: LineScanner, offset: number): Promise<void> {
  let place = { offset, skipping: false };
  for (;;) {
    const read = withFile(path, (fd) => {
      const end = scanDescriptor(fd, scanner, place, undefined, SLICE_BYTES);
      if (!end.more && end.skipping) scanner.skipLongLine();
      else if (!end.more) scanner.scanTail(end.rest);
      return end;
    });
    if (!read.ok || !read.value.more) return;
    place = { offset: read.value.offset, skipping: read.value.skipping };
    await setImmediate();
  }
}
