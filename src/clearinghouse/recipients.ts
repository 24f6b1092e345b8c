import { randomUUID } from 'node:crypto';
import type { Source } from './ask.ts';
import type { Hash } from './features/hash.ts';

/** Targets of one report that are counted. */
const mostTargets = 1000;

/** Whom a copy goes to, as hashes. */
export class Recipients {
  readonly #hash: Hash;
  /** Nobody else's, and no other start's. */
  readonly #salt = randomUUID();
  #serial = 0;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  of({ recipients, targets, reporter }: Source): number[] {
    const named = recipients.map((recipient) => this.#hash.text(recipient.toLowerCase()));
    const missing = Math.min(mostTargets, (targets ?? 1) - named.length);
    // Where nobody says who they are, each target of a reporter is one of its own.
    for (let n = 0; n < missing; n++)
      named.push(this.#hash.text(`${reporter} ${this.#salt} ${this.#serial++}`));
    return named;
  }
}
