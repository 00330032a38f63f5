/** Every process that carries our markers, in one cheap sweep of the process table: the fast path beside `process-table.ts`. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { beforeNextLook, isOver, liveProcess, otherThreads, type ProcessRow, whyEmpty } from './process-table.ts';

/** A live process with the `MMFLEET_*` variables it was started with. */
export type Marked = { row: ProcessRow; env: Readonly<Record<string, string>> };

type Seen = {
  /**
   * `image`: `fd` is its environ, which gives a byte for as long as this very program runs: nothing after its end or an exec.
   * `idle`: `fd` is its stat; a zombie or a kernel thread when last read. `foreign`: somebody else's, no descriptor.
   */
  kind: 'image' | 'idle' | 'foreign';
  fd: number;
  /** null: it carries no marker of ours, or that of a fleet that was not asked for. */
  marked: Marked | null;
  /** Whose marker it carries; the very text that is asked for once it was asked for. null: none. */
  fleet: string | null;
  sweep: number;
};

/** Descriptors kept at most, and never more than half of what this process may open: the rest is read anew in every sweep. */
const KEPT_MOST = 8_192;
const FLEET = 'MMFLEET_FLEET';
const MARKER = Buffer.from(`${FLEET}=`);
const PREFIX = Buffer.from('MMFLEET_');

/** Remembers what each process carries for as long as the same program runs in it; nothing is believed beyond that. */
export class ProcessSweep {
  readonly #seen = new Map<number, Seen>();
  readonly #byte = Buffer.alloc(1);
  #buffer = Buffer.alloc(64 * 1024);
  #kept = 0;
  /** null: not looked up yet. */
  #most: number | null = null;
  #sweep = 0;

  /** The carriers of one fleet, in no order. Throws when /proc, or a process that may be ours, cannot be read or told: unknown, never empty. */
  async marked(fleet: string): Promise<Marked[]> {
    const found: Marked[] = [];
    this.#sweep += 1;
    let newest = newestPid();
    const first = pids();
    let listed: Set<number> | null = null;
    for (let [looks, rest] = [1, first]; rest.length > 0; looks += 1) {
      const again: number[] = [];
      let ended = false;
      for (const pid of rest) {
        const answer = this.#look(pid, fleet);
        if (answer === 'over') ended = true;
        else if (answer === 'changes') again.push(pid);
        else if (answer !== null) found.push(answer);
      }
      const since = newest;
      if (ended) newest = newestPid();
      if (newest !== since) {
        // Who ended after the list was made may have left a child that is not on it.
        listed ??= new Set(first);
        for (const pid of pids()) {
          if (listed.has(pid)) continue;
          listed.add(pid);
          again.push(pid);
        }
      }
      if (again.length > 0 && !(await beforeNextLook(looks)))
        throw new Error(`what pid ${again[0]} carries cannot be told`);
      rest = again;
    }
    for (const [pid, seen] of this.#seen) if (seen.sweep !== this.#sweep) this.#forget(pid, seen);
    return found;
  }

  /** Gives the descriptors back; the next sweep reads everything anew. */
  close(): void {
    for (const [pid, seen] of this.#seen) this.#forget(pid, seen);
  }

  #look(pid: number, fleet: string): Marked | null | 'over' | 'changes' {
    const seen = this.#seen.get(pid);
    if (seen !== undefined) {
      seen.sweep = this.#sweep;
      const asked = seen.fleet === fleet;
      if (asked) seen.fleet = fleet;
      const told = !asked || seen.marked !== null;
      if (told && this.#holds(pid, seen, asked)) return asked ? seen.marked : null;
      this.#forget(pid, seen);
    }
    return this.#read(pid, fleet);
  }

  /** Whether what was seen of a pid is still what stands there. */
  #holds(pid: number, seen: Seen, asked: boolean): boolean {
    if (seen.kind === 'foreign') return !mayBeOurs(pid);
    if (seen.kind === 'idle') return this.#stillIdle(seen.fd);
    if (!this.#runs(seen.fd)) return false;
    if (!asked || seen.marked === null) return true;
    const { row, env } = seen.marked;
    // A leader of its own session and group can leave neither; any other process may move to another one.
    if (row.session === pid && row.group === pid) return true;
    const now = liveProcess(pid);
    if (now?.startTicks !== row.startTicks) return false;
    if (now.session !== row.session || now.group !== row.group) seen.marked = { row: now, env };
    return true;
  }

  #runs(environ: number): boolean {
    try {
      return readSync(environ, this.#byte, 0, 1, 0) === 1;
    } catch {
      return false;
    }
  }

  #stillIdle(stat: number): boolean {
    const text = this.#statOf(stat);
    return text !== null && isOver(text);
  }

  /** null: its process is gone. */
  #statOf(fd: number): string | null {
    try {
      return this.#buffer.toString('latin1', 0, readSync(fd, this.#buffer, 0, this.#buffer.length, 0));
    } catch {
      return null;
    }
  }

