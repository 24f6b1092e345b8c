/** Finds clusters and single messages by their features. */

/** A place that has a feature: a cluster by its number, or a single message as a negative number. */
export type Ref = number;

/** Places that one feature may be in. */
export const ways = 8;

/**
 * The index from features to clusters and single messages, in fixed memory. A bucket has eight places; single messages
 * give way first when it is full. References are not always removed when a cluster loses a feature, so readers check
 * each one.
 */
export class Postings {
  readonly #buckets: number;
  /**
   * Of each bucket eight marks, then eight references: one line of the cache. A mark is the part of a feature that
   * does not choose the bucket; 0 is an empty place.
   */
  readonly #places: Int32Array;
  #turn = 0;
  /** Of no use but that `fetch` has an effect, so that it is not left out. */
  fetched = 0;

  /** `places` is a power of two. */
  constructor(places: number) {
    this.#buckets = places / ways;
    this.#places = new Int32Array(2 * places);
  }

  static octetsFor(places: number): number {
    return places * 8;
  }

  /** Writes the references of a feature into `refs`, which has eight places, and returns their number. */
  find(feature: number, refs: Int32Array): number {
    const from = this.#bucket(feature);
    const mark = markOf(feature);
    let count = 0;
    for (let at = from; at < from + ways; at++) {
      if (this.#places[at] === mark) refs[count++] = this.#places[at + ways] ?? 0;
    }
    return count;
  }

  /**
   * Asks for the places of all features, so that the memory fetches several of them at once; one after the other, each
   * look would wait for it.
   */
  fetch(features: readonly number[]): void {
    let all = 0;
    for (const feature of features) all ^= this.#places[this.#bucket(feature)] ?? 0;
    this.fetched = all;
  }

  /** Notes that `ref` has the feature, if that is not known. */
  add(feature: number, ref: Ref): void {
    const from = this.#bucket(feature);
    const mark = markOf(feature);
    let place = -1;
    for (let at = from; at < from + ways; at++) {
      const known = this.#places[at];
      if (known === mark && this.#places[at + ways] === ref) return;
      if (known === 0 && place < 0) place = at;
    }
    if (place < 0) place = this.#victim(from, ref);
    if (place < 0) return;
    this.#places[place] = mark;
    this.#places[place + ways] = ref;
  }

  /** Puts a cluster in the place of the single message that it came of. */
  replace(feature: number, old: Ref, ref: Ref): void {
    const from = this.#bucket(feature);
    const mark = markOf(feature);
    for (let at = from; at < from + ways; at++) {
      if (this.#places[at] !== mark || this.#places[at + ways] !== old) continue;
      this.#places[at + ways] = ref;
      return;
    }
    this.add(feature, ref);
  }

  /** `ref` has the feature no more. */
  drop(feature: number, ref: Ref): void {
    const from = this.#bucket(feature);
    const mark = markOf(feature);
    for (let at = from; at < from + ways; at++)
      if (this.#places[at] === mark && this.#places[at + ways] === ref) this.#places[at] = 0;
  }

  arrays(): readonly Int32Array[] {
    return [this.#places];
  }

  /** The place of the single message whose turn it is to go; a cluster replaces only a cluster. */
  #victim(from: number, ref: Ref): number {
    this.#turn = (this.#turn + 1) & (ways - 1);
    for (let step = 0; step < ways; step++) {
      const at = from + ((this.#turn + step) & (ways - 1));
      if ((this.#places[at + ways] ?? 0) < 0) return at;
    }
    return ref < 0 ? -1 : from + this.#turn;
  }

  #bucket(feature: number): number {
    return ((feature >>> 0) & (this.#buckets - 1)) * 2 * ways;
  }
}

/** From the upper and the lower bits, since the bucket has used some of the latter. */
function markOf(feature: number): number {
  // As the array has it: signed.
  return (Math.floor(feature / 0x1_0000_0000) * 0x800 + (feature >>> 21)) | 1;
}
