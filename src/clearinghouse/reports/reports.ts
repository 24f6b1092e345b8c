/** The reports and revocations about clusters, weighed by the trust in their reporters. */
import { z } from 'zod';
import type { Trust } from './trust.ts';

type Side = 'reported' | 'revoked';

/** A cluster number and its generation. */
interface Place {
  readonly cluster: number;
  readonly generation: number;
}

/** One reporter's report or revocation of a cluster, and its weight at that time. */
interface Report {
  readonly side: Side;
  readonly weight: number;
  readonly at: number;
  readonly isKnown: boolean;
}

/** All reports and revocations of one cluster. */
interface Said {
  generation: number;
  /** Weights at `at`; they halve in thirty days. */
  reported: number;
  revoked: number;
  /** Weights of reporters that are not proven. */
  looseReported: number;
  looseRevoked: number;
  at: number;
  /** By reporter, each of whom has one report. */
  readonly reports: Map<string, Report>;
}

export interface Standing {
  readonly reported: number;
  readonly revoked: number;
}

const reportShape = z.object({
  side: z.enum(['reported', 'revoked']),
  weight: z.number(),
  at: z.number(),
  isKnown: z.boolean(),
});
const savedShape = z.object({
  said: z.array(
    z.object({
      cluster: z.number(),
      generation: z.number(),
      reported: z.number(),
      revoked: z.number(),
      looseReported: z.number(),
      looseRevoked: z.number(),
      at: z.number(),
      words: z.array(z.tuple([z.string(), reportShape])),
    }),
  ),
  trust: z.array(z.tuple([z.string(), z.number()])),
});

const halfLifeMs = 30 * 86_400_000;
const limits = { clusters: 50_000, reports: 200_000 } as const;
/** Bounds of the reports about one cluster. The rest of the places is for known reporters. */
const maxReportsOfStrangers = 64;
const maxReportsOfCluster = 128;
const none: Standing = { reported: 0, revoked: 0 };
/** The weight below which a reporter is unproven: unknown, and not confirmed. Anybody can be many of those. */
const minProvenWeight = 0.3;
/** The largest weight of all unproven reports on each side: too little to decide anything. */
const maxUnprovenWeight = 0.5;

/** The reports and revocations of clusters. Bounded: the cluster with the oldest report is dropped. */
export class Reports {
  readonly #trust: Trust;
  readonly #said = new Map<number, Said>();
  #reportCount = 0;
  /** Reports that did not count: too many of one reporter, or too many about one cluster. */
  passedOver = 0;

  constructor(trust: Trust) {
    this.#trust = trust;
  }

  of(cluster: number, generation: number, now: number): Standing {
    const said = this.#said.get(cluster);
    if (said === undefined || said.generation !== generation) return none;
    const left = leftOf(said.at, now);
    const loose = (weight: number) => Math.min(maxUnprovenWeight, weight * left);
    // Unproven revocations do not count against a proven report: otherwise a spammer could revoke the reports about
    // himself.
    const revoked = said.reported > 0 ? 0 : loose(said.looseRevoked);
    return {
      reported: said.reported * left + loose(said.looseReported),
      revoked: said.revoked * left + revoked,
    };
  }

  /** The standing by known and proven reporters only, which tallies for other clearinghouses contain. */
  provenOf(cluster: number, generation: number, now: number): Standing {
    const said = this.#said.get(cluster);
    if (said === undefined || said.generation !== generation) return none;
    const left = leftOf(said.at, now);
    return { reported: said.reported * left, revoked: said.revoked * left };
  }

  /** Adds a report or a revocation. Repeating one changes nothing; the opposite one replaces it. */
  add(
    side: Side,
    { cluster, generation }: Place,
    {
      reporter,
      isKnown,
      now,
    }: { readonly reporter: string; readonly isKnown: boolean; readonly now: number },
  ): void {
    const weight = this.#trust.weigh(reporter, isKnown, now);
    const said = this.#take(cluster, generation, now);
    const before = said.reports.get(reporter);
    if (before?.side === side) return;
    const isFull =
      before === undefined && said.reports.size >= (isKnown ? maxReportsOfCluster : maxReportsOfStrangers);
    if (weight === 0 || isFull) {
      this.passedOver++;
      return;
    }
    const report: Report = { side, weight, at: now, isKnown };
    if (before === undefined) {
      this.#learn(reporter, report, said);
      this.#reportCount++;
    } else weigh(said, before, -leftOf(before.at, now));
    said.reports.set(reporter, report);
    weigh(said, report, 1);
  }

