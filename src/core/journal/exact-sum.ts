import { Decimal } from '../decimal.ts';
import { placesOf, wholeOf } from './whole.ts';

/** An exact sum of decimals and products of decimals. Plain short ones are added as whole numbers, the others as decimals. */
export class ExactSum {
  #rest = new Decimal(0);
  /** Whole multiples of 10^-at, each exact. */
  readonly #scaled = new Float64Array(PLACES + 1);

  /** Adds sign x a x b, both decimal text. */
  addProduct(sign: 1 | -1, a: string, b: string): void {
    const [left, right] = [wholeOf(a), wholeOf(b)];
    const product = sign * left * right;
    const places = placesOf(a) + placesOf(b);
    if (Number.isSafeInteger(product) && places <= PLACES) this.#addScaled(product, places);
    else this.#rest = this.#rest.plus(new Decimal(a).times(b).times(sign));
  }

  /** Adds sign x a. */
  add(sign: 1 | -1, a: string): void {
    const whole = sign * wholeOf(a);
    const places = placesOf(a);
    if (Number.isSafeInteger(whole) && places <= PLACES) this.#addScaled(whole, places);
    else this.#rest = this.#rest.plus(new Decimal(a).times(sign));
  }

  /** Adds a whole multiple of 10^-places, both as `places` <= 30 and `whole` exact. */
  addWhole(whole: number, places: number): void {
    this.#addScaled(whole, places);
  }

  get value(): Decimal {
    return this.#scaled.reduce(
      (sum, whole, places) => (whole === 0 ? sum : sum.plus(new Decimal(whole).times(`1e-${places}`))),
      this.#rest,
    );
  }

  #addScaled(whole: number, places: number): void {
    const sum = this.#scaled[places]! + whole;
    if (Number.isSafeInteger(sum)) {
      this.#scaled[places] = sum;
      return;
    }
    this.#rest = this.#rest.plus(new Decimal(this.#scaled[places]!).times(`1e-${places}`));
    this.#scaled[places] = whole;
  }
}

const PLACES = 30;
