/** A queue that is quick however long it is. */

/** A first-in first-out list whose `push` and `shift` take constant time. */
export class Fifo<T> {
  /** The items stand between `#head` and `#tail`. A short list that was emptied is filled again, not made anew. */
  #items: (T | undefined)[] = [];
  #head = 0;
  #tail = 0;

  get length(): number {
    return this.#tail - this.#head;
  }

  push(item: T): void {
    this.#items[this.#tail++] = item;
  }

  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#tail) this.#begin(this.#items.length > 1024 ? [] : this.#items, 0);
    else if (this.#head > 1024 && this.#head * 2 > this.#tail)
      this.#begin(this.#items.slice(this.#head, this.#tail), this.length);
    return item;
  }

  #begin(items: (T | undefined)[], length: number): void {
    this.#items = items;
    this.#head = 0;
    this.#tail = length;
  }

  /** Takes everything out, in order. */
  takeAll(): T[] {
    const all: T[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) all.push(item);
    return all;
  }
}
