import type { Envelope, LaneName, QueueId, RecipientStatus, Reply } from '../mail/index.ts';
import type { StoredOctets } from '../spool/index.ts';
import type { Replacements } from './append.ts';

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
}

/** How the destination itself did, for the concurrency and health of its lane. */
export type Health =
  /** It talked to us, whatever it said about the recipients. */
  | { readonly kind: 'alive' }
  /** It asked for less: 421, or 4yz at greeting or EHLO, or a limit on connections. */
  | { readonly kind: 'throttled'; readonly reply: Reply }
  /** It took the session and broke off in a transaction: perhaps because of this message alone. */
  | { readonly kind: 'broken-off'; readonly reply: Reply }
  /** It could not be reached, or our own disk took nothing: this says nothing about the message. */
  | { readonly kind: 'unavailable'; readonly reply: Reply };

/** What came of an attempt: for each recipient that was asked for exactly one status, or who takes its place. */
export interface AttemptResult {
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
  /** Recipients that stand for others, to whom the message goes on: never none. */
  readonly replacements?: Replacements;
  readonly health: Health;
}

/**
 * Carries out one attempt. Never rejects: whatever goes wrong is a status. It finds connections of its
 * own, keeps them between attempts and ends soon after `signal` aborts with everything pending.
 */
export type Deliver = (attempt: Attempt, signal: AbortSignal) => Promise<AttemptResult>;

/** Groups recipients by lane: the routing decision, made at acceptance. Indices are into `recipients`. */
export type AssignLanes = (envelope: Envelope) => readonly {
  readonly lane: LaneName;
  readonly recipients: 'all' | readonly number[];
}[];
