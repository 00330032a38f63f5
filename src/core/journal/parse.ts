import { createHash } from 'node:crypto';
import { isSecretKey } from '../env/keys.ts';
import { topLevelMembers } from './top-level.ts';
import type { JournalEvent, Side } from './types.ts';

/** Why a line was dropped. */
export type BadReason =
  | 'utf8'
  | 'json'
  | 'not_object'
  | 'no_type'
  | 'no_ts'
  | 'bad_number'
  | 'missing_field'
  | 'too_long'
  | 'torn';

/** `schema`: `schema_version` as text (`2`), '' when the line has none. */
export type ParsedLine = { ok: true; event: JournalEvent; schema: string } | { ok: false; reason: BadReason };

/** Top-level fields that are null or a finite decimal (number or text) on every good line. */
export const NUMERIC_FIELDS = [
  'price',
  'qty',
  'fee',
  'mid',
  'best_bid',
  'best_ask',
  'spread_bps',
  'edge_bps',
  'position',
  'size',
  'quote_lifetime_ms',
  'mark_price',
  'total_fees',
  'trend_strength',
  'funding_bias_bps',
] as const;

/** A line longer than this many bytes is bad and is skipped without being held in memory. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** One line's text (without its newline) as an event, or why it is bad. The reference: it parses everything. */
export function parseLine(text: string): ParsedLine {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch {
    return { ok: false, reason: 'json' };
  }
  if (record === null || typeof record !== 'object' || Array.isArray(record))
    return { ok: false, reason: 'not_object' };
  return toEvent(record as Fields, text);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One line's bytes as an event; null for a blank line, which does not count at all. */
export function parseBytes(bytes: Uint8Array): ParsedLine | null {
  if (bytes.length > MAX_LINE_BYTES) return { ok: false, reason: 'too_long' };
  if (isBlank(bytes)) return null;
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return { ok: false, reason: 'utf8' };
  }
  return parseLine(text);
}

/** A decimal's text as the bot's own arithmetic reads it (spaces around it and `_` between digits are allowed). */
export function decimalText(value: unknown): string | null | undefined {
  if (value === null) return null;
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : undefined;
  if (typeof value !== 'string' || value.length > MAX_TEXT_CHARS) return undefined;
  if (PLAIN_DECIMAL.test(value)) return value;
  const bare = value.trim().replaceAll('_', '');
  return DECIMAL.test(bare) ? bare.replace(/^\+/, '') : undefined;
}

/** `buy`/`sell` for the two written forms (`BUY`, `OrderSide.BUY`), null for anything else. */
export function sideOf(text: string): Side | null {
  if (text === 'BUY' || text === 'OrderSide.BUY') return 'buy';
  return text === 'SELL' || text === 'OrderSide.SELL' ? 'sell' : null;
}

type Fields = Record<string, unknown>;

const PLAIN_DECIMAL = /^-?\d+(?:\.\d+)?$/;
// A longer exponent is no amount of anything, and written out it would not fit into memory.
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/;

/** What is kept of one text of a line: as much as a line may have for which a template is tried. */
const MAX_TEXT_CHARS = 64 * 1024;
const MAX_ID_CHARS = 256;

function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    if (byte !== 32 && (byte < 9 || byte > 13)) return false;
  }
  return true;
}

function toEvent(record: Fields, text: string): ParsedLine {
  const type = record['type'];
  if (typeof type !== 'string') return { ok: false, reason: 'no_type' };
  const ts = record['ts'];
  if (typeof ts !== 'number' || !Number.isFinite(ts)) return { ok: false, reason: 'no_ts' };
  const decimals: Record<string, string | null> = {};
  for (const field of NUMERIC_FIELDS) {
    const value = record[field];
    if (value === undefined) continue;
    const decimal = unsafeInteger(value) ? rawText(text, field) : decimalText(value);
    if (decimal === undefined) return { ok: false, reason: 'bad_number' };
    decimals[field] = decimal;
  }
  if (missesField(type, record)) return { ok: false, reason: 'missing_field' };
  const version = record['schema_version'];
  return {
    ok: true,
    schema: wordOf(version),
    event: buildEvent(type, ts, { decimals, record, text }),
  };
}

