/** Seeded random numbers as plain state: the same seed gives the same market, also after the state was stored and reloaded. */
export type Rng = { state: number; spare: number | null };

/** A generator from any integer seed. */
export function seedRng(seed: number): Rng {
  return { state: Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0, spare: null };
}

/** Uniform in [0, 1) (mulberry32). */
export function uniform(rng: Rng): number {
  rng.state = (rng.state + 0x6d2b79f5) >>> 0;
  let t = rng.state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

/** Standard normal (Box-Muller, the second value is kept). */
export function normal(rng: Rng): number {
  if (rng.spare !== null) {
    const value = rng.spare;
    rng.spare = null;
    return value;
  }
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(rng)));
  const angle = 2 * Math.PI * uniform(rng);
  rng.spare = radius * Math.sin(angle);
  return radius * Math.cos(angle);
}

/** Exponential with mean 1. */
export function exponential(rng: Rng): number {
  return -Math.log(1 - uniform(rng));
}
