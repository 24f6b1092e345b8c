/** Finds clusters by the keys of other programs. */

/** Places that one key may be in. */
const ways = 4;

/** Where a key leads. */
export interface Alias {
  readonly cluster: number;
  /** A feature that must be rare for the key to identify anything, such as the host of a link; 0 for none. */
  readonly feature: number;
}

/**
 * The map from keys of other programs (Razor, Pyzor, digests of bodies) to clusters, in fixed memory: the oldest key
 * of a full bucket is dropped. Keys of a cluster whose number was given to another cluster are no longer found.
 */
export class Aliases {
  readonly #buckets: number;
  readonly #keys: Float64Array;
  readonly #clusters: Int32Array;
  readonly #generations: Uint32Array;
  readonly #features: Float64Array;
  #turn = 0;

  /** `places` is a power of two. */
  constructor(places: number) {
    this.#buckets = places / ways;
    this.#keys = new Float64Array(places);
    this.#clusters = new Int32Array(places);
    this.#generations = new Uint32Array(places);
    this.#features = new Float64Array(places);
  }

  static readonly octetsEach = 24;

  /** `isStronger` tells whether the cluster that holds the key now keeps it. */
  set(
    key: number,
    { cluster, feature, generation }: Alias & { readonly generation: number },
    isStronger: (cluster: number, generation: number) => boolean,
  ): void {
    const from = this.#bucket(key);
    let place = from + (this.#turn++ & (ways - 1));
    for (let at = from; at < from + ways; at++) {
      if (this.#keys[at] === key || this.#keys[at] === 0) {
        place = at;
        break;
      }
    }
    const isKnown = this.#keys[place] === key;
    if (isKnown && isStronger(this.#clusters[place] ?? 0, this.#generations[place] ?? 0)) return;
    this.#keys[place] = key;
    this.#clusters[place] = cluster;
    this.#generations[place] = generation;
    this.#features[place] = feature;
  }

  /** The cluster of a key, unless its number was given to another cluster since. */
  find(key: number, generationOf: (cluster: number) => number): Alias | undefined {
    const from = this.#bucket(key);
    for (let at = from; at < from + ways; at++) {
      if (this.#keys[at] !== key) continue;
      const cluster = this.#clusters[at] ?? 0;
      if (generationOf(cluster) !== this.#generations[at]) return undefined;
      return { cluster, feature: this.#features[at] ?? 0 };
    }
    return undefined;
  }

  arrays(): readonly (Float64Array | Int32Array | Uint32Array)[] {
    return [this.#keys, this.#clusters, this.#generations, this.#features];
  }

  #bucket(key: number): number {
    return (Math.floor(key / 8) & (this.#buckets - 1)) * ways;
  }
}
