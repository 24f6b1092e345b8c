/** The counts and times of clusters, and the choice of the one that gives up its place. */

/** Copies from which on a cluster is remembered for long. */
const halfLife = { few: 86_400_000, many: 30 * 86_400_000, manyFrom: 10 } as const;
/** The number of clusters among which the one to give up its place is chosen. */
const looked = 32;

/** The counts and times of each cluster, without its features and recipients, in flat arrays of a fixed size. */
export class Rows {
  readonly copies: Uint32Array;
  /** The number of copies in the counts of features; smaller than `copies` once those counts were halved. */
  readonly counted: Uint32Array;
  /** Only features of text up to this hash are counted: the same sample of each copy, despite added text. */
  readonly cuts: Float64Array;
  /** The same for comparing; a smaller sample as long as only its features can have repeated. */
  readonly compared: Float64Array;
  /** The share of a copy that the core makes up, on average, from 0 to 1. */
  readonly shares: Float32Array;
  readonly firstSeen: Float64Array;
  readonly lastSeen: Float64Array;
  /** Changes when the number is given to another cluster. */
  readonly generations: Uint32Array;
  /** The number, from 1, and the generation of the cluster that it has become a part of. */
  readonly #joinedTo: Uint32Array;
  readonly #joinedGeneration: Uint32Array;
  #used = 0;
  #hand = 0;

  constructor(clusters: number) {
    this.copies = new Uint32Array(clusters);
    this.counted = new Uint32Array(clusters);
    this.cuts = new Float64Array(clusters);
    this.compared = new Float64Array(clusters);
    this.shares = new Float32Array(clusters);
    this.firstSeen = new Float64Array(clusters);
    this.lastSeen = new Float64Array(clusters);
    this.generations = new Uint32Array(clusters);
    this.#joinedTo = new Uint32Array(clusters);
    this.#joinedGeneration = new Uint32Array(clusters);
  }

  static readonly octetsEach = 56;

  get used(): number {
    return this.#used;
  }

  /** A number for a new cluster: a free one, or that of a small cluster that was not seen for long. */
  begin(now: number): number {
    const cluster = this.#used < this.copies.length ? this.#used++ : this.#victim(now);
    this.generations[cluster] = (this.generations[cluster] ?? 0) + 1;
    this.#clear(cluster);
    this.firstSeen[cluster] = now;
    return cluster;
  }

  halfLifeOf(cluster: number): number {
    return (this.copies[cluster] ?? 0) >= halfLife.manyFrom ? halfLife.many : halfLife.few;
  }

  /** From how many copies on a feature is one of the core. */
  minCount(cluster: number): number {
    const counted = this.counted[cluster] ?? 0;
    return counted === 1 ? 1 : Math.max(2, Math.ceil(0.25 * counted));
  }

  /** All that was counted of one is counted of another; the first is empty from then on and leads to it. */
  join(from: number, to: number): void {
    for (const counts of [this.copies, this.counted])
      counts[to] = Math.min(0xffff_ffff, (counts[to] ?? 0) + (counts[from] ?? 0));
    this.firstSeen[to] = Math.min(this.firstSeen[to] ?? 0, this.firstSeen[from] ?? 0);
    this.lastSeen[to] = Math.max(this.lastSeen[to] ?? 0, this.lastSeen[from] ?? 0);
    this.#clear(from);
    this.#joinedTo[from] = to + 1;
    this.#joinedGeneration[from] = this.generations[to] ?? 0;
  }

  /** The cluster that it has become a part of; itself where it has not. */
  current(cluster: number): number {
    let at = cluster;
    // No cluster leads to a younger one, so this ends.
    for (let to = this.#joinedTo[at] ?? 0; to > 0; to = this.#joinedTo[at] ?? 0) {
      if (this.generations[to - 1] !== this.#joinedGeneration[at]) break;
      at = to - 1;
    }
    return at;
  }

  arrays(): readonly ArrayBufferView[] {
    const counts = [this.copies, this.counted, this.cuts, this.compared, this.shares];
    const rest = [this.firstSeen, this.lastSeen, this.generations, this.#joinedTo, this.#joinedGeneration];
    return [...counts, ...rest];
  }

  /** Where it goes on. */
  save(): readonly number[] {
    return [this.#used, this.#hand];
  }

  restore([used, hand]: readonly number[]): void {
    this.#used = Math.min(used || 0, this.copies.length);
    this.#hand = (hand || 0) % this.copies.length;
  }

  #clear(cluster: number): void {
    for (const counts of [this.copies, this.counted, this.cuts, this.compared, this.shares, this.#joinedTo])
      counts[cluster] = 0;
  }

  #victim(now: number): number {
    let victim = this.#hand;
    let worst = Number.NEGATIVE_INFINITY;
    for (let step = 0; step < looked; step++) {
      const cluster = (this.#hand + step) % this.copies.length;
      const age = 1 + Math.abs(now - (this.lastSeen[cluster] ?? 0));
      // A cluster that was joined to another is worth nothing.
      const worth = Math.log2(1 + (this.copies[cluster] ?? 0));
      const score = age / worth;
      if (score > worst) [victim, worst] = [cluster, score];
    }
    this.#hand = (this.#hand + looked) % this.copies.length;
    return victim;
  }
}
