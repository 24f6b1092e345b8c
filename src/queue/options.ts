/** Options of the queue: for how long mail is tried, and how much of it at once. */

/** When a message is tried again and for how long. All times in milliseconds. */
export interface RetryOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** After this the remaining recipients expire. */
  readonly maxAgeMs: number;
  /** The same for messages with a null reverse-path. */
  readonly bounceMaxAgeMs: number;
  /** A delay is reported to the sender after this; 0 turns it off. */
  readonly warnAfterMs: number;
}

/** RFC 5321 §4.5.4.1 asks for at least 30 minutes on the whole; these are Postfix's bounds. */
export const defaultRetry: RetryOptions = {
  minMs: 300_000,
  maxMs: 4_000_000,
  maxAgeMs: 432_000_000,
  bounceMaxAgeMs: 432_000_000,
  warnAfterMs: 0,
};

/** How many attempts and entries of the queue there may be at once. */
export interface LaneOptions {
  /** Attempts at once to one destination. */
  readonly concurrency: number;
  /** Attempts at once in all. */
  readonly total: number;
  /** Entries of one lane that are kept in memory. */
  readonly claimsPerLane: number;
  /** Entries of all lanes that are kept in memory. */
  readonly claims: number;
  /** How long a new message waits for room in its lanes before it is left on disk. Default 50. */
  readonly patienceMs?: number;
}

export const defaultLanes: LaneOptions = { concurrency: 20, total: 500, claimsPerLane: 500, claims: 10_000 };

export interface QueueOptions {
  readonly retry: RetryOptions;
  readonly lanes: LaneOptions;
}
