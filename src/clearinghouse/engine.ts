/** The engine: answers questions about messages, and decides which copies are counted. */
import type { CheckOptions, LegacyKey, Source, Stats, Verdict } from './ask.ts';
import { bulkAtOnce } from './clusters/clusters.ts';
import type { Lists } from './clusters/lists.ts';
import { clusterOf, type Match } from './clusters/match.ts';
import { type Kind, kinds } from './clusters/spectrum.ts';
import type { Content } from './content/content.ts';
import { Counts } from './counts.ts';
import type { EngineOptions, Read } from './engine-options.ts';
import { type Features, featuresOf, phrasesIn } from './features/features.ts';
import type { Take, Tally } from './flood/tally.ts';
import type { Entry } from './journal.ts';
import { Recipients } from './recipients.ts';
import { DailyShare } from './reports/share.ts';
import { confidenceOf, testVerdict, unknown, viaOf } from './verdict.ts';

/** Clusters that one stranger and all of them may begin in a day, as a share of all. */
const begunShare = { each: 0.005, all: 0.1 } as const;
/** A text of fewer words is a note that people write alike. */
const shortText = 25;

/**
 * Answers questions about messages, and decides which copies are counted. Everything is synchronous and in fixed
 * memory; each call is given the time, so that a journal can be played again.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #counts: Counts;
  readonly #recipients: Recipients;
  #counted = 0;
  readonly #begun: DailyShare;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { key, memory, trustOf = () => 0, note = () => {} } = options;
    this.#counts = new Counts({ key, memory, trustOf, note });
    this.#recipients = new Recipients(this.#counts.hash);
    const { most } = this.#counts;
    this.#begun = new DailyShare({ each: begunShare.each * most, all: begunShare.all * most });
  }

  /** The verdict on a message; by default this copy counts. */
  check(
    read: Read,
    source: Source,
    { now, counts = true, explains = false, bulk }: CheckOptions & { readonly now: number },
  ): Verdict {
    if (read.content.isTest) return testVerdict;
    const { lists, features, match, twin, isShort } = this.#matched(read);
    const cluster = counts
      ? this.#count(this.#copy(match, lists, { read, source, now }), twin, now)
      : clusterOf(match);
    if (counts) this.#learn(read, features, source);
    const isAllowed = this.#options.isAllowed(read.content, source);
    const verdict = this.#verdict(cluster, { match, lists, now, isAllowed, isShort, bulk });
    return explains && cluster !== undefined
      ? { ...verdict, matched: this.#matchedIn(cluster, read.content, lists) }
      : verdict;
  }

  /** The verdict on keys alone. They count nothing, for they have no recipient. */
  checkKeys(keys: readonly LegacyKey[], now: number): Verdict {
    for (const key of keys) {
      const cluster = this.#counts.keyed(key);
      if (cluster !== undefined) return { ...this.#verdict(cluster, { now }), via: 'key' };
    }
    return unknown;
  }

  /** A source reports a message, or revokes it. */
  say(
    side: 'reported' | 'revoked',
    read: Read,
    { source, now }: { readonly source: Source; readonly now: number },
  ): Verdict {
    if (read.content.isTest) return testVerdict;
    const { lists, features, match, isShort } = this.#matched(read);
    const cluster =
      clusterOf(match) ??
      this.#beginFor(source, now, () => this.#copy(match, lists, { read, source, now, begins: true }));
    if (cluster === undefined) return unknown;
    for (const picture of this.#counts.learnt.newPictures(read.images)) this.#counts.do(picture);
    this.#counts.do({
      kind: 'report',
      side,
      cluster,
      reporter: source.reporter,
      isKnown: source.isKnown,
      now,
    });
    if (side === 'revoked' && source.isKnown)
      this.#maybe(this.#counts.learnt.fromGood(features, senderOf(read.content, source)));
    return this.#verdict(cluster, {
      match,
      lists,
      now,
      isShort,
      isAllowed: this.#options.isAllowed(read.content, source),
    });
  }

  /** The verdict on a cluster by its name; undefined if its number was given to another cluster, or never existed. */
  checkCluster(name: string, now: number): Verdict | undefined {
    const cluster = this.#counts.named(name);
    return cluster === undefined ? undefined : this.#verdict(cluster, { now });
  }

  /** A source reports or revokes a cluster by its name. */
  sayCluster(
    side: 'reported' | 'revoked',
    name: string,
    { source, now }: { readonly source: Source; readonly now: number },
  ): Verdict | undefined {
    const cluster = this.#counts.named(name);
    if (cluster === undefined) return undefined;
    this.#counts.do({
      kind: 'report',
      side,
      cluster,
      reporter: source.reporter,
      isKnown: source.isKnown,
      now,
    });
    return this.#verdict(cluster, { now });
  }

  /** From now on nothing follows from the counts of a cluster, or again something does. */
  allow(name: string, isAllowed: boolean, now: number): Verdict | undefined {
    const cluster = this.#counts.named(name);
    if (cluster === undefined) return undefined;
    this.#counts.do({ kind: 'allow', cluster, isAllowed, now });
    return this.#verdict(cluster, { now });
  }

  stats(): Stats {
    return {
      clusters: this.#counts.clusters.used,
      most: this.#counts.most,
      counted: this.#counted,
      reporters: this.#counts.trust.size,
      passedOver: this.#counts.reports.passedOver,
      allowed: this.#counts.allowed,
    };
  }

  /** The same of keys alone. */
  sayKeys(
    side: 'reported' | 'revoked',
    keys: readonly LegacyKey[],
    { source, now }: { readonly source: Source; readonly now: number },
  ): Verdict {
    if (keys.length === 0) return unknown;
    const known = keys.map((key) => this.#counts.keyed(key)).find((cluster) => cluster !== undefined);
    const cluster =
      known ??
      this.#beginFor(source, now, () => {
        const recipients = this.#recipients.of(source);
        const begins = { kind: 'copy', begins: true, ref: 0, lists: noLists } as const;
        return { entry: { ...begins, recipients, ...this.#counts.keysOf(keys), now }, keys: [] };
      });
    if (cluster === undefined) return unknown;
    this.#counts.do({
      kind: 'report',
      side,
      cluster,
      reporter: source.reporter,
      isKnown: source.isKnown,
      now,
    });
    return { ...this.#verdict(cluster, { now }), via: 'key' };
  }

  /** Learns a good message: features that it shares with other good mail no longer identify a campaign. */
  learn(read: Read, source: Source): void {
    const sender = senderOf(read.content, source);
    const features = featuresOf(read.content, this.#counts.learnt.parts);
    this.#maybe(this.#counts.learnt.fromGood(features, sender));
    this.#maybe(this.#counts.learnt.fromWords(features, sender));
  }

  /** The counts to be sent to other clearinghouses. */
  tallies(now: number): readonly Tally[] {
    return this.#counts.flood.tallies(now);
  }

  /** Takes a tally of another clearinghouse. */
  take(take: Take, now: number): void {
    const entry = this.#counts.flood.entryOf(take, now);
    if (entry !== undefined) this.#counts.do(entry);
  }

  /** Counts a copy, and makes one of clusters that it shows to be one. The cluster that it is in then. */
  #count({ entry, keys }: Copy, twin: number | undefined, now: number): number | undefined {
    const keyed = this.#bareOf(keys);
    const cluster = this.#counts.do(entry);
    if (cluster === undefined) return undefined;
    return this.#joined(this.#joined(cluster, keyed, now), twin, now);
  }

  /** The cluster that reports of a message's keys began before the whole message was seen. */
  #bareOf(keys: readonly LegacyKey[]): number | undefined {
    const clusters = keys.flatMap((key) => (isOfOneMessage(key) ? (this.#counts.keyed(key) ?? []) : []));
    return clusters.find((cluster) => this.#counts.clusters.isBare(cluster));
  }

  /** Makes one cluster of two, unless the operator has allowed one of them only; the smaller one becomes a part. */
  #joined(cluster: number, other: number | undefined, now: number): number {
    const { clusters } = this.#counts;
    if (other === undefined || other === cluster) return cluster;
    const isAllowed = this.#counts.isAllowed(other);
    // An operator's allowance of a key is an allowance of the message that has it.
    if (clusters.isBare(other) && isAllowed) this.#counts.do({ kind: 'allow', cluster, isAllowed, now });
    if (this.#counts.isAllowed(cluster) !== isAllowed) return cluster;
    const isPart = clusters.isBare(other) || clusters.copiesOf(other) <= clusters.copiesOf(cluster);
    const [from, to] = isPart ? [other, cluster] : [cluster, other];
    return this.#counts.do({ kind: 'join', from, to, now }) ?? cluster;
  }

  /** Everything that is counted, to be written down as it is, and read back into the same places. */
  arrays(): readonly Uint8Array[] {
    return this.#counts.arrays();
  }

  /** The rest of the state, as JSON. */
  save(): unknown {
    return this.#counts.save();
  }

  restore(saved: unknown): void {
    this.#counts.restore(saved);
  }

  /** Plays a change that was written down. */
  apply(entry: Entry): void {
    this.#counts.apply(entry);
  }

  /** The features of a message, the distinctive ones among them, and the match. */
  #matched({ content, images, exact }: Read) {
    const features = featuresOf(content, this.#counts.learnt.parts);
    const pictures = images.map((image) => {
      const { high, low } = this.#counts.learnt.pictureOf(image);
      return this.#counts.hash.joined(kinds.images, high, low);
    });
    const body = exact === undefined ? [] : [this.#counts.keyHash({ scheme: 'exact', value: exact })];
    const { text, sequence, actions, structure, chunks } = features;
    const all = [text, actions, structure, chunks, pictures.sort((a, b) => a - b), body];
    const found = this.#counts.clusters.match(all, sequence);
    return { features, isShort: isNote(content, found.lists), ...found };
  }

  #maybe(entry?: Entry): void {
    if (entry !== undefined) this.#counts.do(entry);
  }

  /** A message that counts teaches words and pictures. */
  #learn({ content, images }: Read, features: Features, source: Source): void {
    this.#counted++;
    for (const picture of this.#counts.learnt.newPictures(images)) this.#counts.do(picture);
    this.#maybe(this.#counts.learnt.fromWords(features, senderOf(content, source)));
  }

  /**
   * Begins a cluster for a report. Unknown reporters get only a share of the clusters, so that they push nobody else's
   * out.
   */
  #beginFor({ reporter, isKnown }: Source, now: number, copy: () => Copy): number | undefined {
    if (isKnown || this.#begun.take(reporter, now)) return this.#count(copy(), undefined, now);
    this.#counts.reports.passedOver++;
    return undefined;
  }

  #copy(match: Match | undefined, lists: Lists, { read, source, now, begins = false }: Counting): Copy {
    const { messageKey } = read.content;
    const all = this.#recipients.of(source, read.exact && messageKey && `${read.exact} ${messageKey}`);
    // A message to many recipients is a cluster at once, unless its source is unknown.
    const recipients = match === undefined && !source.isKnown ? all.slice(0, bulkAtOnce - 1) : all;
    // Keys cannot lead to a message without a match; for the same body they are already there.
    const isKnown =
      match === undefined ? recipients.length < bulkAtOnce : match.via === 'exact' && match.ref > 0;
    const keys = begins || !isKnown ? this.#keysOf(read) : [];
    return {
      entry: {
        kind: 'copy',
        begins,
        ref: match?.ref ?? 0,
        lists,
        recipients,
        ...this.#counts.keysOf(keys),
        now,
      },
      keys,
    };
  }

  #keysOf({ keys, exact }: Read): LegacyKey[] {
    return exact === undefined ? [...keys()] : [...keys(), { scheme: 'exact', value: exact }];
  }

  #verdict(cluster: number | undefined, known: Known): Verdict {
    const { match, lists, now, isShort = false, isAllowed: isWanted = false } = known;
    const isAllowed = isWanted || (cluster !== undefined && this.#counts.isAllowed(cluster));
    if (cluster === undefined) return { ...unknown, isAllowed, count: lists === undefined ? 0 : 1 };
    const { shortBulk, reported: fromReports, contested } = this.#options.thresholds;
    const { bulk = this.#options.thresholds.bulk } = known;
    const count = Math.round(
      this.#counts.clusters.recipientsOf(cluster, now) + this.#counts.flood.countOf(cluster, now),
    );
    const own = this.#counts.reports.of(cluster, this.#counts.clusters.generationOf(cluster), now);
    const others = this.#counts.flood.saidOf(cluster, now);
    const said = { reported: own.reported + others.reported, revoked: own.revoked + others.revoked };
    const isBulk = count >= (isShort ? Math.max(shortBulk, bulk) : bulk);
    const isContested = said.reported > 0 && said.revoked > 0 && said.revoked >= contested * said.reported;
    const isReported = said.reported >= fromReports && !isContested;
    const { first, last } = this.#counts.clusters.seenOf(cluster);
    return {
      count,
      exact: this.#exactOf(cluster, lists),
      ...said,
      isBulk,
      isReported,
      isContested,
      isShort,
      isAllowed,
      confidence: isAllowed ? 0 : confidenceOf({ count, bulk, isBulk, isReported, reported: said.reported }),
      cluster: this.#counts.nameOf(cluster),
      firstSeen: first,
      lastSeen: last,
      via: match === undefined ? 'none' : viaOf[match.via],
    };
  }

  /** Copies with the same body, octet for octet. */
  #exactOf(cluster: number, lists: Lists = noLists): number {
    const [body] = lists[kinds.exact] ?? [];
    return body === undefined ? 0 : this.#counts.clusters.copiesWith(cluster, body);
  }

  /** The part of a message that is in the core of its cluster, in readable form. */
  #matchedIn(cluster: number, content: Content, lists: Lists): string[] {
    const isCore = (feature: number) => this.#counts.clusters.hasInCore(cluster, feature);
    const counted = (kind: Kind, what: string) => {
      const list = lists[kinds[kind]] ?? [];
      const shared = list.filter(isCore).length;
      return shared === 0 ? [] : [`${what}: ${shared} of ${list.length}`];
    };
    return [
      ...phrasesIn(content, this.#counts.learnt.parts, isCore),
      ...counted('structure', 'layout'),
      ...counted('chunks', 'pieces of files'),
      ...counted('images', 'pictures'),
      ...counted('exact', 'whole body'),
    ];
  }
}

