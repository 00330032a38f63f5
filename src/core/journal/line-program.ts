/** The compiled program that lines are read with: how it is begun, and where in its memory everything stands. */
import { WASM } from './line-wasm.ts';

import { NUMERIC_FIELDS } from './parse.ts';

/** One program with a memory of its own, whose views these are. */
export type LineProgram = Pick<Exports, 'next' | 'skim' | 'decimal' | 'book'> & {
  bytes: Latin1Buffer;
  words: Int32Array;
  doubles: Float64Array;
};

/** Its tables of names and powers are laid; nothing was read yet. */
export function startLineProgram(): LineProgram {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(WASM, 'base64')));
  const { memory, next, skim, decimal, book, layName } = exports as Exports;
  const bytes = Buffer.from(memory.buffer) as Latin1Buffer;
  layTables(bytes, layName);
  return {
    next,
    skim,
    decimal,
    book,
    bytes,
    words: new Int32Array(memory.buffer),
    doubles: new Float64Array(memory.buffer),
  };
}

/** Types that are read without the full parser: those with a number of their own, and every name that is not known. */
export const TYPES = [
  'other',
  'fill',
  'order_placed',
  'order_cancelled',
  'rejection',
  'snapshot',
  'heartbeat',
] as const;
/** Types whose every member may matter: their lines are for the full parser. */
const FULL_TYPES = ['run_start', 'run_end', 'error', 'drawdown_stop', 'margin_guard_shutdown'];
export type QuickType = (typeof TYPES)[number];

/** Sums over skimmed fills, in the order in which they are kept. */
export const SUM_NAMES = ['notional', 'takerNotional', 'fees', 'cashflow', 'net'] as const;
export type SkimmedSum = (typeof SUM_NAMES)[number];

/** What `toString('latin1')` comes to after some detours, which cost more than a short text. */
export type Latin1Buffer = Buffer & { latin1Slice(start: number, end: number): string };

type Exports = {
  memory: { buffer: ArrayBuffer };
  next: (at: number) => number;
  skim: (at: number, end: number) => number;
  decimal: (start: number, end: number) => number;
  book: (count: number) => void;
  layName: (at: number, length: number, table: number, shift: number, number: number, kind: number) => void;
};
/** Of the standard, as far as it is needed here; Node has it, the language's own library does not. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: unknown };
};

export const INPUT = 64 * 1024;
export const INPUT_BYTES = 256 * 1024;

// As in src/core/journal/wasm/memory.ts; indices into the views of 4 and 8 bytes.
const SLOTS = 1024 / 4;
export const TIME = 2048 / 8;
export const SEEN = 2056 / 4;
export const HAVE = 2060 / 4;
export const TYPE = 2064 / 4;
export const CHANGED = 2068 / 4;
export const COUNTS = 2360 / 4;
export const POSITIONS = 2392 / 4;
export const TAKEN = 2396 / 4;
export const POINT_COUNT = 2400 / 4;
export const LOOK_END = 2404 / 4;
export const LAST_TIME = 2408 / 8;
export const HIGHEST_TIME = 2416 / 8;
export const POSITION_START = 2424 / 4;
export const SUM_PLACES = 2432 / 4;
export const POST_ONLY = 2436 / 4;
export const ID_COUNT = 2440 / 4;
export const IDS_RISE = 2444 / 4;
export const EDGE_COUNT = 2448 / 4;
export const EDGE_AGAIN_COUNT = 2452 / 4;
export const ADVERSE = 2456 / 4;
export const GAP_COUNT = 2460 / 4;
export const FIRST_BEAT = 2464 / 8;
export const LAST_BEAT = 2472 / 8;
export const LAST_MID = 2480 / 8;
export const POINTS = 335_872 / 8;
export const FILL_ROWS = 409_600 / 8;
export const GAPS = 475_136 / 8;
export const SUMS = 483_328 / 8;
export const IDS = 655_360 / 4;
export const EDGES = 663_552 / 8;
export const EDGES_AGAIN = 671_744 / 8;
export const BOOK_STATE = 720_896 / 8;
export const BOOK_HELD = 721_408 / 8;
export const BOOK_TS = 819_712 / 8;
export const BOOK_PRICE = 852_480 / 8;
export const BOOK_SIGN = 885_248 / 8;
/** Six, and six of each of six horizons. */
export const BOOK_NUMBERS = 42;
/** Points held, and fills. */
export const BOOK_ROOM = 4096;
const TENTHS = 679_936;
const MOST_TENTHS = 48;
const ONES = 2112;
const POWERS = 2176;
const LAST = 3072;
const KEY_TABLE = 8192;
const TYPE_TABLE = 16384;
const FULL_TYPE = 16;
export const [TEXT, NUMBER, TRUE] = [2, 3, 4];
const CLASS = { any: 1, decimal: 2, seconds: 3, name: 4, remembered: 5, schema: 6, rememberedDecimal: 7 };

