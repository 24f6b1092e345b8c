/** Options of the archive of traps, with the defaults. */

import type { Background, Clock, Log } from '../base/index.ts';
import type { Reply } from '../mail/index.ts';
import type { TrapEvents } from './events.ts';

/** The folder and limits of the archive; beyond a limit of the whole archive the oldest messages are removed. */
export interface ArchiveOptions {
  /** A folder of its own; made when it is missing. */
  readonly folder: string;
  readonly maxMessages: number;
  /** The octets of all files together, arriving ones included. */
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

/** The parts that the trap needs: none of them can send. */
export interface TrapParts {
  readonly clock: Clock;
  readonly log: Log<TrapEvents>;
  readonly background: Background;
  /** Why nothing is taken now: no space, shutting down. */
  readonly refusal: () => Reply | undefined;
}
