/** A queue of keys by the time at which each is due. */

/** Keys with the time they are due, the soonest first; setting a key again moves it. Bounded. */
export class DueHeap<K extends string = string> {
  readonly #due = new Map<K, number>();
  #heap: { readonly key: K; readonly at: number }[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#due.size;
  }

  /** Remembers the key; false when the heap is full and the key was not taken. */
  set(key: K, at: number): boolean {
    const known = this.#due.get(key);
    if (known === at) return true;
    if (known === undefined && this.#due.size >= this.#limit) return false;
    this.#due.set(key, at);
    this.#push({ key, at });
    return true;
  }

  /** When the key is due. */
  at(key: K): number | undefined {
    return this.#due.get(key);
  }

  delete(key: K): void {
    this.#due.delete(key);
  }

  /** When the soonest key is due. */
  peek(): number | undefined {
    this.#dropStale();
    return this.#heap[0]?.at;
  }

  /** Takes the soonest key when it is due at or before `now`. */
  take(now: number): K | undefined {
    this.#dropStale();
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.#pop();
    this.#due.delete(first.key);
    return first.key;
  }

  #dropStale(): void {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#due.get(first.key) === first.at) return;
      this.#pop();
    }
  }

  #push(item: { readonly key: K; readonly at: number }): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || parent.at <= item.at) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = item;
    // Keys that were moved leave stale items behind; they must not outgrow the keys.
    if (heap.length > 64 && heap.length > 4 * this.#due.size) {
      this.#heap = [];
      for (const [key, due] of this.#due) this.#push({ key, at: due });
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const item = heap.pop();
    if (item === undefined || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const left = heap[child];
      const right = heap[child + 1];
      const least = right !== undefined && left !== undefined && right.at < left.at ? child + 1 : child;
      const next = heap[least];
      if (next === undefined || next.at >= item.at) break;
      heap[at] = next;
      at = least;
    }
    heap[at] = item;
  }
}
