/** Bots as processes in memory: they quote, take positions, obey or ignore signals, flatten or not, crash, leave helpers. */

import type { ProcessRuntimePort } from '../../src/adapters/process.ts';
import { parseEnv } from '../../src/core/env/read.ts';
import type { ProcessCopy, StartOrder } from '../../src/core/ports.ts';
import { fail, known, ok, unknown } from '../../src/core/problem.ts';
import type { SimExchange } from './sim-exchange.ts';
import { runEnd, type SimRun } from './sim-journal.ts';
import type { Life, SimLoop } from './sim-loop.ts';

/** What one start of a bot is like. */
export type Temper = {
  /** null: it never writes a word. */
  startDelayMs: number | null;
  /** Reads another env file than it was told. */
  wrongEnv: boolean;
  crashAfterMs: number | null;
  ignoresSignals: boolean;
  stopMs: number;
  flattens: boolean;
  /** A helper lives on for so long after it; 0 = none. */
  helperMs: number;
};

export const GENTLE: Temper = {
  startDelayMs: 300,
  wrongEnv: false,
  crashAfterMs: null,
  ignoresSignals: false,
  stopMs: 500,
  flattens: true,
  helperMs: 0,
};

export type Proc = {
  copy: ProcessCopy;
  helper: ProcessCopy | null;
  market: string;
  leaderAlive: boolean;
  helperAlive: boolean;
  /** When the last process of the start was gone; null = something lives. */
  goneAtMs: number | null;
  stopping: boolean;
  signals: { pid: number; signal: string; atMs: number; life: number }[];
  temper: Temper;
  run: SimRun | null;
  orders: string[];
  /** Started by a person, not by us. */
  stranger: boolean;
};

export type BotHooks = {
  temperOf(order: StartOrder): Temper;
  dayOf(instance: string, iter: number | null): 'quiet' | 'losing';
  /** Called right before a start or a signal takes effect: throws when it breaks a promise. */
  onStart(life: Life, order: StartOrder): void;
  onSignal(life: Life, proc: Proc, copy: ProcessCopy, signal: string): void;
};

/** What may go wrong with the process table now. */
export type TableMood = { failing: number; failingStarts: number };

const TICK_MS = 900;
const GROWS_UP_MS = 15_000;

export class SimBots {
  readonly #loop: SimLoop;
  readonly #exchange: SimExchange;
  readonly #hooks: BotHooks;
  readonly procs: Proc[] = [];
  readonly newestRun = new Map<string, SimRun>();
  /** The last sweep a life saw of an instance: whether it was readable. */
  readonly lastSweep = new Map<string, { life: number; known: boolean; atMs: number }>();
  mood: TableMood = { failing: 0, failingStarts: 0 };
  #pids = 100;
  #runs = 0;
  readonly #generations = new Map<string, number>();
  readonly #names: readonly string[];

  constructor(loop: SimLoop, exchange: SimExchange, names: readonly string[], hooks: BotHooks) {
    this.#names = names;
    this.#loop = loop;
    this.#exchange = exchange;
    this.#hooks = hooks;
  }

  /** Starts of which anything lives. */
  live(instance: string): Proc[] {
    return this.procs.filter((p) => p.goneAtMs === null && p.copy.instance === instance);
  }