/** The parts of a verdict beside the cluster. */
interface Known {
  readonly match?: Match | undefined;
  readonly lists?: Lists;
  readonly now: number;
  readonly isShort?: boolean;
  readonly bulk?: number | undefined;
  readonly isAllowed?: boolean;
}

interface Counting {
  readonly read: Read;
  readonly source: Source;
  readonly now: number;
  /** Whether it is a cluster even though nothing is like it. */
  readonly begins?: boolean;
}

/** A copy that is to be counted, and its keys where they are to lead to its cluster. */
interface Copy {
  readonly entry: Entry & { readonly kind: 'copy' };
  readonly keys: readonly LegacyKey[];
}

/** Razor's engine 8 has one key for all messages with a link to the same host. */
function isOfOneMessage({ scheme }: LegacyKey): boolean {
  return scheme !== 'razor8';
}

const noLists: Lists = [[], [], [], [], [], []];
/** A few words and nothing else: no file, no picture, nowhere to go. */
function isNote({ order, actions }: Content, lists: Lists): boolean {
  const has = (kind: Kind) => (lists[kinds[kind]]?.length ?? 0) > 0;
  const leads = actions.some((action) => !action.startsWith('reply:'));
  return order.length < shortText && !has('chunks') && !has('images') && !leads;
}

/** The sender to whom words are attributed: many names in one domain are one sender. */
function senderOf({ senderDomain }: Content, { sender, client }: Source): string {
  return senderDomain ?? sender?.split('@').at(-1) ?? client ?? '';
}
