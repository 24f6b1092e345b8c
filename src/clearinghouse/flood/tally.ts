/** The tally of a cluster: the counts that clearinghouses exchange. */

/** The features of a core by kind, in the order of `kinds`; each list in the order of its numbers, of 48 bits. */
export type Core = readonly (readonly number[])[];

/** The counts that a clearinghouse has made itself of one cluster, without any that it has heard from others. */
export interface Tally {
  /** The number of the cluster there, and how often that number was given away. */
  readonly cluster: number;
  readonly generation: number;
  /** The smallest numbers of the core, at most `maxFeatures` in all. */
  readonly core: Core;
  /**
   * The size of the core in each kind; if it is larger than the list in `core`, the missing features are greater
   * numbers.
   */
  readonly sizes: readonly number[];
  /** No feature of text of the core up to this one is missing. */
  readonly cut: number;
  /** HyperLogLog of distinct recipients: 256 registers. */
  readonly sketch: Uint8Array;
  /** Weighed reports and revocations. */
  readonly reported: number;
  readonly revoked: number;
  /** Milliseconds since 1970. */
  readonly firstSeen: number;
  readonly lastSeen: number;
}

/** A tally of another clearinghouse, and the account that is answerable for it. */
export interface Take {
  readonly tally: Tally;
  /**
   * The peer that is answerable for it, by its origin id. The tallies of several origins through one peer are one
   * account.
   */
  readonly account: string;
  readonly origin: string;
}

/** The clearinghouse that floods: the source of its tallies, and the taker of others' tallies. */
export interface FloodSource {
  /** The clusters that have changed enough since their last tally. */
  tallies(): Promise<readonly Tally[]>;
  take(takes: readonly Take[]): void;
}

export const maxFeatures = 64;
/** Registers of a sketch. */
export const registers = 256;
/** The highest value that a register has, of hashes of 24 bits beside the number of the register. */
export const maxRank = 33;
