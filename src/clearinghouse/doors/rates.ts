/** Counts requests by address and period, in bounded memory. */
import type { Clock } from '../../base/index.ts';

const maxAddresses = 20_000;
/** The number of oldest addresses among which the one with the fewest requests gives way. */
const compared = 8;

/** Counts by address in periods, in bounded memory. */
export class Rates {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #maxAddresses: number;
  readonly #counts = new Map<string, number>();
  #begunAt: number;

  constructor(clock: Clock, periodMs = 60_000, max = maxAddresses) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#maxAddresses = max;
    this.#begunAt = clock.now();
  }

  get size(): number {
    return this.#counts.size;
  }

  /** Counts one more of an address; false when the period has more than its limit. */
  admits(address: string, limit: number): boolean {
    const now = this.#clock.now();
    if (now - this.#begunAt >= this.#periodMs || now < this.#begunAt) {
      this.#counts.clear();
      this.#begunAt = now;
    }
    const known = this.#counts.get(address);
    if (known === undefined && this.#counts.size >= this.#maxAddresses) this.#makeRoom();
    const count = (known ?? 0) + 1;
    this.#counts.set(address, count);
    return count <= limit;
  }

  /**
   * Forgets the address with the fewest requests among the oldest few; the others wait for their next turn. So forged
   * addresses, each of which comes once, push each other out instead of regular clients.
   */
  #makeRoom(): void {
    const oldest: [string, number][] = [];
    for (const entry of this.#counts) {
      oldest.push(entry);
      if (oldest.length === compared) break;
    }
    const [least, ...others] = oldest.sort(([, a], [, b]) => a - b);
    if (least !== undefined) this.#counts.delete(least[0]);
    for (const [address, count] of others) {
      this.#counts.delete(address);
      this.#counts.set(address, count);
    }
  }
}
