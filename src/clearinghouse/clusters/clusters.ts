import { DistinctCounts } from './distinct.ts';
import { has, type Lists, type Sighting, spreadOf, upTo } from './lists.ts';
import { type Common, isBetter, type Match, nothing, reasonFor, scoreOf, voteOf } from './match.ts';
import { Postings, type Ref, ways } from './postings.ts';
import { everything, Singles } from './singles.ts';
import type { ClustersSize } from './size.ts';
import { type Kind, kindCount, kinds, Spectra } from './spectrum.ts';

/** Clusters and single messages that a feature may be in and still tell them apart. */
const mostPlaces = 5;
/** Features of text that are counted of each copy of a cluster, about. */
const textSample = 240;
/** How much larger than that of a single message the sample of its cluster is. */
const mostWidened = 2.5;
/** Two cores that have less than this of the smaller one in common are of different mail. */
const leastOfCores = 0.4;
/** Candidates whose features are compared. */
const candidates = 8;
/** A candidate with less in common is not looked at. */
const leastVotes = 1.5;
const halfLife = { few: 86_400_000, many: 30 * 86_400_000, manyFrom: 10 } as const;
/** Copies after which the counts of a cluster become half: old habits of a campaign are forgotten. */
const halvedAt = 4096;
/** To so many recipients at once a message is a cluster at once. */
export const bulkAtOnce = 5;

/**
 * Groups of copies. A message that nothing is like is kept as a sample; with a second one that is like it, a cluster
 * begins. What repeats in a cluster is its core, and a message that has enough of the core is a copy, whatever else is
 * in it.
 */
export class Clusters {
  readonly #size: ClustersSize;
  readonly #postings: Postings;
  readonly #singles: Singles;
  readonly #spectra: Spectra;
  readonly #recipients: DistinctCounts;
  readonly #copies: Uint32Array;
  /** Copies that the counts of the features are of; smaller than `copies` once those were halved. */
  readonly #counted: Uint32Array;
  /** Only features of text up to this hash are counted: the same sample of each copy, whatever is added to it. */
  readonly #cuts: Float64Array;
  /** The same for comparing; a smaller sample as long as only its features can have repeated. */
  readonly #compared: Float64Array;
  /** What share of a copy the core is, on average. */
  readonly #shares: Float32Array;
  readonly #firstSeen: Float64Array;
  readonly #lastSeen: Float64Array;
  readonly #generation: Uint32Array;
  /** Where one feature is. */
  readonly #refs = new Int32Array(ways);
  #used = 0;
  #hand = 0;

  constructor(size: ClustersSize) {
    this.#size = size;
    this.#postings = new Postings(size.postings);
    this.#singles = new Singles(size.singles);
    this.#spectra = new Spectra(size.clusters);
    this.#recipients = new DistinctCounts(size.clusters);
    this.#copies = new Uint32Array(size.clusters);
    this.#counted = new Uint32Array(size.clusters);
    this.#shares = new Float32Array(size.clusters);
    this.#cuts = new Float64Array(size.clusters);
    this.#compared = new Float64Array(size.clusters);
    this.#firstSeen = new Float64Array(size.clusters);
    this.#lastSeen = new Float64Array(size.clusters);
    this.#generation = new Uint32Array(size.clusters);
  }

  /**
   * What a message is a copy of, if of anything; and those of its features that tell. What is in many places is a
   * phrase of everybody, or noise out of a small pool.
   */
  match(
    all: Lists,
    sequence: readonly number[] = [],
  ): { readonly lists: Lists; readonly match: Match | undefined } {
    const votes = new Map<Ref, number>();
    const lists = all.map((list, kind) => this.#vote(list, kind, votes));
    return { lists, match: this.#best(votes, lists, sequence) };
  }

  /** Each feature votes for what has it, the more the fewer those are. Leaves out those that are everywhere. */
  #vote(list: readonly number[], kind: number, votes: Map<Ref, number>): readonly number[] {
    const most = kind === kinds.exact ? ways : mostPlaces;
    const telling: number[] = [];
    this.#postings.fetch(list);
    for (const feature of list) {
      const count = this.#postings.find(feature, this.#refs);
      if (count > most) continue;
      telling.push(feature);
      const weight = (voteOf[kind] ?? 1) / count;
      for (let at = 0; at < count; at++) {
        const ref = this.#refs[at] ?? 0;
        votes.set(ref, (votes.get(ref) ?? 0) + weight);
      }
    }
    return telling;
  }

  #best(votes: ReadonlyMap<Ref, number>, lists: Lists, sequence: readonly number[]): Match | undefined {
    const best = [...votes].filter(([, sum]) => sum >= leastVotes).sort(([, a], [, b]) => b - a);
    let found: Match | undefined;
    for (const [ref] of best.slice(0, candidates)) {
      const match = this.#compare(ref, lists, sequence);
      if (match !== undefined && isBetter(match, found)) found = match;
    }
    return found;
  }

