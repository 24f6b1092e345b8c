/** Divides the configured memory among the tables of the clusters. */
import { DistinctCounts } from './distinct.ts';
import { Rows } from './rows.ts';
import { Singles } from './singles.ts';
import { Spectra } from './spectrum.ts';

/** The capacities of the tables. All memory is allocated at the start and never grows. */
export interface ClustersSize {
  readonly clusters: number;
  readonly singles: number;
  /** A power of two. */
  readonly postings: number;
}

/** Shares of the memory; a single message has some 64 features in the postings. */
export function sizeFor(octets: number): ClustersSize {
  const postings = 2 ** Math.floor(Math.log2((octets * 0.3) / 8));
  return {
    postings,
    singles: Math.max(1000, Math.floor((octets * 0.3) / Singles.octetsEach)),
    clusters: Math.max(
      100,
      Math.floor((octets * 0.35) / (Spectra.octetsEach + DistinctCounts.octetsEach + Rows.octetsEach)),
    ),
  };
}

/** The largest power of two that is not above it, 1024 at least. */
export function powerOfTwo(octets: number): number {
  return 2 ** Math.max(10, Math.floor(Math.log2(octets)));
}
