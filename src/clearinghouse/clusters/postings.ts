/** What has a feature: a cluster by its number, or a single message as a negative one. */
export type Ref = number;

/** Places that one feature may be in. */
const ways = 8;

/**
 * Which clusters and single messages have a feature, in fixed memory. A bucket has eight places; where they are
 * full, single messages give way first. Nothing is ever removed: whoever reads a reference looks whether the feature
 * is still there.
 */
export class Postings {
  readonly #buckets: number;
  /** The part of the feature that does not choose the bucket; 0 is an empty place. */
  readonly #marks: Uint32Array;
  readonly #refs: Int32Array;
  #turn = 0;

  /** `places` is a power of two. */
  constructor(places: number) {
    this.#buckets = places / ways;
    this.#marks = new Uint32Array(places);
    this.#refs = new Int32Array(places);
  }

  static octetsFor(places: number): number {
    return places * 8;
  }

  /** Calls `visit` with each reference, and says how many there were. */
  visit(feature: number, visit: (ref: Ref) => void): number {
    const from = this.#bucket(feature);
    const mark = markOf(feature);
    let count = 0;
    for (let at = from; at < from + ways; at++) {
      if (this.#marks[at] !== mark) continue;
      count++;
      visit(this.#refs[at] ?? 0);
    }
    return count;
  }

  /** How many references a feature has. */
  count(feature: number): number {
    const from = this.#bucket(feature);
    const mark = markOf(feature);
    let count = 0;
    for (let at = from; at < from + ways; at++) if (this.#marks[at] === mark) count++;
    return count;
  }

  /** Notes that `ref` has the feature, if that is not known. */
  add(feature: number, ref: Ref): void {
    const from = this.#bucket(feature);
    const mark = markOf(feature);
    let place = -1;
    for (let at = from; at < from + ways; at++) {
      const known = this.#marks[at];
      if (known === mark && this.#refs[at] === ref) return;
      if (known === 0 && place < 0) place = at;
    }
    if (place < 0) place = this.#victim(from, ref);
    if (place < 0) return;
    this.#marks[place] = mark;
    this.#refs[place] = ref;
  }

  /** Puts a cluster in the place of the single message that it came of. */
  replace(feature: number, old: Ref, ref: Ref): void {
    const from = this.#bucket(feature);
    const mark = markOf(feature);
    for (let at = from; at < from + ways; at++) {
      if (this.#marks[at] !== mark || this.#refs[at] !== old) continue;
      this.#refs[at] = ref;
      return;
    }
    this.add(feature, ref);
  }

  arrays(): readonly (Uint32Array | Int32Array)[] {
    return [this.#marks, this.#refs];
  }

  /** A place whose single message may go, in turn; a cluster goes for a cluster only. */
  #victim(from: number, ref: Ref): number {
    this.#turn = (this.#turn + 1) & (ways - 1);
    for (let step = 0; step < ways; step++) {
      const at = from + ((this.#turn + step) & (ways - 1));
      if ((this.#refs[at] ?? 0) < 0) return at;
    }
    return ref < 0 ? -1 : from + this.#turn;
  }

  #bucket(feature: number): number {
    return ((feature >>> 0) & (this.#buckets - 1)) * ways;
  }
}

/** From the upper bits and the lower ones: the bucket has used some of those. */
function markOf(feature: number): number {
  // The last operator makes it unsigned, as the array has it.
  return ((Math.floor(feature / 0x1_0000_0000) * 0x800 + (feature >>> 21)) | 1) >>> 0;
}
