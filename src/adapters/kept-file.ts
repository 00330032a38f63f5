/** A text kept in a file between commands, with whom it belongs to. It may vanish or be damaged at any moment: then there is none. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** null: it is not there, or not every byte of it is as `owner` wrote it. */
export function loadKept(path: string, owner: string): { digest: string; body: string } | null {
  try {
    const bytes = readFileSync(path);
    const end = bytes.indexOf(10);
    const digest = bytes.toString('latin1', 0, end);
    const body = bytes.subarray(end + 1);
    return digest === digestOf(owner, body) ? { digest, body: body.toString('utf8') } : null;
  } catch {
    return null;
  }
}

/** Writes it beside and renames; mode 0600. Its digest; null: it cannot be written. */
export function keep(path: string, owner: string, body: string): string | null {
  const digest = digestOf(owner, body);
  const beside = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(beside, `${digest}\n${body}`, { mode: 0o600 });
    // Over a file that is there, a rename waits for the disk; whoever finds none in between makes it anew.
    rmSync(path, { force: true });
    renameSync(beside, path);
    return digest;
  } catch {
    rmSync(beside, { force: true });
    return null;
  }
}

const digestOf = (owner: string, body: string | Buffer) =>
  createHash('sha256').update(`${owner}\n`).update(body).digest('hex');
