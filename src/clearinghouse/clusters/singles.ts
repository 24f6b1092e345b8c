/** Messages that were seen once: a sample of their features, kept until a copy arrives. */
import { kinds } from './spectrum.ts';

/** Features that stand for a message that was seen once: the smallest hashes, the same ones in every copy. */
const sampleSize = 128;
/**
 * Kinds in the order in which they take places in the sample: kinds with few features first, so that none of those is
 * lost.
 */
const order = [kinds.exact, kinds.images, kinds.actions, kinds.text, kinds.chunks, kinds.structure];
/** The cut of a list that is complete. */
export const everything = 2 ** 48 - 1;
/** Recipients of it that are remembered. */
const singleRecipients = 4;

/** Messages that were seen once, in a ring: the oldest gives its place to the next. Fixed memory. */
export class Singles {
  readonly #capacity: number;
  readonly #features: Float64Array;
  readonly #kinds: Uint8Array;
  readonly #sizes: Uint8Array;
  /** Up to which hash the features of text are a complete list. */
  readonly #cuts: Float64Array;
  readonly #recipients: Float64Array;
  readonly #seenAt: Float64Array;
  /** Where the next one goes. */
  next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#features = new Float64Array(capacity * sampleSize);
    this.#kinds = new Uint8Array(capacity * sampleSize);
    this.#sizes = new Uint8Array(capacity);
    this.#cuts = new Float64Array(capacity);
    this.#recipients = new Float64Array(capacity * singleRecipients);
    this.#seenAt = new Float64Array(capacity);
  }

  static readonly octetsEach = sampleSize * 9 + 1 + singleRecipients * 8 + 16;

  /** Keeps a message; its place. `lists` are its features by kind, in the order of their numbers. */
  add(lists: readonly (readonly number[])[], recipients: readonly number[], now: number): number {
    const place = this.next;
    this.next = (place + 1) % this.#capacity;
    const from = place * sampleSize;
    let size = 0;
    for (const kind of order) {
      const list = lists[kind] ?? [];
      // Text leaves a third to the kinds behind it, as far as there is something of them.
      const behind =
        kind === kinds.text ? (lists[kinds.chunks]?.length ?? 0) + (lists[kinds.structure]?.length ?? 0) : 0;
      const room = sampleSize - size - Math.min(behind, sampleSize / 3);
      for (const feature of list.slice(0, room)) {
        this.#features[from + size] = feature;
        this.#kinds[from + size] = kind;
        size++;
      }
      if (kind === kinds.text) this.#cuts[place] = list.length > room ? (list[room - 1] ?? 0) : everything;
    }
    this.#sizes[place] = size;
    for (let at = 0; at < singleRecipients; at++)
      this.#recipients[place * singleRecipients + at] = recipients[at] ?? 0;
    this.#seenAt[place] = now;
    return place;
  }

  /** It has become a cluster. */
  drop(place: number): void {
    this.#sizes[place] = 0;
  }

  size(place: number): number {
    return this.#sizes[place] ?? 0;
  }

  /** No feature of text up to this hash is missing. */
  cutOf(place: number): number {
    return this.#cuts[place] ?? 0;
  }

  seenAt(place: number): number {
    return this.#seenAt[place] ?? 0;
  }

  recipients(place: number): readonly number[] {
    const from = place * singleRecipients;
    return [...this.#recipients.subarray(from, from + singleRecipients)].filter((hash) => hash !== 0);
  }

  /** Calls `visit` with each feature and its kind. */
  visit(place: number, visit: (feature: number, kind: number) => void): void {
    const from = place * sampleSize;
    for (let at = from; at < from + this.size(place); at++)
      visit(this.#features[at] ?? 0, this.#kinds[at] ?? 0);
  }

  arrays(): readonly (Float64Array | Uint8Array)[] {
    return [this.#features, this.#kinds, this.#sizes, this.#cuts, this.#recipients, this.#seenAt];
  }
}
