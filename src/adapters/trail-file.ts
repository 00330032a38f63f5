/** The trail kept in a file between commands. It may vanish or be damaged at any moment: then there is none. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { restoreTrail, STORED_FORMAT, storeTrail } from '../core/trail/stored.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import { packedBytes } from './packed-bytes.ts';

/** What the kept entries are the whole trail of. */
export type TrailKey = {
  /** The commit they begin at. */
  head: string;
  /** The e-mail by which commits count as ours. */
  ourEmail: string;
};

/** null: there is none for this e-mail and this version of the program, or not every byte of it is as it was written. */
export function loadTrail(path: string, ourEmail: string): { head: string; entries: TrailEntry[] } | null {
  try {
    const bytes = readFileSync(path);
    const headEnd = bytes.indexOf(10);
    const header = JSON.parse(bytes.toString('utf8', 0, headEnd)) as Header;
    const columnsAt = headEnd + 1;
    const linesAt = columnsAt + header.columnBytes + 1;
    const fits = header.format === STORED_FORMAT && header.ourEmail === ourEmail;
    if (!fits || header.crc !== sumOf(header, bytes.subarray(columnsAt))) return null;
    const entries = restoreTrail(bytes.toString('utf8', columnsAt, linesAt - 1), (start, length) =>
      bytes.toString('utf8', linesAt + start, linesAt + start + length),
    );
    return entries[0]?.commit === header.head ? { head: header.head, entries } : null;
  } catch {
    return null;
  }
}

/**
 * Writes it beside and renames; where that cannot be done the next command reads git again. Gives the entries as they would
 * be loaded: what each of them says is packed, and not an object for every word.
 */
export function keepTrail(path: string, key: TrailKey, entries: readonly TrailEntry[]): TrailEntry[] {
  const { columns, lines } = storeTrail(entries, (text) => Buffer.byteLength(text));
  const body = Buffer.from(`${columns}\n${lines.map((line) => `${line}\n`).join('')}`);
  const about = { format: STORED_FORMAT, ...key, columnBytes: Buffer.byteLength(columns) };
  const header: Header = { ...about, crc: sumOf(about, body) };
  const beside = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(beside, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]), { mode: 0o600 });
    renameSync(beside, path);
  } catch {
    rmSync(beside, { force: true });
  }
  return restoreTrail(columns, packedBytes(body.subarray(about.columnBytes + 1)));
}

type Header = TrailKey & { format: number; columnBytes: number; crc: number };

/** Over all of it, the header's own words too. */
function sumOf({ format, head, ourEmail, columnBytes }: Omit<Header, 'crc'>, body: Buffer): number {
  return crc32(body, crc32(JSON.stringify([format, head, ourEmail, columnBytes])));
}
