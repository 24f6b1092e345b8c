/** What the configuration says about the archive of traps, and the defaults. */

/** What the archive keeps; beyond any of these the oldest go. */
export interface ArchiveOptions {
  /** A folder of its own; made when it is missing. */
  readonly folder: string;
  readonly maxMessages: number;
  /** Of all files together, those that are arriving included. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** Of one message: 552 5.3.4. */
  readonly maxMessageBytes: number;
}

export const defaultTrap = {
  maxMessages: 100_000,
  maxBytes: 1_000_000_000,
  maxAgeMs: 90 * 86_400_000,
  maxMessageBytes: 10_000_000,
} as const;
