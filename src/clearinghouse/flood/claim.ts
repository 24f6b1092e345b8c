/** The features of a core by kind, in the order of `kinds`; each list in the order of its numbers, of 48 bits. */
export type Core = readonly (readonly number[])[];

/** What one clearinghouse has counted itself of one cluster. Nothing that it has heard of others is in it. */
export interface Claim {
  /** The number of the cluster there, and how often that number was given away. */
  readonly cluster: number;
  readonly generation: number;
  /** The smallest numbers of the core, at most `maxFeatures` in all. */
  readonly core: Core;
  /** How many there are of each kind; where it is more than what `core` has, the rest are greater numbers. */
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

/** A claim of somebody else, and who answers for it. */
export interface Take {
  readonly claim: Claim;
  /** Who answers for it: a peer by its origin id. What several origins claim through one peer is one account. */
  readonly account: string;
  readonly origin: string;
}

/** The clearinghouse that floods: what it has to say, and where what others say goes. */
export interface FloodSource {
  /** What has changed enough since it was last said. */
  claims(): Promise<readonly Claim[]>;
  take(takes: readonly Take[]): void;
}

export const maxFeatures = 64;
/** Registers of a sketch. */
export const registers = 256;
/** The highest value that a register has, of hashes of 24 bits beside the number of the register. */
export const maxRank = 33;