  /**
   * Counts a copy of what `ref` leads to. What it belongs to is a cluster from the second copy on, or when it begins
   * one; else undefined.
   */
  add(ref: Ref | undefined, sighting: Sighting, begins = false): number | undefined {
    if (ref === undefined && !begins && sighting.recipients.length < bulkAtOnce) {
      this.#keep(sighting);
      return undefined;
    }
    const cluster = ref !== undefined && ref > 0 ? ref - 1 : this.#begin(ref, sighting.now);
    this.#join(cluster, sighting);
    return cluster;
  }

  recipientsOf(cluster: number, now: number): number {
    return this.#recipients.count(cluster, now, this.#halfLifeOf(cluster));
  }

  /** What repeats in it; see `Spectra.core`. */
  coreOf(cluster: number, room: number): ReturnType<Spectra['core']> {
    return this.#spectra.core(cluster, this.#leastCount(cluster), room);
  }

  /** Whom it went to, as a sketch. */
  sketchOf(cluster: number, now: number): Uint8Array {
    return this.#recipients.sketch(cluster, now, this.#halfLifeOf(cluster));
  }

  /**
   * The cluster whose core is that of somebody else. Of a core that is too large its smallest features are given, so
   * ours is looked at as far as those go.
   */
  matchCore(
    telling: Lists,
    { core, sizes }: { readonly core: Lists; readonly sizes: readonly number[] },
  ): Match | undefined {
    const found = new Set<Ref>();
    for (const feature of telling.flat())
      for (const ref of this.#refs.subarray(0, this.#postings.find(feature, this.#refs)))
        if (ref > 0) found.add(ref);
    const bounds = core.map((list, kind) =>
      list.length < (sizes[kind] ?? 0) ? (list.at(-1) ?? 0) : Number.POSITIVE_INFINITY,
    );
    let best: Match | undefined;
    for (const ref of found) {
      const least = this.#leastCount(ref - 1);
      const known = this.#spectra.coreBelow(ref - 1, least, bounds);
      const { shared } = this.#spectra.overlap(ref - 1, least, telling);
      const of = (kind: Kind): Common => {
        const at = kinds[kind];
        const [mine, both, given] = [known[at] ?? 0, shared[at] ?? 0, telling[at]?.length ?? 0];
        // A core has no noise around it: little in common is something else.
        return both < leastOfCores * Math.min(mine, given) ? nothing : { known: mine, shared: both, given };
      };
      const via = reasonFor(of, false);
      const match = via && { ref, via, score: scoreOf(of) };
      if (match !== undefined && isBetter(match, best)) best = match;
    }
    return best;
  }

  /** A cluster that begins with the core that somebody else has found; no feature of its text up to `cut` is missing. */
  beginCore(
    ref: Ref | undefined,
    { core, cut }: { readonly core: Lists; readonly cut: number },
    now: number,
  ): number {
    const cluster = this.#begin(ref, now);
    this.#cuts[cluster] = Math.max(1, cut);
    this.#compared[cluster] = Math.max(1, cut);
    const sighting = { lists: core, recipients: [], now };
    while ((this.#counted[cluster] ?? 0) < 2) this.#join(cluster, sighting);
    // How much of a copy it is nobody has said.
    this.#shares[cluster] = 0;
    return cluster;
  }

  /** Up to which hash of text all of the core is known. */
  cutOf(cluster: number): number {
    return this.#compared[cluster] ?? 0;
  }

  /** Those of the features that tell. */
  telling(lists: Lists): Lists {
    return lists.map((list) => list.filter((one) => this.#postings.find(one, this.#refs) <= mostPlaces));
  }

  /** Copies that have a feature. */
  copiesWith(cluster: number, feature: number): number {
    return this.#spectra.countOf(cluster, feature);
  }

  /** Whether a feature repeats in the cluster. */
  hasInCore(cluster: number, feature: number): boolean {
    return this.#spectra.countOf(cluster, feature) >= this.#leastCount(cluster);
  }

  get used(): number {
    return this.#used;
  }

  copiesOf(cluster: number): number {
    return this.#copies[cluster] ?? 0;
  }

  seenOf(cluster: number): { readonly first: number; readonly last: number } {
    return { first: this.#firstSeen[cluster] ?? 0, last: this.#lastSeen[cluster] ?? 0 };
  }

  /** Changes when the number of a cluster is given to another one. */
  generationOf(cluster: number): number {
    return this.#generation[cluster] ?? 0;
  }

  arrays(): readonly ArrayBufferView[] {
    const own = [
      this.#copies,
      this.#counted,
      this.#cuts,
      this.#compared,
      this.#shares,
      this.#firstSeen,
      this.#lastSeen,
      this.#generation,
    ];
    const parts = [this.#postings, this.#singles, this.#spectra, this.#recipients];
    return [...parts.flatMap((part): readonly ArrayBufferView[] => part.arrays()), ...own];
  }

  /** Where it goes on. */
  save(): unknown {
    return [this.#used, this.#hand, this.#singles.next];
  }

  restore(saved: unknown): void {
    if (!Array.isArray(saved)) return;
    const [used, hand, next] = saved.map(Number);
    this.#used = Math.min(used || 0, this.#size.clusters);
    this.#hand = (hand || 0) % this.#size.clusters;
    this.#singles.next = (next || 0) % this.#size.singles;
  }

  #compare(ref: Ref, lists: Lists, sequence: readonly number[]): Match | undefined {
    const common =
      ref < 0 ? this.#withSingle(-ref - 1, lists, sequence) : this.#withCluster(ref - 1, lists, sequence);
    // One that began with a single message, as by a report, has no core yet.
    const isPair = ref < 0 || this.#counted[ref - 1] === 1;
    const of = (kind: Kind): Common => common[kinds[kind]] ?? nothing;
    const via = reasonFor(of, isPair);
    return via && { ref, via, score: scoreOf(of) };
  }

  #withCluster(cluster: number, lists: Lists, sequence: readonly number[]): Common[] {
    const least = this.#leastCount(cluster);
    const { core, shared } = this.#spectra.overlap(cluster, least, lists);
    const usual = this.#shares[cluster] ?? 0;
    const spread = () => spreadOf((feature) => this.#spectra.countOf(cluster, feature) >= least, sequence);
    return lists.map((list, kind) => ({
      known: core[kind] ?? 0,
      shared: shared[kind] ?? 0,
      given: list.length,
      ...(kind === kinds.text && { usual, spread, given: upTo(list, this.#compared[cluster] ?? 0) }),
    }));
  }

  #withSingle(place: number, lists: Lists, sequence: readonly number[]): Common[] {
    const inBoth = new Set<number>();
    const known = new Uint16Array(kindCount);
    const shared = new Uint16Array(kindCount);
    this.#singles.visit(place, (feature, kind) => {
      known[kind] = (known[kind] ?? 0) + 1;
      if (!has(lists[kind] ?? [], feature)) return;
      shared[kind] = (shared[kind] ?? 0) + 1;
      if (kind === kinds.text) inBoth.add(feature);
    });
    const spread = () => spreadOf((feature) => inBoth.has(feature), sequence);
    return lists.map((list, kind) => ({
      known: known[kind] ?? 0,
      shared: shared[kind] ?? 0,
      given: list.length,
      ...(kind === kinds.text && { spread, given: upTo(list, this.#singles.cutOf(place)) }),
    }));
  }

  #halfLifeOf(cluster: number): number {
    return this.copiesOf(cluster) >= halfLife.manyFrom ? halfLife.many : halfLife.few;
  }

  /** From how many copies on a feature is one of the core. */
  #leastCount(cluster: number): number {
    const counted = this.#counted[cluster] ?? 0;
    return counted === 1 ? 1 : Math.max(2, Math.ceil(0.25 * counted));
  }

  #keep({ lists, recipients, now }: Sighting): void {
    const place = this.#singles.add(lists, recipients, now);
    this.#singles.visit(place, (feature) => this.#postings.add(feature, -place - 1));
  }

  /** A cluster that begins with a message of before, or with nothing. */
  #begin(ref: Ref | undefined, now: number): number {
    const cluster = this.#allocate(now);
    this.#spectra.clear(cluster);
    this.#recipients.clear(cluster, now);
    this.#firstSeen[cluster] = now;
    this.#generation[cluster] = (this.#generation[cluster] ?? 0) + 1;
    for (const counts of [this.#copies, this.#counted, this.#cuts, this.#compared, this.#shares])
      counts[cluster] = 0;
    if (ref === undefined) return cluster;
    const place = -ref - 1;
    this.#firstSeen[cluster] = this.#singles.seenAt(place);
    this.#singles.visit(place, (feature, kind) => {
      this.#spectra.add(cluster, feature, kind);
      this.#postings.replace(feature, ref, cluster + 1);
    });
    for (const recipient of this.#singles.recipients(place)) this.#recipients.add(cluster, recipient);
    this.#copies[cluster] = 1;
    this.#counted[cluster] = 1;
    this.#compared[cluster] = this.#singles.cutOf(place);
    this.#singles.drop(place);
    return cluster;
  }

  #join(cluster: number, { lists, recipients, now }: Sighting): void {
    const counted = (this.#counted[cluster] ?? 0) + 1;
    this.#counted[cluster] = counted;
    this.#copies[cluster] = (this.#copies[cluster] ?? 0) + 1;
    this.#lastSeen[cluster] = now;
    this.#noteShare(cluster, lists[kinds.text] ?? [], counted);
    const texts = upTo(lists[kinds.text] ?? [], this.#cuts[cluster] ?? 0);
    for (const recipient of recipients) this.#recipients.add(cluster, recipient);
    if (counted >= halvedAt) {
      this.#spectra.thin(cluster, 2, true);
      this.#counted[cluster] = counted >>> 1;
    }
    // What the cluster has is counted first, so that noise takes no places from it.
    const fresh: (readonly [feature: number, kind: number])[] = [];
    for (const [kind, list] of lists.entries()) {
      for (const feature of kind === kinds.text ? list.slice(0, texts) : list) {
        if (!this.#spectra.has(cluster, feature)) fresh.push([feature, kind]);
        else if (this.#spectra.add(cluster, feature, kind)) this.#postings.add(feature, cluster + 1);
      }
    }
    if (counted > 2 && this.#spectra.size(cluster) + fresh.length > this.#spectra.capacity)
      this.#spectra.thin(cluster, this.#leastCount(cluster) > 4 ? 3 : 2, false);
    for (const [feature, kind] of fresh) if (!this.#spectra.add(cluster, feature, kind)) break;
    if (counted === 1) for (const [feature] of fresh) this.#postings.add(feature, cluster + 1);
  }

  /**
   * How much of the copy is core, and of which features there is a sample: with the first copy that is there as a
   * whole it can be larger than that of a single message; it counts when two copies could have repeated.
   */
  #noteShare(cluster: number, text: readonly number[], counted: number): void {
    const compared = this.#compared[cluster] ?? 0;
    if ((this.#cuts[cluster] ?? 0) === 0) {
      const wanted = text[textSample - 1] ?? everything;
      this.#cuts[cluster] = Math.max(
        compared,
        Math.min(wanted, compared === 0 ? wanted : mostWidened * compared),
      );
      if (compared === 0) this.#compared[cluster] = this.#cuts[cluster] ?? 0;
    }
    if (counted === 1) return;
    const least = counted === 2 ? 1 : this.#leastCount(cluster);
    const given = upTo(text, compared);
    let shared = 0;
    for (let at = 0; at < given; at++) if (this.#spectra.countOf(cluster, text[at] ?? 0) >= least) shared++;
    const share = this.#shares[cluster] ?? 0;
    if (given > 0) this.#shares[cluster] = share + (shared / given - share) / (counted - 1);
    if (counted === 3) this.#compared[cluster] = this.#cuts[cluster] ?? 0;
  }

  /** A number that is free, or that of a cluster that was not seen for long and is small. */
  #allocate(now: number): number {
    if (this.#used < this.#size.clusters) return this.#used++;
    let victim = this.#hand;
    let worst = Number.NEGATIVE_INFINITY;
    for (let step = 0; step < 32; step++) {
      const cluster = (this.#hand + step) % this.#size.clusters;
      const age = Math.abs(now - (this.#lastSeen[cluster] ?? 0));
      const worth = Math.log2(1 + (this.#copies[cluster] ?? 0));
      const score = age / worth;
      if (score > worst) [victim, worst] = [cluster, score];
    }
    this.#hand = (this.#hand + 32) % this.#size.clusters;
    return victim;
  }
}
