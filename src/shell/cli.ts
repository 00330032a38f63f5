#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { EXIT } from './exit.ts';
import { processIo } from './io.ts';

const version = () =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;

/** The one binary. `--version` answers before anything heavy is loaded. */
async function main(argv: string[]): Promise<number> {
  const io = processIo();
  if (argv.length === 1 && ['version', '--version', '-V'].includes(argv[0] ?? '')) {
    io.out(`mmfleet ${version()}\n`);
    return EXIT.ok;
  }
  const { runProgram } = await import('./program.ts');
  return runProgram(argv, io, version());
}

// A closed pipe (`mmfleet status | head`) is the reader's choice, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
});

const GRACE_MS = 1_000;

/** Ends by itself once everything is written; a handle that was left open must not keep a finished command alive. */
function end(code: number): void {
  process.exitCode = code;
  setTimeout(() => process.exit(), GRACE_MS).unref();
}

/** Node's own report of an error would print its text, which may hold anything. */
async function tell(error: unknown): Promise<void> {
  const { describeBug } = await import('./bug.ts');
  processIo().err(describeBug(error));
  end(EXIT.internal);
}

process.on('uncaughtException', (error) => void tell(error).finally(() => process.exit(EXIT.internal)));
main(process.argv.slice(2)).then(end, tell);
