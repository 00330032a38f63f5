/** A command line that does something. */
import { runToEnd } from './end.ts';
import { processIo } from './io.ts';
import { runProgram } from './program.ts';

/** Runs one command line and leaves its exit code in the process. */
export async function run(argv: string[], version: string): Promise<void> {
  await runToEnd(() => runProgram(argv, processIo(), version));
}
