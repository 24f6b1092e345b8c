/** Cuts long work on octets into slices, between which everything else has its turn. */

/** How many octets are worked on in one go: a millisecond or two of the slowest work on them. */
export const sliceOctets = 128 * 1024;

/** What `Slices` can be told; the tests count with it. */
export interface SlicesOptions {
  /** Octets of one slice. */
  readonly octets?: number;
  /** Resolves when everything else has had its turn. Default: `setImmediate`. */
  readonly turn?: () => Promise<void>;
}

/**
 * The account of one piece of work. Whoever works says how many octets it has looked at since it last said so, and
 * waits when it is given something to wait for:
 *
 *     const others = slices.spend(octets);
 *     if (others !== undefined) await others;
 *
 * No single message then holds up the process, however large it is and whatever it is made of.
 */
export class Slices {
  /** The most that should be done between two calls of `spend`. */
  readonly octets: number;
  readonly #turn: () => Promise<void>;
  #left: number;

  constructor(options: SlicesOptions = {}) {
    this.octets = options.octets ?? sliceOctets;
    this.#turn = options.turn ?? nextTurn;
    this.#left = this.octets;
  }

  /** Takes down work that was done; a promise when others are to go first. */
  spend(octets: number): Promise<void> | undefined {
    this.#left -= octets;
    if (this.#left > 0) return undefined;
    this.#left = this.octets;
    return this.#turn();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
