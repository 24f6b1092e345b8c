/** All that the clearinghouse counts, in memory that is allocated at the start. */
import type { LegacyKey } from './ask.ts';
import { Aliases } from './clusters/aliases.ts';
import { Clusters } from './clusters/clusters.ts';
import { powerOfTwo, sizeFor } from './clusters/size.ts';
import { registrable } from './content/actions.ts';
import { actionFeature } from './features/features.ts';
import { Hash } from './features/hash.ts';
import { Learnt } from './features/learnt.ts';
import type { TrustOf } from './flood/foreign.ts';
import { FloodPart } from './flood/part.ts';
import type { Entry } from './journal.ts';
import { Reports } from './reports/reports.ts';
import { Trust } from './reports/trust.ts';

export interface CountsOptions {
  /** Secret; 16 octets. */
  readonly key: Uint8Array;
  /** In octets. */
  readonly memory: number;
  readonly trustOf: TrustOf;
  /** Called with each change, so that it can be written down. */
  readonly note: (entry: Entry) => void;
}

/** A link found in more places than this belongs to no campaign, so a cluster is not found by it. */
const maxPlacesOfHost = 3;

type Of<K extends Entry['kind']> = Entry & { readonly kind: K };

/**
 * All that is counted, in memory that is taken at the start. It changes by entries alone: played again in order they
 * come to the same.
 */
export class Counts {
  readonly hash: Hash;
  readonly clusters: Clusters;
  readonly learnt: Learnt;
  readonly reports: Reports;
  readonly trust = new Trust();
  readonly flood: FloodPart;
  /** Clusters that there can be. */
  readonly most: number;
  readonly #aliases: Aliases;
  /** Clusters that an operator allowed, by name. */
  readonly #allowed = new Set<string>();
  readonly #note: CountsOptions['note'];

  constructor({ key, memory, trustOf, note }: CountsOptions) {
    this.hash = new Hash(key);
    this.learnt = new Learnt(this.hash, memory * 0.06);
    this.#aliases = new Aliases(powerOfTwo((memory * 0.06) / Aliases.octetsEach));
    const size = sizeFor(memory * 0.8);
    this.clusters = new Clusters(size);
    this.reports = new Reports(this.trust);
    this.most = size.clusters;
    const { clusters, reports, most: capacity } = this;
    this.flood = new FloodPart({ clusters, reports, capacity, trustOf });
    this.#note = note;
    // All memory is touched now: a lack of it is found at the start, and no message waits for it.
    for (const octets of this.arrays()) octets.fill(0);
  }

  /** Makes a change that was decided, and notes it. The cluster that it is about, if any. */
  do(entry: Entry): number | undefined {
    const cluster = this.apply(entry);
    this.#note(entry);
    return cluster;
  }

  /** Makes a change, new or read from a journal. Returns the cluster that it is about, if any. */
  apply(entry: Entry): number | undefined {
    switch (entry.kind) {
      case 'copy':
        return this.#copy(entry);
      case 'report':
        return this.#report(entry);
      case 'join':
        return this.#join(entry);
      case 'allow':
        return this.#allow(entry);
      case 'take':
        return this.flood.apply(entry);
      case 'learn':
      case 'picture':
        return void this.learnt.apply(entry);
    }
  }

  /** How a cluster is called; no other one is ever called so. */
  nameOf(cluster: number): string {
    return `${cluster.toString(36)}-${this.clusters.generationOf(cluster).toString(36)}`;
  }

  /** The cluster of that name, or the cluster that it was joined to. */
  named(name: string): number | undefined {
    if (!/^[0-9a-z]{1,7}-[0-9a-z]{1,7}$/.test(name)) return undefined;
    const cluster = Number.parseInt(name, 36);
    const isIt = cluster < this.clusters.used && this.nameOf(cluster) === name;
    return isIt ? this.clusters.current(cluster) : undefined;
  }

