import type { QueueId, RecipientStatus } from '../mail/index.ts';
import type { QueueParts } from './options.ts';
import { logStatuses } from './outcome.ts';
import type { Queue } from './queue.ts';
import { pendingOf } from './settle.ts';

/** How `endPending` ends a recipient, from its last status. */
export interface EndPending {
  readonly id: QueueId;
  status(last: RecipientStatus | undefined): RecipientStatus;
  /** Also what an operator holds. */
  readonly heldToo?: boolean;
}

/**
 * Gives all pending recipients of a message the same end, notifies, and removes the message when nothing
 * is left. False when some entry is under way, held or gone, and was left as it is.
 */
export async function endPending(queue: Queue, parts: QueueParts, end: EndPending): Promise<boolean> {
  const { spool, log, clock } = parts;
  const { id } = end;
  using seizure = queue.claims.seize(id);
  const envelope = spool.envelope(id);
  const octets = spool.octets(id);
  if (seizure === undefined || envelope === undefined || octets === undefined) return false;
  const all = spool.entries(id);
  const entries = all.filter((entry) => end.heldToo === true || entry.held === undefined);
  const ended = entries.filter((entry) => queue.claims.drop(id, entry.number));
  if (ended.length === 0) return false;
  const known = spool.statuses(id);
  const pending = ended.flatMap((entry) => pendingOf(entry, envelope, known));
  const statuses = new Map(pending.map((index) => [index, end.status(known.get(index))]));
  // Said only when it is so: a notification that cannot be spooled now leaves everything as it was.
  await parts.notify({ id, envelope, octets, statuses, kind: 'ended', retryUntil: clock.now() });
  logStatuses(log, { id, envelope, statuses, now: clock.now() });
  await queue.finish({ id, entries: ended, statuses });
  return ended.length === all.length;
}
