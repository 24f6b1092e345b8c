/** Places that one key may be in. */
const ways = 4;

/**
 * From the keys of others (Razor, Pyzor, whole bodies) to clusters, in fixed memory: the oldest of a bucket goes. A
 * cluster whose number was given to another one is not found by the keys of before.
 */
export class Aliases {
  readonly #buckets: number;
  readonly #keys: Float64Array;
  readonly #clusters: Int32Array;
  readonly #generations: Uint32Array;
  #turn = 0;

  /** `places` is a power of two. */
  constructor(places: number) {
    this.#buckets = places / ways;
    this.#keys = new Float64Array(places);
    this.#clusters = new Int32Array(places);
    this.#generations = new Uint32Array(places);
  }

  static readonly octetsEach = 16;

  set(key: number, cluster: number, generation: number): void {
    const from = this.#bucket(key);
    let place = from + (this.#turn++ & (ways - 1));
    for (let at = from; at < from + ways; at++) {
      if (this.#keys[at] === key || this.#keys[at] === 0) {
        place = at;
        break;
      }
    }
    this.#keys[place] = key;
    this.#clusters[place] = cluster;
    this.#generations[place] = generation;
  }

  /** The cluster of a key, if it is still what it was. */
  find(key: number, generationOf: (cluster: number) => number): number | undefined {
    const from = this.#bucket(key);
    for (let at = from; at < from + ways; at++) {
      if (this.#keys[at] !== key) continue;
      const cluster = this.#clusters[at] ?? 0;
      return generationOf(cluster) === this.#generations[at] ? cluster : undefined;
    }
    return undefined;
  }

  arrays(): readonly (Float64Array | Int32Array | Uint32Array)[] {
    return [this.#keys, this.#clusters, this.#generations];
  }

  #bucket(key: number): number {
    return (Math.floor(key / 8) & (this.#buckets - 1)) * ways;
  }
}