  /** Moves the reports of one cluster to another. A reporter who already has a report there keeps that one. */
  move(from: Place, to: Place, now: number): void {
    const before = this.#said.get(from.cluster);
    if (before === undefined || before.generation !== from.generation) return;
    this.#said.delete(from.cluster);
    this.#reportCount -= before.reports.size;
    const said = this.#take(to.cluster, to.generation, now);
    for (const [reporter, report] of before.reports) {
      const max = report.isKnown ? maxReportsOfCluster : maxReportsOfStrangers;
      if (said.reports.has(reporter) || said.reports.size >= max) continue;
      said.reports.set(reporter, report);
      weigh(said, report, leftOf(report.at, now));
      this.#reportCount++;
    }
  }

  save(): unknown {
    const said = [...this.#said].map(([cluster, { reports, ...rest }]) => ({
      cluster,
      ...rest,
      words: [...reports],
    }));
    return { said, trust: this.#trust.save() };
  }

  restore(saved: unknown): void {
    const parsed = savedShape.safeParse(saved).data;
    if (parsed === undefined) return;
    this.#trust.restore(parsed.trust);
    for (const { cluster, words, ...rest } of parsed.said) {
      this.#said.set(cluster, { ...rest, reports: new Map(words) });
      this.#reportCount += words.length;
    }
  }

  /**
   * The first report of a reporter about a cluster changes trust, by the reports of known reporters only: agreement
   * among strangers proves nothing, however many they are.
   */
  #learn(reporter: string, report: Report, { reports }: Said): void {
    for (const [other, { side, weight, isKnown }] of reports) {
      const isSame = side === report.side;
      if (isKnown && isSame) this.#trust.confirmed(reporter, weight);
      if (isKnown && !isSame && !report.isKnown) this.#trust.contradicted(reporter, weight);
      if (!report.isKnown) continue;
      if (isSame) this.#trust.confirmed(other, report.weight);
      else this.#trust.contradicted(other, report.weight);
    }
  }

  #take(cluster: number, generation: number, now: number): Said {
    const before = this.#said.get(cluster);
    const isSame = before?.generation === generation;
    if (!isSame) this.#reportCount -= before?.reports.size ?? 0;
    const left = isSame ? leftOf(before.at, now) : 0;
    const said: Said = {
      generation,
      reported: (before?.reported ?? 0) * left,
      revoked: (before?.revoked ?? 0) * left,
      looseReported: (before?.looseReported ?? 0) * left,
      looseRevoked: (before?.looseRevoked ?? 0) * left,
      at: now,
      reports: isSame ? before.reports : new Map<string, Report>(),
    };
    this.#said.delete(cluster);
    this.#said.set(cluster, said);
    this.#bound(cluster);
    return said;
  }

  #bound(latest: number): void {
    for (const [oldest, { reports }] of this.#said) {
      if ((this.#said.size <= limits.clusters && this.#reportCount <= limits.reports) || oldest === latest)
        return;
      this.#said.delete(oldest);
      this.#reportCount -= reports.size;
    }
  }
}

/** Adds a report to the sums of a cluster, or takes this share of it away. */
function weigh(said: Said, { side, weight, isKnown }: Report, share: number): void {
  const isProven = isKnown || weight >= minProvenWeight;
  const loose = side === 'reported' ? 'looseReported' : 'looseRevoked';
  const sum = isProven ? side : loose;
  said[sum] = Math.max(0, said[sum] + share * weight);
}

/** The remaining share of a weight. */
function leftOf(at: number, now: number): number {
  return 0.5 ** (Math.max(0, now - at) / halfLifeMs);
}
