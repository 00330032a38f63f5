import { mkdir, open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Receipt } from '../core/flat/types.ts';
import { safeName } from './launch.ts';

/** Appends one line to `<stateDir>/receipts/NAME.jsonl` and returns after it is on the disk. */
export async function appendReceipt(stateDir: string, receipt: Receipt): Promise<void> {
  const folder = join(stateDir, 'receipts');
  await mkdir(folder, { recursive: true });
  const file = await open(join(folder, `${safeName(receipt.instance)}.jsonl`), 'a+', 0o600);
  try {
    // A line torn by a crash must not swallow this one.
    const { size } = await file.stat();
    const last = Buffer.alloc(1);
    const torn = size > 0 && (await file.read(last, 0, 1, size - 1)).bytesRead === 1 && last[0] !== 0x0a;
    await file.appendFile(`${torn ? '\n' : ''}${JSON.stringify(receipt)}\n`);
    await file.sync();
    // Passes see by the folder's time that there is something to read.
    const now = new Date();
    await utimes(folder, now, now);
  } finally {
    await file.close();
  }
}
