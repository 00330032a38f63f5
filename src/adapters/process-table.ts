/** The Linux process table as values. Reading only. */
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

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
const EMPTY_ENVIRON_READS = 5;

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

/** One live process; null when it is gone, a zombie or a kernel thread. */
export function liveProcess(pid: number): ProcessRow | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The command name in brackets may itself hold blanks and brackets: fields count from the last bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] ?? 'X';
  if (state === 'Z' || state === 'X' || (Number(fields[6]) & KERNEL_THREAD) !== 0) return null;
  return { pid, group: Number(fields[2]), session: Number(fields[3]), startTicks: fields[19] ?? '' };
}

/** The environment a process was started with; null when it is gone or belongs to somebody else. */
export async function environOf(row: ProcessRow): Promise<Record<string, string> | null> {
  for (let read = 0; read < EMPTY_ENVIRON_READS; read += 1) {
    let text: string;
    try {
      text = readFileSync(`/proc/${row.pid}/environ`, 'utf8');
    } catch {
      return null;
    }
    if (text !== '') {
      // The pid may have been given to another process between the two reads.
      return liveProcess(row.pid)?.startTicks === row.startTicks ? parseEnviron(text) : null;
    }
    // In the middle of an exec the environment is empty for a moment: look again before believing it.
    await nextTurn();
  }
  return null;
}

/** Wall time of a process's start in ms. */
export function startedAtMs(startTicks: string, nowMs: number): number {
  const uptimeS = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Math.round(nowMs - uptimeS * 1000 + (Number(startTicks) * 1000) / TICKS_PER_SECOND);
}

function parseEnviron(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const entry of text.split('\0')) {
    const at = entry.indexOf('=');
    if (at > 0) env[entry.slice(0, at)] ??= entry.slice(at + 1);
  }
  return env;
}
