/** A mean in bounded memory; compensated, so that the order and number of values do not cost digits. */
export class Mean {
  #sum = 0;
  #lost = 0;
  #n = 0;

  add(value: number): void {
    const adjusted = value - this.#lost;
    const next = this.#sum + adjusted;
    this.#lost = next - this.#sum - adjusted;
    this.#sum = next;
    this.#n += 1;
  }

  /** The first so many of these, one after the other. */
  addAll(values: Float64Array, count: number): void {
    for (let at = 0; at < count; at += 1) this.add(values[at]!);
  }

  /** How many values. */
  get n(): number {
    return this.#n;
  }

  /** null without values, and when they are too large to be added. */
  get value(): number | null {
    const mean = this.#sum / this.#n;
    return Number.isFinite(mean) ? mean : null;
  }
}
