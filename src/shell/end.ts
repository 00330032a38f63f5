/** How a command line ends: its exit code, and what is said of an error nobody expected. */
import { EXIT } from './exit.ts';
import { afterOutput, outputLost, processIo } from './io.ts';

/** Does the work of one command line and leaves its exit code in the process. */
export async function runToEnd(work: () => Promise<number>): Promise<void> {
  process.on('uncaughtException', (error) => void tell(error).finally(() => process.exit(EXIT.internal)));
  await work().then(end, tell);
}

/**
 * Ends as soon as everything is written, however slow the reader is: by itself Node first waits for what V8 collects beside, and
 * for handles that were left open.
 */
async function end(code: number): Promise<void> {
  process.exitCode = code;
  await afterOutput();
  const lost = outputLost();
  if (lost !== null) {
    // Half an answer must not pass for a whole one.
    processIo().err(`the output could not be written: ${lost}\n`);
    if (code === EXIT.ok) process.exitCode = EXIT.internal;
  }
  process.exit();
}

/** Node's own report of an error would print its text, which may hold anything. */
async function tell(error: unknown): Promise<void> {
  const { describeBug } = await import('./bug.ts');
  processIo().err(describeBug(error));
  await end(EXIT.internal);
}
