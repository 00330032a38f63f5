import { WASM } from './line-wasm.ts';
import { boundedId, edgeOf, midOf, NUMERIC_FIELDS, sideOf, toNumber } from './parse.ts';
import type { JournalEvent, Side } from './types.ts';

/** Types that are read without the full parser: those with a number of their own, and every name that is not known. */
const TYPES = ['other', 'fill', 'order_placed', 'order_cancelled', 'rejection', 'snapshot', 'heartbeat'] as const;
/** Types whose every member may matter: their lines are for the full parser. */
const FULL_TYPES = ['run_start', 'run_end', 'error', 'drawdown_stop', 'margin_guard_shutdown'];
export type QuickType = (typeof TYPES)[number];

/** Sums over skimmed fills, in the order in which they are kept. */
export const SUM_NAMES = ['notional', 'takerNotional', 'fees', 'cashflow', 'net'] as const;
export type SkimmedSum = (typeof SUM_NAMES)[number];

/**
 * Reads good lines straight from their bytes with the program in src/core/journal/wasm: no object and no text is made
 * until somebody asks for it. After `next` it shows the members of the line that `next` took.
 */
export class LineReader {
  /** Where bytes are laid for reading, and how many. */
  readonly input: Buffer;
  readonly #next: (at: number) => number;
  readonly #skim: (at: number, end: number) => number;
  readonly #decimal: (start: number, end: number) => number;
  readonly #book: (count: number) => void;
  readonly #memory: Latin1Buffer;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  #runId = '';
  #market = '';
  #position = '';

