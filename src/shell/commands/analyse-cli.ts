import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { EXIT } from '../exit.ts';
import { runAnalyse } from './analyse.ts';
import { analyseNumbers } from './analyse-numbers.ts';
import type { CommonOptions } from './options.ts';

/** `analyse PATH... | NAME`: a name means that instance's newest run. A report on a file loads nothing of the repository. */
export async function runAnalyseCommand(args: string[], options: CommonOptions): Promise<number> {
  const { io } = options;
  const numbers = analyseNumbers(options);
  if (typeof numbers === 'string') {
    io.err(`${numbers}\n`);
    return EXIT.usage;
  }
  const paths: string[] = [];
  for (const arg of args) {
    const path = resolve(options.C, arg);
    if (existsSync(path) || /[*?/]/.test(arg)) {
      paths.push(path);
      continue;
    }
    const named = await (await import('./analyse-name.ts')).newestRun(arg, options);
    if (typeof named === 'number') return named;
    paths.push(...named);
  }
  return runAnalyse(
    paths,
    { ...numbers, json: options.json === true, tail: options.tail === true },
    { out: io.out, err: io.err, isTTY: io.errTTY, color: io.color, columns: io.columns },
  );
}
