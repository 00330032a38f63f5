/**
 * Discrete events in virtual time, from one seed. Everything outside mmfleet is an event; so is every effect of mmfleet's
 * own, which belongs to a life (one run of the program) and is where that life may be killed.
 */
import type { Clock } from '../../src/core/ports.ts';

/** Uniform draws; the same seed gives the same world on every machine. */
export type Dice = {
  /** [0, 1) */
  unit(): number;
  /** A whole number in [low, high]. */
  whole(low: number, high: number): number;
  chance(p: number): boolean;
  pick<T>(items: readonly T[]): T;
};

export function dice(seed: number): Dice {
  let a = (seed * 0x9e3779b1 + 0x6d2b79f5) | 0;
  const unit = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const whole = (low: number, high: number) => low + Math.floor(unit() * (high - low + 1));
  return { unit, whole, chance: (p) => unit() < p, pick: (items) => items[whole(0, items.length - 1)]! };
}

/** Where a life ends: right before or right after its n-th effect that changes something (or that does anything). */
export type KillPlan = { of: 'changes' | 'all'; n: number; side: 'before' | 'after' };

export type EffectKind =
  /** Read of something outside. */
  | 'read'
  /** Done at once on this machine, or not at all. */
  | 'local'
  /** A request on the wire: may land after the death of the one who sent it. */
  | 'network';

type Event = { at: number; seq: number; run: () => void };

/** One run of mmfleet, from its start to its end, its abort or its death. */
export class Life {
  readonly loop: SimLoop;
  readonly number: number;
  readonly plan: KillPlan | null;
  readonly abort = new AbortController();
  /** What it did, in order, for the story of a failing seed. */
  effects = { all: 0, changes: 0 };
  dead = false;
  diedAt: { label: string; side: 'before' | 'after' } | null = null;

  constructor(loop: SimLoop, number: number, plan: KillPlan | null) {
    this.loop = loop;
    this.number = number;
    this.plan = plan;
  }

  /** Carries `run` out after a random delay and answers after another; never answers a life that has ended. */
  effect<T>(label: string, kind: EffectKind, run: () => T, torn?: () => void): Promise<T> {
    const { loop } = this;
    if (this.dead) return new Promise<T>(() => undefined);
    const [slowest, quickest] = kind === 'local' ? [2, 0] : [loop.slownessMs, 1];
    const sent = loop.dice.whole(quickest, slowest);
    return new Promise<T>((resolve, reject) => {
      loop.after(sent, () => {
        if (this.dead) {
          if (kind === 'network' && loop.dice.chance(0.5)) loop.after(loop.dice.whole(0, 8_000), run);
          return;
        }
        const at = this.#point(kind);
        if (at === 'before') {
          torn?.();
          return this.#die(label, 'before', kind === 'network' ? run : null);
        }
        loop.note(`#${this.number} ${label}`);
        let value: T;
        try {
          value = run();
        } catch (error) {
          return reject(error);
        }
        if (at === 'after') return this.#die(label, 'after', null);
        loop.after(kind === 'local' ? 0 : loop.dice.whole(0, slowest), () => {
          if (!this.dead) resolve(value);
        });
      });
    });
  }

  clock(): Clock {
    const { loop } = this;
    return {
      nowMs: () => loop.nowMs,
      steadyMs: () => loop.nowMs,
      sleep: (ms, signal) =>
        new Promise<void>((resolve) => {
          if (signal?.aborted === true) return resolve();
          const wake = () => {
            signal?.removeEventListener('abort', wake);
            if (!this.dead) resolve();
          };
          loop.after(Math.max(0, Math.ceil(ms)), wake);
          signal?.addEventListener('abort', wake, { once: true });
        }),
    };
  }

