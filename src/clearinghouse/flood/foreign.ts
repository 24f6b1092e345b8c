/** The tallies of other clearinghouses, kept apart from our own counts. */
import { z } from 'zod';
import { estimateOf } from '../clusters/distinct.ts';
import { registers, type Take } from './tally.ts';

/** The tallies of one account for one of our clusters. */
interface Contribution {
  /** The union of the sketches of its origins. */
  sketch: Uint8Array;
  /** When a copy was last seen there. */
  at: number;
  /** By origin and cluster there, for an origin may have two where we have one. */
  readonly said: Map<string, { readonly reported: number; readonly revoked: number }>;
}

/** A cluster number and its generation. */
interface Place {
  readonly cluster: number;
  readonly generation: number;
}

interface OfCluster {
  readonly generation: number;
  readonly by: Map<string, Contribution>;
}

const savedShape = z.array(
  z.tuple([
    z.number(),
    z.number(),
    z.array(
      z.object({
        account: z.string(),
        sketch: z.string(),
        at: z.number(),
        said: z.array(z.tuple([z.string(), z.object({ reported: z.number(), revoked: z.number() })])),
      }),
    ),
  ]),
);

const day = 86_400_000;
/** The same half-lives as those of our own counts. */
const halfLife = { few: day, many: 30 * day, manyFrom: 10, reports: 30 * day } as const;
const maxTalliesOfAccount = 16;
const maxAccounts = 64;

/** The present weight of an account, 0 to 1; 0 once it is no longer a peer. */
export type TrustOf = (account: string) => number;

/** How many recipients one account can add to a cluster, at most, before trust. */
const defaultCap = 2000;

/**
 * The tallies of other clearinghouses about our clusters, kept apart from our own counts, so that nothing returns to
 * its origin. Bounded by the number of tallies: the cluster with the oldest tallies is dropped.
 */
export class Foreign {
  readonly #maxTallies: number;
  readonly #cap: number;
  readonly #trustOf: TrustOf;
  readonly #clusters = new Map<number, OfCluster>();
  #tallies = 0;

  constructor(maxTallies: number, trustOf: TrustOf, cap = defaultCap) {
    this.#maxTallies = maxTallies;
    this.#trustOf = trustOf;
    this.#cap = cap;
  }

  add({ cluster, generation }: Place, take: Take, now: number): void {
    const { account, origin, tally } = take;
    const of = this.#take(cluster, generation);
    const key = `${origin} ${tally.cluster} ${tally.generation}`;
    const before = of.by.get(account);
    if (before === undefined && of.by.size >= maxAccounts) return;
    const said = before?.said ?? new Map();
    said.delete(key);
    // A record has all counts of its origin for its cluster, so if it is the only one it replaces the one before.
    const isAlone = before === undefined || said.size === 0 || fadeOf(before, now) < 1;
    const sketch = isAlone ? tally.sketch : unionOf(before.sketch, tally.sketch);
    said.set(key, { reported: tally.reported, revoked: tally.revoked });
    if (said.size > maxTalliesOfAccount) for (const oldest of said.keys()) if (said.delete(oldest)) break;
    if (before === undefined) this.#tallies++;
    of.by.set(account, { sketch, at: Math.min(now, tally.lastSeen), said });
  }

  /** Moves the tallies about one cluster to another. */
  move(from: Place, to: Place): void {
    const before = this.#of(from.cluster, from.generation);
    if (before === undefined) return;
    this.#drop(from.cluster);
    const of = this.#take(to.cluster, to.generation);
    for (const [account, contribution] of before.by) {
      const known = of.by.get(account);
      if (known === undefined && of.by.size >= maxAccounts) continue;
      if (known === undefined) this.#tallies++;
      of.by.set(account, known === undefined ? contribution : bothOf(known, contribution));
    }
  }