const unsafeInteger = (value: unknown) =>
  typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);

/** The last member's own text: an integer past 2^53 keeps its digits. */
function rawText(text: string, key: string): string | undefined {
  const member = topLevelMembers(text).findLast((m) => m.key === key);
  return member === undefined ? undefined : text.slice(member.start, member.end);
}

function missesField(type: string, record: Fields): boolean {
  const absent = (key: string) => record[key] === undefined || record[key] === null;
  if (type === 'fill') return absent('side') || absent('price') || absent('qty') || record['fee'] === undefined;
  return type === 'order_placed' && (absent('side') || absent('price'));
}

type Envelope = { ts: number; runId: string; market: string; position: string | null; mid: number | null };
type Source = { decimals: Record<string, string | null>; record: Fields; text: string };

function buildEvent(type: string, ts: number, source: Source): JournalEvent {
  const { decimals, record } = source;
  const number = (key: string) => toNumber(decimals[key]);
  // Object literals in full: spreading a common part into them costs as much as parsing the line.
  const runId = textOf(record['run_id']) ?? '';
  const market = textOf(record['market']) ?? '';
  const position = decimals['position'] ?? null;
  const mid = midOf(decimals);
  switch (type) {
    case 'fill':
      return fillEvent({ ts, runId, market, position, mid }, source);
    case 'order_placed':
      return {
        ts,
        runId,
        market,
        position,
        mid,
        type,
        side: sideOf(wordOf(record['side'])),
        level: integerOf(record['level']),
        spreadBps: number('spread_bps'),
      };
    case 'order_cancelled':
      return { ts, runId, market, position, mid, type, reason: textOf(record['reason']) ?? '' };
    case 'rejection': {
      const reason = textOf(record['reason']) ?? '';
      return { ts, runId, market, position, mid, type, reason, postOnly: reason.toUpperCase().includes('POST_ONLY') };
    }
    case 'snapshot':
      return {
        ts,
        runId,
        market,
        position,
        mid,
        type,
        activeOrders: integerOf(record['active_orders']),
        circuitOpen: record['circuit_open'] === true,
        bestBid: number('best_bid'),
        bestAsk: number('best_ask'),
        spreadBps: number('spread_bps'),
      };
    case 'heartbeat':
      return { ts, runId, market, position, mid, type, activeOrders: integerOf(record['active_orders']) };
    case 'error':
      return { ts, runId, market, position, mid, type, stackTraceHash: textOf(record['stack_trace_hash']) ?? '' };
    case 'run_start':
      return { ts, runId, market, position, mid, ...runStartPart(record) };
    case 'run_end':
      return { ts, runId, market, position, mid, ...runEndPart(record) };
    case 'drawdown_stop':
      return { ts, runId, market, position, mid, type, drawdownUsd: decimalText(record['drawdown'] ?? null) ?? null };
    default:
      return { ts, runId, market, position, mid, type: 'other', name: type };
  }
}

/** Recomputed edge in bps of the mid: positive when the fill was better than the mid. null without mid or side. */
export function edgeOf(side: Side | null, price: number, mid: number | null): number | null {
  if (side === null || mid === null || mid === 0) return null;
  const edge = ((side === 'buy' ? mid - price : price - mid) / mid) * 1e4;
  return Number.isFinite(edge) ? edge : null;
}

/** A line's mid from its texts: `mid`, else `mark_price`, else (bid + ask) / 2; null when it has none. */
export function midOf(decimals: Record<string, string | null | undefined>): number | null {
  const direct = toNumber(decimals['mid']) ?? toNumber(decimals['mark_price']);
  if (direct !== null) return direct;
  const bid = toNumber(decimals['best_bid']);
  const ask = toNumber(decimals['best_ask']);
  return bid === null || ask === null ? null : (bid + ask) / 2;
}

