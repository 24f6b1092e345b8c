/** The engine's side of the flood: it sends tallies of its clusters, and takes those of others. */
import type { Clusters } from '../clusters/clusters.ts';
import { kinds } from '../clusters/spectrum.ts';
import type { Entry } from '../journal.ts';
import type { Reports } from '../reports/reports.ts';
import { DailyShare } from '../reports/share.ts';
import { Foreign, type TrustOf } from './foreign.ts';
import { maxFeatures, type Take, type Tally } from './tally.ts';

export interface FloodPartOptions {
  readonly clusters: Clusters;
  readonly reports: Reports;
  /** How many clusters there can be. */
  readonly capacity: number;
  readonly trustOf: TrustOf;
}

/** The number of distinct recipients of our own from which a cluster is tallied. */
const minRecipients = 3;
/** The factor of growth after which a cluster is tallied again at once; for less it has to settle first. */
const grownAtOnce = 1.2;
const grownSettled = 1.02;
const settleMs = 15_000;
/** A smaller change of the reports waits for the next tally. */
const saidStep = 0.05;
const maxTallies = 500;
/** The number of kept tallies of others, for each place of a cluster. */
const talliesEach = 2;
/** The share of clusters that one account, and all of them, may begin in a day, so that they push nobody else's out. */
const begunShare = { each: 0.25, all: 0.5 } as const;

interface Told {
  readonly generation: number;
  readonly count: number;
  readonly reported: number;
  readonly revoked: number;
  readonly at: number;
}

/** The engine's side of the flood: tallies of its clusters, and those of others. */
export class FloodPart {
  readonly #options: FloodPartOptions;
  readonly #foreign: Foreign;
  /** Clusters that have changed since it was last asked. */
  #changed = new Set<number>();
  readonly #told = new Map<number, Told>();
  readonly #begun: DailyShare;
  #isAsked = false;

  constructor(options: FloodPartOptions) {
    this.#options = options;
    const { capacity, trustOf } = options;
    this.#foreign = new Foreign(talliesEach * capacity, trustOf);
    this.#begun = new DailyShare({ each: begunShare.each * capacity, all: begunShare.all * capacity });
  }

  /** A copy of it was counted here, or it was reported here. */
  changed(cluster: number): void {
    if (this.#isAsked || this.#changed.size < maxTallies) this.#changed.add(cluster);
  }

  /** The tallies that are due now. Until the first call hardly anything is remembered. */
  tallies(now: number): Tally[] {
    this.#isAsked = true;
    const later = new Set<number>();
    const tallies: Tally[] = [];
    for (const cluster of this.#changed) {
      const due = tallies.length >= maxTallies ? 'later' : this.#due(cluster, now);
      if (due === 'later') later.add(cluster);
      else if (due !== 'never') tallies.push(due);
    }
    this.#changed = later;
    return tallies;
  }

  /** A tally of another node as a change that can be written down; undefined if it is left out. */
  entryOf(take: Take, now: number): Entry | undefined {
    const { clusters, trustOf } = this.#options;
    if (trustOf(take.account) <= 0) return undefined;
    const { core, sizes } = take.tally;
    const telling = clusters.telling(core);
    if (telling.every((list) => list.length === 0)) return undefined;
    const match = clusters.matchCore(telling, { core, sizes }) ?? clusters.match(telling).match;
    if (match === undefined && !this.#begun.take(take.account, now)) return undefined;
    return { kind: 'take', now, ref: match?.ref ?? 0, take };
  }

  apply({ ref, take, now }: Entry & { readonly kind: 'take' }): number {
    const { clusters } = this.#options;
    const cluster = ref > 0 ? ref - 1 : clusters.beginCore(ref === 0 ? undefined : ref, take.tally, now);
    this.#foreign.add({ cluster, generation: clusters.generationOf(cluster) }, take, now);
    return cluster;
  }

  /** Two clusters have become one. */
  joined(from: number, to: number): void {
    const at = (cluster: number) => ({
      cluster,
      generation: this.#options.clusters.generationOf(cluster),
    });
    this.#foreign.move(at(from), at(to));
    this.changed(to);
  }

  /** Distinct recipients that others have seen and we have not. */
  countOf(cluster: number, now: number): number {
    const { clusters } = this.#options;
    const sketch = () => clusters.sketchOf(cluster, now);
    return this.#foreign.countOf(cluster, clusters.generationOf(cluster), { sketch, now });
  }

  saidOf(cluster: number, now: number): { readonly reported: number; readonly revoked: number } {
    return this.#foreign.saidOf(cluster, this.#options.clusters.generationOf(cluster), now);
  }

  save(): unknown {
    return this.#foreign.save();
  }

  restore(saved: unknown): void {
    this.#foreign.restore(saved);
  }

  #due(cluster: number, now: number): Tally | 'later' | 'never' {
    const { clusters, reports } = this.#options;
    const generation = clusters.generationOf(cluster);
    const count = clusters.recipientsOf(cluster, now);
    // A message that was seen once is private, to however many recipients it went.
    if (Math.round(count) < minRecipients || clusters.copiesOf(cluster) < 2) return 'never';
    const { reported, revoked } = reports.provenOf(cluster, generation, now);
    const told = this.#told.get(cluster);
    if (told?.generation === generation) {
      const isSaid =
        Math.abs(reported - told.reported) < saidStep && Math.abs(revoked - told.revoked) < saidStep;
      if (isSaid && count < told.count * grownAtOnce) {
        if (count < told.count * grownSettled) return 'never';
        if (now - told.at < settleMs) return 'later';
      }
    }
    const { core, sizes } = clusters.coreOf(cluster, maxFeatures);
    if (core.every((list) => list.length === 0)) return 'never';
    this.#told.delete(cluster);
    this.#told.set(cluster, { generation, count, reported, revoked, at: now });
    const { first: firstSeen, last: lastSeen } = clusters.seenOf(cluster);
    const sketch = clusters.sketchOf(cluster, now);
    // Of a core that is given in part the rest is unknown.
    const text = core[kinds.text] ?? [];
    const isWhole = text.length === sizes[kinds.text];
    const cut = isWhole ? clusters.cutOf(cluster) : (text.at(-1) ?? 0);
    return { cluster, generation, core, sizes, cut, sketch, reported, revoked, firstSeen, lastSeen };
  }
}
