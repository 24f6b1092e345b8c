/** Cuts long work on octets into slices, between which everything else has its turn. */

/** How many octets are worked on in one go: a millisecond or two of the slowest work on them. */
const sliceOctets = 128 * 1024;

/** The options of `Slices`; the tests count with it. */
export interface SlicesOptions {
  /** Octets of one slice. */
  readonly octets?: number;
  /** Resolves when everything else has had its turn. Default: `setImmediate`. */
  readonly turn?: () => Promise<void>;
}

/**
 * The account of one piece of work. The worker reports the octets that it has processed since the last call, and waits
 * when it gets a promise:
 *
 *     const others = slices.spend(octets);
 *     if (others !== undefined) await others;
 *
 * So no single message holds up the process, whatever its size and structure.
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
