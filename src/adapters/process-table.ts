/** The Linux process table as values, every process read anew. Reading only; `process-sweep.ts` is the fast path. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';

export type ProcessRow = {
  pid: number;
  /** Process group id. */
  group: number;
  /** Session id; equal to the pid for a session leader. */
  session: number;
  /** Clock ticks since boot. */
  startTicks: string;
};

/** Clock ticks a second in /proc: fixed at 100 by the kernel's user interface on every platform node runs on. */
const TICKS_PER_SECOND = 100;
const KERNEL_THREAD = 0x00200000;
const EXITING = 0x00000004;
/** A process in the middle of an exec is looked at so often: a turn of the loop apart first, then a millisecond. */
const TURNS = 20;
const LOOKS = 2_000;

/** Every live process; zombies and kernel threads are left out. Throws when /proc itself cannot be read. */
export function liveProcesses(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const row = liveProcess(Number(name));
    if (row !== null) rows.push(row);
  }
  return rows;
}

/** One live process; null when it is gone, a zombie or a kernel thread. Throws when the table cannot be read. */
export function liveProcess(pid: number): ProcessRow | null {
  const text = readOf(pid, 'stat');
  if (text === null) return null;
  const fields = fieldsOf(text);
  if (areOver(fields)) return null;
  return { pid, group: Number(fields[2]), session: Number(fields[3]), startTicks: fields[19] ?? '' };
}

/** Whether a stat line is that of a zombie without a thread left, or of a kernel thread, which never was a program. */
export function isOver(stat: string): boolean {
  return areOver(fieldsOf(stat));
}

/**
 * Why an environment is empty, by the stat line: its process is `over`, is a `thread` of the kernel, was started with `none`,
 * or it `changes`, in the middle of an exec: what it will carry cannot be told yet.
 */
export function whyEmpty(stat: string): 'over' | 'thread' | 'none' | 'changes' {
  const fields = fieldsOf(stat);
  const flags = Number(fields[6]);
  if ((flags & KERNEL_THREAD) !== 0) return 'thread';
  if (areOver(fields)) return 'over';
  // Where it begins and ends in memory: nowhere before an exec has put it there, and after the memory was given up.
  const [begin = '0', end = '0'] = fields.slice(47);
  if (end !== '0') return begin === end ? 'none' : 'changes';
  return (flags & EXITING) !== 0 && !(Number(fields[17]) > 1) ? 'over' : 'changes';
}

/** Before something is looked at once more, after so many looks; false: it was enough. */
export async function beforeNextLook(looks: number): Promise<boolean> {
  if (looks < TURNS) await nextTurn();
  else await pause(1);
  return looks < LOOKS;
}

/** The command name in brackets may itself hold blanks and brackets: fields count from the last bracket. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function areOver(fields: string[]): boolean {
  const state = fields[0] ?? 'X';
  // The first thread of a program may end before the others: those still trade.
  const threads = Number(fields[17]);
  return (state === 'Z' && !(threads > 1)) || state === 'X' || (Number(fields[6]) & KERNEL_THREAD) !== 0;
}

/** null: the process is gone, or it is somebody else's file. Any other failure (no descriptor left, say) is no answer. */
function readOf(pid: number | string, file: 'stat' | 'environ'): string | null {
  try {
    return textOf(`/proc/${pid}/${file}`);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return null;
    throw error;
  }
}

/** A file of no known size, in as few calls as it takes: there may be thousands of them. */
function textOf(path: string): string {
  const fd = openSync(path, 'r');
  try {
    for (let length = 0; ; ) {
      const read = readSync(fd, buffer, length, buffer.length - length, null);
      length += read;
      if (read === 0) return buffer.toString('utf8', 0, length);
      if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.alloc(length)]);
    }
  } finally {
    closeSync(fd);
  }
}

let buffer = Buffer.alloc(16 * 1024);

/** The environment a process was started with; null when it is gone or belongs to somebody else. Throws when it cannot be told. */
export async function environOf(row: ProcessRow): Promise<Record<string, string> | null> {
  for (let looks = 1; ; looks += 1) {
    const first = readOf(row.pid, 'environ');
    const text = first === null || first === '' ? threadsEnviron(row.pid) : first;
    if (first === null && text === '') return null;
    if (text !== '') {
      // The pid may have been given to another process between the two reads.
      return liveProcess(row.pid)?.startTicks === row.startTicks ? parseEnviron(text) : null;
    }
    const why = whyEmpty(readOf(row.pid, 'stat') ?? '');
    if (why !== 'changes') return why === 'none' ? {} : null;
    if (!(await beforeNextLook(looks))) throw new Error(`what pid ${row.pid} carries cannot be told`);
  }
}

/** Folders in /proc of the threads of a process other than the first, which may have ended before them. */
export function otherThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((tid) => (tid === String(pid) ? [] : [`${pid}/task/${tid}`]));
  } catch {
    return [];
  }
}

function threadsEnviron(pid: number): string {
  for (const thread of otherThreads(pid)) {
    const text = readOf(thread, 'environ');
    if (text !== null && text !== '') return text;
  }
  return '';
}

/** Wall time of a process's start in ms; `bootMs` is the machine's. */
export function startedAtMs(startTicks: string, bootMs: number): number {
  return Math.round(bootMs + (Number(startTicks) * 1000) / TICKS_PER_SECOND);
}

/** Wall time at which the machine was started, ms. */
export function bootedAtMs(nowMs: number): number {
  return nowMs - Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
}

/** `NAME=value` entries, a zero byte apart; the first of a name counts. */
export function parseEnviron(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const entry of text.split('\0')) {
    const at = entry.indexOf('=');
    if (at > 0) env[entry.slice(0, at)] ??= entry.slice(at + 1);
  }
  return env;
}
