/** A bounded memory of keys. */

/**
 * A bounded set that forgets the keys that were not added for longest, by and by: it keeps two generations, and the
 * older one goes as a whole. A set whose oldest key is deleted each time walks over the gaps of those before.
 */
export class Recent {
  readonly #limit: number;
  #young = new Set<string>();
  #old = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  add(key: string): void {
    this.#young.add(key);
    if (this.#young.size <= this.#limit / 2) return;
    this.#old = this.#young;
    this.#young = new Set();
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
