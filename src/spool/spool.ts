/** The interface of a spool: accepted messages, and the schedule of their entries. */
import {
  type Envelope,
  formatLane,
  type LaneName,
  type QueueId,
  type RecipientStatus,
} from '../mail/index.ts';

/** An entry of the schedule: the recipients of one message that still wait in one lane. */
export interface LaneEntry {
  readonly id: QueueId;
  /** Numbers the lanes of one message from 0; `id` and `number` name the entry for good. */
  readonly number: number;
  readonly lane: LaneName;
  /** Indices into `Envelope.recipients`; `'all'` is the common case and costs nothing. */
  readonly recipients: 'all' | readonly number[];
  /** Attempts begun so far. It is written before dialling, so that a crash counts. */
  readonly attempts: number;
  /** Whole milliseconds since 1970: the next attempt is not to begin before this. */
  readonly dueAt: number;
  /**
   * The attempt that `attempts` counts was begun and its end is not recorded yet: `dueAt` is then the time
   * at which it would be tried again if this process died now.
   */
  readonly begun?: true;
  /** When the last attempt was begun: a flush tries each entry once. */
  readonly attemptedAt?: number;
  /** The delay was reported to the sender. */
  readonly warned?: true;
  /** Set aside by an operator or a guard, with the reason: in no schedule until released. */
  readonly held?: string;
}

/**
 * The lane of recipients whose own lane was lost with a damaged record. It is no destination: its due entries are to
 * be routed again.
 */
export const recoverLane = formatLane({ scheme: 'recover', place: '' });

/** An entry as `commit` takes it: the id is the draft's, the number its place in the list. */
export type NewLaneEntry = Omit<LaneEntry, 'id' | 'number'>;

/** One change to spooled messages. A list of changes given to one `update` becomes durable together or not at all. */
export type Change =
  /** Writes the status of one recipient. A recipient without one is pending and was never tried. */
  | {
      readonly kind: 'status';
      readonly id: QueueId;
      readonly recipient: number;
      readonly status: RecipientStatus;
    }
  /**
   * Replaces an entry (its attempts, due time, lane, hold). `from` is the entry as it was read; only its id
   * and number are believed, so a stale copy does no harm. An entry that is finished is not brought back.
   */
  | { readonly kind: 'reschedule'; readonly from: LaneEntry; readonly to: LaneEntry }
  /** Adds a lane to a message, for a redirect or a new route. Its number must be unused. */
  | { readonly kind: 'add'; readonly entry: LaneEntry }
  /**
   * Removes one entry: all its recipients have come to their end. Each needs a final status, in the same
   * update or before: a recipient that is pending and in no entry is found at the next start and put into
   * the lane `recoverLane`.
   */
  | { readonly kind: 'finish'; readonly entry: LaneEntry }
  /** Removes message, statuses and entries. */
  | { readonly kind: 'remove'; readonly id: QueueId }
  /** Replaces the recipients of a message (redirect): the octets stay as they are. */
  | { readonly kind: 'envelope'; readonly id: QueueId; readonly envelope: Envelope };

/** A message whose octets are arriving. Nothing of it survives unless `commit` resolves. */
export interface Draft extends AsyncDisposable {
  readonly id: QueueId;
  /** Octets written so far. */
  readonly size: number;
  /**
   * Appends octets. The chunk belongs to the draft from then on: the caller does not change it any more.
   * Returns a promise when the caller should wait before writing more (the octets go to a file, or the
   * memory for drafts is used up), else `undefined`.
   */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /**
   * Makes message, envelope and entries durable, and the changes to other messages with them: all or nothing.
   * When it resolves, a power cut loses none of them.
   * Rejects with a `SpoolError`; the draft is then gone and nothing was accepted. Rejects with a
   * `RangeError` when a recipient would be in no entry: nothing would ever attempt it.
   */
  commit(envelope: Envelope, entries: readonly NewLaneEntry[], changes?: readonly Change[]): Promise<QueueId>;
  /** Throws the octets away. Does nothing after `commit`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The octets of a message: in memory when they are small, else read from the file in pieces. */
export interface StoredOctets {
  readonly size: number;
  /** All octets at once, when the message is small enough to be kept in the store; else `undefined`. */
  readonly whole: Buffer | undefined;
  /**
   * The octets in order, in pieces of at most 64 KiB, each a buffer of its own. No read view of the store
   * is held between pieces. Throws `SpoolError` `corrupt` when length or checksum do not match.
   */
  chunks(from?: number): AsyncIterable<Buffer>;
}

/** The reason why a spool could not do its work. Each of them is transient for the peer: 451 or 452. */
export class SpoolError extends Error {
  readonly code: 'full' | 'io' | 'corrupt' | 'missing' | 'closed' | 'newer-version' | 'locked';
  constructor(code: SpoolError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SpoolError';
    this.code = code;
  }
}

/** Whether the spool takes mail now. `low` and `failing` are answered 452 4.3.1 before reading a message. */
export type SpoolHealth =
  | { readonly state: 'ok' }
  /** Free space is below the configured floor; it recovers by itself. */
  | { readonly state: 'low'; readonly freeBytes: number; readonly floorBytes: number }
  /** A write failed in a way that leaves durability in doubt; writes are tried until one works again. */
  | { readonly state: 'failing'; readonly because: string };

/** The work that a lane still has: for its owner, and for the wake-up of lanes that sleep on disk. */
export interface LaneWake {
  readonly lane: LaneName;
  /** When its first entry is due. */
  readonly dueAt: number;
}

/**
 * Accepted messages that have not ended, durable. Reads are synchronous where the store maps its file (they take
 * microseconds); everything that waits for a disk write is a promise. Reads show durable state: a change is seen when
 * the promise of its `update` or `commit` has resolved, not before. A read of a record that does not match its
 * checksum throws `SpoolError` `corrupt`; every use after the spool is disposed throws or rejects with `closed`.
 */
export interface Spool extends AsyncDisposable {
  begin(): Draft;
  envelope(id: QueueId): Envelope | undefined;
  octets(id: QueueId): StoredOctets | undefined;
  /** The statuses that were written; a recipient that is not in the map is pending and untried. */
  statuses(id: QueueId): ReadonlyMap<number, RecipientStatus>;
  /** All entries of one message, held ones too, by number. */
  entries(id: QueueId): readonly LaneEntry[];
  /**
   * Applies the changes in one durable batch. A change to a message that is gone is ignored. Changes made
   * in the same turn of the event loop share one sync, also with commits of drafts.
   */
  update(changes: readonly Change[]): Promise<void>;
  /**
   * Entries of one lane in order of their due time (then id), due at or before `until`, after the entry
   * `after` (exclusive) in that order. At most `limit` of them.
   */
  due(
    lane: LaneName,
    options: { readonly until: number; readonly after?: LaneEntry; readonly limit: number },
  ): readonly LaneEntry[];
  /** When the first entry of the lane is due; `undefined` when it has none. */
  laneDue(lane: LaneName): number | undefined;
  /** Every lane that has entries, each with its first due time, in no order. One seek per lane. */
  lanes(): Iterable<LaneWake>;
  /**
   * Ids of all messages by age, from `from` (inclusive) up to `until` (exclusive). Copies in batches. A process that
   * has other work goes over them by `walkInTurns`.
   */
  walk(options?: { readonly from?: QueueId; readonly until?: QueueId }): Iterable<QueueId>;
  /** The number of messages. Costs nothing. */
  count(): number;
  health(): SpoolHealth;
}
