/** A price or size grid: one step is `unit` x 10^-`scale`; values on it are whole numbers of steps, so text is exact. */
export type Grid = { unit: number; scale: number };

/** `steps` as exact decimal text without exponent: 2211 steps of {unit 1, scale 1} -> `221.1`. */
export function gridText(grid: Grid, steps: number): string {
  const digits = String(Math.abs(steps * grid.unit)).padStart(grid.scale + 1, '0');
  const sign = steps < 0 ? '-' : '';
  if (grid.scale === 0) return sign + digits;
  return `${sign}${digits.slice(0, -grid.scale)}.${digits.slice(-grid.scale)}`;
}

/** Exact decimal text back to whole steps; null when it is no decimal or not on the grid. */
export function gridSteps(grid: Grid, text: string): number | null {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) return null;
  const fraction = (match[3] ?? '').replace(/0+$/, '');
  if (fraction.length > grid.scale) return null;
  const steps = Number((match[2] ?? '') + fraction.padEnd(grid.scale, '0')) / grid.unit;
  if (!Number.isSafeInteger(steps)) return null;
  return match[1] === '-' ? 0 - steps : steps;
}

/** One step as a number: for statistics, never for sizes or prices that leave the model. */
export function gridStep(grid: Grid): number {
  return grid.unit / 10 ** grid.scale;
}
