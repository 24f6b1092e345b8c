/** A bound for work that is done at once: places that are taken in turn. */

/** A number of places that are taken in turn, to bound the work that is done at once. */
export class Places {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Waiters that have no place yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves with a place, which is given back by its disposal; `undefined` when the signal fires before there is
   * one.
   */
  take(signal?: AbortSignal): Promise<Disposable | undefined> {
    if (signal?.aborted) return Promise.resolve(undefined);
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(this.#place());
    }
    return new Promise((resolve) => {
      const onAbort = () => {
        this.#waiting.delete(onPlace);
        resolve(undefined);
      };
      const onPlace = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve(this.#place());
      };
      this.#waiting.add(onPlace);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #place(): Disposable {
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#giveBack();
        isHeld = false;
      },
    };
  }

  /** Passes the place to the next waiting caller, if any. */
  #giveBack(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      next();
      return;
    }
    this.#free++;
  }
}
