import { type Envelope, type QueueId, queueIdBound, type RecipientStatus, reply } from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import type { QueueParts } from './options.ts';
import { logStatuses } from './outcome.ts';
import type { Queue } from './queue.ts';
import { expiryOf } from './retry.ts';
import { expiredStatus, pendingOf } from './settle.ts';

const expiredReply = reply(551, '4.7', 'delivery time expired');
const untriedReply = reply(451, '4.7', 'not delivered yet');
const messagesPerTurn = 100;

/**
 * Ends what is too old and tells senders of delays. Ids sort by age, so both are walks over the oldest
 * messages only. Runs now and then; a message that is under way is left for the next time.
 */
export async function sweep(queue: Queue, parts: QueueParts): Promise<void> {
  const { retry } = queue.options;
  const now = parts.clock.now();
  const oldest = Math.min(retry.maxAgeMs, retry.bounceMaxAgeMs);
  const ids = parts.spool.walk({ until: queueIdBound(Math.max(0, now - oldest + 1)) });
  await eachInTurns(parts, ids, async (id) => {
    const envelope = readEnvelope(parts, id);
    if (envelope === undefined) return;
    if (now >= expiryOf(envelope, retry)) await expire(queue, parts, id);
  });
  if (retry.warnAfterMs === 0) return;
  const late = parts.spool.walk({ until: queueIdBound(Math.max(0, now - retry.warnAfterMs + 1)) });
  await eachInTurns(parts, late, (id) => warn(queue, parts, id));
}

/** What one message does to its visit is said and does not keep the others from theirs. */
async function eachInTurns(
  { log }: QueueParts,
  ids: Iterable<QueueId>,
  visit: (id: QueueId) => Promise<void>,
): Promise<void> {
  let count = 0;
  for (const id of ids) {
    try {
      await visit(id);
    } catch (error) {
      log.error('sweep-failed', { queueId: id, because: String(error) });
    }
    if (++count % messagesPerTurn === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Unreadable envelopes are reported where they are delivered; here they are only passed over. */
function readEnvelope({ spool }: QueueParts, id: QueueId): Envelope | undefined {
  try {
    return spool.envelope(id);
  } catch {
    return undefined;
  }
}

/** Fails every recipient that is still pending and ends the message. Held mail does not expire. */
async function expire(queue: Queue, parts: QueueParts, id: QueueId): Promise<void> {
  await endPending(queue, parts, {
    id,
    status: (last) => {
      const at = parts.clock.now();
      return last === undefined
        ? { status: 'failed', at, reply: expiredReply, expired: true }
        : expiredStatus(last);
    },
  });
}

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

/** Tells the sender once that recipients are still waiting (RFC 3461 §4.1, DELAY). */
async function warn(queue: Queue, parts: QueueParts, id: QueueId): Promise<void> {
  const { spool, clock } = parts;
  const isLate = (entry: LaneEntry) => entry.warned === undefined && entry.held === undefined;
  const waiting = spool.entries(id).filter((entry) => isLate(entry) && !queue.claims.excludes(entry));
  if (waiting.length === 0) return;
  using seizure = queue.claims.seize(id);
  const envelope = readEnvelope(parts, id);
  const octets = spool.octets(id);
  if (seizure === undefined || envelope === undefined || octets === undefined) return;
  const known = spool.statuses(id);
  const untried: RecipientStatus = { status: 'pending', at: clock.now(), reply: untriedReply };
  const pending = waiting.flatMap((entry) => pendingOf(entry, envelope, known));
  const statuses = new Map(pending.map((index) => [index, known.get(index) ?? untried]));
  const retryUntil = expiryOf(envelope, queue.options.retry);
  const changes = waiting.map(
    (from): Change => ({ kind: 'reschedule', from, to: { ...from, warned: true } }),
  );
  await parts.notify({ id, envelope, octets, statuses, kind: 'delayed', retryUntil, changes });
}
