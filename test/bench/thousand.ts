/** A fleet of many instances as a real repository: specs, base envs, journals; nothing runs. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { journalLines } from '../support/journal-generator.ts';

export const marketOf = (n: number) => `M${n}-USD`;
export const nameOf = (n: number) => `m${String(n).padStart(4, '0')}`;

/** Lines of a journal of about 90 kB. */
const LINES = 230;

/** Commits `count` instances to a new repository at `dir` with a bare remote beside it. */
export function writeFleet(dir: string, count: number): void {
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd: dir });
  mkdirSync(dir, { recursive: true });
  git('init', '--quiet', '--initial-branch=main', '.');
  git('init', '--quiet', '--bare', '--initial-branch=main', `${dir}.git`);
  git('remote', 'add', 'origin', `${dir}.git`);
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text, { mode: path.startsWith('secrets/') ? 0o600 : 0o644 });
  };
  put('.gitignore', '/secrets/\n/data/\n/.mmfleet/\n');
  put('secrets/all.env', 'MM_API_KEY=bench-api-key-0001\n');
  put('fleet/fleet.yaml', FLEET);
  const source = journalLines(7);
  const journal = `${Array.from({ length: LINES }, () => source.next().value as string).join('\n')}\n`;
  for (let n = 0; n < count; n += 1) {
    put(`fleet/${nameOf(n)}.yaml`, specText(n));
    put(`fleet/env/${nameOf(n)}/.env.${nameOf(n)}`, envText(n));
    put(journalOf(n), journal);
  }
  git('add', '-A');
  git('commit', '--quiet', '-m', `fleet: ${count} markets`);
  git('push', '--quiet', '-u', 'origin', 'main');
}

/** A fleet that `writeFleet` made goes on: at each call every bot writes its next heartbeat, and no more. */
export function beating(dir: string, count: number): () => void {
  const source = journalLines(7);
  for (let n = 0; n < LINES; n += 1) source.next();
  return () => {
    let line = '';
    while (!line.includes('"type": "heartbeat"')) line = source.next().value as string;
    for (let n = 0; n < count; n += 1) appendFileSync(join(dir, journalOf(n)), `${line}\n`);
  };
}

const journalOf = (n: number) => `data/mm_journal/mm_${marketOf(n)}_20260216_000000.jsonl`;

/** One spec of about a kilobyte; `note` makes it another one. */
export const specText = (n: number, note = 'as first written') => `apiVersion: mmfleet/v1
kind: Instance
# ${note}
metadata:
  name: ${nameOf(n)}
spec:
  market: ${marketOf(n)}
  account: main
  baseEnv: env/${nameOf(n)}/.env.${nameOf(n)}
  secrets:
    - envFile: ../secrets/all.env
  state: Stopped
  autonomy: apply
  runtime:
    process:
      command: [python, -m, market_maker, --market, ${marketOf(n)}]
      cwd: ..
      envFileVariable: ENV
      environment: { PYTHONPATH: src, PYTHONUNBUFFERED: "1" }
      stop: { signal: SIGINT, timeout: 60s }
  journal: { path: "../data/mm_journal/mm_{market}_*.jsonl", staleAfter: 3m }
  venue:
    settle: 2s
    dust: { maxNotionalUsd: 5 }
    command:
      position: [venue, position, ${marketOf(n)}]
      orders: [venue, orders, ${marketOf(n)}]
      cancel: [venue, cancel, ${marketOf(n)}]
      close: [venue, close, ${marketOf(n)}]
  health:
    limits:
      dataAge: { max: 5m }
`;

const envText = (n: number) => `# base env, owned by people
MM_MARKET_NAME=${marketOf(n)}
MM_ENVIRONMENT=testnet
MM_OFFSET_MODE=dynamic
MM_SPREAD_MULTIPLIER=1.2   # distance
MM_MIN_OFFSET_BPS=4
MM_MAX_OFFSET_BPS=40
MM_NUM_PRICE_LEVELS=2
MM_MAX_POSITION_SIZE=100
MM_SHUTDOWN_TIMEOUT_S=2
`;

const FLEET = `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: thousand }
spec:
  git: { remote: origin, branch: main, push: true }
`;
