/** The clusters: groups of copies of one mail, found by the features that their members share. */
import { DistinctCounts } from './distinct.ts';
import { has, type Lists, type Sighting, spreadOf, upTo } from './lists.ts';
import {
  type Common,
  clusterOf,
  isBetter,
  type Match,
  nothing,
  reasonFor,
  scoreOf,
  voteOf,
} from './match.ts';
import { Postings, type Ref, ways } from './postings.ts';
import { Rows } from './rows.ts';
import { everything, Singles } from './singles.ts';
import type { ClustersSize } from './size.ts';
import { type Kind, kindCount, kinds, Spectra } from './spectrum.ts';

/** A feature in more clusters and single messages than this no longer tells them apart. */
const maxPlaces = 5;
/** Features of text that are counted of each copy of a cluster, about. */
const textSample = 240;
/** How much larger than that of a single message the sample of its cluster is. */
const maxWidening = 2.5;
/** Two cores that have less than this of the smaller one in common are of different mail. */
const minCoreShare = 0.4;
/** Clusters are of one campaign when the cores of both have so many features in common, and so much of the larger one. */
const ofOneCampaign = { features: 12, share: 0.6 } as const;
/** The number of candidates whose features are compared. */
const candidates = 8;
/** A candidate with less in common is not looked at. */
const minVotes = 1.5;
/** Copies after which the counts of a cluster become half: old habits of a campaign are forgotten. */
const halvedAt = 4096;
/** To so many recipients at once a message is a cluster at once. */
export const bulkAtOnce = 5;

/**
 * Groups of copies. A message without a likeness is kept as a sample. A second one like it begins a cluster. Features
 * that repeat are the core of the cluster; a message with enough of the core is a copy, whatever else is in it.
 */
export class Clusters {
  readonly #size: ClustersSize;
  readonly #postings: Postings;
  readonly #singles: Singles;
  readonly #spectra: Spectra;
  readonly #recipients: DistinctCounts;
  readonly #rows: Rows;
  /** Where one feature is. */
  readonly #refs = new Int32Array(ways);

  constructor(size: ClustersSize) {
    this.#size = size;
    this.#postings = new Postings(size.postings);
    this.#singles = new Singles(size.singles);
    this.#spectra = new Spectra(size.clusters);
    this.#recipients = new DistinctCounts(size.clusters);
    this.#rows = new Rows(size.clusters);
  }

  /**
   * The cluster or single message that a message is a copy of, if any, and its distinctive features: common phrases and
   * noise from a small pool occur in many places. `twin`: a second matching cluster of the same campaign.
   */
  match(
    all: Lists,
    sequence: readonly number[] = [],
  ): { readonly lists: Lists; readonly match: Match | undefined; readonly twin: number | undefined } {
    const votes = new Map<Ref, number>();
    const lists = all.map((list, kind) => this.#vote(list, kind, votes));
    const matches = this.#matches(votes, lists, sequence);
    let match: Match | undefined;
    for (const one of matches) if (isBetter(one, match)) match = one;
    const cluster = clusterOf(match);
    const isTwin = (other?: number) =>
      cluster !== undefined && other !== undefined && this.#areOne(cluster, other);
    const twin = matches.map(clusterOf).find(isTwin);
    return { lists, match, twin };
  }

  /** Each feature votes for its places, with more weight the fewer they are. Returns the features with few places. */
  #vote(list: readonly number[], kind: number, votes: Map<Ref, number>): readonly number[] {
    const max = kind === kinds.exact ? ways : maxPlaces;
    const telling: number[] = [];
    this.#postings.fetch(list);
    for (const feature of list) {
      const count = this.#postings.find(feature, this.#refs);
      if (count > max) continue;
      telling.push(feature);
      const weight = (voteOf[kind] ?? 1) / count;
      for (let at = 0; at < count; at++) {
        const ref = this.#refs[at] ?? 0;
        votes.set(ref, (votes.get(ref) ?? 0) + weight);
      }
    }
    return telling;
  }

