/** What the queue is given: retry times, lanes, and the parts it works with. */
import type { Background, Clock, Log } from '../base/index.ts';
import type { Envelope, LaneName, QueueId, RecipientStatus } from '../mail/index.ts';
import type { Change, Spool, StoredOctets } from '../spool/index.ts';
import type { AssignLanes, Deliver } from './deliver.ts';

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

/** Something the sender may want to hear about; the receiver of this decides by NOTIFY (RFC 3461). */
export interface NotifyEvent {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly octets: StoredOctets;
  /** What just became of recipients; for `delayed` the last status of each that still waits. */
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
  readonly kind: 'ended' | 'delayed';
  /** Until when recipients are tried, for the text of a delay. */
  readonly retryUntil: number;
  /** To be durable with the notification, or without one when none is due. */
  readonly changes?: readonly Change[];
}

/**
 * Tells the sender. Resolves when the notification, if one is due, is durable in the spool. In the same commit
 * are `changes` and, of what ended, the statuses of those that it tells of: whose final status is in the spool
 * is not told of again, so that a call may be repeated, also by the next process.
 */
export type Notify = (event: NotifyEvent) => Promise<void>;

/** How the queue learns where recipients go. */
export interface Routing {
  readonly assignLanes: AssignLanes;
  /** Another number after each change of the routes: what was assigned at this one needs no second look. */
  readonly generation: number;
  /** Whether a lane is right whatever the routes say today: what is in it is not assigned anew. */
  readonly keeps?: (lane: LaneName) => boolean;
}

/** What the queue works with. */
export interface QueueParts {
  readonly spool: Spool;
  readonly deliver: Deliver;
  readonly routing: Routing;
  readonly notify: Notify;
  readonly clock: Clock;
  readonly log: Log;
  readonly background: Background;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

export interface QueueOptions {
  readonly retry: RetryOptions;
  readonly lanes: LaneOptions;
}
