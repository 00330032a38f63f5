import { boundedId, edgeOf, midOf, NUMERIC_FIELDS, sideOf, toNumber } from './parse.ts';
import { type Member, topLevelMembers } from './top-level.ts';
import type { JournalEvent } from './types.ts';

/**
 * The layout of one kind of line as a pattern, learned from a line that the full parser accepted.
 *
 * A line that matches is proved to be good: its separators, keys, type, run, market and schema version are those of the
 * learned line letter by letter, and each value is in a class that the full parser accepts for its key. A line that does
 * not match says nothing: it goes to the full parser.
 */
export type Template = {
  /** Sticky; matches a whole line with its newline. */
  pattern: RegExp;
  schema: string;
  /** No number depends on such lines (reprice decisions without position and mid): matching them is enough. */
  idle: boolean;
  build: (match: RegExpExecArray) => JournalEvent;
};

/** Where `"type": "` stood in the learned line, and that text up to the value's first letter. */
export type TypeKey = { offset: number; length: number };

/** A template from a good line's text with its line end; null when the line has a shape not worth one. */
export function learnTemplate(
  text: string,
  event: JournalEvent,
  schema: string,
): { template: Template; typeKey: TypeKey } | null {
  if (!PLAIN_LINE.test(text) || !LEARNED_TYPES.has(event.type)) return null;
  const members = topLevelMembers(text);
  const type = members.find((m) => m.key === 'type');
  const keys = new Set(members.map((m) => m.key));
  if (type === undefined || keys.size !== members.length || members.some((m) => m.key.includes('\\'))) return null;
  const groups: string[] = [];
  let source = '';
  let at = 0;
  for (const member of members) {
    const value = valueClass(member, text, event.type);
    if (value === null) return null;
    source += literal(text.slice(at, member.start));
    const captured = captures(member.key, event.type);
    if (captured) groups.push(member.key);
    source += NUMERIC.has(member.key) ? value : `(${captured ? '' : '?:'}${value})`;
    at = member.end;
  }
  source += literal(text.slice(at));
  const pattern = new RegExp(source, 'y');
  pattern.lastIndex = 0;
  if (!pattern.test(text)) return null;
  const build = builderOf(event, groups);
  const typeKey = { offset: type.keyStart, length: type.start + 1 - type.keyStart };
  return { template: { pattern, schema, idle: isIdle(event, groups), build }, typeKey };
}

const PLAIN_LINE = /^[\x20-\x7e]*\r?\n$/;
const LEARNED_TYPES = new Set<JournalEvent['type']>([
  'fill',
  'order_placed',
  'order_cancelled',
  'rejection',
  'snapshot',
  'heartbeat',
  'other',
]);

const NUMERIC: ReadonlySet<string> = new Set(NUMERIC_FIELDS);
/** Members whose text must be the learned one. */
const FIXED = new Set(['type', 'run_id', 'market', 'schema_version']);

// Value classes. They begin with different characters, so a mismatch is found without trying combinations.
const TEXT = '"[ !#-\\[\\]-~]*"';
const NUMBER = '-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?';
const SCALAR = `${TEXT}|${NUMBER}|true|false|null`;
const TIME = '[1-9]\\d{0,11}(?:\\.\\d{1,9})?';
const QUOTED_DECIMAL = '-?\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d{1,3})?';
// Bare numbers only where a double gives back the same text.
const BARE_DECIMAL = '(?:-?[1-9]\\d{0,8}|0)(?:\\.\\d{0,5}[1-9])?';
const NESTED = nested(nested(nested(SCALAR)));

/** Arrays and objects of `inner`, each element followed by a comma and another one, or by the end. */
function nested(inner: string): string {
  const array = `\\[(?:(?:${inner})(?:, ?(?!\\])|(?=\\])))*\\]`;
  const object = `\\{(?:${TEXT}: ?(?:${inner})(?:, ?(?!\\})|(?=\\})))*\\}`;
  return `${SCALAR}|${array}|${object}`;
}

