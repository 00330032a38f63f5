import { fstatSync, writeSync } from 'node:fs';
import { shown } from './hidden.ts';

/** Where a command writes: results to `out`, progress and diagnostics to `err`. */
export type Io = {
  out(text: string): void;
  err(text: string): void;
  /** Both streams may be a terminal; progress and redraws need `errTTY`, colour needs `color`. */
  outTTY: boolean;
  errTTY: boolean;
  color: boolean;
  columns: number;
};

/** The process's own streams; colour only on a terminal, `NO_COLOR` and `FORCE_COLOR` honoured. */
export function processIo(): Io {
  return ioOf(streamOf(1), streamOf(2));
}

/**
 * The same for a command that says all it has to say and ends: where no terminal is, it is written without node's streams,
 * which take as long to load as such a command takes. It waits for a slow reader: nothing that must go on may use it.
 */
export function briefIo(): Io {
  return ioOf(briefly(1), briefly(2));
}

/** Writes to stdout in the same way, as it stands. */
export function sayBriefly(text: string): void {
  briefly(1).write(text);
}

type Out = { isTTY?: boolean; columns?: number; write(text: string): void };

function ioOf(out: Out, err: Out): Io {
  const env = process.env;
  const outTTY = out.isTTY === true;
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '' && env['FORCE_COLOR'] !== '0';
  const refused = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  const errTTY = err.isTTY === true;
  const color = !refused && (forced || outTTY);
  return {
    out: (text) => out.write(screen(text, outTTY, color)),
    err: (text) => err.write(screen(text, errTTY, color)),
    outTTY,
    errTTY,
    color,
    // A terminal that nobody has told its size says 0.
    columns: out.columns !== undefined && out.columns > 0 ? out.columns : 120,
  };
}

/** Comes back when all that was said is written: what a slow reader has not taken yet would be lost with the process. */
export async function afterOutput(): Promise<void> {
  for (const stream of streams) {
    if (stream.writableLength > 0) await new Promise<void>((written) => stream.write('', () => written()));
    const { errored } = stream as { errored?: NodeJS.ErrnoException | null };
    if (stream === process.stdout && errored != null && errored.code !== 'EPIPE') lost ??= errored.code ?? errored.name;
  }
}

/** Those in use. */
const streams = new Set<NodeJS.WriteStream>();

function streamOf(fd: 1 | 2): NodeJS.WriteStream {
  const stream = fd === 1 ? process.stdout : process.stderr;
  if (fd === 1 && !streams.has(stream)) stream.on('error', leaveWithReader);
  streams.add(stream);
  return stream;
}

/** A closed pipe (`mmfleet status | head`) is the reader's choice, not an error. */
function leaveWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') lost ??= error.code ?? error.name;
  else if (ending === null) process.exit(0);
  else ending();
}

let ending: (() => void) | null = null;

/** For a command that has to clear up: called whenever what it says finds no reader any more; null: it simply ends. */
export function onReaderGone(end: (() => void) | null): void {
  ending = end;
}

let lost: string | null = null;

/** Why some of what was said never arrived (`ENOSPC`); null: all of it did. Known after `afterOutput`. */
export const outputLost = (): string | null => lost;

function briefly(fd: 1 | 2): Out {
  if (mayBeTerminal(fd)) return streamOf(fd);
  let stream: NodeJS.WriteStream | null = null;
  return {
    write(text) {
      const bytes = Buffer.from(text);
      let at = 0;
      try {
        while (stream === null && at < bytes.length) at += writeSync(fd, bytes, at);
      } catch {
        // A pipe that is full and does not wait, or a reader that is gone: node's stream knows both.
        stream = streamOf(fd);
      }
      stream?.write(bytes.subarray(at));
    },
  };
}

function mayBeTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    return true;
  }
}

/** Only at its very beginning may a text of ours redraw the screen or the line; whatever it carries may not. */
function screen(text: string, tty: boolean, color: boolean): string {
  const redraw = tty ? (REDRAWS.find((code) => text.startsWith(code)) ?? '') : '';
  return redraw + shown(text.slice(redraw.length), color);
}

const REDRAWS = ['\u001b[H\u001b[2J', '\r\u001b[K', '\r'];

export type Paint = (style: 'bold' | 'dim' | 'red' | 'yellow' | 'green', text: string) => string;

const CODES = { bold: 1, dim: 2, red: 31, yellow: 33, green: 32 } as const;

/** Paints only where colour is wanted. */
export function painter(color: boolean): Paint {
  return (style, text) => (color ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text);
}
