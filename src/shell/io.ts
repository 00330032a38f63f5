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
  const env = process.env;
  const outTTY = process.stdout.isTTY === true;
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '' && env['FORCE_COLOR'] !== '0';
  const refused = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  const errTTY = process.stderr.isTTY === true;
  const color = !refused && (forced || outTTY);
  return {
    out: (text) => void process.stdout.write(screen(text, outTTY, color)),
    err: (text) => void process.stderr.write(screen(text, errTTY, color)),
    outTTY,
    errTTY,
    color,
    columns: process.stdout.columns ?? 120,
  };
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
