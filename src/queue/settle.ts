import type { Envelope, QueueId, RecipientStatus } from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';

/** The recipients of an entry, as indices into the envelope. */
export function recipientsOf(entry: Pick<LaneEntry, 'recipients'>, envelope: Envelope): readonly number[] {
  return entry.recipients === 'all' ? [...envelope.recipients.keys()] : entry.recipients;
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
 * The statuses at the end of the time for a message. What was said last stands as it was said, with its 4yz:
 * nobody made it permanent but the time. Who is to be held does not expire.
 */
export function expired(
  statuses: ReadonlyMap<number, RecipientStatus>,
  holds: ReadonlyMap<number, string> | undefined,
): ReadonlyMap<number, RecipientStatus> {
  return new Map(
    [...statuses].map(([index, status]) => [index, holds?.has(index) ? status : expiredStatus(status)]),
  );
}

/** One status at the end of time; one that is final stays. */
export function expiredStatus(status: RecipientStatus): RecipientStatus {
  return status.status === 'pending' ? { ...status, status: 'failed', expired: true } : status;
}
