/** The interfaces that the queue declares and other modules implement: delivery, routing, notification. */
import type { Background, Clock, Log } from '../base/index.ts';
import type { Envelope, LaneName, QueueId, Recipient, RecipientStatus, Reply } from '../mail/index.ts';
import type { Change, Spool, StoredOctets } from '../spool/index.ts';
import type { QueueEvents } from './events.ts';

/** One try at one destination with one message, for the recipients that are still pending there. */
export interface Attempt {
  readonly id: QueueId;
  readonly lane: LaneName;
  readonly envelope: Envelope;
  /** Indices into `envelope.recipients`. */
  readonly recipients: readonly number[];
  readonly octets: StoredOctets;
  /** The number of this attempt, from 1. */
  readonly number: number;
  /**
   * Begins the next attempt of the lane, if one waits, whose envelope goes out behind the content of this one. It is
   * handed to `deliver` before this returns.
   */
  readonly follow?: () => void;
}

/** How the destination itself did, for the concurrency and health of its lane. */
export type Health =
  /** It answered, whatever its replies about the recipients. */
  | { readonly kind: 'alive' }
  /** It asked for less: 421, or 4yz at greeting or EHLO, or a limit on connections. */
  | { readonly kind: 'throttled'; readonly reply: Reply }
  /** It took the session and broke off in a transaction: perhaps because of this message alone. */
  | { readonly kind: 'broken-off'; readonly reply: Reply }
  /** It could not be reached, or our own disk took nothing: this says nothing about the message. */
  | { readonly kind: 'unavailable'; readonly reply: Reply };

/** Recipients that replace others, by the index of the replaced one. */
export type Replacements = ReadonlyMap<number, readonly Recipient[]>;

/** The result of an attempt: for each requested recipient exactly one status, or the recipients that replace it. */
export interface AttemptResult {
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
  /** Recipients that replace others, to which the message goes on: never none. */
  readonly replacements?: Replacements;
  readonly health: Health;
}

/**
 * Carries out one attempt. Never rejects: every fault is a status. It finds connections of its own, keeps them between
 * attempts and ends soon after `signal` aborts with everything pending.
 */
export type Deliver = (attempt: Attempt, signal: AbortSignal) => Promise<AttemptResult>;

/** Groups recipients by lane: the routing decision, made at acceptance. Indices are into `recipients`. */
export type AssignLanes = (envelope: Envelope) => readonly {
  readonly lane: LaneName;
  readonly recipients: 'all' | readonly number[];
}[];

/** Something the sender may want to hear about; the receiver of this decides by NOTIFY (RFC 3461). */
export interface NotifyEvent {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly octets: StoredOctets;
  /** The new statuses of recipients; for `delayed` the last status of each that still waits. */
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
  readonly kind: 'ended' | 'delayed';
  /** Until when recipients are tried, for the text of a delay. */
  readonly retryUntil: number;
  /** To be durable with the notification, or without one when none is due. */
  readonly changes?: readonly Change[];
}

/**
 * Notifies the sender. Resolves when the notification, if one is due, is durable in the spool. The same commit has
 * `changes` and the statuses of the reported ends. A recipient whose final status is in the spool is not reported
 * again, so that a call may be repeated, also by the next process.
 */
export type Notify = (event: NotifyEvent) => Promise<void>;

/** How the queue learns where recipients go. */
export interface Routing {
  readonly assignLanes: AssignLanes;
  /** Another number after each change of the routes: assignments made at this one need no second look. */
  readonly generation: number;
  /** Whether a lane is right under any routes: its entries are not assigned anew. */
  readonly keeps?: (lane: LaneName) => boolean;
}

/** The parts that the queue needs. */
export interface QueueParts {
  readonly spool: Spool;
  readonly deliver: Deliver;
  readonly routing: Routing;
  readonly notify: Notify;
  readonly clock: Clock;
  readonly log: Log<QueueEvents>;
  readonly background: Background;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}
