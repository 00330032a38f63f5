#!/usr/bin/env node
/**
 * The one binary. Its version and the help of every command were written down when it was built: they are printed before
 * anything else is loaded. A script, not a module: node starts it faster.
 */
import { join } from 'node:path';
import { runToEnd } from './end.ts';
import { EXIT } from './exit.ts';
import { sayBriefly } from './io.ts';

/** Put in by the build; the keys of the help are '' and the names of the commands. */
declare const MMFLEET_VERSION: string;
declare const MMFLEET_HELP: Record<string, string>;

const argv = process.argv.slice(2);
const answer = known(argv);
if (answer === undefined) void runUnlessKnown();
else void runToEnd(() => said(answer));

async function said(text: string): Promise<number> {
  sayBriefly(text);
  return EXIT.ok;
}

async function runUnlessKnown(): Promise<void> {
  if (argv.includes('history') && (await isKnownHistory())) return;
  if (argv[0] === 'analyse' && (await analysed())) return;
  const { run } = require('./main.ts') as typeof import('./main.ts');
  await run(argv, MMFLEET_VERSION);
}

/** Whatever went wrong with the short way, the command answers. Loaded as a script, for the same reason as this one. */
async function isKnownHistory(): Promise<boolean> {
  try {
    const { printKnown } = require('./known-history.ts') as typeof import('./known-history.ts');
    return await printKnown(argv);
  } catch {
    return false;
  }
}

/** A script for the same reason, and kept compiled. */
async function analysed(): Promise<boolean> {
  const { loadAlone } = require('./compiled.ts') as typeof import('./compiled.ts');
  const { analysePlainly } = loadAlone(join(__dirname, 'plain-analyse.js')) as typeof import('./plain-analyse.ts');
  return await analysePlainly(argv);
}

/** The whole answer to a command line that asks for nothing but the version or a help; undefined for any other. */
function known([first = '', second, ...more]: string[]): string | undefined {
  if (more.length > 0) return undefined;
  if (second === undefined) {
    if (['version', '--version', '-V'].includes(first)) return `mmfleet ${MMFLEET_VERSION}\n`;
    return ['help', '--help', '-h'].includes(first) ? MMFLEET_HELP[''] : undefined;
  }
  const command = first === 'help' ? second : ['--help', '-h'].includes(second) ? first : '';
  return command !== '' && Object.hasOwn(MMFLEET_HELP, command) ? MMFLEET_HELP[command] : undefined;
}