function fillEvent({ ts, runId, market, position, mid }: Envelope, { decimals, record, text }: Source): JournalEvent {
  const number = (key: string) => toNumber(decimals[key]);
  const sideText = wordOf(record['side']);
  const side = sideOf(sideText);
  const price = decimals['price'] ?? '0';
  return {
    ts,
    runId,
    market,
    position,
    mid,
    type: 'fill',
    tradeId: idOf(record['trade_id'], text, 'trade_id'),
    side,
    sideText,
    price,
    qty: decimals['qty'] ?? '0',
    fee: decimals['fee'] ?? null,
    isTaker: record['is_taker'] === true,
    level: integerOf(record['level']),
    edgeBps: number('edge_bps'),
    edgeRecomputedBps: edgeOf(side, Number(price), mid),
    bestBid: number('best_bid'),
    bestAsk: number('best_ask'),
    spreadBps: number('spread_bps'),
    quoteLifetimeMs: number('quote_lifetime_ms'),
  };
}

/** Ids have about 19 digits, more than a double holds: their digits are taken from the line's text. */
function idOf(value: unknown, text: string, key: string): string {
  if (typeof value === 'string') return boundedId(value);
  if (typeof value !== 'number') return '';
  return Number.isSafeInteger(value) ? String(value) : boundedId(rawText(text, key) ?? '');
}

/** Ids are remembered by the thousand: one that is no id any more is remembered by its hash. */
export function boundedId(id: string): string {
  return id.length <= MAX_ID_CHARS ? id : createHash('sha256').update(id).digest('hex');
}

function runStartPart(record: Fields) {
  const market = objectOf(record['market_static']);
  return {
    type: 'run_start' as const,
    environment: textOf(record['environment']) ?? '',
    config: withoutSecrets(objectOf(record['config'])),
    tickSize: decimalText(market['tick_size'] ?? null) ?? null,
    minOrderSize: decimalText(market['min_order_size'] ?? null) ?? null,
    sizeStep: decimalText(market['min_order_size_change'] ?? null) ?? null,
    envFile: textOf(objectOf(record['provenance'])['env_file']),
  };
}

/** The bot blanks only the secrets it knows of; what a run is remembered by must hold none. */
function withoutSecrets(config: Fields): Fields {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !isSecretKey(key) && !isSecretKey(`MM_${key}`)));
}

function runEndPart(record: Fields) {
  const stats = objectOf(record['stats']);
  return {
    type: 'run_end' as const,
    reason: textOf(record['reason']) ?? '',
    stats,
    flatten: {
      positionBefore: decimalText(stats['shutdown_position_before_flatten'] ?? null) ?? null,
      positionAfter: decimalText(stats['shutdown_position_after_flatten'] ?? null) ?? null,
      enabled: booleanOf(stats['shutdown_flatten_enabled']),
      attempted: booleanOf(stats['shutdown_flatten_attempted']),
      submitted: booleanOf(stats['shutdown_flatten_submitted']),
      attempts: integerOf(stats['shutdown_flatten_attempts']),
      reason: textOf(stats['shutdown_flatten_reason']),
      activeOrders: integerOf(stats['active_orders']),
    },
  };
}

/** A double, or null when absent or beyond a double's range. */
export function toNumber(decimal: string | null | undefined): number | null {
  if (decimal === null || decimal === undefined) return null;
  const value = Number(decimal);
  return Number.isFinite(value) ? value : null;
}

const textOf = (value: unknown) => (typeof value === 'string' ? cut(value) : null);
/** A part of a text would keep all of it in memory; a copy does not. */
const cut = (text: string) =>
  text.length <= MAX_TEXT_CHARS ? text : Buffer.from(text.slice(0, MAX_TEXT_CHARS), 'utf16le').toString('utf16le');
/** A plain value as text; '' for null, absent, lists and objects (whose text could be anything, or an exception). */
const wordOf = (value: unknown) =>
  typeof value === 'number' || typeof value === 'boolean' ? String(value) : (textOf(value) ?? '');
const integerOf = (value: unknown) => (typeof value === 'number' && Number.isInteger(value) ? value : null);
const booleanOf = (value: unknown) => (typeof value === 'boolean' ? value : null);
const objectOf = (value: unknown): Fields =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {};
