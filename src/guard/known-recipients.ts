/** Remembers which sender has written to which recipient, in bounded memory. */
import { randomInt } from 'node:crypto';

export interface KnownRecipientsOptions {
  /** Pairs of subject and recipient that one generation remembers. */
  readonly capacity?: number;
  /** How long a pair is remembered that is not seen again: once to twice as long. */
  readonly forgetMs?: number;
}

/**
 * The pairs of sender and recipient that have occurred, in bounded memory: hashes in two generations. A full or old
 * generation replaces the one before, which is forgotten; a pair that is seen again moves on to the young one. Two
 * pairs may look the same (once in some thousand times): a recipient is then not counted as new. The hash is seeded,
 * so that nobody can choose such pairs.
 */
export class KnownRecipients {
  readonly #slots: number;
  readonly #capacity: number;
  readonly #forgetMs: number;
  readonly #seed = randomInt(2 ** 32);
  #young: Uint32Array | undefined;
  #old: Uint32Array | undefined;
  #size = 0;
  #bornAt = 0;

  constructor({ capacity = 400_000, forgetMs = 30 * 86_400_000 }: KnownRecipientsOptions = {}) {
    this.#capacity = capacity;
    this.#forgetMs = forgetMs;
    // Never more than about three quarters full, so that a search ends soon.
    this.#slots = 2 ** Math.ceil(Math.log2(Math.max(16, capacity * 1.3)));
  }

  /** The first half of a hash: of the subject. */
  subjectHash(subject: string): number {
    return hash(subject, this.#seed);
  }

  /** Whether the pair is known. A known one is remembered for longer. */
  has(subjectHash: number, recipient: string, now: number): boolean {
    const pair = hash(recipient, subjectHash) || 1;
    if (this.#young !== undefined && contains(this.#young, pair)) return true;
    if (this.#old === undefined || !contains(this.#old, pair)) return false;
    this.#insert(pair, now);
    return true;
  }

  add(subjectHash: number, recipient: string, now: number): void {
    this.#insert(hash(recipient, subjectHash) || 1, now);
  }

  #insert(pair: number, now: number): void {
    // Nothing is allocated for a relay that never asks.
    if (this.#young === undefined || this.#size >= this.#capacity || now - this.#bornAt > this.#forgetMs) {
      this.#old = this.#young;
      this.#young = new Uint32Array(this.#slots);
      this.#size = 0;
      this.#bornAt = now;
    }
    const at = find(this.#young, pair);
    if (this.#young[at] === pair) return;
    this.#young[at] = pair;
    this.#size++;
  }
}

/** The place of the pair, or the free one where it belongs. */
function find(table: Uint32Array, pair: number): number {
  const mask = table.length - 1;
  let at = Math.imul(pair, 0x9e3779b1) >>> 0;
  for (at = (at >>> 7) & mask; table[at] !== 0 && table[at] !== pair; at = (at + 1) & mask);
  return at;
}

function contains(table: Uint32Array, pair: number): boolean {
  return table[find(table, pair)] === pair;
}

/** FNV-1a over UTF-16 units, finished so that each bit counts. */
function hash(text: string, seed: number): number {
  let value = seed ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
