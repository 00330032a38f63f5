/**
 * Markets in memory, as unfriendly as a real venue: reads fail, lag and name the wrong market, cancels land late and orders
 * fill meanwhile, answers get lost. All lags together stay below the settle interval: what comes later nobody could know.
 */
import type { CloseResult, VenueOrder, VenuePort } from '../../src/core/ports.ts';
import { known, unknown } from '../../src/core/problem.ts';
import type { Life, SimLoop } from './sim-loop.ts';

/** Sizes in hundredths of the base unit. */
type Order = { id: string; side: 'buy' | 'sell'; size: number; listed: boolean };

/** What one mmfleet was told about a market, and when. */
export type Seen = {
  atMs: number;
  life: number;
  what: 'position' | 'orders' | 'cancel' | 'close';
  value: number | null;
};

export type Market = {
  name: string;
  /** Signed, hundredths. */
  position: number;
  orders: Order[];
  /** What the position was, newest last: reads may lag. */
  past: { atMs: number; position: number }[];
  closes: Map<string, CloseResult>;
  seen: Seen[];
  /** Last time somebody who is no bot of ours traded or quoted here. */
  strangerMs: number;
  mood: VenueMood;
};

export type VenueMood = {
  /** Nothing answers. */
  down: boolean;
  /** Chance that one call fails, and that an answer is lost after it landed. */
  failing: number;
  losing: number;
  /** Chance that a close fills only half or nothing. */
  thin: number;
};

export const SETTLE_MS = 1_000;
const CANCEL_LAG_MS = 400;
/** The longest a read of the position may lag behind. */
export const READ_LAG_MS = 400;
const STEP_TEXT = { bid: '100.0', ask: '100.1', sizeStep: '0.01', minSize: '0.01', tick: '0.1' };

export class SimExchange {
  readonly #loop: SimLoop;
  readonly markets = new Map<string, Market>();
  #ids = 0;

  constructor(loop: SimLoop, names: string[]) {
    this.#loop = loop;
    for (const name of names)
      this.markets.set(name, {
        name,
        position: 0,
        orders: [],
        past: [],
        closes: new Map(),
        seen: [],
        strangerMs: Number.NEGATIVE_INFINITY,
        mood: { down: false, failing: 0, losing: 0, thin: 0 },
      });
  }

  market(name: string): Market {
    return this.markets.get(name)!;
  }

  place(name: string, side: 'buy' | 'sell', size: number): string {
    const id = `o${++this.#ids}`;
    this.market(name).orders.push({ id, side, size, listed: true });
    return id;
  }

  remove(name: string, ids: readonly string[]): void {
    const market = this.market(name);
    market.orders = market.orders.filter((o) => !ids.includes(o.id));
  }

  /** Fills one resting order, if there is one. */
  fillOne(name: string): void {
    const market = this.market(name);
    const order = market.orders[this.#loop.dice.whole(0, market.orders.length - 1)];
    if (order === undefined) return;
    this.remove(name, [order.id]);
    this.trade(name, order.side === 'buy' ? order.size : -order.size);
  }

  trade(name: string, signed: number): void {
    const market = this.market(name);
    market.past.push({ atMs: this.#loop.nowMs, position: market.position });
    if (market.past.length > 8) market.past.shift();
    market.position += signed;
    this.#loop.note(`${name} position ${text(market.position)}`);
  }

  port(life: Life, name: string): VenuePort {
    const market = this.market(name);
    const { dice } = this.#loop;
    const now = () => this.#loop.nowMs;
    const fails = () => market.mood.down || dice.chance(market.mood.failing);
    const saw = (what: Seen['what'], value: number | null) => {
      market.seen.push({ atMs: now(), life: life.number, what, value });
      if (market.seen.length > 400) market.seen.splice(0, 200);
    };
    return {
      evidence: 'venue',
      position: () =>
        life.effect(`${name} position`, 'read', () => {
          const [failed, wrong] = [fails(), dice.chance(market.mood.failing / 4)];
          const value = this.#lagging(market);
          saw('position', failed || wrong ? null : value);
          if (failed) return unknown('timed out');
          return known({ market: wrong ? 'OTHER-USD' : name, position: wrong ? '0' : text(value) }, now());
        }),
      openOrders: () =>
        life.effect(`${name} orders`, 'read', () => {
          const failed = fails();
          const orders = market.orders.filter((o) => o.listed);
          saw('orders', failed ? null : orders.length);
          if (failed) return unknown('timed out');
          return known(
            orders.map(({ id, side, size }): VenueOrder => ({ id, side, price: '100', size: text(size) })),
            now(),
          );
        }),
      reference: () =>
        life.effect(`${name} reference`, 'read', () => (fails() ? unknown('timed out') : known(STEP_TEXT, now()))),
      cancelAll: () =>
        life.effect(`${name} cancel`, 'network', () => {
          saw('cancel', null);
          if (fails()) return unknown('timed out');
          const ids = market.orders.map((o) => o.id);
          for (const order of market.orders) order.listed = dice.chance(0.5);
          this.#loop.after(dice.whole(0, CANCEL_LAG_MS), () => this.remove(name, ids));
          return dice.chance(market.mood.losing) ? unknown('timed out') : known({ canceled: ids.length }, now());
        }),
      close: (order) =>
        life.effect(`${name} close ${order.side} ${order.size}`, 'network', () => {
          saw('close', null);
          if (fails()) return unknown('timed out');
          const result = market.closes.get(order.clientId) ?? this.#close(market, order);
          market.closes.set(order.clientId, result);
          return dice.chance(market.mood.losing) ? unknown('timed out') : known(result, now());
        }),
    };
  }

  #lagging(market: Market): number {
    const visible = this.#loop.nowMs - this.#loop.dice.whole(0, READ_LAG_MS);
    return market.past.find((p) => p.atMs > visible)?.position ?? market.position;
  }

  #close(market: Market, order: Parameters<VenuePort['close']>[0]): CloseResult {
    const { dice } = this.#loop;
    const wanted = Math.round(Number(order.size) * 100);
    const reduces = order.side === 'buy' ? market.position < 0 : market.position > 0;
    const room = reduces ? Math.min(Math.abs(market.position), wanted) : 0;
    const filled = dice.chance(market.mood.thin) ? Math.floor((room * dice.whole(0, 1)) / 2) : room;
    if (filled > 0) this.trade(market.name, order.side === 'buy' ? filled : -filled);
    const status = filled === 0 ? 'rejected' : filled < wanted ? 'partial' : 'filled';
    return { clientId: order.clientId, status, filled: text(filled), averagePrice: '100', costUsd: text(filled) };
  }
}

const text = (hundredths: number): string => (hundredths / 100).toFixed(2);
