/** The recipients of a copy as hashes, with a bound for those of unknown reporters. */
import { randomUUID } from 'node:crypto';
import type { Source } from './ask.ts';
import type { Hash } from './features/hash.ts';

/** Targets of one report that are counted. */
const maxTargets = 1000;
/** The number of recipients of one unknown reporter that count for a cluster, since it could invent them. */
const maxOfStranger = 500;

/** Hashes the recipients of copies. */
export class Recipients {
  readonly #hash: Hash;
  /** A salt of this start, so that invented recipients match no others. */
  readonly #salt = randomUUID();
  #serial = 0;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  /**
   * The hashes of the recipients. `messageKey` identifies this message among its copies, so that asking about it again
   * counts no recipient anew.
   */
  of({ recipients, targets, reporter, isKnown }: Source, messageKey?: string): number[] {
    const named = recipients.map((recipient) => this.#hash.text(recipient.toLowerCase()));
    const missing = Math.min(maxTargets, (targets ?? 1) - named.length);
    // Without addresses, each target of a message counts as a different one.
    for (let n = 0; n < missing; n++)
      named.push(
        this.#hash.text(messageKey === undefined ? `${this.#salt} ${this.#serial++}` : `${n} ${messageKey}`),
      );
    if (isKnown) return named;
    const places = named.map((recipient) => this.#hash.text(`${reporter} ${recipient % maxOfStranger}`));
    return [...new Set(places)];
  }
}
