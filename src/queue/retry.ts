import type { Envelope } from '../mail/index.ts';
import type { RetryOptions } from './options.ts';

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
