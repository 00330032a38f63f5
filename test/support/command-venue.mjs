/**
 * A venue for tests behind the command protocol; its whole state is one JSON file.
 *
 *   node command-venue.mjs STATE.json position|orders|cancel|reference MARKET
 *   node command-venue.mjs STATE.json close MARKET SIDE SIZE LIMIT_PRICE CLIENT_ID
 *   node command-venue.mjs STATE.json set MARKET '{"position":"0.4","orders":[...],"bid":"221.1","ask":"221.2",...}'
 *   node command-venue.mjs STATE.json trade MARKET 'SIGNED_SIZE'     (adds to the position, as a fill of the bot does)
 *
 * State: { "markets": { MARKET: { position, orders, bid, ask, sizeStep, minSize, tick } },
 *          "closes": { CLIENT_ID: first answer }, "log": [every call, in order, with its wall time in ms] }.
 * A market never mentioned is flat, without orders, at 100.0/100.1. Changes happen under STATE.json.lock.
 *
 * Faults: STATE.json.faults holds a list, each entry used up by the first call it fits (`"times": n` for more, -1 for ever):
 *   { "call": "position", "market": "AMZN-USD", "fault": F }  with F one of
 *   "exit" (code 3) | "garbage" (HTML) | "empty" | "extra" (text after the JSON) | "wrong-market" | "not-decimal" | "hang"
 *   | "partial" (a close fills half) | "reject" (a close fills nothing) | "lost" (a close or cancel lands, then hangs)
 *   | "ignored" (a cancel that never lands) | { "lateFill": "0.1" } (the position moves right after the answer)
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const DEFAULTS = {
  position: '0',
  orders: [],
  bid: '100.0',
  ask: '100.1',
  sizeStep: '0.01',
  minSize: '0.01',
  tick: '0.1',
};

/** Runs `change(state)` under the lock and stores what it left; returns its result. */
export function withState(path, change) {
  const lock = `${path}.lock`;
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      if (Date.now() > deadline) throw new Error('the state file stays locked');
      // A holder that was killed leaves its lock behind.
      if (existsSync(lock) && ageMs(lock) > 5_000) rmdir(lock);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  try {
    const state = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { markets: {}, closes: {}, log: [] };
    const result = change(state);
    writeFileSync(`${path}.tmp`, JSON.stringify(state, null, 1));
    renameSync(`${path}.tmp`, path);
    return result;
  } finally {
    rmdir(lock);
  }
}

/** The market's book in a state, created when it is new. */
export function marketOf(state, market) {
  state.markets[market] ??= structuredClone(DEFAULTS);
  return state.markets[market];
}

/** Exact enough for tests: ten decimals, plain notation. */
export function sum(a, b) {
  const total = (Math.round(Number(a) * 1e10) + Math.round(Number(b) * 1e10)) / 1e10;
  return total === 0 ? '0' : total.toFixed(10).replace(/\.?0+$/, '');
}

function answer(state, call, market, [side, size, limitPrice, clientId], fault) {
  const book = marketOf(state, market);
  switch (call) {
    case 'position':
      return { market, position: book.position };
    case 'orders':
      return { market, orders: book.orders };
    case 'reference':
      return { market, bid: book.bid, ask: book.ask, sizeStep: book.sizeStep, minSize: book.minSize, tick: book.tick };
    case 'cancel': {
      const canceled = book.orders.length;
      if (fault !== 'ignored') book.orders = [];
      return { market, canceled };
    }
    case 'close': {
      state.closes[clientId] ??= close(book, market, side, size, limitPrice, clientId, fault);
      return state.closes[clientId];
    }
    default:
      throw new Error(`no such call: ${call}`);
  }
}

function close(book, market, side, size, limitPrice, clientId, fault) {
  const price = side === 'buy' ? book.ask : book.bid;
  const crosses =
    limitPrice === '' || (side === 'buy' ? Number(limitPrice) >= Number(price) : Number(limitPrice) <= Number(price));
  const reduces = side === 'buy' ? Number(book.position) < 0 : Number(book.position) > 0;
  const whole = crosses && reduces && fault !== 'reject' ? Math.min(Math.abs(Number(book.position)), Number(size)) : 0;
  const step = Number(book.sizeStep);
  const filled = sum(fault === 'partial' ? Math.floor(whole / 2 / step + 1e-9) * step : whole, 0);
  book.position = sum(book.position, side === 'buy' ? filled : -Number(filled));
  const status = Number(filled) === 0 ? 'rejected' : Number(filled) < Number(size) ? 'partial' : 'filled';
  return {
    market,
    clientId,
    status,
    filled,
    averagePrice: price,
    costUsd: sum(Number(filled) * Number(price) * 0.0005, 0),
  };
}

function takeFault(path, call, market) {
  const file = `${path}.faults`;
  if (!existsSync(file)) return null;
  const faults = JSON.parse(readFileSync(file, 'utf8'));
  const at = faults.findIndex((f) => f.call === call && (f.market === undefined || f.market === market));
  if (at === -1) return null;
  const { fault, times = 1 } = faults[at];
  if (times === 1) faults.splice(at, 1);
  else if (times > 1) faults[at].times = times - 1;
  writeFileSync(file, JSON.stringify(faults));
  return fault;
}

function main([path, call, market, ...rest]) {
  if (call === 'set') return withState(path, (s) => Object.assign(marketOf(s, market), JSON.parse(rest[0])));
  if (call === 'trade') {
    return withState(path, (s) => {
      const book = marketOf(s, market);
      book.position = sum(book.position, rest[0]);
    });
  }
  const { fault, reply } = withState(path, (state) => {
    const fault = takeFault(path, call, market);
    state.log.push({ at: Date.now(), call, market, args: rest, ...(fault === null ? {} : { fault }) });
    if (['exit', 'garbage', 'empty', 'hang'].includes(fault)) return { fault, reply: null };
    const reply = answer(state, call, market, rest, fault);
    if (fault?.lateFill !== undefined) {
      const book = marketOf(state, market);
      book.position = sum(book.position, fault.lateFill);
    }
    return { fault, reply: structuredClone(reply) };
  });
  if (fault === 'exit') process.exitCode = 3;
  else if (fault === 'garbage') console.log('<html>busy</html>');
  else if (fault === 'hang' || fault === 'lost') setInterval(() => {}, 60_000);
  else if (fault === 'wrong-market') console.log(JSON.stringify({ ...reply, market: 'OTHER-USD' }));
  else if (fault === 'not-decimal') console.log(JSON.stringify({ ...reply, position: 'none', orders: 'none' }));
  else if (fault === 'extra') console.log(`${JSON.stringify(reply)}\nwarning: slow`);
  else if (fault !== 'empty') console.log(JSON.stringify(reply));
}

const ageMs = (path) => {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
};
const rmdir = (path) => {
  try {
    rmdirSync(path);
  } catch {
    // Another caller removed it first.
  }
};

// Bundled into another program it is only its functions.
const program = process.argv[1] ?? '';
if (import.meta.url === pathToFileURL(program).href && program.endsWith('command-venue.mjs'))
  main(process.argv.slice(2));
