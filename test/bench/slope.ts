/**
 * How fast something grows that also goes up and down with something else, by least squares: y = a + slope x + share beside.
 * The memory of a daemon goes with the runs that its bots happen to be in; what grows beside that is what counts.
 */
export type Point = { x: number; y: number; beside: number };

/** NaN with fewer than two points. */
export function slopeBeside(points: readonly Point[]): number {
  const [x, y] = without(points);
  return dot(x, y) / dot(x, x);
}

/** One standard error of it; infinite where the points leave nothing to judge it by. */
export function errorOfSlope(points: readonly Point[]): number {
  const [x, y] = without(points);
  const free = points.length - 3;
  if (free < 1) return Number.POSITIVE_INFINITY;
  const slope = dot(x, y) / dot(x, x);
  const left = y.map((each, i) => each - slope * x[i]!);
  return Math.sqrt(dot(left, left) / free / dot(x, x));
}

/** What is left of x and of y when each one's share of `beside` and its mean are taken off. */
function without(points: readonly Point[]): [number[], number[]] {
  const beside = centred(points.map((p) => p.beside));
  const squares = dot(beside, beside);
  const rest = (values: number[]) => {
    const all = centred(values);
    const share = squares === 0 ? 0 : dot(all, beside) / squares;
    return all.map((each, i) => each - share * beside[i]!);
  };
  return [rest(points.map((p) => p.x)), rest(points.map((p) => p.y))];
}

function centred(values: number[]): number[] {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return values.map((v) => v - mean);
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, v, i) => sum + v * b[i]!, 0);
}