  /** `instance` null: the sweep over the whole fleet. */
  port(life: Life, instance: string | null): ProcessRuntimePort {
    const { dice } = this.#loop;
    const now = () => this.#loop.nowMs;
    const failing = () => dice.chance(this.mood.failing);
    return {
      list: () =>
        life.effect('list processes', 'read', () => {
          const failed = failing();
          for (const name of instance === null ? this.#names : [instance])
            this.lastSweep.set(name, { life: life.number, known: !failed, atMs: now() });
          return failed ? unknown('process table not readable') : known(this.#copies(), now());
        }),
      gone: (copy) =>
        life.effect('look at process', 'read', () =>
          failing() ? unknown('process table not readable') : known(this.#procOf(copy)?.goneAtMs !== null, now()),
        ),
      signal: (copy, signal) =>
        life.effect(`${signal} to ${copy.instance} pid ${copy.pid}`, 'local', () => {
          const proc = this.#procOf(copy);
          const alive = proc !== undefined && (proc.copy.pid === copy.pid ? proc.leaderAlive : proc.helperAlive);
          if (!alive) return fail({ code: 'runtime-process-gone', message: `pid ${copy.pid} is gone` });
          this.#hooks.onSignal(life, proc, copy, signal);
          this.#signal(proc, copy, signal, life.number);
          return ok(undefined);
        }),
      start: (order) =>
        life.effect(`start ${order.instance}`, 'local', () => {
          if (dice.chance(this.mood.failingStarts))
            return fail({ code: 'runtime-start-failed', message: `start ${order.instance}: did not start` });
          this.#hooks.onStart(life, order);
          const { market, copy } = this.spawn(order, this.#hooks.temperOf(order), false);
          this.#loop.note(`${market} runs ${order.envFileName} as pid ${copy.pid}`);
          return ok({ ...copy });
        }),
      startedWith: async () => ({}),
      cleanup: async () => undefined,
    };
  }

  spawn(order: StartOrder, temper: Temper, stranger: boolean): Proc {
    const { values } = parseEnv(order.envText, order.envFileName);
    const iter = order.markers['MMFLEET_ITER'] ?? '';
    const copy: ProcessCopy = {
      pid: this.#nextPid(),
      startTicks: String(this.#loop.nowMs),
      startedAtMs: this.#loop.nowMs,
      instance: order.instance,
      iter: /^\d+$/.test(iter) ? Number(iter) : null,
      revision: order.markers['MMFLEET_REVISION'] ?? '',
      digest: order.markers['MMFLEET_DIGEST'] ?? '',
      startId: `start-${this.procs.length}`,
    };
    const proc: Proc = {
      copy,
      helper: temper.helperMs > 0 ? { ...copy, pid: this.#nextPid(), remnant: true } : null,
      market: values['MM_MARKET_NAME'] ?? '',
      leaderAlive: true,
      helperAlive: temper.helperMs > 0,
      goneAtMs: null,
      stopping: false,
      signals: [],
      temper,
      run: null,
      orders: [],
      stranger,
    };
    this.procs.push(proc);
    if (temper.startDelayMs !== null) this.#loop.after(temper.startDelayMs, () => this.#begin(proc, order, values));
    if (temper.crashAfterMs !== null) this.#loop.after(temper.crashAfterMs, () => this.crash(proc));
    return proc;
  }

  /** A person starts the same thing once more, with our marker in its environment. */
  copyByHand(own: Proc): void {
    this.procs.push({
      ...own,
      copy: {
        ...own.copy,
        pid: this.#nextPid(),
        startedAtMs: this.#loop.nowMs,
        startTicks: String(this.#loop.nowMs),
        startId: `hand-${this.procs.length}`,
      },
      helper: null,
      helperAlive: false,
      leaderAlive: true,
      goneAtMs: null,
      signals: [],
      orders: [],
      run: null,
      stranger: true,
    });
  }

  /** Dies where it stands: its orders stay, its position stays, and one order may still be on its way. */
  crash(proc: Proc): void {
    if (!proc.leaderAlive) return;
    this.#loop.note(`${proc.copy.instance} pid ${proc.copy.pid} dies`);
    this.#leaveOrders(proc);
    this.#end(proc);
  }

  #begin(proc: Proc, order: StartOrder, values: Record<string, string>): void {
    if (!proc.leaderAlive) return;
    const generation = (this.#generations.get(proc.copy.instance) ?? 0) + 1;
    this.#generations.set(proc.copy.instance, generation);
    const config = Object.fromEntries(Object.entries(values).map(([k, v]) => [k.replace(/^MM_/, '').toLowerCase(), v]));
    proc.run = {
      runId: `run${String(++this.#runs).padStart(29, '0')}`,
      market: proc.market,
      generation,
      day: 'fresh',
      envFile: `/sim/.mmfleet/run/${proc.copy.instance}/${proc.temper.wrongEnv ? '.env' : order.envFileName}`,
      config,
      end: null,
      positionBase: '0',
      lastByteAtMs: this.#loop.nowMs,
    };
    this.newestRun.set(proc.copy.instance, proc.run);
    this.#loop.after(GROWS_UP_MS, () => {
      if (proc.leaderAlive && proc.run !== null) proc.run.day = this.#hooks.dayOf(proc.copy.instance, proc.copy.iter);
    });
    this.#tick(proc);
  }

  /** Quotes and sometimes trades; always against its position when that is large. */
  #tick(proc: Proc): void {
    if (!proc.leaderAlive || proc.stopping) return;
    const { dice } = this.#loop;
    const { position, orders } = this.#exchange.market(proc.market);
    proc.orders = proc.orders.filter((id) => orders.some((o) => o.id === id));
    const side = position > 200 ? 'sell' : position < -200 ? 'buy' : dice.pick(['buy', 'sell'] as const);
    if (proc.orders.length < 2) proc.orders.push(this.#exchange.place(proc.market, side, dice.whole(1, 40)));
    if (dice.chance(0.3)) this.#exchange.fillOne(proc.market);
    if (proc.run !== null) proc.run.lastByteAtMs = this.#loop.nowMs;
    this.#loop.after(dice.whole(TICK_MS, 4 * TICK_MS), () => this.#tick(proc));
  }

  #signal(proc: Proc, copy: ProcessCopy, signal: string, life: number): void {
    proc.signals.push({ pid: copy.pid, signal, atMs: this.#loop.nowMs, life });
    if (copy.pid === proc.helper?.pid) {
      proc.helperAlive = false;
      this.#settle(proc);
      return;
    }
    if (signal === 'SIGKILL') {
      this.crash(proc);
      return;
    }
    if (proc.temper.ignoresSignals) return;
    if (proc.stopping) {
      // The second signal: no flatten.
      this.#exchange.remove(proc.market, proc.orders);
      this.#end(proc);
      return;
    }
    proc.stopping = true;
    this.#loop.after(Math.min(300, proc.temper.stopMs), () => this.#exchange.remove(proc.market, proc.orders));
    this.#loop.after(proc.temper.stopMs, () => this.#finish(proc));
  }

  #finish(proc: Proc): void {
    if (!proc.leaderAlive) return;
    const market = this.#exchange.market(proc.market);
    if (proc.temper.flattens && market.position !== 0) this.#exchange.trade(proc.market, -market.position);
    if (proc.run !== null) proc.run.end = runEnd(proc.run, (market.position / 100).toFixed(2));
    this.#end(proc);
  }

  #leaveOrders(proc: Proc): void {
    const { dice } = this.#loop;
    for (const _ of proc.orders)
      if (dice.chance(0.5)) this.#loop.after(dice.whole(50, 20_000), () => this.#fillLeft(proc));
    if (!proc.stopping && dice.chance(0.1))
      this.#loop.after(dice.whole(0, 300), () => void proc.orders.push(this.#exchange.place(proc.market, 'buy', 7)));
  }

  #fillLeft(proc: Proc): void {
    const left = this.#exchange.market(proc.market).orders.find((o) => proc.orders.includes(o.id));
    if (left === undefined) return;
    this.#exchange.remove(proc.market, [left.id]);
    this.#exchange.trade(proc.market, left.side === 'buy' ? left.size : -left.size);
  }

  #end(proc: Proc): void {
    proc.leaderAlive = false;
    if (proc.run !== null) proc.run.positionBase = (this.#exchange.market(proc.market).position / 100).toFixed(2);
    if (proc.helperAlive)
      this.#loop.after(proc.temper.helperMs, () => {
        proc.helperAlive = false;
        this.#settle(proc);
      });
    this.#settle(proc);
  }

  #settle(proc: Proc): void {
    if (!proc.leaderAlive && !proc.helperAlive) proc.goneAtMs ??= this.#loop.nowMs;
  }

  #copies(): ProcessCopy[] {
    return this.procs.flatMap((p) =>
      p.goneAtMs !== null ? [] : p.leaderAlive ? [{ ...p.copy }] : p.helper === null ? [] : [{ ...p.helper }],
    );
  }

  #procOf(copy: ProcessCopy): Proc | undefined {
    return this.procs.find((p) => p.copy.startId === copy.startId);
  }

  #nextPid(): number {
    this.#pids += this.#loop.dice.whole(1, 5);
    return this.#pids;
  }
}
