import { Decimal as Base } from 'decimal.js';

/** Exact decimals for sizes, prices and money: 28 significant digits, half-even, as the bot's own arithmetic. */
export const Decimal = Base.clone({ precision: 28, rounding: Base.ROUND_HALF_EVEN, toExpNeg: -40, toExpPos: 40 });
export type Decimal = Base;

/** Below 0, 0 or above 0 as the first is less than, equal to or more than the second; exact. Both are plain decimal numbers. */
export function compareDecimals(a: string, b: string): number {
  // A double tells any two numbers of so few digits apart, and is far quicker.
  if (FEW_DIGITS.test(a) && FEW_DIGITS.test(b)) return Number(a) - Number(b);
  return new Decimal(a).cmp(b);
}

const FEW_DIGITS = /^[+-]?[\d.]{1,15}$/;

/** Plain notation without trailing zeros: `1.50` -> `1.5`, `1E-7` -> `0.0000001`. */
export function plain(value: Decimal): string {
  return value.toFixed();
}
