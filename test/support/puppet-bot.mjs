/**
 * A real bot process for tests: reads its env file, quotes on a command venue's state file, writes a journal in the
 * bot's own format, and does what a control file says.
 *
 *   ENV=/path/.env.amzn.iter007 node puppet-bot.mjs [CONTROL_FOLDER]
 *
 * From its environment: MM_MARKET_NAME; every other MM_* becomes `run_start.config` (secret keys redacted);
 * PUPPET_CONTROL (folder; or the argument), PUPPET_VENUE (STATE.json of command-venue.mjs; none = no venue),
 * PUPPET_JOURNAL (folder; default <cwd>/data/mm_journal), PUPPET_HEARTBEAT_MS (default 200),
 * PUPPET_ORDERS (resting orders it places at start, default 0).
 *
 * How it behaves: CONTROL/MARKET.json, read at start and every 20 ms:
 *   { "ignoreSignals": true }      SIGINT and SIGTERM do nothing
 *   { "keepPosition": true }       on shutdown it cancels but does not close, and says so in run_end
 *   { "lieFlat": true }            with keepPosition: run_end says flat all the same
 *   { "slowStopMs": 500 }          shutdown takes this long; a second signal meanwhile makes it skip its flatten
 *   { "holdStop": true }           shutdown takes for as long as this is said
 *   { "startDelayMs": 500 }        run_start comes this late
 *   { "exitAtStart": 1 }           ends with this code before run_start
 *   { "envFile": "/other/.env" }   names another env file in run_start (the silent fall-back)
 *   { "config": { "k": "v" } }     overrides fields of run_start.config
 *   { "clockOffsetS": -7200 }      added to the ts of every event it writes by itself
 *   { "children": "double-fork" | "detached" | "child" }   starts a helper that outlives it or not
 * What it does once: CONTROL/MARKET.do, a line each, consumed when read (write it whole, by rename):
 *   fill SIDE PRICE QTY [MID]      a fill on the venue and in the journal
 *   line {json}                    one journal event as given, inside the envelope
 *   die                            SIGKILL to itself: no run_end, position and orders stay
 *   exit CODE                      ends at once without run_end
 *   stop                           shuts down by itself as on a signal
 * CONTROL/MARKET.signals.log gets one line `<pid> <signal>` per signal received.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { marketOf, sum, withState } from './command-venue.mjs';

const env = process.env;
const market = env.MM_MARKET_NAME ?? 'AMZN-USD';
const control = process.argv[2] ?? env.PUPPET_CONTROL ?? '.';
const journalFolder = env.PUPPET_JOURNAL ?? join('data', 'mm_journal');
const REDACTED = new Set(['vault_id', 'stark_private_key', 'stark_public_key', 'api_key']);

const started = Date.now();
const runId = randomBytes(16).toString('hex');
let seq = 0;
let fills = 0;
let stopping = false;
let forced = false;
let journalPath = '';

function orders(name) {
  try {
    return JSON.parse(readFileSync(join(control, `${market}.${name}`), 'utf8'));
  } catch {
    return {};
  }
}
const behaviour = () => orders('json');

/** One journal line in the bot's envelope and spacing; 19-digit ids are bare numbers. */
function journal(type, fields, raw = '') {
  seq += 1;
  const ts = Date.now() / 1000 + (behaviour().clockOffsetS ?? 0);
  const event = { ts, seq, run_id: runId, schema_version: 2, type, market, ...fields };
  const text = spaced(event);
  appendFileSync(journalPath, `${raw === '' ? text : `${text.slice(0, -1)}, ${raw}}`}\n`);
}

