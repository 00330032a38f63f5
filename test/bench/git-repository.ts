/** An operations repository of any age: real specs, the product's own messages and folders, written in one fast-import stream. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { iterFileName } from '../../src/core/env/iter.ts';
import { commitMessage } from '../../src/core/trail/message.ts';

export const BENCH_INSTANCES = Array.from({ length: 40 }, (_, n) => `bot${n}`);
export const BENCH_EMAIL = 'mmfleet@localhost';
export const basePathOf = (name: string): string => `fleet/env/${name}/.env.${name}`;

const START_TS = 1_740_000_000;
const STEP_S = 3_600;

/** The text of one iteration's env: the size of a real one. */
export function iterText(name: string, iter: number): string {
  const rest = Array.from({ length: 40 }, (_, n) => `MM_SETTING_${n}=${n * 7}\n`).join('');
  const header = `# mmfleet iter${padded(iter)} of .env.${name}, parent ${iter === 1 ? 'base' : `iter${padded(iter - 1)}`}\n`;
  return `${header}MM_MARKET_NAME=${name.toUpperCase()}-USD\nMM_MIN_OFFSET_BPS=${4 + (iter % 9)}\n${rest}`;
}

/** The message of one tuning commit, as the product writes it. */
export function iterMessage(name: string, iter: number, at: number): string {
  const before = iter === 1 ? 4 : 4 + ((iter - 1) % 9);
  return commitMessage({
    kind: 'tune',
    instance: name,
    market: `${name.toUpperCase()}-USD`,
    iter,
    parentIter: iter === 1 ? null : iter - 1,
    theme: 'spread-offset',
    step: 'widen x1.5',
    trigger: 'fast markout5sBps=-1.32 limit=-0.50 n=204',
    changes: [{ key: 'MM_MIN_OFFSET_BPS', from: String(before), to: String(4 + (iter % 9)) }],
    at,
    why: [
      'Signal fast: +5 s markout averaged -1.32 bps over 204 fills, limit -0.50, 10 looks in a row.',
      'Widen quotes one step (x1.5); bounds 0.80..3.00.',
    ],
    proven: iter % 3 === 0,
    envDigest: `sha256:${'0123456789abcdef'.repeat(4)}`,
    journal: `mm_${name.toUpperCase()}-USD_20261122_101500.jsonl@0..1048576`,
    spec: '0123456789'.repeat(4),
    fleetSpec: '9876543210'.repeat(4),
  });
}

/** Makes `dir` with `count` iteration commits, round the instances; one pack, a clean tree, no commit-graph, no cache. */
export function writeRepository(dir: string, count: number): void {
  mkdirSync(dir, { recursive: true });
  git(dir, ['init', '--quiet', '--initial-branch=main']);
  for (const [key, value] of Object.entries({ 'user.name': 'Ada', 'user.email': 'ada@example.org' }))
    git(dir, ['config', key, value]);
  const parts: string[] = [];
  const file = (path: string, text: string) =>
    parts.push(`M 100644 inline ${path}\ndata ${Buffer.byteLength(text)}\n${text}\n`);
  const commit = (who: string, at: number, message: string) =>
    parts.push(
      `commit refs/heads/main\nauthor ${who} ${at} +0000\ncommitter ${who} ${at} +0000\ndata ${Buffer.byteLength(message)}\n${message}\n`,
    );
  commit('Ada <ada@example.org>', START_TS, 'fleet: forty markets\n');
  file('.gitignore', '/.mmfleet/\n/data/\n');
  file('fleet/fleet.yaml', FLEET);
  for (const name of BENCH_INSTANCES) {
    file(`fleet/${name}.yaml`, instanceYaml(name));
    file(basePathOf(name), iterText(name, 0).replace(/^#.*\n/, ''));
  }
  for (let n = 0; n < count; n += 1) {
    const name = BENCH_INSTANCES[n % BENCH_INSTANCES.length]!;
    const iter = Math.floor(n / BENCH_INSTANCES.length) + 1;
    const at = START_TS + (n + 1) * STEP_S;
    commit(`mmfleet <${BENCH_EMAIL}>`, at, iterMessage(name, iter, at));
    file(iterFileName(basePathOf(name), iter), iterText(name, iter));
  }
  git(dir, ['fast-import', '--quiet', '--date-format=raw'], parts.join(''));
  git(dir, ['reset', '--quiet', '--hard']);
}

function git(cwd: string, args: string[], input?: string): void {
  const done = spawnSync('git', args, { cwd, encoding: 'utf8', ...(input === undefined ? {} : { input }) });
  if (done.status !== 0) throw new Error(`git ${args.join(' ')}: ${done.stderr}`);
}

const padded = (iter: number) => String(iter).padStart(3, '0');

const FLEET = `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: bench }
spec:
  git: { remote: origin, branch: main, push: false, author: { name: mmfleet, email: ${BENCH_EMAIL} } }
`;

const instanceYaml = (name: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${name.toUpperCase()}-USD
  baseEnv: env/${name}/.env.${name}
  runtime: { process: { command: [bot], cwd: .. } }
  venue: { journal: {} }
`;
