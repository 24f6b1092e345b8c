/** Counts approximately how many senders use a feature, in fixed memory. */
import type { Hash } from './hash.ts';

/** How large a `Spread` is, in counters and bits; powers of two. */
export interface SpreadSize {
  readonly counters: number;
  readonly bits: number;
}

const probes = 3;
const block64 = 64;
/** No caller asks for more. */
const maxCount = 15;
/** The share of bits set at which the oldest pairs are forgotten. */
const fullShare = 0.5;

/**
 * Counts the different senders of each thing, approximately and in fixed memory: a count-min sketch, which counts each
 * pair of thing and sender once as long as a Bloom filter remembers it. A count may be too high, never too low, except
 * after pairs were forgotten. Counts stop at 15.
 */
export class Spread {
  readonly #hash: Hash;
  readonly #counters: Uint8Array;
  /** Pairs that were counted: of now and of the time before. */
  readonly #seen: Uint32Array;
  readonly #seenBefore: Uint32Array;
  #set = 0;
  fetched = 0;

  constructor(hash: Hash, { counters, bits }: SpreadSize) {
    this.#hash = hash;
    this.#counters = new Uint8Array(counters);
    this.#seen = new Uint32Array(bits / 32);
    this.#seenBefore = new Uint32Array(bits / 32);
  }

  /** The senders of a thing, at most. */
  count(thing: number): number {
    let least = maxCount;
    for (let probe = 0; probe < probes; probe++) {
      const count = this.#counters[this.#place(thing, probe)] ?? 0;
      if (count < least) least = count;
    }
    return least;
  }

  /** Whether there are so many senders of it, as far as is known. */
  hasAtLeast(thing: number, wanted: number): boolean {
    for (let probe = 0; probe < probes; probe++)
      if ((this.#counters[this.#place(thing, probe)] ?? 0) < wanted) return false;
    return true;
  }

  /** Whether to add it would change anything. */
  isNews(thing: number, sender: number): boolean {
    return !this.hasAtLeast(thing, maxCount) && !this.#hasSeen(this.#hash.joined(1, thing, sender));
  }

  /** Counts a sender of a thing, which is news. */
  add(thing: number, sender: number): void {
    const least = this.count(thing);
    this.#see(this.#hash.joined(1, thing, sender));
    for (let probe = 0; probe < probes; probe++) {
      const place = this.#place(thing, probe);
      if (this.#counters[place] === least) this.#counters[place] = least + 1;
    }
  }

  /** Asks for the counters of all things at once, as `Postings.fetch` does. */
  fetch(things: readonly number[]): void {
    let all = 0;
    for (const thing of things) all ^= this.#counters[this.#place(thing, 0)] ?? 0;
    this.fetched = all;
  }

  /** The state, to be written down and read back into the same places. */
  arrays(): readonly Uint8Array[] {
    return [this.#counters, octetsOf(this.#seen), octetsOf(this.#seenBefore)];
  }

  /** After the state was read back. */
  restored(): void {
    this.#set = 0;
    for (const word of this.#seen) for (let left = word; left !== 0; left &= left - 1) this.#set++;
  }

  /** All probes of a thing are in one block of 64 octets, so that each look takes one line of the cache. */
  #place(thing: number, probe: number): number {
    const block = (thing >>> 0) & (this.#counters.length - block64);
    const step = Math.floor(thing / 0x1_0000_0000) >>> (probe * 5);
    return block | (step & (block64 - 1));
  }

  #hasSeen(pair: number): boolean {
    const [bit, other] = this.#bitsOf(pair);
    if (hasBit(this.#seenBefore, bit) && hasBit(this.#seenBefore, other)) return true;
    return hasBit(this.#seen, bit) && hasBit(this.#seen, other);
  }

  #see(pair: number): void {
    if (this.#set > fullShare * this.#seen.length * 32) {
      this.#seenBefore.set(this.#seen);
      this.#seen.fill(0);
      this.#set = 0;
    }
    for (const bit of this.#bitsOf(pair)) this.#setBit(bit);
  }

  #bitsOf(pair: number): readonly [number, number] {
    const mask = this.#seen.length * 32 - 1;
    const bit = (pair >>> 0) & mask;
    return [bit, (Math.floor(pair / 0x1_0000_0000) * 0x9e37 + bit) & mask];
  }

  #setBit(bit: number): void {
    if (hasBit(this.#seen, bit)) return;
    this.#seen[bit >>> 5] = (this.#seen[bit >>> 5] ?? 0) | (1 << (bit & 31));
    this.#set++;
  }
}

function hasBit(bits: Uint32Array, bit: number): boolean {
  return ((bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
}

function octetsOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
