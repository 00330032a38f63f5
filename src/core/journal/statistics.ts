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

/** The last `capacity` items, oldest first. */
export class Ring<T> {
  readonly capacity: number;
  #items: T[] = [];
  #next = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  push(item: T): void {
    if (this.#items.length < this.capacity) this.#items.push(item);
    else this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.capacity;
  }

  get length(): number {
    return this.#items.length;
  }

  toArray(): T[] {
    if (this.#items.length < this.capacity) return [...this.#items];
    return [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)];
  }
}
