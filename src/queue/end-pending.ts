import type { QueueId, RecipientStatus } from '../mail/index.ts';
import type { QueueParts } from './options.ts';
import { logStatuses } from './outcome.ts';
import { type Portion, sharesOf, without } from './portion.ts';
import type { Queue } from './queue.ts';
import { statusChanges } from './settle.ts';

/** What an operation did to one message. */
export type Operated = 'done' | 'under-way' | 'unknown' | 'nothing-to-do';

/** How `endPending` ends a recipient, from its last status. */
export interface EndPending {
  readonly id: QueueId;
  status(last: RecipientStatus | undefined): RecipientStatus;
  /** Also what an operator holds. */
  readonly heldToo?: boolean;
  /** These recipients only. */
  readonly portion?: Portion;
}

/**
 * Gives the pending recipients of a message the same end, notifies, and removes the message when nothing is
 * left. `under-way` when some entry is under way or gone, and was left as it is. What of an entry is not meant
 * goes on; who is left in it is written with the notification.
 */
export async function endPending(queue: Queue, parts: QueueParts, end: EndPending): Promise<Operated> {
  const { spool, log, clock } = parts;
  const { id, portion, heldToo = false } = end;
  using seizure = queue.claims.seize(id);
  const envelope = spool.envelope(id);
  const octets = spool.octets(id);
  if (seizure === undefined || envelope === undefined || octets === undefined) return 'under-way';
  const known = spool.statuses(id);
  const entries = spool.entries(id).filter(({ held }) => heldToo || held === undefined);
  const all = sharesOf(entries, { envelope, statuses: known }, portion);
  const shares = all.filter(({ entry }) => queue.claims.drop(id, entry.number));
  if (shares.length === 0) return portion !== undefined && all.length === 0 ? 'nothing-to-do' : 'under-way';
  const pending = shares.flatMap(({ taken }) => taken);
  const statuses = new Map(pending.map((index) => [index, end.status(known.get(index))]));
  const divided = shares.filter(({ left }) => left.length > 0);
  const changes = divided.map((share) => without(share, clock.now()));
  // Said only when it is so: a notification that cannot be spooled now leaves everything as it was.
  await parts.notify({
    id,
    envelope,
    octets,
    statuses,
    kind: 'ended',
    retryUntil: clock.now(),
    ...(divided.length > 0 && { changes: [...statusChanges(id, statuses), ...changes] }),
  });
  logStatuses(log, { id, envelope, statuses, now: clock.now() });
  const ended = shares.filter(({ left }) => left.length === 0).map(({ entry }) => entry);
  if (ended.length > 0) await queue.finish({ id, entries: ended, statuses });
  return shares.length === all.length ? 'done' : 'under-way';
}
