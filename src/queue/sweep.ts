/** Acts on the age of messages: tells senders of a delay, and expires messages that are too old. */
import { type Envelope, type QueueId, queueIdBound, type RecipientStatus, reply } from '../mail/index.ts';
import { type Change, inTurns, walkInTurns } from '../spool/index.ts';
import { expiredStatus, expiryOf, pendingOf } from './entry.ts';
import { endPending } from './operator.ts';
import type { QueueParts } from './parts.ts';
import type { Queue } from './queue.ts';

const expiredReply = reply(551, '4.7', 'delivery time expired');
const untriedReply = reply(451, '4.7', 'not delivered yet');
const longestMs = 60_000;
const shortestMs = 1000;
/** Messages that are visited again because something was under way. When there are more, the walk waits. */
const maxLater = 10_000;

/**
 * Reports delays to senders, and ends messages that are too old where no attempt does (their destination is
 * suspended). Ids sort by age, so both are walks over the oldest messages only; a message whose delay was reported is
 * not walked again. A message that is under way is left for the next time, a held one alone.
 */
export class Sweep {
  readonly #queue: Queue;
  readonly #parts: QueueParts;
  /** The first message that was not visited for its delay. */
  #from: QueueId | undefined;
  readonly #later = new Set<QueueId>();
  #isStopped = false;

  constructor(queue: Queue, parts: QueueParts) {
    this.#queue = queue;
    this.#parts = parts;
  }

  /** How long to wait before the next run: a tenth of the shortest time that it looks after, at most a minute. */
  get intervalMs(): number {
    const { maxAgeMs, bounceMaxAgeMs, warnAfterMs } = this.#queue.options.retry;
    const shortest = Math.min(maxAgeMs, bounceMaxAgeMs, warnAfterMs || maxAgeMs);
    return Math.min(longestMs, Math.max(shortestMs, shortest / 10));
  }

  /** Ends a run after the message that it is at, for good. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Never rejects because of one message. */
  async run(): Promise<void> {
    const { retry } = this.#queue.options;
    const { spool, clock } = this.#parts;
    const now = clock.now();
    const oldest = Math.min(retry.maxAgeMs, retry.bounceMaxAgeMs);
    await this.#each(walkInTurns(spool, { until: bound(now - oldest) }), async (id) => {
      const envelope = readEnvelope(this.#parts, id);
      if (envelope !== undefined && now >= expiryOf(envelope, retry)) await this.#expire(id);
    });
    if (retry.warnAfterMs > 0) await this.#warnUntil(bound(now - retry.warnAfterMs));
  }

  async #warnUntil(until: QueueId): Promise<void> {
    await this.#each(inTurns([...this.#later]), (id) => this.#visit(id));
    const from = this.#from;
    if (this.#later.size >= maxLater || (from !== undefined && from >= until)) return;
    let reached = until;
    await this.#each(walkInTurns(this.#parts.spool, { ...(from && { from }), until }), async (id) => {
      if (this.#later.size < maxLater) await this.#visit(id);
      else if (id < reached) reached = id;
    });
    this.#from = reached;
  }

  /** A notification that fails now is sent later. */
  async #visit(id: QueueId): Promise<void> {
    this.#later.add(id);
    if (await warn(this.#queue, this.#parts, id)) this.#later.delete(id);
  }

  /** An error in the visit of one message is logged, and the visits of the others go on. */
  async #each(ids: AsyncIterable<QueueId>, visit: (id: QueueId) => Promise<void>): Promise<void> {
    for await (const id of ids) {
      if (this.#isStopped) return;
      try {
        await visit(id);
      } catch (error) {
        this.#parts.log.error('sweep-failed', { queueId: id, because: String(error) });
      }
    }
  }

  /** Fails every recipient that is still pending and ends the message. Held mail does not expire. */
  async #expire(id: QueueId): Promise<void> {
    const untried = {
      status: 'failed',
      at: this.#parts.clock.now(),
      reply: expiredReply,
      expired: true,
    } as const;
    await endPending(this.#queue, this.#parts, {
      id,
      status: (last) => (last === undefined ? untried : expiredStatus(last)),
    });
  }
}

/** The first id of a message that is younger than that time. */
function bound(at: number): QueueId {
  return queueIdBound(Math.max(0, at + 1));
}

/** Unreadable envelopes are reported where they are delivered; here they are only passed over. */
function readEnvelope({ spool }: QueueParts, id: QueueId): Envelope | undefined {
  try {
    return spool.envelope(id);
  } catch {
    return undefined;
  }
}

/**
 * Tells the sender once that recipients are still waiting (RFC 3461 §4.1, DELAY). False when something is
 * under way, so that it is not known who waits.
 */
async function warn(queue: Queue, parts: QueueParts, id: QueueId): Promise<boolean> {
  const { spool, clock } = parts;
  const late = spool.entries(id).filter(({ warned, held }) => warned === undefined && held === undefined);
  const waiting = late.filter((entry) => !queue.claims.excludes(entry));
  if (waiting.length === 0) return late.length === 0;
  using seizure = queue.claims.seize(id);
  const envelope = readEnvelope(parts, id);
  const octets = spool.octets(id);
  if (seizure === undefined) return false;
  if (envelope === undefined || octets === undefined) return true;
  const known = spool.statuses(id);
  const untried: RecipientStatus = { status: 'pending', at: clock.now(), reply: untriedReply };
  const pending = waiting.flatMap((entry) => pendingOf(entry, envelope, known));
  const statuses = new Map(pending.map((index) => [index, known.get(index) ?? untried]));
  const retryUntil = expiryOf(envelope, queue.options.retry);
  const changes = waiting.map(
    (from): Change => ({ kind: 'reschedule', from, to: { ...from, warned: true } }),
  );
  await parts.notify({ id, envelope, octets, statuses, kind: 'delayed', retryUntil, changes });
  return late.length === waiting.length;
}