export const SLOT = Object.fromEntries(
  [
    ...['type', 'ts', 'run_id', 'market', 'schema_version'],
    ...['trade_id', 'side', 'is_taker', 'level', 'reason', 'active_orders', 'circuit_open'],
    ...NUMERIC_FIELDS,
  ].map((key, at) => [key, at]),
) as Record<
  | (typeof NUMERIC_FIELDS)[number]
  | ('type' | 'ts' | 'run_id' | 'market' | 'schema_version')
  | ('trade_id' | 'side' | 'is_taker' | 'level' | 'reason' | 'active_orders' | 'circuit_open'),
  number
>;
const CLASSES: Partial<Record<string, number>> = {
  ...Object.fromEntries(NUMERIC_FIELDS.map((key) => [key, CLASS.decimal])),
  position: CLASS.rememberedDecimal,
  type: CLASS.name,
  ts: CLASS.seconds,
  run_id: CLASS.remembered,
  market: CLASS.remembered,
  schema_version: CLASS.schema,
};

export const slotAt = (slot: number) => SLOTS + slot * 4;
export const bit = (slot: number) => 1 << slot;
function layTables(memory: Buffer, layName: Exports['layName']): void {
  memory.fill(255, ONES, ONES + 16);
  for (let n = 0; n <= 22; n += 1) memory.writeDoubleLE(10 ** n, POWERS + 8 * n);
  for (let n = 1; n <= MOST_TENTHS; n += 1) layTenth(memory, n);
  for (let slot = 0; slot < 32; slot += 1) memory.writeInt32LE(-1, LAST + 80 * slot);
  const lay = (name: string, table: number, shift: number, number: number, kind: number) => {
    memory.fill(0, INPUT, INPUT + 24);
    layName(INPUT, memory.write(name, INPUT, 'latin1'), table, shift, number, kind);
  };
  for (const [key, slot] of Object.entries(SLOT)) lay(key, KEY_TABLE, 56, slot, CLASSES[key] ?? CLASS.any);
  for (const [number, name] of TYPES.entries()) if (number > 0) lay(name, TYPE_TABLE, 58, number, 0);
  for (const name of FULL_TYPES) lay(name, TYPE_TABLE, 58, FULL_TYPE, 0);
}

/** The first 128 bits of 10^-n without its twos: those of 5^-n, rounded up. */
function layTenth(memory: Buffer, n: number): void {
  const fives = 5n ** BigInt(n);
  const bits = BigInt((fives - 1n).toString(2).length);
  const wide = n <= 27 ? bits + 127n : 2n * bits + 128n;
  let fraction = (1n << wide) / fives + 1n;
  while (fraction >> 128n !== 0n) fraction >>= 1n;
  memory.writeBigUInt64LE(fraction >> 64n, TENTHS + 16 * n);
  memory.writeBigUInt64LE(BigInt.asUintN(64, fraction), TENTHS + 16 * n + 8);
}
