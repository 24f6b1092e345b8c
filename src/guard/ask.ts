/** The interfaces that the guard needs: memory, held mail, notices. */
import type { HeldCounts, HoldRecord } from './hold.ts';
import type { SubjectKey } from './subject.ts';

/** Where holds and allowances are kept: a small table that survives a restart. */
export interface GuardMemory {
  entries(): Iterable<readonly [key: string, value: unknown]>;
  /** Resolves when it is durable. */
  put(key: string, value: unknown, expiresAt: number): Promise<void>;
  remove(key: string): Promise<void>;
}

/**
 * The mail of a hold in the queue. Every call walks the queue and keeps nothing in memory, so that it may be repeated
 * after a crash: messages that are done are not found again.
 */
export interface HeldMail {
  /** Holds messages of the subject that are in the queue since `from`; those of a running attempt after it. */
  hold(of: {
    readonly subject: SubjectKey;
    readonly from: number;
    readonly because: string;
  }): Promise<HeldCounts>;
  /** The counts of mail that is held with this tag. */
  count(tag: string, from: number): Promise<HeldCounts>;
  /** Lets everything with this tag go, now. Resolves with the number of messages. */
  release(tag: string, from: number): Promise<number>;
  /** Removes all messages with this tag that were accepted before `until`, without a DSN. */
  remove(tag: string, range: { readonly from: number; readonly until: number }): Promise<number>;
}

/** Sends a notice of a hold, once. May reject; then the hold is only in the log. */
export type TellOfHold = (hold: HoldRecord) => Promise<void>;
