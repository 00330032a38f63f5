/** `analyse` of files, as it is commonly asked for: nothing is loaded but what reads and reports. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type AnalyseOptions, runAnalyse } from './commands/analyse.ts';
import { analyseNumbers } from './commands/analyse-numbers.ts';
import { runToEnd } from './end.ts';
import { briefIo, type Io } from './io.ts';

/** Runs the command and leaves its exit code in the process; false: nothing was done, the whole program must answer. */
export async function analysePlainly(argv: readonly string[]): Promise<boolean> {
  const asked = plainlyAsked(argv);
  if (asked === null) return false;
  await runToEnd(() => analyse(asked, briefIo()));
  return true;
}

type Asked = { paths: string[]; options: AnalyseOptions };

/** Its exit code. */
export function analyse({ paths, options }: Asked, { out, err, errTTY, color, columns }: Io): Promise<number> {
  return runAnalyse(paths, options, { out, err, isTTY: errTTY, color, columns });
}

/** `analyse FILE...` with options that are spelt out, each with its value behind it; null: anything else, and wrong values. */
export function plainlyAsked(argv: readonly string[]): Asked | null {
  if (argv[0] !== 'analyse') return null;
  const values: Partial<Record<string, string>> = {};
  const flags = new Set<string>();
  const paths: string[] = [];
  for (let at = 1; at < argv.length; at += 1) {
    const word = argv[at]!;
    if (WITH_VALUE.includes(word)) {
      at += 1;
      values[word] = argv[at] ?? '-';
    } else if (FLAGS.includes(word)) flags.add(word);
    else paths.push(word.startsWith('-') ? word : resolve(word));
  }
  const { '--last-fills': lastFills, '--assumed-fee-bps': assumedFeeBps } = values;
  const words = [...paths, ...Object.values(values)];
  if (words.some((word) => word?.startsWith('-') === true) || paths.length === 0) return null;
  const numbers = analyseNumbers({ lastFills, assumedFeeBps });
  if (typeof numbers === 'string' || !paths.every((path) => existsSync(path))) return null;
  return { paths, options: { ...numbers, json: flags.has('--json'), tail: flags.has('--tail') } };
}

const WITH_VALUE = ['--last-fills', '--assumed-fee-bps'];
const FLAGS = ['--json', '--tail'];
