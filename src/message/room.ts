/** Limits the octets withheld of each message, and of all together. */

/** Octets that are left for all. */
export class Room {
  #left: number;

  constructor(octets: number) {
    this.#left = octets;
  }

  /** False, and nothing is taken, where there are not as many. */
  take(octets: number): boolean {
    if (octets > this.#left) return false;
    this.#left -= octets;
    return true;
  }

  give(octets: number): void {
    this.#left += octets;
  }
}

/**
 * The octets of one message: its header until the end is found, and the part that a check wants to see or to change.
 */
export const maxWithheldOctets = 256 * 1024;
/** Of all messages together. Beyond it a message is looked at as far as it came. */
export const maxWithheldTogether = 64 * 2 ** 20;
