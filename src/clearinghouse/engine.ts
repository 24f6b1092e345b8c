import type { CheckOptions, LegacyKey, Source, Stats, Verdict } from './ask.ts';
import { Aliases } from './clusters/aliases.ts';
import { bulkAtOnce, Clusters } from './clusters/clusters.ts';
import type { Lists } from './clusters/lists.ts';
import { clusterOf, type Match } from './clusters/match.ts';
import { powerOfTwo, sizeFor } from './clusters/size.ts';
import { type Kind, kinds } from './clusters/spectrum.ts';
import type { Content } from './content/content.ts';
import type { EngineOptions, Read } from './engine-options.ts';
import { type Features, featuresOf, phrasesIn } from './features/features.ts';
import { Hash } from './features/hash.ts';
import { Learnt } from './features/learnt.ts';
import type { Claim, Take } from './flood/claim.ts';
import { FloodPart } from './flood/part.ts';
import type { Entry } from './journal.ts';
import { Recipients } from './recipients.ts';
import { Reports } from './reports/reports.ts';
import { DailyShare } from './reports/share.ts';
import { Trust } from './reports/trust.ts';
import { confidenceOf, testVerdict, unknown, viaOf } from './verdict.ts';

/** Clusters that one stranger and all of them may begin in a day, as a share of all. */
const begunShare = { each: 0.005, all: 0.1 } as const;
/** Text of fewer features than this is a note that people write alike. */
const shortText = 8;