  isAllowed(cluster: number): boolean {
    return this.#allowed.has(this.nameOf(cluster));
  }

  get allowed(): number {
    return this.#allowed.size;
  }

  /** The cluster that a key leads to; none for the key of a host that is in much other mail. */
  keyed(key: LegacyKey): number | undefined {
    const alias = this.#aliases.find(this.keyHash(key), (at) => this.clusters.generationOf(at));
    if (alias === undefined || this.#isCommon(alias.feature)) return undefined;
    return this.clusters.current(alias.cluster);
  }

  keyHash({ scheme, value }: LegacyKey): number {
    return this.hash.text(`${scheme} ${value}`);
  }

  /** Keys as a change that is written down has them. */
  keysOf(keys: readonly LegacyKey[]): Pick<Of<'copy'>, 'keys' | 'keyFeatures'> {
    const featureOf = ({ host }: LegacyKey) =>
      host === undefined ? 0 : actionFeature(`domain:${registrable(host) ?? host}`, this.hash);
    return { keys: keys.map((key) => this.keyHash(key)), keyFeatures: keys.map(featureOf) };
  }

  /** Everything that is in flat memory, to be written down as it is, and read back into the same places. */
  arrays(): readonly Uint8Array[] {
    const counted = [...this.clusters.arrays(), ...this.#aliases.arrays(), ...this.learnt.arrays()];
    return counted.map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
  }

  /** The rest, as JSON. */
  save(): unknown {
    return {
      reports: this.reports.save(),
      clusters: this.clusters.save(),
      flood: this.flood.save(),
      allowed: [...this.#allowed],
    };
  }

  restore(saved: unknown): void {
    if (typeof saved !== 'object' || saved === null) return;
    this.reports.restore(Reflect.get(saved, 'reports'));
    this.clusters.restore(Reflect.get(saved, 'clusters'));
    this.flood.restore(Reflect.get(saved, 'flood'));
    const allowed: unknown = Reflect.get(saved, 'allowed');
    if (Array.isArray(allowed)) for (const name of allowed) this.#allowed.add(String(name));
    this.learnt.restored();
  }

  #copy({ ref, begins, lists, recipients, keys, keyFeatures, now }: Of<'copy'>): number | undefined {
    const cluster = this.clusters.add(ref === 0 ? undefined : ref, { lists, recipients, now }, begins);
    if (cluster === undefined) return undefined;
    this.flood.changed(cluster);
    const generation = this.clusters.generationOf(cluster);
    for (const [at, key] of keys.entries()) {
      const feature = keyFeatures[at] ?? 0;
      // Of several campaigns with the key, the largest is the likeliest subject.
      const isStronger = (other: number, otherGeneration: number) => {
        const current = this.clusters.current(other);
        const isThere = this.clusters.generationOf(other) === otherGeneration && current !== cluster;
        return isThere && this.clusters.copiesOf(current) > this.clusters.copiesOf(cluster);
      };
      this.#aliases.set(key, { cluster, feature, generation }, isStronger);
    }
    return cluster;
  }

  #report({ side, cluster, reporter, isKnown, now }: Of<'report'>): number {
    this.reports.add(side, this.#at(cluster), { reporter, isKnown, now });
    this.flood.changed(cluster);
    return cluster;
  }

  #join({ from, to, now }: Of<'join'>): number {
    this.reports.move(this.#at(from), this.#at(to), now);
    this.clusters.join(from, to, now);
    this.flood.joined(from, to);
    return to;
  }

  #allow({ cluster, isAllowed }: Of<'allow'>): number {
    if (isAllowed) this.#allowed.add(this.nameOf(cluster));
    else this.#allowed.delete(this.nameOf(cluster));
    return cluster;
  }

  #isCommon(feature: number): boolean {
    return feature !== 0 && this.clusters.placesOf(feature) > maxPlacesOfHost;
  }

  #at(cluster: number) {
    return { cluster, generation: this.clusters.generationOf(cluster) };
  }
}
