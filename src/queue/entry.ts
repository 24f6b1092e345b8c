/** The changes of an entry: claimed, given back, due again, divided; and the log's words for its outcomes. */
import { backOff, type Log, Slices } from '../base/index.ts';
import { type Envelope, formatReplyText, type QueueId, type RecipientStatus } from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import type { QueueEvents } from './events.ts';
import type { RetryOptions } from './options.ts';

/** The cost of a log line, in octets of a slice: tens of microseconds, with a long reply. */
const lineOctets = 4096;

const one: readonly number[] = [0];

/** The recipients of an entry, as indices into the envelope. */
export function recipientsOf(entry: Pick<LaneEntry, 'recipients'>, envelope: Envelope): readonly number[] {
  if (entry.recipients !== 'all') return entry.recipients;
  return envelope.recipients.length === 1 ? one : [...envelope.recipients.keys()];
}

/** Whether some recipient has this status. */
export function hasStatus(
  statuses: ReadonlyMap<number, RecipientStatus>,
  wanted: RecipientStatus['status'],
): boolean {
  for (const { status } of statuses.values()) if (status === wanted) return true;
  return false;
}

/** The recipients of an entry that have not come to their end. */
export function pendingOf(
  entry: Pick<LaneEntry, 'recipients'>,
  envelope: Envelope,
  statuses: ReadonlyMap<number, RecipientStatus>,
): readonly number[] {
  const all = recipientsOf(entry, envelope);
  if (statuses.size === 0) return all;
  return all.filter((index) => (statuses.get(index)?.status ?? 'pending') === 'pending');
}

/** One `status` change for each recipient of a result. */
export function statusChanges(
  id: QueueId,
  statuses: ReadonlyMap<number, RecipientStatus>,
): readonly Change[] {
  return [...statuses].map(([recipient, status]) => ({ kind: 'status', id, recipient, status }));
}

/** The entry after an attempt that left recipients pending. */
export function rescheduled(entry: LaneEntry, dueAt: number, attemptedAt: number): LaneEntry {
  const { begun: _, ...rest } = entry;
  return { ...rest, dueAt, attemptedAt };
}

/** The entry as it is claimed: the attempt is counted before anything is dialled. */
export function claimed(entry: LaneEntry, leaseUntil: number, now: number): LaneEntry {
  return { ...entry, attempts: entry.attempts + 1, begun: true, dueAt: leaseUntil, attemptedAt: now };
}

/** A claim given back: the attempt never began. */
export function unclaimed(entry: LaneEntry, dueAt: number): LaneEntry {
  const { begun: _begun, attemptedAt: _attemptedAt, ...rest } = entry;
  return { ...rest, attempts: Math.max(0, entry.attempts - 1), dueAt };
}

/**
 * The statuses at the end of a message's time. The last reply stands as it was, with its 4yz: only the time made it
 * permanent. A recipient that is to be held does not expire.
 */
export function expired(
  statuses: ReadonlyMap<number, RecipientStatus>,
  holds: ReadonlyMap<number, string> | undefined,
): ReadonlyMap<number, RecipientStatus> {
  return new Map(
    [...statuses].map(([index, status]) => [index, holds?.has(index) ? status : expiredStatus(status)]),
  );
}

/** One status at the end of time; a final one stays. */
export function expiredStatus(status: RecipientStatus): RecipientStatus {
  return status.status === 'pending' ? { ...status, status: 'failed', expired: true } : status;
}

/** Indices into the recipients of an envelope; `undefined`: all that wait. */
export type Portion = ReadonlySet<number> | undefined;

/** An entry of which some waiting recipients are meant. */
export interface Share {
  readonly entry: LaneEntry;
  /** The selected recipients. */
  readonly taken: readonly number[];
  /** The others: the whole entry is selected if there are none. */
  readonly left: readonly number[];
}

/** The selected recipients of these entries, without the entries that have none. */
export function sharesOf(
  entries: readonly LaneEntry[],
  of: { readonly envelope: Envelope; readonly statuses: ReadonlyMap<number, RecipientStatus> },
  portion: Portion,
): readonly Share[] {
  return entries.flatMap((entry): Share[] => {
    const pending = pendingOf(entry, of.envelope, of.statuses);
    if (portion === undefined) return [{ entry, taken: pending, left: [] }];
    const taken = pending.filter((index) => portion.has(index));
    return taken.length === 0 ? [] : [{ entry, taken, left: pending.filter((index) => !portion.has(index)) }];
  });
}

/**
 * The change that leaves an entry only the recipients that are not selected, and ends it if none is left. A claim on
 * it was given up, so that it is due now.
 */
export function without({ entry, left }: Share, now: number): Change {
  if (left.length === 0) return { kind: 'finish', entry };
  const idle = entry.begun === true ? unclaimed(entry, now) : entry;
  return { kind: 'reschedule', from: entry, to: { ...idle, recipients: left } };
}

/** Recipients by the reason of their hold; `undefined` is the reason of those that are not held. */
export function byHold(
  indices: readonly number[],
  holds: ReadonlyMap<number, string> | undefined,
): ReadonlyMap<string | undefined, readonly number[]> {
  return Map.groupBy(indices, (index) => holds?.get(index));
}

/**
 * The word of the log for a status, among the documented ones; `redirected` and `removed`, which an operator did, are
 * in lists only.
 */
export function statusWord(
  status: RecipientStatus,
): 'delivered' | 'deferred' | 'bounced' | 'expired' | 'redirected' | 'removed' {
  switch (status.status) {
    case 'delivered':
      return status.redirected === true ? 'redirected' : 'delivered';
    case 'pending':
      return 'deferred';
    case 'failed':
      if (status.removed === true) return 'removed';
      return status.expired === true ? 'expired' : 'bounced';
  }
}

/** Statuses of one message that became known. */
interface KnownStatuses {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
  readonly now: number;
}

/** Writes one line for each recipient whose status became known. */
export function logStatuses(log: Log<QueueEvents>, of: KnownStatuses): void {
  for (const one of of.statuses) logStatus(log, of, one);
}

/** The same for replies of a next hop, which may be long and one for each of a thousand recipients: in slices. */
export async function logAnswers(log: Log<QueueEvents>, of: KnownStatuses): Promise<void> {
  const slices = new Slices();
  for (const one of of.statuses) {
    logStatus(log, of, one);
    const others = slices.spend(lineOctets);
    if (others !== undefined) await others;
  }
}

function logStatus(
  log: Log<QueueEvents>,
  of: KnownStatuses,
  [index, status]: readonly [number, RecipientStatus],
): void {
  const word = statusWord(status);
  // These have lines of their own.
  if (word === 'redirected' || word === 'removed') return;
  log.info(word, {
    queueId: of.id,
    from: of.envelope.reversePath?.text ?? '',
    to: of.envelope.recipients[index]?.address.text,
    relay: status.relay,
    status: word,
    reply: formatReplyText(status.reply),
    delayMs: of.now - of.envelope.receivedAt,
  });
}

/** When the time for a message runs out. */
export function expiryOf(envelope: Envelope, retry: RetryOptions): number {
  return envelope.receivedAt + (envelope.reversePath === null ? retry.bounceMaxAgeMs : retry.maxAgeMs);
}

/**
 * The wait after `attempts` attempts: doubling from `minMs` up to `maxMs`, spread by ±15 % so that what
 * failed together does not come back together. `random` gives numbers in [0, 1).
 */
export function retryDelay(attempts: number, retry: RetryOptions, random: () => number): number {
  return Math.round(backOff(attempts, retry) * (0.85 + 0.3 * random()));
}