function valueClass({ key, start, end }: Member, text: string, type: JournalEvent['type']): string | null {
  if (FIXED.has(key)) return literal(text.slice(start, end));
  if (key === 'ts') return TIME;
  const required = type === 'fill' ? ['side', 'price', 'qty'] : type === 'order_placed' ? ['side', 'price'] : [];
  if (NUMERIC.has(key)) {
    const bare = text[start] !== '"' && text[start] !== 'n';
    return decimalClass({ bare, required: required.includes(key), captured: captures(key, type) });
  }
  if (required.includes(key)) return TEXT;
  const first = text[start];
  return first === '{' || first === '[' ? NESTED : SCALAR;
}

/** One group if captured, without the quotes; it matches nothing for null. */
function decimalClass({ bare, required, captured }: { bare: boolean; required: boolean; captured: boolean }): string {
  const open = captured ? '(' : '(?:';
  const decimal = bare ? `${open}${BARE_DECIMAL})` : `"${open}${QUOTED_DECIMAL})"`;
  return required ? decimal : `(?:${decimal}|null)`;
}

const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

const POINT_KEYS = ['ts', 'position', 'mid', 'mark_price', 'best_bid', 'best_ask'];
const FILL_KEYS = ['trade_id', 'side', 'price', 'qty', 'fee', 'is_taker', 'level', 'spread_bps', 'edge_bps'];
const KEYS: Partial<Record<JournalEvent['type'], ReadonlySet<string>>> = {
  fill: new Set([...POINT_KEYS, ...FILL_KEYS, 'quote_lifetime_ms']),
  order_placed: new Set([...POINT_KEYS, 'side', 'level', 'spread_bps']),
  order_cancelled: new Set([...POINT_KEYS, 'reason']),
  rejection: new Set([...POINT_KEYS, 'reason']),
  snapshot: new Set([...POINT_KEYS, 'active_orders', 'circuit_open', 'spread_bps']),
  heartbeat: new Set([...POINT_KEYS, 'active_orders']),
  other: new Set(POINT_KEYS),
};

/** Frequent types that say nothing to anyone but the bot's own author. */
const IDLE_TYPES = new Set(['reprice_decision', 'deadman_heartbeat']);

const captures = (key: string, type: JournalEvent['type']) => KEYS[type]?.has(key) === true;

function isIdle(event: JournalEvent, groups: string[]): boolean {
  const has = (key: string) => groups.includes(key);
  const point = has('position') || has('mid') || has('mark_price') || (has('best_bid') && has('best_ask'));
  return event.type === 'other' && IDLE_TYPES.has(event.name) && !point;
}