  constructor() {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(WASM, 'base64')));
    const { memory, next, skim, decimal, book, layName } = exports as Exports;
    this.#next = next;
    this.#skim = skim;
    this.#decimal = decimal;
    this.#book = book;
    this.#memory = Buffer.from(memory.buffer) as Latin1Buffer;
    this.#words = new Int32Array(memory.buffer);
    this.#times = new Float64Array(memory.buffer);
    this.points = this.#times.subarray(POINTS);
    this.fillRows = this.#times.subarray(FILL_ROWS);
    this.ids = this.#words.subarray(IDS);
    this.edges = this.#times.subarray(EDGES);
    this.edgesAgain = this.#times.subarray(EDGES_AGAIN);
    this.gaps = this.#times.subarray(GAPS);
    this.book = {
      state: this.#times.subarray(BOOK_STATE, BOOK_STATE + BOOK_NUMBERS),
      held: this.#times.subarray(BOOK_HELD, BOOK_HELD + 3 * BOOK_ROOM),
      ts: this.#times.subarray(BOOK_TS, BOOK_TS + BOOK_ROOM),
      price: this.#times.subarray(BOOK_PRICE, BOOK_PRICE + BOOK_ROOM),
      sign: this.#times.subarray(BOOK_SIGN, BOOK_SIGN + BOOK_ROOM),
    };
    this.input = this.#memory.subarray(INPUT, INPUT + INPUT_BYTES);
    layTables(this.#memory, layName);
  }

  /** Where the line after the one at `at` begins, both in `input`; -1: not a line for this reader. */
  next(at: number): number {
    return this.#shown(at, this.#next(INPUT + at));
  }

  /**
   * Takes good lines from `at` to `end`, as long as they are of the run of the line before `at`, and gives back where the
   * first other one begins; `skimmed` and the tables beside it tell what they were. When `more`, it has only run out of room: it goes on
   * from there. Else `nextSkimmed` shows that line, as `next` would.
   */
  skim(at: number, end: number): number {
    return this.#skim(INPUT + at, INPUT + end) - INPUT;
  }

  /** The lines that `skim` left are for it, too. */
  get more(): boolean {
    return this.#words[LOOK_END] === 1;
  }

  nextSkimmed(at: number): number {
    return this.#shown(at, this.#words[LOOK_END]!);
  }

  /** The line has a run, and it is the one that `skim` compares with. */
  get hasRun(): boolean {
    return this.#has(SLOT.run_id);
  }

  /** How many lines `skim` took. */
  get taken(): number {
    return this.#words[TAKEN]!;
  }

  /**
   * What they were; `endTs` of the last line, `highestTs` of them all; `lastMid`, `firstBeatTs` and `lastBeatTs` are NaN for
   * none. `gaps`: pairs of heartbeats far apart. `idsRise`: each id is higher than the one before.
   */
  skimmed() {
    const [words, times] = [this.#words, this.#times];
    return {
      lines: words[TAKEN]!,
      fills: words[COUNTS + FILL]!,
      orders: words[COUNTS + PLACED]!,
      cancellations: words[COUNTS + TYPES.indexOf('order_cancelled')]!,
      rejections: words[COUNTS + TYPES.indexOf('rejection')]!,
      postOnlyRejections: words[POST_ONLY]!,
      snapshots: words[COUNTS + TYPES.indexOf('snapshot')]!,
      heartbeats: words[COUNTS + TYPES.indexOf('heartbeat')]!,
      firstBeatTs: times[FIRST_BEAT]!,
      lastBeatTs: times[LAST_BEAT]!,
      gaps: words[GAP_COUNT]!,
      endTs: times[LAST_TIME]!,
      highestTs: times[HIGHEST_TIME]!,
      positions: words[POSITIONS]!,
      points: words[POINT_COUNT]!,
      lastMid: times[LAST_MID]!,
      ids: words[ID_COUNT]!,
      idsRise: words[IDS_RISE] === 1,
      edges: words[EDGE_COUNT]!,
      adverse: words[ADVERSE]!,
      edgesAgain: words[EDGE_AGAIN_COUNT]!,
    };
  }

  /** The last position that they reported; there must be one. */
  get skimmedPosition(): string {
    return this.#memory.latin1Slice(this.#words[POSITION_START]!, this.#words[POSITION_START + 1]!);
  }

  /** Their fills and mids in order, three numbers each: time, price, sign (0: a mid). */
  readonly points: Float64Array;
  /** Their fills in order, as `RecentFills` keeps them. */
  readonly fillRows: Float64Array;
  /** The ids of fills that have one, lower half first. */
  readonly ids: Int32Array;
  /** Edges as the journal has them, and as computed again from mid and price. */
  readonly edges: Float64Array;
  readonly edgesAgain: Float64Array;
  /**
   * A markout book laid out for `takeIntoBook`. `state`: newest time, released up to, next due, late ones, points held, fills;
   * then of each horizon its seconds, the first fill that it has not settled, missed ones, and the three numbers of its mean.
   */
  readonly book: Record<'state' | 'held' | 'ts' | 'price' | 'sign', Float64Array>;
  /** Pairs of times. */
  readonly gaps: Float64Array;

  /** Takes the first so many points into the book that is laid out: there must be room for each as a point and as a fill. */
  takeIntoBook(count: number): void {
    this.#book(count);
  }

  /** Bits: places behind the point with which a sum over their fills was kept. */
  get sumPlaces(): number {
    return this.#words[SUM_PLACES]!;
  }

  /** Sum number `at` of those with so many places, a whole multiple of 10^-places. */
  sumOf(at: number, places: number): number {
    return this.#times[SUMS + at * 32 + places]!;
  }

  #shown(at: number, end: number): number {
    if (end === 0 || end - INPUT - at > LINE_BYTES) return -1;
    const words = this.#words;
    const type = words[TYPE]!;
    const have = words[HAVE]!;
    if ((have & ENVELOPE) !== ENVELOPE) return -1;
    if (type === FILL) {
      if ((have & FILL_NEEDS) !== FILL_NEEDS || (words[SEEN]! & FEE) === 0 || this.#kind(SLOT.side) !== TEXT) return -1;
    } else if (type === PLACED && ((have & PLACED_NEEDS) !== PLACED_NEEDS || this.#kind(SLOT.side) !== TEXT)) return -1;
    // A refused line may have brought the change: it stays noted until a line shows the text.
    const changed = words[CHANGED]! & have;
    if (changed !== 0) this.#remember(changed);
    return end - INPUT;
  }

  get type(): QuickType {
    return TYPES[this.#words[TYPE]!]!;
  }

  /** Unix seconds. */
  get ts(): number {
    const seconds = this.#times[TIME]!;
    return Number.isNaN(seconds) ? Number(this.#text(SLOT.ts)) : seconds;
  }

  get runId(): string {
    return this.#has(SLOT.run_id) ? this.#runId : '';
  }

  get market(): string {
    return this.#has(SLOT.market) ? this.#market : '';
  }

  /** As the full parser gives it: `2`, '' when the line has none. */
  get schema(): string {
    if (!this.#has(SLOT.schema_version)) return '';
    const at = this.#words[slotAt(SLOT.schema_version)]!;
    const single = this.#words[slotAt(SLOT.schema_version) + 1]! - at === 1;
    return single && this.#memory[at] === 50 ? '2' : this.#text(SLOT.schema_version);
  }

  get position(): string | null {
    return this.#has(SLOT.position) ? this.#position : null;
  }

  get mid(): number | null {
    const have = this.#words[HAVE]!;
    if ((have & MIDS) === 0) {
      if ((have & BOOK) !== BOOK) return null;
      const [bid, ask] = [this.#number(SLOT.best_bid), this.#number(SLOT.best_ask)];
      return bid === null || ask === null ? null : (bid + ask) / 2;
    }
    return midOf({
      mid: this.#decimalText(SLOT.mid),
      mark_price: this.#decimalText(SLOT.mark_price),
      best_bid: this.#decimalText(SLOT.best_bid),
      best_ask: this.#decimalText(SLOT.best_ask),
    });
  }

  /** Of a type without a kind of its own. */
  get name(): string {
    return this.#text(SLOT.type);
  }

  get tradeId(): string {
    const kind = this.#kind(SLOT.trade_id);
    if (kind !== TEXT && kind !== NUMBER) return '';
    const text = this.#text(SLOT.trade_id);
    if (kind === TEXT) return boundedId(text);
    const value = Number(text);
    return Number.isSafeInteger(value) ? String(value) : boundedId(text);
  }

  get side(): Side | null {
    return sideOf(this.sideText);
  }

  get sideText(): string {
    return this.#word(SLOT.side);
  }

  get price(): string {
    return this.#text(SLOT.price);
  }

  get qty(): string {
    return this.#text(SLOT.qty);
  }

  get fee(): string | null {
    return this.#decimalText(SLOT.fee);
  }

  get isTaker(): boolean {
    return this.#kind(SLOT.is_taker) === TRUE;
  }

  get level(): number | null {
    return this.#integer(SLOT.level);
  }

  get edgeBps(): number | null {
    return this.#number(SLOT.edge_bps);
  }

  get edgeRecomputedBps(): number | null {
    return edgeOf(this.side, Number(this.price), this.mid);
  }

  get bestBid(): number | null {
    return this.#number(SLOT.best_bid);
  }

  get bestAsk(): number | null {
    return this.#number(SLOT.best_ask);
  }

  get spreadBps(): number | null {
    return this.#number(SLOT.spread_bps);
  }

  get quoteLifetimeMs(): number | null {
    return this.#number(SLOT.quote_lifetime_ms);
  }

  get reason(): string {
    return this.#word(SLOT.reason);
  }

  /** Of a rejection. */
  get postOnly(): boolean {
    return this.reason.toUpperCase().includes('POST_ONLY');
  }

  get activeOrders(): number | null {
    return this.#integer(SLOT.active_orders);
  }

  get circuitOpen(): boolean {
    return this.#kind(SLOT.circuit_open) === TRUE;
  }

  /** The line as an event that reads itself when asked, and only until the next line: nobody may keep it. */
  get passing(): JournalEvent {
    return this as unknown as JournalEvent;
  }

  /** The line as the event that the full parser would give. */
  event(): JournalEvent {
    const { type, ts, runId, market, position, mid } = this;
    // Object literals in full: spreading a common part costs more than reading the line.
    switch (type) {
      case 'fill':
        return {
          ts,
          runId,
          market,
          position,
          mid,
          type,
          tradeId: this.tradeId,
          side: this.side,
          sideText: this.sideText,
          price: this.price,
          qty: this.qty,
          fee: this.fee,
          isTaker: this.isTaker,
          level: this.level,
          edgeBps: this.edgeBps,
          edgeRecomputedBps: this.edgeRecomputedBps,
          bestBid: this.bestBid,
          bestAsk: this.bestAsk,
          spreadBps: this.spreadBps,
          quoteLifetimeMs: this.quoteLifetimeMs,
        };
      case 'order_placed':
        return {
          ts,
          runId,
          market,
          position,
          mid,
          type,
          side: this.side,
          level: this.level,
          spreadBps: this.spreadBps,
        };
      case 'order_cancelled':
        return { ts, runId, market, position, mid, type, reason: this.reason };
      case 'rejection':
        return { ts, runId, market, position, mid, type, reason: this.reason, postOnly: this.postOnly };
      case 'snapshot': {
        const { activeOrders, circuitOpen, bestBid, bestAsk, spreadBps } = this;
        return { ts, runId, market, position, mid, type, activeOrders, circuitOpen, bestBid, bestAsk, spreadBps };
      }
      case 'heartbeat':
        return { ts, runId, market, position, mid, type, activeOrders: this.activeOrders };
      case 'other':
        return { ts, runId, market, position, mid, type, name: this.name };
    }
  }

  #remember(changed: number): void {
    this.#words[CHANGED]! &= ~changed;
    if ((changed & bit(SLOT.run_id)) !== 0) this.#runId = this.#text(SLOT.run_id);
    if ((changed & bit(SLOT.market)) !== 0) this.#market = this.#text(SLOT.market);
    if ((changed & bit(SLOT.position)) !== 0) this.#position = this.#text(SLOT.position);
  }

  #has(slot: number): boolean {
    return (this.#words[HAVE]! & bit(slot)) !== 0;
  }

  /** 0: the line has no such member. */
  #kind(slot: number): number {
    return (this.#words[SEEN]! & bit(slot)) === 0 ? 0 : this.#words[slotAt(slot) + 2]!;
  }

  #text(slot: number): string {
    const at = slotAt(slot);
    return this.#memory.latin1Slice(this.#words[at]!, this.#words[at + 1]!);
  }

  /** '' for everything that is no text. */
  #word(slot: number): string {
    return this.#kind(slot) === TEXT ? this.#text(slot) : '';
  }

  #decimalText(slot: number): string | null {
    return this.#has(slot) ? this.#text(slot) : null;
  }

  #number(slot: number): number | null {
    if (!this.#has(slot)) return null;
    const at = slotAt(slot);
    const value = this.#decimal(this.#words[at]!, this.#words[at + 1]!);
    return Number.isNaN(value) ? toNumber(this.#text(slot)) : value;
  }

  #integer(slot: number): number | null {
    if (this.#kind(slot) !== NUMBER) return null;
    const value = Number(this.#text(slot));
    return Number.isInteger(value) ? value : null;
  }
}

/** What `toString('latin1')` comes to after some detours, which cost more than a short text. */
type Latin1Buffer = Buffer & { latin1Slice(start: number, end: number): string };

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

/** A longer line is for the full parser, which bounds what it keeps of a text. */
const LINE_BYTES = 64 * 1024;
const INPUT = 64 * 1024;
const INPUT_BYTES = 256 * 1024;

// As in src/core/journal/wasm/memory.ts; indices into the views of 4 and 8 bytes.
const SLOTS = 1024 / 4;
const TIME = 2048 / 8;
const SEEN = 2056 / 4;
const HAVE = 2060 / 4;
const TYPE = 2064 / 4;
const CHANGED = 2068 / 4;
const COUNTS = 2360 / 4;
const POSITIONS = 2392 / 4;
const TAKEN = 2396 / 4;
const POINT_COUNT = 2400 / 4;
const LOOK_END = 2404 / 4;
const LAST_TIME = 2408 / 8;
const HIGHEST_TIME = 2416 / 8;
const POSITION_START = 2424 / 4;
const SUM_PLACES = 2432 / 4;
const POST_ONLY = 2436 / 4;
const ID_COUNT = 2440 / 4;
const IDS_RISE = 2444 / 4;
const EDGE_COUNT = 2448 / 4;
const EDGE_AGAIN_COUNT = 2452 / 4;
const ADVERSE = 2456 / 4;
const GAP_COUNT = 2460 / 4;
const FIRST_BEAT = 2464 / 8;
const LAST_BEAT = 2472 / 8;
const LAST_MID = 2480 / 8;
const POINTS = 335_872 / 8;
const FILL_ROWS = 409_600 / 8;
const GAPS = 475_136 / 8;
const SUMS = 483_328 / 8;
const IDS = 655_360 / 4;
const EDGES = 663_552 / 8;
const EDGES_AGAIN = 671_744 / 8;
const BOOK_STATE = 720_896 / 8;
const BOOK_HELD = 721_408 / 8;
const BOOK_TS = 819_712 / 8;
const BOOK_PRICE = 852_480 / 8;
const BOOK_SIGN = 885_248 / 8;
/** Six, and six of each of six horizons. */
const BOOK_NUMBERS = 42;
/** Points held, and fills. */
const BOOK_ROOM = 4096;
const TENTHS = 679_936;
const MOST_TENTHS = 48;
const ONES = 2112;
const POWERS = 2176;
const LAST = 3072;
const KEY_TABLE = 8192;
const TYPE_TABLE = 16384;
const FULL_TYPE = 16;
const [TEXT, NUMBER, TRUE] = [2, 3, 4];
const CLASS = { any: 1, decimal: 2, seconds: 3, name: 4, remembered: 5, schema: 6, rememberedDecimal: 7 };

const SLOT = Object.fromEntries(
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

const slotAt = (slot: number) => SLOTS + slot * 4;
const bit = (slot: number) => 1 << slot;
const ENVELOPE = bit(SLOT.type) | bit(SLOT.ts);
const FILL = TYPES.indexOf('fill');
const FILL_NEEDS = bit(SLOT.side) | bit(SLOT.price) | bit(SLOT.qty);
const FEE = bit(SLOT.fee);
const PLACED = TYPES.indexOf('order_placed');
const PLACED_NEEDS = bit(SLOT.side) | bit(SLOT.price);
const MIDS = bit(SLOT.mid) | bit(SLOT.mark_price);
const BOOK = bit(SLOT.best_bid) | bit(SLOT.best_ask);

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
