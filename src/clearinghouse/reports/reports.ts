import { z } from 'zod';
import type { Trust } from './trust.ts';

/** What was said of one cluster. */
interface Said {
  generation: number;
  /** Weights at `at`; they halve in thirty days. */
  reported: number;
  revoked: number;
  at: number;
  /** Who said so, the first ones: each counts once for each side. */
  readonly reporters: Set<string>;
  readonly revokers: Set<string>;
}

export interface Standing {
  readonly reported: number;
  readonly revoked: number;
}

const savedShape = z.object({
  said: z.array(
    z.object({
      cluster: z.number(),
      generation: z.number(),
      reported: z.number(),
      revoked: z.number(),
      at: z.number(),
      reporters: z.array(z.string()),
      revokers: z.array(z.string()),
    }),
  ),
  trust: z.array(z.tuple([z.string(), z.number()])),
});

const halfLifeMs = 30 * 86_400_000;
const mostClusters = 50_000;
const mostNames = 64;
const none: Standing = { reported: 0, revoked: 0 };

/** Who calls what spam, and who does not. Bounded: the cluster that was spoken of longest ago goes. */
export class Reports {
  readonly #trust: Trust;
  readonly #said = new Map<number, Said>();

  constructor(trust: Trust) {
    this.#trust = trust;
  }

  of(cluster: number, generation: number, now: number): Standing {
    const said = this.#said.get(cluster);
    if (said === undefined || said.generation !== generation) return none;
    const left = 0.5 ** (Math.max(0, now - said.at) / halfLifeMs);
    return { reported: said.reported * left, revoked: said.revoked * left };
  }

  /** Notes what a reporter says. Who says it twice has said it once. */
  add(
    side: 'reported' | 'revoked',
    { cluster, generation }: { readonly cluster: number; readonly generation: number },
    {
      reporter,
      isKnown,
      now,
    }: { readonly reporter: string; readonly isKnown: boolean; readonly now: number },
  ): void {
    const weight = this.#trust.weigh(reporter, isKnown, now);
    const said = this.#take(cluster, generation, now);
    const [mine, others] =
      side === 'reported' ? [said.reporters, said.revokers] : [said.revokers, said.reporters];
    if (mine.has(reporter) || weight === 0) return;
    for (const other of mine) this.#trust.confirmed(other, weight);
    if (mine.size > 0) this.#trust.confirmed(reporter, Math.min(1, said[side]));
    for (const other of others) if (other !== reporter) this.#trust.contradicted(other, weight);
    if (mine.size < mostNames) mine.add(reporter);
    said[side] += weight;
    // Who takes back what he said has not said it.
    if (others.delete(reporter)) {
      const other = side === 'reported' ? 'revoked' : 'reported';
      said[other] = Math.max(0, said[other] - weight);
    }
  }

  save(): unknown {
    const said = [...this.#said].map(([cluster, { reporters, revokers, ...rest }]) => ({
      cluster,
      ...rest,
      reporters: [...reporters],
      revokers: [...revokers],
    }));
    return { said, trust: this.#trust.save() };
  }

  restore(saved: unknown): void {
    const parsed = savedShape.safeParse(saved).data;
    if (parsed === undefined) return;
    this.#trust.restore(parsed.trust);
    for (const { cluster, reporters, revokers, ...rest } of parsed.said)
      this.#said.set(cluster, { ...rest, reporters: new Set(reporters), revokers: new Set(revokers) });
  }

  #take(cluster: number, generation: number, now: number): Said {
    const standing = this.of(cluster, generation, now);
    const before = this.#said.get(cluster);
    const isSame = before?.generation === generation;
    const said: Said = {
      generation,
      ...standing,
      at: now,
      reporters: isSame ? before.reporters : new Set(),
      revokers: isSame ? before.revokers : new Set(),
    };
    this.#said.delete(cluster);
    this.#said.set(cluster, said);
    if (this.#said.size > mostClusters)
      for (const oldest of this.#said.keys()) if (this.#said.delete(oldest)) break;
    return said;
  }
}
