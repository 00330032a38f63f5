import {
  ADVERSE,
  BOOK_HELD,
  BOOK_NUMBERS,
  BOOK_PRICE,
  BOOK_ROOM,
  BOOK_SIGN,
  BOOK_STATE,
  BOOK_TS,
  bit,
  CHANGED,
  COUNTS,
  EDGE_AGAIN_COUNT,
  EDGE_COUNT,
  EDGES,
  EDGES_AGAIN,
  FILL_ROWS,
  FIRST_BEAT,
  GAP_COUNT,
  GAPS,
  HAVE,
  HIGHEST_TIME,
  ID_COUNT,
  IDS,
  IDS_RISE,
  INPUT,
  INPUT_BYTES,
  LAST_BEAT,
  LAST_MID,
  LAST_TIME,
  type Latin1Buffer,
  LOOK_END,
  NUMBER,
  POINT_COUNT,
  POINTS,
  POSITION_START,
  POSITIONS,
  POST_ONLY,
  type QuickType,
  SEEN,
  SLOT,
  SUM_PLACES,
  SUMS,
  slotAt,
  startLineProgram,
  TAKEN,
  TEXT,
  TIME,
  TRUE,
  TYPE,
  TYPES,
} from './line-program.ts';
import { boundedId, edgeOf, midOf, sideOf, toNumber } from './parse.ts';
import type { JournalEvent, Side } from './types.ts';

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
    const { next, skim, decimal, book, bytes, words, doubles } = startLineProgram();
    this.#next = next;
    this.#skim = skim;
    this.#decimal = decimal;
    this.#book = book;
    this.#memory = bytes;
    this.#words = words;
    this.#times = doubles;
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

/** A longer line is for the full parser, which bounds what it keeps of a text. */
const LINE_BYTES = 64 * 1024;

const ENVELOPE = bit(SLOT.type) | bit(SLOT.ts);
const FILL = TYPES.indexOf('fill');
const FILL_NEEDS = bit(SLOT.side) | bit(SLOT.price) | bit(SLOT.qty);
const FEE = bit(SLOT.fee);
const PLACED = TYPES.indexOf('order_placed');
const PLACED_NEEDS = bit(SLOT.side) | bit(SLOT.price);
const MIDS = bit(SLOT.mid) | bit(SLOT.mark_price);
const BOOK = bit(SLOT.best_bid) | bit(SLOT.best_ask);
