/** How many connections there are: in all, and of each client. */
import { blockOf } from '../base/index.ts';

/** How many there may be at one time. */
export interface AdmissionLimits {
  readonly all: number;
  /** Connections of one IPv4 address, or of one /64 of IPv6, all of which one client has. */
  readonly perClient: number;
}

/** Counts the connections there are at one time. The limits may be others each time. */
export class Admission {
  readonly #perClient = new Map<string, number>();
  #all = 0;

  /**
   * Counts a connection from this address until the returned function is called; or returns the limit that is reached.
   */
  enter(address: string, { all, perClient }: AdmissionLimits): (() => void) | 'all' | 'client' {
    if (this.#all >= all) return 'all';
    const block = blockOf(address);
    const others = this.#perClient.get(block) ?? 0;
    if (others >= perClient) return 'client';
    this.#all++;
    this.#perClient.set(block, others + 1);
    return () => this.#leave(block);
  }

  #leave(block: string): void {
    const left = (this.#perClient.get(block) ?? 1) - 1;
    this.#all--;
    if (left > 0) this.#perClient.set(block, left);
    else this.#perClient.delete(block);
  }
}
