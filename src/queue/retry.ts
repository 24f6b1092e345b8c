import type { Envelope } from '../mail/index.ts';

/** When a message is tried again and for how long. All times in milliseconds. */
export interface RetryOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** After this the remaining recipients expire. */
  readonly maxAgeMs: number;
  /** The same for messages with a null reverse-path. */
  readonly bounceMaxAgeMs: number;
  /** The sender is told of a delay after this; 0 turns it off. */
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

/** When the time for a message runs out. */
export function expiryOf(envelope: Envelope, retry: RetryOptions): number {
  return envelope.receivedAt + (envelope.reversePath === null ? retry.bounceMaxAgeMs : retry.maxAgeMs);
}

/**
 * The wait after `attempts` attempts: doubling from `minMs` up to `maxMs`, spread by ±15 % so that what
 * failed together does not come back together. `random` gives numbers in [0, 1).
 */
export function retryDelay(attempts: number, retry: RetryOptions, random: () => number): number {
  const base = Math.min(retry.maxMs, retry.minMs * 2 ** Math.min(30, Math.max(0, attempts - 1)));
  return Math.round(base * (0.85 + 0.3 * random()));
}
