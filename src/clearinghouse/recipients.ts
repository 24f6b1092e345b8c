/** The recipients of a copy as hashes, with a bound for those that a stranger names. */
import { randomUUID } from 'node:crypto';
import type { Source } from './ask.ts';
import type { Hash } from './features/hash.ts';

/** Targets of one report that are counted. */
const maxTargets = 1000;
/** Whom nobody knows can make up recipients: of each cluster so many count of one of them. */
const maxOfStranger = 500;

/** Whom a copy goes to, as hashes. */
export class Recipients {
  readonly #hash: Hash;
  /** Nobody else's, and no other start's. */
  readonly #salt = randomUUID();
  #serial = 0;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  /** `letter`: what tells this message from its copies; a second look at it counts nobody anew. */
  of({ recipients, targets, reporter, isKnown }: Source, letter?: string): number[] {
    const named = recipients.map((recipient) => this.#hash.text(recipient.toLowerCase()));
    const missing = Math.min(maxTargets, (targets ?? 1) - named.length);
    // Where nobody says who they are, each target of a letter is one of its own.
    for (let n = 0; n < missing; n++)
      named.push(
        this.#hash.text(letter === undefined ? `${this.#salt} ${this.#serial++}` : `${n} ${letter}`),
      );
    if (isKnown) return named;
    const places = named.map((recipient) => this.#hash.text(`${reporter} ${recipient % maxOfStranger}`));
    return [...new Set(places)];
  }
}
