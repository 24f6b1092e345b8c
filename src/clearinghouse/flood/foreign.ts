/** The claims of other clearinghouses, kept apart from our own counts. */
import { z } from 'zod';
import { estimateOf } from '../clusters/distinct.ts';
import { registers, type Take } from './claim.ts';

/** What one account claims of one cluster here. */
interface Contribution {
  /** The union of what its origins claim. */
  sketch: Uint8Array;
  /** When a copy was last seen there. */
  at: number;
  /** By origin and cluster there, for an origin may have two where we have one. */
  readonly said: Map<string, { readonly reported: number; readonly revoked: number }>;
}

/** A cluster, and which of those that had its number. */
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
/** As what we have counted ourselves is forgotten. */
const halfLife = { few: day, many: 30 * day, manyFrom: 10, reports: 30 * day } as const;
const maxClaimsOfAccount = 16;
const maxAccounts = 64;

/** What an account counts for now, 0 to 1; nothing once it is no peer any more. */
export type TrustOf = (account: string) => number;

/** How many recipients one account can add to a cluster, at most, before trust. */
export const defaultCap = 2000;

/**
 * What others claim of our clusters, apart from what we have counted, so that nothing goes back to where it came from.
 * Bounded by the number of claims: the cluster that nobody spoke of for longest goes.
 */
export class Foreign {
  readonly #maxClaims: number;
  readonly #cap: number;
  readonly #trustOf: TrustOf;
  readonly #clusters = new Map<number, OfCluster>();
  #claims = 0;

  constructor(maxClaims: number, trustOf: TrustOf, cap = defaultCap) {
    this.#maxClaims = maxClaims;
    this.#trustOf = trustOf;
    this.#cap = cap;
  }

  add({ cluster, generation }: Place, take: Take, now: number): void {
    const { account, origin, claim } = take;
    const of = this.#take(cluster, generation);
    const key = `${origin} ${claim.cluster} ${claim.generation}`;
    const before = of.by.get(account);
    if (before === undefined && of.by.size >= maxAccounts) return;
    const said = before?.said ?? new Map();
    said.delete(key);
    // A record says all that its origin has counted of its cluster: alone, it takes the place of the one before.
    const isAlone = before === undefined || said.size === 0 || fadeOf(before, now) < 1;
    const sketch = isAlone ? claim.sketch : unionOf(before.sketch, claim.sketch);
    said.set(key, { reported: claim.reported, revoked: claim.revoked });
    if (said.size > maxClaimsOfAccount) for (const oldest of said.keys()) if (said.delete(oldest)) break;
    if (before === undefined) this.#claims++;
    of.by.set(account, { sketch, at: Math.min(now, claim.lastSeen), said });
  }

  /** What was claimed of one cluster is claimed of another. */
  move(from: Place, to: Place): void {
    const before = this.#of(from.cluster, from.generation);
    if (before === undefined) return;
    this.#drop(from.cluster);
    const of = this.#take(to.cluster, to.generation);
    for (const [account, contribution] of before.by) {
      const known = of.by.get(account);
      if (known === undefined && of.by.size >= maxAccounts) continue;
      if (known === undefined) this.#claims++;
      of.by.set(account, known === undefined ? contribution : bothOf(known, contribution));
    }
  }

  /**
   * What others add to our count: each no more than what is new beside those who are trusted more, and at most its
   * trust times what it claims, of the cap. So all together add no more than the sum of that, whatever one of them
   * makes up.
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
      // Beside a sketch that was made up, one register more can be worth thousands: what is new is new to everybody.
      const added = trust === 1 ? (together.at(-1) ?? 0) : Math.min(...together);
      // Who is trusted like ourselves adds what is new; to bound that by another estimate would add the error of both.
      const claimed = trust === 1 ? this.#cap : Math.min(this.#cap, estimateOf(sketch));
      // An estimate of both together can be smaller than that of one.
      sum += Math.max(0, Math.min(added, trust * claimed)) * fadeOf(contribution, own.now);
      const union = unionOf(all.sketch, sketch);
      all = { sketch: union, count: estimateOf(union) };
    }
    return sum;
  }

  /** What others report: each at most as much as it is trusted. */
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
      this.#claims += by.size;
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
      if (this.#claims < this.#maxClaims || oldest === cluster) break;
      this.#drop(oldest);
    }
    return of;
  }

  #drop(cluster: number): void {
    this.#claims -= this.#clusters.get(cluster)?.by.size ?? 0;
    this.#clusters.delete(cluster);
  }
}

/** What is left of it: all of it for the time in which half of our own is forgotten, nothing after twice that. */
function fadeOf({ sketch, at }: Contribution, now: number): number {
  const time = estimateOf(sketch) >= halfLife.manyFrom ? halfLife.many : halfLife.few;
  return Math.min(1, Math.max(0, 2 - (now - at) / time));
}

/** What one account claims of two clusters that are one. */
function bothOf(one: Contribution, other: Contribution): Contribution {
  const said = [...one.said, ...other.said].slice(0, maxClaimsOfAccount);
  const at = Math.max(one.at, other.at);
  return { sketch: unionOf(one.sketch, other.sketch), at, said: new Map(said) };
}

/** Of the same recipient there is one, wherever it was seen. */
function unionOf(one: Uint8Array, other: Uint8Array): Uint8Array {
  return one.map((rank, at) => Math.max(rank, other[at] ?? 0));
}
