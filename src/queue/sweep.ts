import { type Envelope, type QueueId, queueIdBound, type RecipientStatus, reply } from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import type { QueueParts } from './options.ts';
import { logStatuses } from './outcome.ts';
import type { Queue } from './queue.ts';
import { pendingOf, statusChanges } from './settle.ts';

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
  const ids = parts.spool.walk({ until: queueIdBound(Math.max(0, now - oldest)) });
  await eachInTurns(ids, async (id) => {
    const envelope = readEnvelope(parts, id);
    if (envelope === undefined) return;
    const maxAge = envelope.reversePath === null ? retry.bounceMaxAgeMs : retry.maxAgeMs;
    if (now - envelope.receivedAt >= maxAge) await expire(queue, parts, id);
  });
  if (retry.warnAfterMs === 0) return;
  const late = parts.spool.walk({ until: queueIdBound(Math.max(0, now - retry.warnAfterMs)) });
  await eachInTurns(late, (id) => warn(queue, parts, id));
}

async function eachInTurns(ids: Iterable<QueueId>, visit: (id: QueueId) => Promise<void>): Promise<void> {
  let count = 0;
  for (const id of ids) {
    await visit(id);
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
    status: (last) => ({
      status: 'failed',
      at: parts.clock.now(),
      reply:
        last?.status === 'pending' ? { ...last.reply, code: 500 + (last.reply.code % 100) } : expiredReply,
      expired: true,
    }),
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
  const envelope = spool.envelope(id);
  const octets = spool.octets(id);
  if (envelope === undefined || octets === undefined) return false;
  const all = spool.entries(id);
  const entries = all.filter((entry) => end.heldToo === true || entry.held === undefined);
  const ended = entries.filter((entry) => queue.drop(id, entry.number));
  const known = spool.statuses(id);
  const statuses = new Map<number, RecipientStatus>();
  for (const entry of ended) {
    for (const index of pendingOf(entry, envelope, known)) statuses.set(index, end.status(known.get(index)));
  }
  if (statuses.size > 0) {
    logStatuses(log, { id, envelope, statuses, now: clock.now() });
    await parts.notify({ id, envelope, octets, statuses, kind: 'ended', retryUntil: clock.now() });
  }
  if (ended.length === all.length) {
    log.info('removed', { queueId: id });
    await spool.update([{ kind: 'remove', id }]);
    return true;
  }
  await spool.update(
    ended.flatMap((entry): Change[] => [
      ...statusChanges(entry, pick(statuses, pendingOf(entry, envelope, known))),
      { kind: 'finish', entry },
    ]),
  );
  return false;
}

function pick<T>(from: ReadonlyMap<number, T>, keys: readonly number[]): Map<number, T> {
  return new Map(
    keys.flatMap((key): [number, T][] => {
      const value = from.get(key);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

/** Tells the sender once that recipients are still waiting (RFC 3461 §4.1, DELAY). */
async function warn(queue: Queue, parts: QueueParts, id: QueueId): Promise<void> {
  const { spool, clock } = parts;
  const waiting = spool
    .entries(id)
    .filter((e): e is LaneEntry => e.warned === undefined && e.held === undefined);
  const idle = waiting.filter((entry) => !queue.isClaimed(id, entry.number));
  if (idle.length === 0) return;
  const envelope = readEnvelope(parts, id);
  const octets = spool.octets(id);
  if (envelope === undefined || octets === undefined) return;
  const known = spool.statuses(id);
  const statuses = new Map<number, RecipientStatus>();
  for (const entry of idle) {
    for (const index of pendingOf(entry, envelope, known)) {
      statuses.set(index, known.get(index) ?? { status: 'pending', at: clock.now(), reply: untriedReply });
    }
  }
  const retryUntil = envelope.receivedAt + queue.options.retry.maxAgeMs;
  await parts.notify({ id, envelope, octets, statuses, kind: 'delayed', retryUntil });
  await spool.update(
    idle
      .filter((entry) => !queue.isClaimed(id, entry.number))
      .map((from): Change => ({ kind: 'reschedule', from, to: { ...from, warned: true } })),
  );
}