/** Makes the function that turns a match into the event which the full parser would give. */
function builderOf(sample: JournalEvent, groups: string[]): (match: RegExpExecArray) => JournalEvent {
  const place = (key: string) => groups.indexOf(key) + 1;
  const [ts, position, mid, mark, bid, ask] = POINT_KEYS.map(place) as [number, number, number, number, number, number];
  const [tradeId, side, price, qty, fee, isTaker, level, spread, edge] = FILL_KEYS.map(place) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [reason, orders, circuit, lifetime] = ['reason', 'active_orders', 'circuit_open', 'quote_lifetime_ms'].map(
    place,
  ) as [number, number, number, number];
  const { runId, market } = sample;

  const hasMid = mid !== 0 || mark !== 0;
  const hasBook = bid !== 0 && ask !== 0;
  const midOfMatch = (m: RegExpExecArray) => {
    if (!hasMid) return hasBook ? halfWay(number(m, bid), number(m, ask)) : null;
    return midOf({
      mid: decimalAt(m, mid),
      mark_price: decimalAt(m, mark),
      best_bid: decimalAt(m, bid),
      best_ask: decimalAt(m, ask),
    });
  };
  // Object literals in full: spreading a common part costs more than the match itself.
  const number = (m: RegExpExecArray, at: number) => toNumber(decimalAt(m, at));
  const integer = (m: RegExpExecArray, at: number) => {
    const value = scalarAt(m, at);
    return typeof value === 'number' && Number.isInteger(value) ? value : null;
  };
  const text = (m: RegExpExecArray, at: number) => {
    const value = scalarAt(m, at);
    return typeof value === 'string' ? value : '';
  };

  switch (sample.type) {
    case 'fill':
      return (m) => {
        const mid = midOfMatch(m);
        const sideText = text(m, side);
        const fillPrice = decimalAt(m, price) ?? '0';
        return {
          ts: Number(m[ts]),
          runId,
          market,
          position: decimalAt(m, position),
          mid,
          type: 'fill',
          tradeId: idAt(m, tradeId),
          side: sideOf(sideText),
          sideText,
          price: fillPrice,
          qty: decimalAt(m, qty) ?? '0',
          fee: decimalAt(m, fee),
          isTaker: scalarAt(m, isTaker) === true,
          level: integer(m, level),
          edgeBps: number(m, edge),
          edgeRecomputedBps: edgeOf(sideOf(sideText), Number(fillPrice), mid),
          bestBid: number(m, bid),
          bestAsk: number(m, ask),
          spreadBps: number(m, spread),
          quoteLifetimeMs: number(m, lifetime),
        };
      };
    case 'order_placed':
      return (m) => ({
        ts: Number(m[ts]),
        runId,
        market,
        position: decimalAt(m, position),
        mid: midOfMatch(m),
        type: 'order_placed',
        side: sideOf(text(m, side)),
        level: integer(m, level),
        spreadBps: number(m, spread),
      });
    case 'order_cancelled':
      return (m) => ({
        ts: Number(m[ts]),
        runId,
        market,
        position: decimalAt(m, position),
        mid: midOfMatch(m),
        type: 'order_cancelled',
        reason: text(m, reason),
      });
    case 'rejection':
      return (m) => {
        const why = text(m, reason);
        return {
          ts: Number(m[ts]),
          runId,
          market,
          position: decimalAt(m, position),
          mid: midOfMatch(m),
          type: 'rejection',
          reason: why,
          postOnly: why.toUpperCase().includes('POST_ONLY'),
        };
      };
    case 'snapshot':
      return (m) => ({
        ts: Number(m[ts]),
        runId,
        market,
        position: decimalAt(m, position),
        mid: midOfMatch(m),
        type: 'snapshot',
        activeOrders: integer(m, orders),
        circuitOpen: scalarAt(m, circuit) === true,
        bestBid: number(m, bid),
        bestAsk: number(m, ask),
        spreadBps: number(m, spread),
      });
    case 'heartbeat':
      return (m) => ({
        ts: Number(m[ts]),
        runId,
        market,
        position: decimalAt(m, position),
        mid: midOfMatch(m),
        type: 'heartbeat',
        activeOrders: integer(m, orders),
      });
    default: {
      const name = sample.type === 'other' ? sample.name : sample.type;
      return (m) => ({
        ts: Number(m[ts]),
        runId,
        market,
        position: decimalAt(m, position),
        mid: midOfMatch(m),
        type: 'other',
        name,
      });
    }
  }
}

const halfWay = (bid: number | null, ask: number | null) => (bid === null || ask === null ? null : (bid + ask) / 2);

/** The decimal text of a group (0: the line has no such key); null for null. Bare numbers as the full parser writes them. */
function decimalAt(match: RegExpExecArray, group: number): string | null {
  return group === 0 ? null : (match[group] ?? null);
}

function scalarAt(match: RegExpExecArray, group: number): string | number | boolean | null {
  if (group === 0) return null;
  const raw = match[group]!;
  const first = raw.charCodeAt(0);
  if (first === 34) return own(raw.slice(1, -1));
  if (first === 110) return null;
  if (first === 116) return true;
  return first === 102 ? false : Number(raw);
}

function idAt(match: RegExpExecArray, group: number): string {
  if (group === 0) return '';
  const raw = match[group]!;
  const value = scalarAt(match, group);
  if (typeof value === 'string') return boundedId(value);
  if (typeof value !== 'number') return '';
  return Number.isSafeInteger(value) ? String(value) : boundedId(own(raw));
}

/** A part of a long text keeps all of it in memory; a copy does not. Short parts are copies already. */
function own(text: string): string {
  return text.length < 13 ? text : Buffer.from(text, 'latin1').toString('latin1');
}
