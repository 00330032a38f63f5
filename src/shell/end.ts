/** How a command line ends: its exit code, and what is said of an error nobody expected. */
import { EXIT } from './exit.ts';
import { processIo } from './io.ts';

/** Does the work of one command line and leaves its exit code in the process. */
export async function runToEnd(work: () => Promise<number>): Promise<void> {
  process.on('uncaughtException', (error) => void tell(error).finally(() => process.exit(EXIT.internal)));
  await work().then(end, tell);
}

const GRACE_MS = 1_000;

/**
 * Ends at once when everything is written: by itself Node first waits for what V8 collects beside. Else once it is written; a
 * handle that was left open must not keep a finished command alive.
 */
function end(code: number): void {
  process.exitCode = code;
  if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit();
  setTimeout(() => process.exit(), GRACE_MS).unref();
}

/** Node's own report of an error would print its text, which may hold anything. */
async function tell(error: unknown): Promise<void> {
  const { describeBug } = await import('./bug.ts');
  processIo().err(describeBug(error));
  end(EXIT.internal);
}