/**
 * Counts copies. Everything is synchronous and in fixed memory; time is given with each call, so that what was written
 * down can be played again.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #hash: Hash;
  readonly #learnt: Learnt;
  readonly #recipients: Recipients;
  readonly #clusters: Clusters;
  readonly #aliases: Aliases;
  readonly #reports: Reports;
  readonly #trust = new Trust();
  /** Clusters that an operator allowed, by name. */
  readonly #allowed = new Set<string>();
  readonly #most: number;
  #counted = 0;
  readonly #begun: DailyShare;
  readonly #flood: FloodPart;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#hash = new Hash(options.key);
    const { memory } = options;
    this.#recipients = new Recipients(this.#hash);
    this.#learnt = new Learnt(this.#hash, memory * 0.06);
    this.#aliases = new Aliases(powerOfTwo((memory * 0.06) / Aliases.octetsEach));
    const size = sizeFor(memory * 0.8);
    this.#clusters = new Clusters(size);
    this.#reports = new Reports(this.#trust);
    this.#most = size.clusters;
    this.#begun = new DailyShare({ each: begunShare.each * this.#most, all: begunShare.all * this.#most });
    this.#flood = new FloodPart({
      clusters: this.#clusters,
      reports: this.#reports,
      capacity: size.clusters,
      trustOf: options.trustOf ?? (() => 0),
    });
    // All memory is taken now: what is not there is found out at the start, and no message waits for it.
    for (const octets of this.arrays()) octets.fill(0);
  }

  /** What is known of a message; by default this copy counts. */
  check(
    read: Read,
    source: Source,
    { now, counts = true, explains = false }: CheckOptions & { readonly now: number },
  ): Verdict {
    if (read.content.isTest) return testVerdict;
    const { lists, features, match } = this.#matched(read);
    const cluster = counts ? this.#do(this.#copy(match, lists, { read, source, now })) : clusterOf(match);
    if (counts) this.#learn(read, features, source);
    const isAllowed = this.#options.isAllowed(read.content, source);
    const verdict = this.#verdict(cluster, { match, lists, now, isAllowed });
    return explains && cluster !== undefined
      ? { ...verdict, matched: this.#matchedIn(cluster, read.content, lists) }
      : verdict;
  }

  /** What is known of keys alone. They count nothing: nobody says to whom a copy goes. */
  checkKeys(keys: readonly LegacyKey[], now: number): Verdict {
    for (const key of keys) {
      const cluster = this.#aliasOf(key);
      if (cluster !== undefined) return { ...this.#verdict(cluster, { now }), via: 'key' };
    }
    return unknown;
  }

  /** Somebody says that it is spam, or that it is not. */
  say(
    side: 'reported' | 'revoked',
    read: Read,
    { source, now }: { readonly source: Source; readonly now: number },
  ): Verdict {
    if (read.content.isTest) return testVerdict;
    const { lists, features, match } = this.#matched(read);
    const cluster =
      clusterOf(match) ??
      this.#beginFor(source, now, () => ({
        ...this.#copy(match, lists, { read, source, now }),
        keys: this.#keysOf(read),
        begins: true,
      }));
    if (cluster === undefined) return unknown;
    for (const picture of this.#learnt.newPictures(read.images)) this.#do(picture);
    this.#do({ kind: 'word', side, cluster, reporter: source.reporter, isKnown: source.isKnown, now });
    if (side === 'revoked' && source.isKnown)
      this.#maybe(this.#learnt.fromGood(features, senderOf(read.content, source)));
    return this.#verdict(cluster, {
      match,
      lists,
      now,
      isAllowed: this.#options.isAllowed(read.content, source),
    });
  }

  /** What is known of a cluster by its name; undefined where it has become another one, or never was. */
  checkCluster(name: string, now: number): Verdict | undefined {
    const cluster = this.#clusterNamed(name);
    return cluster === undefined ? undefined : this.#verdict(cluster, { now });
  }

  /** Somebody says it of a cluster by its name. */
  sayCluster(
    side: 'reported' | 'revoked',
    name: string,
    { source, now }: { readonly source: Source; readonly now: number },
  ): Verdict | undefined {
    const cluster = this.#clusterNamed(name);
    if (cluster === undefined) return undefined;
    this.#do({ kind: 'word', side, cluster, reporter: source.reporter, isKnown: source.isKnown, now });
    return this.#verdict(cluster, { now });
  }

  /** From now on nothing follows from the counts of a cluster, or again something does. */
  allow(name: string, isAllowed: boolean, now: number): Verdict | undefined {
    const cluster = this.#clusterNamed(name);
    if (cluster === undefined) return undefined;
    this.#do({ kind: 'allow', cluster, isAllowed, now });
    return this.#verdict(cluster, { now });
  }

  stats(): Stats {
    return {
      clusters: this.#clusters.used,
      most: this.#most,
      counted: this.#counted,
      reporters: this.#trust.size,
      passedOver: this.#reports.passedOver,
      allowed: this.#allowed.size,
    };
  }

  /** The same of keys alone. */
  sayKeys(
    side: 'reported' | 'revoked',
    keys: readonly LegacyKey[],
    { source, now }: { readonly source: Source; readonly now: number },
  ): Verdict {
    if (keys.length === 0) return unknown;
    const known = keys.map((key) => this.#aliasOf(key)).find((cluster) => cluster !== undefined);
    const hashes = keys.map((key) => this.#keyHash(key));
    const cluster =
      known ??
      this.#beginFor(source, now, () => {
        const recipients = this.#recipients.of(source);
        return { kind: 'copy', begins: true, ref: 0, lists: noLists, recipients, keys: hashes, now };
      });
    if (cluster === undefined) return unknown;
    this.#do({ kind: 'word', side, cluster, reporter: source.reporter, isKnown: source.isKnown, now });
    return { ...this.#verdict(cluster, { now }), via: 'key' };
  }

  /** Mail that is good: what it has in common with other good mail says nothing any more. */
  learn(read: Read, source: Source): void {
    const sender = senderOf(read.content, source);
    const features = featuresOf(read.content, this.#learnt.parts);
    this.#maybe(this.#learnt.fromGood(features, sender));
    this.#maybe(this.#learnt.fromWords(features, sender));
  }

  /** What there is to tell other clearinghouses. */
  claims(now: number): readonly Claim[] {
    return this.#flood.claims(now);
  }

  /** Takes what another one claims. */
  take(take: Take, now: number): void {
    const entry = this.#flood.entryOf(take, now);
    if (entry !== undefined) this.#do(entry);
  }

  /** Everything that is counted, to be written down as it is, and read back into the same places. */
  arrays(): readonly Uint8Array[] {
    const counted = [...this.#clusters.arrays(), ...this.#aliases.arrays(), ...this.#learnt.arrays()];
    return counted.map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
  }

  /** The rest of the state, as JSON. */
  save(): unknown {
    return {
      reports: this.#reports.save(),
      clusters: this.#clusters.save(),
      flood: this.#flood.save(),
      allowed: [...this.#allowed],
    };
  }

  restore(saved: unknown): void {
    if (typeof saved !== 'object' || saved === null) return;
    this.#reports.restore(Reflect.get(saved, 'reports'));
    this.#clusters.restore(Reflect.get(saved, 'clusters'));
    this.#flood.restore(Reflect.get(saved, 'flood'));
    const allowed: unknown = Reflect.get(saved, 'allowed');
    if (Array.isArray(allowed)) for (const name of allowed) this.#allowed.add(String(name));
    this.#learnt.restored();
  }

  /** The features of a message, those of them that tell, and what it is a copy of. */
  #matched({ content, images, exact }: Read) {
    const features = featuresOf(content, this.#learnt.parts);
    const pictures = images.map((image) => {
      const { high, low } = this.#learnt.pictureOf(image);
      return this.#hash.joined(kinds.images, high, low);
    });
    const body = exact === undefined ? [] : [this.#keyHash({ scheme: 'exact', value: exact })];
    const { text, sequence, actions, structure, chunks } = features;
    const all = [text, actions, structure, chunks, pictures.sort((a, b) => a - b), body];
    return { features, ...this.#clusters.match(all, sequence) };
  }

  /** Plays a change: one that was just decided, or one that was written down. The cluster that it is about, if any. */
  apply(entry: Entry): number | undefined {
    if (entry.kind === 'word') {
      const { side, cluster, reporter, isKnown, now } = entry;
      const generation = this.#clusters.generationOf(cluster);
      this.#reports.add(side, { cluster, generation }, { reporter, isKnown, now });
      this.#flood.changed(cluster);
      return cluster;
    }
    if (entry.kind === 'allow') {
      const name = this.#nameOf(entry.cluster);
      if (entry.isAllowed) this.#allowed.add(name);
      else this.#allowed.delete(name);
      return entry.cluster;
    }
    if (entry.kind === 'take') return this.#flood.apply(entry);
    if (entry.kind === 'learn' || entry.kind === 'picture') return void this.#learnt.apply(entry);
    const { ref, begins, lists, recipients, keys, now } = entry;
    const sighting = { lists, recipients, now };
    const known = this.#clusters.add(ref === 0 ? undefined : ref, sighting, begins);
    if (known === undefined) return undefined;
    this.#flood.changed(known);
    const generation = this.#clusters.generationOf(known);
    for (const key of keys) this.#aliases.set(key, known, generation);
    return known;
  }

  #do(entry: Entry): number | undefined {
    const cluster = this.apply(entry);
    this.#options.note?.(entry);
    return cluster;
  }

  #maybe(entry?: Entry): void {
    if (entry !== undefined) this.#do(entry);
  }

  /** A message that counts teaches words and pictures. */
  #learn({ content, images }: Read, features: Features, source: Source): void {
    this.#counted++;
    for (const picture of this.#learnt.newPictures(images)) this.#do(picture);
    this.#maybe(this.#learnt.fromWords(features, senderOf(content, source)));
  }

  /** Begins a cluster with a word about it. Strangers, whose clusters `#begun` counts, have a share of them, so that they push nobody's out. */
  #beginFor({ reporter, isKnown }: Source, now: number, entry: () => Entry): number | undefined {
    if (isKnown || this.#begun.take(reporter, now)) return this.#do(entry());
    this.#reports.passedOver++;
    return undefined;
  }

  #copy(
    match: Match | undefined,
    lists: Lists,
    { read, source, now }: { readonly read: Read; readonly source: Source; readonly now: number },
  ): Entry & { readonly kind: 'copy' } {
    const recipients = this.#recipients.of(source);
    // What nothing is like has no cluster that keys could lead to; those of the same body lead there already.
    const isKnown =
      match === undefined ? recipients.length < bulkAtOnce : match.via === 'exact' && match.ref > 0;
    const keys = isKnown ? [] : this.#keysOf(read);
    return { kind: 'copy', begins: false, ref: match?.ref ?? 0, lists, recipients, keys, now };
  }

  #nameOf(cluster: number): string {
    return `${cluster.toString(36)}-${this.#clusters.generationOf(cluster).toString(36)}`;
  }

  #clusterNamed(name: string): number | undefined {
    if (!/^[0-9a-z]{1,7}-[0-9a-z]{1,7}$/.test(name)) return undefined;
    const cluster = Number.parseInt(name, 36);
    return cluster < this.#clusters.used && this.#nameOf(cluster) === name ? cluster : undefined;
  }

  #keysOf({ keys, exact }: Read): number[] {
    const all = keys().map((key) => this.#keyHash(key));
    return exact === undefined ? all : [...all, this.#keyHash({ scheme: 'exact', value: exact })];
  }

  #aliasOf(key: LegacyKey): number | undefined {
    return this.#aliases.find(this.#keyHash(key), (cluster) => this.#clusters.generationOf(cluster));
  }

  #keyHash({ scheme, value }: LegacyKey): number {
    return this.#hash.text(`${scheme} ${value}`);
  }

  #verdict(
    cluster: number | undefined,
    {
      match,
      lists,
      now,
      isAllowed: isWanted = false,
    }: { match?: Match | undefined; lists?: Lists; now: number; isAllowed?: boolean },
  ): Verdict {
    const isAllowed = isWanted || (cluster !== undefined && this.#allowed.has(this.#nameOf(cluster)));
    if (cluster === undefined) return { ...unknown, isAllowed, count: lists === undefined ? 0 : 1 };
    const { bulk, shortBulk, reported: fromReports, contested } = this.#options.thresholds;
    const count = Math.round(this.#clusters.recipientsOf(cluster, now) + this.#flood.countOf(cluster, now));
    const own = this.#reports.of(cluster, this.#clusters.generationOf(cluster), now);
    const others = this.#flood.saidOf(cluster, now);
    const said = { reported: own.reported + others.reported, revoked: own.revoked + others.revoked };
    const isShort = lists !== undefined && isNote(lists);
    const isBulk = count >= (isShort ? shortBulk : bulk);
    const isContested = said.revoked > 0 && said.revoked >= contested * said.reported;
    const isReported = said.reported >= fromReports && !isContested;
    const { first, last } = this.#clusters.seenOf(cluster);
    return {
      count,
      exact: this.#exactOf(cluster, lists),
      ...said,
      isBulk,
      isReported,
      isContested,
      isAllowed,
      confidence: isAllowed ? 0 : confidenceOf({ count, bulk, isBulk, isReported, reported: said.reported }),
      cluster: this.#nameOf(cluster),
      firstSeen: first,
      lastSeen: last,
      via: match === undefined ? 'none' : viaOf[match.via],
    };
  }

  /** Copies with the same body, octet for octet. */
  #exactOf(cluster: number, lists: Lists = noLists): number {
    const [body] = lists[kinds.exact] ?? [];
    return body === undefined ? 0 : this.#clusters.copiesWith(cluster, body);
  }

  /** What of a message is in the core of its cluster, in words. */
  #matchedIn(cluster: number, content: Content, lists: Lists): string[] {
    const isCore = (feature: number) => this.#clusters.hasInCore(cluster, feature);
    const counted = (kind: Kind, what: string) => {
      const list = lists[kinds[kind]] ?? [];
      const shared = list.filter(isCore).length;
      return shared === 0 ? [] : [`${what}: ${shared} of ${list.length}`];
    };
    return [
      ...phrasesIn(content, this.#learnt.parts, isCore),
      ...counted('structure', 'layout'),
      ...counted('chunks', 'pieces of files'),
      ...counted('images', 'pictures'),
      ...counted('exact', 'whole body'),
    ];
  }
}

const noLists: Lists = [[], [], [], [], [], []];
/** A few words and nothing else. */
function isNote(lists: Lists): boolean {
  const count = (kind: Kind) => lists[kinds[kind]]?.length ?? 0;
  return count('text') < shortText && count('chunks') === 0 && count('images') === 0;
}

/** Whose words they are: who writes under many names of one domain is one. */
function senderOf({ senderDomain }: Content, { sender, client }: Source): string {
  return senderDomain ?? sender?.split('@').at(-1) ?? client ?? '';
}
