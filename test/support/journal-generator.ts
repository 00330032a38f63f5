import { closeSync, openSync, writeSync } from 'node:fs';

export type Layout = 'default' | 'compact' | 'shuffled';

/** The same numbers for the same seed, 0 <= x < 1. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Lines of an invented journal in the bot's own format, without newlines, for ever. */
export function* journalLines(seed: number, layout: Layout = 'default', market = 'SOL-USD'): Generator<string> {
  const rnd = random(seed);
  const runId = Array.from({ length: 32 }, () => Math.floor(rnd() * 16).toString(16)).join('');
  let [ts, seq, mid, position, order] = [1_771_200_000.25, 0, 141.37, 0, 1_784_963_886_257_016_832n];
  const write = (type: string, fields: string[]): string => {
    seq += 1;
    const envelope = [`"ts": ${Math.round(ts * 1e6) / 1e6}`, `"seq": ${seq}`, `"run_id": "${runId}"`];
    const members = [...envelope, '"schema_version": 2', `"type": "${type}"`, `"market": "${market}"`, ...fields];
    if (layout === 'shuffled') {
      for (let n = members.length - 1; n > 0; n -= 1) {
        const other = Math.floor(rnd() * (n + 1));
        [members[n], members[other]] = [members[other]!, members[n]!];
      }
    }
    if (layout !== 'compact') return `{${members.join(', ')}}`;
    return `{${members.map((m) => m.replaceAll('": ', '":').replaceAll(', ', ',')).join(',')}}`;
  };
  const text = (key: string, value: number, digits: number) => `"${key}": "${value.toFixed(digits)}"`;
  yield write('run_start', [
    '"environment": "testnet"',
    `"config": {"market_name": "${market}", "spread_multiplier": "1.2", "type": "nested", "api_key": "***redacted***"}`,
    '"market_static": {"tick_size": "0.01", "min_order_size": "0.1", "min_order_size_change": "0.01"}',
    '"provenance": {"env_file": ".env.sol.iter003", "cwd": "work"}',
  ]);
  let beatTs = ts;
  for (;;) {
    ts += rnd() * 1.5;
    mid = Math.max(1, mid + (rnd() - 0.5) * 0.08);
    const [bid, ask, kind] = [mid - 0.01, mid + 0.01, rnd()];
    const side = rnd() < 0.5 ? 'BUY' : 'SELL';
    const book = [text('best_bid', bid, 2), text('best_ask', ask, 2)];
    const spread = text('spread_bps', (0.02 / mid) * 1e4, 24);
    order += BigInt(Math.ceil(rnd() * 1000));
    // The bot's own beat of 30 s, and some more.
    if (ts - beatTs > 28 || (kind >= 0.955 && kind < 0.985)) {
      beatTs = ts;
      const rest = [`"event_count": ${seq}`, '"active_orders": 3', `"uptime_s": ${(seq * 0.7).toFixed(5)}`];
      yield write('heartbeat', [text('position', position, 1), ...rest]);
    } else if (kind < 0.36) {
      const names = [`"side": "${side}"`, `"level": ${rnd() < 0.5 ? 0 : 1}`, '"reason": "hold_within_tolerance"'];
      const prices = [
        text('current_best', ask, 2),
        text('prev_price', ask + 0.07, 2),
        text('target_price', ask + 0.08, 2),
      ];
      const trend = ['"trend_direction": "NEUTRAL"', text('trend_strength', rnd(), 2), '"inventory_band": "NORMAL"'];
      const rest = ['"extra_offset_bps": "0"', '"regime": "CALM"', ...trend, text('funding_bias_bps', rnd() - 0.5, 1)];
      yield write('reprice_decision', [...names, ...prices, spread, ...rest]);
    } else if (kind < 0.7) {
      const ids = [`"external_id": "mm-${seq.toString(16)}"`, `"exchange_id": "${order}"`, `"side": "${side}"`];
      const what = [text('price', side === 'BUY' ? bid : ask, 2), text('size', 0.5, 1), '"level": 0'];
      yield write('order_placed', [...ids, ...what, ...book, spread, text('position', position, 1)]);
    } else if (kind < 0.9) {
      const ids = [`"external_id": "mm-${seq.toString(16)}"`, `"exchange_id": "${order}"`, `"side": "${side}"`];
      yield write('order_cancelled', [...ids, '"level": 0', '"reason": "reprice"']);
    } else if (kind < 0.95) {
      const price = side === 'BUY' ? bid : ask;
      position += side === 'BUY' ? 0.5 : -0.5;
      const edge = text('edge_bps', (0.01 / mid) * 1e4, 25);
      const level = (p: number) => `{"price": "${p.toFixed(2)}", "size": "${(rnd() * 9).toFixed(1)}"}`;
      const tops = (first: number, step: number) => [0, 1, 2, 3, 4].map((n) => level(first + step * n)).join(', ');
      const depth = `"bids_top": [${tops(bid, -0.01)}], "asks_top": [${tops(ask, 0.01)}]`;
      const state =
        '"micro_vol_bps": "2.1", "imbalance": "0.6", "is_stale": false, "seconds_since_update": 0.113, "depth": 5';
      yield write('fill', [
        `"trade_id": ${order + 7n}`,
        `"order_id": ${order}`,
        `"side": "${side}"`,
        text('price', price, 2),
        text('qty', 0.5, 1),
        '"fee": "0"',
        `"is_taker": ${rnd() < 0.02}`,
        '"level": 0',
        ...book,
        text('mid', mid, 3),
        spread,
        edge,
        text('position', position, 1),
        text('quote_lifetime_ms', rnd() * 5000, 3),
        `"market_snapshot": {${book.join(', ')}, ${depth}, ${state}}`,
      ]);
    } else if (kind < 0.955) {
      const ids = [`"external_id": "mm-${seq.toString(16)}"`, '"exchange_id": null', `"side": "${side}"`];
      yield write('rejection', [...ids, text('price', bid, 2), '"reason": "POST_ONLY_FAILED"']);
    } else {
      const rest = ['"active_orders": 3', `"total_fills": ${seq}`, '"total_fees": "0"', '"circuit_open": false'];
      yield write('snapshot', [text('position', position, 1), ...book, spread, ...rest]);
    }
  }
}

/** Writes a journal of about so many bytes, whole lines. */
export function writeJournal(path: string, bytes: number, options: { seed?: number; layout?: Layout } = {}): void {
  const fd = openSync(path, 'w');
  let written = 0;
  let block: string[] = [];
  let size = 0;
  for (const line of journalLines(options.seed ?? 1, options.layout)) {
    block.push(line);
    size += line.length + 1;
    if (size < 4e6 && written + size < bytes) continue;
    written += writeSync(fd, `${block.join('\n')}\n`);
    block = [];
    size = 0;
    if (written >= bytes) break;
  }
  closeSync(fd);
}
