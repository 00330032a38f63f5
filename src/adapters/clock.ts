import type { Clock } from '../core/ports.ts';

/** Node counts no further: a longer wait would be over at once, and this one is not worth waiting for. */
const LONGEST_MS = 2 ** 31 - 1;

/** The machine's clocks; `sleep` resolves early when its signal aborts. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  steadyMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(Math.max(0, ms), LONGEST_MS));
      signal?.addEventListener('abort', done, { once: true });
    }),
};
