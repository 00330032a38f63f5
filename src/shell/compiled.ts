/** Runs a script with the code that V8 made of it when the program was built: what is not compiled again is loaded sooner. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

/** What the script at a path exports. Its code lies beside it; another Node than the one it was built with compiles it anew. */
export function loadCompiled(path: string): Record<string, unknown> {
  const exports = loadAlone(path);
  // Not before: kept code, Node's own as well, is only good for the flags it was made with. Of scripts that need this one it is
  // made with these.
  optimiseLater();
  return exports;
}

/** The same of a script that loads no other one, and asks nothing of V8. */
export function loadAlone(path: string): Record<string, unknown> {
  return compile(path, readOrNothing(`${path}.code`)).exports;
}

/** From now on more code runs before V8 optimises it. */
export function optimiseLater(): void {
  if (KNOWS_BUDGET.test(process.versions.v8)) setFlagsFromString(`--interrupt-budget=${BUDGET}`);
}

/** `code`: what V8 made of it so far, for a next time; `refused`: what was given was not of this V8, or not whole. */
export function compile(path: string, cachedData: Buffer | undefined) {
  const script = new Script(
    `(function (exports, require, module, __url, __import) {${readFileSync(path, 'latin1')}\n})`,
    {
      filename: path,
      ...(cachedData === undefined ? {} : { cachedData }),
    },
  );
  const module = { exports: {} as Record<string, unknown> };
  const url = pathToFileURL(path).href;
  // A script cannot load modules by itself.
  const load = (name: string) => import(new URL(name, url).href);
  script.runInThisContext()(module.exports, createRequire(path), module, url, load);
  return {
    exports: module.exports,
    code: () => script.createCachedData(),
    refused: script.cachedDataRejected ?? false,
  };
}

/**
 * How much code runs before V8 optimises it: eight times what it takes by itself. Most commands are over before that has paid,
 * and what goes on for longer is optimised some milliseconds later.
 */
const BUDGET = 540_672;
/** The V8 of Node 20: a later one complains of the flag on every command. */
const KNOWS_BUDGET = /^11\./;

function readOrNothing(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
