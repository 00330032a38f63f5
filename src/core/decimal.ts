import { Decimal as Base } from 'decimal.js';

/** Exact decimals for sizes, prices and money: 28 significant digits, half-even, as the bot's own arithmetic. */
export const Decimal = Base.clone({ precision: 28, rounding: Base.ROUND_HALF_EVEN, toExpNeg: -40, toExpPos: 40 });
export type Decimal = Base;

/** Plain notation without trailing zeros: `1.50` -> `1.5`, `1E-7` -> `0.0000001`. */
export function plain(value: Decimal): string {
  return value.toFixed();
}