  #point(kind: EffectKind): 'before' | 'after' | null {
    this.effects.all += 1;
    if (kind !== 'read') this.effects.changes += 1;
    const { plan } = this;
    if (plan === null || (plan.of === 'changes' && kind === 'read')) return null;
    return this.effects[plan.of] === plan.n ? plan.side : null;
  }

  #die(label: string, side: 'before' | 'after', onTheWire: (() => unknown) | null): void {
    this.dead = true;
    this.diedAt = { label, side };
    this.loop.note(`#${this.number} killed ${side} ${label}`);
    if (onTheWire !== null && this.loop.dice.chance(0.3)) this.loop.after(this.loop.dice.whole(0, 8_000), onTheWire);
  }
}

const MAX_STORY = 4_000;
const MAX_EVENTS = 400_000;

export class SimLoop {
  readonly dice: Dice;
  nowMs: number;
  /** Longest one-way time of a request, ms. */
  slownessMs = 60;
  /** Looked at after every event; throws when a promise is broken. */
  check: () => void = () => undefined;
  /** What happened, newest last; the oldest of a long one are dropped. */
  readonly story: string[] = [];
  onNote: ((line: string) => void) | null = null;
  #queue: Event[] = [];
  #seq = 0;
  #events = 0;
  #lives = 0;

  constructor(seed: number, startMs: number) {
    this.dice = dice(seed);
    this.nowMs = startMs;
  }

  after(ms: number, run: () => void): void {
    push(this.#queue, { at: this.nowMs + ms, seq: this.#seq++, run });
  }

  note(text: string): void {
    const line = `${((this.nowMs - START_MS) / 1000).toFixed(3)} ${text}`;
    this.onNote?.(line);
    this.story.push(line);
    if (this.story.length > MAX_STORY) this.story.splice(0, MAX_STORY / 2);
  }

  newLife(plan: KillPlan | null): Life {
    this.#lives += 1;
    return new Life(this, this.#lives, plan);
  }

  /** Runs the world until the work of a life is done, or the life is. */
  async run<T>(life: Life, work: () => Promise<T>): Promise<T | 'killed'> {
    let end: { value: T } | { error: unknown } | null = null;
    work().then(
      (value) => {
        end = { value };
      },
      (error: unknown) => {
        end = { error };
      },
    );
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve)); // every promise that can go on has gone on
      const done = end as { value: T } | { error: unknown } | null;
      if (done !== null && 'error' in done) throw done.error;
      if (life.dead) return 'killed';
      if (done !== null) {
        life.dead = true;
        return done.value;
      }
      if (!this.#step()) throw new Error('nothing is left to happen, and mmfleet still waits');
    }
  }

  /** Lets the world go on alone. */
  pass(ms: number): void {
    const until = this.nowMs + ms;
    while (this.#queue.length > 0 && this.#queue[0]!.at <= until) this.#step();
    this.nowMs = until;
  }

  #step(): boolean {
    const next = pop(this.#queue);
    if (next === undefined) return false;
    this.#events += 1;
    if (this.#events > MAX_EVENTS) throw new Error(`more than ${MAX_EVENTS} events: something spins`);
    this.nowMs = Math.max(this.nowMs, next.at);
    next.run();
    this.check();
    return true;
  }
}

/** Virtual worlds begin here, 2026-02-16T12:00:00Z. */
export const START_MS = 1_771_243_200_000;

const earlier = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.seq < b.seq);

function push(heap: Event[], event: Event): void {
  let i = heap.push(event) - 1;
  while (i > 0) {
    const up = (i - 1) >> 1;
    if (!earlier(event, heap[up]!)) break;
    heap[i] = heap[up]!;
    i = up;
  }
  heap[i] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let i = 0;
  for (;;) {
    let down = 2 * i + 1;
    if (down >= heap.length) break;
    if (down + 1 < heap.length && earlier(heap[down + 1]!, heap[down]!)) down += 1;
    if (!earlier(heap[down]!, last)) break;
    heap[i] = heap[down]!;
    i = down;
  }
  heap[i] = last;
  return first;
}
