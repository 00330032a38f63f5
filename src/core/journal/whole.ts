/** A plain decimal without its point as a number; NaN for every other way of writing. */
export function wholeOf(text: string): number {
  let whole = 0;
  let at = text.charCodeAt(0) === 45 ? 1 : 0;
  const sign = at === 1 ? -1 : 1;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 46) continue;
    if (code < 48 || code > 57) return Number.NaN;
    whole = whole * 10 + code - 48;
  }
  return sign * whole;
}

/** Digits behind the point. */
export function placesOf(text: string): number {
  const point = text.indexOf('.');
  return point < 0 ? 0 : text.length - point - 1;
}