  /** The matches among the candidates with the most votes, best first. */
  #matches(votes: ReadonlyMap<Ref, number>, lists: Lists, sequence: readonly number[]): Match[] {
    const best = [...votes].filter(([, sum]) => sum >= minVotes).sort(([, a], [, b]) => b - a);
    return best.slice(0, candidates).flatMap(([ref]) => this.#compare(ref, lists, sequence) ?? []);
  }

  /** Whether two clusters are of one campaign: neither core is a part of the other only, as a footer would be. */
  #areOne(one: number, other: number): boolean {
    if (one === other) return false;
    // Both have only a sample of their text features; those above the smaller cut cannot be in both.
    const cut = Math.min(this.cutOf(one), this.cutOf(other));
    const both = this.#spectra.inBoth(
      { cluster: one, minCount: this.#rows.minCount(one) },
      { cluster: other, minCount: this.#rows.minCount(other) },
      (feature, kind) => kind !== kinds.structure && (kind !== kinds.text || feature <= cut),
    );
    return both.shared >= ofOneCampaign.features && both.shared >= ofOneCampaign.share * both.larger;
  }

  /** Makes one cluster of two: all that was counted of `from` is counted of `to`, and `current(from)` is `to`. */
  join(from: number, to: number, now: number): void {
    const rows = this.#rows;
    const [minCount, cut] = [rows.minCount(from), rows.cuts[to] ?? 0];
    this.#spectra.visit(from, 1, (feature, kind, copies) => {
      this.#postings.drop(feature, from + 1);
      const isCounted = kind !== kinds.text || feature <= cut;
      const isWanted = copies >= minCount || this.#spectra.has(to, feature);
      if (isCounted && isWanted && this.#spectra.add(to, feature, kind, copies))
        this.#postings.add(feature, to + 1);
    });
    const half = (subject: number) => ({ subject, halfLifeMs: rows.halfLifeOf(subject) });
    this.#recipients.join(half(from), half(to), now);
    this.#spectra.clear(from);
    rows.join(from, to);
  }

  /** The cluster that it has become a part of; itself where it has not. */
  current(cluster: number): number {
    return this.#rows.current(cluster);
  }

  /** Whether nothing is known of it but keys. */
  isBare(cluster: number): boolean {
    return this.#spectra.size(cluster) === 0;
  }

  /**
   * Counts a copy of `ref`. Returns the cluster from the second copy on, or when `begins` is set; otherwise undefined.
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
    return this.#recipients.count(cluster, now, this.#rows.halfLifeOf(cluster));
  }

  /** The core of a cluster; see `Spectra.core`. */
  coreOf(cluster: number, room: number): ReturnType<Spectra['core']> {
    return this.#spectra.core(cluster, this.#rows.minCount(cluster), room);
  }

  /** The recipients of a cluster, as a sketch. */
  sketchOf(cluster: number, now: number): Uint8Array {
    return this.#recipients.sketch(cluster, now, this.#rows.halfLifeOf(cluster));
  }

  /**
   * The cluster whose core is the one that another clearinghouse found. Of a core that is too large only the smallest
   * features are given, so ours is compared up to the same bound.
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
      const minCount = this.#rows.minCount(ref - 1);
      const known = this.#spectra.coreBelow(ref - 1, minCount, bounds);
      const { shared } = this.#spectra.overlap(ref - 1, minCount, telling);
      const of = (kind: Kind): Common => {
        const at = kinds[kind];
        const [mine, both, given] = [known[at] ?? 0, shared[at] ?? 0, telling[at]?.length ?? 0];
        // A core has no noise around it: little in common is something else.
        return both < minCoreShare * Math.min(mine, given) ? nothing : { known: mine, shared: both, given };
      };
      const via = reasonFor(of, false);
      const match = via && { ref, via, score: scoreOf(of) };
      if (match !== undefined && isBetter(match, best)) best = match;
    }
    return best;
  }

  /** Begins a cluster from the core that another clearinghouse found; no feature of its text up to `cut` is missing. */
  beginCore(
    ref: Ref | undefined,
    { core, cut }: { readonly core: Lists; readonly cut: number },
    now: number,
  ): number {
    const cluster = this.#begin(ref, now);
    this.#rows.cuts[cluster] = Math.max(1, cut);
    this.#rows.compared[cluster] = Math.max(1, cut);
    const sighting = { lists: core, recipients: [], now };
    while ((this.#rows.counted[cluster] ?? 0) < 2) this.#join(cluster, sighting);
    // The share of a copy that the core makes up is unknown.
    this.#rows.shares[cluster] = 0;
    return cluster;
  }

  /** Up to which hash of text all of the core is known. */
  cutOf(cluster: number): number {
    return this.#rows.compared[cluster] ?? 0;
  }

  /** In how many places a feature is, clusters and single messages together; eight at most. */
  placesOf(feature: number): number {
    return this.#postings.find(feature, this.#refs);
  }

  /** The features that are distinctive. */
  telling(lists: Lists): Lists {
    return lists.map((list) => list.filter((one) => this.#postings.find(one, this.#refs) <= maxPlaces));
  }

  /** Copies that have a feature. */
  copiesWith(cluster: number, feature: number): number {
    return this.#spectra.countOf(cluster, feature);
  }

  /** Whether a feature repeats in the cluster. */
  hasInCore(cluster: number, feature: number): boolean {
    return this.#spectra.countOf(cluster, feature) >= this.#rows.minCount(cluster);
  }

  get used(): number {
    return this.#rows.used;
  }

  copiesOf(cluster: number): number {
    return this.#rows.copies[cluster] ?? 0;
  }

  seenOf(cluster: number): { readonly first: number; readonly last: number } {
    return { first: this.#rows.firstSeen[cluster] ?? 0, last: this.#rows.lastSeen[cluster] ?? 0 };
  }

  /** Changes when the number of a cluster is given to another one. */
  generationOf(cluster: number): number {
    return this.#rows.generations[cluster] ?? 0;
  }

  arrays(): readonly ArrayBufferView[] {
    const parts = [this.#postings, this.#singles, this.#spectra, this.#recipients, this.#rows];
    return parts.flatMap((part): readonly ArrayBufferView[] => part.arrays());
  }

  /** Where it goes on. */
  save(): unknown {
    return [...this.#rows.save(), this.#singles.next];
  }

  restore(saved: unknown): void {
    const [used = 0, hand = 0, next = 0] = Array.isArray(saved) ? saved.map(Number) : [];
    this.#rows.restore([used, hand]);
    this.#singles.next = (next || 0) % this.#size.singles;
  }

  #compare(ref: Ref, lists: Lists, sequence: readonly number[]): Match | undefined {
    const common =
      ref < 0 ? this.#withSingle(-ref - 1, lists, sequence) : this.#withCluster(ref - 1, lists, sequence);
    // A cluster that began with a single message, as by a report, has no core yet.
    const isPair = ref < 0 || this.#rows.counted[ref - 1] === 1;
    const of = (kind: Kind): Common => common[kinds[kind]] ?? nothing;
    const via = reasonFor(of, isPair);
    return via && { ref, via, score: scoreOf(of) };
  }

  #withCluster(cluster: number, lists: Lists, sequence: readonly number[]): Common[] {
    const minCount = this.#rows.minCount(cluster);
    const { core, shared } = this.#spectra.overlap(cluster, minCount, lists);
    const usual = this.#rows.shares[cluster] ?? 0;
    const spread = () => spreadOf((feature) => this.#spectra.countOf(cluster, feature) >= minCount, sequence);
    return lists.map((list, kind) => ({
      known: core[kind] ?? 0,
      shared: shared[kind] ?? 0,
      given: list.length,
      ...(kind === kinds.text && { usual, spread, given: upTo(list, this.#rows.compared[cluster] ?? 0) }),
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

  #keep({ lists, recipients, now }: Sighting): void {
    const place = this.#singles.add(lists, recipients, now);
    this.#singles.visit(place, (feature) => this.#postings.add(feature, -place - 1));
  }

  /** A cluster that begins with a message of before, or with nothing. */
  #begin(ref: Ref | undefined, now: number): number {
    const cluster = this.#rows.begin(now);
    this.#spectra.clear(cluster);
    this.#recipients.clear(cluster, now);
    if (ref === undefined) return cluster;
    const place = -ref - 1;
    this.#rows.firstSeen[cluster] = this.#singles.seenAt(place);
    this.#singles.visit(place, (feature, kind) => {
      this.#spectra.add(cluster, feature, kind);
      this.#postings.replace(feature, ref, cluster + 1);
    });
    for (const recipient of this.#singles.recipients(place)) this.#recipients.add(cluster, recipient);
    this.#rows.copies[cluster] = 1;
    this.#rows.counted[cluster] = 1;
    this.#rows.compared[cluster] = this.#singles.cutOf(place);
    this.#singles.drop(place);
    return cluster;
  }

  #join(cluster: number, { lists, recipients, now }: Sighting): void {
    // The sketch is turned by the half-life from before this copy, as any reader since then has turned it.
    this.#recipients.turn(cluster, now, this.#rows.halfLifeOf(cluster));
    const counted = (this.#rows.counted[cluster] ?? 0) + 1;
    this.#rows.counted[cluster] = counted;
    this.#rows.copies[cluster] = (this.#rows.copies[cluster] ?? 0) + 1;
    this.#rows.lastSeen[cluster] = now;
    this.#noteShare(cluster, lists[kinds.text] ?? [], counted);
    const texts = upTo(lists[kinds.text] ?? [], this.#rows.cuts[cluster] ?? 0);
    for (const recipient of recipients) this.#recipients.add(cluster, recipient);
    if (counted >= halvedAt) {
      this.#spectra.thin(cluster, 2, true);
      this.#rows.counted[cluster] = counted >>> 1;
    }
    // Known features of the cluster are counted first, so that noise takes no places from them.
    const fresh: (readonly [feature: number, kind: number])[] = [];
    for (const [kind, list] of lists.entries()) {
      for (const feature of kind === kinds.text ? list.slice(0, texts) : list) {
        if (!this.#spectra.has(cluster, feature)) fresh.push([feature, kind]);
        else if (this.#spectra.add(cluster, feature, kind)) this.#postings.add(feature, cluster + 1);
      }
    }
    if (counted > 2 && this.#spectra.size(cluster) + fresh.length > this.#spectra.capacity)
      this.#spectra.thin(cluster, this.#rows.minCount(cluster) > 4 ? 3 : 2, false);
    for (const [feature, kind] of fresh) if (!this.#spectra.add(cluster, feature, kind)) break;
    if (counted === 1) for (const [feature] of fresh) this.#postings.add(feature, cluster + 1);
  }

  /**
   * How much of the copy is core, and of which features there is a sample: with the first copy that is there as a
   * whole it can be larger than that of a single message; it counts when two copies could have repeated.
   */
  #noteShare(cluster: number, text: readonly number[], counted: number): void {
    const compared = this.#rows.compared[cluster] ?? 0;
    if ((this.#rows.cuts[cluster] ?? 0) === 0) {
      const wanted = text[textSample - 1] ?? everything;
      this.#rows.cuts[cluster] = Math.max(
        compared,
        Math.min(wanted, compared === 0 ? wanted : maxWidening * compared),
      );
      if (compared === 0) this.#rows.compared[cluster] = this.#rows.cuts[cluster] ?? 0;
    }
    if (counted === 1) return;
    const min = counted === 2 ? 1 : this.#rows.minCount(cluster);
    const given = upTo(text, compared);
    let shared = 0;
    for (let at = 0; at < given; at++) if (this.#spectra.countOf(cluster, text[at] ?? 0) >= min) shared++;
    const share = this.#rows.shares[cluster] ?? 0;
    if (given > 0) this.#rows.shares[cluster] = share + (shared / given - share) / (counted - 1);
    if (counted === 3) this.#rows.compared[cluster] = this.#rows.cuts[cluster] ?? 0;
  }
}
