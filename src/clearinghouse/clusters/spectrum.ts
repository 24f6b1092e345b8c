/** The features of clusters with their counts, and the overlap of a message with them. */

/** Kinds of features; they are counted apart. */
export const kinds = { text: 0, actions: 1, structure: 2, chunks: 3, images: 4, exact: 5 } as const;
export type Kind = keyof typeof kinds;
export const kindCount = 6;

/** Places for the features of one cluster; a power of two. Three quarters of them are used. */
const slots = 512;
const maxFeatures = slots * 0.75;
const step = 1;

/** The overlap of a message and a cluster, by kind. */
export interface Overlap {
  /** Features that repeat across copies. */
  readonly core: Uint16Array;
  /** The features of the core that the message has. */
  readonly shared: Uint16Array;
}

/** The features of all clusters, each with the number of copies that had it; fixed memory, all in flat arrays. */
export class Spectra {
  readonly #features: Float64Array;
  readonly #counts: Uint16Array;
  readonly #kinds: Uint8Array;
  readonly #sizes: Uint16Array;

  constructor(clusters: number) {
    this.#features = new Float64Array(clusters * slots);
    this.#counts = new Uint16Array(clusters * slots);
    this.#kinds = new Uint8Array(clusters * slots);
    this.#sizes = new Uint16Array(clusters);
  }

  static readonly octetsEach = slots * 11 + 2;
  readonly capacity = maxFeatures;

  clear(cluster: number): void {
    const from = cluster * slots;
    this.#features.fill(0, from, from + slots);
    this.#counts.fill(0, from, from + slots);
    this.#sizes[cluster] = 0;
  }

  /** Counts a feature of a copy, or of several. False where there is no place for it. */
  add(cluster: number, feature: number, kind: number, copies = 1): boolean {
    const at = this.#find(cluster, feature);
    const count = this.#counts[at] ?? 0;
    if (count === 0) {
      const size = this.#sizes[cluster] ?? 0;
      if (size >= maxFeatures) return false;
      this.#sizes[cluster] = size + 1;
      this.#features[at] = feature;
      this.#kinds[at] = kind;
    }
    this.#counts[at] = Math.min(0xffff, count + copies);
    return true;
  }

  /** Calls `visit` with each feature that `least` copies have or more. */
  visit(
    cluster: number,
    minCount: number,
    visit: (feature: number, kind: number, count: number) => void,
  ): void {
    const from = cluster * slots;
    for (let at = from; at < from + slots; at++) {
      const count = this.#counts[at] ?? 0;
      if (count >= minCount) visit(this.#features[at] ?? 0, this.#kinds[at] ?? 0, count);
    }
  }

  countOf(cluster: number, feature: number): number {
    return this.#counts[this.#find(cluster, feature)] ?? 0;
  }

  has(cluster: number, feature: number): boolean {
    return (this.#counts[this.#find(cluster, feature)] ?? 0) > 0;
  }

  /**
   * The core of a cluster (the features with `minCount` copies or more) by kind, and the part of it that is in
   * `lists`.
   */
  overlap(cluster: number, minCount: number, lists: readonly (readonly number[])[]): Overlap {
    const [core, shared] = [new Uint16Array(kindCount), new Uint16Array(kindCount)];
    const from = cluster * slots;
    for (let at = from; at < from + slots; at++) {
      if ((this.#counts[at] ?? 0) < minCount) continue;
      const kind = this.#kinds[at] ?? 0;
      core[kind] = (core[kind] ?? 0) + 1;
    }
    for (const [kind, list] of lists.entries()) {
      for (const feature of list)
        if ((this.#counts[this.#find(cluster, feature)] ?? 0) >= minCount)
          shared[kind] = (shared[kind] ?? 0) + 1;
    }
    return { core, shared };
  }

  /**
   * The core of a cluster (the features with `minCount` copies or more) and its size in each kind. `room` features in
   * all are returned: the smallest hashes of each kind, and kinds with few features first.
   */
  core(
    cluster: number,
    minCount: number,
    room: number,
  ): { readonly core: readonly (readonly number[])[]; readonly sizes: readonly number[] } {
    const all = Array.from({ length: kindCount }, (): number[] => []);
    this.visit(cluster, minCount, (feature, kind) => all[kind]?.push(feature));
    const sizes = all.map(({ length }) => length);
    const byNeed = [...all.keys()].sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0));
    let left = room;
    for (const [done, kind] of byNeed.entries()) {
      const list = all[kind]?.sort((a, b) => a - b).slice(0, Math.floor(left / (kindCount - done))) ?? [];
      all[kind] = list;
      left -= list.length;
    }
    return { core: all, sizes };
  }

  /** The number of core features below a bound, for each kind. */
  coreBelow(cluster: number, minCount: number, bounds: readonly number[]): Uint16Array {
    const known = new Uint16Array(kindCount);
    this.visit(cluster, minCount, (feature, kind) => {
      if (feature <= (bounds[kind] ?? 0)) known[kind] = (known[kind] ?? 0) + 1;
    });
    return known;
  }

  /** The number of features in the cores of both clusters, and the size of the larger core. */
  inBoth(
    one: { readonly cluster: number; readonly minCount: number },
    other: { readonly cluster: number; readonly minCount: number },
    counts: (feature: number, kind: number) => boolean,
  ): { readonly shared: number; readonly larger: number } {
    let [sum, sumOther, shared] = [0, 0, 0];
    this.visit(one.cluster, one.minCount, (feature, kind) => {
      if (!counts(feature, kind)) return;
      sum++;
      if (this.countOf(other.cluster, feature) >= other.minCount) shared++;
    });
    this.visit(other.cluster, other.minCount, (feature, kind) => {
      if (counts(feature, kind)) sumOther++;
    });
    return { shared, larger: Math.max(sum, sumOther) };
  }

  /** Makes room: features that did not repeat go, all counts of a cluster that is old become half. */
  thin(cluster: number, minCount: number, isHalved: boolean): void {
    const kept: { feature: number; count: number; kind: number }[] = [];
    this.visit(cluster, minCount, (feature, kind, count) => kept.push({ feature, count, kind }));
    this.clear(cluster);
    this.#sizes[cluster] = kept.length;
    for (const { feature, count, kind } of kept) {
      const at = this.#find(cluster, feature);
      this.#features[at] = feature;
      this.#counts[at] = isHalved ? Math.max(1, count >>> 1) : count;
      this.#kinds[at] = kind;
    }
  }

  size(cluster: number): number {
    return this.#sizes[cluster] ?? 0;
  }

  arrays(): readonly (Float64Array | Uint16Array | Uint8Array)[] {
    return [this.#features, this.#counts, this.#kinds, this.#sizes];
  }

  /** Where the feature is, or the free place where it would be. */
  #find(cluster: number, feature: number): number {
    const from = cluster * slots;
    let place = (feature >>> 0) & (slots - 1);
    while ((this.#counts[from + place] ?? 0) > 0 && this.#features[from + place] !== feature)
      place = (place + step) & (slots - 1);
    return from + place;
  }
}
