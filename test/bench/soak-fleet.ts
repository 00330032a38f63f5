/** The fleet of the soak: real git, a flat venue, bots that are shell processes, and a market that writes their journals. */
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { baseEnv } from '../support/fleet-world.ts';
import { random } from '../support/journal-generator.ts';

/** Journal seconds in a second. */
export const SPEED = 60;
/** Journal time stays behind the wall clock. */
const PAST_S = 3 * 86_400;

/** Journal seconds: everyone loses for so long, once in so long, at a time of its own. */
const LOSING_S = 3_600;
const CYCLE_S = 150 * 3_600;

/** Journal seconds from one new run that a bot begins by itself to the next. */
export const RUN_S = 3 * 3_600;

export type SoakFleet = Awaited<ReturnType<typeof soakFleet>>;

/** `trade` lets a minute of journal time pass; `end` kills the bots and removes everything. */
export async function soakFleet(count: number) {
  const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'mmfleet-soak-'));
  const root = join(dir, 'ops');
  const runs = join(dir, 'runs');
  const put = (path: string, text: string) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  const git = (args: string[], cwd = root) =>
    execa('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd });
  const markets = Array.from({ length: count }, (_, n) => `S${String(n).padStart(3, '0')}-USD`);
  mkdirSync(runs, { recursive: true });
  mkdirSync(join(root, 'data/mm_journal'), { recursive: true });
  put(join(dir, 'bot.sh'), BOT);
  await git(['init', '--quiet', '--bare', '--initial-branch=main', join(dir, 'remote.git')], dir);
  await git(['init', '--quiet', '--initial-branch=main']);
  await git(['remote', 'add', 'origin', join(dir, 'remote.git')]);
  put(join(root, '.gitignore'), '/secrets/\n/data/\n/.mmfleet/\n');
  put(join(root, 'secrets/all.env'), 'MM_API_KEY=soak-fleet-api-key\n');
  chmodSync(join(root, 'secrets/all.env'), 0o600);
  put(join(root, 'fleet/fleet.yaml'), fleetYaml(dir));
  for (const market of markets) {
    const name = nameOf(market);
    put(join(root, 'fleet', `${name}.yaml`), instanceYaml(name, market));
    put(join(root, 'fleet/env', name, `.env.${name}`), baseEnv(market));
  }
  await git(['add', '-A']);
  await git(['commit', '--quiet', '-m', `fleet: ${count} markets`]);
  await git(['push', '--quiet', '-u', 'origin', 'main']);

  let now = Math.floor(Date.now() / 1000) - PAST_S;
  const start = now;
  const rnd = random(5);
  /** Minutes written of the run that each market is in. */
  const written = new Map<string, { id: string; minutes: number }>();
  /** Each at its own time in every stretch, whenever its bot was restarted: as much journal is held at the end as at the start. */
  const isLastMinute = (from: number, n: number) =>
    (from - start + Math.floor((n * RUN_S) / count)) % RUN_S >= RUN_S - SPEED;
  const setClock = () => {
    writeFileSync(join(dir, 'clock.new'), `${now}\n`);
    renameSync(join(dir, 'clock.new'), join(dir, 'clock'));
  };
  setClock();
  return {
    dir,
    root,
    /** Minutes of journal in the runs that go on, of all together: what the daemon holds of runs goes with it. */
    minutesHeld: () => [...written.values()].reduce((sum, { minutes }) => sum + minutes, 0),
    running: () => readdirSync(runs).filter((name) => !name.includes('.')).length,
    trade: () => {
      const from = now;
      now += SPEED;
      setClock();
      for (const [n, market] of markets.entries()) {
        const run = runOf(join(runs, market));
        if (run === null) continue;
        if (isLastMinute(from, n)) {
          beginAnew(join(runs, market), run, market, from);
          continue;
        }
        const phase = (from - start + (n * CYCLE_S) / count) % CYCLE_S;
        appendFileSync(run.path, minute(run.id, market, from + 1, phase < LOSING_S, rnd));
        const before = written.get(market);
        written.set(market, { id: run.id, minutes: before?.id === run.id ? before.minutes + 1 : 1 });
      }
    },
    end: async () => {
      for (const market of markets) {
        const run = runOf(join(runs, market));
        try {
          if (run !== null) process.kill(-run.pid, 'SIGKILL');
        } catch {
          // Ended before.
        }
      }
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A bot that begins a new run without ending: another file, another id, the same settings. */
function beginAnew(registered: string, run: { pid: number; path: string }, market: string, ts: number): void {
  const folder = dirname(run.path);
  const stamp = new Date()
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .replace('T', '_');
  const path = join(folder, `mm_${market}_${stamp}.jsonl`);
  if (path === run.path) return;
  const text = readFileSync(run.path, 'utf8');
  const id = randomBytes(16).toString('hex');
  const first = text.slice(0, text.indexOf('\n')).replace(/"run_id": "[0-9a-f]+"/, `"run_id": "${id}"`);
  writeFileSync(path, `${first.replace(/"ts": [\d.]+/, `"ts": ${ts}`)}\n`);
  writeFileSync(`${registered}.new`, `${run.pid} ${id} ${path}\n`);
  renameSync(`${registered}.new`, registered);
}

const nameOf = (market: string) => market.split('-')[0]!.toLowerCase();

/** What a bot says of itself while it runs; null = it does not. */
function runOf(path: string): { pid: number; id: string; path: string } | null {
  try {
    const [pid, id, journal] = readFileSync(path, 'utf8').trimEnd().split(' ');
    return { pid: Number(pid), id: id!, path: journal! };
  } catch {
    return null;
  }
}

/** Three fills a minute, bids and asks in turn; five seconds later the mid has moved against each of them, or for it. */
function minute(runId: string, market: string, from: number, losing: boolean, rnd: () => number): string {
  const lines: string[] = [];
  const write = (ts: number, type: string, fields: object) =>
    lines.push(JSON.stringify({ ts, seq: 1, run_id: runId, schema_version: 2, type, market, ...fields }));
  const book = (mid: number) => ({ best_bid: (mid - 0.005).toFixed(6), best_ask: (mid + 0.005).toFixed(6) });
  write(from, 'heartbeat', { position: '0', active_orders: 2, event_count: 1 });
  for (let k = 0; k < 3; k += 1) {
    const ts = from + 2 + k * 18;
    const buys = rnd() < 0.5;
    const sign = buys ? 1 : -1;
    const against = losing ? 2.5 + rnd() : -0.5 - rnd();
    const after = 100 * (1 - (sign * against) / 1e4);
    const price = (100 * (1 - sign * 0.5e-4)).toFixed(6);
    const fill = { side: buys ? 'BUY' : 'SELL', price, qty: '0.01', fee: '0', is_taker: false, level: 0 };
    const ids = { trade_id: `${runId.slice(0, 6)}-${ts}`, order_id: `${ts}` };
    write(ts, 'fill', { ...fill, ...ids, ...book(100), mid: '100.000000', position: '0' });
    write(ts + 5, 'snapshot', { ...book(after), spread_bps: 1, active_orders: 2, circuit_open: false, position: '0' });
    write(ts + 12, 'snapshot', { ...book(100), spread_bps: 1, active_orders: 2, circuit_open: false, position: '0' });
  }
  return `${lines.join('\n')}\n`;
}

/** Writes its run_start, says where it writes, and on a signal its run_end. `$1` = the soak's folder. */
const BOT = `
read -r now < "$1/clock"
read -r uuid < /proc/sys/kernel/random/uuid
run=$(echo "$uuid" | tr -d -)
journal="$PWD/data/mm_journal/mm_\${MM_MARKET_NAME}_$(TZ=UTC date +%Y%m%d_%H%M%S).jsonl"
config=$(env | sed -n -e '/^MM_API_KEY=/d' -e 's/^MM_\\([A-Z0-9_]*\\)=\\(.*\\)$/"\\L\\1\\E": "\\2"/p' | paste -sd, -)
head="\\"run_id\\": \\"$run\\", \\"schema_version\\": 2, \\"market\\": \\"$MM_MARKET_NAME\\""
static='"tick_size": "0.01", "min_order_size": "0.01", "min_order_size_change": "0.01"'
echo "{\\"ts\\": $now, \\"seq\\": 1, $head, \\"type\\": \\"run_start\\", \\"environment\\": \\"testnet\\", \\"config\\": {$config}, \\"market_static\\": {$static}, \\"provenance\\": {\\"env_file\\": \\"$ENV\\"}}" > "$journal"
stop() {
  read -r pid run journal < "$1/runs/$MM_MARKET_NAME"
  head="\\"run_id\\": \\"$run\\", \\"schema_version\\": 2, \\"market\\": \\"$MM_MARKET_NAME\\""
  rm -f "$1/runs/$MM_MARKET_NAME"
  read -r now < "$1/clock"
  flat='"position_before": "0", "position_after": "0", "enabled": true, "attempted": false, "submitted": false, "attempts": 0, "reason": "already_flat", "active_orders": 0'
  echo "{\\"ts\\": $now, \\"seq\\": 2, $head, \\"type\\": \\"run_end\\", \\"reason\\": \\"shutdown\\", \\"stats\\": {\\"position\\": \\"0\\"}, \\"flatten\\": {$flat}}" >> "$journal"
  kill $!
  exit 0
}
trap 'stop "$1"' TERM INT
echo "$$ $run $journal" > "$1/runs.$$"
mv "$1/runs.$$" "$1/runs/$MM_MARKET_NAME"
while :; do
  sleep 100000 &
  wait $!
done
`;

const fleetYaml = (dir: string) => `apiVersion: mmfleet/v1
kind: Fleet
metadata: { name: soak }
spec:
  interval: 10s
  git: { remote: origin, branch: main, push: true, author: { name: mmfleet, email: mmfleet@localhost } }
  guards: { maxConcurrentChanges: 8, maxShareChangedPerPass: 0.2, marketWideShare: 0.5 }
  defaults:
    secrets: [{ envFile: ../secrets/all.env }]
    runtime:
      process:
        command: [sh, ${JSON.stringify(join(dir, 'bot.sh'))}, ${JSON.stringify(dir)}]
        cwd: ..
        stop: { signal: SIGTERM, timeout: 10s }
        startTimeout: 30s
    journal: { path: "../data/mm_journal/mm_{market}_*.jsonl", staleAfter: 5m }
    venue:
      settle: 20ms
      command:
        position: [printf, '{"market":"%s","position":"0"}', "{market}"]
        orders: [printf, '{"market":"%s","orders":[]}', "{market}"]
        cancel: [printf, '{"market":"%s","canceled":0}', "{market}"]
        close: ["false"]
        reference: [printf, '{"market":"%s","bid":"100.0","ask":"100.1","sizeStep":"0.01","minSize":"0.01","tick":"0.1"}', "{market}"]
    health:
      cooldown: 10m
      signals: { burst: { confidence: 0.95 }, alert: { activeFor: 3h } }
      cheapMoment: { wait: 10m }
    tuning:
      park: { for: 1m, max: 5m }
      recover: { provenAfter: 1h, quietFor: 2h, probation: 1h }
      verdictWithin: 90m
`;

const instanceYaml = (name: string, market: string) => `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: ${name} }
spec:
  market: ${market}
  baseEnv: env/${name}/.env.${name}
`;