/** JSON with ", " and ": ", as the bot's writer prints it. */
function spaced(value) {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([k, v]) => `${JSON.stringify(k)}: ${spaced(v)}`)
    .join(', ')}}`;
}

const onVenue = (change) =>
  env.PUPPET_VENUE === undefined ? change(local) : withState(env.PUPPET_VENUE, (s) => change(marketOf(s, market)));
const local = { position: '0', orders: [], bid: '100.0', ask: '100.1', sizeStep: '0.01', minSize: '0.01', tick: '0.1' };
const look = () => onVenue((book) => structuredClone(book));

function stamp(date) {
  const p = (n) => String(n).padStart(2, '0');
  return `${date.getFullYear()}${p(date.getMonth() + 1)}${p(date.getDate())}_${p(date.getHours())}${p(date.getMinutes())}${p(date.getSeconds())}`;
}

function config() {
  const fields = {};
  for (const [key, value] of Object.entries(env)) {
    if (!key.startsWith('MM_')) continue;
    const name = key.slice(3).toLowerCase();
    fields[name] = REDACTED.has(name) ? '***redacted***' : value;
  }
  return { ...fields, ...behaviour().config };
}

function runStart() {
  mkdirSync(journalFolder, { recursive: true });
  journalPath = join(journalFolder, `mm_${market}_${stamp(new Date())}.jsonl`);
  const { tick, minSize, sizeStep } = look();
  journal('run_start', {
    environment: env.MM_ENVIRONMENT ?? 'testnet',
    config: config(),
    market_static: { tick_size: tick, min_order_size: minSize, min_order_size_change: sizeStep },
    provenance: { env_file: behaviour().envFile ?? resolve(env.ENV ?? '.env'), cwd: process.cwd(), pid: process.pid },
  });
  onVenue((book) => {
    for (let n = 0; n < Number(env.PUPPET_ORDERS ?? 0); n += 1) {
      book.orders.push({
        id: `${process.pid}-${n}`,
        side: n % 2 === 0 ? 'buy' : 'sell',
        price: n % 2 === 0 ? book.bid : book.ask,
        size: '0.1',
      });
    }
  });
}

function heartbeat() {
  const { position, orders } = look();
  journal('heartbeat', {
    position,
    event_count: seq,
    active_orders: orders.length,
    uptime_s: (Date.now() - started) / 1000,
  });
}

function fill([side, price, qty, mid = price]) {
  const position = onVenue((book) => {
    book.position = sum(book.position, side.toLowerCase() === 'buy' ? qty : -Number(qty));
    return book.position;
  });
  fills += 1;
  const id = (1784963886257000000n + BigInt(process.pid) * 100000n + BigInt(fills)).toString();
  const { bid, ask } = look();
  const fields = {
    side: side.toUpperCase(),
    price,
    qty,
    fee: '0',
    is_taker: false,
    level: 0,
    best_bid: bid,
    best_ask: ask,
    mid,
    spread_bps: null,
    edge_bps: null,
    position,
    quote_lifetime_ms: null,
  };
  journal('fill', fields, `"trade_id": ${id}, "order_id": ${id}`);
}

function perform(line) {
  const [verb, ...rest] = line.split(' ');
  if (verb === 'fill') fill(rest);
  else if (verb === 'line') {
    const { type, ...fields } = JSON.parse(line.slice(5));
    journal(type, fields);
  } else if (verb === 'die') process.kill(process.pid, 'SIGKILL');
  else if (verb === 'exit') process.exit(Number(rest[0] ?? 0));
  else if (verb === 'stop') shutdown();
}

function obey() {
  const path = join(control, `${market}.do`);
  if (!existsSync(path)) return;
  const mine = `${path}.${process.pid}`;
  renameSync(path, mine);
  const lines = readFileSync(mine, 'utf8')
    .split('\n')
    .filter((l) => l !== '');
  rmSync(mine);
  for (const line of lines) perform(line);
}

function onSignal(name) {
  appendFileSync(join(control, `${market}.signals.log`), `${process.pid} ${name}\n`);
  if (behaviour().ignoreSignals) return;
  if (stopping) forced = true;
  else shutdown();
}

function shutdown() {
  stopping = true;
  const before = onVenue((book) => {
    book.orders = book.orders.filter((o) => !o.id.startsWith(`${process.pid}-`));
    return book.position;
  });
  const leave = () => (behaviour().holdStop ? setTimeout(leave, 20) : finish(before));
  setTimeout(leave, behaviour().slowStopMs ?? 0);
}

function finish(before) {
  const { keepPosition = false, lieFlat = false } = behaviour();
  const closes = !keepPosition && !forced;
  const after = onVenue((book) => {
    if (closes) book.position = '0';
    return book.position;
  });
  const flat = Number(after) === 0;
  const reason = forced
    ? 'force_exit'
    : keepPosition && !lieFlat
      ? 'disabled'
      : Number(before) === 0
        ? 'already_flat'
        : 'flattened';
  journal('run_end', {
    reason: 'shutdown',
    stats: {
      position: lieFlat ? '0' : after,
      active_orders: 0,
      fills,
      cancellations: 0,
      rejections: 0,
      post_only_failures: 0,
      total_fees: '0',
      consecutive_failures: 0,
      circuit_open: false,
      uptime_s: String((Date.now() - started) / 1000),
      shutdown_position_before_flatten: before,
      shutdown_position_after_flatten: lieFlat || flat ? '0' : after,
      shutdown_flatten_enabled: !keepPosition,
      shutdown_flatten_attempted: closes && Number(before) !== 0,
      shutdown_flatten_submitted: closes && Number(before) !== 0,
      shutdown_flatten_attempts: closes && Number(before) !== 0 ? 1 : 0,
      shutdown_flatten_reason: reason,
    },
  });
  process.exit(0);
}

/** Helpers that inherit the environment, in the three ways programs leave them behind; each ends after a minute. */
function startChildren(kind) {
  if (kind === 'child') spawn('sleep', ['60'], { stdio: 'ignore' });
  if (kind === 'detached') spawn('sleep', ['60'], { stdio: 'ignore', detached: true }).unref();
  if (kind === 'double-fork') spawn('setsid', ['sh', '-c', 'sleep 60 & exit 0'], { stdio: 'ignore' });
}

const first = behaviour();
process.on('SIGINT', () => onSignal('SIGINT'));
process.on('SIGTERM', () => onSignal('SIGTERM'));
if (first.exitAtStart !== undefined) process.exit(first.exitAtStart);
startChildren(first.children);
setTimeout(() => {
  runStart();
  setInterval(obey, 20);
  setInterval(heartbeat, Number(env.PUPPET_HEARTBEAT_MS ?? 200));
}, first.startDelayMs ?? 0);