  /**
   * The recipients that tallies add to our count. Each tally adds at most the recipients that are new beside tallies of
   * higher trust, and at most its trust times its own estimate, up to the cap. So invented tallies add no more than the
   * sum of those bounds.
   */
  countOf(
    cluster: number,
    generation: number,
    own: { readonly sketch: () => Uint8Array; readonly now: number },
  ): number {
    const of = this.#of(cluster, generation);
    if (of === undefined) return 0;
    let sum = 0;
    let all = { sketch: own.sketch(), count: estimateOf(own.sketch()) };
    const before: (typeof all)[] = [];
    const byTrust = [...of.by]
      .map(([account, contribution]) => ({ account, contribution, trust: this.#trustOf(account) }))
      .sort((a, b) => b.trust - a.trust || (a.account < b.account ? -1 : 1));
    for (const { contribution, trust } of byTrust) {
      const { sketch } = contribution;
      before.push(all);
      const together = before.map((known) => estimateOf(unionOf(known.sketch, sketch)) - known.count);
      // One register more can be worth thousands beside an invented sketch, so an addition has to be new beside each
      // of the sketches.
      const added = trust === 1 ? (together.at(-1) ?? 0) : Math.min(...together);
      // A fully trusted account adds its new recipients; bounding them by another estimate would add the error of
      // both.
      const estimate = trust === 1 ? this.#cap : Math.min(this.#cap, estimateOf(sketch));
      // An estimate of both together can be smaller than that of one.
      sum += Math.max(0, Math.min(added, trust * estimate)) * fadeOf(contribution, own.now);
      const union = unionOf(all.sketch, sketch);
      all = { sketch: union, count: estimateOf(union) };
    }
    return sum;
  }

  /** The reports of other clearinghouses, each bounded by its trust. */
  saidOf(
    cluster: number,
    generation: number,
    now: number,
  ): { readonly reported: number; readonly revoked: number } {
    let [reported, revoked] = [0, 0];
    for (const [account, { said, at }] of this.#of(cluster, generation)?.by ?? []) {
      const trust = this.#trustOf(account);
      const left = 0.5 ** (Math.max(0, now - at) / halfLife.reports);
      const sums = { reported: 0, revoked: 0 };
      for (const each of said.values()) {
        sums.reported += each.reported;
        sums.revoked += each.revoked;
      }
      reported += left * Math.min(trust, sums.reported);
      revoked += left * Math.min(trust, sums.revoked);
    }
    return { reported, revoked };
  }

  save(): unknown {
    return [...this.#clusters].map(([cluster, { generation, by }]) => [
      cluster,
      generation,
      [...by].map(([account, { sketch, said, ...rest }]) => ({
        account,
        sketch: Buffer.from(sketch).toString('base64'),
        said: [...said],
        ...rest,
      })),
    ]);
  }

  restore(saved: unknown): void {
    for (const [cluster, generation, contributions] of savedShape.safeParse(saved).data ?? []) {
      const by = new Map<string, Contribution>();
      for (const { account, sketch, said, ...rest } of contributions) {
        const octets = new Uint8Array(Buffer.from(sketch, 'base64'));
        if (octets.length === registers) by.set(account, { ...rest, sketch: octets, said: new Map(said) });
      }
      this.#clusters.set(cluster, { generation, by });
      this.#tallies += by.size;
    }
  }

  #of(cluster: number, generation: number): OfCluster | undefined {
    const of = this.#clusters.get(cluster);
    return of?.generation === generation ? of : undefined;
  }

  #take(cluster: number, generation: number): OfCluster {
    const of = this.#of(cluster, generation) ?? { generation, by: new Map() };
    if (of.by.size === 0) this.#drop(cluster);
    this.#clusters.delete(cluster);
    this.#clusters.set(cluster, of);
    for (const oldest of this.#clusters.keys()) {
      if (this.#tallies < this.#maxTallies || oldest === cluster) break;
      this.#drop(oldest);
    }
    return of;
  }

  #drop(cluster: number): void {
    this.#tallies -= this.#clusters.get(cluster)?.by.size ?? 0;
    this.#clusters.delete(cluster);
  }
}

/** The remaining share of a contribution: 1 for the half-life of our own counts, 0 after twice that time. */
function fadeOf({ sketch, at }: Contribution, now: number): number {
  const time = estimateOf(sketch) >= halfLife.manyFrom ? halfLife.many : halfLife.few;
  return Math.min(1, Math.max(0, 2 - (now - at) / time));
}

/** The tallies of one account about two clusters that turned out to be one. */
function bothOf(one: Contribution, other: Contribution): Contribution {
  const said = [...one.said, ...other.said].slice(0, maxTalliesOfAccount);
  const at = Math.max(one.at, other.at);
  return { sketch: unionOf(one.sketch, other.sketch), at, said: new Map(said) };
}

/** Of the same recipient there is one, wherever it was seen. */
function unionOf(one: Uint8Array, other: Uint8Array): Uint8Array {
  return one.map((rank, at) => Math.max(rank, other[at] ?? 0));
}
