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

/** The text of an exact whole number of 10^-places. */
export function textOf(whole: number, places: number): string {
  const digits = String(Math.abs(whole)).padStart(places + 1, '0');
  const text = places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
  return whole < 0 ? `-${text}` : text;
}

/** The number that `textOf` gives exactly this text of; null: it is written in another way, or too long. */
export function exactWholeOf(text: string): number | null {
  const whole = wholeOf(text);
  return Number.isSafeInteger(whole) && textOf(whole, placesOf(text)) === text ? whole : null;
}
