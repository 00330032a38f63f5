/** A small seeded generator (sfc32) as plain data: the same seed is the same market on every machine, also after a store and reload. */
export type Rng = { a: number; b: number; c: number; d: number; spare: number | null };

export function newRng(seed: number, stream: number): Rng {
  const rng: Rng = { a: seed | 0, b: (seed * 0x9e3779b1) | 0, c: stream | 0, d: 1, spare: null };
  for (let n = 0; n < 16; n += 1) uniform(rng);
  return rng;
}

/** [0, 1) */
export function uniform(rng: Rng): number {
  const t = (((rng.a + rng.b) | 0) + rng.d) | 0;
  rng.d = (rng.d + 1) | 0;
  rng.a = rng.b ^ (rng.b >>> 9);
  rng.b = (rng.c + (rng.c << 3)) | 0;
  rng.c = (((rng.c << 21) | (rng.c >>> 11)) + t) | 0;
  return (t >>> 0) / 4294967296;
}

/** Mean 0, variance 1. */
export function normal(rng: Rng): number {
  if (rng.spare !== null) {
    const spare = rng.spare;
    rng.spare = null;
    return spare;
  }
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(rng)));
  const angle = 2 * Math.PI * uniform(rng);
  rng.spare = radius * Math.sin(angle);
  return radius * Math.cos(angle);
}

/** Mean 1. */
export function exponential(rng: Rng): number {
  return -Math.log(1 - uniform(rng));
}