  #read(pid: number, fleet: string): Marked | null | 'over' | 'changes' {
    const found = this.#readAt(pid, `/proc/${pid}/environ`, fleet);
    if (found !== 'empty') return found;
    for (const thread of otherThreads(pid)) {
      const told = this.#readAt(pid, `/proc/${thread}/environ`, fleet);
      if (told !== 'empty') return told;
    }
    return this.#withoutEnviron(pid);
  }

  #readAt(pid: number, environ: string, fleet: string): Marked | null | 'over' | 'changes' | 'empty' {
    const opened = this.#open(environ);
    if (opened === 'gone') return 'empty';
    if (opened === 'foreign') {
      this.#keep(pid, { kind: 'foreign', fd: -1, marked: null, fleet: null });
      return null;
    }
    let kept = false;
    try {
      const bytes = this.#readAll(opened);
      if (bytes.length === 0) return 'empty';
      const theirs = fleetIn(bytes);
      const marked = theirs === fleet ? markedOf(pid, markersIn(bytes)) : null;
      // What stat said belongs to what environ said only if that program still runs. Of others nothing more is said.
      if (marked === 'gone' || (marked !== null && !this.#runs(opened)))
        return liveProcess(pid) === null ? 'over' : 'changes';
      kept = this.#keep(pid, { kind: 'image', fd: opened, marked, fleet: theirs });
      return marked;
    } finally {
      if (!kept) closeSync(opened);
    }
  }

  /** A zombie and a kernel thread have no environment and stay as they are. */
  #withoutEnviron(pid: number): null | 'over' | 'changes' {
    const stat = this.#open(`/proc/${pid}/stat`);
    if (stat === 'foreign') return null;
    const text = stat === 'gone' ? null : this.#statOf(stat);
    const why = text === null ? 'over' : whyEmpty(text);
    const stays = text !== null && isOver(text);
    const kept = stays && this.#keep(pid, { kind: 'idle', fd: stat as number, marked: null, fleet: null });
    if (stat !== 'gone' && !kept) closeSync(stat);
    return why === 'over' || why === 'changes' ? why : null;
  }

  #readAll(fd: number): Buffer {
    let length = 0;
    for (;;) {
      const read = readSync(fd, this.#buffer, length, this.#buffer.length - length, length);
      length += read;
      // The kernel gives all there is that fits, and the last of it ends with a zero: looking for more costs as much again.
      const isWhole = length < this.#buffer.length && this.#buffer[length - 1] === 0;
      if (read === 0 || isWhole) return this.#buffer.subarray(0, length);
      if (length === this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer, Buffer.alloc(length)]);
    }
  }

  /** Out of descriptors is no answer: those that are kept go first, and then it is a failure. */
  #open(path: string): number | 'gone' | 'foreign' {
    for (;;) {
      try {
        return openSync(path, 'r');
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'ESRCH') return 'gone';
        if (code === 'EACCES' || code === 'EPERM') return 'foreign';
        if ((code !== 'EMFILE' && code !== 'ENFILE') || this.#kept === 0) throw error;
        this.#most = Math.floor(this.#kept / 2);
        this.close();
      }
    }
  }

  /** Not in the first sweep: most commands make no other, and a table of many descriptors is long in growing. */
  #keep(pid: number, seen: Omit<Seen, 'sweep'>): boolean {
    if (this.#sweep === 1) return false;
    this.#most ??= Math.min(KEPT_MOST, Math.floor(descriptorLimit() / 2));
    if (seen.fd !== -1 && this.#kept >= this.#most) return false;
    if (seen.fd !== -1) this.#kept += 1;
    const { kind, fd, marked, fleet } = seen;
    // Field by field: a copy that is spread has a shape of its own, which takes four times as much as what it holds.
    this.#seen.set(pid, { kind, fd, marked, fleet, sweep: this.#sweep });
    return true;
  }

  #forget(pid: number, seen: Seen): void {
    this.#seen.delete(pid);
    if (seen.fd === -1) return;
    this.#kept -= 1;
    closeSync(seen.fd);
  }
}

/** Another text as soon as a process or thread was made. */
function newestPid(): string {
  return readFileSync('/proc/loadavg', 'latin1').split(' ')[4] ?? '';
}

/** Every process there is now, kernel threads and zombies among them. */
function pids(): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const first = name.charCodeAt(0);
    if (first >= 0x31 && first <= 0x39) found.push(Number(name));
  }
  return found;
}

function descriptorLimit(): number {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === undefined ? 2 * KEPT_MOST : Number(soft);
}

/** The owner of what could not be opened is looked up anew: a process may become another user's, or ours. */
function mayBeOurs(pid: number): boolean {
  const owner = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
  return owner !== undefined && owner === process.geteuid?.();
}

/** Whose marker an environment carries; null: none. Of a name that stands there twice the first counts. */
function fleetIn(environ: Buffer): string | null {
  for (let at = environ.indexOf(MARKER); at !== -1; at = environ.indexOf(MARKER, at + 1)) {
    if (at > 0 && environ[at - 1] !== 0) continue;
    const end = environ.indexOf(0, at);
    return environ.toString('utf8', at + MARKER.length, end === -1 ? environ.length : end);
  }
  return null;
}

/** Only our markers are kept, or so much as looked at: everything else in an environment, secrets among it, is nobody's to remember. */
function markersIn(environ: Buffer): Record<string, string> {
  const env: Record<string, string> = {};
  for (let at = environ.indexOf(PREFIX); at !== -1; at = environ.indexOf(PREFIX, at + 1)) {
    if (at > 0 && environ[at - 1] !== 0) continue;
    const end = environ.indexOf(0, at);
    const entry = environ.toString('utf8', at, end === -1 ? environ.length : end);
    const equals = entry.indexOf('=');
    // Of a name that stands there twice the first counts.
    if (equals > 0) env[entry.slice(0, equals)] ??= entry.slice(equals + 1);
  }
  return env;
}

function markedOf(pid: number, env: Record<string, string>): Marked | 'gone' {
  const row = liveProcess(pid);
  return row === null ? 'gone' : { row, env };
}
