/** An operations repository with specs and nothing that runs, and the program run in this process. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runProgram } from '../../src/shell/program.ts';
import { recordedEnv } from './recorded-day.ts';
import { git } from './repos.ts';

export type Ran = { code: number; out: string; err: string };

const FLEET = `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: recorded }
spec:
  git: { push: false }
  defaults:
    runtime: { process: { command: [node, bot.js], cwd: .. } }
    venue: { journal: {} }
`;

export const instanceYaml = (name: string, market: string, more = '') => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${market}
  baseEnv: env/${name}/.env.${name}
${more}`;

/** `amzn` and `mon`, committed. */
export function replayWorld() {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-replay-'));
  const ops = join(dir, 'ops');
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(ops, path)), { recursive: true });
    writeFileSync(join(ops, path), text);
  };
  const commit = (message: string, ...args: string[]) => {
    git(ops, 'add', '-A');
    git(ops, 'commit', '-q', '-m', message, ...args);
    return git(ops, 'rev-parse', 'HEAD');
  };
  mkdirSync(ops);
  git(ops, 'init', '-q', '-b', 'main');
  put('.gitignore', '/data/\n/.mmfleet/\n');
  put('fleet/fleet.yaml', FLEET);
  for (const [name, market] of [
    ['amzn', 'AMZN-USD'],
    ['mon', 'MON-USD'],
  ] as const) {
    put(`fleet/${name}.yaml`, instanceYaml(name, market));
    const values = Object.entries({ ...recordedEnv(market), MM_ENVIRONMENT: 'testnet' });
    put(`fleet/env/${name}/.env.${name}`, values.map(([key, value]) => `${key}=${value}\n`).join(''));
  }
  const first = commit('fleet: two markets');
  return {
    dir,
    ops,
    first,
    put,
    commit,
    /** A journal file beside the repository, named as a bot names it; gives its path. */
    journal(lines: readonly string[], name = 'mm_AMZN-USD_20260216_000000.jsonl', folder = 'journals'): string {
      const path = join(dir, folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, lines.join(''));
      return path;
    },
    append: (path: string, lines: readonly string[]) => appendFileSync(path, lines.join('')),
    run: (...args: string[]) => runIn(ops, args, false),
    /** With a terminal for diagnostics. */
    runOnTerminal: (...args: string[]) => runIn(ops, args, true),
    end: () => rmSync(dir, { recursive: true, force: true }),
  };
}

export type ReplayWorld = ReturnType<typeof replayWorld>;

async function runIn(ops: string, args: string[], errTTY: boolean): Promise<Ran> {
  const texts = { out: [] as string[], err: [] as string[] };
  const io = {
    out: (text: string) => void texts.out.push(text),
    err: (text: string) => void texts.err.push(text),
    outTTY: false,
    errTTY,
    color: false,
    columns: 120,
  };
  const code = await runProgram(['-C', ops, ...args], io, '0.0.0');
  return { code, out: texts.out.join(''), err: texts.err.join('') };
}
